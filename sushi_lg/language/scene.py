"""Scenes in one sentence, from measurement: camera, viewpoint, light and crowding; the place only if it is given.

Shapes: R boxes; H rows and W columns of a picture; T frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.mot_format import MotTable

PLACES = ("indoor", "outdoor")

# Camera height in heights of people. On 15 sequences the estimate is 0.5 .. 0.7 for cameras at the waist or chest
# (MOT17-09, ETH), 0.8 .. 1.4 for those held at the head or on a short tripod (MOT17-02, -10, -11, Venice-2), and 1.8 or
# more for those that look down (MOT17-04, -13, PETS09-S2L1, SportsMOT).
_LOW_BELOW, _HIGH_ABOVE = 0.75, 1.6
_LEAST_BOXES = 50
_LEAST_SPREAD = 0.1  # of the feet, as a share of H
_MOST_SCATTER = 0.3  # of the height of people around the line, as a share
_ROUNDS = 20

_DARK_BELOW, _DIM_BELOW, _BRIGHT_ABOVE = 15.0, 32.0, 58.0  # CIE L*
_CAST = 4.0  # CIE b*
_OWN_COLOUR = 0.15  # logarithm of the largest cast that is taken for the colour of things
_ORDINARY, _MOST_EXPOSURE = 0.18, 6.0  # linear light of middle grey; most that a dark picture is lifted by
_SMALL = (160, 90)  # columns, rows

_CROWDING = (
    (1.5, "empty", "hardly anybody in it"),
    (5.0, "few", "a few people in it"),
    (12.0, "several", "several people in it"),
    (25.0, "many", "many people in it"),
    (np.inf, "crowded", "a crowd in it"),
)


@dataclass(frozen=True)
class Light:
    """Light of one picture.

    Attributes:
        brightness: Median CIE L*, 0 .. 100.
        warmth: Median CIE b* of what has little colour: above 0 yellowish, below bluish.
        mean: Mean linear light of the blue, green and red channel, 0 .. 1.
        middle: Median linear light of all channels together.
    """

    brightness: float
    warmth: float
    mean: tuple[float, float, float] = (0.2, 0.2, 0.2)
    middle: float = 0.2


def measure_light(picture: NDArray[np.uint8]) -> Light:
    """Return the light of a (H, W, 3) picture, blue first."""
    small = cv2.resize(picture, _SMALL, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2Lab).reshape(-1, 3)
    # what is grey by itself shows the colour of the light: surfaces of some colour are left out, and so are black and
    # burnt-out pixels, which show none
    plain = (np.hypot(lab[:, 1], lab[:, 2]) < 20) & (lab[:, 0] > 10) & (lab[:, 0] < 95)
    warmth = float(np.median(lab[plain, 2])) if plain.mean() > 0.1 else 0.0
    linear = small.reshape(-1, 3) ** 2.2
    blue, green, red = linear.mean(axis=0).tolist()
    return Light(float(np.median(lab[:, 0])), warmth, (blue, green, red), float(np.median(linear.mean(axis=1))))


def light_gain(light: list[Light]) -> tuple[float, float, float]:
    """Return what channels have to be multiplied by for colours to look as in plain daylight; 1, 1, 1 where they do.

    The world is grey on average (Buchsbaum, 1980), though not exactly: grass and walls have colours, so casts up to
    16 % are taken for theirs and left. Half of what a dark picture lacks, on a logarithmic scale, is made up for:
    things look darker at night to people, too.

    Args:
        light: Of some pictures of the sequence.
    """
    if not light:
        return 1.0, 1.0, 1.0
    mean = np.clip(np.mean([one.mean for one in light], axis=0), 1e-4, None)
    wanted = np.log(mean.mean() / mean)
    gain = np.exp(np.sign(wanted) * np.maximum(np.abs(wanted) - _OWN_COLOUR, 0))
    middle = max(float(np.median([one.middle for one in light])), 1e-4)
    gain *= np.sqrt(np.clip(_ORDINARY / middle, 1, _MOST_EXPOSURE)) / gain.mean()
    blue, green, red = gain.tolist()
    return blue, green, red


def camera_height(table: MotTable, width: int, height: int) -> float | None:
    """Return the height of the camera in heights of people, or None where boxes do not tell.

    For a camera that looks ahead, the height of a standing person in the picture is (row of the feet - row of the
    horizon) x height of the person / height of the camera, for every distance. A line fitted to heights over rows of
    feet, with weights that forget outliers (children, the seated), has that ratio as its slope.

    Args:
        table: Boxes of people; those cut off by the border or half hidden are not used.
        width: W.
        height: H.
    """
    boxes = table.boxes_xyxy
    whole = (boxes[:, :2] >= 1).all(axis=1) & (boxes[:, 2] <= width - 2) & (boxes[:, 3] <= height - 2)
    whole &= table.visibility > 0.8
    feet, tall = boxes[whole, 3], table.height[whole]
    if len(feet) < _LEAST_BOXES or np.subtract(*np.percentile(feet, (95, 5))) < _LEAST_SPREAD * height:
        return None
    rows = np.stack([feet, np.ones_like(feet)], axis=1)
    weight = np.ones_like(feet)
    for _ in range(_ROUNDS):
        line = np.linalg.lstsq(rows * weight[:, None] ** 0.5, tall * weight**0.5, rcond=None)[0]
        away = np.abs(tall - rows @ line)
        weight = 1 / (1 + (away / (np.median(away) + 1e-6)) ** 2)
    if line[0] <= 0.01 or np.median(away) > _MOST_SCATTER * np.median(tall):
        return None
    return float(1 / line[0])


def scene_attributes(
    table: MotTable, length: int, size: tuple[int, int], light: list[Light], static: bool | None, place: str = ""
) -> dict[str, str]:
    """Return what is known about a scene: camera, viewpoint, light, cast, crowding and place.

    Args:
        table: Boxes of people.
        length: T.
        size: W and H.
        light: Of some pictures.
        static: Whether the camera stands still; None = not known.
        place: indoor, outdoor, or empty where not known.
    """
    found: dict[str, str] = {}
    if place:
        found["place"] = place
    if static is not None:
        found["camera"] = "static" if static else "moving"
    ratio = camera_height(table, *size)
    if ratio is not None:
        found["viewpoint"] = "low" if ratio < _LOW_BELOW else "high" if ratio >= _HIGH_ABOVE else "medium"
    if light:
        bright = float(np.median([one.brightness for one in light]))
        warmth = float(np.median([one.warmth for one in light]))
        dull = "dark" if bright < _DARK_BELOW else "dim" if bright < _DIM_BELOW else "medium"
        found["light"] = "bright" if bright >= _BRIGHT_ABOVE else dull
        found["cast"] = "warm" if warmth > _CAST else "cold" if warmth < -_CAST else "neutral"
    found["crowding"] = next(word for limit, word, _ in _CROWDING if len(table) / length < limit)
    return found


def scene_sentence(attributes: Mapping[str, str]) -> str:
    """Return the attributes of a scene as one sentence; what is absent is not mentioned, and neither is neutral light.

    Args:
        attributes: As of ``scene_attributes``.
    """
    place = attributes.get("place", "")
    words = f"{'An' if place else 'A'} {place + ' ' if place else ''}scene"
    by = f" by a {attributes['camera']} camera" if "camera" in attributes else ""
    view = attributes.get("viewpoint")
    from_ = f" from a {view} viewpoint" if view else ""
    light = attributes.get("light")
    cast = attributes.get("cast", "neutral")
    tint = f"{cast}, " if cast != "neutral" else ""
    in_ = f" in {tint}{'ordinary' if light == 'medium' else light} light" if light else ""
    words += f" captured{by}{from_}{in_}" if by or from_ or in_ else ""
    return f"{words}, with {_CROWD_WORDS[attributes['crowding']]}." if "crowding" in attributes else f"{words}."


_CROWD_WORDS = {name: words for _, name, words in _CROWDING}
