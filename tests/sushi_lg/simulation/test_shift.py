"""The measure of a shift between domains, on vectors whose answer is known, and on a training that is seen to learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sushi_lg.appearance.registry import load_embedder
from sushi_lg.simulation.scenes import DOMAINS
from sushi_lg.simulation.shift import Looks, collect_looks, measure_shift, same_person_auc
from sushi_lg.simulation.world import simulate


def looks(identity: list[int], seconds: list[float]) -> Looks:
    return Looks(np.zeros((len(identity), 64, 32, 3), np.uint8), np.array(identity), np.array(seconds), {})


def test_auc_of_vectors_that_tell_all_nothing_and_the_opposite() -> None:
    seen = looks([0, 0, 1, 1], [0, 3, 0, 3])
    apart = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert same_person_auc(apart, seen) == 1.0
    assert same_person_auc(np.ones((4, 2), np.float32), seen) == 0.5
    crossed = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], np.float32)  # each like the other one later on
    assert same_person_auc(crossed, seen) == 0.0


def test_pairs_close_in_time_do_not_count() -> None:
    seen = looks([0, 0, 1, 0], [0, 1, 0, 5])
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [1, 0]], np.float32)
    # over 2 s apart: (0, 3) of one person, alike; (1, 3) of one person, opposite; (2, 3) of two, in between
    assert same_person_auc(vectors, seen) == 0.5


def test_without_pairs_of_both_kinds_there_is_no_answer() -> None:
    with pytest.raises(ValueError, match="pairs"):
        same_person_auc(np.ones((2, 2), np.float32), looks([0, 0], [0, 5]))


def test_a_network_learns_who_is_who_by_day() -> None:
    domain = replace(DOMAINS["plaza"], frames=90)
    train = {"plaza": [collect_looks(simulate(domain, number=k), every=15) for k in (1, 2, 3)]}
    test = {"plaza": [collect_looks(simulate(domain, split="test"), every=15, embedders=[load_embedder("hsv")])]}
    seen = test["plaza"][0]
    assert seen.crops.shape[1:] == (64, 32, 3) and len(seen.vectors["hsv"]) == len(seen.crops)
    untrained = measure_shift(train, test, steps=3)
    assert untrained == measure_shift(train, test, steps=3), "the same seed, the same numbers"
    trained = measure_shift(train, test, steps=30)
    assert trained["plaza", "plaza"] > max(0.75, untrained["plaza", "plaza"])
    assert trained["hsv", "plaza"] > 0.85
