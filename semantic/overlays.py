"""Outlines by which a picture and a prompt mean the same person: colours that have a name, one for each track.

The colours of ``sushi_lg.inspection.overlay`` are many, but have no names. These are eight that people call by one
word, far apart also for eyes that do not tell red from green, and each comes with a whole and a dashed line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semantic.config import ViewConfig
from semantic.structures import Clip, View

Picture = NDArray[np.uint8]

# blue, green, red
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (20, 0, 195),
    "yellow": (0, 245, 240),
    "blue": (185, 30, 0),
    "green": (17, 193, 60),
    "pink": (180, 60, 235),
    "cyan": (255, 215, 50),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
_NAMES = tuple(COLOURS)
_DASH = 4  # thicknesses
_DARK, _LIGHT = (25, 25, 25), (235, 235, 235)


@dataclass(frozen=True)
class Outline:
    """How one person is outlined.

    Attributes:
        colour: A name of ``COLOURS``.
        is_dashed: Whether the line is broken.
    """

    colour: str
    is_dashed: bool = False

    @property
    def name(self) -> str:
        """What a prompt calls it."""
        return f"dashed {self.colour}" if self.is_dashed else self.colour


STYLES = tuple(Outline(colour, is_dashed) for is_dashed in (False, True) for colour in _NAMES)
"""The 16 outlines, those to use first in front."""


def assign_outlines(clip: Clip, apart: Iterable[tuple[int, ...]]) -> dict[int, Outline]:
    """Return the outline of every track; the same for the same clip.

    A track keeps the outline of its number where it can. Those who are shown together get different ones, as far as
    16 go: in groups of more the outline used least often among them comes again.

    Args:
        clip: Trajectories.
        apart: Groups of track ids that are shown in one picture: pairs, the people of a summary.
    """
    beside: dict[int, set[int]] = {track.track_id: set() for track in clip.tracks}
    for group in apart:
        for one in group:
            beside[one] |= set(group) - {one}
    given: dict[int, Outline] = {}
    for number, track in enumerate(clip.tracks):
        used = [given[other] for other in beside[track.track_id] if other in given]
        own = number % len(STYLES)
        order = [*STYLES[own : len(_NAMES)], *STYLES[:own], *STYLES[max(own, len(_NAMES)) :]]
        given[track.track_id] = min(dict.fromkeys(order), key=used.count)
    return given


def draw_view(
    picture: Picture,
    view: View,
    boxes_xyxy: Mapping[int, NDArray[np.float64]],
    outlines: Mapping[int, Outline],
    config: ViewConfig,
) -> Picture:
    """Return what a view shows: cut out, brought to size, outlined, and crops made square with their mean colour.

    Args:
        picture: (H, W, 3) uint8, blue first: the whole frame.
        view: What to show.
        boxes_xyxy: (4,) pixels of the whole frame, by track id; of those to outline, as far as they are there.
        outlines: By track id.
        config: Sizes.

    Returns:
        (h, w, 3) uint8; neither side longer than ``config.longest_side``.
    """
    left, top, right, bottom = view.box_xyxy or (0, 0, picture.shape[1], picture.shape[0])
    cut = picture[top:bottom, left:right]
    longest = max(cut.shape[:2])
    factor = min(1.0, config.longest_side / longest)
    if view.box_xyxy is not None:
        factor = max(factor, min(config.least_side, config.longest_side) / longest) if factor == 1.0 else factor
    size = (max(round(cut.shape[1] * factor), 1), max(round(cut.shape[0] * factor), 1))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    shown = (cut.copy() if size == cut.shape[1::-1] else cv2.resize(cut, size, interpolation=how)).astype(np.uint8)
    scale = np.array([size[0] / cut.shape[1], size[1] / cut.shape[0]] * 2)
    for track_id in view.outlined:
        if track_id in boxes_xyxy:
            box = (boxes_xyxy[track_id] - np.array([left, top, left, top])) * scale
            if (box[:2] < size).all() and (box[2:] > 0).all():  # of who is outside, a line at the edge tells nothing
                _outline(shown, box, outlines[track_id], config.outline)
    return shown if view.box_xyxy is None else _square(shown, cut)


def _outline(picture: Picture, box: NDArray[np.float64], outline: Outline, thickness: int) -> None:
    """Draw a box, its sides moved to the edge of the picture where they would be outside."""
    edge = np.array([picture.shape[1], picture.shape[0]] * 2) - 1 - thickness // 2
    left, top, right, bottom = np.clip(np.round(box), thickness // 2, np.maximum(edge, 0)).astype(int).tolist()
    colour = COLOURS[outline.colour]
    beside = _LIGHT if sum(colour) < 300 else _DARK  # a thin line of the other lightness: seen on any background
    if not outline.is_dashed:
        cv2.rectangle(picture, (left, top), (right, bottom), beside, thickness + 2)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness)
        return
    cv2.rectangle(picture, (left, top), (right, bottom), beside, thickness)
    length = _DASH * thickness
    for x in range(left, right, 2 * length):
        for y in (top, bottom):
            cv2.line(picture, (x, y), (min(x + length, right), y), colour, thickness)
    for y in range(top, bottom, 2 * length):
        for x in (left, right):
            cv2.line(picture, (x, y), (x, min(y + length, bottom)), colour, thickness)


def _square(shown: Picture, cut: Picture) -> Picture:
    height, width = shown.shape[:2]
    side = max(height, width)
    if height == width:
        return shown
    full = np.empty((side, side, 3), dtype=np.uint8)
    full[:] = np.round(cut.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    full[top : top + height, left : left + width] = shown
    return full
