"""From sequence folders to result files, with a tracker that needs no network."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import FRAMES, write_world

from sushi_lg.data.layouts import Conventions
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.data.trajectory_io import TrajectoryTable, read_trajectories
from sushi_lg.errors import DataError
from sushi_lg.structures import Detections
from sushi_lg.tracking.finish import empty_table
from sushi_lg.tracking.run import track_sequences


class EverybodyAlone:
    """Writes every detection as a trajectory of its own, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def track(self, detections: Detections, conventions: Conventions) -> TrajectoryTable:
        self.told.append(conventions.hidden_people_annotated)
        count = len(detections)
        if count == 0:
            return empty_table()
        boxes = detections.boxes_xyxy.double().numpy()
        return TrajectoryTable(
            frame=detections.frame.numpy(),
            track_id=np.arange(1, count + 1),
            boxes_ltwh=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
            confidence=detections.score.double().numpy(),
            is_interpolated=np.zeros(count, dtype=bool),
            detection_index=np.arange(count),
        )


@pytest.fixture
def sequences(tmp_path: Path) -> list[Sequence]:
    write_world(tmp_path, ("one", "two"))
    return [open_sequence(tmp_path / name) for name in ("one", "two")]


def test_text_and_table_of_every_sequence(sequences: list[Sequence], tmp_path: Path) -> None:
    out = tmp_path / "out"
    reports = list(track_sequences(EverybodyAlone(), sequences, out, notes={"weights": "none"}))
    assert [report.name for report in reports] == ["one", "two"]
    assert sorted(p.name for p in (out / "tracks").iterdir()) == [
        *("one.parquet", "one.txt"),
        *("two.parquet", "two.txt"),
    ]
    for report, sequence in zip(reports, sequences, strict=True):
        given = read_table(sequence.detections_path())
        written = read_table(report.path)
        assert report.path == out / "tracks" / f"{sequence.name}.txt"
        assert (report.frames, report.filled) == (FRAMES, 0) and report.seconds > 0
        assert report.detections == report.trajectories == report.boxes == len(given) == len(written)
        np.testing.assert_allclose(written.boxes_xyxy, given.boxes_xyxy, atol=0.011)  # two decimals, a sum of two
        table = read_trajectories(report.path.with_suffix(".parquet"))
        assert table.metadata == {"sequence": sequence.name, "first_frame": 1, "length": FRAMES, "weights": "none"}


def test_files_appear_one_after_another(sequences: list[Sequence], tmp_path: Path) -> None:
    running = track_sequences(EverybodyAlone(), sequences, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    first = next(running)
    assert first.path.is_file() and not (tmp_path / "out" / "tracks" / "two.txt").exists()


def test_a_view_is_numbered_from_one(sequences: list[Sequence], tmp_path: Path) -> None:
    half = sequences[0].second_half()
    (report,) = track_sequences(EverybodyAlone(), [half], tmp_path / "out")
    frames = read_table(report.path).frame
    assert (frames.min(), frames.max()) == (1, half.length) and report.frames == half.length
    assert read_trajectories(report.path.with_suffix(".parquet")).metadata["first_frame"] == half.first


def test_decimals(sequences: list[Sequence], tmp_path: Path) -> None:
    (whole,) = track_sequences(EverybodyAlone(), sequences[:1], tmp_path / "whole", decimals=0)
    (full,) = track_sequences(EverybodyAlone(), sequences[:1], tmp_path / "full", decimals=None)
    assert (read_table(whole.path).boxes_ltwh % 1 == 0).all()
    assert not (read_table(full.path).boxes_ltwh * 100 % 1 == 0).all()


def test_no_detections_give_empty_files_and_a_warning(
    sequences: list[Sequence], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sequences[0].detections_path().write_text("")
    with caplog.at_level(logging.WARNING, logger="sushi_lg"):
        (report,) = track_sequences(EverybodyAlone(), sequences[:1], tmp_path / "out")
    assert "one: no detections" in caplog.text
    assert (report.detections, report.boxes, report.path.read_text()) == (0, 0, "")
    assert len(read_trajectories(report.path.with_suffix(".parquet"))) == 0


def test_broken_lines_stop_or_are_left_out(sequences: list[Sequence], tmp_path: Path) -> None:
    path = sequences[0].detections_path()
    count = len(read_table(path))
    with path.open("a") as file:
        file.write("5,-1,oops,1,1,1,1\n")
    with pytest.raises(DataError, match=rf"toy\.txt:{count + 1}"):
        list(track_sequences(EverybodyAlone(), sequences[:1], tmp_path / "out"))
    (report,) = track_sequences(EverybodyAlone(), sequences[:1], tmp_path / "out", on_bad_row="skip")
    assert report.detections == count


def test_the_convention_of_the_data_set_is_passed_on(tmp_path: Path) -> None:
    tracker = EverybodyAlone()
    write_world(tmp_path / "DanceTrack", ("dancetrack0001",))
    write_world(tmp_path / "MOT17", ("MOT17-02-FRCNN",))
    folders = [tmp_path / "DanceTrack" / "dancetrack0001", tmp_path / "MOT17" / "MOT17-02-FRCNN"]
    sequences = [open_sequence(folder) for folder in folders]
    list(track_sequences(tracker, sequences, tmp_path / "out"))
    assert tracker.told == [False, True]


class OneFails(EverybodyAlone):
    """Fails for the first of two sequences, once both have begun."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2, timeout=60)

    def track(self, detections: Detections, conventions: Conventions) -> TrajectoryTable:
        if self.both.wait() == 0:
            raise DataError("somebody is lost")
        return super().track(detections, conventions)


def test_an_error_beside_others_is_raised_after_what_had_begun(sequences: list[Sequence], tmp_path: Path) -> None:
    threads, reports = torch.get_num_threads(), []
    with pytest.raises(DataError, match="somebody is lost"):
        for report in track_sequences(OneFails(), sequences, tmp_path / "out", workers=2):
            reports.append(report.path)
    assert len(reports) == 1 and reports[0].is_file()
    assert torch.get_num_threads() == threads


class Slow(EverybodyAlone):
    def track(self, detections: Detections, conventions: Conventions) -> TrajectoryTable:
        time.sleep(0.05)
        return super().track(detections, conventions)


def test_who_stops_listening_stops_the_work(sequences: list[Sequence], tmp_path: Path) -> None:
    threads, tracker = torch.get_num_threads(), Slow()
    run = track_sequences(tracker, sequences * 20, tmp_path / "out", workers=2)
    next(run)
    run.close()
    assert 1 <= len(tracker.told) < 40
    assert torch.get_num_threads() == threads
