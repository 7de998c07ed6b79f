"""Clips with a few words about them, for tests of what compares words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from semantic.structures import Caption, Clip, Interaction, Semantics, Sentence, Track

LENGTH = 8

# The three pairs whose scores are known from the programs of others.
REFERENCES = (
    "A man in a red coat opens the door and waves.",
    "Two girls sit on a bench, then one of them stands.",
    "A boy throws the ball to the woman.",
)
CANDIDATES = (
    "a man in a red shirt opens the door.",
    "two girls sit on the bench and talk.",
    "A boy throws a ball to a woman.",
)


def standing(track_id: int, left: float, frames: Iterable[int] = range(LENGTH), width: float = 50) -> Track:
    """A person of 50 by 100 pixels who stands still."""
    frame = np.array(list(frames), dtype=np.int64)
    box = np.array([left, 20.0, left + width, 120.0])
    return Track(track_id, frame, np.tile(box, (len(frame), 1)), np.ones(len(frame)), np.zeros(len(frame), dtype=bool))


def clip_of(name: str, tracks: Sequence[Track]) -> Clip:
    return Clip(name, LENGTH, 2.0, np.tile([640, 480], (LENGTH, 1)), tuple(tracks))


def interaction(
    active: int, passive: int, label: str, probability: float = 1.0, raw: str = "", source: str = "annotation"
) -> Interaction:
    return Interaction(active, passive, label, probability, 0, LENGTH - 1, source, raw=raw)


def said(
    name: str,
    captions: Mapping[int, str],
    interactions: Iterable[Interaction] = (),
    summary: str = "",
) -> Semantics:
    """What is said about a clip, one sentence a caption."""
    return Semantics(
        name,
        tuple(Caption(one, (Sentence(text, (one,), 0, LENGTH - 1),)) for one, text in sorted(captions.items())),
        tuple(sorted(interactions, key=lambda each: (each.active, each.passive, each.label))),
        (Sentence(summary, (), 0, LENGTH - 1),) if summary else (),
    )


def small_world(num_clips: int = 4) -> list[tuple[Clip, Semantics]]:
    """Annotated clips: three people each, one of whom nobody described; they talk, listen and smile."""
    records = []
    for number in range(num_clips):
        name = f"street/clip_{number}"
        people = [standing(1, 10), standing(2, 200 + number), standing(3, 400)]
        captions = {
            1: f"A man with hat number {number} walks up to the woman and talks to her.",
            2: f"A woman in {('red', 'blue', 'green')[number % 3]} listens to the man, then she laughs.",
        }
        interactions = [
            interaction(1, 2, "talk.v.01"),
            interaction(2, 1, "listen.v.01"),
            interaction(2, 1, "smile.v.01", raw="simle.v.01" if number % 2 else ""),
        ]
        summary = f"Two people meet in street {number} and talk for a while."
        records.append((clip_of(name, people), said(name, captions, interactions, summary)))
    return records
