"""Every study on a toy world that has the names of the real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import write_world

from sushi_lg.data.splits import read_split

ROOT = Path(__file__).resolve().parents[2]
# Two steps: the scripts are under test, not the tracker.
SMALL = (
    "max_iterations=2 sampling.budget=100 sampling.min_length=10 sampling.max_length=20 statistics_detections=200 "
    "tensorboard=false device=cpu"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for split in map(read_split, ("mot17-half-val", "dancetrack-13", "sportsmot-train")):
        folder = root / split.dataset / split.part
        write_world(folder, split.sequences)
        for name in split.sequences:
            (folder / name / "det" / "toy.txt").rename(folder / name / "det" / "yolox_x.txt")
    return root


def run(*words: str | Path, **settings: str) -> str:
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TRAIN_SETTINGS": SMALL,
        **settings,
    }
    done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dancetrack_folds_are_scored_together_and_trainings_are_used_again(data: Path, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "study_dancetrack_folds.sh"
    first = run(script, data, tmp_path, SEEDS="0")
    assert "| dancetrack_folds | 1 |" in first and "trained already" not in first
    scores = json.loads((tmp_path / "dancetrack_folds-seed0" / "scores.json").read_text())
    assert sorted(scores["sequences"]) == sorted(read_split("dancetrack-13").sequences)
    # a fold is never asked about what it was taught
    taught = (tmp_path / "dancetrack_even-seed0" / "config.yaml").read_text()
    asked = {
        path.stem for path in (tmp_path / "dancetrack_even-seed0" / "dancetrack-fold-odd" / "tracks").glob("*.txt")
    }
    assert "split: dancetrack-fold-even" in taught and asked == set(read_split("dancetrack-fold-odd").sequences)

    weights = tmp_path / "dancetrack_odd-seed0" / "weights.safetensors"
    trained = weights.stat().st_mtime_ns
    again = run(script, data, tmp_path, SEEDS="0")
    assert again.count("trained already") == 2 and weights.stat().st_mtime_ns == trained
    assert (tmp_path / "dancetrack_folds.md").read_text().splitlines()[-1] in first

    # one table over both folds, each tracked with the weights of the other
    pairs = [f"dancetrack-fold-odd={tmp_path}/dancetrack_even-seed0/weights.safetensors"]
    out = tmp_path / "ceilings"
    text = run(sys.executable, ROOT / "scripts" / "study_ceilings.py", data, out, *pairs)
    assert (
        "perfect association" in text
        and "+ learned level 7" in text
        and text.strip() in (out / "ceilings.txt").read_text()
    )
    assert len(json.loads((out / "ceilings.json").read_text())["stages"]) == 12


def test_mot17_val_half_with_shipped_weights_and_seeds(data: Path, tmp_path: Path) -> None:
    run(ROOT / "scripts" / "study_cross_domain.sh", data, tmp_path)
    table = (tmp_path / "cross_domain.md").read_text()
    assert "| without_dancetrack/dancetrack-13 | 1 |" in table and "| without_mot17/mot17-half-val | 1 |" in table

    weights = str(tmp_path / "without_mot17-seed0" / "weights.safetensors")  # for the shipped ones
    run(ROOT / "scripts" / "study_mot17_val_half.sh", data, tmp_path, WEIGHTS=weights, SEEDS="0 1")
    table = (tmp_path / "mot17_val_half.md").read_text()
    assert "| shipped/mot17-half-val | 1 |" in table and "| mot17_seeds/mot17-half-val | 2 |" in table
    assert run(sys.executable, ROOT / "scripts" / "summarize_runs.py", tmp_path / "shipped").count("\n") == 3


def test_a_script_says_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "scripts" / "study_cross_domain.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "DATA OUT" in done.stderr
