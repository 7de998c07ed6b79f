"""Every study on a toy world that has the names of the real one."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from pictures import moving_squares, write_lossless
from stages import SquareDetector
from synthetic import write_world

from sushi_lg.cli.app import main
from sushi_lg.data.gallery import open_gallery
from sushi_lg.data.splits import read_split
from sushi_lg.language.descriptions import read_descriptions
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, save_weights

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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tracker that learned nothing."""
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(path, HierarchicalTracker(TrackerConfig()).state_dict(), WeightsInfo())
    return path


def finished(weights: Path, folder: Path) -> None:
    folder.mkdir()
    shutil.copy(weights, folder)


def test_dancetrack_folds_are_scored_together_and_a_finished_training_is_used_again(
    data: Path, weights: Path, tmp_path: Path
) -> None:
    finished(weights, tmp_path / "dancetrack_odd-seed3")
    shown = run(ROOT / "scripts" / "study_dancetrack_folds.sh", data, tmp_path, SEEDS="3")
    assert "| dancetrack_folds | 1 |" in shown and shown.count("trained already") == 1
    scores = json.loads((tmp_path / "dancetrack_folds-seed3" / "scores.json").read_text())
    assert sorted(scores["sequences"]) == sorted(read_split("dancetrack-13").sequences)
    # a fold is never asked about what it was taught
    run_folder = tmp_path / "dancetrack_even-seed3"
    settings = (run_folder / "config.yaml").read_text()
    asked = {path.stem for path in (run_folder / "dancetrack-fold-odd" / "tracks").glob("*.txt")}
    assert "split: dancetrack-fold-even" in settings and "seed: 3" in settings
    assert asked == set(read_split("dancetrack-fold-odd").sequences)


def test_cross_domain(data: Path, weights: Path, tmp_path: Path) -> None:
    for study in ("without_dancetrack", "without_mot17"):
        finished(weights, tmp_path / f"{study}-seed0")
    run(ROOT / "scripts" / "study_cross_domain.sh", data, tmp_path)
    table = (tmp_path / "cross_domain.md").read_text()
    assert "| without_dancetrack/dancetrack-13 | 1 |" in table and "| without_mot17/mot17-half-val | 1 |" in table


