"""The records that travel between the rooms of the semantic stage.

A ``Clip`` is what is known about a video without its pixels; ``Semantics`` is what is said about it. Both are also what
ground truth looks like: annotations of a data set are ``Semantics`` of annotated tracks, so prediction and truth are
compared record by record. Frames are dense, 0-based numbers: the k-th picture of the clip, whatever its file is called.

Shapes: T boxes of a track.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Track:
    """One person through a clip.

    Attributes:
        track_id: of a tracker, or the identity of the ground truth.
        frame: (T,) int64, 0-based, rising; frames where the person is not known are absent.
        boxes_xyxy: (T, 4) float64, pixels, 0-based; may leave the picture.
        confidence: (T,) float64 in [0, 1].
        is_interpolated: (T,) bool, boxes nobody detected.
    """

    track_id: int
    frame: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    is_interpolated: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name in ("boxes_xyxy", "confidence", "is_interpolated"):
            if len(getattr(self, name)) != len(self.frame):
                raise ValueError(
                    f"track {self.track_id}: {name} has {len(getattr(self, name))} rows, frame {len(self)}"
                )
        if len(self) == 0 or (np.diff(self.frame) <= 0).any():
            raise ValueError(f"track {self.track_id}: frames are none, or do not rise")

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Clip:
    """A video as trajectories.

    Attributes:
        name: of the sequence; ``<scenario>/<clip>`` in BenSMOT.
        length: number of frames.
        frame_rate: frames per second.
        sizes: (length, 2) int64, width and height of every frame in pixels.
        tracks: by rising ``track_id``.
        stems: what the files of the frames are called without suffix; empty where frames have no files.
    """

    name: str
    length: int
    frame_rate: float
    sizes: NDArray[np.int64]
    tracks: tuple[Track, ...]
    stems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = [track.track_id for track in self.tracks]
        if sorted(set(ids)) != ids:
            raise ValueError(f"{self.name}: track ids do not rise, or one is there twice")
        if self.sizes.shape != (self.length, 2):
            raise ValueError(f"{self.name}: sizes are {self.sizes.shape}, not ({self.length}, 2)")
        last = max((int(track.frame[-1]) for track in self.tracks), default=-1)
        if last >= self.length:
            raise ValueError(f"{self.name}: a track has frame {last}, the clip {self.length} frames")

    def track(self, track_id: int) -> Track:
        """Return a track by its id.

        Raises:
            KeyError: no such track.
        """
        for track in self.tracks:
            if track.track_id == track_id:
                return track
        raise KeyError(track_id)


@dataclass(frozen=True)
class Sentence:
    """One statement and what it is about.

    Attributes:
        text: plain text of one sentence; not trusted until it is escaped where it is shown.
        track_ids: who is meant.
        first_frame: of the pictures it is drawn from.
        last_frame: the last one, included.
    """

    text: str
    track_ids: tuple[int, ...]
    first_frame: int
    last_frame: int


@dataclass(frozen=True)
class Caption:
    """What one person looks like and does.

    Attributes:
        track_id: who.
        sentences: in the order they are read; none where nothing can be said.
        request_id: of the request answered; empty for annotations.
    """

    track_id: int
    sentences: tuple[Sentence, ...]
    request_id: str = ""

    @property
    def text(self) -> str:
        """All sentences in one line."""
        return " ".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True)
class Interaction:
    """One person does something to, or with, another.

    Attributes:
        active: track id of who does it.
        passive: track id of the other.
        label: canonical name of the vocabulary, such as ``talk.v.01``.
        probability: that it holds, as far as the describer can tell; 1 in annotations.
        first_frame: of the pictures it is drawn from.
        last_frame: the last one, included.
        source: ``annotation``, ``rules``, ``mllm``, ``scores`` or ``symmetry``.
        request_id: of the request answered; empty for annotations.
        raw: the label as it was spelt where it was read, if otherwise.
    """

    active: int
    passive: int
    label: str
    probability: float
    first_frame: int
    last_frame: int
    source: str
    request_id: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Semantics:
    """What is said about a clip.

    Attributes:
        clip: its name.
        captions: by rising ``track_id``; people about whom nothing is said are absent.
        interactions: sorted by (active, passive, label); each triple once.
        summary: of the whole clip; empty where there is none.
        summary_request: id of the request answered.
        counts: of what had to be repaired, dropped or could not be had, by kind.
        provenance: what made it: describer, model, templates, vocabulary, program.
    """

    clip: str
    captions: tuple[Caption, ...]
    interactions: tuple[Interaction, ...]
    summary: tuple[Sentence, ...]
    summary_request: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary_text(self) -> str:
        """The summary in one line."""
        return " ".join(sentence.text for sentence in self.summary)


@dataclass(frozen=True)
class View:
    """Pixels a request shows: one crop or whole frame; drawn only when somebody looks.

    Attributes:
        frame: 0-based.
        box_xyxy: what is cut out, in whole pixels, inside the picture; None = the whole frame.
        outlined: track ids whose boxes are drawn, each in its own stable colour.
    """

    frame: int
    box_xyxy: tuple[int, int, int, int] | None
    outlined: tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """One question about one clip.

    Attributes:
        request_id: digest of everything that can change the answer.
        clip: name.
        kind: ``summary``, ``instance`` or ``pair``.
        subjects: track ids asked about: all of the clip, one, or two.
        views: what is shown, in the order of time.
        prompt: the text asked; templates are files in ``semantic/prompts``.
        options: labels to choose from (``pair``), canonical names; empty for free text.
        max_new_tokens: of the answer.
    """

    request_id: str
    clip: str
    kind: str
    subjects: tuple[int, ...]
    views: tuple[View, ...]
    prompt: str
    options: tuple[str, ...] = ()
    max_new_tokens: int = 96


@dataclass(frozen=True)
class Answer:
    """What came back for one request.

    Attributes:
        request_id: of the request.
        text: as the model wrote it: not trusted, not yet parsed.
        sentences: where the describer knows what each sentence is about (rules); else None, and ``text`` is parsed.
        scores: ``((active, passive, label), probability)`` where labels were scored instead of written; else None.
        prompt_tokens: number of tokens read; 0 where there are none.
        new_tokens: number of tokens written.
        error: why there is no answer; empty if there is one.
    """

    request_id: str
    text: str
    sentences: tuple[Sentence, ...] | None = None
    scores: tuple[tuple[tuple[int, int, str], float], ...] | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0
    error: str = ""
