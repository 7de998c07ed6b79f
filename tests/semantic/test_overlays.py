from __future__ import annotations

import itertools

import numpy as np
import pytest

from semantic.config import ViewConfig
from semantic.overlays import COLOURS, STYLES, Outline, assign_outlines, draw_view
from semantic.structures import Clip, Track, View

CONFIG = ViewConfig(least_side=40, longest_side=100)
# linear sRGB as protanopes and deuteranopes see it: Machado, Oliveira and Fernandes, 2009
SIGHTS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
)


def _clip(people: int) -> Clip:
    tracks = [Track(k + 1, np.array([0]), np.ones((1, 4)), np.ones(1), np.zeros(1, bool)) for k in range(people)]
    return Clip("c", 1, 2.0, np.array([[60, 60]]), tuple(tracks))


@pytest.mark.parametrize("sight", range(3), ids=["normal", "protanope", "deuteranope"])
def test_colours_are_told_apart_by_every_eye(sight: int) -> None:
    from sushi_lg.inspection.overlay import _oklab

    seen = {}
    for name, colour in COLOURS.items():
        encoded = np.array(colour[::-1]) / 255
        linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        seen[name] = _oklab(np.clip(linear @ SIGHTS[sight].T, 0, 1))
    apart = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(seen, 2)}
    assert min(apart.values()) > 0.14, min(apart, key=lambda pair: apart[pair])


def test_outlines_have_different_names() -> None:
    assert len({style.name for style in STYLES}) == 16
    assert Outline("red", True).name == "dashed red"


def test_a_few_people_have_colours_of_their_own_whoever_is_shown_together() -> None:
    given = assign_outlines(_clip(8), [])
    assert [given[k + 1].name for k in range(8)] == list(COLOURS)
    assert assign_outlines(_clip(8), [(1, 2), (3, 8)]) == given


def test_people_shown_together_are_told_apart_also_in_a_crowd() -> None:
    rng = np.random.default_rng(0)
    pairs = [tuple(int(x) + 1 for x in rng.choice(60, 2, replace=False)) for _ in range(120)]
    groups = [*pairs, tuple(range(1, 60, 5))]
    given = assign_outlines(_clip(60), groups)
    for group in groups:
        assert len({given[one] for one in group}) == len(group)
    assert assign_outlines(_clip(60), groups) == given
    many = assign_outlines(_clip(40), [tuple(range(1, 41))])
    assert len(set(many.values())) == 16


def _picture() -> np.ndarray:
    return np.full((60, 80, 3), 128, dtype=np.uint8)


def test_a_whole_frame_keeps_its_shape_and_shows_the_outline_where_the_box_is() -> None:
    box = {1: np.array([20.0, 10.0, 40.0, 50.0])}
    drawn = draw_view(_picture(), View(0, None, (1,)), box, {1: Outline("red")}, CONFIG)
    assert drawn.shape == (60, 80, 3)
    for x, y in ((20, 30), (40, 30), (30, 10), (30, 50)):
        assert tuple(drawn[y, x]) == COLOURS["red"]
    assert (drawn[30, 30] == 128).all() and (drawn[5, 5] == 128).all()


def test_a_crop_is_square_filled_with_its_mean_and_not_tiny() -> None:
    picture = _picture()
    picture[:, :40] = 10
    drawn = draw_view(picture, View(0, (0, 0, 10, 20), ()), {}, {}, CONFIG)
    assert drawn.shape == (40, 40, 3) and (drawn == 10).all()
    mixed = draw_view(picture, View(0, (30, 0, 50, 60), ()), {}, {}, CONFIG)
    assert mixed.shape == (60, 60, 3) and (mixed[:, 0] == 69).all()


def test_large_pictures_are_made_smaller() -> None:
    large = np.zeros((300, 400, 3), dtype=np.uint8)
    assert draw_view(large, View(0, None, ()), {}, {}, CONFIG).shape == (75, 100, 3)
    assert draw_view(large, View(0, (0, 0, 400, 100), ()), {}, {}, CONFIG).shape == (100, 100, 3)


def test_outlines_that_leave_the_view_are_drawn_at_its_edge() -> None:
    box = {1: np.array([-50.0, -50.0, 200.0, 200.0]), 2: np.array([70.0, 10.0, 90.0, 50.0])}
    drawn = draw_view(_picture(), View(0, None, (1,)), box, {1: Outline("yellow")}, CONFIG)
    for x, y in ((1, 30), (78, 30), (40, 1), (40, 58)):
        assert tuple(drawn[y, x]) == COLOURS["yellow"]


def test_dashes_have_gaps_and_pictures_handed_in_stay_as_they_are() -> None:
    picture = _picture()
    picture.setflags(write=False)
    box = {1: np.array([10.0, 5.0, 70.0, 55.0])}
    whole = draw_view(picture, View(0, None, (1,)), box, {1: Outline("pink")}, CONFIG)
    dashed = draw_view(picture, View(0, None, (1,)), box, {1: Outline("pink", True)}, CONFIG)
    count = [(drawn == COLOURS["pink"]).all(axis=2).sum() for drawn in (whole, dashed)]
    assert 0.3 * count[0] < count[1] < 0.8 * count[0]


def test_who_is_not_there_is_not_outlined() -> None:
    assert (draw_view(_picture(), View(0, None, (1,)), {}, {1: Outline("red")}, CONFIG) == 128).all()


@pytest.mark.parametrize("box", [(-30, 10, -5, 40), (60, 10, 80, 40), (10, -50, 30, 0), (10, 61, 30, 90)])
def test_who_is_outside_of_what_is_shown_is_not_outlined(box: tuple[int, ...]) -> None:
    picture = np.full((60, 60, 3), 128, np.uint8)
    shown = draw_view(picture, View(0, None, (1,)), {1: np.array(box, float)}, {1: Outline("red")}, CONFIG)
    assert (shown == picture).all()
