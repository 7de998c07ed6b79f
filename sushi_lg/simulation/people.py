"""Who walks about: attributes with words and with albedos, and the true sentence about a person.

Two people of the same words still differ a little, because every garment has its own shade of its colour. In a crowd
some dress much alike (all but one or two attributes are shared), so that colour alone does not tell them apart.

Colours are red, green, blue, 0 .. 1: the value a pixel has in white light of strength 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

Colour = tuple[float, float, float]

COLOURS: Final[dict[str, Colour]] = {
    "black": (0.10, 0.10, 0.11),
    "grey": (0.45, 0.45, 0.46),
    "white": (0.90, 0.90, 0.88),
    "red": (0.75, 0.12, 0.12),
    "orange": (0.90, 0.45, 0.08),
    "yellow": (0.90, 0.80, 0.15),
    "green": (0.14, 0.52, 0.20),
    "blue": (0.12, 0.24, 0.68),
    "purple": (0.45, 0.16, 0.55),
    "pink": (0.92, 0.55, 0.68),
    "brown": (0.38, 0.24, 0.14),
    "beige": (0.76, 0.66, 0.48),
}
HAIR_COLOURS: Final[dict[str, Colour]] = {
    "black": (0.08, 0.07, 0.07),
    "brown": (0.32, 0.20, 0.12),
    "blond": (0.85, 0.70, 0.38),
    "red": (0.62, 0.26, 0.10),
    "grey": (0.62, 0.62, 0.63),
}
SKINS: Final[tuple[Colour, ...]] = ((0.93, 0.76, 0.65), (0.84, 0.63, 0.49), (0.64, 0.44, 0.32), (0.42, 0.28, 0.20))

# what can be worn, with how often
UPPER_COLOURS: Final = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink")
LOWER_COLOURS: Final = ("black", "grey", "white", "red", "green", "blue", "brown", "beige")
SHOE_COLOURS: Final = ("black", "white", "red", "brown")
THING_COLOURS: Final = ("black", "red", "yellow", "green", "blue", "brown")
UPPER_KINDS: Final = {"shirt": 0.4, "T-shirt": 0.4, "coat": 0.2}
PATTERNS: Final = {"plain": 0.4, "striped": 0.2, "two-tone": 0.2, "logo": 0.2}
LOWER_KINDS: Final = {"trousers": 0.55, "shorts": 0.25, "skirt": 0.2}
HAIR_STYLES: Final = {"short": 0.45, "long": 0.4, "bald": 0.15}
CARRIED: Final = {"": 0.4, "backpack": 0.22, "handbag": 0.16, "suitcase": 0.12, "umbrella": 0.1}
HAT: Final = 0.22

_ALIKE_SHARE: Final = 0.6  # of a crowd
_ALIKE_SIZES: Final = (3, 4)  # people in a company that dresses alike
_JITTER: Final = 0.07  # standard deviation of a garment's brightness
_TINT: Final = 0.035  # the same of each of its channels
_TRAITS: Final = (
    "hair",
    "upper colour",
    "upper kind",
    "pattern",
    "lower colour",
    "lower kind",
    "shoes",
    "carried",
    "hat",
)


@dataclass(frozen=True)
class Garment:
    """A piece of clothing or a thing: what it is called and the albedo it has."""

    kind: str
    colour: str
    albedo: Colour


@dataclass(frozen=True)
class Person:
    """How somebody looks, in words and in numbers.

    Attributes:
        hair_style: short, long or bald.
        hair: kind "hair".
        upper: kind shirt (long sleeves), T-shirt (short sleeves) or coat (to the knees).
        pattern: plain, striped, two-tone or logo.
        second: the other colour of a pattern.
        lower: kind trousers, shorts or skirt.
        shoes: kind "shoes".
        carried: kind backpack, handbag, suitcase or umbrella; None = nothing.
        hat: kind "hat", or None.
        skin: albedo.
        height: metres.
        build: width of the body, 1 = usual.
    """

    hair_style: str
    hair: Garment
    upper: Garment
    pattern: str
    second: Garment
    lower: Garment
    shoes: Garment
    carried: Garment | None
    hat: Garment | None
    skin: Colour
    height: float
    build: float


def dress_crowd(rng: np.random.Generator, count: int) -> list[Person]:
    """Return ``count`` people in random order; about 60 % of them belong to companies of 3 or 4 that dress alike."""
    people: list[Person] = []
    while len(people) < round(_ALIKE_SHARE * count):
        model = _random_person(rng)
        size = min(int(rng.choice(_ALIKE_SIZES)), count - len(people))
        people.extend(_variant(rng, model) for _ in range(size))
    people.extend(_random_person(rng) for _ in range(count - len(people)))
    return [people[k] for k in rng.permutation(count)]


def attributes(person: Person) -> dict[str, str]:
    """Return the words about a person by attribute; what somebody does not have is left out."""
    words = {
        "hair": "bald" if person.hair_style == "bald" else f"{person.hair_style} {person.hair.colour}",
        "upper": _upper_words(person),
        "lower": f"{person.lower.colour} {person.lower.kind}",
        "shoes": person.shoes.colour,
    }
    if person.carried is not None:
        words["carried"] = f"{person.carried.colour} {person.carried.kind}"
    if person.hat is not None:
        words["accessory"] = f"{person.hat.colour} hat"
    return words


def sentence(person: Person) -> str:
    """Return one true sentence about a person, as LG-MOT's annotators write them."""
    words = attributes(person)
    bald = person.hair_style == "bald"
    who = "A bald person" if bald else f"A person with {words['hair']} hair"
    lower = words["lower"] if person.lower.kind != "skirt" else f"a {words['lower']}"
    worn = [_with_article(words["upper"]), lower, f"{words['shoes']} shoes"]
    if "accessory" in words:
        worn.append(_with_article(words["accessory"]))
    text = f"{who} wearing {', '.join(worn[:-1])} and {worn[-1]}"
    return f"{text}, carrying {_with_article(words['carried'])}." if "carried" in words else f"{text}."


