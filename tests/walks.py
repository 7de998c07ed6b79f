"""Clips whose truth is known: people on flat ground before a level camera, as boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from semantic.describers.protocol import Job, Pictures
from semantic.describers.rules import RulesDescriber
from semantic.structures import Answer, Clip, Request, Track

WIDTH, HEIGHT = 1280, 720
HORIZON = 260.0
CAMERA = 1.0  # height of the camera in heights of people
FOCAL = 1280.0

SKIN = (120, 150, 200)

Colour = tuple[int, int, int]
Walk = Callable[[float], tuple[float, float] | None]
"""From seconds to heights to the right and away from the camera; None where the person is not there."""


def toy_clip(
    walks: Mapping[int, Walk],
    *,
    seconds: float = 12.0,
    rate: float = 15.0,
    jitter: float = 0.0,
    pan: float = 0.0,
    tall: Mapping[int, float] | None = None,
    keep: Callable[[int, int], bool] = lambda track, frame: True,
    name: str = "toy",
) -> Clip:
    """Return a clip of people who walk.

    Args:
        walks: by track id.
        seconds: of the clip.
        rate: frames a second.
        jitter: standard deviation of the noise of box edges, as a share of the height.
        pan: pixels a second that the camera turns to the right.
        tall: heights of people who are not 1.
        keep: whether a box is known.
        name: of the clip.
    """
    generator = np.random.default_rng(0)
    length = round(seconds * rate) + 1 if seconds else 0
    tracks = []
    for track_id, walk in sorted(walks.items()):
        frames, boxes = [], []
        for frame in range(length):
            place = walk(frame / rate)
            if place is None or not keep(track_id, frame):
                continue
            across, depth = place
            scale = FOCAL / depth
            column, foot = WIDTH / 2 + across * scale - pan * frame / rate, HORIZON + CAMERA * scale
            high = scale * (tall or {}).get(track_id, 1.0)
            box = np.array([column - 0.12 * high, foot - high, column + 0.12 * high, foot])
            box += generator.normal(0, jitter * high, 4) if jitter else 0.0
            if box[0] > 0 and box[2] < WIDTH and box[1] > 0 and box[3] < HEIGHT:
                frames.append(frame)
                boxes.append(box)
        if frames:
            none = np.zeros(len(frames), bool)
            tracks.append(Track(track_id, np.array(frames), np.stack(boxes), np.ones(len(frames)), none))
    sizes = np.tile(np.array([WIDTH, HEIGHT]), (length, 1))
    return Clip(name, length, rate, sizes, tuple(tracks))


def along(*points: tuple[float, float, float]) -> Walk:
    """Return a walk through (seconds, across, depth), straight in between, standing before and behind."""
    times, across, depth = (np.array(one) for one in zip(*points, strict=True))
    return lambda second: (float(np.interp(second, times, across)), float(np.interp(second, times, depth)))


def ask(
    describer: RulesDescriber,
    clip: Clip,
    pictures: Pictures | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> dict[str, Answer]:
    """Return the answers about a clip: ``summary``, ``P1`` and ``P1 P2`` by what was asked."""
    ids = [track.track_id for track in clip.tracks]
    if pairs is None:
        pairs = [(one, other) for one in ids for other in ids if one < other]
    requests = [Request("summary", clip.name, "summary", tuple(ids), (), "")]
    requests += [Request(f"P{one}", clip.name, "instance", (one,), (), "") for one in ids]
    requests += [Request(f"P{one} P{other}", clip.name, "pair", (one, other), (), "") for one, other in pairs]
    return {answer.request_id: answer for answer in describer.answer([Job(one, clip, pictures) for one in requests])}


def paint(clip: Clip, colours: Mapping[int, tuple[Colour, Colour]], pan: float = 0.0) -> list[NDArray[np.uint8]]:
    """Return (H, W, 3) pictures of a clip: people as figures before a wall with a pattern.

    Args:
        clip: the trajectories.
        colours: blue, green, red of the top and of the legs, by track id.
        pan: pixels a second that the camera turns to the right.
    """
    generator = np.random.default_rng(1)
    wide = WIDTH + round(abs(pan) * clip.length / clip.frame_rate) + 8
    wall = np.kron(generator.integers(60, 200, (HEIGHT // 8, wide // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    wall = cv2.GaussianBlur(wall, (9, 9), 0)
    pictures = []
    for frame in range(clip.length):
        start = round(pan * frame / clip.frame_rate)
        picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        picture[: len(wall)] = wall[:, start : start + WIDTH]
        for track in sorted(clip.tracks, key=lambda one: float(one.boxes_xyxy[0, 3])):
            for box in track.boxes_xyxy[track.frame == frame]:
                _figure(picture, box, *colours[track.track_id])
        pictures.append(picture)
    return pictures


def _figure(picture: NDArray[np.uint8], box: NDArray[np.float64], top: Colour, legs: Colour) -> None:
    left, upper, right, lower = box
    middle, width, height = (left + right) / 2, right - left, lower - upper
    for first, last, share, colour in ((0.0, 0.14, 0.4, SKIN), (0.14, 0.5, 0.8, top), (0.5, 1.0, 0.7, legs)):
        columns = slice(round(middle - share * width / 2), round(middle + share * width / 2))
        picture[round(upper + first * height) : round(upper + last * height), columns] = colour
