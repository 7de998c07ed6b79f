"""Which pictures a request shows: a few looks at a person, at a pair, or at the whole clip.

The life of a track is cut into parts of equal time, and the best box of each part is looked at, so that looks are
spread over time and still clear. Functions are pure: they read trajectories, not pixels. Where somebody has measured
how sharp boxes are, that counts too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from semantic.boxes import BoxTable, box_table
from semantic.config import ViewConfig
from semantic.structures import Clip, View

_CONFIDENT = 0.5  # of the highest confidence of the track
_LEAST_INSIDE = 0.1  # share of a box inside the picture, below which there is nothing to look at


def quality(
    table: BoxTable,
    config: ViewConfig,
    sharpness: Mapping[tuple[int, int], float] | None = None,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return how good a look each box promises: (R,) float64, or (N,) of N ``rows``, at least 0.

    It is confidence x visible share x min(1, height / full height) x sharpness x sqrt(1 - largest overlap). Boxes that
    nobody detected count half.

    Args:
        table: R boxes.
        config: Gives the full height.
        sharpness: By place of the track and frame, in 0 .. 1; 1 where it is absent.
        rows: Only of these; all when left out.
    """
    asked: NDArray[np.int64] | slice = slice(None) if rows is None else rows
    boxes = table.boxes_xyxy[asked]
    height = np.clip(boxes[:, 3] - boxes[:, 1], 0, None)
    good = np.clip(table.confidence[asked], 0, 1) * table.inside[asked] * np.minimum(1.0, height / config.full_height)
    good = good * np.sqrt(1.0 - np.clip(table.overlap[asked], 0, 1)) * np.where(table.is_interpolated[asked], 0.5, 1.0)
    if sharpness is not None:
        keys = zip(table.track[asked].tolist(), table.frame[asked].tolist(), strict=True)
        good = good * np.array([sharpness.get(key, 1.0) for key in keys])
    return good


def observations(
    table: BoxTable,
    place: int,
    config: ViewConfig,
    *,
    sharpness: Mapping[tuple[int, int], float] | None = None,
    excluded: Collection[int] = (),
) -> NDArray[np.int64]:
    """Return the rows of the boxes of one track to look at, in the order of time.

    The first and the last confident box are among them; between them the best of each part of the life. A track of no
    more boxes than looks is looked at in all of them. Boxes outside the picture are left out.

    Args:
        table: All boxes of the clip.
        place: Of the track in ``Clip.tracks``.
        config: Says how many looks.
        sharpness: See ``quality``.
        excluded: Frames that cannot be shown.
    """
    rows = table.rows(place)
    rows = rows[(table.inside[rows] >= _LEAST_INSIDE) & ~np.isin(table.frame[rows], list(excluded))]
    if len(rows) <= config.observations:
        return rows
    good = quality(table, config, sharpness, rows)
    confident = (table.confidence[rows] >= _CONFIDENT * table.confidence[rows].max()) & ~table.is_interpolated[rows]
    known = np.flatnonzero(confident) if confident.any() else np.arange(len(rows))
    frame = table.frame[rows]
    part = np.minimum(
        (frame - frame[0]) * config.observations // max(int(frame[-1] - frame[0]) + 1, 1), config.observations - 1
    )
    chosen = {int(known[0]), int(known[-1])} if config.observations > 1 else {int(good.argmax())}
    for k in range(config.observations):
        inside = np.flatnonzero(part == k)
        if len(inside) and not chosen & set(inside.tolist()) and len(chosen) < config.observations:
            chosen.add(int(inside[good[inside].argmax()]))
    return rows[sorted(chosen)]


def instance_views(
    clip: Clip,
    track_id: int,
    config: ViewConfig,
    *,
    partners: Collection[int] = (),
    table: BoxTable | None = None,
    sharpness: Mapping[tuple[int, int], float] | None = None,
    excluded: Collection[int] = (),
) -> tuple[View, ...]:
    """Return looks at one person: crops, and some whole frames, which tell where they are and who else is there.

    A crop is the box with its margin, and reaches to the nearest of ``partners`` who is close by in that frame.

    Args:
        clip: Trajectories.
        track_id: Who.
        config: Says how many and how large.
        partners: Track ids of those the person may have to do with.
        table: Of the clip, if there is one already.
        sharpness: See ``quality``.
        excluded: Frames that cannot be shown.

    Returns:
        Views in the order of time, the person outlined; none where no box is inside the picture.
    """
    table = table or box_table(clip)
    place = [track.track_id for track in clip.tracks].index(track_id)
    rows = observations(table, place, config, sharpness=sharpness, excluded=excluded)
    others = {track.track_id: k for k, track in enumerate(clip.tracks) if track.track_id in partners}
    whole = _whole_frames(len(rows), config)
    views = []
    for number, row in enumerate(rows.tolist()):
        frame = int(table.frame[row])
        if number in whole:
            views.append(View(frame, None, (track_id,)))
        else:
            reach = _reaching(table, row, others)
            views.append(View(frame, _crop(clip, frame, reach, config.margin), (track_id,)))
    if len(rows) and not whole and config.full_frames:
        best = rows[int(quality(table, config, sharpness, rows).argmax())]
        views.append(View(int(table.frame[best]), None, (track_id,)))
    return tuple(sorted(views, key=lambda view: (view.frame, view.box_xyxy is None)))


