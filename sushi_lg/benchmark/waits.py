"""How often the host waits for the device: operations whose result it must see before it can go on.

A wait costs little by itself, but meanwhile no work is handed to the GPU: it runs dry. Counting needs no GPU:
``like_on_a_gpu`` takes the way a GPU would take on a CPU. Counted are numbers that are looked at, arrays whose size
depends on numbers (nonzero, masks as indices, unique, bincount, repeat_interleave without a size), and copies between
host and device that wait for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from sushi_lg.benchmark.operations import PrimitiveOperations
from sushi_lg.host import like_on_a_gpu
from sushi_lg.structures import Detections
from sushi_lg.timing import measure_stages

_LOOKING = frozenset(
    "_local_scalar_dense nonzero masked_select equal is_nonzero bincount _unique _unique2 unique_dim "
    "unique_consecutive unique_dim_consecutive linalg_solve".split()
)
_INDEXING = frozenset("index index_put index_put_ _index_put_impl_".split())
# Python-level calls: on a CPU they copy nothing, so that no operation shows.
_COPYING: frozenset[Callable[..., object]] = frozenset(
    {Tensor.cpu, Tensor.tolist, torch.tensor, torch.as_tensor, Tensor.new_tensor}
)


@dataclass
class Waits:
    """Counted waits.

    Attributes:
        levels: by level: by stage, number of waits; summed over ``runs``.
        once: by stage, those outside of levels.
        runs: how often each level ran; the published recipes run a video a few windows at a time.
    """

    levels: list[Counter[str]] = field(default_factory=list)
    once: Counter[str] = field(default_factory=Counter)
    runs: int = 0

    @property
    def most_a_level(self) -> float:
        """Waits of the level that has most, mean over runs."""
        return max((level.total() / max(self.runs, 1) for level in self.levels), default=0.0)

    @property
    def mean_a_level(self) -> float:
        """Waits a level, mean over levels and runs."""
        return sum(level.total() for level in self.levels) / max(self.runs * len(self.levels), 1)

    def summary(self) -> dict[str, float]:
        """Return mean and most of a level, and those outside of levels, for records."""
        return {"mean_a_level": self.mean_a_level, "most_a_level": self.most_a_level, "once": self.once.total()}


def count_waits(tracker: Any, detections: Detections) -> Waits:  # noqa: ANN401 - one of two recipes
    """Track a clip as on a GPU and count.

    Args:
        tracker: of any recipe.
        detections: one clip.
    """
    found = Waits()
    current: list[int] = []
    run, before = tracker.run, {key: value for key, value in vars(tracker).items() if key == "run"}

    def marked(*args: object, **settings: object) -> Iterator[object]:
        results = run(*args, **settings)
        found.runs += 1
        number = 0
        while True:
            current.append(number)
            result = next(results, None)
            current.pop()
            if result is None:
                return
            number += 1
            yield result

    with measure_stages() as clock:

        def add(waits: int) -> None:
            if not current:
                found.once[clock.current] += waits
                return
            while len(found.levels) <= current[-1]:
                found.levels.append(Counter())
            found.levels[current[-1]][clock.current] += waits

        tracker.run = marked
        try:
            with like_on_a_gpu(), counting(add):
                tracker.track(detections)
        finally:
            tracker.__dict__.pop("run")
            tracker.__dict__.update(before)
    return found


@contextmanager
def counting(add: Callable[[int], None]) -> Iterator[None]:
    """Report the waits of every operation inside to ``add``, zeros included."""
    with _Operations(add), _Copies(add):
        yield


class _Operations(PrimitiveOperations):
    """Sees what reaches the device."""

    def __init__(self, add: Callable[[int], None]) -> None:
        super().__init__()
        self.add = add

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        self.add(waits_of(func.overloadpacket.__name__, args, kwargs))
        return func(*args, **kwargs)


class _Copies(TorchFunctionMode):
    """Sees what copies between host and device."""

    def __init__(self, add: Callable[[int], None]) -> None:
        super().__init__()
        self.add = add

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if func in _COPYING:
            self.add(1)
        return func(*args, **(kwargs or {}))


def waits_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Return how often the host waits in a primitive operation of this name."""
    if name in _LOOKING:
        return 1
    if name == "repeat_interleave":
        return int(kwargs.get("output_size") is None)
    if name in _INDEXING:  # a mask is turned into positions first
        masks = [index for index in tree_flatten(args[1])[0] if isinstance(index, Tensor)]
        return sum(index.dtype in (torch.bool, torch.uint8) for index in masks)
    return 0
