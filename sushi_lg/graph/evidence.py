"""The graph of one level of the default recipe: candidates by motion, features of edges and of nodes.

Lengths are divided by box heights and times are given in frames and in seconds, so that neither picture size nor
distance to the camera matters. A node tells what its tracklet looks like at both ends (boxes, speeds, scores,
overlaps, distance to the picture's border); an edge tells how well the two tracklets continue each other, for several
windows of velocity, from the past forwards and from the future backwards.

Shapes: N detections, M tracklets, E edges, H velocity windows, K history offsets, W clean windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.geometry import cxcywh_to_xyxy, paired_giou, paired_iou, to_camera_free, xyxy_to_cxcywh
from sushi_lg.graph.appearance import (
    EDGE_WIDTH,
    NODE_WIDTH,
    Looks,
    TrackletLooks,
    edge_likeness,
    mean_likeness,
    node_likeness,
    tracklet_looks,
)
from sushi_lg.graph.candidates import nearest_pairs, successors_within_gap, within_band
from sushi_lg.graph.kinematics import CleanFit, EndState, clean_fits, crowd_path, end_states, ends_of_singles
from sushi_lg.graph.settings import EvidenceConfig
from sushi_lg.graph.structures import LevelGraph, Rows
from sushi_lg.graph.sums import segment_means
from sushi_lg.graph.tracklets import Tracklets, in_groups
from sushi_lg.host import free_to_look, rows_of
from sushi_lg.structures import Detections
from sushi_lg.timing import stage

Fits = tuple[CleanFit, CleanFit]
"""Lines at the first and at the last detection of every tracklet."""


class EvidenceBuilder:
    """Builds the graph of one level.

    Args:
        config: what is measured.
        max_gap: largest number of frames between the end of the earlier and the start of the later tracklet.
        num_neighbours: K cheapest successors and predecessors a node keeps.
        min_length: detections a tracklet must have to take part: what nobody joined at short gaps is rarely a person,
            and would crowd the neighbourhoods of long ones. Parts of a second look always take part.
        min_longer: detections the longer of two tracklets must have; parts count as what they were cut from.
        overlap: (N, 3) output of ``overlap_features`` for the detections of this run, computed once for all levels.
        looks: output of ``measure_looks`` for them, or None where they have no appearance.
        in_parts: hand out features a few rows at a time, when the network asks, instead of all at once.
        num_frames: one more than the last frame with detections, where it is known.
    """

    def __init__(
        self,
        config: EvidenceConfig,
        max_gap: int,
        num_neighbours: int,
        min_length: int,
        min_longer: int,
        overlap: Tensor,
        looks: Looks | None = None,
        *,
        in_parts: bool = False,
        num_frames: int | None = None,
    ) -> None:
        self.config = config
        self.max_gap = max_gap
        self.num_neighbours = num_neighbours
        self.min_length = min_length
        self.min_longer = min_longer
        self.overlap = overlap
        self.looks = looks
        self.in_parts = in_parts
        self.num_frames = num_frames

    def measure(self, detections: Detections, tracklets: Tracklets) -> PairCosts:
        """Return what decides which tracklets are asked about."""
        with stage("features"):
            start, end, fits = self._ends(detections, tracklets)
            looks = self.looks
            of_tracklets = None if looks is None else tracklet_looks(looks, tracklets)
        boxes = to_camera_free(xyxy_to_cxcywh(detections.boxes_xyxy), detections.camera)
        return PairCosts(
            config=self.config,
            tracklets=tracklets,
            takes_part=tracklets.takes_part(self.min_length),
            length=tracklets.whole_length,  # only then can a short part of a second look change sides
            min_longer=self.min_longer,
            start=start,
            end=end,
            fits=fits,
            path=crowd_path(detections, tracklets, boxes, self.num_frames),
            looks=looks,
            of_tracklets=of_tracklets,
        )

    def __call__(self, detections: Detections, tracklets: Tracklets) -> LevelGraph:
        """Return the candidates of a level."""
        config, looks = self.config, self.looks
        costs = self.measure(detections, tracklets)
        start, end, fits, path, of_tracklets = costs.start, costs.end, costs.fits, costs.path, costs.of_tracklets
        with stage("features"):
            summary = _summary(detections, tracklets, self.overlap)
        if free_to_look(costs.takes_part):
            eligible = torch.nonzero(costs.takes_part).squeeze(1)
        else:  # as many places as tracklets; those left over take no part in any pair
            eligible = rows_of(costs.takes_part, len(tracklets))
        low, high = successors_within_gap(tracklets, eligible, self.max_gap)
        eligible = eligible.clamp(max=len(tracklets) - 1)
        # Most pairs of a crowd are ruled out by where they are, before anything else is measured.
        vicinity = Vicinity.of(costs, self.max_gap) if free_to_look(low) and not tracklets.was_cut else None

        def cost(earlier: Tensor, later: Tensor) -> Tensor:
            earlier, later = eligible[earlier], eligible[later]
            if vicinity is None:
                return costs(earlier, later)[:, None]
            rows = torch.nonzero(vicinity.holds(earlier, later)).squeeze(1)
            values = earlier.new_full((len(earlier), 1), torch.inf, dtype=torch.float32)
            values[rows, 0] = costs(earlier[rows], later[rows])
            return values

        with stage("candidates"), torch.no_grad():  # which pairs are asked about is nothing to learn from
            order = None
            if vicinity is not None and self.max_gap == 1:  # then a range is one frame
                order, low, high = vicinity.narrow(low, high, eligible)
            pairs, measured, _, considered = nearest_pairs(
                low,
                high,
                cost,
                self.num_neighbours,
                keep=lambda pairs, measured, is_near: is_near.all(dim=0),
                order=order,
            )
        edge_index = eligible[pairs]

        def of_edges(rows: slice | Tensor) -> Tensor:
            with stage("features"):
                return edge_features(detections, tracklets, start, end, edge_index[:, rows], path, fits)

        def of_nodes(rows: slice | Tensor) -> Tensor:
            with stage("features"):
                return node_features(detections, tracklets, start, end, self.overlap, fits, summary, rows)

        def likeness_of_edges(rows: slice | Tensor) -> Tensor:
            assert looks is not None and of_tracklets is not None
            with stage("features"):
                return edge_likeness(looks, of_tracklets, tracklets, edge_index[:, rows])

        def likeness_of_nodes(rows: slice | Tensor) -> Tensor:
            assert looks is not None and of_tracklets is not None
            with stage("features"):
                return node_likeness(looks, of_tracklets, tracklets, rows)

        def table(width: int, rows: int, compute: Callable[[slice | Tensor], Tensor]) -> Tensor | Rows:
            lazily = Rows((rows, width), compute)
            return lazily if self.in_parts else lazily[:]

        num_edges, num_nodes = edge_index.shape[1], len(tracklets)
        return LevelGraph(
            edge_index=edge_index,
            edge_features=table(config.edge_width, num_edges, of_edges),
            cost=measured[:, 0],
            node_features=table(config.node_width, num_nodes, of_nodes),
            num_nodes=num_nodes,
            num_candidates=considered,
            edge_likeness=None if looks is None else table(EDGE_WIDTH, num_edges, likeness_of_edges),
            node_likeness=None if looks is None else table(NODE_WIDTH, num_nodes, likeness_of_nodes),
        )

    def _ends(self, detections: Detections, tracklets: Tracklets) -> tuple[EndState, EndState, Fits]:
        """Measure both ends of all tracklets, a group of tracklets at a time where none was cut in parts."""
        config = self.config
        if len(tracklets) == len(detections) and not tracklets.was_cut:
            sizes = tuple(config.windows), tuple(config.offsets), tuple(config.clean_windows)
            state, fit = ends_of_singles(detections, self.overlap, *sizes)
            return state, state, (fit, fit)
        groups = [(detections, tracklets, slice(None))] if tracklets.was_cut else in_groups(detections, tracklets)
        states, fits = [], []
        for part, own, rows in groups:
            states.append(end_states(part, own, tuple(config.windows), tuple(config.offsets)))
            fits.append(clean_fits(part, own, self.overlap[rows], tuple(config.clean_windows)))
        start, end = (EndState.joined(parts) for parts in zip(*states, strict=True))
        at_start, at_end = (CleanFit.joined(parts) for parts in zip(*fits, strict=True))
        return start, end, (at_start, at_end)


@dataclass(frozen=True)
class Motion:
    """What a cost by motion is made of, for P pairs.

    Attributes:
        gap: (P,) float32, frames from the end of the earlier to the start of the later.
        height: (P,) pixels, geometric mean of both boxes' heights.
        displacement: (P, 2) pixels, between the centres of both boxes.
        drift: (P, 2) pixels that the crowd moved meanwhile.
        size: (P,) difference of log heights.
        gate: (P,) box heights that a hypothesis may miss by.
        reach: (P,) pixels, the farthest that any hypothesis moves anybody.
        possible: (P,) bool, neither too far for all hypotheses nor of too different a size.
    """

    gap: Tensor
    height: Tensor
    displacement: Tensor
    drift: Tensor
    size: Tensor
    gate: Tensor
    reach: Tensor
    possible: Tensor


@dataclass(frozen=True)
class PairCosts:
    """What decides which pairs of tracklets of a level are asked about.

    Attributes:
        config: what is measured.
        tracklets: M tracklets.
        takes_part: (M,) bool, whether a tracklet may be joined at this level.
        length: (M,) int64, detections of each; of parts, of what they were cut from.
        min_longer: detections the longer of two must have.
        start: of every tracklet.
        end: likewise.
        fits: lines at both ends.
        path: of the crowd, see ``crowd_path``.
        looks: of the detections, or None.
        of_tracklets: looks of the tracklets, or None.
    """

    config: EvidenceConfig
    tracklets: Tracklets
    takes_part: Tensor
    length: Tensor
    min_longer: int
    start: EndState
    end: EndState
    fits: Fits
    path: Tensor
    looks: Looks | None
    of_tracklets: TrackletLooks | None

    def __call__(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Return (P,) costs of the pairs ``earlier`` (P,) and ``later`` (P,) int64; infinite where impossible."""
        values = self.by_motion(earlier, later)
        if self.looks is not None and self.of_tracklets is not None:
            values = _with_appearance(
                self.config, values, self.looks, self.of_tracklets, self.tracklets, earlier, later
            )
        if self.min_longer > 1:
            longer = torch.maximum(self.length[earlier], self.length[later])
            values = values.masked_fill(longer < self.min_longer, torch.inf)
        if self.tracklets.was_cut:  # what a second look cut apart can always be joined again
            values = values.masked_fill(self.tracklets.successor[earlier] == later, 0.0)
        return values

    def by_motion(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Return (P,) the smallest distance over all hypotheses, in box heights; infinite outside the gate."""
        motion = self.motion(earlier, later)
        rows = torch.nonzero(motion.possible).squeeze(1) if free_to_look(motion.possible) else slice(None)
        cost = torch.full_like(motion.gap, torch.inf)
        squared = None
        for _, miss in self.misses(motion, earlier, later, rows):
            square = miss.square().sum(dim=1)
            squared = square if squared is None else torch.minimum(squared, square)
        assert squared is not None
        distance, root = squared.sqrt() / motion.height[rows], motion.gap[rows].sqrt()
        # Longer gaps compete with shorter ones: distance is weighed against what the gate allows at that gap.
        relative = (distance + 0.5 * motion.size[rows]) / (1 + 0.3 * root) + 0.02 * root
        cost[rows] = relative.masked_fill(~motion.possible[rows] | (distance > motion.gate[rows]), torch.inf)
        return cost

    def motion(self, earlier: Tensor, later: Tensor) -> Motion:
        """Return what the cost by motion is made of."""
        tracklets, config = self.tracklets, self.config
        gap = (tracklets.first_frame[later] - tracklets.last_frame[earlier]).to(torch.float32)
        from_box, to_box = self.end.boxes[earlier], self.start.boxes[later]
        height = (from_box[:, 3] * to_box[:, 3]).sqrt()
        displacement = to_box[:, :2] - from_box[:, :2]
        size = (to_box[:, 3] / from_box[:, 3]).log().abs()
        gate = config.gate_base + config.gate_growth * gap.sqrt()
        clip = tracklets.clip[earlier]
        drift = self.path[clip, tracklets.first_frame[later]] - self.path[clip, tracklets.last_frame[earlier]]
        # No hypothesis moves anybody further than its speed allows: most pairs of a crowd are ruled out by that alone.
        reach = torch.maximum(self.end.top_speed[earlier], self.start.top_speed[later]) * gap
        reach = torch.maximum(reach, _length(drift))
        near = _length(displacement) <= 1.0001 * (gate * height + reach) + 1e-3
        return Motion(gap, height, displacement, drift, size, gate, reach, near & (size <= config.gate_size))

    def misses(
        self, motion: Motion, earlier: Tensor, later: Tensor, rows: slice | Tensor
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield every hypothesis by its name, and (R, 2) pixels by which it misses, for the pairs ``rows``."""
        earlier, later, displacement, gap = earlier[rows], later[rows], motion.displacement[rows], motion.gap[rows]
        yield "stands still", displacement
        yield "moves with the crowd", displacement - motion.drift[rows]
        for window, count in enumerate(self.config.windows):
            for name, velocity in (
                (f"goes on as in its last {count} detections", self.end.velocity[window][earlier]),
                (f"came as in its first {count} detections", self.start.velocity[window][later]),
            ):
                yield name, displacement - velocity * gap[:, None]


@dataclass(frozen=True)
class Vicinity:
    """How far away anybody can be who may follow: a quick test that no possible pair fails.

    Attributes:
        leaves: (M, 2) pixels, where each tracklet ends.
        comes: (M, 2) pixels, where it begins.
        reach: (M,) pixels that a successor without speed of its own can be away from ``leaves`` along an axis.
        speed: (M,) pixels that its own speed adds for a predecessor.
    """

    leaves: Tensor
    comes: Tensor
    reach: Tensor
    speed: Tensor

    @staticmethod
    def of(costs: PairCosts, max_gap: int) -> Vicinity:
        """Return it for pairs at most ``max_gap`` frames apart; see ``PairCosts.motion`` for what it bounds."""
        config, end, start = costs.config, costs.end, costs.start
        gate = config.gate_base + config.gate_growth * math.sqrt(max_gap)
        taller = math.exp(config.gate_size / 2)  # by which the mean height can exceed that of the earlier box
        steps = torch.linalg.vector_norm(costs.path.diff(dim=1), dim=2)
        drift = steps.amax(dim=1) if steps.shape[1] else steps.new_zeros(len(steps))
        reach = gate * taller * end.boxes[:, 3] + (end.top_speed + drift[costs.tracklets.clip]) * max_gap
        return Vicinity(
            leaves=end.boxes[:, :2].contiguous(),
            comes=start.boxes[:, :2].contiguous(),
            reach=1.001 * reach + 0.1,  # for rounding
            speed=1.001 * max_gap * start.top_speed,
        )

    def holds(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Return (P,) bool: neither coordinate is too far."""
        away = (self.comes.index_select(0, later) - self.leaves.index_select(0, earlier)).abs_()
        reach = self.reach.index_select(0, earlier) + self.speed.index_select(0, later)
        return (away[:, 0] <= reach) & (away[:, 1] <= reach)

    def narrow(self, low: Tensor, high: Tensor, eligible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``within_band`` of ranges of one frame each; ranges count places in ``eligible``."""
        reach = (self.reach + self.speed.max())[eligible] if len(eligible) else self.reach
        x = self.leaves[eligible, 0]
        return within_band(low, high, self.comes[eligible, 0], x - reach, x + reach)


def _with_appearance(
    config: EvidenceConfig,
    cost: Tensor,
    looks: Looks,
    of_tracklets: TrackletLooks,
    tracklets: Tracklets,
    earlier: Tensor,
    later: Tensor,
) -> Tensor:
    """Return costs that say too whether both tracklets look alike; never below 0, impossible stays impossible."""
    rows = torch.nonzero(torch.isfinite(cost)).squeeze(1) if free_to_look(cost) else slice(None)
    alike = mean_likeness(looks, of_tracklets, tracklets, earlier[rows], later[rows])
    # What the vectors are worth in this video decides how much they may say.
    worth = looks.contrast[tracklets.clip[earlier[rows]]]
    worth = worth / (worth + 1)
    cost = cost.clone()
    cost[rows] += config.appearance_weight * worth * (1 - alike.clamp(0, 1))
    return cost


def _length(vectors: Tensor) -> Tensor:
    return (vectors[:, 0].square() + vectors[:, 1].square()).sqrt()


def edge_feature_groups(config: EvidenceConfig) -> dict[str, list[int]]:
    """Return what the columns of ``edge_features`` are about: names for people, and columns, each in one group."""
    singles = [
        ("length of the gap", 3),
        ("distance", 3),
        ("size", 2),
        ("overlap of the boxes", 2),
        ("confidence", 2),
        ("distance", 1),
        ("movement of the crowd", 5),
        ("usual size and confidence", 3),
        ("restlessness of the size", 2),
    ]
    steps = [(f"motion over {count} detections", 11) for count in config.windows]
    steps += [(f"undisturbed line over {count} detections", 10) for count in config.clean_windows]
    groups: dict[str, list[int]] = {}
    column = 0
    for name, width in (*singles, *steps):
        groups.setdefault(name, []).extend(range(column, column + width))
        column += width
    return groups


def edge_features(
    detections: Detections,
    tracklets: Tracklets,
    start: EndState,
    end: EndState,
    edge_index: Tensor,
    path: Tensor,
    fits: Fits,
) -> Tensor:
    """Return (E, F) features of pairs of tracklets; ``path`` as from ``crowd_path``, ``fits`` from ``clean_fits``."""
    earlier, later = edge_index
    gap = (tracklets.first_frame[later] - tracklets.last_frame[earlier]).to(torch.float32)
    seconds = gap / detections.frame_rate[tracklets.clip[earlier]]
    from_box, to_box = end.boxes[earlier], start.boxes[later]
    height = (from_box[:, 3] * to_box[:, 3]).sqrt()
    displacement = (to_box[:, :2] - from_box[:, :2]) / height[:, None]
    log_height = (to_box[:, 3] / from_box[:, 3]).log()
    log_width = (to_box[:, 2] / from_box[:, 2]).log()
    corners_from, corners_to = cxcywh_to_xyxy(from_box), cxcywh_to_xyxy(to_box)
    score_from = detections.score[tracklets.last[earlier]]
    score_to = detections.score[tracklets.first[later]]
    clip = tracklets.clip[earlier]
    drift = path[clip, tracklets.first_frame[later]] - path[clip, tracklets.last_frame[earlier]]
    drift = drift / height[:, None]
    apart = displacement - drift
    habit = start.habit[later] - end.habit[earlier]
    restless = start.restlessness[later] + end.restlessness[earlier]
    columns = [
        (gap / 10).clamp(max=10),
        gap.log1p(),
        seconds.clamp(max=5),
        _squash(displacement[:, 0]),
        _squash(displacement[:, 1]),
        _squash(displacement.square().sum(dim=1).sqrt()),
        log_height,
        log_width,
        paired_iou(corners_from, corners_to),
        paired_giou(corners_from, corners_to),
        score_from,
        score_to,
        (displacement.square().sum(dim=1).sqrt() / gap).clamp(max=2),
        _squash(drift[:, 0]),
        _squash(drift[:, 1]),
        _squash(apart[:, 0]),
        _squash(apart[:, 1]),
        _squash(apart.square().sum(dim=1).sqrt()),
        *habit.clamp(-2, 2).unbind(1),
        *restless.unbind(1),
    ]
    for window in range(end.velocity.shape[0]):
        ahead = end.velocity[window][earlier] / height[:, None]
        behind = start.velocity[window][later] / height[:, None]
        miss_ahead = displacement - ahead * gap[:, None]
        miss_behind = displacement - behind * gap[:, None]
        moved_from = from_box.clone()
        moved_from[:, :2] += end.velocity[window][earlier] * (gap / 2)[:, None]
        moved_to = to_box.clone()
        moved_to[:, :2] -= start.velocity[window][later] * (gap / 2)[:, None]
        columns += [
            _squash(miss_ahead[:, 0]),
            _squash(miss_ahead[:, 1]),
            _squash(miss_behind[:, 0]),
            _squash(miss_behind[:, 1]),
            _squash(miss_ahead.square().sum(dim=1).sqrt()),
            _squash(miss_behind.square().sum(dim=1).sqrt()),
            _squash(10 * (ahead - behind)[:, 0]),
            _squash(10 * (ahead - behind)[:, 1]),
            paired_giou(cxcywh_to_xyxy(moved_from), cxcywh_to_xyxy(moved_to)),
            (log_height - end.growth[window][earlier] * gap).clamp(-2, 2),
            (log_height - start.growth[window][later] * gap).clamp(-2, 2),
        ]
    at_start, at_end = fits
    for window in range(at_end.value.shape[0]):
        from_line, to_line = at_end.value[window][earlier], at_start.value[window][later]
        apart_line = (to_line[:, :2] - from_line[:, :2]) / height[:, None]
        miss_ahead = apart_line - at_end.slope[window][earlier] * (gap / height)[:, None]
        miss_behind = apart_line - at_start.slope[window][later] * (gap / height)[:, None]
        columns += [
            _squash(miss_ahead[:, 0]),
            _squash(miss_ahead[:, 1]),
            _squash(miss_behind[:, 0]),
            _squash(miss_behind[:, 1]),
            _squash((0.5 * (miss_ahead + miss_behind)).square().sum(dim=1).sqrt()),
            _squash(apart_line[:, 0]),
            _squash(apart_line[:, 1]),
            (to_line[:, 2] - from_line[:, 2]).clamp(-2, 2),
            (to_line[:, 3] - from_line[:, 3]).clamp(-2, 2),
            (to_line[:, 4] - from_line[:, 4]).clamp(-4, 4),
        ]
    return torch.stack(columns, dim=1)


def _summary(detections: Detections, tracklets: Tracklets, overlap: Tensor) -> Tensor:
    """Return (5, M): mean, largest and smallest score, and mean overlaps of the members of every tracklet."""
    score = detections.score[tracklets.order]
    # The lengths are right by construction, and the check of them would fail without tracklets; hence unsafe.
    return torch.stack(
        [
            segment_means(score, tracklets.start),
            torch.segment_reduce(score, "max", lengths=tracklets.length, unsafe=True),
            torch.segment_reduce(score, "min", lengths=tracklets.length, unsafe=True),
            segment_means(overlap[tracklets.order, 0], tracklets.start),
            segment_means(overlap[tracklets.order, 1], tracklets.start),
        ]
    )


def node_features(
    detections: Detections,
    tracklets: Tracklets,
    start: EndState,
    end: EndState,
    overlap: Tensor,
    fits: Fits,
    summary: Tensor,
    rows: slice | Tensor,
) -> Tensor:
    """Return (R, G) features of the tracklets ``rows``; ``summary`` as from ``_summary``."""
    length = (tracklets.start[1:][rows] - tracklets.start[:-1][rows]).to(torch.float32)
    span = (tracklets.last_frame[rows] - tracklets.first_frame[rows] + 1).to(torch.float32)
    clip = tracklets.clip[rows]
    image, frame_rate = detections.image_size[clip], detections.frame_rate[clip]
    columns = [
        length.log1p(),
        span.log1p(),
        length / span,
        (span / frame_rate).log1p(),
        *summary[:, rows].unbind(0),
        frame_rate.log() - 3.0,
    ]
    first_box, last_box = start.boxes[rows], end.boxes[rows]
    travelled = (last_box[:, :2] - first_box[:, :2]) / (0.5 * (last_box[:, 3] + first_box[:, 3]))[:, None]
    columns += [_squash(travelled[:, 0]), _squash(travelled[:, 1])]
    for state, index, fit in zip((start, end), (tracklets.first[rows], tracklets.last[rows]), fits, strict=True):
        box = state.boxes[rows]
        height = box[:, 3]
        raw = detections.boxes_xyxy[index]
        columns += [
            (raw[:, 3] - raw[:, 1]).div(image[:, 1]).clamp(min=1e-3).log(),
            (box[:, 2] / height).log(),
            (torch.minimum(raw[:, 0], image[:, 0] - raw[:, 2]) / height).clamp(-1, 2),
            (torch.minimum(raw[:, 1], image[:, 1] - raw[:, 3]) / height).clamp(-1, 2),
            *overlap[index].unbind(1),
            *state.restlessness[rows].unbind(1),
        ]
        for window in range(state.velocity.shape[0]):
            speed = 10 * state.velocity[window, rows] / height[:, None]
            columns += [_squash(speed[:, 0]), _squash(speed[:, 1]), _squash(20 * state.growth[window, rows])]
        history, valid = state.history[rows], state.history_valid[rows]
        past = (history[:, :, :2] - box[:, None, :2]) / height[:, None, None]
        growth = (history[:, :, 3] / height[:, None]).log()
        for offset in range(past.shape[1]):
            columns += [
                _squash(past[:, offset, 0]),
                _squash(past[:, offset, 1]),
                growth[:, offset],
                valid[:, offset].to(torch.float32),
            ]
        columns += fit.weight[:, rows].log().unbind(0)
    return torch.stack(columns, dim=1)


def _squash(values: Tensor) -> Tensor:
    """Compress large values but keep sign and fine differences near zero."""
    return values.sign() * (4 * values.abs()).log1p()
