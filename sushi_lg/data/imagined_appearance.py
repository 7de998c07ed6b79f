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

from sushi_lg.data.augment import covered_by
from sushi_lg.data.clips import Clip

_WIDTHS = (12, 16, 24, 32, 48)
_MEMORY = ((0.08, 0.25), (0.4, 1.6), (2.4, 10.0))  # seconds that a step, a turn and the light last
_POSES = 4  # ways in which people are seen: from the front, from behind, from both sides
_HIDDEN_SECONDS = (0.3, 2.0)


def imagine_appearance(clip: Clip, rng: np.random.Generator) -> Clip:
    """Return the clip with an embedding for every detection; some say nothing and are zeros.

    Args:
        clip: N detections sorted by frame.
        rng: source of chance.
    """
    width = int(rng.choice(_WIDTHS))
    people, person = np.unique(clip.identity, return_inverse=True)
    person = person.ravel()
    lasting = rng.uniform(0.05, 0.65)  # share of a look that is the person's for good
    own = np.sqrt(lasting) * _identities(len(people), width, rng)[person]
    own += np.sqrt(1 - lasting) * _passing(clip, person, width, rng)
    stray = clip.identity < 0
    background = _background(clip, width, rng)
    own[stray] = background[stray]
    covered, by = covered_by(clip)
    # A false detection shows any part of whom it overlaps.
    mixed = np.where(stray, rng.uniform(0, 1, len(clip)), covered**1.3 * rng.uniform(0.2, 0.8))
    mixed = np.where(by >= 0, np.clip(mixed, 0, 1), 0.0)[:, None]
    seen = (1 - mixed) * own + mixed * own[by]
    hidden = _hidden_share(clip, person, rng)[:, None]  # behind things that nobody detects
    seen = (1 - hidden) * seen + hidden * background
    # The less is seen of somebody, the less the network can tell.
    noise = rng.uniform(0.05, 0.3) * (1 + rng.uniform(0, 1.5) * covered)
    seen += noise[:, None] * _unit(rng.normal(size=seen.shape))
    common = rng.uniform(0, 2) * _unit(rng.normal(size=(1, width)))  # what all people of a video share
    # Clips of one batch need one width; zeros change no cosine.
    embedding = np.zeros((len(clip), max(_WIDTHS)), dtype=np.float32)
    embedding[:, :width] = _unit(seen + common)
    embedding[_unread(clip, rng)] = 0
    return replace(clip, embedding=embedding)


def _identities(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, D) vectors of length about 1: a share from a group, the rest one's own."""
    groups = _unit(rng.normal(size=(int(rng.integers(1, 7)), width)))
    alike = rng.beta(1, 3)  # mostly little; in a team nearly everything
    own = _unit(rng.normal(size=(count, width)))
    return np.sqrt(alike) * groups[rng.integers(len(groups), size=count)] + np.sqrt(1 - alike) * own


def _passing(clip: Clip, person: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, D) vectors of length about 1 for what changes while somebody walks."""
    order = np.lexsort((clip.frame, person))
    starts = np.flatnonzero(np.diff(person[order], prepend=-1))
    share = rng.dirichlet([1.0, 1.0, 2.0, 2.0, 2.0])
    result = np.sqrt(share[0]) * _pose(clip, order, starts, width, rng)
    result += np.sqrt(share[1]) * _sudden(clip, person, order, width, rng)
    for part, (least, most) in zip(share[2:], _MEMORY, strict=True):
        memory = np.exp(-1 / (rng.uniform(least, most) * clip.frame_rate))
        noise = rng.normal(size=(len(clip), width)) * np.sqrt((1 - memory**2) / width)
        noise[starts] /= np.sqrt(1 - memory**2)  # begins anywhere, not at 0
        for low, high in pairwise([*starts, len(clip)]):
            result[order[low:high]] += np.sqrt(part) * lfilter([1.0], [1.0, -memory], noise[low:high], axis=0)
    return result


def _pose(clip: Clip, order: np.ndarray, starts: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, D) what the side that somebody shows looks like: it follows his way, and all who go there share it."""
    boxes = clip.boxes_xyxy.astype(np.float64)[order]
    centre, height = (boxes[:, :2] + boxes[:, 2:]) / 2, np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    reach = max(1, round(0.2 * clip.frame_rate))
    owner = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
    ends = np.append(starts[1:], len(order)) - 1
    before = np.maximum(np.arange(len(order)) - reach, starts[owner])
    after = np.minimum(np.arange(len(order)) + reach, ends[owner])
    step = (centre[after] - centre[before]) / height[:, None]
    standing = np.linalg.norm(step, axis=1) < 0.05
    heading = np.where(standing, rng.uniform(0, 2 * np.pi, len(starts))[owner], np.arctan2(step[:, 1], step[:, 0]))
    sides = np.arange(_POSES) * 2 * np.pi / _POSES
    weights = np.clip(np.cos(heading[:, None] - sides), 0, None) ** 2
    poses = _unit(rng.normal(size=(_POSES, width)))
    result = np.empty((len(order), width))
    result[order] = _unit(weights @ poses)
    return result


def _sudden(clip: Clip, person: np.ndarray, order: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, D) what stays for a while and then is another: a bag taken off, a shadow entered."""
    changes = rng.random(len(clip)) < rng.uniform(0.02, 0.25) / clip.frame_rate
    changes |= np.diff(person[order], prepend=-1) != 0
    part = np.cumsum(changes)
    result = np.empty((len(clip), width))
    result[order] = _unit(rng.normal(size=(int(part.max(initial=0)) + 1, width)))[part]
    return result


def _hidden_share(clip: Clip, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (N,) how much of each box shows something else than people: posts, bushes, cars."""
    hidden = np.zeros(len(clip))
    people = int(person.max(initial=-1)) + 1
    seconds = clip.length / clip.frame_rate
    for _ in range(rng.poisson(min(rng.uniform(0, 0.15) * seconds * people, 200))):
        begin = rng.integers(0, clip.length)
        end = begin + max(1, round(rng.uniform(*_HIDDEN_SECONDS) * clip.frame_rate))
        inside = (person == rng.integers(people)) & (clip.frame >= begin) & (clip.frame < end)
        hidden[inside] = rng.uniform(0.2, 0.8)
    return hidden


def _unread(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return (N,) bool: boxes of which nothing is known, single ones or all of a stretch of unreadable pictures."""
    unread = np.zeros(len(clip), dtype=bool)
    if rng.random() < 0.15:
        unread |= rng.random(len(clip)) < rng.uniform(0, 0.3)
    if rng.random() < 0.05:
        begin = rng.integers(0, clip.length)
        unread |= (clip.frame >= begin) & (clip.frame < begin + rng.integers(5, 40))
    return unread


def _background(clip: Clip, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, D) unit vectors that are alike for boxes at one place and of one size."""
    boxes = clip.boxes_xyxy.astype(np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    height = max(float(np.median(size[:, 1])), 1.0) if len(clip) else 1.0
    place = np.concatenate([(boxes[:, :2] + size / 2) / height, np.log(np.maximum(size, 1) / height)], axis=1)
    waves = rng.normal(size=(4, width)) * np.array([[1.5], [1.5], [2.0], [2.0]])
    return _unit(np.cos(place @ waves + rng.uniform(0, 2 * np.pi, width)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
