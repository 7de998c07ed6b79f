"""Network weights in a file: safetensors, with everything needed to run them in the header.

The header holds one entry, ``sushi_lg``, a JSON object (see ``WeightsInfo``). One entry keeps the bytes of the file a
function of its contents; several would come in the random order of a hash map.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sushi_lg.data.checkpoints import misfits
from sushi_lg.data.files import atomic_path
from sushi_lg.data.gallery import open_gallery
from sushi_lg.errors import ConfigError, DataError, WeightsError
from sushi_lg.nn.settings import AppearanceConfig
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker

T = TypeVar("T")
FORMAT_VERSION = 1
RECIPE = "default"
_KEY = "sushi_lg"
_BUILT = ("evidence", "slots of the levels", "blocks")  # settings that the tensors depend on


@dataclass
class WeightsInfo:
    """What a weights file says about itself.

    Attributes:
        config: the recipe the weights were trained for.
        recipe: name of the kind of tracker.
        format_version: of this header.
        licence: under which terms the weights may be used; follows from the data.
        data: what they were trained on, one line a sequence.
        seed: of the training.
        iterations: optimiser steps.
        revision: of the code in version control, or empty.
    """

    config: TrackerConfig = field(default_factory=TrackerConfig)
    recipe: str = RECIPE
    format_version: int = FORMAT_VERSION
    licence: str = ""
    data: list[str] = field(default_factory=list)
    seed: int = 0
    iterations: int = 0
    revision: str = ""


def save_weights(path: str | Path, state: Mapping[str, Tensor], info: WeightsInfo) -> None:
    """Write tensors and header; the file appears at once or not at all."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with atomic_path(path) as staged:
        save_file(tensors, staged, metadata={_KEY: json.dumps(asdict(info), sort_keys=True)})


def weights_path(name: str | Path) -> Path:
    """Return the file of shipped weights by name (``default``), or the path as given.

    Raises:
        WeightsError: neither is a file.
    """
    folder = Path(__file__).resolve().parents[1] / "weights"
    shipped = folder / f"{name}.safetensors"
    if shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    known = ", ".join(sorted(path.stem for path in folder.glob("*.safetensors"))) or "none"
    raise WeightsError(f"{name}: no such weights", f"give a .safetensors file; shipped: {known}")


def load_tracker(path: str | Path, config: TrackerConfig | None = None) -> HierarchicalTracker:
    """Return a tracker with the weights of a file, in evaluation mode.

    Args:
        path: of the file.
        config: settings to run with; they may differ from those of the training in everything but what the network
            reads and how it is built; the appearance encoder is that of the weights where they do not ask for another.
            None = those of the training.

    Raises:
        WeightsError: see ``read_weights``; also settings the network was not made for, and tensors that do not fit.
    """
    info, tensors = read_weights(path)
    if config is not None:
        learned = info.config.appearance
        if config.appearance not in (AppearanceConfig(), learned):
            raise WeightsError(
                f"{path}: trained with appearance {asdict(learned)}, the settings say {asdict(config.appearance)}",
                "leave appearance.* alone: it comes with the weights",
            )
        config = replace(config, appearance=learned)
        refuse_other_network(info.config, config, path)
    tracker = HierarchicalTracker(config or info.config)
    load_state(tracker, tensors, path)
    return tracker.eval()


def refuse_other_network(trained: TrackerConfig, wanted: TrackerConfig, path: str | Path) -> None:
    """Stop where settings ask for another network than that of the weights.

    Raises:
        WeightsError: they do; names the setting.
    """
    for name, one, other in zip(_BUILT, _built(trained), _built(wanted), strict=True):
        if one != other:
            raise WeightsError(
                f"{path}: trained with {name} {one}, the settings say {other}",
                "leave these settings alone, or train weights for them",
            )


def read_weights(path: str | Path) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """Return header and tensors.

    Raises:
        WeightsError: no such file, not safetensors, no header of this package, or one it cannot read or use.
    """
    path = Path(path)
    header, tensors = read_tensors(path, _KEY)
    if header is None:
        raise WeightsError(
            f"{path}: no header of this package", "weights of other projects come in through import-checkpoint"
        )
    try:
        stated = json.loads(header)
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path}: the header is not JSON ({error})", "copy the file again") from error
    version, recipe = (stated.get(key) if isinstance(stated, dict) else None for key in ("format_version", "recipe"))
    if version != FORMAT_VERSION:
        raise WeightsError(f"{path}: format version {version}, this program reads {FORMAT_VERSION}", "update sushi-lg")
    if recipe != RECIPE:
        raise WeightsError(f"{path}: weights of recipe {recipe!r}, not {RECIPE!r}", f"track with --recipe {recipe}")
    try:
        info = from_json(WeightsInfo, stated)
        info.config.validate()
    except (TypeError, ValueError, ConfigError) as error:
        raise WeightsError(
            f"{path}: header: {error}", "another version wrote the file: train again, or take the shipped weights"
        ) from error
    return info, tensors


