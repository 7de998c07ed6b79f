"""What people do to, or with, each other: kinds of acts, what BenSMOT calls them, and one act of a clip.

The labels are names of BenSMOT's vocabulary (Li et al., ECCV 2024). What both do to each other has the labels in both
directions, as in that data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ActKind:
    """A kind of act between two people.

    Attributes:
        labels: of the edge from who does it to whom it is done.
        returned: of the edge back; the same labels where both do it.
    """

    labels: tuple[str, ...]
    returned: tuple[str, ...] = ()

    @property
    def is_mutual(self) -> bool:
        """Whether both do the same."""
        return self.labels == self.returned


def _both(*labels: str) -> ActKind:
    return ActKind(labels, labels)


KINDS: Final[dict[str, ActKind]] = {
    "applaud": ActKind(("applaud.v.01",)),
    "approach": ActKind(("approach.v.01",)),
    "beckon": ActKind(("beckon.v.03",)),
    "chase": ActKind(("chase.v.01",), ("flee.v.01",)),
    "circle": ActKind(("circle.v.01",)),
    "collide": _both("collide.v.02"),
    "dance": _both("dance.v.01"),
    "embrace": _both("embrace.v.02"),
    "explain": ActKind(("explain.v.01",), ("listen.v.01",)),
    "fight": _both("fight.v.02"),
    "follow": ActKind(("follow.v.01",)),
    "give": ActKind(("give.v.03",), ("receive.v.01",)),
    "hold_hands": _both("hold.v.01"),
    "leave": ActKind(("leave.v.01",)),
    "look": ActKind(("look.v.01",)),
    "obstruct": ActKind(("obstruct.v.01",)),
    "pass": ActKind(("pass.v.01",)),
    "photograph": ActKind(("photograph.v.01",), ("model.v.03",)),
    "point": ActKind(("point.v.10",)),
    "pull": ActKind(("pull.v.01",)),
    "push": ActKind(("push.v.01",)),
    "quarrel": _both("quarrel.v.01"),
    "shake_hands": _both("handshake.n.01"),
    "talk": _both("talk.v.01"),
    "throw": ActKind(("throw.v.01",), ("catch.v.04",)),
    "touch": ActKind(("touch.v.01",)),
    "walk_together": _both("walk.v.01"),
    "wave": ActKind(("beckon.v.01",)),
}
"""What two people can do, by name."""

ALONE: Final = ("stand", "stroll", "enter", "exit")
"""What somebody does without another; has no label."""


@dataclass(frozen=True)
class Act:
    """One act of a clip.

    Attributes:
        kind: key of ``KINDS``, or one of ``ALONE``.
        active: who does it; index of a person.
        passive: to whom, or with whom; None for what is done alone.
        first: frame in which it can be seen first, 0-based.
        last: the last one, included.
        thing: what is handed over or thrown, such as "red box"; else empty.
        side: left or right, where it leads to in the picture; else empty.
    """

    kind: str
    active: int
    passive: int | None
    first: int
    last: int
    thing: str = ""
    side: str = ""


def edges(act: Act) -> list[tuple[int, int, str]]:
    """Return (active, passive, label) of everything an act says about two people."""
    if act.passive is None:
        return []
    kind = KINDS[act.kind]
    return [(act.active, act.passive, label) for label in kind.labels] + [
        (act.passive, act.active, label) for label in kind.returned
    ]
