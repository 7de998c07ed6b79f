from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from people import WORN, write_people

from sushi_lg.data.frames import sequence_frames
from sushi_lg.data.sequence import open_sequence
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.language.annotate import Annotated, Task, annotate, task_of
from sushi_lg.language.attributes import RuleDescriber
from sushi_lg.language.descriptions import Description, read_descriptions, write_descriptions
from sushi_lg.language.views import PersonViews


def _task(folder: Path, **options: str) -> Task:
    sequence = open_sequence(folder)
    return task_of(sequence, sequence_frames(sequence), sequence.load_ground_truth("all"), **options)


def _annotate(folder: Path, out: Path, describer: RuleDescriber | None = None, **options: str) -> Annotated:
    return annotate(_task(folder, **options), out, describer or RuleDescriber(), workers=1)


class Counting(RuleDescriber):
    """Counts whom it is asked about, and stops after some."""

    def __init__(self, limit: int = 99) -> None:
        self.asked: list[int] = []
        self._limit = limit

    def describe(self, person: PersonViews) -> Description | None:
        if len(self.asked) == self._limit:
            raise KeyboardInterrupt
        self.asked.append(person.track_id)
        return super().describe(person)


@pytest.fixture
def walkers(tmp_path: Path) -> Path:
    return write_people(tmp_path / "MOT17" / "train" / "MOT17-77")


def test_everybody_seen_gets_what_they_wear(walkers: Path, tmp_path: Path) -> None:
    done = _annotate(walkers, tmp_path / "out", split="mine", place="outdoor")
    assert done.path == tmp_path / "out" / "MOT17-77.jsonl" and not done.reused
    scene, *people = read_descriptions(done.path)
    assert done.rows == [scene, *people]
    worn = {row.track_id: (row.attributes["upper"], row.attributes["lower"]) for row in people}
    assert worn == WORN
    # 4 is hidden behind 1 all the time; 5 is a reflection and is not even asked about
    assert done.unseen == (4,)
    assert all(row.discriminability == 1.0 and len(row.keyframes) == 8 for row in people)
    assert {(row.dataset, row.split, len(row.sha256)) for row in done.rows} == {("MOT17", "mine", 64)}
    assert scene.track_id is None
    assert scene.attributes["camera"] == "static" and scene.attributes["crowding"] == "few"
    assert scene.sentence.startswith("An outdoor scene captured by a static camera")


def test_people_without_a_class_column(tmp_path: Path) -> None:
    done = _annotate(write_people(tmp_path / "s", classes=False), tmp_path / "out")
    assert [row.track_id for row in done.rows] == [None, 1, 2, 3]
    assert done.rows[0].dataset == ""


def test_a_moving_camera(tmp_path: Path) -> None:
    done = _annotate(write_people(tmp_path / "s", step=3.0), tmp_path / "out")
    assert done.rows[0].attributes["camera"] == "moving"


def test_the_colour_of_the_light_is_not_that_of_the_clothes(walkers: Path, tmp_path: Path) -> None:
    for path in (walkers / "img1").iterdir():
        picture = cv2.imread(str(path))
        assert picture is not None
        assert cv2.imwrite(str(path), (picture * np.array([0.45, 0.8, 1.0])).astype(np.uint8))
    done = _annotate(walkers, tmp_path / "out")
    assert done.rows[0].attributes["cast"] == "warm"
    assert done.rows[3].attributes["lower"] in ("white", "light grey")  # yellow as the picture has it


@pytest.mark.parametrize(("shift", "word"), [(0.0, "static"), (4.0, "moving")])
def test_a_camera_file_is_believed(walkers: Path, tmp_path: Path, shift: float, word: str) -> None:
    lines = [f"{frame} 1 0 {shift if frame else 0} 0 1 0\n" for frame in range(24)]
    (walkers / "gmc.txt").write_text("".join(lines))
    assert _annotate(walkers, tmp_path / "out").rows[0].attributes["camera"] == word


def test_of_a_view_only_its_frames_are_looked_at(walkers: Path, tmp_path: Path) -> None:
    sequence = open_sequence(walkers).second_half()
    task = task_of(sequence, sequence_frames(sequence), sequence.load_ground_truth("all"))
    done = annotate(task, tmp_path / "out", RuleDescriber(), workers=1)
    frames = [frame for row in done.rows for frame in row.keyframes]
    assert (min(frames), max(frames)) == (13, 23)  # of the video, from 0
    assert {row.track_id: row.attributes["upper"] for row in done.rows[1:]} == {1: "red", 2: "blue", 3: "green"}


