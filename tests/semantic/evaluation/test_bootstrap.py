from __future__ import annotations

import numpy as np
from spoken import interaction

from semantic.evaluation.bootstrap import DRAWS, measure_interval
from semantic.evaluation.interactions import label_class, macro_f1, open_measures
from semantic.evaluation.lists import ClipLabels, LabelPair
from semantic.evaluation.measures import Measure, mean_measure, ratio
from sushi_lg.evaluation.draws import draw_times


def test_an_interval_is_about_two_standard_errors_to_either_side() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=400)
    found = measure_interval(mean_measure("x", values, range(400), 400), draw_times(400, 4000))
    error = values.std() / 20
    assert found is not None
    assert abs(found.low - (values.mean() - 1.96 * error)) < 0.2 * error
    assert abs(found.high - (values.mean() + 1.96 * error)) < 0.2 * error


def test_clips_are_drawn_whole() -> None:
    # two clips of a hundred equal values each: only three means can come out
    measure = mean_measure("x", [0.0] * 100 + [1.0] * 100, [0] * 100 + [1] * 100, 2)
    assert measure.formula is not None and measure.sums is not None
    assert set(measure.formula(draw_times(2, 200) @ measure.sums).tolist()) == {0.0, 0.5, 1.0}


def test_draws_with_nothing_to_measure_do_not_count() -> None:
    measure = Measure("x", 1.0, np.array([[1.0, 1.0], [0.0, 0.0]]), ratio)
    found = measure_interval(measure, draw_times(2, 100))
    assert found is not None and (found.low, found.high) == (1.0, 1.0)


def test_what_is_no_number_or_does_not_follow_from_sums_has_no_interval() -> None:
    draws = draw_times(2, 10)
    assert measure_interval(Measure("x", 0.5), draws) is None
    assert measure_interval(mean_measure("x", [], [], 2), draws) is None


def test_clips_without_labels_say_nothing_about_labels() -> None:
    empty, talking = (
        ClipLabels((), ()),
        ClipLabels(((interaction(1, 2, "talk.v.01"), (1, 2)),), (interaction(1, 2, "talk.v.01"),)),
    )
    for measure in open_measures([talking, empty], label_class):
        found = measure_interval(measure, draw_times(2, 100))
        assert found is not None and (found.low, found.high) == (1.0, 1.0)


def test_where_no_draw_has_anything_to_measure_there_is_no_interval() -> None:
    measure = Measure("x", 1.0, np.array([[1.0, 1.0], [0.0, 0.0]]), ratio)
    assert measure_interval(measure, np.array([[0.0, 2.0]])) is None


def test_a_label_that_no_drawn_clip_has_is_not_a_label_that_was_missed() -> None:
    look, talk = interaction(1, 2, "look.v.01"), interaction(1, 2, "talk.v.01")
    pairs = [LabelPair(0, (look,), (look,))] * 5 + [LabelPair(clip, (talk,), (talk,)) for clip in range(1, 6)]
    found = measure_interval(macro_f1(pairs, 6, label_class), draw_times(6, DRAWS))
    assert found is not None and (found.low, found.high) == (1.0, 1.0)
