"""`draw` as a user meets it: what is wrong, what is said, and what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from called import run

from semantic.records_io import write_semantics
from semantic.sources import trajectories_source
from semantic.structures import Caption, Interaction, Semantics, Sentence
from sushi_lg.data.sequence import write_seqinfo
from sushi_lg.data.trajectory_io import TrajectoryTable, read_trajectories, write_trajectories
from sushi_lg.data.video import probe_video, read_frames, write_video
from sushi_lg.evaluation.results import evaluate_folder

LENGTH, HEIGHT, WIDTH = 8, 240, 320


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A video with three people in its folder; a tracker lost one, invented one and gave one a new number."""
    folder = tmp_path / "data" / "walk"
    (folder / "gt").mkdir(parents=True)
    pictures = (np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8) for _ in range(LENGTH))
    write_video(folder / "walk.mp4", pictures, 5.0)
    write_seqinfo(
        folder / "seqinfo.ini", name="walk", image_folder="img1", frame_rate=5.0, length=LENGTH, size=(WIDTH, HEIGHT)
    )
    rows = [f"{f},{i},{70 * i + 1},61,40,90,1,1,1\n" for f in range(1, LENGTH + 1) for i in (1, 2, 3)]
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    boxes = [(f, 1, 70.0, 60.0) for f in range(LENGTH)]
    boxes += [(f, 2 if f < 4 else 9, 140.0, 60.0) for f in range(LENGTH)]
    boxes += [(6, 5, 260.0, 100.0), (7, 5, 260.0, 100.0)]
    frame, track_id, left, top = np.array(boxes).T
    table = TrajectoryTable(
        frame=frame.astype(np.int64),
        track_id=track_id.astype(np.int64),
        boxes_ltwh=np.stack([left, top, np.full(len(left), 40.0), np.full(len(left), 90.0)], axis=1),
        confidence=np.ones(len(left)),
        is_interpolated=np.zeros(len(left), dtype=bool),
        detection_index=np.arange(len(left)),
        metadata={"first_frame": 1, "length": LENGTH},
    )
    order = np.lexsort((table.track_id, table.frame))
    fields = ("frame", "track_id", "boxes_ltwh", "confidence", "is_interpolated", "detection_index")
    table = replace(table, **{name: getattr(table, name)[order] for name in fields})
    write_trajectories(tmp_path / "run" / "tracks" / "walk.txt", table)
    (tmp_path / "run" / "config.yaml").write_text("sequences: [walk]\n")
    return tmp_path


def tracks(root: Path) -> Path:
    return root / "run" / "tracks" / "walk.parquet"


