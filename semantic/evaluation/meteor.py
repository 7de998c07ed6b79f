"""METEOR of single sentences, in three kinds that are never called by the same name.

``METEOR-nltk`` is what the evaluation script of BenSMOT uses: NLTK's, with synonyms from WordNet. ``METEOR-es`` is the
same without synonyms (exact words and stems), for where there is no WordNet. ``METEOR-java`` is what papers on captions
report: version 1.5 (Denkowski and Lavie, 2014) with its paraphrase table, which needs Java. On the same captions they
differ by a factor of almost two.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nltk.translate.meteor_score import single_meteor_score

from semantic.evaluation.wordnet import find_wordnet

NLTK, EXACT_AND_STEM, JAVA = "METEOR-nltk", "METEOR-es", "METEOR-java"


class _NoSynonyms:
    """A thesaurus without entries, for NLTK's METEOR."""

    def synsets(self, word: str) -> list[Any]:
        return []


@dataclass(frozen=True)
class MeteorScores:
    """Scores of sentences.

    Attributes:
        name: which METEOR.
        each: one score in [0, 1] a pair.
        overall: of all pairs together: their mean, but for ``METEOR-java``, which counts matches over all of them; nan
            without any.
    """

    name: str
    each: list[float]
    overall: float


def nltk_meteor(references: Sequence[Sequence[str]], candidates: Sequence[Sequence[str]]) -> MeteorScores:
    """Score words with NLTK's METEOR, or without synonyms where there is no WordNet; the name says which.

    Args:
        references: words of N sentences, case does not matter.
        candidates: words of N sentences.
    """
    wordnet = find_wordnet()
    thesaurus: Any = _NoSynonyms() if wordnet is None else wordnet
    each = [single_meteor_score(r, c, wordnet=thesaurus) for r, c in zip(references, candidates, strict=True)]
    overall = sum(each) / len(each) if each else float("nan")
    return MeteorScores(EXACT_AND_STEM if wordnet is None else NLTK, each, overall)


def has_java() -> bool:
    """Tell whether ``METEOR-java`` can be computed here."""
    return shutil.which("java") is not None


def java_meteor(references: Sequence[str], candidates: Sequence[str]) -> MeteorScores:
    """Score texts with METEOR 1.5 in Java, which takes some seconds to start.

    Args:
        references: N tokenised texts of one line.
        candidates: N tokenised texts of one line.
    """
    from pycocoevalcap.meteor.meteor import Meteor

    if not references:
        return MeteorScores(JAVA, [], float("nan"))
    plain = [text.replace("|||", " ") for text in references]  # the program's own separator
    overall, each = Meteor().compute_score(
        {number: [text] for number, text in enumerate(plain)},
        {number: [text] for number, text in enumerate(candidates)},
    )
    return MeteorScores(JAVA, [float(score) for score in each], float(overall))
