"""How near captions are to what annotators wrote, counted in two ways that must not stand in one table.

``raw_measures`` counts as the evaluation script released with BenSMOT does (Li et al., "Beyond MOT: Semantic
Multi-Object Tracking", ECCV 2024): on the text as it is, letters of either case and punctuation included.

* ``BLEU4c``: the script gives NLTK's ``corpus_bleu`` strings where it wants lists of words, so it compares **letters**.
* ``BLEU4w``: the same with words, which the script does not have; it stands beside the other to tell them apart.
* ``ROUGE`` and ``CIDEr``: of ``pycocoevalcap`` on words between blanks. CIDEr takes the weight of a word from the
  references of the run, clips counts and punishes other lengths (CIDEr-D), and goes up to 10. With a single pair all
  weights are 0, and so is CIDEr.
* ``METEOR-nltk``: commas and full stops deleted, split at every single blank.

``coco_measures`` counts as papers on captions do: lower-case words without punctuation (``tokens``), BLEU with one to
four words, ROUGE-L, CIDEr, and METEOR of Java where there is Java, NLTK's under its own name where there is none.

Shapes: N pairs of texts, C clips.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from nltk.translate.bleu_score import corpus_bleu
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from semantic.evaluation.measures import Floats, Measure, mean_measure, sum_by_clip
from semantic.evaluation.meteor import JAVA, MeteorScores, has_java, java_meteor, nltk_meteor
from semantic.evaluation.tokens import coco_tokens

_ORDERS = 4
_NOTHING = float("nan")


@dataclass(frozen=True)
class TextPair:
    """What was said and what should have been.

    Attributes:
        clip: number of the clip it belongs to.
        candidate: predicted text; empty where nothing was said.
        reference: annotated text, never empty.
    """

    clip: int
    candidate: str
    reference: str


def raw_measures(pairs: Sequence[TextPair], num_clips: int) -> list[Measure]:
    """Return BLEU4c, BLEU4w, METEOR, ROUGE and CIDEr as the script of BenSMOT computes them.

    Args:
        pairs: N; without any, all values are nan.
        num_clips: C.
    """
    references, candidates = [pair.reference for pair in pairs], [pair.candidate for pair in pairs]
    owner = [pair.clip for pair in pairs]
    reference_words, candidate_words = [_split(text) for text in references], [_split(text) for text in candidates]
    meteor = nltk_meteor([_without_stops(text) for text in references], [_without_stops(text) for text in candidates])
    return [
        _nltk_bleu("BLEU4c", references, candidates, owner, num_clips),
        _nltk_bleu("BLEU4w", reference_words, candidate_words, owner, num_clips),
        mean_measure("ROUGE", _rouge(references, candidates), owner, num_clips),
        _meteor_measure(meteor, owner, num_clips),
        mean_measure("CIDEr", cider_scores(references, candidates), owner, num_clips),
    ]


def coco_measures(pairs: Sequence[TextPair], num_clips: int, *, java: bool | None = None) -> list[Measure]:
    """Return BLEU1 .. BLEU4, ROUGE-L, METEOR and CIDEr as the evaluation of COCO captions computes them.

    Args:
        pairs: N; without any, all values are nan.
        num_clips: C.
        java: whether METEOR is the one in Java; by default where there is Java.
    """
    reference_words = [coco_tokens(pair.reference) for pair in pairs]
    candidate_words = [coco_tokens(pair.candidate) for pair in pairs]
    references, candidates = [" ".join(words) for words in reference_words], [" ".join(w) for w in candidate_words]
    owner = [pair.clip for pair in pairs]
    with_java = has_java() if java is None else java
    meteor = java_meteor(references, candidates) if with_java else nltk_meteor(reference_words, candidate_words)
    return [
        *_coco_bleu(references, candidates, owner, num_clips),
        mean_measure("ROUGE-L", _rouge(references, candidates), owner, num_clips),
        _meteor_measure(meteor, owner, num_clips),
        mean_measure("CIDEr", cider_scores(references, candidates), owner, num_clips),
    ]


def cider_scores(references: Sequence[str], candidates: Sequence[str]) -> list[float]:
    """Return CIDEr of N pairs of texts, 0 to 10 each; words stand between blanks.

    Words weigh by the number of references that have them. What the pairs of one call are decides the weights.
    """
    if not any(text.split() for text in references):
        return [0.0] * len(references)
    _, each = Cider().compute_score(*_as_sets(references, candidates))
    return [float(score) for score in each]


def _rouge(references: Sequence[str], candidates: Sequence[str]) -> list[float]:
    scorer = Rouge()
    return [scorer.calc_score([c], [r]) for r, c in zip(references, candidates, strict=True)]


def _meteor_measure(meteor: MeteorScores, owner: Sequence[int], num_clips: int) -> Measure:
    if meteor.name == JAVA:  # its value does not follow from scores of sentences
        return Measure(meteor.name, meteor.overall)
    return replace(mean_measure(meteor.name, meteor.each, owner, num_clips), value=meteor.overall)  # to the last digit


def _split(text: str) -> list[str]:
    return text.split(" ")


def _without_stops(text: str) -> list[str]:
    return _split(text.replace(",", "").replace(".", ""))


def _as_sets(*texts: Sequence[str]) -> tuple[dict[int, list[str]], ...]:
    """Return lists of texts as ``pycocoevalcap`` wants them: one entry a pair, each a list of one text."""
    return tuple({number: [text] for number, text in enumerate(each)} for each in texts)


# ------------------------------------------------------------------------------------------------------------ BLEU


def _nltk_bleu(
    name: str,
    references: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[str]],
    owner: Sequence[int],
    num_clips: int,
) -> Measure:
    value = _NOTHING
    if references:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that four in a row never match
            value = float(corpus_bleu([[reference] for reference in references], candidates))
    # NLTK counts one possible match of every order even in a text too short for it
    counts = [_bleu_counts(r, c, fewest=1) for r, c in zip(references, candidates, strict=True)]
    return Measure(name, value, sum_by_clip(counts, owner, num_clips), _nltk_bleu_of_sums)


def _nltk_bleu_of_sums(sums: Floats) -> Floats:
    """Return (B,) BLEU of (B, 10) sums as NLTK computes it."""
    right, possible, ours, theirs = _columns(sums)
    precision = np.where(right == 0, sys.float_info.min, right / np.maximum(possible, 1))
    short = np.exp(np.minimum(0.0, 1 - theirs / np.maximum(ours, 1)))
    values: Floats = np.where(right[:, 0] == 0, 0.0, short * np.exp(np.log(precision).mean(axis=1)))
    values[theirs == 0] = np.nan
    return values


def _coco_bleu(
    references: Sequence[str], candidates: Sequence[str], owner: Sequence[int], num_clips: int
) -> list[Measure]:
    values = [_NOTHING] * _ORDERS
    if references:
        values, _ = Bleu(_ORDERS).compute_score(*_as_sets(references, candidates), verbose=0)
    counts = [_bleu_counts(r.split(), c.split()) for r, c in zip(references, candidates, strict=True)]
    sums = sum_by_clip(counts, owner, num_clips)
    return [
        Measure(f"BLEU{order}", float(value), sums, partial(_coco_bleu_of_sums, order=order))
        for order, value in enumerate(values, start=1)
    ]


def _coco_bleu_of_sums(sums: Floats, order: int) -> Floats:
    """Return (B,) BLEU with up to ``order`` words of (B, 10) sums as ``pycocoevalcap`` computes it."""
    right, possible, ours, theirs = _columns(sums)
    precision = (right[:, :order] + 1e-15) / (possible[:, :order] + 1e-9)
    length = (ours + 1e-15) / (theirs + 1e-9)
    short = np.exp(np.minimum(0.0, 1 - 1 / length))
    values: Floats = short * np.exp(np.log(precision).mean(axis=1))
    values[theirs == 0] = np.nan
    return values


def _bleu_counts(reference: Sequence[str], candidate: Sequence[str], fewest: int = 0) -> list[float]:
    """Return what BLEU needs of a pair: right and possible matches of four orders, length of ours and of theirs."""
    right, possible = [], []
    for order in range(1, _ORDERS + 1):
        ours, theirs = _runs(candidate, order), _runs(reference, order)
        right.append(float(sum(min(count, theirs[run]) for run, count in ours.items())))
        possible.append(float(max(fewest, len(candidate) - order + 1)))
    return [*right, *possible, float(len(candidate)), float(len(reference))]


def _runs(words: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[first : first + length]) for first in range(len(words) - length + 1))


def _columns(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return right and possible matches (B, 4), and the lengths of ours and of theirs (B,)."""
    return sums[:, :_ORDERS], sums[:, _ORDERS : 2 * _ORDERS], sums[:, -2], sums[:, -1]
