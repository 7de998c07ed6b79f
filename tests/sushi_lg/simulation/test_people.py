"""Attributes, words and albedos agree; companies dress alike."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import person

from sushi_lg.simulation.people import COLOURS, Garment, Person, attributes, dress_crowd, sentence


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (
            person(),
            "A person with long blond hair wearing a striped red and white shirt, black trousers and white shoes, "
            "carrying a blue backpack.",
        ),
        (
            person(hair_style="bald", pattern="plain", carried=None, lower=Garment("skirt", "green", (0, 1, 0))),
            "A bald person wearing a red shirt, a green skirt and white shoes.",
        ),
        (
            person(
                pattern="logo",
                upper=Garment("coat", "orange", (1, 0.5, 0)),
                hat=Garment("hat", "red", (1, 0, 0)),
                carried=Garment("umbrella", "black", (0, 0, 0)),
            ),
            "A person with long blond hair wearing an orange coat with a white logo, black trousers, white shoes and "
            "a red hat, carrying a black umbrella.",
        ),
    ],
)
def test_sentence(who: Person, said: str) -> None:
    assert sentence(who) == said


def test_attributes_name_what_is_there_only() -> None:
    assert attributes(person()) == {
        "hair": "long blond",
        "upper": "striped red and white shirt",
        "lower": "black trousers",
        "shoes": "white",
        "carried": "blue backpack",
    }
    assert attributes(person(hair_style="bald"))["hair"] == "bald"
    assert "carried" not in attributes(person(carried=None))


def test_half_of_a_crowd_or_more_has_somebody_who_differs_in_two_attributes_at_most() -> None:
    for seed in range(10):
        words = [attributes(one) for one in dress_crowd(np.random.default_rng(seed), 15)]
        alike = 0
        for mine in words:
            apart = [
                sum(mine.get(key) != other.get(key) for key in mine | other) for other in words if other is not mine
            ]
            alike += min(apart) <= 4  # each of two may differ from their model in two
        assert alike >= 8, f"seed {seed}: {alike}"


def test_a_garment_has_the_colour_of_its_word_and_a_shade_of_its_own() -> None:
    crowd = [one for seed in range(40) for one in dress_crowd(np.random.default_rng(seed), 15)]
    reds = np.array([one.upper.albedo for one in crowd if one.upper.colour == "red"])
    assert len(np.unique(reds, axis=0)) > 0.9 * len(reds)
    for colour in ("red", "white", "blue", "black"):
        shades = np.array([one.upper.albedo for one in crowd if one.upper.colour == colour])
        np.testing.assert_allclose(shades.mean(axis=0), COLOURS[colour], atol=0.05)
        names = list(COLOURS)
        distance = np.abs(shades[:, None] - np.array(list(COLOURS.values()))).sum(axis=2)
        right = (distance.argmin(axis=1) == names.index(colour)).mean()
        assert right > 0.95, f"{colour}: {right:.2f} of the shades are nearest to their word"


def test_crowds_are_drawn_from_the_seed() -> None:
    assert dress_crowd(np.random.default_rng(3), 9) == dress_crowd(np.random.default_rng(3), 9)
    assert dress_crowd(np.random.default_rng(3), 9) != dress_crowd(np.random.default_rng(4), 9)
    assert len(dress_crowd(np.random.default_rng(0), 1)) == 1
