"""What bounds a stage: operations it executes and bytes it moves, against what the machine can do.

Counting watches every tensor operation of a run: multiply-adds of matrix products as two operations, one operation a
number written by anything else; bytes are those of every input and output, whether they come from a cache or not. The
bound of a stage is the larger of operations / rate and bytes / bandwidth, both measured in the same process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from sushi_lg.benchmark.operations import PrimitiveOperations
from sushi_lg.timing import StageClock

_VIEWS = frozenset(
    "alias as_strided detach expand permute select slice split squeeze t transpose unbind unsqueeze view".split()
)
_OVERWRITING = frozenset("copy_ fill_ zero_ zeros_like full_like ones_like".split())
_SIDE = 1024  # of the matrices whose product is the yardstick
_COPIED = 1 << 28  # bytes of the array whose copy is the other one


@dataclass
class Work:
    """What a stage did.

    Attributes:
        operations: floating-point operations.
        bytes: read and written.
    """

    operations: float = 0.0
    bytes: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What this machine can do with the threads it was given.

    Attributes:
        operations_per_second: of a 1024 x 1024 x 1024 product of float32.
        bytes_per_second: read and written by a copy of 256 MiB.
    """

    operations_per_second: float
    bytes_per_second: float

    def bound(self, work: Work) -> tuple[float, str]:
        """Return the seconds that the work needs at least, and what decides: "arithmetic" or "memory"."""
        arithmetic = work.operations / self.operations_per_second
        memory = work.bytes / self.bytes_per_second
        return max(arithmetic, memory), "arithmetic" if arithmetic >= memory else "memory"


def measure_machine(device: torch.device | str = "cpu", repeat: int = 5) -> Machine:
    """Measure the two yardsticks; the fastest of ``repeat`` runs counts, because machines are shared."""
    first, second = (torch.randn(_SIDE, _SIDE, device=device) for _ in range(2))
    product = torch.empty_like(first)
    source = torch.empty(_COPIED, dtype=torch.uint8, device=device).fill_(1)
    target = torch.empty_like(source).fill_(0)
    wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else None
    multiply = fastest(lambda: torch.mm(first, second, out=product), repeat, wait)
    copy = fastest(lambda: target.copy_(source), repeat, wait)
    return Machine(2 * _SIDE**3 / multiply, 2 * _COPIED / copy)


def fastest(action: Callable[[], object], repeat: int, wait: Callable[[], None] | None) -> float:
    """Return the seconds of the fastest of ``repeat`` runs after one that warms up; ``wait`` is part of each."""
    seconds = []
    for _ in range(repeat + 1):  # the first one warms up
        began = time.perf_counter()
        action()
        if wait is not None:
            wait()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


@dataclass
class WorkCounter(PrimitiveOperations):
    """Counts the work of every stage while it is active; slow, so nothing is timed meanwhile.

    Attributes:
        clock: says which stage is running.
        work: by stage.
    """

    clock: StageClock
    work: dict[str, Work] = field(default_factory=lambda: defaultdict(Work))

    def __post_init__(self) -> None:
        super().__init__()

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run one operation and note what it took."""
        result = func(*args, **kwargs)
        work, done = self.work[self.clock.current], work_of(func, args, result)
        work.operations += done.operations
        work.bytes += done.bytes
        return result


def work_of(func: Any, args: tuple[Any, ...], result: object) -> Work:  # noqa: ANN401
    """Return what one primitive operation did."""
    name = func.overloadpacket.__name__
    if name in _VIEWS:
        return Work()
    given = [value for value in tree_flatten(args)[0] if isinstance(value, Tensor)]
    made = [value for value in tree_flatten(result)[0] if isinstance(value, Tensor)]
    return Work(_operations(name, given, made), _bytes(name, given, made))


def _operations(name: str, given: list[Tensor], made: list[Tensor]) -> float:
    if name in ("mm", "addmm", "addmm_"):
        first, second = given[-2:]
        if first.layout == torch.sparse_csr:
            return 2.0 * first.values().numel() * second.shape[1]
        return 2.0 * first.shape[0] * first.shape[1] * second.shape[1]
    if name in ("bmm", "baddbmm"):
        first, second = given[-2:]
        return 2.0 * first.numel() * second.shape[2]
    return float(sum(value.numel() for value in made if value.is_floating_point()))


def _bytes(name: str, given: list[Tensor], made: list[Tensor]) -> float:
    written = float(sum(map(_size, made)))
    if name in ("empty", "new_empty", "empty_like", "empty_strided"):
        return 0.0
    if name in _OVERWRITING:  # what was there before is not read
        return written + float(sum(map(_size, given[1:])))
    if name in ("index", "index_select", "gather"):  # of the table only the rows that are taken
        return 2.0 * written + float(sum(map(_size, given[1:])))
    return written + float(sum(map(_size, given)))


def _size(value: Tensor) -> float:
    if value.layout == torch.sparse_csr:
        return float(sum(_size(part) for part in (value.crow_indices(), value.col_indices(), value.values())))
    return float(value.numel() * value.element_size())
