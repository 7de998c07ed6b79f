from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bensmot_miniature import write_miniature

from semantic.sources import (
    bensmot_clips_by_name,
    bensmot_trajectories_source,
    bensmot_truth_sources,
    is_bensmot,
    track_files,
    trajectories_source,
)
from sushi_lg.data.trajectory_io import TrajectoryTable, write_trajectories
from sushi_lg.errors import DataError


def test_pictures_of_bensmot_keep_their_place_where_numbers_have_gaps(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    source = next(one for one in bensmot_truth_sources(root) if one.name == "cooking/aaaa_0")
    clip, reader = source.open()
    assert reader is not None and clip.length == 5
    # the miniature's k-th picture is of grey 40 k, whatever its number
    assert {number: round(picture.mean(), -1) for number, picture in reader.read([0, 2, 4])} == {0: 0, 2: 80, 4: 160}
    assert clip.tracks[1].frame.tolist() == [0, 1, 2, 3], "frames 1, 2, 4, 6 of the file"


def test_what_is_said_in_a_data_set_does_not_reach_describers(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    with_files = [one.open()[0] for one in bensmot_truth_sources(root)]
    for path in [*root.rglob("*.json"), *root.rglob("*.graphml"), *root.rglob("*captions.txt")]:
        path.unlink()
    without = [one.open()[0] for one in bensmot_truth_sources(root)]
    for one, other in zip(with_files, without, strict=True):
        assert (one.name, one.length, one.stems) == (other.name, other.length, other.stems)
        assert [track.track_id for track in one.tracks] == [track.track_id for track in other.tracks]


def test_what_is_bensmot_and_which_clip_is_meant(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    clip = root / "test" / "cooking" / "aaaa_0"
    assert is_bensmot(root) and is_bensmot(clip) and not is_bensmot(tmp_path / "none")
    (tmp_path / "mot" / "gt").mkdir(parents=True)
    (tmp_path / "mot" / "gt" / "gt.txt").write_text("1,1,1,1,5,5\n")
    assert not is_bensmot(tmp_path / "mot")
    clips = bensmot_clips_by_name(root)
    assert clips["aaaa_0"] == clips["cooking__aaaa_0"] == clip.absolute() and "aaaa" not in clips
    shutil.copytree(clip, root / "test" / "dancing" / "aaaa_0")
    clips = bensmot_clips_by_name(root)
    assert "aaaa_0" not in clips, "two of them"
    assert clips["cooking__aaaa_0"] == clip.absolute()


def test_the_table_is_taken_before_the_text(tmp_path: Path) -> None:
    for name in ("b10.txt", "b2.txt", "b2.parquet", ".hidden.txt", "notes.md"):
        (tmp_path / name).write_text("")
    assert [path.name for path in track_files(tmp_path)] == ["b2.parquet", "b10.txt"]
    assert track_files(tmp_path / "b2.txt") == [tmp_path / "b2.parquet"]


def test_confidence_of_text_is_a_probability_or_unknown(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("2,7,11,21,5,6,-1\n1,7,11,21,5,6,0.25\n1,3,1,1,5,6,80\n")
    clip, reader = trajectories_source(path, "a", lambda: (None, (64, 48), 5.0, 2)).open()
    assert reader is None and [track.track_id for track in clip.tracks] == [3, 7]
    assert clip.tracks[1].frame.tolist() == [0, 1] and clip.tracks[1].confidence.tolist() == [0.25, 1.0]
    assert clip.tracks[0].confidence.tolist() == [1.0]
    np.testing.assert_array_equal(clip.tracks[1].boxes_xyxy[0], [10, 20, 15, 26])


@pytest.mark.parametrize("row", ["3,7,11,21,5,6,1", "x,7,11,21,5,6,1", "1,7,11,21,-5,6,1"])
def test_rows_that_cannot_be_are_refused_or_left_out(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"1,7,11,21,5,6,1\n{row}\n")
    with pytest.raises(DataError, match=r"a\.txt:2"):
        trajectories_source(path, "a", lambda: (None, (64, 48), 5.0, 2)).open()
    clip, _ = trajectories_source(path, "a", lambda: (None, (64, 48), 5.0, 2), "skip").open()
    assert [len(track) for track in clip.tracks] == [1]


def test_tracks_longer_than_their_clip_are_refused(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    path = tmp_path / "aaaa_0.txt"
    path.write_text("6,7,11,21,5,6,1\n")
    with pytest.raises(DataError, match=r"aaaa_0\.txt"):
        bensmot_trajectories_source(path, root / "test" / "cooking" / "aaaa_0", "error", "error").open()


def _table(path: Path, frame: int = 0, left: float = 10.0, **metadata: object) -> Path:
    boxes = np.array([[left, 20.0, 5.0, 6.0]])
    one = np.ones(1, dtype=np.int64)
    table = TrajectoryTable(one * frame, one, boxes, np.ones(1), np.zeros(1, bool), one, metadata)
    return write_trajectories(path.with_suffix(".txt"), table)


@pytest.mark.parametrize("metadata", [{"first_frame": "one"}, {"first_frame": 0}, {"length": -3}, {"length": None}])
def test_tables_that_state_what_cannot_be_are_refused(tmp_path: Path, metadata: dict[str, object]) -> None:
    path = _table(tmp_path / "a", **metadata)
    with pytest.raises(DataError, match=r"a\.parquet: (first_frame|length): "):
        trajectories_source(path, "a", lambda: (None, (64, 48), 5.0, 2)).open()
    path = _table(tmp_path / "b", first_frame=2, length=1)
    assert trajectories_source(path, "b", lambda: (None, (64, 48), 5.0, 2)).open()[0].length == 1


@pytest.mark.parametrize(("frame", "left"), [(-1, 10.0), (0, float("nan"))])
def test_rows_of_tables_that_cannot_be_are_refused(tmp_path: Path, frame: int, left: float) -> None:
    path = _table(tmp_path / "a")
    stored = pq.read_table(path)
    for name, value in (("frame", frame + 1), ("left", left)):
        place = stored.column_names.index(name)
        stored = stored.set_column(place, stored.schema.field(name), pa.array([value], stored.schema.field(name).type))
    pq.write_table(stored, path)
    with pytest.raises(DataError, match=r"a\.parquet: row 1"):
        trajectories_source(path, "a", lambda: (None, (64, 48), 5.0, 2)).open()
