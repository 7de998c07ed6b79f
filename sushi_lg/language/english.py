"""What all who write sentences need of English."""

from __future__ import annotations

from collections.abc import Sequence


def article(thing: str) -> str:
    """Return "a" or "an", by the first letter."""
    return "an" if thing[:1] in "aeiou" else "a"


def listed(things: Sequence[str]) -> str:
    """Return at least one thing as "this", "this and that", or "this, that and those"."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
