from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from called import run
from synthetic import write_world

from sushi_lg.errors import ConfigError, DataError
from sushi_lg.inspection.replay import open_run
from sushi_lg.study.ceilings import fingerprint_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ceilings")
    write_world(root / "data", ("one", "two"))
    for name in ("one", "two"):
        assert run("track", root / "data" / name, "--out", root / name) == 0
    return root


def test_two_runs_in_one_table(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study", "ceilings", runs / "one", runs / "two", "--out", tmp_path, "--json", tmp_path / "j") == 0
    shown = capsys.readouterr()
    assert (tmp_path / "j").read_text() == (tmp_path / "ceilings.json").read_text()
    assert "+ learned level 7" in shown.out and "[2/2] two: done" in shown.err
    content = json.loads((tmp_path / "ceilings.json").read_text())
    assert len(content["stages"]) == 12 and len(content["stages"][0]["plain"]["sequences"]) == 2
    # The last stage is the tracker itself: its score is that of its results.
    assert run("evaluate", runs / "one", "--data", runs / "data", "--json", tmp_path / "one.json") == 0
    one = json.loads((tmp_path / "one.json").read_text())["sequences"]["one"]["HOTA"]
    assert content["stages"][-1]["filled"]["sequences"]["one"]["HOTA"] == pytest.approx(one, abs=1e-3)
    for suffix in ("md", "png", "svg"):
        assert (tmp_path / f"ceilings.{suffix}").stat().st_size > 100


def test_a_sequence_counts_once(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study", "ceilings", runs / "one", runs / "one", "--out", tmp_path) == ConfigError.exit_code
    assert "one is in several of these runs" in capsys.readouterr().err


def test_two_sequences_of_one_name_are_two(tmp_path: Path) -> None:
    for number, folder in enumerate(("a", "b")):
        write_world(tmp_path / folder, ("same",), seed=number)
        assert run("track", tmp_path / folder / "same", "--out", tmp_path / f"run-{folder}") == 0
    out = tmp_path / "out"
    assert run("study", "ceilings", tmp_path / "run-a", tmp_path / "run-b", "--out", out) == 0
    content = json.loads((out / "ceilings.json").read_text())
    assert list(content["stages"][0]["plain"]["sequences"]) == ["run-a/same", "run-b/same"]
    runs = [open_run(tmp_path / f"run-{folder}") for folder in ("a", "b")]
    assert content["of"] == [fingerprint_of(run) for run in runs] and content["of"][0] != content["of"][1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no run"),
        (["one", "two"], "several runs"),
        (["one", "levels.0.max_gap=2"], "ceilings are of runs as they are"),
        (["three"], "no such file"),
    ],
)
def test_what_is_refused(
    runs: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs)
    assert run("study", "ceilings", *words) in (ConfigError.exit_code, DataError.exit_code)
    assert said in capsys.readouterr().err


def test_without_ground_truth(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = Path(shutil.copytree(runs / "data", tmp_path / "data"))
    shutil.rmtree(bare / "one" / "gt")
    assert run("study", "ceilings", runs / "one", "--data", bare) == DataError.exit_code
    assert "no ground truth: one" in capsys.readouterr().err
