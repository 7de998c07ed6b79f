"""Colours of clothes that can be said of somebody: what several views agree on, and what is not merely dark or bare.

The colours of one view are those of ``sushi_lg.language.colours``, in the rows where clothes are on a standing person.
A caption is read as a statement, so three things are asked beyond the vote over views. Most views must, alone, say
nothing that contradicts it: a jacket that is black behind and red in front is not called black. Black must have no
tint: dark navy is dark blue, and dark red is not said. Warm colours, which skin and lamps have too, need the same word
from most views, and are not said of legs at all, because shorts end above them. Where the top is not clear, something
is in the way, and nothing is said of the legs.

Shapes: V views, C colours; h rows and w columns of a crop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.language.colours import NAMES, balance, colour_shares, person_weight, say_colour, vote

if TYPE_CHECKING:
    from sushi_lg.language.views import PersonViews

VERSION = 1  # raised when the same views would be called otherwise
_SIZE = (48, 96)  # columns, rows
_ROWS = {"upper": (0.17, 0.47), "lower": (0.52, 0.82)}  # shares of the height of a standing person
_LEAST_VIEWS = 2
_COMPATIBLE = 0.6  # share of views that must not contradict
_PLAIN = {"black", "white", "grey"}
_WARM = {
    "beige",
    "light brown",
    "light pink",
    "cream",
    "orange",
    "brown",
    "reddish brown",
    "greyish brown",
    "dark brown",
}
_SAME = 0.6  # share of views that must say the very word, where warm light or skin could be behind it
_DARK = 30.0  # CIE L* below which a pixel tells whether black is tinted
_TINT = 4.5  # CIE chroma: black trousers and coats have less than 4, navy ones 7 and more
_PIXELS = 20


def clothes_of(person: PersonViews) -> dict[str, str]:
    """Return ``upper`` and ``lower`` with a colour, as far as they are clear.

    Args:
        person: views of standing people, whole in the picture.
    """
    if len(person.views) < _LEAST_VIEWS:
        return {}
    weight = np.array([view.quality for view in person.views])
    crops = [
        cv2.resize(balance(view.picture, person.gain), _SIZE, interpolation=cv2.INTER_AREA) for view in person.views
    ]
    masks = [person_weight(crop.astype(np.uint8, copy=False)) for crop in crops]
    found: dict[str, str] = {}
    for garment, (top, bottom) in _ROWS.items():
        rows = slice(round(top * _SIZE[1]), round(bottom * _SIZE[1]))
        areas = [(crop[rows].astype(np.uint8, copy=False), mask[rows]) for crop, mask in zip(crops, masks, strict=True)]
        shares = np.stack([colour_shares(area, mask) for area, mask in areas])  # (V, C)
        word = say_colour(vote(shares, weight))
        if word is None or not _agreed(word, [say_colour(one) for one in shares]):
            word = None
        elif word == "black":
            word = _tinted(areas)
        elif word in _WARM and garment == "lower":
            word = None
        if word is None:
            break
        found[garment] = word
    return found


def _agreed(word: str, alone: list[str | None]) -> bool:
    """Tell whether most views that say something say nothing that contradicts a word."""
    said = [one for one in alone if one is not None]
    if word in _WARM and said.count(word) < _SAME * len(said):
        return False
    joint = _colours(word)
    fitting = [bool(one & joint) and not (one - joint - _PLAIN) for one in map(_colours, said)]
    return len(said) >= _LEAST_VIEWS and float(np.mean(fitting)) >= _COMPATIBLE


def _colours(word: str) -> set[str]:
    """Return the basic colours a word is made of."""
    found = {name for name in NAMES if name in word.replace("ish ", " ").split()}
    mixed = {"dark": "black", "light": "white", "greyish": "grey", "cream": "beige", "olive": "green"}
    found |= {colour for part, colour in mixed.items() if part in word.split()}
    return found | {colour for colour in ("red", "blue", "green", "yellow", "purple") if f"{colour}ish" in word}


def _tinted(areas: list[tuple[NDArray[np.uint8], NDArray[np.float64]]]) -> str | None:
    """Return what black is with a close look at dark pixels: black, dark blue, or not to be told."""
    tints = []
    for area, mask in areas:
        lab = cv2.cvtColor(area.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
        dark = lab[(mask > 0.3) & (lab[..., 0] < _DARK)]
        if len(dark) > _PIXELS:
            tints.append(np.median(dark[:, 1:], axis=0))
    if not tints:
        return "black"
    a, b = np.median(tints, axis=0)
    if np.hypot(a, b) < _TINT:
        return "black"
    return "dark blue" if b < -_TINT and abs(a) < -b * 0.7 else None
