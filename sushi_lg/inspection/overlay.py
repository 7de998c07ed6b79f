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

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.data.video import write_video
from sushi_lg.errors import DataError

Picture = NDArray[np.uint8]  # (H, W, 3), blue first
Points = NDArray[np.float64]  # (K, 2): x, y in pixels
Colour = tuple[int, int, int]  # blue, green, red

PALETTE_SIZE = 60
_RECENT_COLOURS = 10  # so many identities in a row are kept apart; more are not told apart by colour anyway
_SUBPIXEL_BITS = 4
_DARK: Colour = (24, 20, 18)
_FONT = cv2.FONT_HERSHEY_DUPLEX
_TEXT_OVERSAMPLING = 4  # the stroke font of OpenCV 4 is coarse; drawn large and shrunk it is smooth


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
) -> int:
    """Write a video (H.264, plays in browsers) of ``frames`` with ``trajectories`` drawn on them.

    Args:
        frames: (H, W, 3) uint8 pictures, blue first; the first one is frame 0.
        trajectories: Boxes in pixels of the pictures, frames 0-based.
        out_path: Target, usually ``.mp4``.
        frame_rate: Frames per second.
        length: Number of frames, for the caption.
        style: How it looks.

    Returns:
        The number of frames written.

    Raises:
        DataError: no frames, or frames of different sizes.
    """
    drawn = draw_frames(enumerate(frames), trajectories, frame_rate, length, style)
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
) -> Iterator[Picture]:
    """Yield the pictures of ``frames`` (0-based number, picture), enlarged where small, with trajectories drawn."""
    style = style or OverlayStyle()
    paths = _Paths(trajectories, round(style.tail_seconds * frame_rate))
    for number, picture in frames:
        factor = _enlargement(picture.shape[0], style)
        if factor > 1:
            picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        else:
            picture = picture.copy()
        _draw_frame(picture, number, factor, paths, length, style)
        yield picture


def identity_colour(track_id: int) -> Colour:
    """Return the colour of an identity (blue, green, red); the same on every machine, repeated after 60 identities."""
    return palette()[(track_id - 1) % PALETTE_SIZE]


@functools.cache
def palette() -> tuple[Colour, ...]:
    """Return 60 colours in an order that keeps neighbours apart, also for eyes that do not tell red from green.

    Candidates go around the hues of OKLCH at three lightnesses (all light enough for dark text); each next colour is
    the one farthest from the last ten. A distance is that of normal sight plus the smaller one of protanopes and
    deuteranopes, so neither group pays for the other.
    """
    candidates = _candidates()
    seen = np.stack([_oklab(np.clip(candidates @ sight.T, 0, 1)) for sight in _SIGHTS])  # (3, K, 3)
    order = [int(np.argmin(np.linalg.norm(seen[0] - _oklab(_FIRST_COLOUR), axis=1)))]
    while len(order) < PALETTE_SIZE:
        recent = seen[:, order[-_RECENT_COLOURS:]]
        normal, *others = np.linalg.norm(seen[:, :, None] - recent[:, None], axis=-1)
        distance = (normal + np.minimum(*others)).min(axis=1)
        distance[order] = -1.0
        order.append(int(distance.round(6).argmax()))  # rounded, so that no machine breaks a tie differently
    encoded = np.where(candidates <= 0.0031308, 12.92 * candidates, 1.055 * candidates ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(encoded * 255).astype(int).T
    return tuple((int(blue[k]), int(green[k]), int(red[k])) for k in order)


# ------------------------------------------------------------------------------------------------------------- colours

# linear sRGB → what protanopes and deuteranopes see of it: Machado, Oliveira and Fernandes, 2009, severity 1
_SIGHTS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
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
    picture: Picture, number: int, factor: int, paths: _Paths, length: int | None, style: OverlayStyle
) -> None:
    rows = paths.rows_of_frame.get(number, np.zeros(0, dtype=np.int64))
    table = paths.table
    # people lower in the picture are nearer and drawn last
    rows = rows[np.argsort(table.boxes_ltwh[rows, 1] + table.boxes_ltwh[rows, 3], kind="stable")]
    unit = max(picture.shape[0] / 1080, 0.4)  # pixels of a hair line
    colours = [identity_colour(int(track)) for track in table.track_id[rows]]
    for row, colour in zip(rows, colours, strict=True):
        points, age = paths.tail(int(row))
        _draw_tail(picture, (points + 0.5) * factor, age, colour, unit)
    boxes = table.boxes_ltwh[rows] * factor
    for row, box, colour in zip(rows, boxes, colours, strict=True):
        _draw_box(picture, box, colour, unit, is_interpolated=bool(table.is_interpolated[row]))
    taken: list[tuple[float, float, float, float]] = []
    if style.caption:
        of = f"{number + 1}" if length is None else f"{number + 1} / {length}"
        noun = style.noun[0] if len(rows) == 1 else style.noun[1]
        taken.append(_draw_caption(picture, f"frame {of}    {len(rows)} {noun}", unit))
    # nearest first: where room is scarce, the label of the person in front keeps its place
    for row, box, colour in reversed(list(zip(rows, boxes, colours, strict=True))):
        taken.append(_draw_label(picture, str(table.track_id[row]), box, colour, unit, taken))


