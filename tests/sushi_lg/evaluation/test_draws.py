from __future__ import annotations

import numpy as np

from sushi_lg.evaluation.draws import Interval, draw_times, interval


def test_every_draw_has_as_many_as_there_are() -> None:
    draws = draw_times(7, 50)
    assert draws.shape == (50, 7) and (draws.sum(axis=1) == 7).all()
    assert (draws == draw_times(7, 50)).all() and (draws != draw_times(7, 50, 1)).any()


def test_a_generator_is_drawn_from() -> None:
    random = np.random.default_rng(0)
    first, second = draw_times(7, 50, random), draw_times(7, 50, random)
    assert (first == draw_times(7, 50)).all() and (first != second).any()


def test_an_interval_leaves_a_fortieth_to_either_side() -> None:
    assert interval(np.arange(1001.0)) == Interval(25.0, 975.0)
