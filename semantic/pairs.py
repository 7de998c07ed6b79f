"""Pairs of people worth a question, found without looking at every pair of every frame.

Two people are asked about when something in their boxes speaks for it: they touch, stay near each other, come closer,
turn or change speed together, or one is lost where they are near. Distances are in diagonals of their boxes, so that
people far from the camera are treated like those in front. Neighbours are found by a grid over each frame: boxes are
sorted into octaves of size, and each octave has a grid as coarse as its reach.

Shapes: R boxes of all tracks, N neighbours (pairs of boxes of one frame).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semantic.boxes import BoxTable, box_table, pairwise_iou
from semantic.config import PairConfig
from semantic.structures import Clip
from semantic.views import centre_distance, diagonals

WEIGHTS = {"contact": 1.0, "near": 0.8, "approach": 0.5, "turn": 0.4, "lost": 0.3}
_LOOK_SECONDS = 0.5  # before and after a moment, to tell a change of motion
_TOGETHER_SECONDS = 1.0  # so close in time two changes count as one
_LEAST_SPEED = 0.25  # diagonals a second: slower is standing, and its direction is noise

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class PairCandidate:
    """Two people who may have to do with each other.

    Attributes:
        a: Track id, the smaller one.
        b: The other.
        score: Sum of the weights of the triggers.
        triggers: Of ``WEIGHTS``; none where people are asked about because there are few.
        frames: In which both are known and the triggers hold, else in which both are known; rising, at most as many as
            asked for.
    """

    a: int
    b: int
    score: float
    triggers: frozenset[str]
    frames: tuple[int, ...]


def candidate_pairs(
    clip: Clip, config: PairConfig | None = None, *, frames: int = 8, table: BoxTable | None = None
) -> tuple[PairCandidate, ...]:
    """Return the pairs to ask about, by rising (a, b).

    Args:
        clip: Trajectories.
        config: When a pair counts, and how many are kept.
        frames: How many frames to name for each.
        table: Of the clip, if there is one already.
    """
    config = config or PairConfig()
    table = table or box_table(clip)
    few = len(clip.tracks) <= config.all_below
    found = _triggered(clip, config, table, 1 if few else config.shared_frames)
    if few:
        for a in range(len(clip.tracks)):
            for b in range(a + 1, len(clip.tracks)):
                if (a, b) not in found and len(_shared(clip, a, b)):
                    found[a, b] = _Found(frozenset(), np.zeros(0, dtype=np.int64), math.inf)
        kept = list(found)
    else:
        kept = _kept(found, len(clip.tracks), config)
    ids = [track.track_id for track in clip.tracks]
    return tuple(
        PairCandidate(
            ids[a],
            ids[b],
            sum(WEIGHTS[name] for name in sorted(found[a, b].triggers)),
            found[a, b].triggers,
            _chosen_frames(found[a, b].near, _shared(clip, a, b), frames),
        )
        for a, b in sorted(kept)
    )


def neighbours(
    frame: NDArray[np.int64], boxes_xyxy: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of boxes of one frame whose centres are at most ``reach`` mean diagonals apart.

    Work grows with the number of boxes that lie in neighbouring cells, not with the square of all.

    Args:
        frame: (R,) of each box.
        boxes_xyxy: (R, 4).
        reach: In mean diagonals of the two boxes.

    Returns:
        (N,) and (N,) rows, the smaller first; each pair once, sorted. Boxes without size have no neighbours.
    """
    size = diagonals(boxes_xyxy)
    usable = np.flatnonzero((size > 0) & np.isfinite(size))
    centre = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    octave = np.full(len(size), np.iinfo(np.int64).min)
    octave[usable] = np.floor(np.log2(size[usable])).astype(np.int64)
    firsts, seconds = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for level in np.unique(octave[usable]).tolist():
        # the larger of two boxes reaches reach x its diagonal at most, which is less than a cell of its octave
        cell = np.floor(centre / (reach * 2.0 ** (level + 1))).astype(np.int64)
        here = usable[octave[usable] <= level]
        asking = usable[octave[usable] == level]
        key = _cell_key(frame, cell)
        order = here[np.lexsort(tuple(key[here].T[::-1]))]
        unique, start = np.unique(key[order], axis=0, return_index=True)
        stop = np.append(start[1:], len(order))
        place = {tuple(k): (int(a), int(b)) for k, a, b in zip(unique.tolist(), start, stop, strict=True)}
        for across in (-1, 0, 1):
            for down in (-1, 0, 1):
                wanted = (key[asking] + np.array([0, across, down])).tolist()
                spans = [place.get(tuple(one), (0, 0)) for one in wanted]
                counts = np.array([b - a for a, b in spans], dtype=np.int64)
                if counts.any():
                    firsts.append(np.repeat(asking, counts))
                    seconds.append(np.concatenate([order[a:b] for a, b in spans]))
    one, other = np.concatenate(firsts), np.concatenate(seconds)
    pairs = np.unique(np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1), axis=0)
    first, second = pairs[:, 0], pairs[:, 1]
    kept = (first != second) & (centre_distance(boxes_xyxy[first], boxes_xyxy[second]) <= reach)
    return first[kept], second[kept]


