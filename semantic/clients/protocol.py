"""What a model is asked through, whether it runs here or behind a server.

A client knows nothing of clips and trajectories: it gets pictures and text, and hands back text or probabilities. It is
where batches, caches, retries and constrained decoding live.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_MARKUP = re.compile(r"<(?=[/|A-Za-z_])|(?<=\|)>|\[(?=/?[A-Z_]+\])")
_LONGEST_REPLY = 4000


@dataclass(frozen=True)
class Question:
    """One question with what it shows.

    Attributes:
        question_id: comes back with the reply.
        kind: questions of one kind have prompts and answers of about the same length, and are batched together.
        media_key: equal for questions that show the same pictures, whose features are then computed once.
        seconds: when each picture was taken, since the beginning of the clip, in the order of time; not empty.
        pictures: draws as many pictures, (h, w, 3) uint8, blue first; called when they are needed, and not at all
            where their features are known.
        system: what the model is told about its task; the same for many questions, so it comes first.
        prompt: what is asked. Not trusted: see ``plain``.
        max_new_tokens: of the reply.
        subjects: the two track ids an answer in lines ``P1>P2: label, label`` is about; empty for free text.
        options: labels such lines may name; empty for free text.
        statements: where not empty, nothing is written: each is put behind the prompt and judged, yes or no.
    """

    question_id: str
    kind: str
    media_key: str
    seconds: tuple[float, ...]
    pictures: Callable[[], Sequence[NDArray[np.uint8]]]
    system: str
    prompt: str
    max_new_tokens: int
    subjects: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.seconds:
            raise ValueError(f"{self.question_id}: a question shows at least one picture")
        if bool(self.options) != (len(self.subjects) == 2):
            raise ValueError(f"{self.question_id}: {len(self.options)} options about {len(self.subjects)} subjects")


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        question_id: of the question.
        text: as it was written; not trusted, at most 4,000 characters. Empty where statements were judged.
        probabilities: that each statement holds, in [0, 1], in their order; empty where text was asked for.
        tokens: what was written, as the model's tokens without the one that ends; empty where they are not known.
        prompt_tokens: number of tokens read, those of pictures included; 0 where not known.
        new_tokens: number of tokens written; 0 where not known.
        error: why there is no reply; empty if there is one.
    """

    question_id: str
    text: str = ""
    probabilities: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    prompt_tokens: int = 0
    new_tokens: int = 0
    error: str = ""


class Client(Protocol):
    """Answers questions.

    Attributes:
        name: short, for provenance.
        fingerprint: digest of all that can change a reply, apart from the question.
    """

    name: str
    fingerprint: str

    def ask(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Yield one reply a question, in any order, as soon as it is there.

        A failure of one question is a reply with ``error``.

        Raises:
            WeightsError: the model cannot be had.
            ConfigError: the model refuses whatever it is asked.
        """


def plain(text: str) -> str:
    """Return text with a blank inside of whatever could be read as a control token (``<|im_end|>``, ``<video>``).

    Names, captions and labels come out of files, and some tokenizers and servers turn such marks into the tokens that
    end a turn or stand for pictures, wherever they meet them. A blank keeps them words.
    """
    return _MARKUP.sub(lambda found: f" {found[0]}" if found[0] == ">" else f"{found[0]} ", text)


def clipped(text: str) -> str:
    """Return the beginning of a reply, no longer than anybody reads on."""
    return text[:_LONGEST_REPLY].strip()


def thinned(number: int, kept: int) -> list[int]:
    """Return ``kept`` of 0 .. ``number`` - 1, evenly spread, first and last among them where there are two."""
    if kept == 1:
        return [number // 2]
    return [round(place * (number - 1) / (kept - 1)) for place in range(kept)]
