"""Tensors by name out of other projects' checkpoints, read without running code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sushi_lg.errors import WeightsError

_SHOWN = 6
_WRAPPERS = ("model", "state_dict", "model_state_dict")


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file: wrappers and DataParallel's prefix removed, all numbers float32.

    Args:
        path: ``.pth`` (state dict, or a dict that holds one) or ``.safetensors``.

    Raises:
        WeightsError: no such file, unreadable, needs code to be read, or no tensors by name in it.
    """
    path = Path(path)
    try:
        return unwrap(_read(path))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error.message}", error.remedy) from error


def unwrap(content: Any) -> dict[str, Tensor]:  # noqa: ANN401 - whatever a pickle holds
    """Return the state dict inside a checkpoint: wrappers and DataParallel's prefix removed.

    Raises:
        WeightsError: no tensors by name.
    """
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    named = isinstance(content, Mapping) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()
    )
    if not named or not content:
        raise WeightsError("the file does not hold tensors by name", "give a state dict or a checkpoint with one")
    prefix = "module." if all(key.startswith("module.") for key in content) else ""
    return {key.removeprefix(prefix): value.float() for key, value in content.items()}


def misfits(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> tuple[int, str]:
    """Return how many tensors cannot be put in the place of those expected, and what is wrong with the first of them.

    Missing, unknown and misshapen ones cannot, nor those with numbers that are not finite.
    """
    problems = [f"{name}: missing" for name in expected if name not in tensors]
    problems += [f"{name}: unknown" for name in tensors if name not in expected]
    for name in expected.keys() & tensors.keys():
        if expected[name].shape != tensors[name].shape:
            problems.append(f"{name}: shape {list(tensors[name].shape)}, expected {list(expected[name].shape)}")
        elif not tensors[name].isfinite().all():
            problems.append(f"{name}: not finite")
    return len(problems), "; ".join(sorted(problems)[:_SHOWN] + ["..."] * (len(problems) > _SHOWN))


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever a pickle holds
    if not path.is_file():
        raise WeightsError("no such file", "give a .pth or .safetensors file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightsError(f"not a safetensors file ({error})") from error
    version = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if version < (2, 6):  # CVE-2025-32434: weights_only was not safe before
        raise WeightsError(f"torch {torch.__version__} cannot read pickles safely", "install torch 2.6 or newer")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in every way there is: IndexError, struct.error, EOFError ...
        raise WeightsError(
            f"not a checkpoint that can be read without running code ({type(error).__name__})",
            "only tensors are read from checkpoints, never code; re-save it as a plain state dict",
        ) from error
