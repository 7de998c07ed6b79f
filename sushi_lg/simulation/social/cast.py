"""Who plays: people with a word for what they are, and ways to speak of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sushi_lg.simulation.people import UPPER_COLOURS, Person, attributes, dress_crowd

HEIGHTS: Final = {"man": (1.76, 0.06), "woman": (1.66, 0.06), "boy": (1.24, 0.09), "girl": (1.22, 0.09)}
_FEMALE: Final = ("woman", "girl")


@dataclass(frozen=True)
class Actor:
    """Somebody of a clip.

    Attributes:
        noun: man, woman, boy or girl.
        person: how he or she looks.
    """

    noun: str
    person: Person

    @property
    def is_female(self) -> bool:
        """Whether pronouns are she and her."""
        return self.noun in _FEMALE

    @property
    def words(self) -> dict[str, str]:
        """What can be said about the looks, by attribute."""
        return attributes(self.person)


def draw_cast(rng: np.random.Generator, nouns: list[str]) -> list[Actor]:
    """Return an actor for each noun; upper garments have colours of their own, as far as there are enough."""
    colours = [str(colour) for colour in rng.permutation(list(UPPER_COLOURS))]
    cast = []
    for k, noun in enumerate(nouns):
        person = dress_crowd(rng, 1)[0]
        while person.upper.colour != colours[k % len(colours)]:
            person = dress_crowd(rng, 1)[0]
        cast.append(Actor(noun, _as(rng, person, noun)))
    return cast


def _as(rng: np.random.Generator, person: Person, noun: str) -> Person:
    """Return ``person`` with what makes a man, woman, boy or girl, and with free hands."""
    mean, spread = HEIGHTS[noun]
    female = noun in _FEMALE
    style = person.hair_style
    if female:
        style = "long" if style == "bald" or rng.random() < 0.7 else style
    else:
        style = "bald" if style == "bald" and noun == "man" else "short"
    lower = person.lower
    if not female and lower.kind == "skirt":
        lower = replace(lower, kind="trousers" if rng.random() < 0.6 else "shorts")
    elif female and style == "short":
        lower = replace(lower, kind="skirt")  # otherwise nobody could tell
    carried = person.carried
    if carried is not None and carried.kind != "backpack":
        carried = None  # the other things hang on the right hand
    return replace(
        person,
        hair_style=style,
        lower=lower,
        carried=carried,
        height=float(np.clip(rng.normal(mean, spread), mean - 2 * spread, mean + 2 * spread)),
        build=float(np.clip(person.build * (0.93 if female else 1.03), 0.8, 1.25)),
    )
