"""``sushi-lg simulate`` as a script calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import run


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plaza", "stage", "frames=2", "people=[2,2]", "--sequences", 1, "--out", tmp_path, "--json", "-"]
    for is_kept in (False, True):
        assert run("simulate", *words) == 0
        told = capsys.readouterr()
        said = json.loads(told.out)
        assert [one["domain"] for one in said["domains"]] == ["plaza", "stage"] and said["split"] == "train"
        for one in said["domains"]:
            (sequence,) = one["sequences"]
            assert Path(one["listed"]).is_file() and sequence["kept"] is is_kept and one["seconds"] > 0
            assert Path(sequence["path"]).is_dir() and Path(sequence["path"]).name == sequence["sequence"]
        assert f"{'kept' if is_kept else 'wrote'} {sequence['path']}" in told.err


def test_json_of_clips_of_bensmot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["social", "--layout", "bensmot", "--sequences", 1, "--out", tmp_path, "--json", "-"]
    assert run("simulate", *words) == 0
    (one,) = json.loads(capsys.readouterr().out)["domains"]
    assert Path(one["listed"]) == tmp_path / "train" and len(one["sequences"]) == 1
    assert Path(one["sequences"][0]["path"]).is_dir()
