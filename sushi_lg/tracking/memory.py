"""How much memory a run will take, planned before it begins: that of the host, and that of a GPU.

Blocks and pieces have fixed sizes, so that results never depend on the budget; what grows is linear in detections and
in the pairs of boxes that overlap in a frame. The numbers below lie above what ``sushi-lg bench`` measures
(benchmarks/README.md). A budget decides how many sequences run at once; what cannot fit is refused before the work. It
is a plan: nothing watches the process while it runs, and detectors that put many boxes on one person can exceed it.

Numbers of a GPU lie above the memory of tensors that benchmarks/gpu_memory.py counts on a pretended one. Three things
were never measured there, so they are assumed: what CUDA takes for itself, how much more than asked for PyTorch's
allocator holds, and the room in which CUDA sorts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from sushi_lg.errors import ConfigError, is_out_of_memory
from sushi_lg.geometry import paired_iou
from sushi_lg.graph.appearance import COMPARED_PAIRS, MOST_DIMENSIONS
from sushi_lg.graph.candidates import GPU_BLOCK, GPU_PART
from sushi_lg.graph.pruning import GPU_NUMBERS
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import SushiConfig
from sushi_lg.tracking.sushi import batches_on_a_gpu

CUDA_ITSELF = 600 << 20
"""Bytes that CUDA takes whatever is done, assumed: context, kernels, workspaces of cuBLAS."""
CUDA_LATER = 200 << 20
"""What of it is still to come when the free memory is asked for, assumed: the context is there by then."""
_FIXED = 300 << 20  # pieces and blocks of one sequence, whatever its length
_A_DETECTION = 2000  # bytes
_A_DETECTION_PUBLISHED = 5000  # boxes only; a window at a time
_A_VECTOR = 700  # reduced to 64 numbers, with what is made of them
_A_NEIGHBOUR = 4  # bytes for every two boxes of a frame: those that overlap are kept for second looks

_ALLOCATOR = 1.2  # assumed: blocks are rounded up, and gaps between them stay empty
_SORTED = 32  # assumed: bytes a pair while a block of them is sorted

_ON_A_GPU = 8000  # bytes a detection: levels are not cut in pieces there, so all edges of one pass messages at once
_A_DUPLICATE = 3000  # besides, where another box lies on the same person: fewer are joined, edges stay more
_HELD = 2000  # bytes a detection while pairs are listed
_A_PAIR = 80 + _SORTED  # of a block
_A_MEASURED_PAIR = 130  # of a part of it, and for every pair of the block
_A_LISTED_PAIR = 20
_GAP = 8  # the most frames that tracklets of one detection bridge
_ALONE = 0.15  # share of the detections that may still be alone there, duplicates apart
_WIDE_ROWS = 16384  # vectors in full precision at once
_SAME_PERSON = 0.5  # IoU of two boxes of a frame that are likely one person
_LOOKED_AT = 50  # frames, and about as many boxes of each

_ON_A_GPU_PUBLISHED = 13_000  # bytes a detection of the windows that run together
_A_PAIR_PUBLISHED = 120 + _SORTED


@dataclass(frozen=True)
class MemoryPlan:
    """What a run will need.

    Attributes:
        base: bytes of the process before the first sequence.
        sequences: name and bytes of every sequence, the largest first.
        workers: sequences that may run at once.
        wanted: sequences that were to run at once.
        of_base: what takes the base.
    """

    base: int
    sequences: tuple[tuple[str, int], ...]
    workers: int
    wanted: int
    of_base: str = "the process itself"

    @property
    def total(self) -> int:
        """Bytes at the worst moment: the largest sequences at once."""
        return self.base + sum(needed for _, needed in self.sequences[: self.workers])

    def explain(self) -> str:
        """Return the plan in one line."""
        name, needed = self.sequences[0]
        at_once = f"{self.workers} at once" if self.workers > 1 else "one sequence at a time"
        fewer = f" instead of {self.wanted}" if self.workers < self.wanted else ""
        base = f"{_text(self.base)} for {self.of_base}"
        return f"about {_text(self.total)} at most, {at_once}{fewer}; {name} takes {_text(needed)}, {base}"

    def within(self, budget: int) -> MemoryPlan:
        """Return the plan with as many sequences at once as fit, at least one."""
        plan = self
        while plan.total > budget and plan.workers > 1:
            plan = replace(plan, workers=plan.workers - 1)
        return plan


def plan_memory(
    sequences: Iterable[tuple[str, Detections]], budget: int, workers: int, *, min_score: float, published: bool = False
) -> MemoryPlan:
    """Decide how many sequences run at once.

    Args:
        sequences: name and detections of every sequence to be tracked, at least one.
        budget: bytes.
        workers: sequences at once, at most.
        min_score: detections below it take no part.
        published: a published recipe.

    Raises:
        ConfigError: a sequence alone needs more than the budget.
    """
    needs = ((name, _needed(detections, min_score, published)) for name, detections in sequences)
    plan = _plan(peak_memory(), needs, workers).within(budget)
    if plan.total > budget:
        base, (name, needed) = plan.base, plan.sequences[0]
        raise ConfigError(
            f"{name} needs about {_text(base + needed)}, {_text(base)} of it for the process; --memory is below that",
            f"give --memory {_text(base + needed)} or more, or a higher min_score= (fewer detections)",
        )
    return plan


def plan_gpu_memory(
    sequences: Iterable[tuple[str, Detections]],
    workers: int,
    *,
    min_score: float,
    published: SushiConfig | None = None,
    device: str = "cuda",
    budget: int | None = None,
) -> MemoryPlan:
    """Decide how many sequences run at once on a GPU.

    Args:
        sequences: name and detections of every sequence to be tracked, at least one.
        workers: sequences at once, at most.
        min_score: detections below it take no part.
        published: the recipe, where it is a published one.
        device: the GPU.
        budget: bytes; None = what is free there now.

    Raises:
        ConfigError: a sequence alone needs more.
    """
    needs = ((name, gpu_need(detections, min_score, published)) for name, detections in sequences)
    # Asked for first: on a GPU without any room the question fails, and then nothing needs to be read.
    room = free_gpu_memory(device) if budget is None else budget
    base = CUDA_LATER if budget is None else CUDA_ITSELF
    plan = replace(_plan(base, needs, workers), of_base="CUDA itself").within(room)
    if plan.total > room:
        name, _ = plan.sequences[0]
        is_below, more = "--gpu-memory is below that", f"give --gpu-memory {_text(plan.total)} or more"
        if budget is None:
            is_below, more = f"{room >> 20}MB of {device} are free", "end what else computes there"
            more += f"; the plan is an estimate, --gpu-memory {_text(plan.total)} tries all the same"
        raise ConfigError(
            f"{name} needs about {_text(plan.total)} on the GPU, {_text(base)} of it for CUDA; {is_below}",
            f"device=cpu, a higher min_score= (fewer detections), or {more}",
        )
    return plan


def free_gpu_memory(device: str) -> int:
    """Return the bytes that this process can still have on a GPU.

    Raises:
        ConfigError: not even the question could be asked.
    """
    try:
        free, _ = torch.cuda.mem_get_info(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ConfigError(
            f"device: {device}: no memory is left there", "device=cpu, or end what else computes on the GPU"
        ) from error
    # What the allocator keeps for later counts as used there, and can be had.
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def gpu_need(detections: Detections, min_score: float, published: SushiConfig | None = None) -> int:
    """Return bytes that a sequence takes on a GPU at the worst moment, without what CUDA takes for itself.

    Of recipe ``default`` as it is shipped: wider networks and more neighbours take more.

    Args:
        detections: of the sequence.
        min_score: detections below it take no part.
        published: the recipe, where it is a published one.
    """
    used = _used(detections, min_score)
    rows = len(used)
    width, size = 0, 0
    if detections.embedding is not None:
        width, size = detections.embedding.shape[1], detections.embedding.element_size()
    as_read = width * size * (len(detections) + rows)  # all of them, and those that take part
    if published is not None:
        batches = batches_on_a_gpu(detections.frame[used].numpy(), published)
        together = max(map(sum, batches), default=0)
        pairs = min(GPU_BLOCK, max((sum(count**2 // 2 for count in batch) for batch in batches), default=0))
        vectors = 4 * width * (2 * rows + 3 * together)  # in full precision, and means of tracklets
        measuring = _A_LISTED_PAIR * pairs + _A_MEASURED_PAIR * min(pairs, GPU_PART)
        measuring += 18 * min(width * pairs, GPU_NUMBERS)
        worst = max(_A_PAIR_PUBLISHED * pairs, measuring, _ON_A_GPU_PUBLISHED * together)
        return int(_ALLOCATOR * (as_read + vectors + worst + _HELD * rows))
    frame = detections.frame[used]
    neighbours = int(torch.bincount(frame).square().sum()) if rows else 0
    duplicates = _duplicates(detections.select(used))
    alone = min(1.0, duplicates + _ALONE)
    # The lowest level lists pairs of neighbouring frames, higher ones those of more frames among what is left.
    pairs = min(GPU_BLOCK, int(max(1.0, _GAP * alone**2) * neighbours))
    measuring = _A_LISTED_PAIR * pairs + _A_MEASURED_PAIR * min(pairs, GPU_PART)
    measuring += 13 * min(width, MOST_DIMENSIONS) * min(pairs, COMPARED_PAIRS)
    listing = max(_A_PAIR * pairs, measuring) + _HELD * rows
    passing = int((_ON_A_GPU + _A_DUPLICATE * duplicates) * rows)
    reducing = 20 * width * min(rows, _WIDE_ROWS) + _HELD * rows
    vectors = 5 * 4 * min(width, MOST_DIMENSIONS) * rows
    return int(_ALLOCATOR * (as_read + vectors + max(listing, passing, reducing)))


def _duplicates(detections: Detections) -> float:
    """Return the share of boxes that lie on a person who has another box in the same frame, from some frames."""
    frames, counts = torch.unique_consecutive(detections.frame, return_counts=True)
    begin = counts.cumsum(0) - counts
    on_another = seen = 0
    for number in range(0, len(frames), max(1, len(frames) // _LOOKED_AT)):
        boxes = detections.boxes_xyxy[int(begin[number]) : int(begin[number] + counts[number])]
        count = len(boxes)
        chosen = torch.arange(0, count, max(1, count // _LOOKED_AT))
        pairs = torch.cartesian_prod(chosen, torch.arange(count))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        same = paired_iou(boxes[pairs[:, 0]], boxes[pairs[:, 1]]) > _SAME_PERSON
        on_another += len(pairs[same, 0].unique())
        seen += len(chosen)
    return on_another / max(seen, 1)


def _plan(base: int, needs: Iterable[tuple[str, int]], workers: int) -> MemoryPlan:
    found = sorted(needs, key=lambda pair: -pair[1])
    wanted = max(1, min(workers, len(found)))
    return MemoryPlan(base, tuple(found), wanted, wanted)


def _used(detections: Detections, min_score: float) -> torch.Tensor:
    """Return the rows that take part."""
    score = detections.score
    if len(score) and 0 <= float(score.min()) and float(score.max()) <= 1:  # other scales are judged by rank
        return torch.nonzero(score >= min_score).squeeze(1)
    return torch.arange(len(score))


def _needed(detections: Detections, min_score: float, published: bool) -> int:
    score = detections.score
    frame = detections.frame[_used(detections, min_score)]
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
