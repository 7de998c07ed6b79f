"""What is said stands beside people, inside the picture, readable, and never on top of anything else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sushi_lg.inspection.overlay import identity_colour
from sushi_lg.inspection.said import Link, Said, Statement, shortened
from sushi_lg.inspection.strokes import Place, overlap, plain

HEIGHT, WIDTH = 360, 640


def draw(said: Said, boxes: dict[int, tuple[float, ...]], frame: int = 0) -> tuple[NDArray[np.uint8], list[Place]]:
    picture = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    taken: list[Place] = []
    colours = {track_id: identity_colour(track_id) for track_id in boxes}
    said.draw(picture, frame, 0.5, {k: np.array(v, dtype=float) for k, v in boxes.items()}, colours, taken)
    return picture, taken


@pytest.mark.parametrize("corner", [(-30, -20), (620, -20), (-30, 330), (620, 330), (300, 150), (900, 900)])
def test_a_plate_never_leaves_the_picture(corner: tuple[int, int]) -> None:
    said = Said([Statement(1, "A person in a red top walks to the left and away from the camera", 0, 5)])
    _, taken = draw(said, {1: (*corner, 40, 80)})
    assert len(taken) == 1
    left, top, right, bottom = taken[0]
    assert left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT
    assert right - left > 50  # it was written


def test_plates_never_cover_each_other() -> None:
    boxes = {k: (260 + 12 * k, 120 + 5 * k, 40.0, 90.0) for k in range(1, 9)}
    said = Said(
        [Statement(k, f"Person number {k} talks about the weather of today", 0, 9) for k in boxes],
        [Link(1, 5, "talk", 0, 9), Link(2, 3, "pass", 0, 9, is_mutual=True)],
    )
    _, taken = draw(said, boxes)
    assert 3 <= len(taken) <= 10
    assert not any(overlap(a, b) for k, a in enumerate(taken) for b in taken[:k])


def test_statements_hold_from_first_to_last_frame() -> None:
    said = Said([Statement(1, "walks", 3, 5), Statement(1, "a man in a hat", 0, 90), Statement(2, "sits", 4, 4)])
    assert [said.statement(1, frame).text for frame in (0, 3, 5, 6)] == [  # type: ignore[union-attr]
        "a man in a hat",
        "walks",
        "walks",
        "a man in a hat",
    ]
    assert [said.statement(2, frame) is None for frame in (3, 4, 5)] == [True, False, True]
    untouched, taken = draw(said, {2: (300, 100, 40, 80)}, frame=3)
    assert (untouched == 90).all() and taken == []


def test_links_join_two_people_and_need_both() -> None:
    said = Said([], [Link(1, 2, "shake hands", 0, 5)])
    alone, taken = draw(said, {1: (100, 100, 40, 100)})
    assert (alone == 90).all() and not taken
    both, taken = draw(said, {1: (100, 100, 40, 100), 2: (400, 100, 40, 100)})
    assert len(taken) == 1 and 120 < taken[0][0] < taken[0][2] < 420
    # the line at chest height, beside the plate
    assert (both[133:138, 140:200].max(axis=(0, 2)) > 170).all()
    later, _ = draw(said, {1: (100, 100, 40, 100), 2: (400, 100, 40, 100)}, frame=6)
    assert (later == 90).all()


def test_mutual_links_are_written_once() -> None:
    said = Said([], [Link(1, 2, "pass", 0, 5, is_mutual=True), Link(2, 1, "pass", 0, 5, is_mutual=True)])
    _, taken = draw(said, {1: (100, 100, 40, 100), 2: (400, 100, 40, 100)})
    assert len(taken) == 1


def test_a_plate_does_not_jump() -> None:
    statement = Statement(1, "A person in a red top walks to the left", 0, 50)

    def is_below(said: Said, frame: int) -> bool:
        """Whether the plate is below the person; in every second frame somebody stands there, partly covered by it."""
        boxes = {1: (300.0, 130.0, 40.0, 90.0), 2: (250.0 if frame % 2 else 20.0, 235.0, 30.0, 60.0)}
        return draw(said, boxes, frame)[1][0][1] > 220

    assert [is_below(Said([statement]), frame) for frame in range(4)] == [True, False, True, False]
    remembering = Said([statement])
    assert [is_below(remembering, frame) for frame in range(4)] == [True] * 4


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("A café’s “door” — ½ open", 'A cafe\'s "door" - 1?2 open'),
        ("line\nbreak\tand\x1b[31m red", "line break and?[31m red"),
        ("日本", "??"),
    ],
)
def test_only_letters_that_can_be_drawn(text: str, drawn: str) -> None:
    assert plain(text) == drawn


def test_long_texts_are_cut_and_say_so() -> None:
    lines = shortened("word " * 1000)
    assert len(lines) == 3 and all(len(line) <= 30 for line in lines) and lines[-1].endswith("...")
    assert shortened("x" * 500)[-1].endswith("...")
    assert shortened("short") == ["short"] and shortened("") == []
    _, taken = draw(Said([Statement(1, " ", 0, 1)]), {1: (300, 100, 40, 80)})
    assert taken == []
