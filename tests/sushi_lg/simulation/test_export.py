"""Exported worlds are data sets like any other, whole or not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.cli.app import main
from sushi_lg.data.splits import load_split
from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import read_descriptions
from sushi_lg.simulation import export
from sushi_lg.simulation.export import export_split
from sushi_lg.simulation.people import attributes, sentence
from sushi_lg.simulation.scenes import DOMAINS
from sushi_lg.simulation.world import simulate

SHORT = replace(DOMAINS["stage"], frames=6)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_what_is_written_is_what_was_simulated(tmp_path: Path) -> None:
    frames = []
    exported = export_split(SHORT, tmp_path, split="test", sequences=2, seed=3, done=frames.append)
    assert frames == sorted(frames) and frames[-1] == 12
    sequences = load_split(str(tmp_path / "stage-test.txt"), tmp_path)
    assert [one.name for one in sequences] == ["stage-test-0001", "stage-test-0002"]
    assert [one.path for one in exported] == [one.info.root for one in sequences]
    clip, sequence = simulate(SHORT, split="test", number=2, seed=3), sequences[1]
    truth = sequence.load_ground_truth("scored")
    people, at = np.nonzero(clip.staging.is_inside)
    np.testing.assert_array_equal(truth.track_id, people + 1)
    np.testing.assert_array_equal(truth.frame, at + 1)
    np.testing.assert_allclose(truth.boxes_xyxy, clip.staging.boxes_xyxy[people, at], atol=0.011)
    np.testing.assert_allclose(truth.visibility, clip.staging.visibility[people, at], atol=6e-4)
    found = sequence.load_detections("simulated")
    np.testing.assert_allclose(found.boxes_xyxy, clip.detections.boxes_xyxy, atol=0.002)
    np.testing.assert_allclose(found.score, clip.detections.score, atol=1e-5)
    assert found.camera is not None
    assert sequence.image_path(5).is_file() and not (sequence.info.image_folder / "000007.jpg").exists()
    table = (sequence.info.root / "det" / "simulated.txt").read_text().splitlines()
    assert {line.split(",")[1] for line in table} == {"-1"}


def test_pictures_are_those_of_the_clip(tmp_path: Path) -> None:
    import cv2

    export_split(SHORT, tmp_path)
    stored = cv2.imread(str(tmp_path / "stage/train/stage-train-0001/img1/000004.jpg")).astype(float)
    drawn = list(simulate(SHORT).pictures())[3]
    assert np.abs(stored - drawn).mean() < 6  # JPEG of noisy pictures


def test_descriptions_are_true(tmp_path: Path) -> None:
    export_split(SHORT, tmp_path)
    rows = read_descriptions(tmp_path / "descriptions" / "stage-train-0001.jsonl")
    clip = simulate(SHORT)
    assert rows[0].track_id is None and "coloured stage light" in rows[0].sentence
    seen = np.flatnonzero(clip.staging.is_inside.any(axis=1))
    assert [row.track_id for row in rows[1:]] == (seen + 1).tolist()
    for row in rows[1:]:
        assert row.track_id is not None
        who = clip.people[row.track_id - 1]
        assert (row.sentence, row.attributes) == (sentence(who), attributes(who))
        assert row.discriminability is not None and 0 <= row.discriminability <= 1


def test_bytes_repeat(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_split(SHORT, tmp_path / name, sequences=2, seed=5)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    export_split(SHORT, tmp_path / "c", sequences=2, seed=6)
    first, other = contents(tmp_path / "a"), contents(tmp_path / "c")
    assert first.keys() == other.keys()
    assert all(first[key] != other[key] for key in first if key.endswith((".jpg", "gt.txt", "simulated.txt", ".jsonl")))


def test_a_run_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = export.write_detections
    calls = []

    def killed(path: Path, *rest: object) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        writing(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(export, "write_detections", killed)
    with pytest.raises(KeyboardInterrupt):
        export_split(SHORT, tmp_path / "a", sequences=2)
    monkeypatch.undo()
    folder = tmp_path / "a" / "stage" / "train"
    assert not (folder / "stage-train-0002").exists(), "half a sequence is none"
    picture = folder / "stage-train-0001" / "img1" / "000001.jpg"
    written = picture.stat().st_mtime_ns
    exported = export_split(SHORT, tmp_path / "a", sequences=2)
    assert [one.reused for one in exported] == [True, False]
    assert picture.stat().st_mtime_ns == written
    export_split(SHORT, tmp_path / "b", sequences=2)
    assert contents(tmp_path / "a") == contents(tmp_path / "b"), "nothing of the killed run is left"


def test_more_sequences_go_on_behind_those_that_are_there(tmp_path: Path) -> None:
    export_split(SHORT, tmp_path)
    export_split(SHORT, tmp_path, sequences=2)
    export_split(SHORT, tmp_path, sequences=1)
    names = [line for line in (tmp_path / "stage-train.txt").read_text().splitlines() if not line.startswith("#")]
    assert names == ["stage-train-0001", "stage-train-0002"], "the second one is still there"


def test_a_lost_description_comes_back(tmp_path: Path) -> None:
    export_split(SHORT, tmp_path)
    words = tmp_path / "descriptions" / "stage-train-0001.jsonl"
    before = words.read_bytes()
    words.unlink()
    assert export_split(SHORT, tmp_path)[0].reused
    assert words.read_bytes() == before


@pytest.mark.parametrize("how", ["other settings", "foreign"])
def test_what_is_something_else_is_not_overwritten(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "stage" / "train" / "stage-train-0001"
    if how == "foreign":
        folder.mkdir(parents=True)
        (folder / "mine.txt").write_text("mine")
    else:
        export_split(replace(SHORT, people=[3, 3]), tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError, match="stage-train-0001"):
        export_split(SHORT, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("arguments", [{"split": "../x"}, {"split": ""}, {"sequences": 0}])
def test_bad_arguments_are_refused(tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(DataError):
        export_split(SHORT, tmp_path, **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "plaza", "stage", "frames=3", "people=[2,2]", "--out", str(tmp_path), "--sequences", "1"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--split", "val"])
    assert stop.value.code == 0
    assert len(load_split(str(tmp_path / "plaza-val.txt"), tmp_path)) == 1
    stored = json.loads((tmp_path / "stage/val/stage-val-0001/simulation.json").read_text())
    assert stored["domain"]["frames"] == 3 and stored["domain"]["people"] == [2, 2]
    assert "wrote" in capsys.readouterr().out
    # the command line and the function agree about what is the same
    assert export_split(replace(DOMAINS["plaza"], frames=3, people=[2, 2]), tmp_path, split="val")[0].reused


@pytest.mark.parametrize(
    ("words", "said"),
    [(["plazza"], "did you mean plaza"), (["plaza", "lamp=3"], "lamp"), (["plaza", "people=[5,2]"], "people")],
)
def test_the_verb_explains_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", *words, "--out", str(tmp_path)])
    assert stop.value.code == 4
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
