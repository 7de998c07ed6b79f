"""Teachers that must not help, or help for another reason: what a study compares words with.

``permuted`` keeps the words and breaks their bond to the people; ``OneHot`` keeps what the words say and drops that
they are words.

Shapes: n sentences, D entries of a vocabulary.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sushi_lg.language.descriptions import Description
from sushi_lg.language.hub import digest
from sushi_lg.language.teaching import DIFFERENT, SAME
from sushi_lg.language.text_encoder import checked_sentences

logger = logging.getLogger(__name__)

_WORD = re.compile(r"\w+(?:[-']\w+)*")


def permuted(rows: Sequence[Description], seed: int) -> list[Description]:
    """Return the rows with all that is said about people dealt out anew between the identities of each sequence.

    Nobody gets a sentence that equals their own (or attributes, where there are no sentences), unless more than half of
    a sequence is described alike; then as few do as can be. Scenes stay, and so do identities of whom nothing is known.
    A sequence is dealt out the same way whatever other sequences are there and in whatever order its rows come.

    Args:
        rows: Of any sequences.
        seed: Of chance.

    Returns:
        One row for each of ``rows``, in their order; ``models`` of those dealt out name the control and the seed.
    """
    dealt = list(rows)
    members: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.track_id is not None and (row.sentence.strip() or row.attributes):
            members[row.seq].append(index)
    for sequence, indices in members.items():
        indices = sorted(indices, key=lambda index: rows[index].track_id or 0)
        alike: dict[object, list[int]] = defaultdict(list)
        for index in indices:
            alike[rows[index].sentence or tuple(sorted(rows[index].attributes.items()))].append(index)
        entropy = int.from_bytes(hashlib.sha256(sequence.encode()).digest()[:8], "big")
        rng = np.random.default_rng([seed, entropy])
        groups = list(alike.values())
        groups = [list(rng.permutation(groups[number])) for number in rng.permutation(len(groups))]
        groups.sort(key=len, reverse=True)  # stable: equal sizes stay in their random order
        # those described alike stand together; turned by the largest group, each group falls on others
        circle = [int(index) for group in groups for index in group]
        turn = len(groups[0])
        for place, index in enumerate(circle):
            said = rows[circle[(place + turn) % len(circle)]]
            dealt[index] = replace(
                said,
                dataset=rows[index].dataset,
                split=rows[index].split,
                track_id=rows[index].track_id,
                models={**said.models, "control": f"permuted, seed {seed}"},
            )
    return dealt


def spelled_out(rows: Iterable[Description]) -> list[Description]:
    """Return the rows with sentences for ``OneHot``: one ``attribute=word`` for each word of each attribute's value.

    The value "striped red shirt" of ``upper`` gives upper=red, upper=shirt and upper=striped. A row without attributes
    gets a blank sentence: nothing is known.
    """
    return [replace(row, sentence=" ".join(_entries(row))) for row in rows]


class OneHot:
    """Reads sentences of ``spelled_out``: one entry of the vector for each entry of its vocabulary, none learned.

    Edges are spoken of with two entries more, ``same`` and ``different``. It is a ``TextEncoder``, so that ``teach``
    and ``teach_edges`` take it like any other.

    Args:
        vocabulary: Entries as ``spelled_out`` writes them, each once.

    Raises:
        ValueError: an entry twice.
    """

    name = "one_hot"

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = (*vocabulary, "same", "different")
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("the vocabulary names an entry twice")
        self.dim = len(self.vocabulary)
        self._place = {entry: place for place, entry in enumerate(self.vocabulary)}
        self._place |= {SAME: self._place["same"], DIFFERENT: self._place["different"]}

    @classmethod
    def of(cls, rows: Iterable[Description]) -> OneHot:
        """Return the encoder whose vocabulary is all that is said in ``rows`` (those of all training sequences)."""
        return cls(sorted({entry for row in rows for entry in _entries(row)}))

    def fingerprint(self) -> str:
        """Return a digest of the vocabulary."""
        return digest("one hot 1", self.vocabulary)

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, D) vectors of length one; the log tells of entries that are not in the vocabulary.

        Raises:
            ValueError: a blank sentence, or one with nothing of the vocabulary in it.
        """
        checked_sentences(sentences)
        vectors = np.zeros((len(sentences), self.dim), np.float32)
        strange: set[str] = set()
        for row, sentence in enumerate(sentences):
            for entry in _split(sentence):
                if entry in self._place:
                    vectors[row, self._place[entry]] = 1
                else:
                    strange.add(entry)
            if not vectors[row].any():
                raise ValueError(f"{sentence!r}: nothing of the vocabulary is in it; rows go through spelled_out first")
        if strange:
            logger.warning("not in the vocabulary and left out: %s", ", ".join(sorted(strange)))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _entries(row: Description) -> list[str]:
    return sorted({f"{name}={word}" for name, value in row.attributes.items() for word in _WORD.findall(value.lower())})


def _split(sentence: str) -> list[str]:
    """Return the entries of a sentence; what ``scene_sentences`` puts at its end stays whole."""
    for ending in (SAME, DIFFERENT):
        if sentence.endswith(ending):
            return [*sentence.removesuffix(ending).split(), ending]
    return sentence.split()
