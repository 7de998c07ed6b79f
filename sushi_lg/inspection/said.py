"""What is said about people, written beside them while it holds, and what they do to each other, as links.

In: sentences about one person and labels about two, each with the frames they hold in. Out: plates and links on a
picture. A plate never leaves the picture and covers neither labels nor other plates; where there is no room for one it
is left out, and what is in front keeps its own. Text is not trusted: only printable letters are drawn, and not many.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sushi_lg.inspection.strokes import (
    DARK,
    LIGHT,
    Colour,
    Mask,
    Picture,
    Place,
    draw_plate,
    inside,
    overlap,
    plain,
    plate_size,
    text_mask,
)

_LETTERS, _LINES = 30, 3  # of a plate
_LABEL_LETTERS = 24
_CHEST = 0.35  # of the height of a box from its top: where a link begins


@dataclass(frozen=True)
class Statement:
    """A sentence about one person.

    Attributes:
        track_id: Who.
        text: What; cut where it is long.
        first_frame: 0-based.
        last_frame: The last one in which it holds, included.
    """

    track_id: int
    text: str
    first_frame: int
    last_frame: int


@dataclass(frozen=True)
class Link:
    """What one person does to another, or both together.

    Attributes:
        active: Who does it.
        passive: To whom.
        label: What.
        first_frame: 0-based.
        last_frame: The last one in which it holds, included.
        is_mutual: Both do it: a link without direction.
    """

    active: int
    passive: int
    label: str
    first_frame: int
    last_frame: int
    is_mutual: bool = False


class Said:
    """Statements and links of a video.

    Args:
        statements: In any order; of those that hold at once for a person the shortest span is shown, as the one that
            says most about this moment.
        links: In any order.
    """

    def __init__(self, statements: Iterable[Statement], links: Iterable[Link] = ()) -> None:
        self._statements: dict[int, list[Statement]] = {}
        for statement in sorted(statements, key=lambda s: (s.last_frame - s.first_frame, s.first_frame)):
            self._statements.setdefault(statement.track_id, []).append(statement)
        self._links = sorted(links, key=lambda link: (link.first_frame, link.active, link.passive, link.label))
        self._side: dict[object, int] = {}  # where a plate was last: it stays there while it can

    def statement(self, track_id: int, frame: int) -> Statement | None:
        """Return what is said about a person in a frame."""
        holding = (s for s in self._statements.get(track_id, ()) if s.first_frame <= frame <= s.last_frame)
        return next(holding, None)

    def links(self, frame: int) -> list[Link]:
        """Return the links that hold in a frame."""
        return [link for link in self._links if link.first_frame <= frame <= link.last_frame]

    def draw(
        self,
        picture: Picture,
        frame: int,
        unit: float,
        boxes: Mapping[int, NDArray[np.float64]],
        colours: Mapping[int, Colour],
        taken: list[Place],
    ) -> None:
        """Draw what is said in a frame.

        Args:
            picture: (H, W, 3) uint8, changed.
            frame: 0-based.
            unit: Pixels of a hair line.
            boxes: (4,) left, top, width, height in pixels of the picture, by track id, nearest person first.
            colours: By track id.
            taken: Places nothing may be written on; those of the plates are added.
        """
        together: dict[tuple[int, int], list[str]] = {}
        for link in self.links(frame):
            if link.active in boxes and link.passive in boxes:
                pair = (link.active, link.passive)
                if link.is_mutual and pair[0] > pair[1]:
                    pair = pair[::-1]
                label = plain(link.label)[:_LABEL_LETTERS]
                labels = together.setdefault(pair, [])
                if not labels:
                    _draw_link(picture, boxes[pair[0]], boxes[pair[1]], unit, has_end=not link.is_mutual)
                if label not in labels:
                    labels.append(label)
        for pair, labels in together.items():
            self._write_link(picture, ", ".join(labels), boxes[pair[0]], boxes[pair[1]], unit, taken)
        for track_id, box in boxes.items():
            statement = self.statement(track_id, frame)
            if statement is not None:
                self._write(picture, statement, box, boxes, unit, taken, colours[track_id])

    def _write(
        self,
        picture: Picture,
        statement: Statement,
        box: NDArray[np.float64],
        boxes: Mapping[int, NDArray[np.float64]],
        unit: float,
        taken: list[Place],
        colour: Colour,
    ) -> None:
        lines = [text_mask(line, 13 * unit) for line in shortened(statement.text)]
        if not lines:
            return
        pad = 8 * unit
        width, height = plate_size(lines, pad, 21 * unit)
        left, top = box[0] + box[2] / 2 - width / 2, box[1] + 0.12 * box[3]
        corners = [
            (left, box[1] + box[3] + 10 * unit),
            (box[0] + box[2] + 8 * unit, top),
            (box[0] - width - 8 * unit, top),
            (left, box[1] - height - 44 * unit),
        ]
        places = [inside(picture, x, y, width, height, 2 * unit) for x, y in corners]
        free = [k for k, place in enumerate(places) if not any(overlap(place, other) for other in taken)]
        if not free:
            return
        before = self._side.get(statement.track_id)
        people = list(boxes.values())
        side = min(free, key=lambda k: (_covered(places[k], people) - 0.5 * (k == before), k))
        self._side[statement.track_id] = side
        place = places[side]
        draw_plate(picture, lines, place, pad, None, LIGHT)
        stripe = Mask(picture, np.array([place[:2], (place[0], place[3])]), margin=4 * unit)
        ends = np.array([[place[0] + 2 * unit, place[1] + 5 * unit], [place[0] + 2 * unit, place[3] - 5 * unit]])
        stripe.line(ends, 4 * unit, 1.0)
        stripe.blend(picture, colour)
        taken.append(place)

    def _write_link(
        self,
        picture: Picture,
        label: str,
        first: NDArray[np.float64],
        second: NDArray[np.float64],
        unit: float,
        taken: list[Place],
    ) -> None:
        lines = [text_mask(label, 13 * unit)]
        pad = 6 * unit
        width, height = plate_size(lines, pad, 15 * unit)
        start, end = _chest(first), _chest(second)
        for share in (0.5, 0.35, 0.65, 0.2, 0.8):
            x, y = start + share * (end - start)
            place = inside(picture, x - width / 2, y - height / 2, width, height, 2 * unit)
            if not any(overlap(place, other) for other in taken):
                draw_plate(picture, lines, place, pad, LIGHT, DARK)
                taken.append(place)
                return


def shortened(text: str) -> list[str]:
    """Return a text as at most three short lines in letters that can be drawn; what is cut ends in dots."""
    return textwrap.wrap(plain(text), _LETTERS, max_lines=_LINES, placeholder=" ...", break_long_words=True)


def _covered(place: Place, boxes: Iterable[NDArray[np.float64]]) -> float:
    """Return how much of a place lies on boxes, in areas of the place."""
    area = (place[2] - place[0]) * (place[3] - place[1])
    total = 0.0
    for left, top, width, height in boxes:
        wide = min(place[2], left + width) - max(place[0], left)
        high = min(place[3], top + height) - max(place[1], top)
        total += max(wide, 0.0) * max(high, 0.0)
    return total / area


def _chest(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([box[0] + box[2] / 2, box[1] + _CHEST * box[3]])


def _draw_link(
    picture: Picture, first: NDArray[np.float64], second: NDArray[np.float64], unit: float, *, has_end: bool
) -> None:
    ends = np.stack([_chest(first), _chest(second)])
    for thickness, strength, paint in ((4.5, 0.45, DARK), (1.8, 1.0, LIGHT)):
        line = Mask(picture, ends, margin=10 * unit)
        line.line(ends, thickness * unit, strength)
        if has_end:
            line.disc(ends[1], (5 if paint == LIGHT else 6.5) * unit, strength)
        line.blend(picture, paint)
