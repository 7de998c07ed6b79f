"""What the host may ask the device: on a CPU looking at a number is free, on a GPU the host waits for all work queued.

Code has two ways where that matters. On a CPU it leaves out rows as soon as they are known to be useless, which needs
their number; on a GPU it carries them along, masked, and asks for numbers only where arrays must be made of their size.
``like_on_a_gpu`` takes the second way on a CPU too, so that it can be tested and its waits counted without a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_waiting: ContextVar[bool] = ContextVar("waiting", default=False)


def free_to_look(values: Tensor) -> bool:
    """Return whether the host can look at numbers of this tensor without waiting."""
    return values.device.type == "cpu" and not _waiting.get()


@contextmanager
def like_on_a_gpu() -> Iterator[None]:
    """Do on a CPU what would be done on a GPU, in this thread."""
    token = _waiting.set(True)
    try:
        yield
    finally:
        _waiting.reset(token)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: blocks are small, and on busy cores the threads of a pool wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rows_of(mask: Tensor, count: int) -> Tensor:
    """Return the positions at which ``mask`` is true, without asking how many they are.

    Args:
        mask: (N,) bool.
        count: places; if fewer are true, the rest is N, if more are true, the last ones are left out.

    Returns:
        (count,) int64, ascending.
    """
    place = torch.where(mask, mask.cumsum(0) - 1, count).clamp(max=count)
    found = torch.full((count + 1,), len(mask), dtype=torch.int64, device=mask.device)
    return found.scatter_(0, place, torch.arange(len(mask), device=mask.device))[:count]


def thinned(mask: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
    """Return the mask and columns: where looking is free only the rows at which it is true, else all of them.

    Args:
        mask: (N,) bool.
        columns: (N, ...) each.
    """
    if not free_to_look(mask):
        return mask, *columns
    rows = torch.nonzero(mask).squeeze(1)  # once for all columns: each mask would look for them again
    return tuple(column.index_select(0, rows) for column in (mask, *columns))


def send(values: NDArray[np.generic], device: torch.device) -> Tensor:
    """Return a copy of host numbers on ``device`` without waiting for what the device is doing."""
    made = torch.from_numpy(values)
    return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)
