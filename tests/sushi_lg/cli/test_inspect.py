from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import run
from synthetic import write_world


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inspect")
    split = write_world(root / "data", ("one", "two"))
    assert run("track", split, "--data", root / "data", "--out", root / "run") == 0
    return root / "run"


def test_the_weakest_link_of_a_trajectory(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", run_folder, "--sequence", "one", "--pair", 1, 1) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("one: may trajectory 1 of frame ") and "ground truth: yes, the same person" in shown
    assert ": joined: probability 0." in shown and "without " in shown and "cost " in shown
    assert shown.rstrip().endswith("in the end: one trajectory, 1")


def test_two_people(run_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["inspect", run_folder, "--sequence", "two", "--pair", 1, 2, "--frame", 30]
    assert run(*words, "--json", tmp_path / "two.json") == 0
    shown = capsys.readouterr().out
    assert "ground truth: no, two persons" in shown and "in the end: two trajectories" in shown
    content = json.loads((tmp_path / "two.json").read_text())
    assert content["pair"]["earlier"]["track_id"] == 1 and content["pair"]["later"]["track_id"] == 2
    assert content["pair"]["earlier"]["frame"] <= 30 < content["pair"]["later"]["frame"]
    assert len(content["levels"]) == 8 and content["same_as_stored"] is True
    assert run(*words, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == content


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pair", 1, 1], "2 sequences"),
        (["--pair", 1, 1, "--sequence", "three"], "no sequence 'three'"),
        (["--pair", 1, 2, "--sequence", "one"], "say where one should go on: --frame N"),
        (["--pair", 1, 77, "--sequence", "one"], "no trajectory 77"),
    ],
)
def test_what_is_refused(run_folder: Path, words: list[object], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", run_folder, *words) not in (0, 70)
    assert said in capsys.readouterr().err
