from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from spoken import interaction

from semantic.bensmot.vocabulary import ALIASES, LABELS, RAW_LABELS, merged, raw_slot
from semantic.evaluation.interactions import (
    LabelScore,
    average_precision,
    average_precisions,
    direction_accuracy,
    group_classes,
    label_class,
    lemma_class,
    macro_f1,
    mean_average_precision,
    open_measures,
    oracle_measures,
    oracle_measures_of_vectors,
    slot_class,
    synset_class,
)
from semantic.evaluation.lists import ClipLabels, LabelPair
from semantic.evaluation.measures import Measure
from semantic.structures import Interaction


def values(measures: list[Measure]) -> dict[str, float]:
    return {measure.name: measure.value for measure in measures}


def pair_of(said: dict[str, float], true: list[str], clip: int = 0, ends: tuple[int, int] = (1, 2)) -> LabelPair:
    return LabelPair(
        clip,
        tuple(interaction(*ends, label, probability, source="mllm") for label, probability in said.items()),
        tuple(interaction(*ends, label) for label in true),
    )


def vectors(*rows: set[int]) -> np.ndarray:
    found = np.zeros((len(rows), 360), dtype=bool)
    for row, slots in enumerate(rows):
        found[row, list(slots)] = True
    return found


def test_golden_values() -> None:
    measures = oracle_measures_of_vectors(vectors({5}, {5, 8}, set()), vectors({5, 7}, {5}, {9, 10}), [0, 0, 1], 2)
    assert values(measures) == pytest.approx({"P": 2 / 3, "R": 0.4, "F1": 0.5, "exact": 0.0})


def test_labels_hold_above_the_threshold_only() -> None:
    pair = pair_of({"talk.v.01": 0.4, "smile.v.01": 0.41}, ["talk.v.01", "smile.v.01"])
    assert values(oracle_measures([pair], 1, label_class)) == pytest.approx(
        {"P": 1.0, "R": 0.5, "F1": 2 / 3, "exact": 0.0}
    )


def test_a_single_label_in_all_clips_is_a_label_among_others() -> None:
    # a single column would be taken for a question with two answers, and the rows without it for right ones
    pairs = [pair_of({}, ["hold.v.01"]), pair_of({"hold.v.01": 1.0}, ["hold.v.01"])]
    assert values(oracle_measures(pairs, 1, label_class)) == pytest.approx(
        {"P": 1.0, "R": 0.5, "F1": 2 / 3, "exact": 0.5}
    )


def test_no_pairs_are_no_number_and_nothing_said_is_zero() -> None:
    assert np.isnan(list(values(oracle_measures([], 1, label_class)).values())).all()
    assert set(values(oracle_measures([pair_of({}, ["talk.v.01"])], 1, label_class)).values()) == {0.0}
    assert np.isnan(list(values(open_measures([ClipLabels((), ())], label_class)).values())).all()


@pytest.mark.parametrize(
    ("classes", "f1"), [(slot_class, 0.0), (label_class, 0.0), (synset_class, 1.0), (lemma_class, 0.0)]
)
def test_names_of_one_synset_are_the_same_when_merged(classes: object, f1: float) -> None:
    pair = pair_of({"hold.v.01": 1.0}, ["keep.v.01"])
    assert values(oracle_measures([pair], 1, classes))["F1"] == f1  # type: ignore[arg-type]


def test_senses_of_a_lemma_are_the_same_as_lemmas_only() -> None:
    pair = pair_of({"talk.v.02": 1.0}, ["talk.v.01"])
    assert values(oracle_measures([pair], 1, lemma_class))["F1"] == 1.0
    assert values(oracle_measures([pair], 1, synset_class))["F1"] == 0.0


def test_two_labels_that_merge_count_once() -> None:
    pair = pair_of({"look.v.01": 1.0, "look.v.1": 1.0}, ["look.v.01"])
    assert values(oracle_measures([pair], 1, synset_class))["P"] == 1.0
    assert values(oracle_measures([pair], 1, label_class))["P"] == 0.5


