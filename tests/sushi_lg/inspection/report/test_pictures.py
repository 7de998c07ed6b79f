"""Pixels of a report: what matters most first, within the budget, every frame once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from reports import report, scene

from sushi_lg.data.frames import FrameSource, Picture
from sushi_lg.errors import DataError
from sushi_lg.inspection.report.pictures import with_pictures
from sushi_lg.inspection.report.records import Report


class Source:
    """Grey frames, and the ranges that were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def read(self, first: int, stop: int) -> Iterator[tuple[int, Picture | None]]:
        self.asked.append((first, stop))
        yield from ((k, None if k == 130 else np.full((480, 640, 3), 90, np.uint8)) for k in range(first, stop))


class FakeRun:
    """A run of a view that begins with frame 101 of its video."""

    folder = Path("runs/walk")

    def sequence(self, name: str) -> Any:  # noqa: ANN401
        return SimpleNamespace(name=name, first=101)


@pytest.fixture
def bare() -> Report:
    """The report of one sequence, without pixels: switches of frames 19 and 30, acts of 12, a caption of 25."""
    whole = report()
    words = whole.words[0]
    (part,) = (
        replace(one, trajectories=tuple(replace(t, scene=None) for t in one.trajectories))
        for one in whole.sequences[:1]
    )
    switch = replace(whole.switches[0], before_scene=scene(19, 2, picture=""), after_scene=scene(30, 3, picture=""))
    return replace(
        whole,
        sequences=(part,),
        switches=(switch,),
        words=(
            replace(
                words,
                acts=(replace(words.acts[0], scenes=(scene(12, 1, 2, picture=""),)),),
                scenes={1: (scene(25, 1, picture=""),)},
            ),
        ),
        num_pictures=0,
    )


def filled(bare: Report, source: Source, budget: int) -> Report:
    def opened(_: object) -> FrameSource:
        return source  # type: ignore[return-value]

    return with_pictures(bare, FakeRun(), opened, budget)  # type: ignore[arg-type]


def test_frames_of_a_view_are_decoded_once(bare: Report) -> None:
    source = Source()
    made = filled(bare, source, 10)
    assert source.asked == [(112, 131)], "from the first frame that is wanted to the last, in one go"
    assert made.num_pictures == 3, "frame 130 of the video cannot be read"
    assert made.switches[0].before_scene is not None and made.switches[0].before_scene.picture.startswith("data:image")
    assert made.switches[0].after_scene is not None and made.switches[0].after_scene.picture == ""
    assert "pictures" not in made.lacks


def test_switches_come_first(bare: Report) -> None:
    made = filled(bare, Source(), 1)
    assert made.num_pictures == 1
    assert made.switches[0].before_scene is not None and made.switches[0].before_scene.picture
    assert not made.words[0].acts[0].scenes[0].picture and not made.words[0].scenes[1][0].picture


def test_no_budget_opens_nothing_and_says_so(bare: Report) -> None:
    source = Source()
    made = filled(bare, source, 0)
    assert source.asked == [] and made.num_pictures == 0
    assert "--pictures 0" in made.lacks["pictures"].reason


def test_absent_pixels_are_said_with_what_helps(bare: Report) -> None:
    def opened(_: object) -> FrameSource:
        raise DataError("walk: no pictures", "copy them")

    made = with_pictures(bare, FakeRun(), opened, 5)  # type: ignore[arg-type]
    assert "walk: no pictures" in made.lacks["pictures"].reason
    assert made.lacks["pictures"].command == "sushi-lg report runs/walk --frames FOLDER_OF_PICTURES_OR_VIDEOS"
    assert made.switches == bare.switches


def test_what_has_no_pixels_uses_up_no_budget(bare: Report) -> None:
    (switch,) = bare.switches
    elsewhere = replace(switch, sequence="square")
    more = replace(bare, sequences=(bare.sequences[0], report().sequences[1]), switches=(elsewhere, switch))
    source = Source()

    def opened(sequence: Any) -> FrameSource:  # noqa: ANN401
        if sequence.name == "square":
            raise DataError("square: no pictures")
        return source  # type: ignore[return-value]

    made = with_pictures(more, FakeRun(), opened, 1)  # type: ignore[arg-type]
    assert made.num_pictures == 1 and made.switches[1].before_scene and made.switches[1].before_scene.picture
    assert made.lacks["pictures"].reason.startswith("The pixels of square are not at hand")
