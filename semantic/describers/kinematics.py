"""Where people are and how they move, from boxes: heights of people as a ruler, seconds as a clock.

A standing person's height in pixels says how far away the person is. Over flat ground it is proportional to how far the
feet are below the horizon, so one row of the horizon explains the boxes of a clip, and the feet alone say where people
are, children too; where no horizon explains them, everybody's own height is the ruler. Positions are in heights of
people, about 1.7 m: to the right, and away from the camera. How wide the lens is, nobody says; it is taken as long as
the picture is wide, so distances in depth are right within a factor of about 1.5, and rules ask for the row of the feet
or the size to have changed visibly before they speak of depth.

Tracks are smoothed and sampled every ``STEP`` seconds, so that two pictures a second and thirty give the same path.
Camera motion is taken out where it is known; where it shows in the boxes alone (people of all sizes shift by the same
number of pixels), directions are marked as not known.

Shapes: K samples of the clip, T boxes of a track.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semantic.structures import Clip, Track

STEP = 0.5  # seconds between samples
_SMOOTH = 0.35  # seconds, standard deviation of the window of a sample
_REACH = 0.8  # seconds from a sample to the boxes it is made of
_BRIDGE = 2.0  # seconds without boxes that are bridged by a straight line

EDGE = 0.012  # share of the picture: closer to its border a box is cut off
_WHOLE_RATIO = (0.78, 1.25)  # of a height to the ruler, over the usual ratio of that person
_LEAST_SAMPLES, _MOST_SAMPLES = 3, 20  # of a person: fewer say nothing about the ruler, more do not say more
_HORIZONS = 121
_NOISE = 0.04  # of the logarithm of a height
_DIFFERENCE, _CHILD = 0.12, 1.2  # between adults, of the logarithm; a child costs no more than so many differences
_LOWEST = 0.45  # heights of a camera above the ground
_LEVEL, _TILT = 0.35, 0.2  # where horizons are, and how far from there, as shares of the picture
_MOST_SCATTER = 0.12

_STILL, _MOVING = 0.16, 0.32  # heights a second: below one stands, above the other walks
_RUNNING = 1.45
_LEAST_RUN = 1.0  # seconds
_LEAST_STAND = 1.5
_LEAST_LEG = 1.0  # heights
_BEND = 0.5  # heights a path may be off a straight line
_SLIM = 0.52  # columns over rows: a wider box may be somebody who sits, squats or bends
_UPRIGHT = 0.88  # of the usual height
_GROWTH = 0.035  # of the logarithm of a size
_DEPTH_GROWTH = 1.12  # of the size, for a walk to or from the camera to be one

State = Literal["stand", "stay", "walk", "run"]


@dataclass(frozen=True)
class Path:
    """How one person moves.

    Attributes:
        track_id: who.
        known: (K,) bool; samples where the place is known.
        place: (K, 2) float64, heights to the right of the middle of the picture and away from the camera.
        velocity: (K, 2) float64, heights a second.
        pixel: (K, 2) float64, column of the middle and row of the feet, camera motion taken out.
        scale: (K,) float64, pixels a height.
        width: (K,) float64, of the box in heights: stretched arms and strides make it wide.
        moving: (K,) bool.
        upright: (K,) bool; whether the box is as slim and as high as that of somebody who stands.
        cut: whether the body was cut off by the border most of the time, so that standing and sitting look alike.
        first: sample of the first box.
        last: sample of the last box.
        enters: side of the picture (``left``, ``right``) where the person comes in, else empty.
        exits: side where the person goes out, else empty.
        facing_known: whether directions in the picture mean anything (camera motion known, or none seen).
    """

    track_id: int
    known: NDArray[np.bool_]
    place: NDArray[np.float64]
    velocity: NDArray[np.float64]
    pixel: NDArray[np.float64]
    scale: NDArray[np.float64]
    width: NDArray[np.float64]
    moving: NDArray[np.bool_]
    upright: NDArray[np.bool_]
    cut: bool
    first: int
    last: int
    enters: str
    exits: str
    facing_known: bool


@dataclass(frozen=True)
class Leg:
    """A stretch of a path: standing, or going one way.

    Attributes:
        state: what is done; ``stay`` is not to go anywhere, where standing cannot be told from sitting.
        first: sample it begins with.
        last: sample it ends with.
        across: -1 to the left, 1 to the right, 0 neither.
        depth: -1 towards the camera, 1 away from it, 0 neither.
        turned: whether it goes back where the leg before came from.
    """

    state: State
    first: int
    last: int
    across: int = 0
    depth: int = 0
    turned: bool = False


def sample_times(clip: Clip) -> NDArray[np.float64]:
    """Return (K,) seconds of the samples of a clip; the first is 0, the last at or before the last frame."""
    count = int(np.floor(max(clip.length - 1, 0) / clip.frame_rate / STEP + 1e-6)) + 1
    return np.arange(count, dtype=np.float64) * STEP


def frame_at(clip: Clip, sample: int) -> int:
    """Return the frame nearest to a sample."""
    return int(min(clip.length - 1, round(sample * STEP * clip.frame_rate)))


def find_paths(clip: Clip, camera: NDArray[np.float64] | None = None, *, static: bool = False) -> dict[int, Path]:
    """Return the path of each person, by track id.

    Args:
        clip: the trajectories.
        camera: (K, 2, 3) affine from the picture at each sample to the first picture, NaN where it is not known; None =
            nobody looked, and the boxes alone have to tell.
        static: the camera is known to stand still.
    """
    times = sample_times(clip)
    frame_size = clip.sizes.max(axis=0).astype(np.float64) if clip.length else np.ones(2)
    raw = {track.track_id: _sample(track, times, clip, frame_size) for track in clip.tracks}
    if camera is not None:
        raw = {key: _steady(one, camera) for key, one in raw.items()}
    line = _ruler(list(raw.values()), frame_size[1])
    paths = {}
    for track in clip.tracks:
        one = raw[track.track_id]
        followed = camera is None or bool(np.isfinite(camera[np.isfinite(one.x)]).all())
        paths[track.track_id] = _path(one, track, clip, frame_size, line, facing_known=followed)
    if camera is None and not static and _shifts_together(list(paths.values())):
        paths = {key: _without_direction(path) for key, path in paths.items()}
    return paths


def legs_of(path: Path) -> list[Leg]:
    """Return what a person does in the order of time: standing for a while, or going one way for at least a height."""
    if not path.facing_known:
        return []
    found: list[Leg] = []
    for begin, end in _runs(path):
        if not path.moving[begin]:
            if (end - begin) * STEP >= _LEAST_STAND and keeps_its_size(path, begin, end):
                upright = not path.cut and path.upright[begin : end + 1].mean() > 0.8
                found.append(Leg("stand" if upright else "stay", begin, end))
            continue
        for one, other in _straight(path.place, begin, end, path.scale):
            leg = _leg(path, one, other)
            if leg is not None:
                found.append(leg)
    return _joined(path, found)


def keeps_its_size(path: Path, first: int, last: int) -> bool:
    """Tell whether somebody neither grows nor shrinks from one sample to another.

    Through a long lens, who walks to the camera hardly moves in the picture; growing gives it away.
    """
    size = path.scale[first : last + 1]
    size = size[np.isfinite(size)]
    if len(size) < 2:
        return True
    edge = max(1, len(size) // 3)
    return abs(float(np.log(np.median(size[-edge:]) / np.median(size[:edge])))) < _GROWTH


@dataclass(frozen=True)
class _Samples:
    """A track on the clock: (K,) arrays, NaN where nothing is near."""

    x: NDArray[np.float64]
    foot: NDArray[np.float64]
    height: NDArray[np.float64]
    width: NDArray[np.float64]
    whole: NDArray[np.float64]  # share of the boxes around that are not cut off by the border


def _sample(track: Track, times: NDArray[np.float64], clip: Clip, size: NDArray[np.float64]) -> _Samples:
    boxes = track.boxes_xyxy
    margin = EDGE * size
    inside = (boxes[:, 0] > margin[0]) & (boxes[:, 2] < size[0] - margin[0]) & (boxes[:, 3] < size[1] - margin[1])
    inside &= boxes[:, 1] > 1  # a head above the picture makes a person look far away
    seconds = track.frame / clip.frame_rate
    values = np.stack(
        [boxes[:, [0, 2]].mean(axis=1), boxes[:, 3], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0], inside],
        axis=1,
    )
    out = np.full((len(times), 5), np.nan)
    for k, time in enumerate(times):
        low, high = np.searchsorted(seconds, (time - _REACH - 1e-9, time + _REACH + 1e-9))
        away = seconds[low:high] - time
        if not len(away) or np.abs(away).min() > STEP / 2 + 1e-9:
            continue
        weight = np.exp(-0.5 * (away / _SMOOTH) ** 2)
        # boxes of people who are cut off are not mixed with whole ones
        good = inside[low:high]
        if good.any() and np.abs(away[good]).min() <= STEP / 2 + 1e-9:
            weight = weight * np.where(good, 1.0, 1e-3)
        out[k] = _local_line(away, values[low:high], weight)
    return _Samples(*out.T)


def _local_line(
    away: NDArray[np.float64], values: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (F,) values at 0 of weighted straight lines through (n,) times and (n, F) values."""
    total = weight.sum()
    mean_t, mean_v = weight @ away / total, weight @ values / total
    spread = weight @ (away - mean_t) ** 2 / total
    slope = (weight * (away - mean_t)) @ (values - mean_v) / total / (spread + 1e-3)
    return np.asarray(mean_v - slope * mean_t)


