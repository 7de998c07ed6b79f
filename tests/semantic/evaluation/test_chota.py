from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import LENGTH, clip_of, said, small_world, standing
from trackeval.metrics import HOTA

from semantic.evaluation.captions import cider_scores
from semantic.evaluation.chota import chota_measures, match_boxes, repeated_cider
from semantic.evaluation.lists import Record
from semantic.evaluation.matching import paired_overlap
from semantic.structures import Track

AT_HALF = 9  # of the thresholds 0.05, 0.10, ... 0.95


def values(records: list[tuple[Record | None, Record]]) -> dict[str, float]:
    return {measure.name: measure.value for measure in chota_measures(records, str.split)[0]}


def hota(predicted: list[Track], people: list[Track]) -> tuple[float, float]:
    """DetA and AssA at an overlap of 0.5 by TrackEval."""
    frames = range(LENGTH)
    ours = [[(k, t.boxes_xyxy[0]) for k, t in enumerate(predicted) if f in t.frame] for f in frames]
    theirs = [[(k, t.boxes_xyxy[0]) for k, t in enumerate(people) if f in t.frame] for f in frames]
    overlaps = [
        np.array([[float(paired_overlap(p, g)) for _, p in o] for _, g in t]).reshape(len(t), len(o))
        for o, t in zip(ours, theirs, strict=True)
    ]
    found = HOTA().eval_sequence(
        {
            "num_tracker_dets": sum(map(len, ours)),
            "num_gt_dets": sum(map(len, theirs)),
            "num_tracker_ids": len(predicted),
            "num_gt_ids": len(people),
            "gt_ids": [np.array([k for k, _ in row], dtype=int) for row in theirs],
            "tracker_ids": [np.array([k for k, _ in row], dtype=int) for row in ours],
            "similarity_scores": overlaps,
        }
    )
    return float(found["DetA"][AT_HALF]), float(found["AssA"][AT_HALF])


SPANS = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH), st.integers(0, 30))


@settings(max_examples=80, deadline=None)
@given(st.lists(SPANS, max_size=4), st.lists(SPANS, min_size=1, max_size=4))
def test_detection_and_association_are_those_of_trackeval(
    ours: list[tuple[int, int, int]], theirs: list[tuple[int, int, int]]
) -> None:
    # no two overlaps are equal, so that there is one best choice
    predicted, people = (
        [
            standing(k, 4 * left + 0.137 * (k + 1) * step, range(first, min(first + length, LENGTH)))
            for k, (first, length, left) in enumerate(spans)
        ]
        for spans, step in ((ours, 1.0), (theirs, 1.61))
    )
    record = (clip_of("c", predicted), said("c", {})), (clip_of("c", people), said("c", {}))
    found = values([record])
    assert (found["DetA"], found["AssA"]) == pytest.approx(hota(predicted, people))


def test_boxes_are_matched_by_the_whole_clip_first() -> None:
    # where both are near, the track that stays with the person keeps it, also where the other is nearer
    person = standing(1, 100)
    near, loyal = standing(2, 101, [0]), standing(3, 104)
    assert match_boxes([near, loyal], [person]).tolist() == [[0.0], [8.0]]


def test_captions_count_a_box_each_and_only_where_there_is_a_reference() -> None:
    people = [standing(1, 10), standing(2, 200, range(4)), standing(3, 400)]
    captions = {1: "a man in red walks", 2: "a woman talks to a child"}
    truth = clip_of("c", people), said("c", captions)
    measures, boxes = chota_measures([(truth, truth)], str.split)
    assert boxes == 12
    found = {measure.name: measure.value for measure in measures}
    assert found["DetA"] == found["AssA"] == 1.0
    assert 5.4 < found["CapA2"] < 5.5  # the mean of a CIDEr of 10 and a METEOR that stays just below 1
    assert found["CHOTA2"] == pytest.approx(np.cbrt(found["CapA2"]))


def test_one_described_person_has_no_cider_as_in_the_published_code() -> None:
    truth = clip_of("c", [standing(1, 10)]), said("c", {1: "a man in red walks"})
    assert 0.45 < values([(truth, truth)])["CapA2"] < 0.5


def test_clips_without_results_cost_detection() -> None:
    records = small_world(2)
    found = values([(records[0], records[0]), (None, records[1])])
    assert found["DetA"] == 0.5 and found["AssA"] == 1.0


def test_nothing_matched_is_zero() -> None:
    [truth] = small_world(1)
    elsewhere = clip_of(truth[0].name, [standing(1, 590)]), said(truth[0].name, {})
    assert values([(elsewhere, truth)]) == {"DetA": 0.0, "AssA": 0.0, "CapA2": 0.0, "CHOTA2": 0.0}


def test_silence_costs_captions_only() -> None:
    records = small_world(2)
    silent = [((clip, replace(semantics, captions=())), (clip, semantics)) for clip, semantics in records]
    assert values(silent) == {"DetA": 1.0, "AssA": 1.0, "CapA2": 0.0, "CHOTA2": 0.0}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(*(st.lists(st.sampled_from("a man walks red hat".split()), min_size=1, max_size=6),) * 2),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
)
def test_cider_of_repeated_pairs_is_that_of_a_longer_list(
    pairs: list[tuple[list[str], list[str]]], counts: list[int]
) -> None:
    candidates, references = [list(texts) for texts in zip(*pairs, strict=True)]
    counts = counts[: len(pairs)]
    once = repeated_cider(references, candidates, counts)
    long = [number for number, count in enumerate(counts) for _ in range(count)]
    each = cider_scores([" ".join(references[k]) for k in long], [" ".join(candidates[k]) for k in long])
    assert [once[k] for k in long] == pytest.approx(each, abs=1e-9)


def test_sums_of_clips_make_the_values() -> None:
    records = small_world(3)
    measures, _ = chota_measures([(records[1], records[0]), (None, records[1]), (records[2], records[2])], str.split)
    for measure in measures:
        assert measure.sums is not None and measure.formula is not None and measure.sums.shape[0] == 3
        assert measure.formula(measure.sums.sum(axis=0, keepdims=True))[0] == pytest.approx(measure.value)
