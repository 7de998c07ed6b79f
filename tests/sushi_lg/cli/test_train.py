"""``sushi-lg train`` on the toy world."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import write_world

from sushi_lg.cli.app import main
from sushi_lg.tracking.weights import load_tracker

SETTINGS = """
sources:
  - {{split: {split}, detections: toy}}
sampling: {{budget: 200, min_length: 20, max_length: 30}}
statistics_detections: 300
tracker:
  levels: [{{max_gap: 1, num_neighbours: 4}}, {{max_gap: 8}}]
  blocks: {{tracklets: {{node_dim: 8, edge_dim: 8, hidden_dim: 8, num_steps: 1}}}}
max_iterations: 4
log_every: 2
tensorboard: false
device: cpu
threads: 1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    split = write_world(tmp_path / "data", ("one", "two"))
    path = tmp_path / "toy.yaml"
    path.write_text(SETTINGS.format(split=split))
    return path


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return int(caught.value.code or 0)


def test_trains_and_resumes(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = ("train", "--config", config, "--data", tmp_path / "data", "--out", out)
    assert run(*words, "max_iterations=2") == 0
    shown = capsys.readouterr().out
    assert "2 sequences" in shown and "loss" in shown and f"wrote {out / 'weights.safetensors'}" in shown
    assert not load_tracker(out / "weights.safetensors").training
    assert [json.loads(row)["iteration"] for row in (out / "metrics.jsonl").read_text().splitlines()] == [2]
    assert run(*words, "max_iterations=2") == 4 and "--resume" in capsys.readouterr().err
    assert run("train", "--resume", "--out", out) == 0  # the settings are in the folder
    assert run("train", "--resume", "--out", out, "learning_rate=1") == 4
    assert "learning_rate was 0.0015, is 1.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("learning_rte=1",), "did you mean learning_rate?"),
        (("sources.0.wieght=2",), "did you mean sources.0.weight?"),
        (("max_iterations=0",), "max_iterations: 0 is below 1"),
        (("tracker.levels.0.threshold=2",), "levels.0.threshold"),
    ],
)
def test_wrong_settings_are_explained(
    config: Path, tmp_path: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "--config", config, "--data", tmp_path / "data", "--out", tmp_path / "run", *words) == 4
    assert message in capsys.readouterr().err


def test_without_settings_it_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train") == 4 and "--config FILE" in capsys.readouterr().err
    assert run("train", "--resume", "--out", tmp_path / "none") == 4
    assert "none: holds no training" in capsys.readouterr().err


def test_interrupted_it_saves_and_says_how_to_go_on(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "sushi_lg", "train", "--config", str(config), "--data", str(tmp_path / "data")]
    command += ["--out", str(out), "max_iterations=1000000", "log_every=1"]
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        command, cwd=root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=dict(os.environ)
    )
    deadline = time.monotonic() + 60
    metrics = out / "metrics.jsonl"
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, error
    assert f"go on with: sushi-lg train --resume --out {out}" in error
    assert list((out / "checkpoints").glob("step_*.json"))


def test_json(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = ("train", "--config", config, "--data", tmp_path / "data", "--out", out, "max_iterations=2", "--json", "-")
    assert run(*words) == 0
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert said["weights"] == str(out / "weights.safetensors") and Path(said["checkpoint"]).is_file()
    assert (said["finished"], said["iterations"], said["sequences"], said["scores"]) == (True, 2, 2, {})
    assert said["parameters"] > 100 and said["seconds"] > 0
    assert "loss" in told.err
