"""Trajectories drawn on pictures: one colour an identity, boxes, labels, and the path each person has walked.

Everything is drawn through masks: a shape gives a coverage for every pixel (antialiased, to 1/16 pixel), and its colour
is blended with that coverage, so edges stay clean on any background. Small videos are enlarged first, because lines and
labels need more pixels than the people do.

Shapes: R boxes of all trajectories, H and W height and width of a picture.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.data.video import write_video
from sushi_lg.errors import DataError
from sushi_lg.inspection.strokes import (
    DARK,
    LIGHT,
    Colour,
    Mask,
    Picture,
    Place,
    Points,
    blend,
    dashes,
    draw_label,
    rounded_rectangle,
    text_mask,
)

if TYPE_CHECKING:  # who draws no mistakes needs no metrics
    from sushi_lg.inspection.mistakes import Mistakes
    from sushi_lg.inspection.said import Said

PALETTE_SIZE = 60
_NORMAL_SHARE = 0.2
_RECENT_COLOURS = 8  # so many identities in a row are kept apart; more are not told apart by colour anyway


@dataclass(frozen=True)
class OverlayStyle:
    """How trajectories look.

    Attributes:
        tail_seconds: Length of the path drawn behind each person.
        min_height: Pictures lower than this are enlarged by the whole factor that comes nearest to it.
        max_enlargement: Largest factor.
        caption: Whether a line tells frame number and number of people.
        noun: What the caption counts, singular and plural.
    """

    tail_seconds: float = 1.5
    min_height: int = 1080
    max_enlargement: int = 3
    caption: bool = True
    noun: tuple[str, str] = ("person", "people")


def draw_video(
    frames: Iterable[Picture],
    trajectories: TrajectoryTable,
    out_path: str | Path,
    frame_rate: float,
    *,
    length: int | None = None,
    style: OverlayStyle | None = None,
    said: Said | None = None,
    mistakes: Mistakes | None = None,
) -> int:
    """Write a video (H.264, plays in browsers) of ``frames`` with ``trajectories`` drawn on them.

    Args:
        frames: (H, W, 3) uint8 pictures, blue first; the first one is frame 0.
        trajectories: Boxes in pixels of the pictures, frames 0-based.
        out_path: Target, usually ``.mp4``.
        frame_rate: Frames per second.
        length: Number of frames, for the caption.
        style: How it looks.
        said: What is written beside people, and between them.
        mistakes: Show these instead of identities: what is right is grey, what is wrong is not.

    Returns:
        The number of frames written.

    Raises:
        DataError: no frames, or frames of different sizes.
    """
    drawn = draw_frames(enumerate(frames), trajectories, frame_rate, length, style, said, mistakes)
    return write_video(out_path, drawn, frame_rate, crf=21, preset="veryfast")


def contact_sheet(
    frames: Iterable[Picture],
    trajectories: TrajectoryTable,
    out_path: str | Path,
    frame_rate: float,
    chosen: Sequence[int],
    *,
    columns: int = 2,
    width: int = 1280,
    style: OverlayStyle | None = None,
) -> None:
    """Write a picture (PNG) of some frames side by side, with trajectories drawn on them.

    Args:
        frames: (H, W, 3) uint8 pictures, blue first; the first one is frame 0.
        trajectories: Boxes in pixels of the pictures, frames 0-based.
        out_path: Target, ``.png``.
        frame_rate: Frames per second.
        chosen: Numbers of the frames, 0-based, in the order of the sheet.
        columns: Frames in a row.
        width: Width of the whole sheet in pixels.
        style: How it looks.

    Raises:
        DataError: a chosen frame does not exist.
    """
    wanted = set(chosen)
    picked = ((number, picture) for number, picture in enumerate(frames) if number in wanted)
    numbers: list[int] = []

    def noted() -> Iterator[tuple[int, Picture]]:
        for number, picture in picked:
            numbers.append(number)
            yield number, picture

    drawn = list(draw_frames(noted(), trajectories, frame_rate, None, style))
    by_number = dict(zip(numbers, drawn, strict=True))
    absent = sorted(wanted - by_number.keys())
    if absent or not chosen:
        raise DataError(
            f"{out_path}: no frame {absent[0] if absent else '(none chosen)'}", "choose frames of the video"
        )
    gap = max(width // 160, 1)
    tile_width = (width - gap * (columns - 1)) // columns
    tile_height = round(tile_width * drawn[0].shape[0] / drawn[0].shape[1])
    rows = math.ceil(len(chosen) / columns)
    sheet = np.full((rows * tile_height + gap * (rows - 1), width, 3), 255, dtype=np.uint8)
    for place, number in enumerate(chosen):
        top = place // columns * (tile_height + gap)
        left = place % columns * (tile_width + gap)
        tile = cv2.resize(by_number[number], (tile_width, tile_height), interpolation=cv2.INTER_AREA)
        sheet[top : top + tile_height, left : left + tile_width] = tile
    encoded, data = cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert encoded
    with atomic_path(out_path) as staged:
        staged.write_bytes(data.tobytes())


def draw_frames(
    frames: Iterable[tuple[int, Picture]],
    trajectories: TrajectoryTable,
    frame_rate: float,
    length: int | None = None,
    style: OverlayStyle | None = None,
    said: Said | None = None,
    mistakes: Mistakes | None = None,
) -> Iterator[Picture]:
    """Yield the pictures of ``frames`` (0-based number, picture), enlarged where small, with trajectories drawn.

    Raises:
        ValueError: ``mistakes`` are those of other trajectories.
    """
    if mistakes is not None and len(mistakes.events.match) != len(trajectories):
        raise ValueError(f"mistakes of {len(mistakes.events.match)} boxes, trajectories have {len(trajectories)}")
    style = style or OverlayStyle()
    paths = _Paths(trajectories, round(style.tail_seconds * frame_rate))
    for number, picture in frames:
        factor = _enlargement(picture.shape[0], style)
        if factor > 1:
            enlarged = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            picture = enlarged.astype(np.uint8, copy=False)
        else:
            picture = picture.copy()
        _draw_frame(picture, number, factor, paths, length, style, said, mistakes)
        yield picture


def identity_colour(track_id: int) -> Colour:
    """Return the colour of an identity (blue, green, red); the same on every machine, repeated after 60 identities."""
    return palette()[(track_id - 1) % PALETTE_SIZE]


@functools.cache
def palette() -> tuple[Colour, ...]:
    """Return 60 colours in an order that keeps neighbours apart, also for eyes without red, green or blue cones.

    Candidates go around the hues of OKLCH at three lightnesses (all light enough for dark text); each next colour is
    the one farthest from the last eight. A distance is the smallest one of protanopes, deuteranopes and tritanopes,
    plus a fifth of that of normal sight: the sum of whole distances left neighbours that deuteranopes cannot tell
    apart.
    """
    candidates = _candidates()
    seen = np.stack([_oklab(np.clip(candidates @ sight.T, 0, 1)) for sight in _SIGHTS])  # (4, K, 3)
    order = [int(np.argmin(np.linalg.norm(seen[0] - _oklab(_FIRST_COLOUR), axis=1)))]
    while len(order) < PALETTE_SIZE:
        recent = seen[:, order[-_RECENT_COLOURS:]]
        normal, *others = np.linalg.norm(seen[:, :, None] - recent[:, None], axis=-1)
        distance = (_NORMAL_SHARE * normal + np.min(others, axis=0)).min(axis=1)
        distance[order] = -1.0
        order.append(int(distance.round(6).argmax()))  # rounded, so that no machine breaks a tie differently
    encoded = np.where(candidates <= 0.0031308, 12.92 * candidates, 1.055 * candidates ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(encoded * 255).astype(int).T
    return tuple((int(blue[k]), int(green[k]), int(red[k])) for k in order)


# ------------------------------------------------------------------------------------------------------------- colours

# linear sRGB → what protanopes, deuteranopes and tritanopes see: Machado, Oliveira and Fernandes, 2009, severity 1
_SIGHTS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)
# OKLab: Björn Ottosson, 2020
_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FIRST_COLOUR = np.array([0.05, 0.55, 1.0])  # linear sRGB: a sky blue


def _oklab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cbrt(linear @ _LMS.T) @ _LAB.T


def _candidates() -> NDArray[np.float64]:
    """Return (K, 3) linear sRGB: 48 hues at three lightnesses, each as vivid as sRGB allows up to a chroma of 0.17."""
    to_lms, to_linear = np.linalg.inv(_LAB), np.linalg.inv(_LMS)
    colours = []
    for lightness in (0.68, 0.78, 0.88):
        for hue in np.arange(48) * (2 * math.pi / 48):
            for chroma in np.arange(0.17, 0.04, -0.01):
                lab = np.array([lightness, chroma * math.cos(hue), chroma * math.sin(hue)])
                linear = to_linear @ (to_lms @ lab) ** 3
                if (linear >= 0).all() and (linear <= 1).all():
                    colours.append(linear)
                    break
    return np.array(colours)


# --------------------------------------------------------------------------------------------------------------- paths


class _Paths:
    """Boxes by frame, and the way each person came.

    Args:
        table: All boxes.
        tail_frames: Frames the drawn path reaches back.
    """

    def __init__(self, table: TrajectoryTable, tail_frames: int) -> None:
        self.table = table
        self.tail_frames = tail_frames
        self.rows_of_frame = _groups(table.frame)
        self.foot = np.stack([table.boxes_ltwh[:, 0] + table.boxes_ltwh[:, 2] / 2, table.boxes_ltwh[:, 1]], axis=1)
        self.foot[:, 1] += table.boxes_ltwh[:, 3]
        self.rows_of_track = _groups(table.track_id)
        self.place = np.zeros(len(table), dtype=np.int64)
        for track, rows in self.rows_of_track.items():
            rows = rows[np.argsort(table.frame[rows], kind="stable")]
            self.rows_of_track[track] = rows
            self.place[rows] = np.arange(len(rows))
            self.foot[rows] = _smoothed(self.foot[rows])

    def tail(self, row: int) -> tuple[Points, NDArray[np.float64]]:
        """Return the path up to ``row``: (K, 2) foot points, oldest first, and (K,) ages in 0 (now) .. 1 (gone)."""
        rows = self.rows_of_track[int(self.table.track_id[row])]
        rows = rows[: self.place[row] + 1]
        age = (self.table.frame[row] - self.table.frame[rows]) / max(self.tail_frames, 1)
        recent = age <= 1
        return self.foot[rows[recent]], age[recent]


def _groups(key: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    order = np.argsort(key, kind="stable")
    values, starts = np.unique(key[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(key) else []  # nothing split is one empty part
    return {int(value): rows for value, rows in zip(values, parts, strict=True)}


def _smoothed(points: Points) -> Points:
    """Return points averaged over five neighbours: foot points of boxes shake with every step, people do not."""
    padded = np.pad(points, ((2, 2), (0, 0)), mode="reflect", reflect_type="odd") if len(points) > 2 else None
    if padded is None:
        return points
    weights = (0.1, 0.2, 0.4, 0.2, 0.1)
    return np.sum([w * padded[k : k + len(points)] for k, w in enumerate(weights)], axis=0)


# ------------------------------------------------------------------------------------------------------------- drawing


def _enlargement(height: int, style: OverlayStyle) -> int:
    return max(1, min(round(style.min_height / height), style.max_enlargement))


def _draw_frame(
    picture: Picture,
    number: int,
    factor: int,
    paths: _Paths,
    length: int | None,
    style: OverlayStyle,
    said: Said | None,
    mistakes: Mistakes | None,
) -> None:
    rows = paths.rows_of_frame.get(number, np.zeros(0, dtype=np.int64))
    table = paths.table
    # people lower in the picture are nearer and drawn last
    rows = rows[np.argsort(table.boxes_ltwh[rows, 1] + table.boxes_ltwh[rows, 3], kind="stable")]
    unit = max(picture.shape[0] / 1080, 0.4)  # pixels of a hair line
    boxes = table.boxes_ltwh[rows] * factor
    of = f"{number + 1}" if length is None else f"{number + 1} / {length}"
    noun = style.noun[0] if len(rows) == 1 else style.noun[1]
    line = f"frame {of}    {len(rows)} {noun}" + ("" if mistakes is None else f"    {mistakes.tell(number)}")
    taken: list[Place] = []
    if mistakes is not None:
        if style.caption:
            taken += [_caption_place(picture, line, unit), mistakes.legend_place(unit)]
        mistakes.draw(picture, number, factor, unit, rows, table, taken)
        if style.caption:
            _draw_caption(picture, line, unit)
            mistakes.draw_legend(picture, unit)
        return
    colours = [identity_colour(int(track)) for track in table.track_id[rows]]
    for row, colour in zip(rows, colours, strict=True):
        points, age = paths.tail(int(row))
        _draw_tail(picture, (points + 0.5) * factor, age, colour, unit)
    for row, box, colour in zip(rows, boxes, colours, strict=True):
        _draw_box(picture, box, colour, unit, is_interpolated=bool(table.is_interpolated[row]))
    if style.caption:
        taken.append(_draw_caption(picture, line, unit))
    # nearest first: where room is scarce, the label of the person in front keeps its place
    for row, box, colour in reversed(list(zip(rows, boxes, colours, strict=True))):
        taken.append(draw_label(picture, str(table.track_id[row]), box, colour, unit, taken))
    if said is not None:
        places = {int(table.track_id[row]): box for row, box in zip(rows[::-1], boxes[::-1], strict=True)}
        said.draw(picture, number, unit, places, {t: identity_colour(t) for t in places}, taken)


def _draw_tail(picture: Picture, points: Points, age: NDArray[np.float64], colour: Colour, unit: float) -> None:
    if len(points) < 2:
        return
    mask = Mask(picture, points, margin=8 * unit)
    halo = Mask(picture, points, margin=8 * unit)
    for earlier in range(len(points) - 1):
        fade = (1 - age[earlier]) ** 0.6
        segment = points[earlier : earlier + 2]
        halo.line(segment, 6.5 * unit * (0.4 + 0.6 * fade), 0.35 * fade)
        mask.line(segment, 4.2 * unit * (0.4 + 0.6 * fade), fade)
    halo.blend(picture, DARK)
    mask.blend(picture, colour)
    dot = Mask(picture, points[-1:], margin=8 * unit)
    dot.disc(points[-1], 5 * unit, 1.0)
    dot.blend(picture, colour)


def _draw_box(
    picture: Picture, box: NDArray[np.float64], colour: Colour, unit: float, *, is_interpolated: bool
) -> None:
    left, top, width, height = box
    radius = min(8 * unit, width / 3, height / 3)
    outline = rounded_rectangle(left, top, width, height, radius)
    corners = np.array([[left, top], [left + width, top + height]])
    if not is_interpolated:
        fill = Mask(picture, corners, margin=4 * unit)
        fill.polygon(outline, 0.10)
        fill.blend(picture, colour)
    parts = dashes(outline, 9 * unit) if is_interpolated else [outline]
    for thickness, strength, paint in ((4.5, 0.35, DARK), (2.2, 1.0, colour)):
        line = Mask(picture, corners, margin=6 * unit)
        for part in parts:
            line.line(part, thickness * unit, strength * (0.8 if is_interpolated else 1.0))
        line.blend(picture, paint)


def _caption_place(picture: Picture, text: str, unit: float) -> Place:
    glyphs = text_mask(text, 17 * unit)
    left, bottom = 16 * unit, picture.shape[0] - 16 * unit
    return left, bottom - glyphs.shape[0] - 26 * unit, left + glyphs.shape[1] + 32 * unit, bottom


def _draw_caption(picture: Picture, text: str, unit: float) -> Place:
    left, top, right, bottom = place = _caption_place(picture, text, unit)
    plate = Mask(picture, np.array([[left, top], [right, bottom]]), margin=2 * unit)
    plate.polygon(rounded_rectangle(left, top, right - left, bottom - top, 10 * unit), 0.62)
    plate.blend(picture, DARK)
    blend(picture, text_mask(text, 17 * unit), round(left + 16 * unit), round(top + 13 * unit), LIGHT)
    return place
