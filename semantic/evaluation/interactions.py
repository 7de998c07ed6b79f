"""Labels of interactions, right or wrong.

Two questions, two scores. **Oracle pairs**, the protocol of BenSMOT: only ordered pairs of people that annotators said
something about are looked at, so labels between people who do nothing cost nothing. **Open pairs**: all labels of the
results count; what is said about a pair without that label, or about nobody, is wrong, and annotated labels nobody
found are missed. A label holds where its probability is above 0.4. Precision, recall and F1 are micro averages.

Labels are compared as ``classes``: a class is the slot of a spelling in the released script, a name of the vocabulary,
an entry of WordNet, a lemma, or a group of meaning.

Shapes: N pairs, L classes, C clips, B draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from semantic.bensmot.vocabulary import lemma, merged, raw_slot, slots
from semantic.evaluation.lists import ClipLabels, LabelPair
from semantic.evaluation.measures import Floats, Measure, divide, ratio, sum_by_clip
from semantic.evaluation.wordnet import find_wordnet
from semantic.structures import Interaction
from sushi_lg.errors import DataError

THRESHOLD = 0.4
FEWEST_ITEMS = 5  # of a label, for a mean over labels to count it
Class = Hashable
Classes = Callable[[Interaction], Class]


def slot_class(interaction: Interaction) -> int:
    """Return the slot in the vectors of the released script.

    Annotations keep the slot of their spelling, faulty or not. Everything else takes the slot of the right spelling: a
    label annotated with a faulty one cannot be met. Where the script would stop at a spelling it does not know, the
    slot is that of the label; of two spellings of one label for the same two people the first counts.
    """
    if interaction.source == "annotation" and interaction.raw:
        try:
            return raw_slot(interaction.raw)
        except DataError:
            return slots(interaction.label)[0]
    return slots(interaction.label)[0]


def label_class(interaction: Interaction) -> Class:
    """Return the name of the vocabulary."""
    return interaction.label


def synset_class(interaction: Interaction) -> Class:
    """Return one name for all names of the same entry of WordNet."""
    return merged(interaction.label)


def lemma_class(interaction: Interaction) -> Class:
    """Return the name without part of speech and sense."""
    return lemma(interaction.label)


def group_classes() -> Classes | None:
    """Return what gives WordNet's group of meaning (contact, communication, motion, ...); None without WordNet.

    Names that WordNet does not have are groups of their own.
    """
    wordnet = find_wordnet()
    if wordnet is None:
        return None
    groups: dict[str, str] = {}

    def group(interaction: Interaction) -> Class:
        label = merged(interaction.label)
        if label not in groups:
            try:
                groups[label] = wordnet.synset(label).lexname()
            except ValueError:  # not lemma.pos.sense
                groups[label] = label
        return groups[label]

    return group


# ------------------------------------------------------------------------------------------------------ oracle pairs


def oracle_measures(pairs: Sequence[LabelPair], num_clips: int, classes: Classes) -> list[Measure]:
    """Return P, R, F1 and exact (all labels of a pair right) over oracle pairs.

    Args:
        pairs: N; without any, all values are nan.
        num_clips: C.
        classes: what counts as the same label.
    """
    said, true = _indicators(pairs, classes)
    return oracle_measures_of_vectors(said, true, [pair.clip for pair in pairs], num_clips)


def oracle_measures_of_vectors(
    said: NDArray[np.bool_], true: NDArray[np.bool_], owner: Sequence[int], num_clips: int
) -> list[Measure]:
    """Return P, R, F1 and exact of vectors.

    Args:
        said: (N, L) labels that are said to hold.
        true: (N, L) labels that hold.
        owner: (N,) number of the clip.
        num_clips: C.
    """
    exact = (said == true).all(axis=1)
    columns = [(said & true).sum(axis=1), said.sum(axis=1), true.sum(axis=1), exact, np.ones(len(said))]
    sums = sum_by_clip(np.stack(columns, axis=1), owner, num_clips)
    precision = recall = f1 = accuracy = float("nan")
    if len(said):
        precision, recall, f1, _ = precision_recall_fscore_support(true, said, average="micro", zero_division=0)
        accuracy = float(accuracy_score(true, said))
    return [
        Measure("P", float(precision), sums, _precision),
        Measure("R", float(recall), sums, _recall),
        Measure("F1", float(f1), sums, _f1),
        Measure("exact", accuracy, sums[:, 3:], ratio),
    ]


def _precision(sums: Floats) -> Floats:
    return _unless_empty(sums, divide(sums[:, 0], sums[:, 1]))


def _recall(sums: Floats) -> Floats:
    return _unless_empty(sums, divide(sums[:, 0], sums[:, 2]))


def _f1(sums: Floats) -> Floats:
    """Return (B,) F1 of right, said and true labels."""
    return _unless_empty(sums, divide(2 * sums[:, 0], sums[:, 1] + sums[:, 2]))


def _unless_empty(sums: Floats, values: Floats) -> Floats:
    """Return (B,) values, nan where no label is said and none is true."""
    return np.where(sums[:, 1] + sums[:, 2] > 0, values, np.nan)


def macro_f1(pairs: Sequence[LabelPair], num_clips: int, classes: Classes) -> Measure:
    """Return the mean F1 over classes that at least 5 oracle pairs have; nan where none has.

    Args:
        pairs: N.
        num_clips: C.
        classes: what counts as the same label.
    """
    said, true = _indicators(pairs, classes)
    common = true.sum(axis=0) >= FEWEST_ITEMS
    counts = np.concatenate([(said & true)[:, common], said[:, common], true[:, common]], axis=1)
    sums = sum_by_clip(counts, [pair.clip for pair in pairs], num_clips)
    value = _mean_f1(sums.sum(axis=0, keepdims=True))[0] if common.any() else np.nan
    return Measure("macro F1", float(value), sums, _mean_f1)


def _mean_f1(sums: Floats) -> Floats:
    right, said, true = np.split(sums, 3, axis=1)
    f1 = np.where(said + true > 0, divide(2 * right, said + true), 0.0)
    drawn = (said + true > 0).sum(axis=1)  # a class that no drawn clip has is not one that was missed
    return divide(f1.sum(axis=1), drawn.astype(np.float64), nothing=np.nan)


def _indicators(pairs: Sequence[LabelPair], classes: Classes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (N, L + 1) what is said to hold, and (N, L + 1) what holds; the last column is empty."""
    said = [{classes(each) for each in pair.predicted if each.probability > THRESHOLD} for pair in pairs]
    true = [{classes(each) for each in pair.annotated} for pair in pairs]
    column = {name: number for number, name in enumerate(sorted(set().union(*said, *true), key=str))}
    # one empty column more: scikit-learn takes a single one for a question with two answers
    vectors = np.zeros((2, len(pairs), len(column) + 1), dtype=bool)
    for which, rows in enumerate((said, true)):
        for row, names in enumerate(rows):
            vectors[which, row, [column[name] for name in names]] = True
    return vectors[0], vectors[1]


