"""What answers requests: rules, a multimodal language model, or what a test puts in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semantic.structures import Answer, Clip, Request, View


class Pictures(Protocol):
    """Pixels of one clip on demand."""

    def frames(self, numbers: Iterable[int]) -> dict[int, NDArray[np.uint8]]:
        """Return (H, W, 3) uint8 pictures, blue first, by their 0-based number; each as it was filmed.

        Where the user wants frames that cannot be read to be left out, they are absent.

        Raises:
            DataError: a frame that cannot be had; names the file.
        """

    def render(self, views: Sequence[View]) -> list[NDArray[np.uint8]]:
        """Return what the views show, outlines drawn; (h, w, 3) uint8, blue first."""

    def content_key(self) -> str:
        """Return a digest of the files the pixels come from."""


@dataclass(frozen=True)
class Job:
    """A request with all that is needed to answer it.

    Attributes:
        request: the question.
        clip: the trajectories it is about.
        pictures: the pixels; None where nobody has them, which only describers without eyes can do without.
    """

    request: Request
    clip: Clip
    pictures: Pictures | None


class Describer(Protocol):
    """Answers requests.

    Attributes:
        name: short, for provenance and the command line.
        fingerprint: digest of everything of the describer that can change an answer: weights and their revision, dtype,
            decoding, own settings. Part of every request id.
        needs_pictures: whether it can do without pixels.
    """

    name: str
    fingerprint: str
    needs_pictures: bool

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield one answer a job, in any order, as soon as it is there.

        A failure that concerns one job is an answer with ``error``; what concerns all of them is raised.

        Raises:
            WeightsError: the model cannot be had.
        """
