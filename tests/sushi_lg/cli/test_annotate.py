"""``sushi-lg annotate``: describing, converting, and what it says when it cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from people import WORN, write_people

from sushi_lg.cli.app import main
from sushi_lg.data.trajectory_io import TrajectoryTable, write_trajectories
from sushi_lg.language.descriptions import read_descriptions

DATA, CONFIG, WEIGHTS = 3, 4, 5  # exit codes


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["annotate", *map(str, words)])
    return int(stop.value.code or 0)


@pytest.fixture
def walkers(tmp_path: Path) -> Path:
    return write_people(tmp_path / "MOT17" / "train" / "MOT17-77")


def test_describe_and_keep(walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(walkers, "--out", out, "scene.place=indoor", "workers=1") == 0
    said = capsys.readouterr().out
    assert f"wrote {out / 'MOT17-77.jsonl'} (3 people and the scene)" in said
    assert "nothing clear to be seen of 1 people, left out: 4" in said
    rows = read_descriptions(out / "MOT17-77.jsonl")
    assert rows[0].sentence.startswith("An indoor scene") and rows[0].split == "train"
    assert {row.track_id: (row.attributes["upper"], row.attributes["lower"]) for row in rows[1:]} == WORN
    assert run(walkers, "--out", out, "scene.place=indoor", "--attributes", "rules") == 0
    assert f"kept {out / 'MOT17-77.jsonl'}" in capsys.readouterr().out


def test_of_a_split_the_frames_of_its_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(tmp_path / "MOT17" / "train" / "MOT17-77")
    split = tmp_path / "mine.txt"
    split.write_text("# dataset: MOT17\n# part: train\n# view: first-half\nMOT17-77\n")
    assert run(split, "--data", tmp_path, "--out", tmp_path / "out") == 0
    rows = read_descriptions(tmp_path / "out" / "MOT17-77.jsonl")
    assert {row.split for row in rows} == {"mine"}
    assert max(frame for row in rows for frame in row.keyframes) == 12


def test_result_files_instead_of_ground_truth(walkers: Path, tmp_path: Path) -> None:
    (walkers / "gt" / "gt.txt").unlink()
    assert run(walkers, "--out", tmp_path / "out") == DATA
    frame = np.repeat(np.arange(24), 2)
    left = np.where(np.arange(48) % 2 == 0, 10, 105) + frame
    boxes = np.stack([left, np.full(48, 30), np.full(48, 44), np.full(48, 110)], axis=1).astype(np.float64)
    filled = (np.arange(48) % 2 == 1) & (frame < 12)
    table = TrajectoryTable(frame, np.tile([7, 8], 24), boxes, np.ones(48), filled, np.where(filled, -1, 0))
    write_trajectories(tmp_path / "tracks" / "MOT17-77.txt", table)
    for number, tracks in enumerate((tmp_path / "tracks", tmp_path / "tracks" / "MOT17-77.txt")):
        assert run(walkers, "--out", tmp_path / f"out{number}", "--tracks", tracks) == 0
        rows = read_descriptions(tmp_path / f"out{number}" / "MOT17-77.jsonl")
        assert {row.track_id: row.attributes.get("upper") for row in rows[1:]} == {7: "red", 8: "blue"}
        assert min(rows[2].keyframes) >= 12  # boxes that were filled in are not looked at
    assert run(walkers, "--out", tmp_path / "out", "--tracks", tmp_path / "absent") == DATA


def test_lamot(walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "lamot"
    folder.mkdir()
    for number, (text, ids) in enumerate((("person", [1, 2, 3]), ("person in red", [1])), start=1):
        content = {"targets": {str(frame): ids for frame in range(1, 25)}, "language": text}
        (folder / f"MOT17-77-FRCNN_{number:02d}.json").write_text(json.dumps(content))
    assert run(walkers, "--from", "lamot", folder, "--out", tmp_path / "out") == 0
    assert "LaMOT does not mention 2 of 5 identities" in capsys.readouterr().out
    rows = read_descriptions(tmp_path / "out" / "MOT17-77.jsonl")
    assert [(row.track_id, row.sentence) for row in rows] == [(1, "Person in red."), (2, "Person."), (3, "Person.")]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "MOT17-78-FRCNN_01.json").write_text('{"targets": {}, "language": "x"}')
    assert run(walkers, "--from", "lamot", tmp_path / "other", "--out", tmp_path / "out") == DATA
    assert "no expression of MOT17-77" in capsys.readouterr().err


def test_bensmot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "BenSMOT" / "test" / "cooking" / "x_1"
    (clip / "gt").mkdir(parents=True)
    (clip / "gt" / "gt.txt").write_text("1,4,0,0,9,9\n")
    (clip / "instance_captions.txt").write_text("woman0: A woman cooks.\n")
    assert run("--from", "bensmot", tmp_path / "BenSMOT", "--out", tmp_path / "out") == 0
    assert "1 clips without video caption" in capsys.readouterr().out
    [row] = read_descriptions(tmp_path / "out" / "cooking" / "x_1.jsonl")
    assert (row.track_id, row.sentence, row.split) == (4, "A woman cooks.", "test")
    assert run("x", "--from", "bensmot", tmp_path / "BenSMOT", "--out", tmp_path / "out") == CONFIG
    assert run("--from", "bensmot", tmp_path / "BenSMOT", "--out", tmp_path / "out", "views=3") == CONFIG
    assert run("--from", "kitti", tmp_path, "--out", tmp_path / "out") == CONFIG
    assert "formats: lamot, bensmot" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--describer", "mllm"), CONFIG, "there are openvino, rules"),
        (("scene.place=inside",), CONFIG, "indoor, outdoor"),
        (("views=0",), CONFIG, "views: 0"),
        (("colour=red",), CONFIG, "colour"),
        (("--frames", "absent"), DATA, "absent"),
    ],
)
def test_what_is_wrong_is_said(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    assert run(walkers, "--out", tmp_path / "out", *words) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*.jsonl"))


def test_without_the_package(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert run(walkers, "--out", tmp_path / "out", "--attributes", "openvino") == WEIGHTS
    assert "pip install 'sushi-lg[attributes]'" in capsys.readouterr().err


def test_no_source_and_no_identities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--out", tmp_path) == DATA
    assert "no SOURCE" in capsys.readouterr().err
    (tmp_path / "x.mp4").write_bytes(b"")
    assert run(tmp_path / "x.mp4", "--out", tmp_path) == DATA
    assert "pictures without identities" in capsys.readouterr().err
