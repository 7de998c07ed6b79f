"""Mistakes are drawn where they are, and are told apart by eyes that see no colours at all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.evaluation.events import ClearEvents, EventKind
from sushi_lg.inspection import mistakes as module
from sushi_lg.inspection.mistakes import Mistakes, draw_false_positive, draw_miss, draw_switch
from sushi_lg.inspection.overlay import OverlayStyle, draw_frames

PLAIN = OverlayStyle(caption=False, max_enlargement=1)
BOX = np.array([100.0, 60.0, 80.0, 140.0])


def grey() -> NDArray[np.uint8]:
    return np.full((300, 400, 3), 90, dtype=np.uint8)


def events_of(rows: list[tuple[int, int, int, int, int]], num_rows: int) -> ClearEvents:
    """Rows: kind, frame, truth row, track row, previous trajectory; ids are rows here."""
    kind, frame, truth_row, track_row, previous = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return ClearEvents(
        kind=kind,
        frame=frame,
        truth_id=truth_row,
        track_id=np.where(track_row >= 0, track_row % 3 + 1, -1),
        previous_track_id=previous,
        previous_frame=np.where(previous >= 0, frame - 1, -1),
        truth_row=truth_row,
        track_row=track_row,
        previous_track_row=previous,
        match=np.full(num_rows, -1),
    )


def still(num_frames: int, boxes: NDArray[np.float64]) -> TrajectoryTable:
    """Each box in each frame; row of frame f and box b: f * len(boxes) + b."""
    count = len(boxes)
    return TrajectoryTable(
        frame=np.repeat(np.arange(num_frames), count),
        track_id=np.tile(np.arange(count) + 1, num_frames),
        boxes_ltwh=np.tile(boxes, (num_frames, 1)),
        confidence=np.ones(num_frames * count),
        is_interpolated=np.zeros(num_frames * count, dtype=bool),
        detection_index=np.arange(num_frames * count),
    )


def marked(draw: object) -> NDArray[np.bool_]:
    """Where a mark is lighter than a grey picture: its shape without its colour."""
    picture = grey()
    draw(picture, BOX, 1.0)  # type: ignore[operator]
    return picture.max(axis=-1) > 150


def test_marks_differ_in_shape_not_only_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    one_colour = (230, 230, 230)
    for name in ("_FALSE_POSITIVE", "_MISS", "_SWITCH"):
        monkeypatch.setattr(module, name, one_colour)
    shapes = [marked(draw) for draw in (draw_false_positive, draw_miss, draw_switch)]
    for k, first in enumerate(shapes):
        for second in shapes[:k]:
            assert (first ^ second).sum() > 0.4 * (first | second).sum()
    false_positive, _, switch = shapes
    assert false_positive[130, 140] and not switch[130, 140]  # the crossing of the two diagonals
    around = [shape[58:63, 110:170].any(axis=0).mean() for shape in shapes]  # the upper side
    assert around[0] == around[2] == 1 and around[1] < 0.95  # dashed
    assert switch[50:57, 110:170].any() and not false_positive[50:55, 110:170].any()  # a second frame around it


def test_marks_stand_where_the_mistakes_are() -> None:
    boxes = np.array([[30, 100, 40, 80], [130, 100, 40, 80], [230, 100, 40, 80.0]])
    truth = np.array([[330, 100, 40, 80.0]])
    # trajectory 2 is nobody in frame 0, the person at the right is missed, trajectory 3 took over from 7 in frame 1
    events = events_of([(0, 0, -1, 1, -1), (1, 0, 0, -1, -1), (2, 1, 0, 5, 7)], 9)
    shown = Mistakes(events, truth, hold_frames=2)
    table = still(3, boxes)
    pictures = list(draw_frames(((k, grey()) for k in range(3)), table, 2.0, style=PLAIN, mistakes=shown))
    colours = {
        "invented": (130, module._FALSE_POSITIVE),
        "missed": (330, module._MISS),
        "switch": (230, module._SWITCH),
    }
    seen = {
        name: [
            bool((np.abs(picture[95:185, x - 8 : x + 48].astype(int) - colour).sum(axis=-1) < 60).any())
            for picture in pictures
        ]
        for name, (x, colour) in colours.items()
    }
    # a switch stays for its two frames, others are of one frame
    assert seen == {
        "invented": [True, False, False],
        "missed": [True, False, False],
        "switch": [False, True, True],
    }
    assert not (np.abs(pictures[0][95:185, 22:78].astype(int) - module._FALSE_POSITIVE).sum(axis=-1) < 60).any()


def test_counts_of_a_frame_and_so_far() -> None:
    shown = Mistakes(events_of([(0, 0, -1, 0, -1), (1, 0, 0, -1, -1), (1, 2, 0, -1, -1), (2, 2, 0, 2, 7)], 3), BOX, 1)
    assert shown.tell(1).split("so far:") == [
        "false positives 0  misses 0  switches 0    ",
        "  false positives 1  misses 1  switches 0",
    ]
    assert shown.tell(2).endswith("false positives 1  misses 2  switches 1")
    assert shown.events.count(EventKind.MISS) == 2


def test_legend_and_caption_are_in_the_picture() -> None:
    shown = Mistakes(events_of([], 1), np.zeros((0, 4)), 1)
    [picture] = draw_frames(
        [(0, grey())], still(1, BOX[None]), 2.0, style=OverlayStyle(max_enlargement=1), mistakes=shown
    )
    left, top, right, bottom = shown.legend_place(0.4)
    assert 0 < left < right < 400 and 0 < top < bottom < 300
    legend = picture[round(top) : round(bottom), round(left) : round(right)]
    for colour in (module._FALSE_POSITIVE, module._MISS, module._SWITCH):
        assert (np.abs(legend.astype(int) - colour).sum(axis=-1) < 120).any()


def test_mistakes_of_other_trajectories_are_refused() -> None:
    shown = Mistakes(events_of([], 5), np.zeros((0, 4)), 1)
    with pytest.raises(ValueError, match="mistakes of 5 boxes"):
        next(draw_frames([(0, grey())], still(1, BOX[None]), 2.0, mistakes=shown))
