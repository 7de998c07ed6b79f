"""One clip as a page to read: what was said, beside the pixels it was said about.

A single HTML file that needs no network: pictures lie inside it, everything that was written by a model or read from a
file is escaped, and the page forbids itself scripts and anything from elsewhere.

Shapes: T boxes of a track.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from semantic.bensmot.vocabulary import is_symmetric, surface
from semantic.describers.protocol import Pictures
from semantic.structures import Clip, Interaction, Semantics, Sentence, Track
from sushi_lg.data.files import atomic_path
from sushi_lg.inspection.inline import at_height, css_colour, data_url, page_template, region_around
from sushi_lg.inspection.overlay import identity_colour

_STRIP: Final = 3  # pictures of a person or an act
_HEIGHT: Final = 240  # pixels of a picture in the file, at most
_MARGIN: Final = 0.15  # of the box, around a person
_NO_CAPTION: Final = "Nothing is said about this person; trajectories this short are not described."
_CHART_WIDTH: Final = 1000.0
_CHART_LEFT: Final = 40.0
_ROW: Final = 18.0


@dataclass(frozen=True)
class _Strip:
    """Places to cut out: ``frames`` of the people ``track_ids``."""

    frames: tuple[int, ...]
    track_ids: tuple[int, ...]
    pictures: list[str] = field(default_factory=list)


def write_page(path: str | Path, clip: Clip, semantics: Semantics, pictures: Pictures | None) -> Path:
    """Write the page of a clip.

    Args:
        path: Target, ``.html``.
        clip: The trajectories.
        semantics: What is said about them.
        pictures: The pixels; None leaves the pictures out.

    Returns:
        ``path``.

    Raises:
        DataError: a frame that cannot be had, or ``path`` cannot be written.
    """
    path = Path(path)
    acts, mutual = each_once(semantics.interactions)
    of_acts = [_act_strip(clip, act) for act in acts]
    of_people = [_Strip(_spread(_detected(track)), (track.track_id,)) for track in clip.tracks]
    if pictures is not None:
        _cut_out(clip, pictures, [*of_acts, *of_people])
    captions = {caption.track_id: caption for caption in semantics.captions}
    page = page_template("semantic", "clip.html.j2").render(
        clip=clip,
        semantics=semantics,
        chart=_chart(clip, semantics),
        repairs={key: count for key, count in semantics.counts.items() if not key.startswith("requests: ")},
        together=[_act(clip, act, strip, act in mutual) for act, strip in zip(acts, of_acts, strict=True)],
        people=[
            _person(track.track_id)
            | {
                "when": _when(clip, int(track.frame[0]), int(track.frame[-1])),
                "pictures": strip.pictures,
                "sentences": [
                    {"text": sentence.text, "when": _when(clip, sentence.first_frame, sentence.last_frame)}
                    for sentence in _sentences(captions, track.track_id)
                ],
                "reason": _NO_CAPTION,
            }
            for track, strip in zip(clip.tracks, of_people, strict=True)
        ],
    )
    with atomic_path(path) as staged:
        staged.write_text(page, encoding="utf-8", errors="replace")  # half a surrogate pair is no UTF-8
    return path


def _sentences(captions: Mapping[int, Any], track_id: int) -> Sequence[Sentence]:
    return captions[track_id].sentences if track_id in captions else ()


def _person(track_id: int) -> dict[str, Any]:
    return {"track_id": track_id, "colour": css_colour(track_id)}


def each_once(interactions: Iterable[Interaction]) -> tuple[list[Interaction], set[Interaction]]:
    """Return the interactions by falling probability, and those that hold both ways, of which only one is left."""
    acts = sorted(interactions, key=lambda act: (-act.probability, act.first_frame, act.active, act.passive))
    kept: dict[tuple[int, int, str], Interaction] = {}
    mutual = set()
    for act in acts:
        other = kept.get((act.passive, act.active, act.label))
        if other is not None and (other.first_frame, other.last_frame) == (act.first_frame, act.last_frame):
            mutual.add(other)
        else:
            kept[act.active, act.passive, act.label] = act
    return list(kept.values()), mutual


def _act(clip: Clip, act: Interaction, strip: _Strip, is_mutual: bool) -> dict[str, Any]:
    return {
        # of what two people necessarily do to each other, the other direction goes without saying
        "is_mutual": is_mutual and not is_symmetric(act.label),
        "active": _person(act.active),
        "passive": _person(act.passive),
        "phrase": surface(act.label),
        "label": act.label,
        "probability": act.probability,
        "when": _when(clip, act.first_frame, act.last_frame),
        "pictures": strip.pictures,
    }


def _act_strip(clip: Clip, act: Interaction) -> _Strip:
    """Choose frames in which both were detected; where they never were, frames with boxes of both, or of either."""
    first, second = clip.track(act.active), clip.track(act.passive)

    def within(frames: NDArray[np.int64]) -> NDArray[np.int64]:
        return frames[(frames >= act.first_frame) & (frames <= act.last_frame)]

    choices = (
        within(np.intersect1d(_detected(first), _detected(second))),
        within(np.intersect1d(first.frame, second.frame)),
        within(np.union1d(first.frame, second.frame)),
    )
    return _Strip(_spread(next((one for one in choices if len(one)), choices[-1])), (act.active, act.passive))


def _detected(track: Track) -> NDArray[np.int64]:
    """Return the frames of the boxes that were detected; of all where none was: a filled box may show nobody."""
    seen = track.frame[~track.is_interpolated]
    return seen if len(seen) else track.frame


def _spread(frames: NDArray[np.int64]) -> tuple[int, ...]:
    """Return a few frames from all of the time, away from its ends, where people are cut by the border."""
    if len(frames) == 0:
        return ()
    places = (np.arange(_STRIP) + 0.5) / _STRIP * len(frames)
    return tuple(sorted({int(frames[int(place)]) for place in places}))


def _cut_out(clip: Clip, pictures: Pictures, strips: Iterable[_Strip]) -> None:
    """Fill the pictures of all strips; every frame is decoded once."""
    wanted: dict[int, list[_Strip]] = {}
    for strip in strips:
        for frame in strip.frames:
            wanted.setdefault(frame, []).append(strip)
    for frame, takers in sorted(wanted.items()):
        picture = pictures.frames([frame]).get(frame)
        if picture is None:  # cannot be read, and the user wants such frames left out
            continue
        for strip in takers:
            found = {k: _box_at(clip.track(k), frame) for k in strip.track_ids}
            boxes = {k: box for k, box in found.items() if box is not None and _is_inside(box, picture)}
            if boxes:
                strip.pictures.append(_encoded(picture, boxes))


def _box_at(track: Track, frame: int) -> NDArray[np.float64] | None:
    place = int(np.searchsorted(track.frame, frame))
    return track.boxes_xyxy[place] if place < len(track) and track.frame[place] == frame else None


def _is_inside(box: NDArray[np.float64], picture: NDArray[np.uint8]) -> bool:
    """Tell whether anything of a box is in the picture: a person outside it has no pixels to show."""
    return bool((box[2:] > 0).all() and box[0] < picture.shape[1] and box[1] < picture.shape[0])


def _encoded(picture: NDArray[np.uint8], boxes: Mapping[int, NDArray[np.float64]]) -> str:
    """Return the part of a picture around some boxes, with the boxes drawn, as a data URL."""
    whole = np.stack(list(boxes.values()))
    whole = np.concatenate([whole[:, :2], whole[:, 2:] - whole[:, :2]], axis=1)
    left, top, width, height = region_around(whole, (picture.shape[1], picture.shape[0]), _MARGIN)
    shown = at_height(picture[top : top + height, left : left + width], _HEIGHT)
    factor = _HEIGHT / height
    for track_id, box in boxes.items():
        corners = np.round((box.reshape(2, 2) - [left, top]) * factor).astype(int)
        cv2.rectangle(shown, corners[0].tolist(), corners[1].tolist(), identity_colour(track_id), 2, cv2.LINE_AA)
    return data_url(shown)


def _when(clip: Clip, first: int, last: int) -> str:
    return f"{first / clip.frame_rate:.1f}-{(last + 1) / clip.frame_rate:.1f} s"


def _chart(clip: Clip, semantics: Semantics) -> dict[str, Any]:
    """Return the places of everything in the chart of time, in its own units."""
    scale = (_CHART_WIDTH - _CHART_LEFT) / max(clip.length, 1)

    def across(first: int, last: int) -> tuple[float, float]:
        return round(_CHART_LEFT + first * scale, 1), round(max((last + 1 - first) * scale, 1.5), 1)

    rows = []
    for number, track in enumerate(clip.tracks):
        breaks = np.flatnonzero(np.diff(track.frame) > 1) + 1
        bars = []
        for run in np.split(track.frame, breaks):
            x, width = across(int(run[0]), int(run[-1]))
            bars.append(
                {"x": x, "width": width, "text": f"P{track.track_id}: {_when(clip, int(run[0]), int(run[-1]))}"}
            )
        acts = []
        for act in semantics.interactions:
            if act.active == track.track_id:
                x, width = across(act.first_frame, act.last_frame)
                said = f"P{act.active} {surface(act.label)} P{act.passive}"
                acts.append({"x": x, "width": width, "colour": css_colour(act.passive), "text": said})
        rows.append(
            {"y": number * _ROW, "track_id": track.track_id, "colour": css_colour(track.track_id)}
            | {"bars": bars, "acts": acts}
        )
    seconds = clip.length / clip.frame_rate
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300)
    step = next((step for step in steps if seconds / step <= 12), 600 * math.ceil(seconds / 7200))
    ticks = [
        {
            "x": round(_CHART_LEFT + at * clip.frame_rate * scale, 1),
            "text": f"{at} s",
            "anchor": "end" if at > seconds - step / 4 else "middle",  # the last one stays inside
        }
        for at in range(0, int(seconds) + 1, step)
    ]
    return {"width": _CHART_WIDTH, "height": round(len(rows) * _ROW + 20), "rows": rows, "ticks": ticks}
