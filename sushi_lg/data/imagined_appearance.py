"""Appearance vectors for clips without pixels: what a re-identification network might have said.

A vector is who somebody is, plus how he is seen just now (pose, view and light, which change at their own paces), plus
noise; somebody half hidden looks partly like whoever stands in front of him. How strong each of these is, how many
dimensions tell people apart and how much groups dress alike is drawn anew for every clip. The ranges were set so that
cosines fall with time as those of real networks on real videos do: 0.95 in the next frame, 0.8 after ten, 0.4 to 0.6
after a few hundred; the area under the ROC curve of same against different people then lies between 0.85 and 0.99.

Shapes: N detections, D width of a vector.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from sushi_lg.data.clips import Clip

_WIDTHS = (12, 16, 24, 32, 48)
_MEMORY = ((2.0, 6.0), (10.0, 40.0), (60.0, 250.0))  # frames over which a pose, a view and the light last


def imagine_appearance(clip: Clip, rng: np.random.Generator) -> Clip:
    """Return the clip with an embedding for every detection.

    Args:
        clip: N detections sorted by frame.
        rng: source of chance.
    """
    width = int(rng.choice(_WIDTHS))
    people, person = np.unique(clip.identity, return_inverse=True)
    person = person.ravel()
    lasting = rng.uniform(0.25, 0.85)  # cosine of one person seen at two times far apart
    own = np.sqrt(lasting) * _identities(len(people), width, rng)[person]
    own += np.sqrt(1 - lasting) * _passing(clip, person, width, rng)
    stray = clip.identity < 0
    own[stray] = _background(clip, width, rng)[stray]
    covered, by = _covered_by(clip)
    # A false detection shows any part of whom it overlaps.
    mixed = np.where(stray, rng.uniform(0, 1, len(clip)), covered**1.3 * rng.uniform(0.3, 0.9))
    mixed = np.where(by >= 0, np.clip(mixed, 0, 1), 0.0)[:, None]
    seen = (1 - mixed) * own + mixed * own[by]
    # The less is seen of somebody, the less the network can tell.
    noise = rng.uniform(0.1, 0.35) * (1 + rng.uniform(0, 1.5) * covered)
    seen += noise[:, None] * _unit(rng.normal(size=seen.shape))
    common = rng.uniform(0, 2) * _unit(rng.normal(size=(1, width)))  # what all people of a video share
    # Clips of one batch need one width; zeros change no cosine.
    embedding = np.zeros((len(clip), max(_WIDTHS)), dtype=np.float32)
    embedding[:, :width] = _unit(seen + common)
    return replace(clip, embedding=embedding)


def _identities(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, D) vectors of length about 1: a share from a group, the rest one's own."""
    groups = _unit(rng.normal(size=(int(rng.integers(1, 7)), width)))
    alike = rng.beta(1, 4)  # mostly little; in a team nearly everything
    own = _unit(rng.normal(size=(count, width)))
    return np.sqrt(alike) * groups[rng.integers(len(groups), size=count)] + np.sqrt(1 - alike) * own


def _passing(clip: Clip, person: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, D) vectors of length about 1 for what changes while somebody walks: smooth, at three paces."""
    order = np.lexsort((clip.frame, person))
    starts = np.flatnonzero(np.diff(person[order], prepend=-1))
    result = np.zeros((len(clip), width))
    for share, (least, most) in zip(rng.dirichlet([2.0, 2.0, 2.0]), _MEMORY, strict=True):
        memory = np.exp(-1 / rng.uniform(least, most))
        noise = rng.normal(size=(len(clip), width)) * np.sqrt((1 - memory**2) / width)
        noise[starts] /= np.sqrt(1 - memory**2)  # begins anywhere, not at 0
        for low, high in pairwise([*starts, len(clip)]):
            result[order[low:high]] += np.sqrt(share) * lfilter([1.0], [1.0, -memory], noise[low:high], axis=0)
    return result


def _background(clip: Clip, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, D) unit vectors that are alike for boxes at one place and of one size."""
    boxes = clip.boxes_xyxy.astype(np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    height = max(float(np.median(size[:, 1])), 1.0) if len(clip) else 1.0
    place = np.concatenate([(boxes[:, :2] + size / 2) / height, np.log(np.maximum(size, 1) / height)], axis=1)
    waves = rng.normal(size=(4, width)) * np.array([[1.5], [1.5], [2.0], [2.0]])
    return _unit(np.cos(place @ waves + rng.uniform(0, 2 * np.pi, width)))


def _covered_by(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) the share of each box covered by the box that covers most of it from in front, and its row or -1."""
    covered = np.zeros(len(clip))
    by = np.full(len(clip), -1)
    boxes = clip.boxes_xyxy.astype(np.float64)
    for low, high in pairwise(np.searchsorted(clip.frame, np.arange(clip.length + 1))):
        if high - low < 2:
            continue
        frame = boxes[low:high]
        inner = np.minimum(frame[:, None, 2:], frame[None, :, 2:]) - np.maximum(frame[:, None, :2], frame[None, :, :2])
        overlap = np.clip(inner, 0, None).prod(axis=2)
        overlap[frame[None, :, 3] <= frame[:, None, 3]] = 0
        share = overlap / np.maximum((frame[:, 2:] - frame[:, :2]).prod(axis=1), 1e-6)[:, None]
        most = share.argmax(axis=1)
        covered[low:high] = np.minimum(share.max(axis=1), 1)
        by[low:high] = np.where(share.max(axis=1) > 0, low + most, -1)
    return covered, by


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
