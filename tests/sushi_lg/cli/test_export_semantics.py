"""What was said leaves in the files of others, and comes back the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bensmot_miniature import SPLIT, write_miniature
from typer.testing import CliRunner

from semantic.bensmot.annotations import read_annotations
from semantic.records_io import result_path, write_semantics
from sushi_lg.cli.app import build_app
from sushi_lg.data.bensmot import read_combined_files
from sushi_lg.errors import ConfigError


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """Return results that say what annotators said, and the annotations."""
    root = write_miniature(tmp_path)
    for clip, semantics in read_annotations(root).pairs:
        write_semantics(result_path(tmp_path / "run", clip.name), clip, semantics)
    return tmp_path / "run", root


def export(*words: object) -> list[Path]:
    run = CliRunner().invoke(build_app("export-semantics"), ["export-semantics", *map(str, words)])
    if run.exception is not None:
        raise run.exception
    return [Path(line.removeprefix("wrote ")) for line in run.output.splitlines()]


def test_combined_files_are_read_back(data: tuple[Path, Path], tmp_path: Path) -> None:
    assert len(export(data[0], "--out", tmp_path / "x")) == 3
    ours, theirs = read_combined_files(tmp_path / "x"), read_combined_files(data[1] / SPLIT)
    assert ours.captions == theirs.captions is not None and ours.summaries == theirs.summaries


def test_lists_of_the_released_script_agree_with_themselves(data: tuple[Path, Path], tmp_path: Path) -> None:
    for path in export(data[0], "--format", "reference", "--truth", data[1], "--out", tmp_path / "x"):
        lists = json.loads(path.read_text())
        if path.name == "relation_results.json":
            said, told = ([sum(vector) for vector in lists[key]] for key in ("preds", "gts"))
            assert told == [2, 2, 1, 2] and all(ours >= theirs for ours, theirs in zip(said, told, strict=True))
        else:
            assert lists["preds"] == lists["gts"] != []


def test_other_formats_write_what_they_say(data: tuple[Path, Path], tmp_path: Path) -> None:
    assert len(export(data[0], "--format", "mot", "--out", tmp_path / "x")) == 1
    for path in export(data[0], "--format", "mot", "--truth", data[1], "--out", tmp_path / "y"):
        assert sum(1 for _ in path.rglob("*.txt")) >= 3
    truth, predictions = export(data[0], "--format", "chota", "--truth", data[1], "--out", tmp_path / "z")
    assert len(json.loads(truth.read_text())["annotations"]) == len(json.loads(predictions.read_text()))


@pytest.mark.parametrize("form", ["reference", "chota"])
def test_what_needs_annotations_says_so(data: tuple[Path, Path], tmp_path: Path, form: str) -> None:
    with pytest.raises(ConfigError, match="add --truth DIR"):
        export(data[0], "--format", form, "--out", tmp_path / "x")
    with pytest.raises(ConfigError, match="leave it out"):
        export(data[0], "--truth", data[1], "--out", tmp_path / "x")
