"""Checkpoints that continue a training to the bit, and the weights that come out of it.

A checkpoint is two files: ``step_<iteration>.safetensors`` with all tensors, and ``step_<iteration>.json`` with
everything else and the checksum of the first, written last. Without the second file the first does not count, so a
process killed while saving leaves the checkpoint before. Nothing is pickled.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, save_weights

FORMAT_VERSION = 1
_NAME = re.compile(r"step_(\d+)\.json")


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on.

    Attributes:
        iteration: finished optimiser steps.
        tensors: by name.
        state: everything else, JSON values.
    """

    iteration: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save_checkpoint(folder: str | Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint, remove all but the newest ``keep``, and return its manifest."""
    folder = Path(folder)
    stem = f"step_{checkpoint.iteration:06d}"
    tensor_file, manifest = folder / f"{stem}.safetensors", folder / f"{stem}.json"
    # A manifest of an earlier attempt must not vouch for the new tensors while they are being replaced.
    manifest.unlink(missing_ok=True)
    with atomic_path(tensor_file) as staged:
        save_file({name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}, staged)
    content = {
        "format_version": FORMAT_VERSION,
        "iteration": checkpoint.iteration,
        "sha256": _sha256(tensor_file),
        "state": dict(checkpoint.state),
    }
    with atomic_path(manifest) as staged:
        staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for old in _manifests(folder)[:-keep]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)
    return manifest


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the manifest of the newest complete checkpoint in ``folder``, or None."""
    manifests = _manifests(Path(folder))
    return manifests[-1] if manifests else None


def load_checkpoint(manifest: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: damaged or written by another version.
    """
    manifest = Path(manifest)
    tensor_file = manifest.with_suffix(".safetensors")
    remedy = f"remove {manifest} to go on from the checkpoint before it"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise DataError(f"{manifest}: format version {content['format_version']}, not {FORMAT_VERSION}", remedy)
        if _sha256(tensor_file) != content["sha256"]:
            raise DataError(f"{tensor_file}: contents do not match the checksum in {manifest.name}", remedy)
        return Checkpoint(int(content["iteration"]), load_file(tensor_file), content["state"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"{manifest}: not a readable checkpoint ({error})", remedy) from error


def pack_optimizer(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """Return the optimiser's tensors as ``<parameter>|<quantity>``."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    return {
        f"{names[parameter]}|{quantity}": value
        for parameter, quantities in optimizer.state.items()
        for quantity, value in quantities.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors from ``pack_optimizer`` back; parameters are those of ``module``."""
    names = {parameter: name for name, parameter in module.named_parameters()}
    ordered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    index = {names[parameter]: i for i, parameter in enumerate(ordered)}
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, quantity = key.rpartition("|")
        state.setdefault(index[name], {})[quantity] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_states() -> dict[str, Any]:
    """Return the states of torch's and Python's random numbers as JSON values."""
    version, numbers, gauss = random.getstate()
    return {
        "torch": _encode(torch.get_rng_state()),
        "cuda": _encode(torch.cuda.get_rng_state()) if torch.cuda.is_initialized() else None,
        "python": [version, list(numbers), gauss],
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Go on from ``random_states``."""
    torch.set_rng_state(_decode(states["torch"]))
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(_decode(states["cuda"]))
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))


def export_weights(path: str | Path, tracker: HierarchicalTracker, info: WeightsInfo) -> None:
    """Write what tracking needs, and nothing else: tensors of the network, recipe and origin."""
    save_weights(path, tracker.state_dict(), info)


def flatten(value: object, prefix: str = "") -> dict[str, object]:
    """Return nested mappings and lists, as of settings, as one mapping of dotted names."""
    if isinstance(value, dict):
        pairs = [(str(key), entry) for key, entry in value.items()]
    elif isinstance(value, list):
        pairs = [(str(number), entry) for number, entry in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, object] = {}
    for key, entry in pairs:
        flat |= flatten(entry, f"{prefix}.{key}" if prefix else key)
    return flat


def code_revision() -> str:
    """Return the commit of the code that runs, with ``+changes`` when files differ from it; empty without git."""
    here = Path(__file__).parent
    try:
        tracked = _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        revision = _git(here, "rev-parse", "HEAD") if tracked else ""
        return f"{revision}+changes" if revision and _git(here, "status", "--porcelain", "-uno", "..") else revision
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _manifests(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step_*.json") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step_")))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encode(state: Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode("ascii")


def _decode(text: str) -> Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
