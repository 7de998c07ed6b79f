"""How much memory a run will take, planned before it begins.

Blocks and pieces have fixed sizes, so that results never depend on the budget; what grows is linear in detections. The
numbers below bound what ``sushi-lg bench`` measures (benchmarks/README.md) with a margin. A budget decides how many
sequences run at once; what cannot fit is refused before the work, not killed in the middle of it.
"""

from __future__ import annotations

import math
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from sushi_lg.data.sequence import Sequence
from sushi_lg.errors import ConfigError

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*$", re.IGNORECASE)
_FIXED = 300 << 20  # pieces and blocks of one sequence, whatever its length
_A_DETECTION = 2000  # bytes
_A_DETECTION_PUBLISHED = 5000  # boxes only; a window at a time


@dataclass(frozen=True)
class MemoryPlan:
    """What a run will need.

    Attributes:
        base: bytes of the process before the first sequence.
        sequences: name and bytes of every sequence, the largest first.
        workers: sequences that may run at once.
    """

    base: int
    sequences: tuple[tuple[str, int], ...]
    workers: int

    @property
    def total(self) -> int:
        """Bytes at the worst moment: the largest sequences at once."""
        return self.base + sum(needed for _, needed in self.sequences[: self.workers])

    def explain(self) -> str:
        """Return the plan in one line."""
        name, needed = self.sequences[0]
        beside = f", {self.workers} sequences at once" if self.workers > 1 else ""
        return f"about {_text(self.total)} at most{beside}; {name} alone takes {_text(needed)}"


def parse_size(text: str) -> int:
    """Return bytes: ``4GB``, ``800MB``, ``1.5g``; units of 1024.

    Raises:
        ConfigError: not of that form, or 0.
    """
    match = _SIZE.match(text)
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise ConfigError(f"--memory {text!r} is no size", "for example 4GB or 800MB")
    return size


def plan_memory(
    sequences: list[Sequence], stem: str | None, budget: int | None, workers: int, *, published: bool = False
) -> MemoryPlan:
    """Decide how many sequences run at once.

    Args:
        sequences: to be tracked.
        stem: which file in ``det/``.
        budget: bytes; None = whatever it takes.
        workers: sequences at once, at most.
        published: a published recipe.

    Raises:
        ConfigError: a sequence alone needs more than the budget.
    """
    base = _resident()
    found = []
    for sequence in sequences:
        rows = _count_lines(sequence.detections_path(stem))
        found.append((sequence.name, _FIXED + rows * (_A_DETECTION_PUBLISHED if published else _A_DETECTION)))
    found.sort(key=lambda pair: -pair[1])
    workers = max(1, min(workers, len(found)))
    plan = MemoryPlan(base, tuple(found), workers)
    if budget is None:
        return plan
    while plan.total > budget and plan.workers > 1:
        plan = MemoryPlan(base, plan.sequences, plan.workers - 1)
    if plan.total > budget:
        name, needed = plan.sequences[0]
        raise ConfigError(
            f"{name} needs about {_text(base + needed)}, --memory is {_text(budget)}",
            f"give --memory {_text(base + needed)} or more, or a higher min_score= (fewer detections)",
        )
    return plan


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) + 1


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _text(size: int) -> str:
    """Return a size, rounded up: what a message asks for is enough."""
    if size >= 1 << 30:
        return f"{math.ceil(10 * size / (1 << 30)) / 10:.1f}GB"
    return f"{math.ceil(size / (1 << 20))}MB"