def test_annotations_keep_the_slot_of_their_spelling_and_predictions_take_the_right_one() -> None:
    annotated = interaction(1, 2, "smile.v.01", raw="simle.v.01")
    predicted = interaction(1, 2, "smile.v.01", raw="simle.v.01", source="mllm")
    assert slot_class(annotated) == raw_slot("simle.v.01") != slot_class(predicted) == raw_slot("smile.v.01")
    unknown = interaction(1, 2, "smile.v.01", raw="  Smile.v.01..")
    assert slot_class(unknown) == raw_slot("smile.v.01")


def test_every_label_and_every_spelling_has_a_slot() -> None:
    predicted = {slot_class(interaction(1, 2, label, source="mllm")) for label in LABELS}
    annotated = {slot_class(interaction(1, 2, ALIASES.get(raw, (raw,))[0], raw=raw)) for raw in RAW_LABELS}
    assert len(predicted) == 335 and annotated == set(range(1, 360)) and predicted <= annotated


def test_groups_of_meaning_have_the_known_sizes(wordnet: object) -> None:
    group = group_classes()
    assert group is not None
    sizes = Counter(group(interaction(1, 2, label)) for label in {merged(label) for label in LABELS})
    largest = {"contact": 76, "communication": 47, "motion": 46, "body": 25, "change": 20, "perception": 18}
    assert {name: sizes[f"verb.{name}"] for name in largest} == largest
    assert sizes["collision"] == 1  # no entry of WordNet


def test_without_wordnet_there_are_no_groups(no_wordnet: None) -> None:
    assert group_classes() is None


# -------------------------------------------------------------------------------------------------------- open pairs


def labels_of(predicted: list[tuple[Interaction, tuple[int, int] | None]], annotated: list[Interaction]) -> ClipLabels:
    return ClipLabels(tuple(predicted), tuple(annotated))


def test_open_pairs_count_labels_of_nobody_as_wrong_and_of_nobody_found_as_missed() -> None:
    clip = labels_of(
        [
            (interaction(1, 2, "talk.v.01"), (5, 6)),
            (interaction(2, 1, "talk.v.01"), (6, 5)),  # annotated in the other direction only
            (interaction(3, 1, "talk.v.01"), None),  # track 3 is nobody
            (interaction(1, 2, "smile.v.01", 0.3), (5, 6)),  # not held to be true
        ],
        [interaction(5, 6, "talk.v.01"), interaction(5, 6, "smile.v.01"), interaction(7, 5, "talk.v.01")],
    )
    assert values(open_measures([clip], label_class)) == pytest.approx({"P": 1 / 3, "R": 1 / 3, "F1": 1 / 3})


def test_a_person_found_twice_is_right_once() -> None:
    predicted = [(interaction(1, 2, "talk.v.01"), (5, 6)), (interaction(3, 2, "talk.v.01", 0.9), (5, 6))]
    clip = labels_of(predicted, [interaction(5, 6, "talk.v.01")])
    assert values(open_measures([clip], label_class)) == pytest.approx({"P": 0.5, "R": 1.0, "F1": 2 / 3})
    [score] = average_precisions([clip])
    assert score == LabelScore("talk.v.01", 1, 1.0)


def test_more_labels_cost_open_pairs_but_not_oracle_pairs() -> None:
    right = (interaction(1, 2, "talk.v.01"), (1, 2))
    wrong = [(interaction(a, b, "look.v.01"), (a, b)) for a, b in ((2, 3), (3, 1))]
    true = [interaction(1, 2, "talk.v.01")]
    few, many = labels_of([right], true), labels_of([right, *wrong], true)
    assert values(open_measures([few], label_class))["F1"] > values(open_measures([many], label_class))["F1"]


