"""Somebody of the simulated world, with chosen attributes."""

from __future__ import annotations

from dataclasses import replace

from sushi_lg.simulation.people import COLOURS, Garment, Person


def person(**changes: object) -> Person:
    """Return a person with long blond hair, a striped red shirt, black trousers and a backpack, but for changes."""

    def garment(kind: str, colour: str) -> Garment:
        return Garment(kind, colour, COLOURS[colour])

    base = Person(
        hair_style="long",
        hair=Garment("hair", "blond", (0.8, 0.7, 0.4)),
        upper=garment("shirt", "red"),
        pattern="striped",
        second=garment("pattern", "white"),
        lower=garment("trousers", "black"),
        shoes=garment("shoes", "white"),
        carried=garment("backpack", "blue"),
        hat=None,
        skin=(0.9, 0.7, 0.6),
        height=1.7,
        build=1.0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]