@pytest.mark.parametrize("how", ["folder", "sequence", "file"])
def test_mistakes_are_those_of_the_scores(walk: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = walk / "data" / "walk"
    words = {
        "folder": (folder / "walk.mp4", "--truth", folder),
        "sequence": (folder / "walk.mp4", "--errors", "--truth", folder),
        "file": (folder / "walk.mp4", "--truth", folder / "gt" / "gt.txt"),
    }[how]
    assert run("draw", tracks(walk), *words) == 0
    told = capsys.readouterr().out
    scores = evaluate_folder(walk / "run", walk / "data").combined
    assert scores is not None
    values = scores.values()
    assert (values["CLR_FP"], values["CLR_FN"], values["IDSW"]) == (2, 8, 1)
    assert "false positives 2  misses 8  switches 1\n" in told
    assert probe_video(walk / "run" / "tracks" / "walk.errors.mp4").length == LENGTH


def test_a_part_of_a_video_is_compared_with_its_part(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = read_trajectories(tracks(walk))
    last = table.frame >= 4
    fields = ("track_id", "boxes_ltwh", "confidence", "is_interpolated", "detection_index")
    half = replace(
        table,
        frame=table.frame[last] - 4,
        **{name: getattr(table, name)[last] for name in fields},
        metadata={"first_frame": 5, "length": 4},
    )
    write_trajectories(walk / "half.txt", half)
    folder = walk / "data" / "walk"
    for truth in (folder, folder / "gt" / "gt.txt"):
        assert run("draw", walk / "half.parquet", folder / "walk.mp4", "--truth", truth, "--out", walk / "h.mp4") == 0
        assert "false positives 2  misses 4  switches 0\n" in capsys.readouterr().out
    assert probe_video(walk / "h.mp4").length == 4


def test_captions(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = (None, (WIDTH, HEIGHT), 5.0, LENGTH)
    clip, _ = trajectories_source(tracks(walk), "walk", lambda: scene).open()
    words = Sentence("A man in a red top waves.", (1,), 0, 3)
    interactions = (Interaction(1, 2, "pass.v.01", 0.9, 0, 3, "rules"),)
    write_semantics(walk / "walk.json", clip, Semantics("walk", (Caption(1, (words,)),), interactions, ()))
    video = walk / "data" / "walk" / "walk.mp4"
    assert run("draw", tracks(walk), video, "--captions", walk / "walk.json", "--out", walk / "said.mp4") == 0
    assert run("draw", tracks(walk), video, "--out", walk / "plain.mp4") == 0
    said, plain = ([picture.astype(int) for _, picture in read_frames(walk / f"{n}.mp4")] for n in ("said", "plain"))
    changed = [float((np.abs(a - b).max(axis=-1) > 60).mean()) for a, b in zip(said, plain, strict=True)]
    assert min(changed[:4]) > 0.0015 > 0.0005 > max(changed[4:])  # while it holds, and no longer
    capsys.readouterr()
    assert run("draw", tracks(walk), video, "--captions", walk / "walk.json", "--errors") == 3


@pytest.mark.parametrize("change", ["one is gone", "another number", "a frame less"])
def test_words_about_other_trajectories_are_refused(
    walk: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = (None, (WIDTH, HEIGHT), 5.0, LENGTH)
    clip, _ = trajectories_source(tracks(walk), "walk", lambda: scene).open()
    *others, last = clip.tracks  # number 9
    fields = ("frame", "boxes_xyxy", "confidence", "is_interpolated")
    shorter = replace(last, **{name: getattr(last, name)[1:] for name in fields})
    changed = {"one is gone": (), "another number": (replace(last, track_id=10),), "a frame less": (shorter,)}[change]
    words = Sentence("A man in a red top waves.", (1,), 0, 3)
    said = Semantics("walk", (Caption(1, (words,)),), (), ())
    write_semantics(walk / "old.json", replace(clip, tracks=(*others, *changed)), said)
    video = walk / "data" / "walk" / "walk.mp4"
    assert run("draw", tracks(walk), video, "--captions", walk / "old.json") == 3
    told = capsys.readouterr().err
    assert (
        f"{walk / 'old.json'}: about other trajectories than {tracks(walk)}" in told
        and "`sushi-lg describe` again" in told
    )
    assert not (walk / "run" / "tracks" / "walk.mp4").exists()


def test_mistakes_without_the_text_that_is_scored(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = walk / "data" / "walk"
    text = tracks(walk).with_suffix(".txt")
    lines = text.read_text().splitlines(keepends=True)
    frame, number, rest = lines[0].split(",", 2)
    text.write_text("".join([f"{frame},{int(number) + 70},{rest}", *lines[1:]]))  # the same frames
    assert run("draw", tracks(walk), folder / "walk.mp4", "--truth", folder) == 3
    assert f"{text}: other rows than walk.parquet" in capsys.readouterr().err
    text.unlink()
    assert run("draw", tracks(walk), folder / "walk.mp4", "--truth", folder) == 0
    told = capsys.readouterr()
    assert f"note: {text}: no such file" in told.err and "false positives 2  misses 8  switches 1\n" in told.out


@pytest.mark.parametrize(
    "metadata",
    [
        {"first_frame": "x"},
        {"first_frame": 0},
        {"first_frame": 1.5},
        {"length": -3},
        {"length": 4},
        {"first_frame": None},
    ],
)
def test_odd_metadata_is_no_bug(walk: Path, metadata: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    table = read_trajectories(tracks(walk))
    write_trajectories(walk / "odd.txt", replace(table, metadata=metadata))
    assert run("draw", walk / "odd.parquet", walk / "data" / "walk" / "walk.mp4") == 3
    assert capsys.readouterr().err.startswith(f"error: {walk / 'odd.parquet'}: ")


def test_what_cannot_be_compared(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = walk / "data" / "walk"
    assert run("draw", tracks(walk), folder / "walk.mp4", "--errors") == 3
    assert "--truth FILE|SEQUENCE" in capsys.readouterr().err
    assert run("draw", tracks(walk), folder / "walk.mp4", "--truth", walk / "nowhere") == 3
    assert "no such file" in capsys.readouterr().err
    (folder / "gt" / "gt.txt").unlink()
    assert run("draw", tracks(walk), folder / "walk.mp4", "--truth", folder) == 3
    assert "no ground truth" in capsys.readouterr().err
    assert run("draw", walk / "run", folder / "walk.mp4") == 3
    assert f"such as {tracks(walk)}" in capsys.readouterr().err


def test_json(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = walk / "data" / "walk"
    assert run("draw", tracks(walk), folder / "walk.mp4", "--truth", folder, "--json", "-") == 0
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert said.pop("seconds") > 0
    assert said == {
        "video": str(walk / "run" / "tracks" / "walk.errors.mp4"),
        "tracks": str(tracks(walk)),
        "frames": LENGTH,
        "boxes": 18,
        "trajectories": 4,
        "mistakes": {"false_positives": 2, "misses": 8, "switches": 1},
    }
    assert "wrote" in told.err
