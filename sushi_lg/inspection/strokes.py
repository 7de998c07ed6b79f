"""Strokes on pictures: antialiased lines, outlines, dashes, hatches, discs and text, blended by coverage.

A shape gives a coverage for every pixel (antialiased, to 1/16 pixel), and its colour is blended with that coverage, so
edges stay clean on any background.

Shapes: K points, H and W height and width of a picture.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W, 3), blue first
Points = NDArray[np.float64]  # (K, 2): x, y in pixels
Colour = tuple[int, int, int]  # blue, green, red
Place = tuple[float, float, float, float]  # left, top, right, bottom

DARK: Colour = (24, 20, 18)
LIGHT: Colour = (245, 245, 245)
_SUBPIXEL_BITS = 4
_FONT = cv2.FONT_HERSHEY_DUPLEX
_TEXT_OVERSAMPLING = 4  # the stroke font of OpenCV 4 is coarse; drawn large and shrunk it is smooth


def plain(text: str) -> str:
    """Return text in the letters that the stroke font has: accents fall off, others become question marks."""
    for typographic, typed in (("\u2018", "'"), ("\u2019", "'"), ("\u2013", "-"), ("\u2014", "-"), ("\u00df", "ss")):
        text = text.replace(typographic, typed)
    apart = unicodedata.normalize("NFKD", text.replace("\u201c", '"').replace("\u201d", '"'))
    kept = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in " ".join(kept.split()))


def overlap(first: Place, second: Place) -> bool:
    """Return whether two places have a pixel in common."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def rounded_rectangle(left: float, top: float, width: float, height: float, radius: float) -> Points:
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


def dashes(outline: Points, length: float) -> list[Points]:
    """Return every second piece of about ``length`` pixels of a closed outline."""
    steps = np.linalg.norm(np.diff(outline, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    pieces = max(2 * round(along[-1] / (2 * length)), 4)
    ends = np.linspace(0, along[-1], pieces + 1)
    pieces_kept = []
    for start, end in zip(ends[:-1:2], ends[1::2], strict=True):
        inner = along[(along > start) & (along < end)]
        at = np.concatenate([[start], inner, [end]])
        pieces_kept.append(np.stack([np.interp(at, along, outline[:, axis]) for axis in (0, 1)], axis=1))
    return pieces_kept


def hatch(left: float, top: float, width: float, height: float, spacing: float) -> list[Points]:
    """Return lines from the lower left to the upper right that fill a rectangle, ``spacing`` pixels apart."""
    lines = []
    for offset in np.arange(spacing, width + height, spacing):
        start = (min(offset, width), max(offset - width, 0.0))
        end = (max(offset - height, 0.0), min(offset, height))
        lines.append(np.array([start, end]) + np.array([left, top]))
    return lines


def draw_plate(
    picture: Picture, lines: list[NDArray[np.uint8]], place: Place, pad: float, colour: Colour | None, paint: Colour
) -> None:
    """Draw lines of text on a plate.

    Args:
        picture: (H, W, 3) uint8, changed.
        lines: Coverages from ``text_mask``, one above the other.
        place: Of the plate, from ``plate_size``.
        pad: Pixels around the text.
        colour: Of the plate; None = see-through dark.
        paint: Of the text.
    """
    left, top, right, bottom = place
    corners = np.array([[left, top], [right, bottom]])
    radius = min(8.0, (bottom - top) / 2.6)
    plate = Mask(picture, corners, margin=4)
    plate.polygon(rounded_rectangle(left, top, right - left, bottom - top, radius), 0.72 if colour is None else 1.0)
    plate.blend(picture, DARK if colour is None else colour)
    step = (bottom - top - 2 * pad) / len(lines)
    for number, line in enumerate(lines):
        blend(picture, line, round(left + pad), round(top + pad + number * step), paint)


def plate_size(lines: list[NDArray[np.uint8]], pad: float, step: float) -> tuple[float, float]:
    """Return width and height of a plate around lines of text ``step`` pixels apart."""
    return max(line.shape[1] for line in lines) + 2 * pad, len(lines) * step + 2 * pad


def inside(picture: Picture, left: float, top: float, width: float, height: float, margin: float) -> Place:
    """Return the place of that size nearest to (left, top) that lies in the picture, as far as it fits."""
    left = max(min(left, picture.shape[1] - width - margin), margin)
    top = max(min(top, picture.shape[0] - height - margin), margin)
    return left, top, left + width, top + height


def draw_label(
    picture: Picture,
    text: str,
    box: NDArray[np.float64],
    colour: Colour,
    unit: float,
    taken: Iterable[Place],
) -> Place:
    """Draw the id in a pill above the box, or where there is room; return the pill's left, top, right, bottom."""
    taken = list(taken)
    glyphs = text_mask(text, 17 * unit)
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
    place = next((c for c in candidates if not any(overlap(c, other) for other in taken)), candidates[0])
    left, top = place[:2]
    corners = np.array([[left, top], [left + width, top + height]])
    radius = min(height / 2.6, width / 2)
    for grow, strength, paint in ((1.6 * unit, 0.45, DARK), (0.0, 1.0, colour)):
        pill = Mask(picture, corners, margin=4 * unit)
        outline = rounded_rectangle(left - grow, top - grow, width + 2 * grow, height + 2 * grow, radius + grow)
        pill.polygon(outline, strength)
        pill.blend(picture, paint)
    blend(picture, glyphs, round(left + 8 * unit), round(top + 7 * unit), DARK)
    return place


class Mask:
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
        blend(picture, self.coverage, self.left, self.top, colour)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        # -0.5: OpenCV puts integer coordinates at pixel centres, boxes count from pixel corners
        shifted = points - (self.left, self.top) - 0.5
        return np.rint(shifted * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def blend(picture: Picture, coverage: NDArray[np.uint8], left: int, top: int, colour: Colour) -> None:
    """Mix ``colour`` into ``picture`` by ``coverage`` (h, w), whose first pixel lies at ``left``, ``top``."""
    top, left = max(top, 0), max(left, 0)
    part = picture[top : top + coverage.shape[0], left : left + coverage.shape[1]]
    if part.size == 0:
        return
    weight = (coverage[: part.shape[0], : part.shape[1], None].astype(np.float32)) / 255
    part[:] = np.rint(part + weight * (np.array(colour, dtype=np.float32) - part)).astype(np.uint8)


@functools.lru_cache(maxsize=4096)
def text_mask(text: str, height: float) -> NDArray[np.uint8]:
    """Return the coverage of a line of text whose digits are ``height`` pixels high, cut to its ink; see ``plain``."""
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
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
