from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoken import standing

from semantic.evaluation.matching import LEAST_OVERLAP, Rule, match, mean_overlap, paired_overlap
from sushi_lg.errors import DataError


def box(*corners: float) -> np.ndarray:
    return np.array(corners, dtype=np.float64)


def test_overlap_by_hand() -> None:
    first, second = box(0, 0, 10, 10), box(5, 0, 15, 10)
    assert paired_overlap(first, second) == pytest.approx(50 / 150)
    assert paired_overlap(first, second, last_pixel=1) == pytest.approx(66 / (121 + 121 - 66))
    assert paired_overlap(first, box(20, 20, 30, 30)) == 0
    assert paired_overlap(box(3, 3, 3, 3), box(3, 3, 3, 3)) == 0  # empty


def test_mean_overlap_runs_over_shared_frames_only() -> None:
    whole, half, later = standing(1, 0), standing(2, 0, range(4)), standing(3, 0, range(4, 8))
    assert mean_overlap([half], [whole, later]).tolist() == [[1.0, 0.0]]


def test_boxes_include_their_last_pixel() -> None:
    assert mean_overlap([standing(1, 0)], [standing(2, 25)])[0, 0] == pytest.approx(26 / (51 + 51 - 26))


def test_argmax_may_give_one_person_to_many_and_needs_one_shared_frame() -> None:
    person = standing(7, 100)
    found = match([standing(1, 100, [3]), standing(2, 110), standing(3, 300)], [person], Rule.argmax, "clip")
    assert found == {1: 7, 2: 7}


def test_hungarian_gives_everybody_once_and_the_largest_sum() -> None:
    people = [standing(7, 100), standing(8, 120)]
    # both look most like 7; together they are best off when the second takes 8
    found = match([standing(1, 101), standing(2, 108)], people, Rule.hungarian, "clip")
    assert found == {1: 7, 2: 8}
    assert match([standing(1, 101), standing(2, 108)], people, Rule.argmax, "clip") == {1: 7, 2: 7}


def test_overlap_must_be_above_the_least() -> None:
    low = standing(1, 0, width=50)
    # 51 pixels wide with the last one; n shared columns give n / (102 - n)
    overlaps = {left: (51 - left) / (51 + left) for left in range(51)}
    below = min(left for left, value in overlaps.items() if value <= LEAST_OVERLAP)
    for rule in (Rule.argmax, Rule.hungarian):
        assert match([low], [standing(9, below)], rule, "clip") == {}
        assert match([low], [standing(9, below - 1)], rule, "clip") == {1: 9}


def test_of_equal_overlaps_the_person_that_appears_last_wins() -> None:
    early, late = standing(5, 100), standing(4, 100, range(2, 8))
    assert match([standing(1, 100)], [late, early], Rule.argmax, "clip") == {1: 4}


def test_annotated_tracks_keep_their_ids_and_others_are_refused() -> None:
    people = [standing(1, 0), standing(2, 200)]
    assert match([people[1]], people, Rule.gt, "clip") == {2: 2}
    for wrong in (standing(3, 0), standing(2, 300)):
        with pytest.raises(DataError, match="hungarian"):
            match([wrong], people, Rule.gt, "a/b")


def test_nobody_matches_nobody() -> None:
    for rule, (ours, theirs) in itertools.product(Rule, [([], []), ([standing(1, 0)], []), ([], [standing(1, 0)])]):
        if rule is Rule.gt and ours:
            continue
        assert match(ours, theirs, rule, "clip") == {}


PLACES = st.lists(st.integers(0, 12), max_size=5)


@given(PLACES, PLACES)
def test_hungarian_is_best_of_all_one_to_one_choices(ours: list[int], theirs: list[int]) -> None:
    predicted = [standing(k, 10.0 * left) for k, left in enumerate(ours)]
    people = [standing(k, 10.0 * left) for k, left in enumerate(theirs)]
    overlap = mean_overlap(predicted, people)
    allowed = np.where(overlap > LEAST_OVERLAP, overlap, 0)
    found = match(predicted, people, Rule.hungarian, "clip")
    assert len(set(found.values())) == len(found)
    total = sum(overlap[p, g] for p, g in found.items())
    square = np.zeros((5, 5))
    square[: len(ours), : len(theirs)] = allowed
    best = max(square[range(5), list(choice)].sum() for choice in itertools.permutations(range(5)))
    assert total == pytest.approx(best)
    many = match(predicted, people, Rule.argmax, "clip")
    assert len(found) <= len(many) and found.keys() <= many.keys()
