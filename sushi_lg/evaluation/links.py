"""How well each level of the hierarchy decides, and which level made each link of the final trajectories.

A level is asked about the tracklets that lower ones left open. What it should have joined follows from the ground truth
alone: two tracklets of one person, the later one being the next to begin. What it did join is right when the last box
of the one and the first box of the other show one person. (Labels for training are majorities of up to 30 detections
at an end, see ``graph.identity``: there, a join that goes on with a swap is wrong.)

Shapes: N detections, M tracklets, E edges, J links.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.graph.tracklets import Tracklets, from_members
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.recipe import LevelConfig


@dataclass(frozen=True)
class LevelQuality:
    """What one level saw and how well it decided; counts of one or of several sequences.

    Attributes:
        level: from 0.
        max_gap: longest gap it joins, in frames.
        nodes: tracklets it started from.
        edges: candidates that were scored.
        accepted: edges that were joined.
        right: of these, joins of one person with itself.
        wrong: of these, joins of two persons.
        wanted: pairs of tracklets that take part and should have been joined, within ``max_gap``.
        reachable: of these, those that were candidates.
        found: of these, those that were joined.
        linked: neighbouring detections of one person that are neighbours in one tracklet after this level ...
        neighbours: ... of so many.
    """

    level: int
    max_gap: int
    nodes: int
    edges: int
    accepted: int
    right: int
    wrong: int
    wanted: int
    reachable: int
    found: int
    linked: int
    neighbours: int

    @property
    def precision(self) -> float | None:
        """Share of right joins among those that can be judged; None where there are none."""
        return _share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float | None:
        """Share of the wanted joins that were made; low levels leave what is doubtful to higher ones."""
        return _share(self.found, self.wanted)

    @property
    def completeness(self) -> float | None:
        """Share of the neighbouring detections of one person that are linked after this level."""
        return _share(self.linked, self.neighbours)

    @property
    def candidate_recall(self) -> float | None:
        """Share of the wanted joins that were among the candidates."""
        return _share(self.reachable, self.wanted)


@dataclass(frozen=True)
class Links:
    """Neighbouring detections of the trajectories of the last level.

    Attributes:
        earlier: (J,) int64, rows of detections.
        later: (J,) int64.
        level: (J,) int64, the last level that joined them.
        probability: (J,) float64 in [0, 1], what it said of the edge that joined them.
        is_right: (J,) bool, both are one person; False where either is unknown.
        is_judged: (J,) bool, the ground truth knows both.
    """

    earlier: NDArray[np.int64]
    later: NDArray[np.int64]
    level: NDArray[np.int64]
    probability: NDArray[np.float64]
    is_right: NDArray[np.bool_]
    is_judged: NDArray[np.bool_]


def level_quality(
    results: Iterable[LevelResult], detections: Detections, levels: Sequence[LevelConfig]
) -> list[LevelQuality]:
    """Return one entry a level.

    Args:
        results: of all levels, lowest first.
        detections: N detections with identities.
        levels: their settings.
    """
    people = from_members(detections, _dense(detections.identity))
    known = detections.identity[people.first] >= 0
    is_neighbour, before = _neighbours(people, known)
    found = []
    for number, (result, level) in enumerate(zip(results, levels, strict=True)):
        at_start, at_end = detections.identity[result.before.first], detections.identity[result.before.last]
        earlier, later = result.graph.edge_index[:, result.accepted]
        judged = (at_end[earlier] >= 0) & (at_start[later] >= 0)
        right = judged & (at_end[earlier] == at_start[later])
        wanted = _wanted(result.before, at_start, at_end, level)
        count = len(result.before)
        keys = wanted[0] * count + wanted[1]
        edges = result.graph.edge_index[0] * count + result.graph.edge_index[1]
        is_linked, linked_to = _neighbours(result.after)
        linked = is_neighbour & is_linked & (before == linked_to)
        found.append(
            LevelQuality(
                level=number,
                max_gap=level.max_gap,
                nodes=count,
                edges=result.graph.num_edges,
                accepted=len(earlier),
                right=int(right.sum()),
                wrong=int((judged & ~right).sum()),
                wanted=len(keys),
                reachable=int(torch.isin(keys, edges).sum()),
                found=int(torch.isin(keys, edges[result.accepted]).sum()),
                linked=int(linked.sum()),
                neighbours=int(is_neighbour.sum()),
            )
        )
    return found


def add_quality(parts: Iterable[Sequence[LevelQuality]]) -> list[LevelQuality]:
    """Return the counts of several sequences together, level by level."""
    names = ("nodes", "edges", "accepted", "right", "wrong", "wanted", "reachable", "found", "linked", "neighbours")
    return [
        LevelQuality(
            level=levels[0].level,
            max_gap=levels[0].max_gap,
            **{name: sum(getattr(one, name) for one in levels) for name in names},
        )
        for levels in zip(*parts, strict=True)
    ]


def true_successors(tracklets: Tracklets, at_start: Tensor, at_end: Tensor, max_gap: int) -> Tensor:
    """Return (2, J) int64: tracklets, and those in which their person goes on.

    The successor is the first to begin after the tracklet ends among those that begin with the person it ends with; a
    pair counts if it also is the last to end before, so that nobody has two.

    Args:
        tracklets: M tracklets.
        at_start: (M,) int64, who is in the first box of each; -1 = unknown.
        at_end: (M,) int64, who is in its last box.
        max_gap: frames between the two at most.
    """
    clip = tracklets.clip.tolist()
    first, last = tracklets.first_frame.tolist(), tracklets.last_frame.tolist()
    # In time, ends before starts of the same frame count as after them: a successor begins strictly later.
    events = [(clip[m], first[m], 0, m, person) for m, person in enumerate(at_start.tolist()) if person >= 0]
    events += [(clip[m], last[m], 1, m, person) for m, person in enumerate(at_end.tolist()) if person >= 0]
    open_end: dict[tuple[int, int], int] = {}
    pairs: list[tuple[int, int]] = []
    for where, frame, is_end, tracklet, person in sorted(events):
        if is_end:
            open_end[where, person] = tracklet
        else:
            before = open_end.pop((where, person), None)
            if before is not None and frame - last[before] <= max_gap:
                pairs.append((before, tracklet))
    return torch.tensor(pairs, dtype=torch.int64, device=tracklets.first.device).reshape(-1, 2).T


def final_links(results: Sequence[LevelResult], detections: Detections) -> Links:
    """Return the links of the trajectories that the last level hands on.

    Args:
        results: of all levels, lowest first, at least one.
        detections: N detections.
    """
    count = len(detections)
    level = torch.full((count,), -1, dtype=torch.int64)  # of the link that leads to each detection
    probability = torch.zeros(count, dtype=torch.float64)
    source = torch.full((count,), -1, dtype=torch.int64)
    for number, result in enumerate(results):
        earlier, later = result.graph.edge_index[:, result.accepted].cpu()
        target = result.before.first.cpu()[later]
        level[target] = number
        probability[target] = result.scores.probability[result.accepted].cpu().to(torch.float64)
        source[target] = result.before.last.cpu()[earlier]
    follows, neighbour = _neighbours(results[-1].after)
    after = torch.nonzero(follows.cpu()).squeeze(1)
    before = neighbour.cpu()[after]
    assert bool((source[after] == before).all()), "every link was made by an edge"
    identity = detections.identity.cpu()
    judged = (identity[before] >= 0) & (identity[after] >= 0)
    return Links(
        earlier=before.numpy(),
        later=after.numpy(),
        level=level[after].numpy(),
        probability=probability[after].numpy(),
        is_right=(judged & (identity[before] == identity[after])).numpy(),
        is_judged=judged.numpy(),
    )


def _wanted(tracklets: Tracklets, at_start: Tensor, at_end: Tensor, level: LevelConfig) -> Tensor:
    """Return (2, J) true successors among the tracklets that take part at a level, see ``EvidenceBuilder``."""
    takes_part = tracklets.takes_part(level.min_length)
    pairs = true_successors(
        tracklets, torch.where(takes_part, at_start, -1), torch.where(takes_part, at_end, -1), level.max_gap
    )
    return pairs[:, tracklets.whole_length[pairs].amax(dim=0) >= level.min_longer]


def _neighbours(tracklets: Tracklets, chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return (N,) bool, whether a detection follows another in its tracklet, and (N,) int64, which one.

    Args:
        tracklets: M tracklets.
        chosen: (M,) bool, those that count; None = all.
    """
    follows = torch.ones_like(tracklets.order, dtype=torch.bool)
    follows[tracklets.start[:-1]] = False
    before = torch.empty_like(tracklets.order)
    before[tracklets.order] = tracklets.order.roll(1)
    has_one = torch.zeros_like(follows)
    has_one[tracklets.order] = follows
    if chosen is not None:
        has_one &= chosen[tracklets.member_of]
    return has_one, before


def _dense(identity: Tensor) -> Tensor:
    """Return (N,) int64 labels from 0 by first detection; each unknown one has a label of its own."""
    own = torch.where(identity >= 0, identity, identity.max().clamp(min=0) + 1 + torch.arange(len(identity)))
    _, label = torch.unique(own, return_inverse=True)
    first = torch.full((int(label.max()) + 1,), len(label)).scatter_reduce(0, label, torch.arange(len(label)), "amin")
    rank = torch.empty_like(first)
    rank[torch.argsort(first)] = torch.arange(len(first))
    return rank[label]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