def pair_views(
    clip: Clip, one: int, other: int, frames: Iterable[int], config: ViewConfig, table: BoxTable | None = None
) -> tuple[View, ...]:
    """Return looks at two people together: what surrounds both, both outlined.

    Args:
        clip: Trajectories.
        one: Track id.
        other: Track id.
        frames: In which both are known.
        config: Says how large.
        table: Of the clip, if there is one already.

    Raises:
        ValueError: a frame in which one of them is not known.
    """
    table = table or box_table(clip)
    ids = [track.track_id for track in clip.tracks]
    views = []
    for frame in sorted(set(frames)):
        both = [row_at(table, ids.index(track_id), frame) for track_id in (one, other)]
        if None in both:
            raise ValueError(f"{clip.name}: tracks {one} and {other} are not both there in frame {frame}")
        boxes = table.boxes_xyxy[[row for row in both if row is not None]]
        union = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        views.append(View(frame, _crop(clip, frame, union, config.pair_margin), (one, other)))
    return tuple(views)


def summary_views(
    clip: Clip,
    config: ViewConfig,
    people: Sequence[int],
    *,
    table: BoxTable | None = None,
    excluded: Collection[int] = (),
) -> tuple[View, ...]:
    """Return whole frames in even steps; if these are fewer than wanted, also the frames with most people.

    Args:
        clip: Trajectories.
        config: Says how many.
        people: Track ids to outline, where they are there.
        table: Of the clip, if there is one already.
        excluded: Frames that cannot be shown.
    """
    table = table or box_table(clip)
    left_out = set(excluded)
    possible = [frame for frame in range(clip.length) if frame not in left_out]
    step = -(-len(possible) // config.clip_frames) if possible else 1
    chosen = set(possible[::step])
    crowd = np.bincount(table.frame, minlength=clip.length)
    for frame in sorted(possible, key=lambda frame: (-crowd[frame], frame)):
        if len(chosen) >= config.clip_frames:
            break
        chosen.add(frame)
    places = [[track.track_id for track in clip.tracks].index(one) for one in people]
    return tuple(
        View(
            frame,
            None,
            tuple(one for one, k in zip(people, places, strict=True) if row_at(table, k, frame) is not None),
        )
        for frame in sorted(chosen)
    )


def leading_people(clip: Clip, most: int, table: BoxTable | None = None) -> tuple[int, ...]:
    """Return the track ids of those who are there longest and largest, by rising id; no more than ``most``."""
    table = table or box_table(clip)
    size = table.boxes_xyxy[:, 2:] - table.boxes_xyxy[:, :2]
    weight = np.sqrt(np.clip(size, 0, None).prod(axis=1)) * table.inside
    total = np.bincount(table.track, weights=weight, minlength=len(clip.tracks))
    order = sorted(range(len(clip.tracks)), key=lambda k: (-total[k], clip.tracks[k].track_id))
    return tuple(sorted(clip.tracks[k].track_id for k in order[:most]))


def _whole_frames(count: int, config: ViewConfig) -> set[int]:
    """Return which of ``count`` looks are whole frames: evenly between the first and the last; none of very few."""
    if count < 4 or not config.full_frames:
        return set()
    wanted = min(max(round(config.full_frames * count / config.observations), 1), count - 2)
    return {round((k + 1) * (count - 1) / (wanted + 1)) for k in range(wanted)}


def _reaching(table: BoxTable, row: int, others: Mapping[int, int]) -> NDArray[np.float64]:
    """Return the box of a row, extended to the nearest of ``others`` if that one is near."""
    box = table.boxes_xyxy[row]
    best, least = box, 1.5  # mean diagonals, as in PairConfig.near
    for place in others.values():
        their = row_at(table, place, int(table.frame[row]))
        if their is None or place == table.track[row]:
            continue
        distance = float(centre_distance(box, table.boxes_xyxy[their]))
        if distance < least:
            least = distance
            both = np.stack([box, table.boxes_xyxy[their]])
            best = np.concatenate([both[:, :2].min(axis=0), both[:, 2:].max(axis=0)])
    return best


def centre_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the centres of boxes (..., 4) are apart, in mean diagonals of the two; infinite without size."""
    gap = np.linalg.norm((one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2, axis=-1)
    diagonal = (diagonals(one) + diagonals(other)) / 2
    return np.divide(gap, diagonal, out=np.full_like(gap, np.inf), where=diagonal > 0)


def diagonals(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the diagonals of boxes (..., 4), pixels."""
    return np.linalg.norm(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None), axis=-1)


def row_at(table: BoxTable, place: int, frame: int) -> int | None:
    """Return the row of the track at a place of ``Clip.tracks`` in a frame; None where it is not known."""
    first, last = int(table.first_row[place]), int(table.first_row[place + 1])
    row = first + int(np.searchsorted(table.frame[first:last], frame))
    return row if row < last and table.frame[row] == frame else None


def _crop(clip: Clip, frame: int, box: NDArray[np.float64], margin: float) -> tuple[int, int, int, int] | None:
    """Return a box scaled about its centre, in whole pixels inside the picture; None if nothing of it is inside."""
    width, height = clip.sizes[frame].tolist()
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * margin
    left, top = np.floor(np.clip(centre - half, 0, [width, height])).astype(int).tolist()
    right, bottom = np.ceil(np.clip(centre + half, 0, [width, height])).astype(int).tolist()
    return (left, top, right, bottom) if right > left and bottom > top else None
