"""What can be said without looking: the floor under every number of the stage.

``constant`` says of everybody what is said most, ``random`` what was said of somebody. Both learn from annotations of
other clips, see neither pixels nor boxes, and are for comparison only.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from semantic.bensmot.annotations import annotated, read_annotations
from semantic.describers.protocol import Job
from semantic.structures import Answer, Clip, Request, Sentence
from sushi_lg.errors import ConfigError

_COMPARED: Final = 400  # texts among which the most usual one is looked for
_VERSION: Final = 1


@dataclass(frozen=True)
class Said:
    """What annotators wrote.

    Attributes:
        captions: of people.
        summaries: of clips.
        pairs: labels of every ordered pair of people of a clip whose interactions are annotated; empty for those who do
            nothing to each other.
    """

    captions: tuple[str, ...]
    summaries: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]

    def fingerprint(self) -> str:
        """Return a digest."""
        return hashlib.sha256(repr((_VERSION, self.captions, self.summaries, self.pairs)).encode()).hexdigest()


def read_said(train: str | Path | None) -> Said:
    """Read what annotators wrote about the clips of a folder in the layout of BenSMOT.

    Of a whole data set only ``train`` is read: who learns from the test set is no floor under its numbers.

    Raises:
        ConfigError: no folder is named, or nothing is said in it.
        DataError: no such folder, or nothing in it that can be read.
    """
    if train is None:
        raise ConfigError("it learns from annotations, and none are named", "add describer.train=FOLDER")
    captions: list[str] = []
    summaries: list[str] = []
    pairs: list[tuple[str, ...]] = []
    split = "train" if (Path(train) / "train").is_dir() else None
    for clip, semantics in read_annotations(train, split).pairs:
        captions += [caption.text for caption in semantics.captions]
        summaries += [semantics.summary_text] if semantics.summary else []
        if "interactions" not in annotated(semantics):
            continue
        labels: dict[tuple[int, int], list[str]] = {}
        for act in semantics.interactions:
            labels.setdefault((act.active, act.passive), []).append(act.label)
        ids = [track.track_id for track in clip.tracks]
        pairs += [tuple(labels.get((one, other), ())) for one in ids for other in ids if one != other]
    if not captions or not summaries or not any(pairs):
        raise ConfigError(
            f"{train}: no captions, no summaries or no interactions in it", "name a folder with all three"
        )
    return Said(tuple(captions), tuple(summaries), tuple(pairs))


def usual_text(texts: Sequence[str]) -> str:
    """Return the text that has most words in common with the others (F1 of word sets); the first of equals."""
    some = list(texts[:: max(len(texts) // _COMPARED, 1)])[:_COMPARED]
    words = [frozenset(text.lower().split()) for text in some]

    def likeness(one: frozenset[str]) -> float:
        return sum(2 * len(one & other) / max(len(one) + len(other), 1) for other in words)

    return some[max(range(len(some)), key=lambda k: likeness(words[k]))]


def usual_labels(pairs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the labels that, said of every pair about whom anything is said, give the best micro F1."""
    told = [pair for pair in pairs if pair]
    counts = Counter(label for pair in told for label in pair)
    total = sum(counts.values())
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    best, right, kept = 0.0, 0, 1
    for number, label in enumerate(ranked, start=1):
        right += counts[label]
        score = 2 * right / (number * len(told) + total)
        if score > best:
            best, kept = score, number
    return tuple(sorted(ranked[:kept]))


class Constant:
    """Says the same of everybody.

    Args:
        said: what it chooses from.
    """

    name = "constant"
    needs_pictures = False

    def __init__(self, said: Said) -> None:
        self._caption, self._summary = usual_text(said.captions), usual_text(said.summaries)
        self._labels = usual_labels(said.pairs)
        self.fingerprint = said.fingerprint()

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield one answer a job."""
        texts = {"summary": self._summary, "instance": self._caption}
        for job in jobs:
            yield _answer(job, texts.get(job.request.kind, ""), self._labels, self._labels)


class Random:
    """Says what was said of somebody, drawn by the digest of the request.

    Args:
        said: what it draws from.
        seed: of the draws.
    """

    name = "random"
    needs_pictures = False

    def __init__(self, said: Said, seed: int) -> None:
        self._said, self._seed = said, seed
        self.fingerprint = hashlib.sha256(f"{said.fingerprint()} {seed}".encode()).hexdigest()

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield one answer a job."""
        for job in jobs:
            draw = random.Random(f"{self._seed} {job.request.request_id}")
            texts = self._said.summaries if job.request.kind == "summary" else self._said.captions
            yield _answer(job, draw.choice(texts), draw.choice(self._said.pairs), draw.choice(self._said.pairs))


def load_constant(*, train: str | Path | None = None) -> Constant:
    """Return what says the same of everybody.

    Args:
        train: folder in the layout of BenSMOT to learn from; must be given.

    Raises:
        ConfigError, DataError: see ``read_said``.
    """
    return Constant(read_said(train))


def load_random(*, train: str | Path | None = None, seed: int = 0) -> Random:
    """Return what says anything.

    Args:
        train: folder in the layout of BenSMOT to learn from; must be given.
        seed: of the draws.

    Raises:
        ConfigError, DataError: see ``read_said``.
    """
    return Random(read_said(train), seed)


def _answer(job: Job, text: str, forward: Sequence[str], backward: Sequence[str]) -> Answer:
    request = job.request
    if request.kind != "pair":
        span = _span(job.clip, request)
        return Answer(request.request_id, text, sentences=(Sentence(text, request.subjects, *span),))
    one, other = request.subjects
    scores = [((one, other, label), 1.0) for label in forward] + [((other, one, label), 1.0) for label in backward]
    return Answer(request.request_id, "", scores=tuple(scores))


def _span(clip: Clip, request: Request) -> tuple[int, int]:
    if request.kind == "instance":
        frame = clip.track(request.subjects[0]).frame
        return int(frame[0]), int(frame[-1])
    return 0, max(clip.length - 1, 0)