def _cell_key(frame: NDArray[np.int64], cell: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([frame[:, None], cell], axis=1)


# --------------------------------------------------------------------------------------------------------- triggers


@dataclass(frozen=True)
class _Found:
    """Triggers of a pair, the frames in which it touches or is near, and what decides between equal scores."""

    triggers: frozenset[str]
    near: Rows
    closest: float


def _triggered(clip: Clip, config: PairConfig, table: BoxTable, shared: int) -> dict[tuple[int, int], _Found]:
    """Return the pairs that something speaks for, by their places in ``Clip.tracks``, the smaller first."""
    first, second = neighbours(table.frame, table.boxes_xyxy, config.reach)
    a, b = table.track[first], table.track[second]  # rows are sorted by track, so a < b; a track is once in a frame
    distance = centre_distance(table.boxes_xyxy[first], table.boxes_xyxy[second])
    contact = pairwise_iou(table.boxes_xyxy[first], table.boxes_xyxy[second]) >= config.contact_overlap
    near = distance <= config.near
    changes = [_changes(clip, place, table, config) for place in range(len(clip.tracks))]
    lost = [_lost_after(table, place) for place in range(len(clip.tracks))]
    found: dict[tuple[int, int], _Found] = {}
    order = np.lexsort((table.frame[first], b, a))
    pair = np.stack([a[order], b[order]], axis=1)
    for rows in np.split(order, np.flatnonzero((np.diff(pair, axis=0) != 0).any(axis=1)) + 1):
        if not len(rows):
            continue
        places = int(a[rows[0]]), int(b[rows[0]])
        if len(_shared(clip, *places)) < shared:
            continue
        frames = table.frame[first[rows]]
        close = frames[near[rows] | contact[rows]]
        names = set()
        if contact[rows].any():
            names.add("contact")
        if near[rows].sum() >= max(config.near_seconds * clip.frame_rate, 1):
            names.add("near")
        if _approaches(distance[rows], config.approach):
            names.add("approach")
        window = max(round(_TOGETHER_SECONDS * clip.frame_rate), 1)
        if _together(changes[places[0]], changes[places[1]], close, window):
            names.add("turn")
        if np.isin(np.concatenate([lost[places[0]], lost[places[1]]]), close).any():
            names.add("lost")
        if names:
            found[places] = _Found(frozenset(names), close, float(distance[rows].min()))
    return found


def _approaches(distance: NDArray[np.float64], share: float) -> bool:
    """Tell whether a distance falls by a share of what it was before."""
    before = np.maximum.accumulate(distance)
    return bool((distance <= (1 - share) * before).any())


def _changes(clip: Clip, place: int, table: BoxTable, config: PairConfig) -> Rows:
    """Return the frames in which a person begins, stops, changes speed, or turns."""
    rows = table.rows(place)
    frame, boxes = table.frame[rows], table.boxes_xyxy[rows]
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, np.maximum(diagonals(boxes), 1e-9)
    step = max(round(_LOOK_SECONDS * clip.frame_rate), 1)
    # the row `step` frames before and after; where it is missing, there is nothing to compare
    before, after = np.searchsorted(frame, frame - step), np.searchsorted(frame, frame + step)
    known = (frame[np.minimum(before, len(frame) - 1)] == frame - step) & (after < len(frame))
    known &= frame[np.minimum(after, len(frame) - 1)] == frame + step
    here = np.flatnonzero(known)
    scale = size[here, None] * step / clip.frame_rate
    came, goes = (centre[here] - centre[before[here]]) / scale, (centre[after[here]] - centre[here]) / scale
    slow, fast = np.sort(np.stack([np.linalg.norm(came, axis=1), np.linalg.norm(goes, axis=1)]), axis=0)
    cosine = (came * goes).sum(axis=1)
    turns = (slow >= _LEAST_SPEED) & (cosine < math.cos(math.radians(config.turn_degrees)) * slow * fast)
    return frame[here[(fast >= _LEAST_SPEED) & ((fast >= config.speed_ratio * slow) | turns)]]


def _lost_after(table: BoxTable, place: int) -> Rows:
    """Return the frames after which a person is not seen for a while, but again later."""
    rows = table.rows(place)
    seen = table.frame[rows][~table.is_interpolated[rows]]
    return seen[:-1][np.diff(seen) > 1]


def _together(one: Rows, other: Rows, close: Rows, window: int) -> bool:
    """Tell whether both change their motion within ``window`` frames, the first of them while close."""
    one_close, other_close = one[np.isin(one, close)], other[np.isin(other, close)]
    # both rise: within the window of a change of one lies one of the other, if as many are before its two ends as not
    before = np.searchsorted(other_close, one_close - window, side="left")
    return bool((np.searchsorted(other_close, one_close + window, side="right") > before).any())


def _shared(clip: Clip, a: int, b: int) -> Rows:
    return np.intersect1d(clip.tracks[a].frame, clip.tracks[b].frame, assume_unique=True)


# -------------------------------------------------------------------------------------------------------- selection


def _kept(found: dict[tuple[int, int], _Found], people: int, config: PairConfig) -> list[tuple[int, int]]:
    """Return the best pairs of each person, no more than the clip may have."""

    def rank(pair: tuple[int, int]) -> tuple[float, int, float, tuple[int, int]]:
        one = found[pair]
        score = sum(WEIGHTS[name] for name in sorted(one.triggers))
        return -round(score, 6), -len(one.near), one.closest, pair

    ranked = sorted(found, key=rank)
    count = dict.fromkeys(range(people), 0)
    best = []
    for pair in ranked:
        if any(count[place] < config.neighbours for place in pair):  # one of the best of at least one of them
            best.append(pair)
        for place in pair:
            count[place] += 1
    return best[: config.per_person * people + config.more]


def _chosen_frames(close: Rows, shared: Rows, count: int) -> tuple[int, ...]:
    """Return frames spread evenly over those in which two people are close, then over all that they share."""
    chosen = set(_spread(close, count))
    rest = np.setdiff1d(shared, np.array(sorted(chosen), dtype=np.int64))
    return tuple(sorted(chosen | set(_spread(rest, count - len(chosen)))))


def _spread(frames: Rows, count: int) -> list[int]:
    if len(frames) <= count:
        return frames.tolist()
    if count <= 1:
        return frames[len(frames) // 2 :][:count].tolist()
    return frames[np.round(np.linspace(0, len(frames) - 1, count)).astype(np.int64)].tolist()
