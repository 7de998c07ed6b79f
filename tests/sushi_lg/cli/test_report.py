"""`report` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import FRAMES, SIZE, write_world

from semantic.records_io import write_semantics
from semantic.sources import trajectories_source
from semantic.structures import Caption, Interaction, Semantics, Sentence
from sushi_lg.cli.app import main
from sushi_lg.data.video import write_video


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return int(caught.value.code or 0)


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


def test_pixels_and_words_come_in(tracked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = (np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8) for _ in range(FRAMES))
    write_video(tmp_path / "videos" / "walk.mp4", pictures, 25.0)
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


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", tmp_path) == 3
    assert "config.yaml: no such file" in capsys.readouterr().err
    assert run("report", tmp_path, "--weak", "2") == 4
    assert "--weak 2.0: a probability" in capsys.readouterr().err
    assert run("report", tmp_path, "--pictures", "-1") == 4
    assert "--pictures -1 is below 0" in capsys.readouterr().err
