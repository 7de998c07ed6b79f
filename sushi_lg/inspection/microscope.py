"""Why two tracklets were, or were not, joined: what every level of a run knew about one pair of detections.

In: a replayed sequence and two detections, the earlier and the later. Out: one ``LevelView`` a level. A pair can fall
out at each step of a level, and the view names the first: the two are not the ends of tracklets there, do not take
part, lie too far apart in time or place, were crowded out by cheaper partners, were scored too low, or lost in the
matching. What the score rests on is found by leaving evidence out: features are set to their means over the training
data, and the neighbourhood is scored again.

Shapes: M tracklets of a level, E its edges.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import DataError
from sushi_lg.graph.evidence import EvidenceBuilder, PairCosts, edge_feature_groups
from sushi_lg.graph.structures import LevelGraph, Rows
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.inspection.replay import Replay
from sushi_lg.nn.tracklet_scorer import TrackletBlock
from sushi_lg.tracking.level import LevelResult

PARTNERS = 3  # rivals and reasons that are told


class Fate(enum.Enum):
    """What became of a pair at a level."""

    joined_before = "they are one tracklet already"
    joined = "joined"
    not_ends = "one of them lies inside a tracklet"
    overlap = "the later tracklet begins before the earlier one has ended"
    aside = "one of them takes no part"
    too_late = "too many frames between them"
    too_short = "both are too short"
    too_far = "too far apart"
    other_size = "of too different a size"
    crowded_out = "cheaper partners took the places"
    unlikely = "scored below the threshold"
    outbid = "lost in the matching"


@dataclass(frozen=True)
class Side:
    """One of the two tracklets at a level.

    Attributes:
        first_frame: 0-based.
        last_frame: 0-based.
        detections: how many it has.
    """

    first_frame: int
    last_frame: int
    detections: int


@dataclass(frozen=True)
class Rival:
    """Another partner of one of the two.

    Attributes:
        of_earlier: of the earlier one (it would go on there), or of the later (it would come from there).
        side: the partner.
        track_id: trajectory that it belongs to in the result; None where it was dropped.
        cost: by which candidates are chosen.
        probability: of the edge, or None where the pair was no candidate.
        accepted: whether it was joined.
    """

    of_earlier: bool
    side: Side
    track_id: int | None
    cost: float
    probability: float | None
    accepted: bool


@dataclass(frozen=True)
class Cost:
    """By what the pair is chosen among others.

    Attributes:
        value: infinite where it cannot be chosen.
        by_motion: part of it.
        distance: box heights by which the best hypothesis misses.
        gate: box heights that it may miss by.
        hypothesis: the best one.
        size: by how much taller or smaller the later one is, as a factor of at least 1.
        size_gate: largest such factor.
        likeness: 0 = looks like somebody else, 1 = looks the same; None without appearance.
        rank_from: place among the partners in which the earlier one could go on, from 1; None without a cost.
        rank_to: place among the partners from which the later one could come.
        places: so many are kept.
    """

    value: float
    by_motion: float
    distance: float
    gate: float
    hypothesis: str
    size: float
    size_gate: float
    likeness: float | None
    rank_from: int | None
    rank_to: int | None
    places: int


@dataclass(frozen=True)
class Reason:
    """What the network says without a piece of evidence.

    Attributes:
        without: what was left out.
        probability: of the edge then.
    """

    without: str
    probability: float


@dataclass(frozen=True)
class LevelView:
    """A pair at one level.

    Attributes:
        level: from 0.
        max_gap: longest gap it joins, in frames.
        threshold: probability that it asks for.
        second_look: whether it cuts tracklets apart first.
        fate: what became of the pair.
        earlier: its tracklet.
        later: its tracklet.
        cost: None where the pair cannot be compared.
        probability: of the edge, or None where the pair was no candidate.
        reasons: what the probability rests on, what changes it most first.
        rivals: partners that were preferred, and the cheapest others.
        is_right: whether both boxes show one person; None where the ground truth does not know, or there is no edge.
    """

    level: int
    max_gap: int
    threshold: float
    second_look: bool
    fate: Fate
    earlier: Side
    later: Side
    cost: Cost | None = None
    probability: float | None = None
    reasons: tuple[Reason, ...] = ()
    rivals: tuple[Rival, ...] = ()
    is_right: bool | None = None


@dataclass(frozen=True)
class Pair:
    """Two detections.

    Attributes:
        earlier: row among those that take part.
        later: row, of a later frame.
    """

    earlier: int
    later: int


def choose_pair(again: Replay, first: int, second: int, frame: int | None) -> Pair:
    """Return the detections to ask about.

    Args:
        again: the sequence.
        first: id of a trajectory of the result.
        second: id of another, or the same.
        frame: 0-based; the last detection of the one up to here and the first of the other after it. None = the end of
            the one and the start of the other; of one and the same trajectory, its least likely link.

    Raises:
        DataError: no such trajectory, both seen at once and no frame given, or nothing on one side of the frame.
    """
    row_of = {int(row): place for place, row in enumerate(again.rows)}
    own = {track_id: _detections_of(again.stored, track_id, row_of) for track_id in (first, second)}
    frames = again.detections.frame
    if first == second and frame is None:
        return _weakest_link(again, own[first], first)
    if frame is None:
        for one, other in ((first, second), (second, first)):
            if frames[own[one][-1]] < frames[own[other][0]]:
                return Pair(own[one][-1], own[other][0])
        both = max(int(frames[own[track][0]]) for track in (first, second))
        raise DataError(
            f"{first} and {second} are both seen around frame {both + 1}", "say where one should go on: --frame N"
        )
    if first != second and int(frames[own[first][0]]) > frame:  # asked the other way around
        first, second = second, first
    earlier = [row for row in own[first] if frames[row] <= frame]
    later = [row for row in own[second] if frames[row] > frame]
    for track_id, rows, where in ((first, earlier, "up to"), (second, later, "after")):
        if not rows:
            spans = f"{int(frames[own[track_id][0]]) + 1} to {int(frames[own[track_id][-1]]) + 1}"
            raise DataError(f"{track_id} has no detection {where} frame {frame + 1}", f"it is seen in frames {spans}")
    return Pair(earlier[-1], later[0])


class Microscope:
    """Looks at pairs of detections of one sequence.

    Args:
        again: the sequence.
    """

    def __init__(self, again: Replay) -> None:
        self.again = again
        self.owner = owner_of(again)
        self._costs: dict[int, PairCosts] = {}

    def look(self, pair: Pair) -> list[LevelView]:
        """Return what every level knew about a pair and what it made of it, lowest first."""
        return [self.look_at_level(number, pair) for number in range(len(self.again.results))]

    @torch.inference_mode()
    def look_at_level(self, number: int, pair: Pair) -> LevelView:
        """Return what one level knew about a pair and what it made of it."""
        again = self.again
        level, result = again.tracker.config.levels[number], again.results[number]
        before, graph = result.before, result.graph
        u, v = (int(before.member_of[row]) for row in (pair.earlier, pair.later))
        view = LevelView(
            level=number,
            max_gap=level.max_gap,
            threshold=level.threshold,
            second_look=level.second_look,
            fate=Fate.joined_before,
            earlier=_side(before, u),
            later=_side(before, v),
        )
        if u == v:
            return view
        if int(before.last[u]) != pair.earlier or int(before.first[v]) != pair.later:
            overlap = int(before.first_frame[v]) <= int(before.last_frame[u])
            return replace(view, fate=Fate.overlap if overlap else Fate.not_ends)
        costs = self._costs_of(number)
        if not bool(costs.takes_part[u] & costs.takes_part[v]):
            return replace(view, fate=Fate.aside)
        if int(before.first_frame[v] - before.last_frame[u]) > level.max_gap:
            return replace(view, fate=Fate.too_late)
        cost, obstacle = _cost(costs, u, v, level.max_gap, level.num_neighbours)
        edges = _edges(result)
        view = replace(view, cost=cost, rivals=_rivals(costs, edges, u, v, level.max_gap, self.owner))
        if (u, v) not in edges:
            return replace(view, fate=obstacle or Fate.crowded_out)
        place = next(iter(torch.nonzero((graph.edge_index[0] == u) & (graph.edge_index[1] == v)).flatten().tolist()))
        probability, accepted = edges[u, v]
        fate = Fate.outbid if probability >= level.threshold else Fate.unlikely
        return replace(
            view,
            fate=Fate.joined if accepted else fate,
            probability=probability,
            reasons=_reasons(again, number, place),
            is_right=self._is_right(pair),
        )

    def _is_right(self, pair: Pair) -> bool | None:
        earlier, later = self.again.detections.identity[[pair.earlier, pair.later]].tolist()
        return earlier == later if min(earlier, later) >= 0 else None

    def _costs_of(self, number: int) -> PairCosts:
        if number not in self._costs:
            builder = self.again.levels[number].build
            assert isinstance(builder, EvidenceBuilder)
            self._costs[number] = builder.measure(self.again.detections, self.again.results[number].before)
        return self._costs[number]


def owner_of(again: Replay) -> dict[int, int]:
    """Return the trajectory of the stored result of every detection that is in one."""
    row_of = {int(row): place for place, row in enumerate(again.rows)}
    table = again.stored
    kept = table.detection_index >= 0
    return {
        row_of[int(row)]: int(track)
        for row, track in zip(table.detection_index[kept], table.track_id[kept], strict=True)
        if int(row) in row_of
    }


def _detections_of(table: TrajectoryTable, track_id: int, row_of: dict[int, int]) -> list[int]:
    chosen = (table.track_id == track_id) & (table.detection_index >= 0)
    if not (table.track_id == track_id).any():
        known = np.unique(table.track_id)
        span = f"there are {len(known)}, from {known.min()} to {known.max()}" if len(known) else "there are none"
        raise DataError(f"no trajectory {track_id} in the result", span)
    rows = sorted(row_of[int(row)] for row in table.detection_index[chosen] if int(row) in row_of)
    if not rows:
        raise DataError(f"the detections of trajectory {track_id} are not there any more", "track again")
    return rows


def _weakest_link(again: Replay, own: list[int], track_id: int) -> Pair:
    links = again.links
    inside = np.isin(links.earlier, own) & np.isin(links.later, own)
    if not inside.any():
        raise DataError(f"trajectory {track_id} has one detection: it was joined to nothing", "name two trajectories")
    place = np.flatnonzero(inside)[np.argmin(links.probability[inside])]
    return Pair(int(links.earlier[place]), int(links.later[place]))


Edges = dict[tuple[int, int], tuple[float, bool]]
"""(earlier, later) -> probability, and whether the edge was joined."""


def _edges(result: LevelResult) -> Edges:
    pairs = result.graph.edge_index.T.tolist()
    values = zip(result.scores.probability.tolist(), result.accepted.tolist(), strict=True)
    return {(u, v): value for (u, v), value in zip(pairs, values, strict=True)}


def _side(tracklets: Tracklets, node: int) -> Side:
    return Side(int(tracklets.first_frame[node]), int(tracklets.last_frame[node]), int(tracklets.length[node]))


def _cost(costs: PairCosts, u: int, v: int, max_gap: int, places: int) -> tuple[Cost, Fate | None]:
    """Return what a cost is made of, and why the pair cannot be chosen at all; None = it can."""
    earlier, later = torch.tensor([u]), torch.tensor([v])
    motion = costs.motion(earlier, later)
    misses = [
        (float(torch.linalg.vector_norm(miss)) / float(motion.height), name)
        for name, miss in costs.misses(motion, earlier, later, slice(None))
    ]
    distance, hypothesis = min(misses, key=lambda miss: miss[0])
    value, by_motion = float(costs(earlier, later)), float(costs.by_motion(earlier, later))
    size, largest = float(motion.size), costs.config.gate_size
    successors = _ranked(costs, u, True, max_gap)
    predecessors = _ranked(costs, v, False, max_gap)
    weight = costs.config.appearance_weight
    likeness = None
    if costs.looks is not None and math.isfinite(by_motion) and by_motion > 0 and value > 0:
        contrast = float(costs.looks.contrast[costs.tracklets.clip[u]])
        worth = weight * contrast / (contrast + 1)
        likeness = 1 - (value - by_motion) / worth if worth > 1e-6 else None
    cost = Cost(
        value=value,
        by_motion=by_motion,
        distance=distance,
        gate=float(motion.gate),
        hypothesis=hypothesis,
        size=math.exp(size),
        size_gate=math.exp(largest),
        likeness=likeness,
        rank_from=_rank(successors, v),
        rank_to=_rank(predecessors, u),
        places=places,
    )
    if math.isfinite(value):
        return cost, None
    if not math.isfinite(by_motion):
        return cost, Fate.other_size if size > largest else Fate.too_far
    return cost, Fate.too_short


def _ranked(costs: PairCosts, node: int, forwards: bool, max_gap: int) -> list[tuple[float, int]]:
    """Return (cost, partner) of all possible partners of a node, cheapest first, the lower number on a tie."""
    tracklets = costs.tracklets
    if forwards:
        gap = tracklets.first_frame - tracklets.last_frame[node]
    else:
        gap = tracklets.first_frame[node] - tracklets.last_frame
    same = tracklets.clip == tracklets.clip[node]
    partners = torch.nonzero((gap >= 1) & (gap <= max_gap) & costs.takes_part & same).squeeze(1)
    own = torch.full_like(partners, node)
    values = costs(own, partners) if forwards else costs(partners, own)
    return sorted((c, p) for c, p in zip(values.tolist(), partners.tolist(), strict=True) if math.isfinite(c))


def _rank(ranked: list[tuple[float, int]], partner: int) -> int | None:
    return next((place for place, (_, other) in enumerate(ranked, start=1) if other == partner), None)


def _rivals(costs: PairCosts, edges: Edges, u: int, v: int, max_gap: int, owner: dict[int, int]) -> tuple[Rival, ...]:
    """Return the partners that were joined instead, and the cheapest others."""
    found = []
    for of_earlier, node, other in ((True, u, v), (False, v, u)):
        told = []
        for value, partner in _ranked(costs, node, of_earlier, max_gap):
            if partner == other:
                continue
            probability, accepted = edges.get((node, partner) if of_earlier else (partner, node), (None, False))
            seen = int(costs.tracklets.first[partner] if of_earlier else costs.tracklets.last[partner])
            side = _side(costs.tracklets, partner)
            told.append(Rival(of_earlier, side, owner.get(seen), value, probability, accepted))
        told.sort(key=lambda rival: (not rival.accepted, -(rival.probability or 0.0)))
        found += told[:PARTNERS]
    return tuple(found)


def _reasons(again: Replay, number: int, edge: int) -> tuple[Reason, ...]:
    """Return what an edge's probability becomes without each piece of evidence, largest change of log-odds first."""
    tracker, graph = again.tracker, again.results[number].graph
    block = tracker.scorer.blocks[tracker.scorer.slots[number]]
    assert isinstance(block, TrackletBlock)
    part, place = neighbourhood(graph, edge, hops=block.passing.num_steps)
    u, v = part.edge_index[:, place].tolist()
    edges, nodes = part.edge_features, part.node_features
    assert isinstance(edges, Tensor) and isinstance(nodes, Tensor)
    asked: list[tuple[str, LevelGraph, int]] = [("nothing", part, place)]
    for what, columns in edge_feature_groups(tracker.config.evidence).items():
        without = edges.clone()
        without[place, columns] = block.edge_norm.mean[columns]
        asked.append((what, replace(part, edge_features=without), place))
    without = nodes.clone()
    without[[u, v]] = block.node_norm.mean
    asked.append(("what each tracklet is like by itself", replace(part, node_features=without), place))
    if isinstance(part.edge_likeness, Tensor) and isinstance(part.node_likeness, Tensor):
        of_edges, of_nodes = part.edge_likeness.clone(), part.node_likeness.clone()
        of_edges[place], of_nodes[[u, v]] = 0.0, 0.0
        asked.append(("how they look", replace(part, edge_likeness=of_edges, node_likeness=of_nodes), place))
    asked.append(("all other candidates around", *neighbourhood(graph, edge, hops=0)))
    probability = tracker.scorer(_stacked([part for _, part, _ in asked]), number).probability
    start = np.cumsum([0, *(part.num_edges for _, part, _ in asked)])
    with_it, *found = (
        Reason(what, float(probability[begin + at])) for (what, _, at), begin in zip(asked, start[:-1], strict=True)
    )
    base = _log_odds(with_it.probability)
    return tuple(sorted(found, key=lambda reason: -abs(_log_odds(reason.probability) - base)))


