"""`report` as a user meets it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from called import run
from synthetic import FRAMES, SIZE, write_world

from semantic.records_io import write_semantics
from semantic.sources import trajectories_source
from semantic.structures import Caption, Interaction, Semantics, Sentence
from sushi_lg.data.trajectory_io import read_trajectories, write_trajectories
from sushi_lg.data.video import write_video


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    split = write_world(tmp_path / "data", ("walk",))
    assert run("track", split, "--data", tmp_path / "data", "--out", tmp_path / "run") == 0
    return tmp_path / "run"


def test_a_page_is_written_beside_the_results(tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", tracked, "--no-replay") == 0
    page = (tracked / "report.html").read_text(encoding="utf-8")
    assert "<h1>run</h1>" in page and 'id="t0-1"' in page
    said = capsys.readouterr()
    assert f"wrote {tracked / 'report.html'}" in said.out and "0 pictures" in said.out
    assert f"sushi-lg study ceilings {tracked}" in said.err and f"sushi-lg describe {tracked}" in said.err


def commands(told: str) -> dict[str, list[str]]:
    """Return the commands that a report offers, by the word after the program, as a shell would split them."""
    offered = [shlex.split(line.split("see it with: ")[1]) for line in told.splitlines() if "see it with: " in line]
    assert all(one[0] == "sushi-lg" for one in offered)
    return {one[1]: one[1:] for one in offered}


def film(path: Path) -> None:
    write_video(path, (np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8) for _ in range(FRAMES)), 25.0)


def test_the_commands_that_it_offers_give_what_was_lacking(tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tracked.parent / "data" / "walk" / "walk.mp4")
    assert run("report", tracked, "--no-replay") == 0
    offered = commands(capsys.readouterr().err)
    assert offered["describe"][-2:] == ["--frames", str(tracked.parent / "data")]
    for name in ("describe", "study", "report"):  # the last one replays
        assert run(*offered[name]) == 0
    said = capsys.readouterr().err
    assert "Levels" not in said and "Ceilings" not in said and "In words" not in said
    page = (tracked / "report.html").read_text(encoding="utf-8")
    assert all(f'<section id="{part}"' in page for part in ("levels", "ceilings", "words"))


def test_pictures_that_are_elsewhere_are_to_be_named(tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", tracked, "--no-replay") == 0
    words = commands(capsys.readouterr().err)["describe"]
    assert words[-2:] == ["--frames", "FOLDER_OF_PICTURES"]
    film(tracked.parent / "videos" / "walk.mp4")
    assert run(*words[:-1], tracked.parent / "videos") == 0


def test_pixels_and_words_come_in(tracked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tmp_path / "videos" / "walk.mp4")
    scene = (None, SIZE, 25.0, FRAMES)
    clip, *_ = trajectories_source(tracked / "tracks" / "walk.parquet", "walk", lambda: scene).open()
    one, two = (track.track_id for track in clip.tracks[:2])
    write_semantics(
        tracked / "semantics" / "walk.json",
        clip,
        Semantics(
            clip="walk",
            captions=(Caption(one, (Sentence("A <b>bold</b> man.", (one,), 0, FRAMES - 1),), "r"),),
            interactions=tuple(
                Interaction(a, b, "pass.v.01", 0.8, 0, FRAMES - 1, "rules", "r") for a, b in ((one, two), (two, one))
            ),
            summary=(Sentence("People walk.", (), 0, FRAMES - 1),),
            provenance={"describer": "rules"},
        ),
    )
    target = tmp_path / "page.html"
    words = ("report", tracked, "--out", target, "--frames", tmp_path / "videos", "--no-replay")
    assert run(*words, "--pictures", "4") == 0
    page = target.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4 and "4 pictures" in capsys.readouterr().out
    assert "A &lt;b&gt;bold&lt;/b&gt; man." in page and "People walk." in page and "passes by" in page
    assert page.count("and the other way round") == 1, "one card for both directions"


def test_words_about_other_trajectories_are_not_shown(tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tracked.parent / "data" / "walk" / "walk.mp4")
    assert run("describe", tracked, "--out", tracked, "--frames", tracked.parent / "data") == 0
    assert run("report", tracked, "--no-replay") == 0
    assert "In words" not in capsys.readouterr().err
    table = read_trajectories(tracked / "tracks" / "walk.parquet")
    write_trajectories(tracked / "tracks" / "walk.txt", replace(table, track_id=table.track_id + 100))
    assert run("report", tracked, "--no-replay") == 0
    told = capsys.readouterr().err
    assert "not shown: In words. What was said is about other trajectories than those of today" in told
    assert "remove semantics/walk.json, then describe them." in told
    assert '<section id="words"' not in (tracked / "report.html").read_text(encoding="utf-8")
    (tracked / "semantics" / "walk.json").unlink()
    assert run(*commands(told)["describe"]) == 0 and run("report", tracked, "--no-replay") == 0
    assert '<section id="words"' in (tracked / "report.html").read_text(encoding="utf-8")


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", tmp_path) == 3
    assert "config.yaml: no such file" in capsys.readouterr().err
    assert run("report", tmp_path, "--weak", "2") == 4
    assert "--weak 2.0: a probability" in capsys.readouterr().err
    assert run("report", tmp_path, "--pictures", "-1") == 4
    assert "--pictures -1 is below 0" in capsys.readouterr().err


def test_json(tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", tracked, "--no-replay", "--rows", 1, "--json", "-") == 0
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert said["page"] == str(tracked / "report.html") and said["bytes"] == (tracked / "report.html").stat().st_size
    assert said["sequences"] == ["walk"] and said["trajectories"] > said["trajectories_shown"] == 1
    assert 0 < said["scores"]["HOTA"] <= 100 and said["seconds"] > 0
    commands = {one["command"].split()[1] for one in said["not_shown"] if one["command"]}
    assert {"describe", "study"} <= commands and "wrote" in told.err