def _draw_tail(picture: Picture, points: Points, age: NDArray[np.float64], colour: Colour, unit: float) -> None:
    if len(points) < 2:
        return
    mask = _Mask(picture, points, margin=8 * unit)
    halo = _Mask(picture, points, margin=8 * unit)
    for earlier in range(len(points) - 1):
        fade = (1 - age[earlier]) ** 0.6
        segment = points[earlier : earlier + 2]
        halo.line(segment, 6.5 * unit * (0.4 + 0.6 * fade), 0.35 * fade)
        mask.line(segment, 4.2 * unit * (0.4 + 0.6 * fade), fade)
    halo.blend(picture, _DARK)
    mask.blend(picture, colour)
    dot = _Mask(picture, points[-1:], margin=8 * unit)
    dot.disc(points[-1], 5 * unit, 1.0)
    dot.blend(picture, colour)


def _draw_box(
    picture: Picture, box: NDArray[np.float64], colour: Colour, unit: float, *, is_interpolated: bool
) -> None:
    left, top, width, height = box
    radius = min(8 * unit, width / 3, height / 3)
    outline = _rounded_rectangle(left, top, width, height, radius)
    corners = np.array([[left, top], [left + width, top + height]])
    if not is_interpolated:
        fill = _Mask(picture, corners, margin=4 * unit)
        fill.polygon(outline, 0.10)
        fill.blend(picture, colour)
    parts = _dashes(outline, 9 * unit) if is_interpolated else [outline]
    for thickness, strength, paint in ((4.5, 0.35, _DARK), (2.2, 1.0, colour)):
        line = _Mask(picture, corners, margin=6 * unit)
        for part in parts:
            line.line(part, thickness * unit, strength * (0.8 if is_interpolated else 1.0))
        line.blend(picture, paint)