def _stacked(parts: list[LevelGraph]) -> LevelGraph:
    """Return graphs as one in which none touches another; scoring them together is quicker."""
    start = np.cumsum([0, *(part.num_nodes for part in parts)])

    def joined(name: str) -> Tensor | None:
        tables = [getattr(part, name) for part in parts]
        return None if tables[0] is None else torch.cat(tables)

    edge_features = joined("edge_features")
    assert edge_features is not None
    return LevelGraph(
        edge_index=torch.cat([part.edge_index + int(n) for part, n in zip(parts, start[:-1], strict=True)], dim=1),
        edge_features=edge_features,
        cost=torch.cat([part.cost for part in parts]),
        node_features=joined("node_features"),
        num_nodes=int(start[-1]),
        num_candidates=sum(part.num_candidates for part in parts),
        edge_likeness=joined("edge_likeness"),
        node_likeness=joined("node_likeness"),
    )


def neighbourhood(graph: LevelGraph, edge: int, hops: int) -> tuple[LevelGraph, int]:
    """Return the part of a graph that an edge can see, features computed, and the place of the edge in it.

    Args:
        graph: of a level.
        edge: its place there.
        hops: edges between the ends of the edge and what it sees; 0 = the edge alone.
    """
    inside = torch.zeros(graph.num_nodes, dtype=torch.bool)
    inside[graph.edge_index[:, edge]] = True
    chosen = torch.zeros(graph.num_edges, dtype=torch.bool)
    chosen[edge] = True
    for _ in range(hops):
        chosen = inside[graph.edge_index].any(dim=0)
        inside[graph.edge_index[:, chosen].flatten()] = True
    edges, nodes = (torch.nonzero(mask).squeeze(1) for mask in (chosen, inside))
    number = torch.full((graph.num_nodes,), -1)
    number[nodes] = torch.arange(len(nodes))

    def rows(table: Tensor | Rows | None, wanted: Tensor) -> Tensor | None:
        return None if table is None else table[wanted]

    edge_features = rows(graph.edge_features, edges)
    assert edge_features is not None
    part = LevelGraph(
        edge_index=number[graph.edge_index[:, edges]],
        edge_features=edge_features,
        cost=graph.cost[edges],
        node_features=rows(graph.node_features, nodes),
        num_nodes=len(nodes),
        num_candidates=len(edges),
        edge_likeness=rows(graph.edge_likeness, edges),
        node_likeness=rows(graph.node_likeness, nodes),
    )
    return part, int(torch.searchsorted(edges, torch.tensor(edge)))


def _log_odds(probability: float) -> float:
    kept = min(max(probability, 1e-7), 1 - 1e-7)
    return math.log(kept / (1 - kept))