def test_a_file_that_fits_is_kept_with_corrections(walkers: Path, tmp_path: Path) -> None:
    first = _annotate(walkers, tmp_path / "out")
    corrected = [replace(row, sentence="Corrected by hand.") for row in first.rows]
    write_descriptions(first.path, corrected)
    describer = Counting()
    again = _annotate(walkers, tmp_path / "out", describer)
    assert again.reused and again.rows == corrected and not describer.asked
    assert again.unseen == first.unseen


def test_other_boxes_other_descriptions(walkers: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = _annotate(walkers, tmp_path / "out")
    truth = walkers / "gt" / "gt.txt"
    lines = truth.read_text().splitlines(keepends=True)
    truth.write_text("".join(line for line in lines if line.split(",")[1] != "3"))
    with caplog.at_level(logging.WARNING):
        again = _annotate(walkers, tmp_path / "out")
    assert "made again" in caplog.text and not again.reused
    assert {row.sha256 for row in again.rows}.isdisjoint({row.sha256 for row in first.rows})
    assert [row.track_id for row in again.rows] == [None, 1, 2]


def test_other_settings_are_another_key(walkers: Path, tmp_path: Path) -> None:
    assert not _annotate(walkers, tmp_path / "out").reused
    assert not _annotate(walkers, tmp_path / "out", place="indoor").reused
    assert not _annotate(walkers, tmp_path / "out", place="indoor", split="x").reused
    assert _annotate(walkers, tmp_path / "out", place="indoor", split="x").reused


def test_what_somebody_else_wrote_is_not_lost(walkers: Path, tmp_path: Path) -> None:
    write_descriptions(tmp_path / "MOT17-77.jsonl", [Description(seq="MOT17-77", track_id=1, sentence="By hand.")])
    with pytest.raises(DataError, match="would be lost"):
        _annotate(walkers, tmp_path)
    assert read_descriptions(tmp_path / "MOT17-77.jsonl")[0].sentence == "By hand."


def test_a_run_that_was_stopped_goes_on(walkers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _annotate(walkers, tmp_path / "whole")
    monkeypatch.setattr("sushi_lg.language.annotate._SAVE_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        _annotate(walkers, tmp_path / "out", Counting(limit=2))
    assert not (tmp_path / "out" / "MOT17-77.jsonl").exists()
    describer = Counting()
    done = _annotate(walkers, tmp_path / "out", describer)
    assert describer.asked == [3, 4] and done.resumed == 2
    assert done.path.read_bytes() == whole.path.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["MOT17-77.jsonl"]


def test_damaged_leftovers_are_begun_again(walkers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".MOT17-77.jsonl.part.jsonl").write_text("{half a li")
    done = _annotate(walkers, out)
    assert done.resumed == 0 and len(done.rows) == 4


def test_the_number_of_threads_changes_nothing(walkers: Path, tmp_path: Path) -> None:
    one = annotate(_task(walkers), tmp_path / "1", RuleDescriber(), workers=1)
    three = annotate(_task(walkers), tmp_path / "3", RuleDescriber(), workers=3)
    assert one.path.read_bytes() == three.path.read_bytes()


def test_a_picture_that_cannot_be_read(walkers: Path, tmp_path: Path) -> None:
    (walkers / "img1" / "000007.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="000007"):
        _annotate(walkers, tmp_path / "out")
    sequence = open_sequence(walkers)
    source = sequence_frames(sequence, on_bad_image="skip")
    task = task_of(sequence, source, sequence.load_ground_truth("all"))
    done = annotate(task, tmp_path / "out", RuleDescriber(), workers=1)
    assert list(done.skipped) == [6] and len(done.rows) == 4
    assert all(6 not in row.keyframes for row in done.rows)


def test_nobody_to_describe(walkers: Path, tmp_path: Path) -> None:
    (walkers / "gt" / "gt.txt").write_text("")
    done = _annotate(walkers, tmp_path / "out")
    assert [row.track_id for row in done.rows] == [None]
    assert done.rows[0].attributes["crowding"] == "empty"


def test_an_unknown_place(walkers: Path) -> None:
    with pytest.raises(ConfigError, match=r"scene.place: 'inside'"):
        _task(walkers, place="inside")


def test_real_people(shared_data: Path, tmp_path: Path) -> None:
    videos = shared_data / "videos"
    if not (videos / "TUD-Campus.mp4").is_file():
        pytest.skip(f"no pixels in {videos}")
    sequence = open_sequence(shared_data / "mot" / "MOT15" / "train" / "TUD-Campus")
    source = sequence_frames(sequence, frames=videos)
    done = annotate(task_of(sequence, source, sequence.load_ground_truth("all")), tmp_path, RuleDescriber(), workers=1)
    people = {row.track_id: row.attributes for row in done.rows}
    assert (people[None]["camera"], people[None]["viewpoint"]) == ("static", "low")
    assert people[4]["upper"] == "brown" and people[2]["upper"] == "black"  # looked at
    assert done.unseen == (6,)  # always behind others
