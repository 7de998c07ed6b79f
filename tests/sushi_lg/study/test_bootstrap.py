from __future__ import annotations

import numpy as np
import pytest

from sushi_lg.study.bootstrap import (
    CROSS_DOMAIN,
    DROP,
    IN_DOMAIN,
    aggregates,
    difference,
    draw,
    drawn_values,
    seed_values,
)

IDTP, IDFN, IDFP = 76, 77, 78  # columns of sums


def cell(idf1: np.ndarray, boxes: float = 1000.0) -> np.ndarray:
    """Return (K, S, F) sums of sequences of equal size with these IDF1, (K, S) in percent."""
    sums = np.zeros((*idf1.shape, 83))
    sums[..., IDTP] = boxes * idf1 / 100
    sums[..., IDFN] = sums[..., IDFP] = boxes - sums[..., IDTP]
    return sums


def test_interval_of_sequences_is_that_of_the_mean() -> None:
    """Sequences of equal size: combined IDF1 is their mean, whose spread over draws is known."""
    values = np.random.default_rng(4).normal(60, 5, (1, 40))
    cells = {("a", "a"): cell(values)}
    both, alone = drawn_values(cells, draw({"a": 40}, ["a"], 1))
    drawn = alone["IDF1"]["a", "a"]
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.05)
    assert drawn.std() == pytest.approx(values.std() / np.sqrt(40), rel=0.03)
    assert np.allclose(both["IDF1"]["a", "a"], drawn)  # one seed adds nothing


def test_interval_of_seeds_where_all_sequences_agree() -> None:
    values = np.array([50.0, 52, 54, 56, 58])
    cells = {("a", "b"): cell(np.repeat(values[:, None], 3, axis=1))}
    both, alone = drawn_values(cells, draw({"b": 3}, ["a"], 5))
    assert np.allclose(alone["IDF1"]["a", "b"], 54)
    assert both["IDF1"]["a", "b"].std() == pytest.approx(values.std() / np.sqrt(5), rel=0.03)


def test_draws_are_paired_so_that_a_constant_gain_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(50, 10, (3, 8))  # hard and easy sequences, good and bad seeds
    drawn = draw({"b": 8}, ["a"], 3)
    before, after = (
        drawn_values({("a", "b"): cell(values)}, drawn)[0]["IDF1"]["a", "b"] for values in (base, base + 5)
    )
    found = difference(5.0, np.full(3, 5.0), after - before, after - before)
    assert found.interval.low == pytest.approx(5) and found.interval.high == pytest.approx(5)
    assert before.std() > 1  # unpaired it would be wide


def test_interval_covers_as_often_as_it_says() -> None:
    """Gains with a true mean of 2 over sequences and trainings: about 95 % of intervals hold it."""
    rng = np.random.default_rng(7)
    hits = 0
    for number in range(200):
        gain = 2 + rng.normal(0, 2, 12) + rng.normal(0, 1, (8, 1)) + rng.normal(0, 1, (8, 12))
        base = rng.normal(50, 5, 12) + rng.normal(0, 2, (8, 1))
        drawn = draw({"b": 12}, ["a"], 8, draws=400, seed=number)
        before, after = (
            drawn_values({("a", "b"): cell(values)}, drawn)[0]["IDF1"]["a", "b"] for values in (base, base + gain)
        )
        found = difference(0.0, gain.mean(axis=1), after - before, after - before)
        hits += found.interval.low <= 2 <= found.interval.high
    assert 176 <= hits <= 198  # 88 to 99 %


def test_same_draws_every_time() -> None:
    first, second = (draw({"a": 4, "b": 2}, ["a"], 3, draws=50) for _ in range(2))
    for test in ("a", "b"):
        assert np.array_equal(first.sequences[test], second.sequences[test])
    assert first.sequences["a"].sum(axis=1).tolist() == [4.0] * 50
    assert np.allclose(first.seeds["a"].sum(axis=1), 1)


def test_combined_weighs_large_sequences_more() -> None:
    sums = np.concatenate([cell(np.array([[80.0]]), 3000), cell(np.array([[40.0]]), 1000)], axis=1)
    assert seed_values({("a", "a"): sums})["IDF1"]["a", "a"] == pytest.approx([70.0])


def test_means_of_cells() -> None:
    values = {
        ("a", "a"): np.array(80.0),
        ("b", "b"): np.array(60.0),
        ("a", "b"): np.array(50.0),
        ("b", "a"): np.array(48.0),
        ("a", "extra"): np.array(10.0),  # tested only: counts as cross-domain, not for the drop
        ("b", "extra"): np.array(20.0),
    }
    found = aggregates(values)
    assert found[IN_DOMAIN] == 70 and found[CROSS_DOMAIN] == 32
    assert found[DROP] == pytest.approx(100 * (1 - 49 / 70))
    assert set(aggregates({("a", "a"): np.array(1.0)})) == {IN_DOMAIN}
    assert set(aggregates({("a", "b"): np.array(1.0)})) == {CROSS_DOMAIN}
