"""Where torch computes embeddings: device and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sushi_lg.errors import WeightsError


def checked_device(text: str) -> torch.device:
    """Return the device of this name.

    Raises:
        WeightsError: unknown, of a kind that is not used here, or not there.
    """
    try:
        device = torch.device(text)
    except RuntimeError as error:
        raise WeightsError(f"device {text!r} is unknown", "cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise WeightsError(f"device {text!r} is not supported", "cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise WeightsError(f"device {text!r}: torch sees {torch.cuda.device_count()} CUDA devices", "use device cpu")
    return device


@contextmanager
def limited_threads(number: int) -> Iterator[None]:
    """Let torch use ``number`` threads of the CPU inside the block; the setting belongs to the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
