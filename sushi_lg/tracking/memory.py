"""How much memory a run will take, planned before it begins.

Blocks and pieces have fixed sizes, so that results never depend on the budget; what grows is linear in detections and
in the pairs of boxes that overlap in a frame. The numbers below lie above what ``sushi-lg bench`` measures
(benchmarks/README.md). A budget decides how many sequences run at once; what cannot fit is refused before the work. It
is a plan: nothing watches the process while it runs, and detectors that put many boxes on one person can exceed it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence as Many
from dataclasses import dataclass

import torch

from sushi_lg.errors import ConfigError
from sushi_lg.structures import Detections

_FIXED = 300 << 20  # pieces and blocks of one sequence, whatever its length
_A_DETECTION = 2000  # bytes
_A_DETECTION_PUBLISHED = 5000  # boxes only; a window at a time
_A_VECTOR = 700  # reduced to 64 numbers, with what is made of them
_A_NEIGHBOUR = 4  # bytes for every two boxes of a frame: those that overlap are kept for second looks


@dataclass(frozen=True)
class MemoryPlan:
    """What a run will need.

    Attributes:
        base: bytes of the process before the first sequence.
        sequences: name and bytes of every sequence, the largest first.
        workers: sequences that may run at once.
        wanted: sequences that were to run at once.
    """

    base: int
    sequences: tuple[tuple[str, int], ...]
    workers: int
    wanted: int

    @property
    def total(self) -> int:
        """Bytes at the worst moment: the largest sequences at once."""
        return self.base + sum(needed for _, needed in self.sequences[: self.workers])

    def explain(self) -> str:
        """Return the plan in one line."""
        name, needed = self.sequences[0]
        at_once = f"{self.workers} at once" if self.workers > 1 else "one sequence at a time"
        fewer = f" instead of {self.wanted}" if self.workers < self.wanted else ""
        process = f"{_text(self.base)} for the process itself"
        return f"about {_text(self.total)} at most, {at_once}{fewer}; {name} takes {_text(needed)}, {process}"


def plan_memory(
    sequences: Many[tuple[str, Detections]], budget: int, workers: int, *, min_score: float, published: bool = False
) -> MemoryPlan:
    """Decide how many sequences run at once.

    Args:
        sequences: name and detections of every sequence to be tracked.
        budget: bytes.
        workers: sequences at once, at most.
        min_score: detections below it take no part.
        published: a published recipe.

    Raises:
        ConfigError: a sequence alone needs more than the budget.
    """
    base = peak_memory()
    found = [(name, _needed(detections, min_score, published)) for name, detections in sequences]
    found.sort(key=lambda pair: -pair[1])
    wanted = max(1, min(workers, len(found)))
    plan = MemoryPlan(base, tuple(found), wanted, wanted)
    while plan.total > budget and plan.workers > 1:
        plan = MemoryPlan(base, plan.sequences, plan.workers - 1, wanted)
    if plan.total > budget:
        name, needed = plan.sequences[0]
        raise ConfigError(
            f"{name} needs about {_text(base + needed)}, {_text(base)} of it for the process; --memory is below that",
            f"give --memory {_text(base + needed)} or more, or a higher min_score= (fewer detections)",
        )
    return plan


def _needed(detections: Detections, min_score: float, published: bool) -> int:
    score, frame = detections.score, detections.frame
    if len(score) and 0 <= float(score.min()) and float(score.max()) <= 1:  # other scales are judged by rank
        frame = frame[score >= min_score]
    width = 0 if detections.embedding is None else detections.embedding.shape[1]
    if published:
        return _FIXED + (_A_DETECTION_PUBLISHED + 10 * width) * len(frame)  # halves as read, and a copy in float32
    pairs = int(torch.bincount(frame).square().sum()) if len(frame) else 0
    of_vectors = (4 * width + _A_VECTOR) * len(score) if width else 0  # halves as read, and those that take part
    return _FIXED + _A_DETECTION * len(frame) + of_vectors + _A_NEIGHBOUR * pairs


def peak_memory() -> int:
    """Return the most bytes this process has held; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _text(size: int) -> str:
    """Return a size, rounded up: what a message asks for is enough."""
    if size >= 1 << 30:
        return f"{math.ceil(10 * size / (1 << 30)) / 10:.1f}GB"
    return f"{math.ceil(size / (1 << 20))}MB"
