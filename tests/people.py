"""Pictures of people as coloured rectangles before a textured wall, and sequences of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

BGR = {
    "black": (20, 18, 18),
    "white": (235, 235, 235),
    "grey": (125, 125, 125),
    "red": (40, 30, 190),
    "orange": (20, 130, 240),
    "yellow": (40, 215, 240),
    "green": (60, 140, 40),
    "blue": (190, 90, 30),
    "purple": (140, 40, 110),
    "pink": (180, 120, 240),
    "brown": (35, 65, 105),
    "beige": (150, 190, 215),
}
_SKIN = (120, 150, 205)


def wall(height: int, width: int, seed: int = 0, level: int = 105) -> Picture:
    """Grey patches of all sizes, with corners to follow."""
    rng = np.random.default_rng(seed)
    small = rng.integers(level - 45, level + 45, (height // 6, width // 6), dtype=np.uint8)
    grey = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.repeat(grey[..., None], 3, axis=2)


def draw_person(picture: Picture, box: tuple[int, int, int, int], upper: str, lower: str) -> None:
    """Draw somebody who fills (left, top, width, height)."""
    left, top, width, height = box

    def fill(x0: float, x1: float, y0: float, y1: float, colour: tuple[int, int, int]) -> None:
        rows = slice(max(0, top + round(y0 * height)), max(0, top + round(y1 * height)))
        picture[rows, max(0, left + round(x0 * width)) : max(0, left + round(x1 * width))] = colour

    fill(0.35, 0.65, 0.0, 0.15, _SKIN)
    fill(0.15, 0.85, 0.15, 0.5, BGR[upper])
    fill(0.2, 0.8, 0.5, 0.97, BGR[lower])


def person_crop(upper: str, lower: str, height: int = 96, width: int = 44, seed: int = 0) -> Picture:
    """Return a box with one person in it."""
    picture = wall(height, width, seed)
    draw_person(picture, (0, 0, width, height), upper, lower)
    return picture


WORN = {1: ("red", "black"), 2: ("blue", "beige"), 3: ("green", "white")}


def write_people(folder: Path, *, frames: int = 24, step: float = 0.0, classes: bool = True) -> Path:
    """Write a sequence of three people who walk side by side, person 4 hidden behind person 1, and 5 a reflection.

    Args:
        folder: The sequence.
        frames: Length.
        step: Pixels the camera moves to the right from frame to frame.
        classes: Write columns of class and visibility, as MOT17 does.
    """
    background = wall(160, 900)
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rows = []
    for frame in range(frames):
        begin = round(step * frame)
        picture = background[:, begin : begin + 320].copy()
        for track_id, (upper, lower) in WORN.items():
            box = (10 + 95 * (track_id - 1) + frame, 25 + 4 * track_id, 44, 110)
            draw_person(picture, box, upper, lower)
            rows.append((frame, track_id, box, 1))
        rows.append((frame, 4, (12 + frame, 20, 40, 100), 1))
        rows.append((frame, 5, (250, 10, 44, 110), 12))
        assert cv2.imwrite(str(folder / "img1" / f"{frame + 1:06d}.png"), picture)
    text = ""
    for frame, track_id, (left, top, width, height), kind in rows:
        if classes or kind == 1:
            tail = f"{int(kind == 1)},{kind},1" if classes else "1,-1,-1,-1"
            text += f"{frame + 1},{track_id},{left + 1},{top + 1},{width},{height},{tail}\n"
    (folder / "gt" / "gt.txt").write_text(text)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=25\nseqLength={frames}\nimWidth=320\nimHeight=160\n"
        "imExt=.png\n"
    )
    return folder
