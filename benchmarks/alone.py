"""What bounds message passing besides rates: its operations, each timed alone with its operands in the cache.

    python benchmarks/alone.py [SCENE...] [--weights-sushi FILE] [--out FILE.json] [--repeat 3]

The bound of ``sushi-lg bench`` lets arithmetic and memory overlap perfectly, over everything a stage does. Separate
operations cannot: a product waits for the sum before it. So two more numbers are given, in the same process. *apart*:
every operation as fast as its own arithmetic or its own memory allows, one after the other. *alone*: every operation
that was run, timed by itself, the fastest of many runs, times how often it was run; what is left to the stage then
is caches that it shares with others and Python between operations.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from sushi_lg.benchmark.measure import Task, describe_machine, make_tracker
from sushi_lg.benchmark.operations import PrimitiveOperations
from sushi_lg.benchmark.roofline import Work, fastest, measure_machine, work_of
from sushi_lg.benchmark.scenes import make_scene
from sushi_lg.timing import StageClock, measure_stages

STAGE = "message passing"
_SPAN = 0.004  # seconds that a timing of one operation lasts at least
_TRIES = 5


@dataclass
class Kept:
    """An operation with operands of one shape.

    Attributes:
        func: the operation.
        args: operands as they were the first time.
        kwargs: likewise.
        work: arithmetic and memory of one run.
        count: how often it was run.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    work: Work
    count: int = 1

    @torch.inference_mode()
    def seconds_alone(self) -> float:
        """Return the seconds of one run, the fastest of several spans."""

        def span(number: int) -> None:
            for _ in range(number):
                self.func(*self.args, **self.kwargs)

        number = 1
        while fastest(partial(span, number), 1, None) < _SPAN:
            number *= 2
        return fastest(partial(span, number), _TRIES, None) / number


@dataclass
class Operations(PrimitiveOperations):
    """Keeps every distinct operation of the stage while it is active."""

    clock: StageClock
    kept: dict[Any, Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run one operation, and keep it if it is a new one."""
        if self.clock.current != STAGE:
            return func(*args, **kwargs)
        key = (func, *map(_shape, tree_flatten((args, kwargs))[0]))
        known = self.kept.get(key)
        if known is not None:
            known.count += 1
            return func(*args, **kwargs)
        operands = tree_map(_copy, (args, kwargs))  # before the operation writes into them
        result = func(*args, **kwargs)
        self.kept[key] = Kept(func, *operands, work_of(func, args, result))
        return result


def _shape(value: object) -> object:
    if isinstance(value, Tensor):
        strides = value.stride() if value.layout == torch.strided else value.values().shape
        return (value.layout, value.dtype, tuple(value.shape), tuple(strides))
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _copy(value: object) -> object:
    """Return a copy with the strides of the original: a part of a wider table stays one."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or 0 in (*value.stride(), value.numel()):
        return value  # nothing writes into those
    extent = 1 + sum((size - 1) * step for size, step in zip(value.shape, value.stride(), strict=True))
    return torch.empty(extent, dtype=value.dtype).as_strided(value.shape, value.stride()).copy_(value)


def measure(task: Task) -> dict[str, float]:
    """Return seconds of message passing, and what bounds it."""
    tracker: Any = make_tracker(task)
    given = make_scene(task.scene, width=task.embedding_width).detections
    seconds = []
    for _ in range(task.repeat + 1):  # the first one warms up
        with measure_stages() as clock:
            tracker.track(given)
        seconds.append(clock.seconds[STAGE])
    machine = measure_machine()
    with measure_stages() as clock, Operations(clock) as operations:
        tracker.track(given)
    everything, apart, alone = Work(), 0.0, 0.0
    for kept in operations.kept.values():
        everything.operations += kept.count * kept.work.operations
        everything.bytes += kept.count * kept.work.bytes
        apart += kept.count * machine.bound(kept.work)[0]
        alone += kept.count * kept.seconds_alone()
    return {
        "seconds": min(seconds[1:]),
        "bound": machine.bound(everything)[0],
        "apart": apart,
        "alone": alone,
        "operations": sum(kept.count for kept in operations.kept.values()),
        "distinct": len(operations.kept),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", default=["2000x20", "725x150"])
    parser.add_argument("--weights-sushi", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs = []
    for scene in options.scenes:
        tasks = [Task(scene, repeat=options.repeat)]
        if options.weights_sushi is not None and not scene[0].isdigit():
            tasks.append(
                Task(
                    scene,
                    recipe="sushi",
                    weights=str(options.weights_sushi),
                    embedding_width=2048,
                    repeat=options.repeat,
                )
            )
        for task in tasks:
            found = {"scene": Path(scene).name, "recipe": task.recipe, **measure(task)}
            runs.append(found)
            spent = found["seconds"]
            shares = ", ".join(f"{name} {100 * found[name] / spent:.0f} %" for name in ("bound", "apart", "alone"))
            print(f"{found['scene']}, {task.recipe}: {spent:.2f} s in {found['operations']} operations; {shares}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": describe_machine(), "message_passing": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
