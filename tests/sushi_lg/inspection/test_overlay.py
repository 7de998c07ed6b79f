"""Drawn trajectories: colours that can be told apart, boxes in the right places, files of the right size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.data.video import probe_video
from sushi_lg.errors import DataError
from sushi_lg.inspection.overlay import (
    PALETTE_SIZE,
    OverlayStyle,
    contact_sheet,
    draw_frames,
    draw_video,
    identity_colour,
    palette,
)

PLAIN = OverlayStyle(caption=False, max_enlargement=1)


def table(rows: list[tuple[int, int, float, float, float, float, bool]]) -> TrajectoryTable:
    values = np.array(rows, dtype=np.float64).reshape(-1, 7)
    return TrajectoryTable(
        frame=values[:, 0].astype(np.int64),
        track_id=values[:, 1].astype(np.int64),
        boxes_ltwh=values[:, 2:6],
        confidence=np.ones(len(values)),
        is_interpolated=values[:, 6] > 0,
        detection_index=np.arange(len(values)),
    )


def grey(count: int, height: int = 120, width: int = 160) -> list[NDArray[np.uint8]]:
    return [np.full((height, width, 3), 90, dtype=np.uint8) for _ in range(count)]


def draw_one(trajectories: TrajectoryTable, number: int = 0, style: OverlayStyle = PLAIN) -> NDArray[np.uint8]:
    return next(draw_frames([(number, grey(1, 240, 320)[0])], trajectories, 10.0, style=style))


def test_colours_are_the_same_everywhere() -> None:
    assert identity_colour(1) == palette()[0] == (252, 197, 80)
    assert identity_colour(PALETTE_SIZE + 3) == identity_colour(3)
    assert len(set(palette())) == PALETTE_SIZE


def test_neighbouring_identities_differ_for_all_eyes() -> None:
    linear = (np.array(palette())[:, ::-1] / 255) ** 2.2
    # a coarse dichromat: red and green cones give one signal
    merged = np.stack([linear[:, :2] @ (0.35, 0.65), linear[:, 2]], axis=1)
    for colours, smallest in ((linear, 0.2), (merged, 0.03)):
        for first in range(PALETTE_SIZE - 6):
            distance = np.linalg.norm(colours[first + 1 : first + 6] - colours[first], axis=1)
            assert distance.min() > smallest


# what eyes without one kind of cones see of linear sRGB: Machado, Oliveira and Fernandes, 2009, severity 1
SIGHTS = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("cones", SIGHTS)
def test_neighbours_stay_apart_in_simulated_sight(cones: str) -> None:
    linear = (np.array(palette(), dtype=np.float64)[:, ::-1] / 255) ** 2.2
    seen = np.clip(linear @ np.array(SIGHTS[cones]).T, 0, 1) ** (1 / 2.2)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]  # 2 is just seen
    closest = [
        float(np.linalg.norm(lab[first + 1 : first + 6] - lab[first], axis=1).min())
        for first in range(PALETTE_SIZE - 1)
    ]
    assert min(closest) > 10


def test_dark_text_is_readable_on_every_colour() -> None:
    linear = (np.array(palette())[:, ::-1] / 255) ** 2.2
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    assert ((luminance + 0.05) / 0.06).min() > 4.5  # WCAG's contrast for text


def test_video_has_every_frame_and_is_enlarged(tmp_path: Path) -> None:
    boxes = table([(frame, 1, 20 + 4 * frame, 30, 20, 50, False) for frame in range(6)])
    assert draw_video(grey(8), boxes, tmp_path / "a.mp4", 5.0, length=8, style=OverlayStyle(min_height=240)) == 8
    info = probe_video(tmp_path / "a.mp4")
    assert (info.length, info.frame_rate, info.width, info.height) == (8, 5.0, 320, 240)


def test_box_is_drawn_where_it_is_in_its_colour() -> None:
    picture = draw_one(table([(0, 4, 100, 80, 60, 120, False)])).astype(int)
    colour = np.array(identity_colour(4))
    for x, y in ((130, 80), (130, 200), (100, 140), (160, 140)):  # the middles of the four sides
        nearest = np.abs(picture[y - 2 : y + 2, x - 2 : x + 2] - colour).sum(axis=-1).min()
        assert nearest < 0.5 * np.abs(90 - colour).sum()  # the hair line of a small picture covers pixels partly
    assert (picture[220:, :] == 90).all() and (picture[:, 200:] == 90).all()


def test_interpolated_boxes_are_dashed() -> None:
    solid = draw_one(table([(0, 1, 100, 80, 60, 120, False)])).astype(int)
    dashed = draw_one(table([(0, 1, 100, 80, 60, 120, True)])).astype(int)
    colour = np.array(identity_colour(1))

    def covered(picture: NDArray[np.int64]) -> float:
        side = picture[95:185, 98:102]
        return float((np.abs(side - colour).sum(axis=-1).min(axis=1) < 0.75 * np.abs(90 - colour).sum()).mean())

    assert covered(solid) > 0.98
    assert 0.2 < covered(dashed) < 0.8
    assert (dashed[140, 130] == 90).all() and (solid[140, 130] != 90).any()  # no filling


def test_tail_fades_and_ends() -> None:
    walk = table([(frame, 1, 10.0 + 8 * frame, 60, 20, 60, False) for frame in range(31)])
    picture = draw_one(walk, number=30)
    colour = np.array(identity_colour(1))
    foot = picture[118:122].astype(int)  # rows around y = 120, where everybody's feet are
    strength = 1 - np.abs(foot - colour).sum(axis=-1).min(axis=0) / np.abs(90 - colour).sum()
    newest, older, gone = (strength[10 + 8 * frame + 10] for frame in (28, 19, 10))  # 0.2, 1.1 and 2 seconds ago
    assert newest > older > 0.1 > gone


def test_people_at_the_border_and_outside_do_no_harm() -> None:
    rows = [(0, 1, -30, -20, 40, 60, False), (0, 2, 310, 230, 40, 60, True), (0, 3, 500, 500, 20, 20, False)]
    assert draw_one(table(rows)).shape == (240, 320, 3)
    assert draw_one(table([]), style=OverlayStyle(max_enlargement=1)).shape == (240, 320, 3)


def test_labels_of_a_crowd_do_not_cover_each_other() -> None:
    apart = draw_one(table([(0, 1, 50, 100, 40, 100, False), (0, 2, 220, 100, 40, 100, False)]))
    together = draw_one(table([(0, 1, 150, 100, 40, 100, False), (0, 2, 152, 101, 40, 100, False)]))

    def pixels(picture: NDArray[np.uint8], track_id: int) -> int:
        return int((np.abs(picture[:98].astype(int) - identity_colour(track_id)).sum(axis=-1) < 12).sum())

    for track_id in (1, 2):
        assert pixels(together, track_id) > 0.8 * pixels(apart, track_id) > 0


def test_contact_sheet(tmp_path: Path) -> None:
    boxes = table([(frame, 1, 20 + 4 * frame, 30, 20, 50, False) for frame in range(6)])
    contact_sheet(grey(8), boxes, tmp_path / "a.png", 5.0, [5, 0, 2], columns=2, width=400)
    sheet = cv2.imread(str(tmp_path / "a.png"))
    assert sheet.shape == (2 * 149 + 2, 400, 3)  # tiles keep 3:4, with a gap of 2 pixels
    assert (sheet[-40:, -40:] == 255).all()  # the place of a fourth frame stays empty
    with pytest.raises(DataError, match="no frame 9"):
        contact_sheet(grey(8), boxes, tmp_path / "b.png", 5.0, [1, 9])