# -------------------------------------------------------------------------------------------------------- open pairs


def open_measures(clips: Sequence[ClipLabels], classes: Classes) -> list[Measure]:
    """Return P, R and F1 over all pairs of people.

    Two predicted tracks that stand for the same person may both say a label; one of them is right.

    Args:
        clips: all labels of C clips.
        classes: what counts as the same label.
    """
    rows = []
    for clip in clips:
        true = {(each.active, each.passive, classes(each)) for each in clip.annotated}
        said = {
            (each.active, each.passive, classes(each)): (*people, classes(each)) if people else None
            for each, people in clip.predicted
            if each.probability > THRESHOLD
        }
        rows.append([len(true & set(said.values())), len(said), len(true)])
    sums = np.array(rows, dtype=np.float64).reshape(-1, 3)
    total = sums.sum(axis=0, keepdims=True)
    return [
        Measure(name, float(formula(total)[0]), sums, formula)
        for name, formula in (("P", _precision), ("R", _recall), ("F1", _f1))
    ]


def direction_accuracy(clips: Sequence[ClipLabels]) -> Measure:
    """Return how often the right one of two people is said to act.

    Asked wherever annotators gave a label to two people in one direction only, and the results give it to the same two
    in one direction only; nan where that never happens.

    Args:
        clips: all labels of C clips.
    """
    rows = []
    for clip in clips:
        true = {(each.active, each.passive, each.label) for each in clip.annotated}
        said = {(*people, each.label) for each, people in clip.predicted if people and each.probability > THRESHOLD}
        one_way = {key for key in said if _turned(key) not in said}
        right = sum(key in true and _turned(key) not in true for key in one_way)
        wrong = sum(key not in true and _turned(key) in true for key in one_way)
        rows.append([right, right + wrong])
    sums = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return Measure("direction", float(ratio(sums.sum(axis=0, keepdims=True))[0]), sums, ratio)


def _turned(key: tuple[int, int, str]) -> tuple[int, int, str]:
    active, passive, label = key
    return passive, active, label


@dataclass(frozen=True)
class LabelScore:
    """How well one label is found.

    Attributes:
        label: name of the vocabulary.
        items: times it is annotated.
        precision: average precision over all open pairs, by falling probability; nan where it is never annotated.
    """

    label: str
    items: int
    precision: float


def average_precisions(clips: Sequence[ClipLabels]) -> list[LabelScore]:
    """Return the average precision of every label that is annotated, sorted by label.

    Predictions are ranked by probability, those of equal probability together. Only the first prediction of a label for
    two annotated people can be right.

    Args:
        clips: all labels of C clips.
    """
    items: dict[str, int] = defaultdict(int)
    ranked: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for clip in clips:
        true = {(each.active, each.passive, each.label) for each in clip.annotated}
        for *_, label in true:
            items[str(label)] += 1
        for each, people in sorted(clip.predicted, key=lambda row: -row[0].probability):
            key = (*people, each.label) if people else None
            ranked[each.label].append((each.probability, key in true))
            true.discard(key)  # None is never in it
    return [LabelScore(label, count, average_precision(ranked[label], count)) for label, count in sorted(items.items())]


def average_precision(ranked: Sequence[tuple[float, bool]], items: int) -> float:
    """Return the sum over ranks of precision times gained recall.

    Args:
        ranked: probability, and whether it is right, of predictions in any order.
        items: things to find, at least as many as are right.
    """
    if not ranked:
        return 0.0
    scores, right = np.array([score for score, _ in ranked]), np.array([hit for _, hit in ranked], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # the last of every probability
    found = np.cumsum(right[order])[ends]
    return float((np.diff(found, prepend=0.0) / items * found / (ends + 1)).sum())


def mean_average_precision(scores: Sequence[LabelScore]) -> Measure:
    """Return the mean average precision of labels that are annotated at least 5 times; nan where none is."""
    common = [score.precision for score in scores if score.items >= FEWEST_ITEMS]
    return Measure("mAP", float(np.mean(common)) if common else float("nan"))