def _upper_words(person: Person) -> str:
    colour, kind = person.upper.colour, person.upper.kind
    if person.pattern == "striped":
        return f"striped {colour} and {person.second.colour} {kind}"
    if person.pattern == "two-tone":
        return f"two-tone {colour} and {person.second.colour} {kind}"
    return f"{colour} {kind} with a {person.second.colour} logo" if person.pattern == "logo" else f"{colour} {kind}"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def _random_person(rng: np.random.Generator) -> Person:
    upper = str(rng.choice(UPPER_COLOURS))
    thing = _pick(rng, CARRIED)
    return Person(
        hair_style=_pick(rng, HAIR_STYLES),
        hair=_hair(rng, str(rng.choice(list(HAIR_COLOURS)))),
        upper=_garment(rng, _pick(rng, UPPER_KINDS), upper),
        pattern=_pick(rng, PATTERNS),
        second=_garment(rng, "pattern", _other(rng, UPPER_COLOURS, upper)),
        lower=_garment(rng, _pick(rng, LOWER_KINDS), str(rng.choice(LOWER_COLOURS))),
        shoes=_garment(rng, "shoes", str(rng.choice(SHOE_COLOURS))),
        carried=_garment(rng, thing, str(rng.choice(THING_COLOURS))) if thing else None,
        hat=_garment(rng, "hat", str(rng.choice(THING_COLOURS))) if rng.random() < HAT else None,
        skin=_skin(rng),
        height=_height(rng),
        build=_build(rng),
    )


def _variant(rng: np.random.Generator, model: Person) -> Person:
    """Return somebody with the words of ``model`` in all but one or two traits, and garments of their own shade."""
    person = replace(
        model,
        hair=_hair(rng, model.hair.colour),
        upper=_garment(rng, model.upper.kind, model.upper.colour),
        second=_garment(rng, "pattern", model.second.colour),
        lower=_garment(rng, model.lower.kind, model.lower.colour),
        shoes=_garment(rng, "shoes", model.shoes.colour),
        carried=None if model.carried is None else _garment(rng, model.carried.kind, model.carried.colour),
        hat=None if model.hat is None else _garment(rng, "hat", model.hat.colour),
        skin=_skin(rng),
        height=_height(rng),
        build=_build(rng),
    )
    other = _random_person(rng)
    for trait in rng.choice(_TRAITS, size=int(rng.integers(1, 3)), replace=False):
        person = _exchange(rng, person, other, str(trait))
    return person


def _exchange(rng: np.random.Generator, person: Person, other: Person, trait: str) -> Person:
    """Return ``person`` with one trait of ``other``."""
    if trait == "hair":
        return replace(person, hair_style=other.hair_style, hair=other.hair)
    if trait == "upper colour":
        colour = _other(rng, UPPER_COLOURS, person.upper.colour, person.second.colour)
        return replace(person, upper=_garment(rng, person.upper.kind, colour))
    if trait == "upper kind":
        return replace(person, upper=replace(person.upper, kind=other.upper.kind))
    if trait == "pattern":
        return replace(person, pattern=other.pattern)
    if trait == "lower colour":
        colour = _other(rng, LOWER_COLOURS, person.lower.colour)
        return replace(person, lower=_garment(rng, person.lower.kind, colour))
    if trait == "lower kind":
        return replace(person, lower=replace(person.lower, kind=other.lower.kind))
    if trait == "shoes":
        return replace(person, shoes=other.shoes)
    return replace(person, carried=other.carried) if trait == "carried" else replace(person, hat=other.hat)


def _skin(rng: np.random.Generator) -> Colour:
    return _shade(rng, SKINS[int(rng.integers(len(SKINS)))])


def _height(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(1.72, 0.08), 1.52, 1.95))


def _build(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(1.0, 0.09), 0.8, 1.25))


def _hair(rng: np.random.Generator, colour: str) -> Garment:
    return Garment("hair", colour, _shade(rng, HAIR_COLOURS[colour]))


def _garment(rng: np.random.Generator, kind: str, colour: str) -> Garment:
    return Garment(kind, colour, _shade(rng, COLOURS[colour]))


def _shade(rng: np.random.Generator, colour: Colour) -> Colour:
    factor = np.exp(rng.normal(0, _JITTER) + rng.normal(0, _TINT, 3))
    lifted = np.clip(np.array(colour) * factor + abs(rng.normal(0, 0.012)), 0.02, 0.97)
    return float(lifted[0]), float(lifted[1]), float(lifted[2])


def _pick(rng: np.random.Generator, table: dict[str, float]) -> str:
    return str(rng.choice(list(table), p=list(table.values())))


def _other(rng: np.random.Generator, colours: tuple[str, ...], *taken: str) -> str:
    return str(rng.choice([colour for colour in colours if colour not in taken]))
