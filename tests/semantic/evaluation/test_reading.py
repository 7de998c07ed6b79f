from __future__ import annotations

from pathlib import Path

import pytest
from bensmot_miniature import write_miniature
from spoken import small_world

from semantic.evaluation.reading import read_results, read_truth
from semantic.records_io import result_path, write_semantics
from sushi_lg.errors import DataError


def write_results(folder: Path, num_clips: int = 2) -> Path:
    for clip, semantics in small_world(num_clips):
        write_semantics(result_path(folder, clip.name), clip, semantics)
    return folder


def test_results_are_read_from_the_run_or_from_the_folder_in_it(tmp_path: Path) -> None:
    write_results(tmp_path)
    for folder in (tmp_path, tmp_path / "semantics"):
        (folder / "folder.json").mkdir()
    names = [clip.name for clip, _ in read_results(tmp_path)]
    assert (
        names == [clip.name for clip, _ in read_results(tmp_path / "semantics")] == ["street/clip_0", "street/clip_1"]
    )


def test_annotations_are_a_data_set_or_files_like_results(tmp_path: Path) -> None:
    root = write_miniature(tmp_path / "data")
    in_set = [clip.name for clip, _ in read_truth(root)]
    assert len(in_set) == 3
    assert (
        in_set
        == [clip.name for clip, _ in read_truth(root, "all")]
        == [clip.name for clip, _ in read_truth(root / "test")]
    )
    assert len(read_truth(write_results(tmp_path / "run"))) == 2
    with pytest.raises(DataError, match="train"):
        read_truth(root, "train")


def test_the_annotations_of_results_are_the_results(tmp_path: Path) -> None:
    write_results(tmp_path)
    said = {clip.name: semantics.interactions for clip, semantics in read_truth(tmp_path)}
    assert said == {clip.name: semantics.interactions for clip, semantics in small_world(2)}


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    (tmp_path / "relation.json").write_text("{}")
    with pytest.raises(DataError, match="no results"):
        read_results(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_results(tmp_path / "absent")


def test_a_tenth_of_the_training_set_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_miniature(tmp_path / "data")
    (root / "test").rename(root / "train")
    assert read_truth(root, "held-out") == [], "a tenth of one clip is none"
    monkeypatch.setattr("semantic.evaluation.reading.held_out", lambda names: {sorted(names)[0]})
    assert [clip.name for clip, _ in read_truth(root, "held-out")] == ["_Uncategoried/cccc_0"]