def test_macro_f1_counts_labels_with_five_items() -> None:
    pairs = [pair_of({"talk.v.01": 1.0}, ["talk.v.01"]) for _ in range(4)]
    assert np.isnan(macro_f1(pairs, 1, label_class).value)
    pairs.append(pair_of({"smile.v.01": 1.0}, ["talk.v.01", "look.v.01"]))
    assert macro_f1(pairs, 1, label_class).value == pytest.approx(2 * 4 / (4 + 5))


def test_direction_is_asked_where_both_sides_name_one() -> None:
    both = [interaction(1, 2, "smile.v.01"), interaction(2, 1, "smile.v.01")]
    clips = [
        labels_of([(interaction(7, 8, "talk.v.01"), (1, 2))], [interaction(1, 2, "talk.v.01")]),  # right
        labels_of([(interaction(7, 8, "push.v.01"), (1, 2))], [interaction(2, 1, "push.v.01")]),  # the other way round
        labels_of([(each, (each.active, each.passive)) for each in both], both[:1]),  # said of both: no direction
        labels_of([(both[0], (1, 2))], both),  # true of both
        labels_of([(both[0], (1, 2)), (both[0], None)], [interaction(1, 3, "smile.v.01")]),  # other people
    ]
    measure = direction_accuracy(clips)
    assert measure.value == 0.5
    assert measure.sums is not None and measure.sums.tolist() == [[1, 1], [0, 1], [0, 0], [0, 0], [0, 0]]
    assert np.isnan(direction_accuracy([]).value)


def test_average_precision_by_hand() -> None:
    assert average_precision([(0.9, True), (0.8, False), (0.7, True)], 2) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision([(0.9, True), (0.9, False)], 1) == pytest.approx(0.5)  # together
    assert average_precision([(0.9, True)], 4) == pytest.approx(0.25)  # three never found
    assert average_precision([], 3) == 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_average_precision_is_the_one_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    ranked = [(score / 5, hit) for score, hit in rows]
    right = [hit for _, hit in ranked]
    if any(right):
        expected = average_precision_score(right, [score for score, _ in ranked])
        assert average_precision(ranked, sum(right)) == pytest.approx(expected, abs=1e-12)
        assert average_precision(ranked, 2 * sum(right)) == pytest.approx(expected / 2, abs=1e-12)


def test_many_predictions_of_a_label_are_ranked_once() -> None:
    random = np.random.default_rng(0)
    ranked = [(float(score), bool(score > 0.5)) for score in random.random(200_000)]
    begin = time.perf_counter()
    assert average_precision(ranked, sum(hit for _, hit in ranked)) == pytest.approx(1.0)
    assert time.perf_counter() - begin < 20  # minutes where every score looks at all of them


def test_mean_average_precision_counts_labels_with_five_items() -> None:
    scores = [LabelScore("a", 5, 0.5), LabelScore("b", 9, 1.0), LabelScore("c", 4, 0.0)]
    assert mean_average_precision(scores).value == 0.75
    assert np.isnan(mean_average_precision(scores[2:]).value)


SETS = st.sets(st.sampled_from(("talk.v.01", "talk.v.02", "look.v.01", "look.v.1", "hold.v.01", "keep.v.01")))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(SETS, SETS.filter(bool), st.integers(0, 2)), min_size=1, max_size=8))
def test_sums_of_clips_make_the_values(rows: list[tuple[set[str], set[str], int]]) -> None:
    pairs = [pair_of(dict.fromkeys(said, 1.0), sorted(true), clip) for said, true, clip in rows]
    for classes in (label_class, synset_class, lemma_class):
        found = oracle_measures(pairs, 3, classes)
        for measure in [*found, macro_f1(pairs, 3, classes)]:
            assert measure.sums is not None and measure.formula is not None
            if not np.isnan(measure.value):
                assert measure.formula(measure.sums.sum(axis=0, keepdims=True))[0] == pytest.approx(measure.value)
        backwards = values(oracle_measures(pairs[::-1], 3, classes))
        assert backwards == pytest.approx(values(found))