def read_tensors(path: Path, key: str) -> tuple[str | None, dict[str, Tensor]]:
    """Return one entry of the header, None if it is absent, and the tensors of a file of weights.

    Raises:
        WeightsError: no such file, or not safetensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file", "check the path given with --weights")
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get(key), {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        remedy = "copy the file again"
        if path.suffix in (".pth", ".pt", ".ckpt", ".pkl"):
            remedy = f"turn it into one: sushi-lg import-checkpoint {path} --out FILE.safetensors"
        raise WeightsError(f"{path}: not a safetensors file ({error})", remedy) from error


def _built(config: TrackerConfig) -> tuple[object, ...]:
    return asdict(config.evidence), [level.slot for level in config.levels], _used_blocks(config)


def _used_blocks(config: TrackerConfig) -> dict[str, object]:
    return {level.slot: asdict(config.blocks[level.slot]) for level in config.levels}


def check_look(learned: AppearanceConfig, embedder: str, fingerprint: str, where: str) -> None:
    """Refuse appearance vectors that an encoder has not learned to read.

    Args:
        learned: of the weights; without an encoder vectors of any embedder will do.
        embedder: name of the embedder that made the vectors.
        fingerprint: of its weights and settings.
        where: what the vectors belong to, for the message.

    Raises:
        DataError: they are by another embedder.
    """
    if not learned.dim or (embedder, fingerprint) == (learned.embedder, learned.fingerprint):
        return
    raise DataError(
        f"{where}: vectors by {embedder} ({fingerprint[:12]}), the weights were trained with those of "
        f"{learned.embedder} ({learned.fingerprint[:12]})",
        f"make galleries with `sushi-lg embed --embedder {learned.embedder}`, or choose other weights",
    )


def check_gallery(learned: AppearanceConfig, galleries: str | Path, sequence: str) -> None:
    """Refuse the gallery of a sequence where an encoder has not learned to read it, see ``check_look``.

    Raises:
        DataError: there is none, or it is by another embedder.
    """
    about = open_gallery(galleries, sequence).about
    check_look(learned, about.embedder, about.fingerprint, f"{galleries}: {sequence}")


def load_state(module: torch.nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors into a module after checking every name, shape and value.

    Raises:
        WeightsError: missing, unknown or misshapen tensors, all of them named; numbers that are not finite.
    """
    count, shown = misfits(module.state_dict(), tensors)
    if count:
        raise WeightsError(
            f"{path}: {count} tensors do not fit the recipe: {shown}",
            "use weights trained for this recipe, or train them again",
        )
    module.load_state_dict(tensors)


def from_json(schema: type[T], value: object, where: str = "") -> T:
    """Return a dataclass instance from what ``dataclasses.asdict`` and JSON made of one.

    Fields that are absent take their defaults, so that new fields with a neutral default do not orphan old files.

    Raises:
        ValueError: an unknown field or a value of another type, by its dotted name.
    """
    return typing.cast(T, _convert(schema, value, where))


def _convert(hint: Any, value: object, where: str) -> object:  # noqa: ANN401 - a type, in any of its forms
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'value'} is {value!r}, not an object")
        hints = typing.get_type_hints(hint)
        unknown = sorted(value.keys() - {f.name for f in dataclasses.fields(hint)})
        if unknown:
            raise ValueError(f"unknown {', '.join(f'{where}.{key}'.lstrip('.') for key in unknown)}")
        converted = {key: _convert(hints[key], entry, f"{where}.{key}".lstrip(".")) for key, entry in value.items()}
        return typing.cast(Any, hint)(**converted)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(hint):
            return None
        return _convert(next(h for h in typing.get_args(hint) if h is not type(None)), value, where)
    if origin is list and isinstance(value, list):
        item = typing.get_args(hint)[0]
        return [_convert(item, entry, f"{where}.{i}") for i, entry in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        item = typing.get_args(hint)[1]
        return {key: _convert(item, entry, f"{where}.{key}") for key, entry in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{where} is {value!r}, not {getattr(hint, '__name__', hint)}")
