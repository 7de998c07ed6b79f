"""The best views of each person of a sequence: large, inside the picture, not hidden, sharp, and spread over time.

The life of a track is cut into strata of equal time. In each the boxes that promise most are looked at, and the
sharpest of them becomes a view; sharpness is compared between pictures of one person at one time only, where it means
focus and motion rather than the pattern of a shirt.

Shapes: R boxes; h rows and w columns of a crop; H rows and W columns of a picture.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.mot_format import MotTable

Picture = NDArray[np.uint8]

_SHARPNESS_SIZE = (64, 128)  # columns, rows: people of all sizes are compared on one scale


@dataclass(frozen=True)
class ViewSettings:
    """How views are chosen.

    Attributes:
        views: Strata of the life of a track, and so the most views it gets.
        tries: Boxes that are looked at in each stratum.
        least_height: Smaller people are not looked at, pixels.
        full_height: A taller crop promises no more, pixels; crops are not kept larger than this.
        least_visible: Share of the box that must be inside the picture and not hidden.
        aspect: Columns over rows of the part of the box that is looked at: a wider box has arms or bags in it.
    """

    views: int = 8
    tries: int = 3
    least_height: float = 24.0
    full_height: float = 256.0
    least_visible: float = 0.6
    aspect: float = 0.45

    def fingerprint(self) -> str:
        """Return a digest of the settings."""
        return hashlib.sha256(repr(("views 1", sorted(asdict(self).items()))).encode()).hexdigest()


@dataclass(frozen=True)
class View:
    """One look at a person.

    Attributes:
        frame: 0-based frame of the video.
        picture: (h, w, 3) uint8, blue first: what is inside the box, its upper edge at the head, its lower at the feet.
        quality: Above 0, at most 1: how large and how little hidden.
    """

    frame: int
    picture: Picture
    quality: float


@dataclass(frozen=True)
class PersonViews:
    """All looks at one person.

    Attributes:
        sequence: Name of the sequence.
        track_id: Who.
        views: In the order of time; may be empty. Pictures are as they were taken.
        gain: What linear light of the blue, green and red channel has to be multiplied by for colours to look as they
            would in plain daylight (``colours.balance``).
    """

    sequence: str
    track_id: int
    views: tuple[View, ...]
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Candidate:
    """A box worth a look.

    Attributes:
        track_id: Whose.
        stratum: Part of the life of the track, 0 .. views - 1.
        frame: 0-based.
        box_xyxy: Pixels, 0-based.
        quality: See ``View``.
    """

    track_id: int
    stratum: int
    frame: int
    box_xyxy: tuple[float, float, float, float]
    quality: float


def visible_share(table: MotTable, width: int, height: int) -> NDArray[np.float64]:
    """Return how much of each box can be seen: inside the picture, and not behind somebody nearer to the camera.

    Nearer is who stands lower in the picture. Where the file states a visibility, the smaller of the two counts.

    Args:
        table: R boxes of people, all that are known, because they hide each other.
        width: W.
        height: H.

    Returns:
        (R,) float64 in 0 .. 1.
    """
    boxes = table.boxes_xyxy
    limit = np.array([width, height, width, height], dtype=np.float64)
    inside = np.clip(boxes, 0, limit)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    seen = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1]) / area
    covered = np.zeros(len(table))
    order = np.argsort(table.frame, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(table.frame[order])) + 1):
        mine = boxes[rows]
        low, high = np.maximum(mine[:, None, :2], mine[None, :, :2]), np.minimum(mine[:, None, 2:], mine[None, :, 2:])
        overlap = np.clip(high - low, 0, None).prod(axis=2)
        overlap[mine[None, :, 3] <= mine[:, None, 3]] = 0  # who reaches less low is behind; oneself too
        covered[rows] = (overlap / area[rows][:, None]).max(axis=1, initial=0.0)
    return np.minimum(np.clip(seen * (1 - covered), 0, 1), np.clip(table.visibility, 0, 1))


def find_candidates(table: MotTable, width: int, height: int, settings: ViewSettings) -> list[Candidate]:
    """Return the boxes worth a look, sorted by frame and track.

    Args:
        table: Boxes of people.
        width: W of the pictures.
        height: H.
        settings: How many, and how good.
    """
    visible = visible_share(table, width, height)
    tall = np.minimum(1.0, table.height / settings.full_height)
    # a box much wider than a standing person holds more of what is around
    slim = np.minimum(1.0, settings.aspect * 1.2 * table.height / table.width)
    quality = visible**2 * tall * slim
    usable = (visible >= settings.least_visible) & (table.height >= settings.least_height) & (quality > 0)
    found = []
    for track_id in np.unique(table.track_id).tolist():
        rows = np.flatnonzero((table.track_id == track_id) & usable)
        if not len(rows):
            continue
        first, last = int(table.frame[rows].min()), int(table.frame[rows].max())
        stratum = (table.frame[rows] - first) * settings.views // (last - first + 1)
        for part in np.unique(stratum).tolist():
            inside = rows[stratum == part]
            # the earlier frame among equals, so that the choice does not depend on the order of the file
            best = inside[np.lexsort((table.frame[inside], -quality[inside]))[: settings.tries]]
            for row in best.tolist():
                left, top, right, bottom = table.boxes_xyxy[row].tolist()
                frame = int(table.frame[row]) - 1
                found.append(Candidate(track_id, part, frame, (left, top, right, bottom), float(quality[row])))
    return sorted(found, key=lambda one: (one.frame, one.track_id))


def look_at(picture: Picture, candidate: Candidate, settings: ViewSettings) -> tuple[View, float] | None:
    """Return the view of a candidate in its (H, W, 3) picture and how sharp it is; None where nothing is inside."""
    height, width = picture.shape[:2]
    left, top, right, bottom = candidate.box_xyxy
    middle, half = (left + right) / 2, min(right - left, settings.aspect * (bottom - top) * 1.2) / 2
    columns = max(0, int(np.floor(middle - half))), min(width, int(np.ceil(middle + half)))
    rows = max(0, int(np.floor(top))), min(height, int(np.ceil(bottom)))
    if columns[1] - columns[0] < 2 or rows[1] - rows[0] < 2:
        return None
    crop = picture[rows[0] : rows[1], columns[0] : columns[1]]
    if crop.shape[0] > settings.full_height:
        scale = settings.full_height / crop.shape[0]
        size = max(2, round(crop.shape[1] * scale)), round(settings.full_height)
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    else:
        crop = crop.copy()  # the whole picture is not kept alive
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), _SHARPNESS_SIZE, interpolation=cv2.INTER_AREA)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return View(candidate.frame, crop, candidate.quality), sharpness


class BestViews:
    """Keeps the best view of each stratum while pictures go by."""

    def __init__(self) -> None:
        self._best: dict[tuple[int, int], tuple[float, View]] = {}

    def offer(self, candidate: Candidate, view: View, sharpness: float) -> None:
        """Keep the view if it is better than what its stratum has."""
        key = candidate.track_id, candidate.stratum
        worth = view.quality * sharpness**0.5
        if key not in self._best or worth > self._best[key][0]:
            self._best[key] = worth, view

    def of(self, sequence: str, track_id: int) -> PersonViews:
        """Return what was kept of one person."""
        kept = [
            view for (owner, _), (_, view) in sorted(self._best.items(), key=lambda one: one[0]) if owner == track_id
        ]
        return PersonViews(sequence, track_id, tuple(kept))
