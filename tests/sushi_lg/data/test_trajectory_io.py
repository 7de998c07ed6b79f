"""Trajectories: text and table say the same, and ground truth through writer and reader scores exactly 100."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sushi_lg.data.mot_format import read_table, write_results
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.trajectory_io import TrajectoryTable, read_trajectories, write_trajectories
from sushi_lg.errors import DataError

TABLE = TrajectoryTable(
    frame=np.array([1, 0, 0]),
    track_id=np.array([1, 2, 1]),
    boxes_ltwh=np.array([[0.125, 0, 5, 6], [1, 2, 3, 4], [0, 0, 5, 6.0]]),
    confidence=np.array([0.5, 0.25, 1]),
    is_interpolated=np.array([True, False, False]),
    detection_index=np.array([-1, 0, 1]),
    metadata={"sequence": "a", "length": 2},
)


def test_table_lies_beside_the_text_and_reads_back(tmp_path: Path) -> None:
    path = write_trajectories(tmp_path / "tracks" / "a.txt", TABLE)
    assert path == tmp_path / "tracks" / "a.parquet"
    back = read_trajectories(path)
    order = [2, 1, 0]
    assert back.frame.tolist() == [0, 0, 1] and back.metadata == TABLE.metadata
    for name in ("track_id", "boxes_ltwh", "confidence", "is_interpolated", "detection_index"):
        assert np.array_equal(getattr(back, name), getattr(TABLE, name)[order]), name
    stored = pq.read_table(path)
    assert stored.column("frame").to_pylist() == [1, 1, 2] and stored.column("left").to_pylist() == [1, 2, 1.125]
    text = read_table(tmp_path / "tracks" / "a.txt", "results")
    assert text.frame.tolist() == [1, 1, 2] and text.left.tolist() == [1, 2, 1.12]  # two decimals in the text
    assert sorted(p.name for p in (tmp_path / "tracks").iterdir()) == ["a.parquet", "a.txt"]


def test_no_trajectories(tmp_path: Path) -> None:
    none = np.zeros(0, np.int64)
    path = write_trajectories(
        tmp_path / "e.txt", TrajectoryTable(none, none, np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool), none)
    )
    assert len(read_trajectories(path)) == 0 and (tmp_path / "e.txt").read_bytes() == b""


def test_same_input_same_bytes(tmp_path: Path) -> None:
    shuffled = replace(TABLE, **{n: getattr(TABLE, n)[[2, 0, 1]] for n in vars(TABLE) if n != "metadata"})
    first, second = write_trajectories(tmp_path / "a.txt", TABLE), write_trajectories(tmp_path / "b.txt", shuffled)
    assert first.read_bytes() == second.read_bytes()


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="confidence: 1 rows"):
        replace(TABLE, confidence=np.zeros(1))
    with pytest.raises(DataError, match="same id twice"):
        write_trajectories(tmp_path / "a.txt", replace(TABLE, frame=np.array([0, 0, 0])))
    with pytest.raises(DataError, match="no such file"):
        read_trajectories(tmp_path / "none.parquet")
    (tmp_path / "x.parquet").write_text("text")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_trajectories(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("folder", "benchmark"), [("MOT17/train/MOT17-09", "MOT17"), ("DanceTrack/val/dancetrack0026", "DanceTrack")]
)
def test_scored_ground_truth_through_writer_and_reader_is_exactly_100(
    shared_data: Path, tmp_path: Path, folder: str, benchmark: str
) -> None:
    """Catches shifted frames or pixels, rounding and clipping; the reader is in the loop as well."""
    trackeval = pytest.importorskip("trackeval")
    sequence = open_sequence(shared_data / "mot" / folder)
    truth = sequence.load_ground_truth("scored")
    boxes = truth.boxes_ltwh - [1, 1, 0, 0]
    ids = truth.track_id + 1  # some data sets count identities from 0, results never
    write_results(tmp_path / "first.txt", truth.frame - 1, ids, boxes, truth.confidence, decimals=None)
    back = read_table(tmp_path / "first.txt", "results", sequence_length=sequence.length)
    written = tmp_path / "trackers" / "ours" / "data" / f"{sequence.name}.txt"
    write_results(
        written, back.frame - 1, back.track_id, back.boxes_ltwh - [1, 1, 0, 0], back.confidence, decimals=None
    )

    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(sequence.info.root.parent),
            "TRACKERS_FOLDER": str(tmp_path / "trackers"),
            "OUTPUT_FOLDER": str(tmp_path / "out"),
            "BENCHMARK": benchmark,
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": {sequence.name: sequence.length},
            "PRINT_CONFIG": False,
        }
    )
    data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("ours", sequence.name), "pedestrian")
    hota = trackeval.metrics.HOTA().eval_sequence(data)
    clear = trackeval.metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = trackeval.metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    assert (hota["HOTA"] == 1).all() and (hota["AssA"] == 1).all() and (hota["DetA"] == 1).all()
    assert hota["LocA"].min() == pytest.approx(1, abs=1e-12)
    assert clear["MOTA"] == 1 and clear["IDSW"] == 0 and identity["IDF1"] == 1
    assert data["num_gt_dets"] == data["num_tracker_dets"] == len(truth)
