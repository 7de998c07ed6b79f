"""The mistakes of a tracker on its pictures: false positives, misses and identity switches, as CLEAR counts them.

Each kind has its own line, its own filling, its own symbol and its own word, so that they are told apart without
colours too: a false positive is crossed out, a miss is dashed and hatched, a switch has two frames and says which
number became which. What is right is thin and grey.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.evaluation.events import ClearEvents, EventKind
from sushi_lg.inspection.strokes import (
    DARK,
    LIGHT,
    Colour,
    Mask,
    Picture,
    Place,
    Points,
    blend,
    dashes,
    draw_label,
    hatch,
    rounded_rectangle,
    text_mask,
)

# blue, green, red; from Okabe and Ito's colours for all eyes
_FALSE_POSITIVE: Colour = (30, 110, 235)
_MISS: Colour = (233, 180, 86)
_SWITCH: Colour = (66, 228, 240)
_RIGHT: Colour = (200, 200, 200)
_WORDS = {EventKind.FALSE_POSITIVE: "false positive", EventKind.MISS: "missed", EventKind.SWITCH: "switch"}
# of the legend, in hair lines
_SYMBOL, _STEP, _PAD = (24.0, 34.0), 50.0, 14.0


class Mistakes:
    """Mistakes of a video.

    Args:
        events: From ``evaluation.events.find_events``, for exactly the boxes that are drawn, in their order.
        truth_boxes_ltwh: (G, 4) float64, boxes of the ground truth in pixels, 0-based, in the order of its table.
        hold_frames: So many frames a switch stays in sight; one alone would not be seen.
    """

    def __init__(self, events: ClearEvents, truth_boxes_ltwh: NDArray[np.float64], hold_frames: int) -> None:
        self.events = events
        self.truth_boxes_ltwh = truth_boxes_ltwh
        self.hold_frames = max(hold_frames, 1)
        self._frames = {kind: events.of(kind).frame for kind in EventKind}

    def count(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        kinds = {
            "false_positives": EventKind.FALSE_POSITIVE,
            "misses": EventKind.MISS,
            "switches": EventKind.SWITCH,
        }
        return {name: len(self._frames[kind]) for name, kind in kinds.items()}

    def tell(self, number: int) -> str:
        """Return the counts of a frame and of all frames up to it."""

        def counts(count: Callable[[EventKind], int]) -> str:
            return "  ".join(
                f"{word} {count(kind)}"
                for kind, word in (
                    (EventKind.FALSE_POSITIVE, "false positives"),
                    (EventKind.MISS, "misses"),
                    (EventKind.SWITCH, "switches"),
                )
            )

        here = counts(lambda kind: int((self._frames[kind] == number).sum()))
        so_far = counts(lambda kind: int((self._frames[kind] <= number).sum()))
        return f"{here}    so far:  {so_far}"

    def draw(
        self,
        picture: Picture,
        number: int,
        factor: int,
        unit: float,
        rows: NDArray[np.int64],
        table: TrajectoryTable,
        taken: list[Place],
    ) -> None:
        """Draw one frame.

        Args:
            picture: (H, W, 3) uint8, changed.
            number: Frame, 0-based.
            factor: How much larger the picture is than the boxes say.
            unit: Pixels of a hair line.
            rows: Rows of ``table`` in this frame, nearest person last.
            table: The trajectories.
            taken: Places nothing may be written on; those of the labels are added.
        """
        events = self.events
        here = np.flatnonzero(events.frame == number)
        invented = set(events.track_row[here[events.kind[here] == EventKind.FALSE_POSITIVE]].tolist())
        missed = events.truth_row[here[events.kind[here] == EventKind.MISS]]
        recent = (
            (events.kind == EventKind.SWITCH) & (events.frame <= number) & (number - events.frame < self.hold_frames)
        )
        # a later switch of the same trajectory takes the place of an earlier one
        switched = {int(events.track_id[e]): int(events.previous_track_id[e]) for e in np.flatnonzero(recent)}
        labels: list[tuple[str, NDArray[np.float64], Colour]] = []
        for row in missed:  # below the boxes there are
            box = self.truth_boxes_ltwh[row] * factor
            draw_miss(picture, box, unit)
            labels.append(("missed", box, _MISS))
        for row in rows:
            box, track_id = table.boxes_ltwh[row] * factor, int(table.track_id[row])
            if int(row) in invented:
                draw_false_positive(picture, box, unit)
                labels.append((f"x {track_id}", box, _FALSE_POSITIVE))
            elif track_id in switched:
                draw_switch(picture, box, unit)
                labels.append((f"{switched[track_id]} > {track_id}", box, _SWITCH))
            else:
                _outline(picture, box, unit, 1.4, _RIGHT, 0.75)
                labels.append((str(track_id), box, _RIGHT))
        labels.sort(key=lambda label: label[2] == _RIGHT)  # what is wrong gets the better places
        for text, box, colour in labels:
            size = unit if colour != _RIGHT else 0.75 * unit
            taken.append(draw_label(picture, text, box, colour, size, taken))

    def legend_place(self, unit: float) -> Place:
        """Return where the legend goes."""
        widest = max(text_mask(word, 14 * unit).shape[1] for word in _WORDS.values())
        width = 2 * _PAD * unit + _SYMBOL[0] * unit + 14 * unit + widest
        return 16 * unit, 16 * unit, 16 * unit + width, (16 + 3 * _STEP + _PAD) * unit

    def draw_legend(self, picture: Picture, unit: float) -> None:
        """Draw what the marks mean in the upper left corner."""
        left, top, right, bottom = self.legend_place(unit)
        plate = Mask(picture, np.array([[left, top], [right, bottom]]), margin=2 * unit)
        plate.polygon(rounded_rectangle(left, top, right - left, bottom - top, 10 * unit), 0.8)
        plate.blend(picture, DARK)
        draws = {
            EventKind.FALSE_POSITIVE: draw_false_positive,
            EventKind.MISS: draw_miss,
            EventKind.SWITCH: draw_switch,
        }
        width, height = _SYMBOL[0] * unit, _SYMBOL[1] * unit
        for number, (kind, draw) in enumerate(draws.items()):
            at = left + _PAD * unit, top + (_PAD + number * _STEP) * unit
            draw(picture, np.array([*at, width, height]), unit)
            word = text_mask(_WORDS[kind], 14 * unit)
            blend(picture, word, round(at[0] + width + 14 * unit), round(at[1] + height / 2 - 7 * unit), LIGHT)


def draw_false_positive(picture: Picture, box: NDArray[np.float64], unit: float) -> None:
    """Draw a box where nobody is: a thick line, crossed out."""
    left, top, width, height = box
    cross = [
        np.array([[left, top], [left + width, top + height]]),
        np.array([[left, top + height], [left + width, top]]),
    ]
    _outline(picture, box, unit, 3.2, _FALSE_POSITIVE)
    _lines(picture, box, unit, 2.0, _FALSE_POSITIVE, cross)


def draw_miss(picture: Picture, box: NDArray[np.float64], unit: float) -> None:
    """Draw a person nobody found: a dashed line, hatched."""
    spacing = max(14 * unit, (box[2] + box[3]) / 40)
    left, top, width, height = (float(value) for value in box)
    _lines(picture, box, unit, 1.0, _MISS, hatch(left, top, width, height, spacing), strength=0.7)
    _outline(picture, box, unit, 2.6, _MISS, is_dashed=True)


def draw_switch(picture: Picture, box: NDArray[np.float64], unit: float) -> None:
    """Draw a person whose number has just changed: two lines, one around the other."""
    _outline(picture, box, unit, 2.4, _SWITCH)
    grown = box + np.array([-7, -7, 14, 14]) * unit
    _outline(picture, grown, unit, 2.4, _SWITCH)


def _outline(
    picture: Picture,
    box: NDArray[np.float64],
    unit: float,
    thickness: float,
    colour: Colour,
    strength: float = 1.0,
    *,
    is_dashed: bool = False,
) -> None:
    left, top, width, height = box
    outline = rounded_rectangle(left, top, width, height, min(5 * unit, width / 3, height / 3))
    _lines(picture, box, unit, thickness, colour, dashes(outline, 9 * unit) if is_dashed else [outline], strength)


def _lines(
    picture: Picture,
    box: NDArray[np.float64],
    unit: float,
    thickness: float,
    colour: Colour,
    parts: list[Points],
    strength: float = 1.0,
) -> None:
    corners = np.array([box[:2], box[:2] + box[2:]])
    for grow, share, paint in ((2.3, 0.4, DARK), (0.0, 1.0, colour)):
        mask = Mask(picture, corners, margin=8 * unit)
        for part in parts:
            mask.line(part, (thickness + grow) * unit, strength * share)
        mask.blend(picture, paint)
