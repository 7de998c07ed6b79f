"""A describer that needs no model: what it says follows from the request alone, and it fails where it is told to."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence

import numpy as np

from semantic.describers.protocol import Job
from semantic.structures import Answer, Clip, Track

TEXTS = (
    "A man in a red coat walks to the left, then he waits.",
    "**A woman** in blue stands \x07still, then P1 comes",
    "<think>who is it?</think>A boy runs. A boy runs. P999 looks at him.",
    "",
)


class FakeDescriber:
    """Answers from the digest of a request, in another order than asked.

    Args:
        failing: Every so many requests fail, each time they are asked; 0 = none.
        pause: Seconds before each answer.
        looks: Whether pictures are rendered.
    """

    name = "fake"

    def __init__(self, failing: int = 0, pause: float = 0.0, looks: bool = False, fingerprint: str = "fake 1") -> None:
        self.fingerprint, self.needs_pictures = fingerprint, looks
        self._failing, self._pause = failing, pause
        self.asked: list[str] = []

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        for job in sorted(jobs, key=lambda one: one.request.request_id[::-1]):
            time.sleep(self._pause)
            request = job.request
            self.asked.append(request.request_id)
            if self.needs_pictures:
                assert job.pictures is not None
                assert len(job.pictures.render(request.views)) == len(request.views)
            number = int(hashlib.sha256(request.request_id.encode()).hexdigest()[:8], 16)
            if self._failing and number % self._failing == 0:
                yield Answer(request.request_id, "", error="it was told to fail")
            elif request.kind == "pair":
                a, b = request.subjects
                labels = [request.options[(number + k) % len(request.options)] for k in range(number % 4)]
                text = f"P{a}>P{b}: {', '.join(labels)}\nP{b}>P{a}: none" if labels else "none"
                yield Answer(request.request_id, text, prompt_tokens=number % 100, new_tokens=len(labels))
            else:
                yield Answer(request.request_id, TEXTS[number % len(TEXTS)])


def walking_clip(name: str = "street/a_0", people: int = 4, length: int = 12, seed: int = 0) -> Clip:
    """Return people who walk about in 64 x 48 pixels, two frames a second; the last one is there in three frames."""
    rng = np.random.default_rng(seed)
    tracks = []
    for k in range(people):
        count = 3 if k == people - 1 else length - k % 3
        frame = np.sort(rng.choice(length, size=count, replace=False))
        place = np.cumsum(rng.normal(size=(length, 2)), axis=0)[frame] + rng.uniform([10, 10], [50, 30])
        half = np.array([3.0, 6.0])
        boxes = np.concatenate([place - half, place + half], axis=1)
        tracks.append(Track(k + 1, frame, boxes, np.full(count, 0.9), np.zeros(count, dtype=bool)))
    return Clip(name, length, 2.0, np.tile([64, 48], (length, 1)), tuple(tracks))


def grey_frames(clip: Clip) -> list[np.ndarray]:
    """Return a picture a frame, each of one grey."""
    return [np.full((height, width, 3), 10 * (k % 20), dtype=np.uint8) for k, (width, height) in enumerate(clip.sizes)]