@dataclass(frozen=True)
class _Ruler:
    """Height of a standing adult at a row of the feet: ``slope * (row - horizon)``, in pixels."""

    horizon: float
    slope: float

    def at(self, foot: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.slope * np.maximum(foot - self.horizon, 1.0))


def _ruler(samples: list[_Samples], rows: float) -> _Ruler | None:
    """Return the ruler that explains the heights best, or None where nobody is whole or heights scatter too much.

    One row of the horizon is looked for, and one height for each person, as children are smaller. What speaks for a
    row: heights of a person who comes nearer, equal heights of most people, and that cameras are held about level.
    """
    people = []
    for one in samples:
        good = np.nan_to_num(one.whole) > 0.5
        if good.sum() >= _LEAST_SAMPLES:
            people.append((one.foot[good], np.log(np.maximum(one.height[good], 2.0))))
    if not people:
        return None
    top = min(float(foot.min() - _LOWEST * np.exp(np.median(height))) for foot, height in people)
    best: tuple[float, float, float, float] | None = None
    for horizon in np.linspace(-rows, top, _HORIZONS) if top > -rows else ():
        logs = [height - np.log(foot - horizon) for foot, height in people]
        tall = np.array([np.median(one) for one in logs])
        away = [np.minimum(np.abs(one - middle) / _NOISE, 3.0) for one, middle in zip(logs, tall, strict=True)]
        usual = float(np.sort(tall)[len(tall) // 2])
        cost = sum(min(len(one), _MOST_SAMPLES) * float((one**2).mean()) for one in away)
        cost += float((np.minimum(np.abs(tall - usual) / _DIFFERENCE, _CHILD) ** 2).sum())
        cost += ((horizon / rows - _LEVEL) / _TILT) ** 2
        scatter = float(np.median(np.concatenate(away))) * _NOISE
        if best is None or cost < best[0]:
            best = cost, float(horizon), usual, scatter
    if best is None or best[3] > _MOST_SCATTER:
        return None
    return _Ruler(best[1], float(np.exp(best[2])))


def _steady(raw: _Samples, camera: NDArray[np.float64]) -> _Samples:
    """Return samples as they would lie in the first picture; as they were where the camera is not known."""
    there = np.where(np.isfinite(camera), camera, np.eye(2, 3))
    points = np.stack([raw.x, raw.foot], axis=1)
    moved = np.einsum("kij,kj->ki", there[:, :, :2], points) + there[:, :, 2]
    zoom = np.sqrt(np.abs(np.linalg.det(there[:, :, :2])))
    return replace(raw, x=moved[:, 0], foot=moved[:, 1], height=raw.height * zoom, width=raw.width * zoom)


def _path(
    raw: _Samples, track: Track, clip: Clip, size: NDArray[np.float64], line: _Ruler | None, *, facing_known: bool
) -> Path:
    seen = np.isfinite(raw.x)
    whole = np.nan_to_num(raw.whole) > 0.5
    cut = bool(seen.any() and whole[seen].mean() < 0.5)
    good = seen if cut else seen & whole
    x, foot, scale = raw.x.copy(), raw.foot.copy(), raw.height.copy()
    with np.errstate(invalid="ignore"):
        upright = raw.width < _SLIM * raw.height
    if line is not None and not cut and good.any():
        ruler = line.at(foot)
        ratio = scale / ruler
        usual = np.median(ratio[good])
        with np.errstate(invalid="ignore"):
            good &= (ratio > _WHOLE_RATIO[0] * usual) & (ratio < _WHOLE_RATIO[1] * usual)
            upright &= ratio > _UPRIGHT * usual
        scale = ruler
    else:
        scale = _median_of_three(scale, good)
    x[~good], foot[~good], scale[~good] = np.nan, np.nan, np.nan
    columns = _bridge(np.stack([x, foot, np.log(np.maximum(scale, 2.0))], axis=1))
    x, foot, scale = columns[:, 0], columns[:, 1], np.exp(columns[:, 2])
    focal = float(size.max())
    place = np.stack([(x - size[0] / 2) / scale, focal / scale], axis=1)
    velocity = _velocity(place)
    samples = np.flatnonzero(seen)
    first, last = (int(samples[0]), int(samples[-1])) if len(samples) else (0, -1)
    begins, ends = track.frame[0] / clip.frame_rate, (clip.length - 1 - track.frame[-1]) / clip.frame_rate
    return Path(
        track_id=track.track_id,
        known=np.isfinite(x),
        place=place,
        velocity=velocity,
        pixel=np.stack([x, foot], axis=1),
        scale=scale,
        width=raw.width / scale,
        moving=_moving(velocity, scale, focal),
        upright=upright,
        cut=cut,
        first=first,
        last=last,
        enters=_side(track.boxes_xyxy[0], size) if begins > STEP else "",
        exits=_side(track.boxes_xyxy[-1], size) if ends > STEP else "",
        facing_known=facing_known,
    )


def _median_of_three(values: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values with single outliers among their neighbours replaced."""
    rows = np.flatnonzero(good)
    if len(rows) < 3:
        return values
    out = values.copy()
    kept = values[rows]
    out[rows[1:-1]] = np.median(np.stack([kept[:-2], kept[1:-1], kept[2:]]), axis=0)
    return out


def _bridge(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (K, F) with short stretches of NaN filled by straight lines."""
    rows = np.flatnonzero(np.isfinite(columns[:, 0]))
    out = columns.copy()
    for before, after in itertools.pairwise(rows.tolist()):
        if 1 < after - before <= _BRIDGE / STEP:
            share = (np.arange(before + 1, after) - before)[:, None] / (after - before)
            out[before + 1 : after] = columns[before] * (1 - share) + columns[after] * share
    return out


def _velocity(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (K, 2) heights a second over the samples on both sides; over one side at the ends."""
    padded = np.concatenate([np.full((1, 2), np.nan), place, np.full((1, 2), np.nan)])
    before, after = place - padded[:-2], padded[2:] - place
    with np.errstate(invalid="ignore"):
        both = (before + after) / (2 * STEP)
    return np.where(np.isfinite(both), both, np.where(np.isfinite(before), before, after) / STEP)


def _moving(velocity: NDArray[np.float64], scale: NDArray[np.float64], focal: float) -> NDArray[np.bool_]:
    """Return (K,) whether one walks: above the upper limit, or above the lower one beside samples that are.

    Depth is known less well than the way across: what a size that is 1 % wrong moves counts for nothing.
    """
    trust = np.clip(np.nan_to_num(scale, nan=1.0) / focal * 12, 0.35, 1.0)
    speed = np.nan_to_num(np.hypot(velocity[:, 0], velocity[:, 1] * trust))
    moving = speed > _MOVING
    maybe = speed > _STILL
    for _ in range(len(moving)):
        grown = maybe & (moving | np.append(moving[1:], False) | np.append(False, moving[:-1]))
        if (grown | moving).sum() == moving.sum():
            break
        moving |= grown
    return moving


def _side(box: NDArray[np.float64], size: NDArray[np.float64]) -> str:
    reach = max(2 * EDGE * size[0], 0.15 * (box[2] - box[0]))
    if box[0] < reach and box[2] < size[0] - reach:
        return "left"
    return "right" if box[2] > size[0] - reach and box[0] > reach else ""


def _shifts_together(paths: list[Path]) -> bool:
    """Tell whether boxes of three people or more, of different sizes, shift by the same pixels: a camera does that.

    People who walk the same way shift by the same share of their heights instead.
    """
    if len(paths) < 3:
        return False
    pixel = np.stack([path.pixel for path in paths])  # (M, K, 2)
    scale = np.stack([path.scale for path in paths])
    shift, size = np.diff(pixel, axis=1), scale[:, 1:]
    together = counted = 0
    for k in range(shift.shape[1]):
        there = np.isfinite(shift[:, k]).all(axis=1)
        if there.sum() < 3:
            continue
        counted += 1
        steps, ruler = shift[there, k], size[there, k]
        common = np.median(steps, axis=0)
        length = float(np.hypot(*common))
        near = np.hypot(*(steps - common).T) < 0.2 * length + 1.0
        varied = ruler.max() / ruler.min() > 1.15 or there.sum() >= 5
        together += bool(near.mean() >= 0.75 and varied and length > 0.12 * STEP * float(np.median(ruler)))
    return counted > 0 and together >= max(2, 0.25 * counted)


def _without_direction(path: Path) -> Path:
    still = np.zeros_like(path.moving)
    return replace(path, facing_known=False, moving=still, enters="", exits="")


def _runs(path: Path) -> list[tuple[int, int]]:
    """Return first and last sample of stretches of standing and of walking, without jumps over what is not known."""
    rows = np.flatnonzero(path.known)
    if not len(rows):
        return []
    breaks = (np.diff(rows) > 1) | np.diff(path.moving[rows])
    groups = np.split(rows, np.flatnonzero(breaks) + 1)
    found = [(int(group[0]), int(group[-1])) for group in groups]
    # one sample of another kind is a wobble
    steady = [run for run in found if run[1] > run[0]]
    merged: list[tuple[int, int]] = []
    for run in steady:
        if merged and path.moving[merged[-1][0]] == path.moving[run[0]] and run[0] - merged[-1][1] <= 2:
            merged[-1] = merged[-1][0], run[1]
        else:
            merged.append(run)
    return merged


def _straight(place: NDArray[np.float64], begin: int, end: int, scale: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return first and last sample of straight pieces of a path (Douglas and Peucker, 1973)."""
    rows = np.arange(begin, end + 1)
    rows = rows[np.isfinite(place[rows, 0])]
    if len(rows) < 2:
        return []
    points = place[rows]
    # the further away, the less is known of depth
    slack = max(_BEND, 0.05 * float(np.median(points[:, 1])))
    chord = points[-1] - points[0]
    length = float(np.hypot(*chord))
    offset = points - points[0]
    if length > 1e-6:
        along = np.clip(offset @ chord / length**2, 0, 1)[:, None]
        distance = np.hypot(*(offset - along * chord).T)
    else:
        distance = np.hypot(*offset.T)
    worst = int(distance.argmax())
    if distance[worst] <= slack or worst in (0, len(rows) - 1):
        return [(int(rows[0]), int(rows[-1]))]
    split = int(rows[worst])
    return _straight(place, begin, split, scale) + _straight(place, split, end, scale)


def _leg(path: Path, begin: int, end: int) -> Leg | None:
    """Return the leg between two samples, or None where it is too short to be one."""
    way = path.place[end] - path.place[begin]
    length = float(np.hypot(*way))
    seconds = (end - begin) * STEP
    if length < _LEAST_LEG or seconds <= 0:
        return None
    shift = path.pixel[end, 0] - path.pixel[begin, 0]
    ruler = float(np.sqrt(path.scale[end] * path.scale[begin]))
    growth = path.scale[end] / path.scale[begin]
    across = depth = 0
    # what is said of left and right must be so in the picture and on the ground
    if abs(way[0]) >= 0.4 * length and np.sign(shift) == np.sign(way[0]) and abs(shift) > 0.5 * ruler:
        across = int(np.sign(shift))
    if abs(way[1]) >= 0.4 * length and max(growth, 1 / growth) > _DEPTH_GROWTH:
        depth = int(np.sign(way[1]))
    if not across and not depth:
        return None
    speed = np.abs(path.velocity[begin : end + 1, 0]) if across else np.hypot(*path.velocity[begin : end + 1].T) * 0.7
    running = float(np.nanmedian(speed)) > _RUNNING and seconds >= _LEAST_RUN
    return Leg("run" if running else "walk", begin, end, across, depth)


def _goes(leg: Leg) -> bool:
    return leg.state in ("walk", "run")


def _joined(path: Path, legs: list[Leg]) -> list[Leg]:
    """Return legs with equal neighbours made one, and turns back marked."""
    found: list[Leg] = []
    for leg in legs:
        before = found[-1] if found else None
        same = before is not None and (before.state, before.across, before.depth) == (leg.state, leg.across, leg.depth)
        if before is not None and same and (leg.first - before.last) * STEP <= 2 * _LEAST_STAND:
            found[-1] = Leg(leg.state, before.first, leg.last, leg.across, leg.depth, before.turned)
            continue
        turned = False
        if before is not None and _goes(leg) and _goes(before) and leg.first - before.last <= 4:
            one, other = (path.place[each.last] - path.place[each.first] for each in (before, leg))
            turned = float(one @ other) < -0.7 * float(np.hypot(*one) * np.hypot(*other))
        found.append(Leg(leg.state, leg.first, leg.last, leg.across, leg.depth, turned))
    return found