def test_mot17_val_half_goes_on_with_an_interrupted_training(data: Path, weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mot17_seeds-seed0"
    words = ["train", "--config", "studies/mot17_seeds", "--data", str(data), "--out", str(folder), *SMALL.split()]
    with pytest.raises(SystemExit) as done:
        main(words)
    assert not done.value.code
    (folder / "weights.safetensors").unlink()  # killed between the last checkpoint and the weights

    script = ROOT / "scripts" / "study_mot17_val_half.sh"
    run(script, data, tmp_path, WEIGHTS=str(weights), SEEDS="0", TRAIN_SETTINGS="max_iterations=9999")
    table = (tmp_path / "mot17_val_half.md").read_text()
    assert "| shipped/mot17-half-val | 1 |" in table and "| mot17_seeds/mot17-half-val | 1 |" in table


@pytest.mark.parametrize(("script", "needed"), [("study_cross_domain", "DATA OUT"), ("study_language", "OUT [key=")])
def test_a_script_says_what_it_needs(script: str, needed: str) -> None:
    done = subprocess.run([ROOT / "scripts" / f"{script}.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and needed in done.stderr


def test_thirteen_sequences_are_both_folds() -> None:
    even, odd, both = (read_split(f"dancetrack-{name}").sequences for name in ("fold-even", "fold-odd", "13"))
    assert sorted(even + odd) == sorted(both) and len(both) == 13


# Hands the words of a call over and waits for its exit code; gives up after a minute.
HAND_OVER = """#!/bin/sh
printf '%s\\n' "$@" > "$0.part" && mv "$0.part" "$0.asked"
for _ in $(seq 1200); do
    [ -f "$0.answer" ] && code=$(cat "$0.answer") && rm "$0.answer" && exit "$code"
    sleep 0.05
done
exit 9
"""


def test_language_makes_all_that_its_arms_learn_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to the trainings, which take minutes. The verbs run here: ten times Python's start would take longest."""
    out, python = tmp_path / "out", tmp_path / "python"
    out.mkdir()
    monkeypatch.chdir(out)
    python.write_text(HAND_OVER)
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "SEQUENCES": "1 1", "FRAMES": "12 12"}
    words = [str(ROOT / "scripts" / "study_language.sh"), str(out), "seeds=[0]", "--dry-run"]
    script = subprocess.Popen(words, env=environment)
    asked = Path(f"{python}.asked")
    while script.poll() is None:
        time.sleep(0.01)
        if asked.exists():
            module, package, *call = asked.read_text().splitlines()
            assert (module, package) == ("-m", "sushi_lg")
            asked.unlink()
            with pytest.raises(SystemExit) as done:
                main(call)
            Path(f"{python}.part").write_text(str(int(done.value.code or 0)))
            Path(f"{python}.part").rename(f"{python}.answer")
    shown = capsys.readouterr()
    assert script.returncode == 0, shown.err
    settings = yaml.safe_load((ROOT / "configs" / "studies" / "language.yaml").read_text())
    learned = [name for name, domain in settings["domains"].items() if "train" in domain]
    assert len(learned) == 3 and len(settings["domains"]) == 4
    for arm in settings["arms"]:
        for name in learned:
            assert f"{arm}/{name}/seed0 " in shown.out
    assert shown.out.count("not begun") == shown.out.count("0/4") == len(settings["arms"]) * 3
    for name in learned:
        rows = read_descriptions(out / "descriptions" / f"{name}-train-0001.jsonl")
        assert rows[0].track_id is None and len({row.sentence for row in rows[1:]}) > 2
    tell_attributes(out, monkeypatch)


def tell_attributes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are told have the pixels as they are, and equal vectors beside them for equal descriptions."""
    monkeypatch.setattr(sys, "argv", ["tell_attributes.py", str(out)])
    runpy.run_path(str(ROOT / "scripts" / "tell_attributes.py"), run_name="__main__")
    settings = yaml.safe_load((ROOT / "configs" / "studies" / "language_told.yaml").read_text())
    assert settings["domains"]["night"]["test"]["appearance"] == "look/told"
    pixels, told = (open_gallery(out / "look" / name, "night-test-0001") for name in ("pixels", "told"))
    seen = pixels.vectors.astype(np.float32)
    known = np.linalg.norm(seen, axis=1) > 0
    seen[known] /= np.linalg.norm(seen[known], axis=1, keepdims=True)
    np.testing.assert_allclose(told.vectors[:, : seen.shape[1]], seen, atol=2e-3)
    words = told.vectors[:, seen.shape[1] :].astype(np.float32)
    lengths = np.linalg.norm(words, axis=1)
    assert ((np.abs(lengths - 1) < 1e-2) | (lengths == 0)).all() and (lengths > 0).mean() > 0.5
    people = {row.sentence for row in read_descriptions(out / "descriptions" / "night-test-0001.jsonl") if row.track_id}
    assert 1 < len(np.unique(words[lengths > 0], axis=0)) <= len(people)


def test_camera(data: Path, weights: Path, tmp_path: Path) -> None:
    told = run(ROOT / "scripts" / "study_camera.sh", data, tmp_path, WEIGHTS=str(weights))
    assert told.count("COMBINED") == 2
    for camera in ("auto", "none"):
        settings = (tmp_path / f"camera-{camera}" / "config.yaml").read_text()
        assert f"camera: {camera}\n" in settings and (tmp_path / f"camera-{camera}" / "scores.json").is_file()


def test_videos(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bright squares for people, and the squares themselves as another tracker's result."""
    script = ROOT / "scripts" / "study_videos.py"
    study = runpy.run_path(str(script))
    frames = 24
    for name, path in study["TRUTH"].items():
        (tmp_path / "videos").mkdir(exist_ok=True)
        write_lossless(tmp_path / "videos" / f"{name}.mp4", moving_squares(frames))
        folder = tmp_path / "data" / path / "gt"
        folder.mkdir(parents=True)
        detector = SquareDetector()
        seen = [detector.detect([detector.prepare(picture)])[0] for picture in moving_squares(frames)]
        first = frames // 2 + 1 if name in study["SECOND_HALF_ONLY"] else 0
        for target, skip in ((folder / "gt.txt", 0), (tmp_path / "other" / f"{name}.txt", first)):
            target.parent.mkdir(exist_ok=True)
            lines = [
                f"{frame + 1 - skip},{row + 1},{x0 + 1},{y0 + 1},{x1 - x0},{y1 - y0},1,1,1\n"
                for frame, found in enumerate(seen)
                for row, (x0, y0, x1, y1) in enumerate(found.boxes_xyxy)
                if frame >= skip
            ]
            target.write_text("".join(lines))
        (folder.parent / "seqinfo.ini").write_text(
            f"[Sequence]\nname={folder.parent.name}\nframeRate=25\nseqLength={frames}\nimWidth=128\nimHeight=96\n"
        )
    monkeypatch.setattr("sushi_lg.detection.registry.load_detector", lambda name: SquareDetector(name=name))
    arguments = [script, tmp_path / "videos", tmp_path / "data", tmp_path / "out", "--weights", weights]
    others = ["--embedders", "hsv", "--other", f"perfect={tmp_path / 'other'}"]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments + others)))
    runpy.run_path(str(script), run_name="__main__")
    scores = json.loads((tmp_path / "out" / "videos.json").read_text())
    assert set(scores) == {"perfect", "boxes", "hsv"} and set(scores["hsv"]) == {*study["TRUTH"], "mean"}
    assert scores["perfect"]["mean"]["IDF1"] == pytest.approx(100)
    assert capsys.readouterr().out.startswith((tmp_path / "out" / "videos.txt").read_text())
