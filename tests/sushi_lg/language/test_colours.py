from __future__ import annotations

import numpy as np
import pytest
from people import BGR, person_crop

from sushi_lg.language.colours import NAMES, balance, colour_shares, name_pixels, person_weight, say_colour, vote


def _shares(**known: float) -> np.ndarray:
    return np.array([known.get(name, 0.0) for name in NAMES])


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_colour_has_its_name(name: str) -> None:
    patch = np.full((2, 3, 3), BGR[name], np.uint8)
    assert {NAMES[number] for number in name_pixels(patch).ravel()} == {name}


def test_every_colour_has_some_name() -> None:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    numbers = name_pixels(cube)
    assert numbers.min() >= 0 and set(np.unique(numbers)) == set(range(len(NAMES)))


def test_shares_are_weighted() -> None:
    picture = np.zeros((1, 2, 3), np.uint8)
    picture[0, 0], picture[0, 1] = BGR["red"], BGR["blue"]
    shares = colour_shares(picture, np.array([[3.0, 1.0]]))
    np.testing.assert_allclose(shares, _shares(red=0.75, blue=0.25))
    assert not colour_shares(picture, np.zeros((1, 2))).any()


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        (_shares(red=0.9, grey=0.1), "red"),
        (_shares(black=0.45, blue=0.4, grey=0.15), "dark blue"),
        (_shares(grey=0.5, white=0.4, red=0.1), "light grey"),
        (_shares(red=0.45, blue=0.4, grey=0.15), "red and blue"),
        (_shares(black=0.36, red=0.3, blue=0.22, grey=0.12), "dark blue and red"),
        (_shares(blue=0.35, grey=0.31, black=0.18, red=0.16), "greyish blue"),
        (_shares(red=0.2, blue=0.2, green=0.2, white=0.2, brown=0.2), None),
        (np.zeros(len(NAMES)), None),
    ],
)
def test_a_word_is_said_where_it_is_clear(shares: np.ndarray, word: str | None) -> None:
    assert say_colour(shares) == word


def test_a_vote_forgets_the_view_with_somebody_in_front() -> None:
    views = np.stack([_shares(red=0.9, grey=0.1)] * 3 + [_shares(green=1.0)])
    np.testing.assert_allclose(vote(views, np.ones(4)), _shares(red=0.9, grey=0.1))
    assert not vote(np.zeros((2, len(NAMES))), np.ones(2)).any()


def test_the_weight_of_two_views_is_their_quality() -> None:
    views = np.stack([_shares(red=1.0), _shares(red=0.5, blue=0.5)])
    np.testing.assert_allclose(vote(views, np.array([0.75, 0.25])), _shares(red=0.875, blue=0.125))


def test_views_of_different_things_have_no_mean() -> None:
    assert not vote(np.stack([_shares(red=1.0), _shares(green=1.0), _shares(blue=1.0)]), np.ones(3)).any()


def test_a_cast_is_taken_out() -> None:
    grey = np.full((2, 2, 3), 120, np.uint8)
    gain = (0.5, 1.0, 2.0)
    tinted = balance(grey, gain)
    assert tinted[0, 0, 0] < 120 == tinted[0, 0, 1] < tinted[0, 0, 2]
    back = balance(tinted, (2.0, 1.0, 0.5))
    np.testing.assert_allclose(back.astype(int), grey, atol=1)
    assert balance(grey, (1.0, 1.0, 1.0)) is grey


def test_a_person_weighs_more_than_the_wall() -> None:
    crop = person_crop("red", "blue")
    weight = person_weight(crop)
    assert weight.shape == crop.shape[:2]
    upper = slice(20, 44)
    person = name_pixels(crop)[upper] == NAMES.index("red")
    assert weight[upper][person].mean() > 4 * weight[upper][~person].mean()
    np.testing.assert_array_equal(weight, person_weight(crop))


@pytest.mark.parametrize("size", [(2, 2), (15, 40), (96, 48)])
def test_crops_without_anything_in_them_still_have_a_middle(size: tuple[int, int]) -> None:
    weight = person_weight(np.full((*size, 3), 90, np.uint8))
    assert weight.shape == size and np.isfinite(weight).all() and weight.sum() > 0