def _draw_label(
    picture: Picture,
    text: str,
    box: NDArray[np.float64],
    colour: Colour,
    unit: float,
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """Draw the id in a pill above the box, or where there is room; return the pill's left, top, right, bottom."""
    glyphs = _text_mask(text, 17 * unit)
    width, height = glyphs.shape[1] + 16 * unit, glyphs.shape[0] + 14 * unit
    centre = box[0] + box[2] / 2
    places = [
        (centre - width / 2, box[1] - height - 5 * unit),
        (centre - width / 2, box[1] - 2 * height - 7 * unit),
        (box[0] + box[2] + 4 * unit, box[1]),
        (box[0] - width - 4 * unit, box[1]),
        (centre - width / 2, box[1] + box[3] + 8 * unit),
    ]
    candidates = []
    for left, top in places:
        left = min(max(left, 2 * unit), picture.shape[1] - width - 2 * unit)
        top = min(max(top, 2 * unit), picture.shape[0] - height - 2 * unit)
        candidates.append((left, top, left + width, top + height))
    place = next((c for c in candidates if not any(_overlap(c, other) for other in taken)), candidates[0])
    left, top = place[:2]
    corners = np.array([[left, top], [left + width, top + height]])
    radius = min(height / 2.6, width / 2)
    for grow, strength, paint in ((1.6 * unit, 0.45, _DARK), (0.0, 1.0, colour)):
        pill = _Mask(picture, corners, margin=4 * unit)
        outline = _rounded_rectangle(left - grow, top - grow, width + 2 * grow, height + 2 * grow, radius + grow)
        pill.polygon(outline, strength)
        pill.blend(picture, paint)
    _blend(picture, glyphs, round(left + 8 * unit), round(top + 7 * unit), _DARK)
    return place


def _draw_caption(picture: Picture, text: str, unit: float) -> tuple[float, float, float, float]:
    glyphs = _text_mask(text, 17 * unit)
    width, height = glyphs.shape[1] + 32 * unit, glyphs.shape[0] + 26 * unit
    left, top = 16 * unit, picture.shape[0] - height - 16 * unit
    plate = _Mask(picture, np.array([[left, top], [left + width, top + height]]), margin=2 * unit)
    plate.polygon(_rounded_rectangle(left, top, width, height, 10 * unit), 0.62)
    plate.blend(picture, _DARK)
    _blend(picture, glyphs, round(left + 16 * unit), round(top + 13 * unit), (245, 245, 245))
    return left, top, left + width, top + height


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _rounded_rectangle(left: float, top: float, width: float, height: float, radius: float) -> Points:
    """Return a closed outline, clockwise from the left end of the top side, with points all along the sides."""
    angles = np.linspace(0, math.pi / 2, 7)
    turns = []
    centres = [(left + width - radius, top + radius), (left + width - radius, top + height - radius)]
    centres += [(left + radius, top + height - radius), (left + radius, top + radius)]
    for quarter, centre in enumerate(centres):
        angle = angles + (quarter - 1) * math.pi / 2
        turns.append(np.array(centre) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    outline = np.concatenate(turns)
    return np.concatenate([outline, outline[:1]])


def _dashes(outline: Points, length: float) -> list[Points]:
    """Return every second piece of about ``length`` pixels of a closed outline."""
    steps = np.linalg.norm(np.diff(outline, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    pieces = max(2 * round(along[-1] / (2 * length)), 4)
    ends = np.linspace(0, along[-1], pieces + 1)
    dashes = []
    for start, end in zip(ends[:-1:2], ends[1::2], strict=True):
        inner = along[(along > start) & (along < end)]
        at = np.concatenate([[start], inner, [end]])
        dashes.append(np.stack([np.interp(at, along, outline[:, axis]) for axis in (0, 1)], axis=1))
    return dashes


class _Mask:
    """Coverage of a part of a picture, 0 .. 255; what lies outside the picture is cut.

    Args:
        picture: The picture it is for.
        points: (K, 2), what will be drawn lies around them.
        margin: Pixels around the points.
    """

    def __init__(self, picture: Picture, points: Points, margin: float) -> None:
        low = np.floor(points.min(axis=0) - margin).astype(int)
        high = np.ceil(points.max(axis=0) + margin).astype(int)
        self.left, self.top = (int(value) for value in np.maximum(low, 0))
        width = min(int(high[0]), picture.shape[1]) - self.left
        height = min(int(high[1]), picture.shape[0]) - self.top
        self.coverage = np.zeros((max(height, 0), max(width, 0)), dtype=np.uint8)

    def line(self, points: Points, thickness: float, strength: float) -> None:
        """Draw an open line."""
        if self.coverage.size:
            value = round(255 * strength)
            cv2.polylines(
                self.coverage,
                [self._fixed(points)],
                False,
                value,
                max(round(thickness), 1),
                cv2.LINE_AA,
                _SUBPIXEL_BITS,
            )

    def polygon(self, points: Points, strength: float) -> None:
        """Fill a convex outline."""
        if self.coverage.size:
            cv2.fillConvexPoly(self.coverage, self._fixed(points), round(255 * strength), cv2.LINE_AA, _SUBPIXEL_BITS)

    def disc(self, centre: Points, radius: float, strength: float) -> None:
        """Fill a disc."""
        if self.coverage.size:
            x, y = (int(value) for value in self._fixed(centre[None])[0])
            scaled = round(radius * (1 << _SUBPIXEL_BITS))
            cv2.circle(self.coverage, (x, y), scaled, round(255 * strength), -1, cv2.LINE_AA, _SUBPIXEL_BITS)

    def blend(self, picture: Picture, colour: Colour) -> None:
        """Mix ``colour`` into ``picture`` by coverage."""
        _blend(picture, self.coverage, self.left, self.top, colour)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        # -0.5: OpenCV puts integer coordinates at pixel centres, boxes count from pixel corners
        shifted = points - (self.left, self.top) - 0.5
        return np.rint(shifted * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _blend(picture: Picture, coverage: NDArray[np.uint8], left: int, top: int, colour: Colour) -> None:
    top, left = max(top, 0), max(left, 0)
    part = picture[top : top + coverage.shape[0], left : left + coverage.shape[1]]
    if part.size == 0:
        return
    weight = (coverage[: part.shape[0], : part.shape[1], None].astype(np.float32)) / 255
    part[:] = np.rint(part + weight * (np.array(colour, dtype=np.float32) - part)).astype(np.uint8)


@functools.lru_cache(maxsize=4096)
def _text_mask(text: str, height: float) -> NDArray[np.uint8]:
    """Return the coverage of a line of text whose digits are ``height`` pixels high, cut to its ink."""
    fine = height * _TEXT_OVERSAMPLING
    scale = cv2.getFontScaleFromHeight(_FONT, round(fine), 1)
    thickness = max(round(fine / 9), 1)
    (width, _), baseline = cv2.getTextSize(text, _FONT, scale, thickness)

    def draw(line: str) -> NDArray[np.uint8]:
        canvas = np.zeros((round(1.5 * fine) + 2 * baseline, width + 2 * thickness), dtype=np.uint8)
        origin = (thickness, round(1.25 * fine) + baseline)
        cv2.putText(canvas, line, origin, _FONT, scale, 255, thickness, cv2.LINE_AA)
        return canvas

    canvas = draw(text)
    columns = np.flatnonzero(canvas.any(axis=0))
    digit = draw("0").any(axis=1)
    rows = np.flatnonzero(canvas.any(axis=1) | digit)
    canvas = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shrink = height / digit.sum()  # measured, because fonts of OpenCV 4 and 5 fill their stated height differently
    size = (max(round(canvas.shape[1] * shrink), 1), max(round(canvas.shape[0] * shrink), 1))
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
