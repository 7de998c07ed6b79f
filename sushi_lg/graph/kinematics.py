"""Where a tracklet is and how it moves, in camera-free coordinates.

Everything is a closed form over the detections of a tracklet: windows of the last (first) detections are read through
prefix sums, so the cost is linear in detections and no array of frames is ever built. Sums of squared frame numbers
lose digits: slopes are good to 0.001 pixels a frame for tracklets of 20,000 frames and to 0.02 for 100,000.

Shapes: N detections, M tracklets, H velocity windows, K history offsets, W clean windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from sushi_lg.geometry import to_camera_free, xyxy_to_cxcywh
from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets
from sushi_lg.host import free_to_look, thinned
from sushi_lg.nn.segment import segment_sum
from sushi_lg.nn.structures import make_segments
from sushi_lg.structures import Detections, Record


@dataclass(frozen=True)
class EndState(Record):
    """State of every tracklet at one of its two ends.

    Attributes:
        boxes: (M, 4) float32 cxcywh of the end detection, camera-free pixels.
        velocity: (H, M, 2) float32 centre velocity, pixels a frame, forward in time at both ends; 0 where unknown.
        growth: (H, M) float32 change of log height a frame.
        history: (M, K, 4) float32 cxcywh at the offsets into the tracklet, interpolated; repeats the end box where
            the tracklet is too short.
        history_valid: (M, K) bool.
        habit: (M, 3) float32 mean log height, mean log width and mean score over the detections next to the end.
        restlessness: (M, 2) float32 standard deviation of log height and of log width there.
    """

    boxes: Tensor
    velocity: Tensor
    growth: Tensor
    history: Tensor
    history_valid: Tensor
    habit: Tensor
    restlessness: Tensor

    @cached_property
    def top_speed(self) -> Tensor:
        """(M,) float32 largest speed over the windows, pixels a frame."""
        return torch.linalg.vector_norm(self.velocity, dim=2).amax(dim=0)

    @staticmethod
    def joined(parts: Sequence[EndState]) -> EndState:
        """Return the states of several groups of tracklets as one."""
        if len(parts) == 1:
            return parts[0]
        across = {"velocity": 1, "growth": 1}  # tracklets are the second axis there
        return EndState(
            **{
                f.name: torch.cat([getattr(part, f.name) for part in parts], across.get(f.name, 0))
                for f in fields(EndState)
            }
        )


@dataclass(frozen=True)
class CleanFit(Record):
    """Straight lines through the undisturbed detections next to one end of every tracklet.

    Attributes:
        value: (W, M, 5) float32 centre x and lower edge of the line at the frame of the end (camera-free pixels); mean
            log height, log width and score (log-odds).
        slope: (W, M, 2) float32 change of centre x and of the lower edge, pixels a frame, forward in time.
        weight: (W, M) float32 how much the line rests on: the sum of the shares of its detections, 0.03 (covered
            altogether) to 1.03 (undisturbed) each.
    """

    value: Tensor
    slope: Tensor
    weight: Tensor

    @staticmethod
    def joined(parts: Sequence[CleanFit]) -> CleanFit:
        """Return the fits of several groups of tracklets as one."""
        if len(parts) == 1:
            return parts[0]
        return CleanFit(
            **{f.name: torch.cat([getattr(part, f.name) for part in parts], dim=1) for f in fields(CleanFit)}
        )


_FLOOR = 0.03  # weight of a detection that is covered altogether: without better ones it has to do
_LEAST_SPREAD = 0.4  # variance of frames below which no slope is fitted


def clean_fits(
    detections: Detections, tracklets: Tracklets, overlap: Tensor, windows: tuple[int, ...]
) -> tuple[CleanFit, CleanFit]:
    """Fit lines to both ends; detections count the less, the more another person disturbs their box.

    Boxes of people behind others are cut off or swallow a neighbour, and joins are asked for right there. Where and how
    large somebody was before that tells more than the last box. Parts of a second look remember what came before a cut
    (and after it): each place is judged as if the joins at all the others were right.

    Args:
        detections: N detections.
        tracklets: M tracklets.
        overlap: (N, 3) from ``overlap_features``.
        windows: W numbers of detections.

    Returns:
        the fits at the first and at the last detection of every tracklet.
    """
    boxes = to_camera_free(xyxy_to_cxcywh(detections.boxes_xyxy), detections.camera)
    values, clean = _line_values(detections, boxes), _cleanness(overlap)
    whole = tracklets.uncut
    order, owner = whole.order, whole.member_of[whole.order]
    time = (detections.frame[order] - whole.first_frame[owner]).to(torch.float64)[:, None]
    reference = values[whole.first]
    relative = (values[order] - reference[owner]).to(torch.float64)
    weight = clean[order].to(torch.float64)[:, None]
    moving = relative[:, :2]
    prefix = _running([weight, weight * time, weight * time * time, weight * relative, weight * time * moving])
    position = torch.empty_like(order)
    position[order] = torch.arange(len(order), device=order.device)
    fits = []
    for at_end in (False, True):
        end = tracklets.last if at_end else tracklets.first
        mine = whole.member_of[end]
        at = (detections.frame[end] - whole.first_frame[mine]).to(torch.float64)[:, None]
        found = []
        for window in windows:
            if at_end:
                high = position[end] + 1
                low = torch.maximum(whole.start[mine], high - window)
            else:
                low = position[end]
                high = torch.minimum(whole.start[mine + 1], low + window)
            sums = prefix[high] - prefix[low]
            total = sums[:, 0:1]
            mean_time, mean_square, mean = sums[:, 1:2] / total, sums[:, 2:3] / total, sums[:, 3:8] / total
            spread = mean_square - mean_time.square()
            slope = (sums[:, 8:10] / total - mean_time * mean[:, :2]) / spread.clamp(min=1e-9)
            slope = torch.where(spread > _LEAST_SPREAD, slope, torch.zeros_like(slope))
            # Sizes do not run away along a line as positions do: their mean is the better guess.
            mean[:, :2] += slope * (at - mean_time)
            found.append((mean, slope, total[:, 0]))
        fits.append(
            CleanFit(
                value=torch.stack([value.to(boxes.dtype) + reference[mine] for value, _, _ in found]),
                slope=torch.stack([slope.to(boxes.dtype) for _, slope, _ in found]),
                weight=torch.stack([total.to(boxes.dtype) for _, _, total in found]),
            )
        )
    return fits[0], fits[1]


def _line_values(detections: Detections, boxes: Tensor) -> Tensor:
    """Return (N, 5): centre x, lower edge, log height, log width, log-odds of the score."""
    size = boxes[:, 2:].clamp(min=1e-3)
    confidence = torch.logit(detections.score, eps=1e-3)
    columns = [boxes[:, 0], boxes[:, 1] + 0.5 * boxes[:, 3], size[:, 1].log(), size[:, 0].log(), confidence]
    return torch.stack(columns, dim=1)


def _cleanness(overlap: Tensor) -> Tensor:
    """Return (N,) how much a detection counts in a line."""
    return ((1 - overlap[:, 0]) * (1 - overlap[:, 1])).clamp(0, 1).square() + _FLOOR


def ends_of_singles(
    detections: Detections,
    overlap: Tensor,
    windows: tuple[int, ...],
    offsets: tuple[int, ...],
    clean_windows: tuple[int, ...],
) -> tuple[EndState, CleanFit]:
    """Return what ``end_states`` and ``clean_fits`` say when every detection is alone: nobody moves, lines are points.

    Level 0 of a long video has as many tracklets as detections, so this saves most of the work on ends. Both ends are
    the same; repeated values are views.

    Args:
        detections: N detections.
        overlap: (N, 3) from ``overlap_features``.
        windows: H.
        offsets: K.
        clean_windows: W.
    """
    boxes = to_camera_free(xyxy_to_cxcywh(detections.boxes_xyxy), detections.camera)
    count, still = len(boxes), boxes.new_zeros(1)
    size = boxes[:, 2:].clamp(min=1e-3).log()
    state = EndState(
        boxes=boxes,
        velocity=still.expand(len(windows), count, 2),
        growth=still.expand(len(windows), count),
        history=boxes[:, None].expand(count, len(offsets), 4),
        history_valid=torch.zeros(1, dtype=torch.bool, device=boxes.device).expand(count, len(offsets)),
        habit=torch.stack([size[:, 1], size[:, 0], detections.score], dim=1),
        restlessness=still.expand(count, 2),
    )
    fit = CleanFit(
        value=_line_values(detections, boxes).expand(len(clean_windows), count, 5),
        slope=still.expand(len(clean_windows), count, 2),
        weight=_cleanness(overlap).expand(len(clean_windows), count),
    )
    return state, fit


_HABIT_WINDOW = 30  # detections over which size and score are averaged


def end_states(
    detections: Detections, tracklets: Tracklets, windows: tuple[int, ...], offsets: tuple[int, ...]
) -> tuple[EndState, EndState]:
    """Return the states at the first and at the last detection of every tracklet.

    Args:
        detections: N detections.
        tracklets: M tracklets.
        windows: H numbers of detections over which a velocity is fitted by least squares.
        offsets: K distances in frames from the end into the tracklet.
    """
    boxes = to_camera_free(xyxy_to_cxcywh(detections.boxes_xyxy), detections.camera)
    motion, habit = _motion_sums(detections, tracklets, boxes), _habit_sums(detections, tracklets, boxes)
    states = []
    for at_end in (False, True):
        slopes = [_slopes(_window(motion, tracklets.start, window, at_end=at_end)) for window in windows]
        history, valid = _history(detections, tracklets, boxes, offsets, at_end=at_end)
        sums = _window(habit, tracklets.start, _HABIT_WINDOW, at_end=at_end)
        mean = sums[:, 1:4] / sums[:, 0:1]
        variance = sums[:, 4:6] / sums[:, 0:1] - mean[:, :2].square()
        states.append(
            EndState(
                boxes=boxes[tracklets.last if at_end else tracklets.first],
                velocity=torch.stack([slope[:, :2] for slope in slopes]),
                growth=torch.stack([slope[:, 2] for slope in slopes]),
                history=history,
                history_valid=valid,
                habit=mean.to(boxes.dtype),
                restlessness=variance.clamp(min=0).sqrt().to(boxes.dtype),
            )
        )
    return states[0], states[1]


def _motion_sums(detections: Detections, tracklets: Tracklets, boxes: Tensor) -> Tensor:
    """Return (N + 1, 9) running sums of 1, t, t², v and t v over members; v is centre x, centre y and log height."""
    order, origin = tracklets.order, tracklets.first
    owner = tracklets.member_of[order]
    # Relative to the tracklet's first box: sums over a whole video then stay small enough for float64.
    time = (detections.frame[order] - tracklets.first_frame[owner]).to(torch.float64)[:, None]
    log_height = boxes[:, 3].clamp(min=1e-3).log()
    values = torch.cat([boxes[:, :2], log_height[:, None]], dim=1)
    values = (values[order] - values[origin][owner]).to(torch.float64)
    return _running([torch.ones_like(time), time, time * time, values, values * time])


def _slopes(sums: Tensor) -> Tensor:
    """Return (M, 3) least-squares slopes of centre x, centre y and log height from sums over a window of members."""
    count, sum_t, sum_tt = sums[:, 0:1], sums[:, 1:2], sums[:, 2:3]
    spread = count * sum_tt - sum_t * sum_t
    slope = (count * sums[:, 6:9] - sum_t * sums[:, 3:6]) / spread.clamp(min=1e-9)
    return torch.where(spread > 0.5, slope, torch.zeros_like(slope)).to(torch.float32)


def _habit_sums(detections: Detections, tracklets: Tracklets, boxes: Tensor) -> Tensor:
    """Return (N + 1, 6) running sums of 1, log height, log width, score and the squares of both logarithms."""
    order = tracklets.order
    size = boxes[order, 2:].clamp(min=1e-3).log().flip(1).to(torch.float64)  # height, width
    score = detections.score[order, None].to(torch.float64)
    return _running([torch.ones_like(score), size, score, size.square()])


def _running(columns: list[Tensor]) -> Tensor:
    """Return (N + 1, C) sums over all rows before each row, and over all, of columns (N, c) that make up C."""
    # Column by column: a GPU then adds each one up with many threads in a fixed order, not with one thread.
    table = torch.cat([part.t() for part in columns])
    sums = table.new_zeros(table.shape[0], table.shape[1] + 1)
    torch.cumsum(table, dim=1, out=sums[:, 1:])
    return sums.t().contiguous()


def _window(sums: Tensor, start: Tensor, window: int, *, at_end: bool) -> Tensor:
    """Return (M, ...) what running sums say of the last (first) ``window`` rows of every tracklet."""
    low, high = start[:-1], start[1:]
    if at_end:
        low = torch.maximum(low, high - window)
    else:
        high = torch.minimum(high, low + window)
    return sums[high] - sums[low]


def crowd_path(detections: Detections, tracklets: Tracklets, boxes: Tensor, num_frames: int | None = None) -> Tensor:
    """Return how far everybody has moved together: what is left of camera motion.

    Every frame gives one robust mean of the steps that tracklets make into it; their sum over time is a path. Where the
    camera follows the action, two positions are best compared after subtracting it.

    Args:
        detections: N detections.
        tracklets: M tracklets; only steps between neighbouring frames count.
        boxes: (N, 4) camera-free cxcywh.
        num_frames: T, one more than the last frame with detections, where it is known.

    Returns:
        (C, T + 1, 2) float32 cumulative displacement in pixels at every frame up to the last one with detections.
    """
    if num_frames is None:
        num_frames = count_frames(detections)
    shape = (detections.num_clips, num_frames + 1, 2)
    path = boxes.new_zeros(shape)
    order = tracklets.order
    first, second = order[:-1], order[1:]
    is_step = (tracklets.member_of[first] == tracklets.member_of[second]) & (
        detections.frame[second] - detections.frame[first] == 1
    )
    is_step, first, second = thinned(is_step, first, second)
    if len(first) == 0:
        return path
    step = boxes[second, :2] - boxes[first, :2]
    slot = detections.clip[second] * shape[1] + detections.frame[second]
    flat = path.reshape(-1, 2)
    # Additions of a GPU come in any order; sums over sorted rows do not.
    segments = None if free_to_look(slot) else make_segments(slot, len(flat))

    def summed(values: Tensor) -> Tensor:
        if segments is not None:
            return segment_sum(values, segments)
        return flat.new_zeros(len(flat), values.shape[1]).index_add(0, slot, values)

    vote = is_step[:, None].to(step.dtype)
    weight, mean = vote, flat
    for _ in range(3):  # people who move on their own lose their vote
        mean = summed(weight * step) / summed(weight).clamp(min=1e-6)
        miss = (step - mean[slot]).square().sum(dim=1, keepdim=True).sqrt() / boxes[second, 3:4]
        weight = vote / (1 + (miss / 0.03).square())
    votes = summed(vote)
    return (mean * (votes >= 3)).reshape(shape).cumsum(dim=1)


def count_frames(detections: Detections) -> int:
    """Return one more than the last frame with detections; 0 without any."""
    return int(detections.frame.max()) + 1 if len(detections) else 0


def _history(
    detections: Detections, tracklets: Tracklets, boxes: Tensor, offsets: tuple[int, ...], *, at_end: bool
) -> tuple[Tensor, Tensor]:
    edge = tracklets.last_frame if at_end else tracklets.first_frame
    frames = torch.stack([edge - step if at_end else edge + step for step in offsets], dim=1)
    if at_end:
        valid = frames >= tracklets.first_frame[:, None]
    else:
        valid = frames <= tracklets.last_frame[:, None]
    frames = torch.where(valid, frames, edge[:, None])
    tracklet = torch.arange(len(tracklets), device=boxes.device)[:, None].expand_as(frames)
    return boxes_at(detections, tracklets, boxes, tracklet, frames), valid


def boxes_at(detections: Detections, tracklets: Tracklets, boxes: Tensor, tracklet: Tensor, frame: Tensor) -> Tensor:
    """Return interpolated boxes of tracklets at frames inside their span.

    Args:
        detections: N detections.
        tracklets: M tracklets.
        boxes: (N, 4) one box a detection.
        tracklet: (...) int64.
        frame: (...) int64, first_frame <= frame <= last_frame of the tracklet.

    Returns:
        (..., 4).
    """
    keys = tracklets.member_of[tracklets.order] * FRAME_SPAN + detections.frame[tracklets.order]
    after = torch.searchsorted(keys, (tracklet * FRAME_SPAN + frame).contiguous())
    after = torch.minimum(after, tracklets.start[tracklet + 1] - 1)
    before = torch.maximum(after - 1, tracklets.start[tracklet])
    first, second = tracklets.order[before], tracklets.order[after]
    span = (detections.frame[second] - detections.frame[first]).clamp(min=1)
    # At a frame with a detection ``after`` points at it, and its weight is one.
    weight = ((frame - detections.frame[first]) / span).clamp(0, 1)[..., None].to(boxes.dtype)
    weight = torch.where((first == second)[..., None], torch.ones_like(weight), weight)
    return boxes[first] * (1 - weight) + boxes[second] * weight
