"""The demo: its data travels with the package, and the verb writes what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sushi_lg
from sushi_lg.cli.app import main
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.video import probe_video, read_frames
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, save_weights

BUNDLED = Path(sushi_lg.__file__).parent / "demo"


def test_bundled_clip_and_sequence_agree() -> None:
    assert (BUNDLED / "vtest" / "vtest.mp4").stat().st_size <= 2_000_000
    clip, sequence = probe_video(BUNDLED / "vtest" / "vtest.mp4"), open_sequence(BUNDLED / "vtest")
    assert (clip.length, clip.frame_rate) == (sequence.length, sequence.info.frame_rate) == (200, 10.0)
    assert (clip.width, clip.height) == (sequence.info.width, sequence.info.height) == (768, 576)
    boxes = read_table(sequence.detections_path(), "detections", sequence_length=sequence.length)
    assert len(np.unique(boxes.frame)) == 200
    assert boxes.confidence.min() >= 0.1 and boxes.confidence.max() <= 1.0


def test_demo_writes_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Untrained weights and the first frames of the clip: what is looked at here is the verb, not the tracker."""
    config = TrackerConfig()
    save_weights(tmp_path / "w.safetensors", HierarchicalTracker(config).state_dict(), WeightsInfo(config))
    monkeypatch.setattr("sushi_lg.cli.demo.SHEET_FRAMES", (0, 5))
    monkeypatch.setattr("sushi_lg.data.video.read_frames", lambda path, first=0, stop=6: read_frames(path, first, 6))
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--out", str(tmp_path / "out"), "--weights", str(tmp_path / "w.safetensors")])
    assert not caught.value.code
    told = capsys.readouterr().out
    names = ("tracks/vtest.txt", "tracks/vtest.parquet", "demo.mp4", "demo.png", "semantics/vtest.json", "demo.html")
    written = [tmp_path / "out" / name for name in names]
    for path in written:
        assert path.is_file() and str(path) in told
    assert "200 frames" in told and "frames/s" in told
    video = probe_video(tmp_path / "out" / "demo.mp4")
    assert (video.length, video.width, video.height) == (6, 1536, 1152)
