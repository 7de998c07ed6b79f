"""The verbs that look at pictures: from a video to trajectories, in one call and step by step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pictures import moving_squares, write_images, write_lossless
from stages import SquareDetector

import sushi_lg.detection.registry as registry
from sushi_lg.appearance.registry import load_embedder
from sushi_lg.cli.app import main
from sushi_lg.cli.pictures import Looking
from sushi_lg.cli.progress import download_lines, show_progress
from sushi_lg.data.gallery import open_gallery
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.trajectory_io import read_trajectories
from sushi_lg.data.video import probe_video
from sushi_lg.errors import WeightsError

DATA, CONFIG = 3, 4  # exit codes
FRAMES = 70


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lossless(tmp_path_factory.mktemp("videos") / "walk.mkv", moving_squares(FRAMES))


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the registry of detectors was asked for; it answers with one that needs no weights."""
    calls: list[dict[str, Any]] = []

    def load_detector(name: str, **options: Any) -> SquareDetector:  # noqa: ANN401
        assert callable(options.pop("progress"))
        calls.append({"name": name, **options})
        return SquareDetector()

    monkeypatch.setattr(registry, "load_detector", load_detector)
    return calls


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return int(caught.value.code or 0)


def test_track_a_video(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[dict[str, Any]]
) -> None:
    out = tmp_path / "out"
    words = ["track", video, "--weights", weights, "--out", out, "device=cpu"]
    assert run(*words) == 0
    shown = capsys.readouterr()
    assert f"walk: {3 * FRAMES} detections in {FRAMES} frames" in shown.err
    assert "association by boxes and appearance (hsv)" in shown.out
    assert asked == [{"name": "yolox_nano", "device": "cpu"}]
    assert len(read_table(out / "walk" / "det" / "squares.txt")) == 3 * FRAMES
    open_gallery(out / "appearance" / "hsv", "walk").check(read_table(out / "walk" / "det" / "squares.txt"))
    trajectories = out / "tracks" / "walk.txt"
    assert read_trajectories(trajectories.with_suffix(".parquet")).metadata["length"] == FRAMES
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert settings["detections"] == "squares" and list(settings["appearance"]) == ["walk"]
    before = trajectories.read_bytes()
    assert run(*words) == 0
    assert "detections, appearance, camera there already, kept" in capsys.readouterr().err
    assert trajectories.read_bytes() == before
    assert run(*words[:-2], tmp_path / "plain", "--embedder", "none", "--camera", "none") == 0
    assert "boxes only" in capsys.readouterr().out
    assert not (tmp_path / "plain" / "appearance").exists()


def test_track_folders_of_images(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    one = write_images(tmp_path / "one", moving_squares(20))
    two = write_images(tmp_path / "two", moving_squares(25, squares=2))
    assert run("track", one, two, "--weights", weights) == DATA
    assert "--frame-rate" in capsys.readouterr().err
    (one / "000004.png").write_bytes(b"")
    words = ["track", one, two, "--weights", weights, "--frame-rate", "25"]
    assert run(*words) == DATA
    assert "000004.png" in capsys.readouterr().err
    assert run(*words, "on_bad_image=skip") == 0
    assert "note: one: 1 of 20 frames left out: 4: an empty file" in capsys.readouterr().err
    assert {path.name for path in Path("runs/track-default-one/tracks").glob("*.txt")} == {"one.txt", "two.txt"}


def test_detect_embed_and_track_step_by_step(
    video: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    asked: list[dict[str, Any]],
) -> None:
    found, galleries = tmp_path / "found", tmp_path / "galleries"
    assert run("detect", video, "--prompt", "square", "--detector", "any", "--out", found, "min_score=0.3") == 0
    assert f"wrote {found / 'walk' / 'det' / 'squares.txt'}" in capsys.readouterr().out
    assert asked == [{"name": "any", "prompt": "square", "device": asked[0]["device"], "min_score": 0.3}]
    assert run("embed", found / "walk", "--out", galleries) == 0
    assert f"wrote {galleries / 'walk.npy'} ({3 * FRAMES} vectors of " in capsys.readouterr().out
    assert run("embed", found / "walk", "--out", galleries) == 0
    assert "the gallery there already, kept" in capsys.readouterr().err
    words = ["track", found / "walk", "--weights", weights, "--out", tmp_path / "out"]
    assert run(*words, "--appearance", galleries) == 0
    # Detections that changed since are noticed.
    path = found / "walk" / "det" / "squares.txt"
    path.write_text(path.read_text().replace(",-1,4.5", ",-1,5.5", 1).replace(",-1,5.5", ",-1,6.5", 1))
    assert run(*words[:-1], tmp_path / "stale", "--appearance", galleries) == DATA
    error = capsys.readouterr().err
    assert "walk.npy" in error and "squares.txt" in error and "sushi-lg embed" in error


def test_a_benchmark_sequence_with_pixels_elsewhere(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "MOT" / "walk"
    (root / "det").mkdir(parents=True)
    (root / "det" / "public.txt").write_text("".join(f"{f},-1,{5 + 2 * f},8,10,12,1\n" for f in range(1, 41)))
    (root / "seqinfo.ini").write_text(
        f"[Sequence]\nname=walk\nimDir=img1\nframeRate=25\nseqLength={FRAMES}\nimWidth=128\nimHeight=96\nimExt=.jpg\n"
    )
    out = tmp_path / "out"
    assert run("embed", root, "--out", out) == DATA
    assert "--frames" in capsys.readouterr().err
    assert run("embed", root, "--out", out, "--frames", video.parent, "--detections", "public") == 0
    gallery = open_gallery(out, "walk")
    gallery.check(read_table(root / "det" / "public.txt"))
    assert (np.abs(np.linalg.norm(gallery.vectors.astype(float), axis=1) - 1) < 1e-2).all()
    assert run("detect", root, "--frames", video, "--out", tmp_path / "found") == 0
    assert len(read_table(tmp_path / "found" / "walk" / "det" / "squares.txt")) == 3 * FRAMES
    # The benchmark's own folder is not written into.
    assert run("detect", root, "--frames", video, "--out", tmp_path / "MOT") == DATA
    assert "somebody else" in capsys.readouterr().err
    assert sorted(path.name for path in root.iterdir()) == ["det", "seqinfo.ini"]
    split = tmp_path / "list.txt"
    split.write_text("# dataset: custom\n# view: full\nwalk\n")
    words = ["--data", tmp_path / "MOT", "--frames", video]
    assert run("embed", split, "--out", tmp_path / "of-split", *words) == 0
    assert (tmp_path / "of-split" / "walk.npy").read_bytes() == (out / "walk.npy").read_bytes()
    assert run("detect", split, "--out", tmp_path / "of-split", *words) == 0
    assert (tmp_path / "of-split" / "walk" / "det" / "squares.txt").is_file()
    assert run("embed", split, "--out", out) == DATA
    assert "--data" in capsys.readouterr().err


def test_boxes_are_not_described_by_other_pictures(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cam = Path(shutil.copy(video, tmp_path / "cam.mkv"))
    found, out = tmp_path / "found", tmp_path / "galleries"
    assert run("detect", cam, "--out", found) == 0
    (tmp_path / "elsewhere").mkdir()
    other = write_lossless(tmp_path / "elsewhere" / "cam.mkv", moving_squares(FRAMES)[::-1])
    assert run("embed", found / "cam", "--out", out, "--frames", other) == DATA
    assert "elsewhere/cam.mkv: other pictures than" in capsys.readouterr().err
    (tmp_path / "copied").mkdir()
    copied = Path(shutil.copy(cam, tmp_path / "copied" / "cam.mkv"))
    shutil.copy(other, cam)
    assert run("embed", found / "cam", "--out", out) == DATA
    assert f"cam.mkv: changed since {found / 'cam'} was made from it" in capsys.readouterr().err
    cam.unlink()
    assert run("embed", found / "cam", "--out", out) == DATA
    error = capsys.readouterr().err
    assert f"made from {cam}, which is gone" in error and "--frames" in error
    assert not list(out.glob("*.npy"))
    assert run("embed", found / "cam", "--out", out, "--frames", copied) == 0
    # A folder that detect made leads detect to its pictures, too.
    assert run("detect", video, "--out", found) == 0
    assert run("detect", found / "walk", "--out", tmp_path / "again") == 0
    assert (tmp_path / "again" / "walk" / "det" / "squares.txt").is_file()


def test_a_sequence_without_any_box(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blank = write_lossless(tmp_path / "blank.mkv", [np.zeros((48, 64, 3), np.uint8)] * 5)
    out = tmp_path / "out"
    assert run("detect", blank, "--out", out) == 0
    assert run("detect", blank, "--out", out) == 0
    assert f"kept {out / 'blank' / 'det' / 'squares.txt'}" in capsys.readouterr().out
    assert run("track", blank, "--weights", weights, "--out", out) == 0
    assert "blank: 0 detections in 5 frames" in capsys.readouterr().err
    assert run("embed", out / "blank", "--out", tmp_path / "g") == 0
    assert "(0 vectors of" in capsys.readouterr().out


def test_two_sequences_of_one_name_are_refused(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert run("detect", video, "--out", one) == run("detect", video, "--out", two) == 0
    both = [one / "walk", two / "walk"]
    for words in (["embed", *both], ["detect", *both], ["track", *both, "--weights", weights]):
        assert run(*words, "--out", tmp_path / "out") == DATA
        assert "two sequences are named walk: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_settings_are_refused_before_the_work(
    video: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    words = ["track", video, "--weights", weights, "--out", out]
    assert run(*words) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    capsys.readouterr()
    monkeypatch.setattr(registry, "load_detector", lambda name, **_: SquareDetector(name=name))
    for more, differs in [
        (["--detector", "other"], "detections"),
        (["--detector", "squares", "--embedder", "none"], "appearance"),
        (["--detector", "squares", "--camera", "none"], "camera"),
        (["--detector", "squares", "output.min_length=4"], "output.min_length"),
    ]:
        assert run(*words, *more) == CONFIG
        error = capsys.readouterr().err
        assert f"holds results of other settings ({out / 'config.yaml'}; {differs} differ)" in error
        assert "frames/s" not in error
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert run(*words, "--detector", "squares") == 0


def test_names_of_our_own_folders_are_refused(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copy(video, tmp_path / "tracks.mkv"))
    assert run("track", own, "--weights", weights, "--out", tmp_path / "out") == DATA
    assert "results lie in a folder called tracks" in capsys.readouterr().err


def test_downloads_show_how_far_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    monkeypatch.setattr("sushi_lg.cli.progress.time.monotonic", lambda: now)
    update = download_lines("net")
    for received in range(1, 26):
        now += 1
        update(received << 20, 25 << 20)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"net: downloading, {done} of 25 MB" for done in (1, 11, 21, 25)]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["detect", "wlk.mkv", "--out", "o"], DATA, "no such file or folder: wlk.mkv\n  fix: did you mean walk.mkv?"),
        (["track", "wlk.mkv"], DATA, "no such file or folder: wlk.mkv\n  fix: did you mean walk.mkv?"),
        (["track", "{video}", "absent.mp4"], DATA, "no such file or folder: absent.mp4"),
        (["embed", "{video}", "--out", "o"], DATA, "run `sushi-lg detect` on it"),
        (["detect", "{video}", "--out", "o", "workers=-1"], CONFIG, "workers: -1 is below 0"),
        (["embed", "{folder}", "--out", "o", "workers=-1"], CONFIG, "workers: -1 is below 0"),
        (["detect", "{video}", "--out", "o", "--frame-rate", "0"], DATA, "give a frame rate above 0"),
        (["detect", "mot17-half-val", "--data", ".", "--out", "o", "--frame-rate", "9"], CONFIG, "--frame-rate is of"),
        (["track", "mot17-half-val", "--data", ".", "--frame-rate", "9"], CONFIG, "--frame-rate is of"),
        (["detect", "{video}", "--out", "o", "--frames", "."], DATA, "leave out --frames"),
        (["detect", "{video}", "--out", "walk.mkv"], DATA, "walk.mkv: a file stands where a folder is needed"),
        (["track", "{video}", "--detections", "x"], CONFIG, "--detector and --embedder"),
        (["track", "{video}", "--camera", "maybe"], CONFIG, "auto or none"),
        (["track", "{video}", "{video}"], DATA, "two sequences are named walk"),
        (["track", "{video}", "{folder}"], DATA, "calls of their own"),
        (["track", "{video}", "--embedder", "hvs"], 5, "hsv"),
        (["detect", "none.mp4", "--out", "o"], DATA, "none.mp4"),
        (["detect", "device=cpu", "--out", "o"], DATA, "no SOURCE"),
        (["detect", "{video}", "--out", "o", "worker=2"], CONFIG, "did you mean workers"),
        (["detect", "{video}", "--out", "o", "on_bad_image=drop"], CONFIG, "one of error, skip"),
        (["embed", "{video}", "--out", "o"], DATA, "walk.mkv"),
    ],
)
def test_mistakes_are_named(
    words: list[str],
    code: int,
    message: str,
    video: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sequence" / "det").mkdir(parents=True)
    (tmp_path / "walk.mkv").write_text("")
    words = [word.format(video=video, folder=tmp_path / "sequence") for word in words]
    if words[0] == "track":
        words += ["--weights", str(weights)]
    assert run(*words) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
    assert not Path("o").exists() and not Path("runs").exists()


def test_a_network_that_cannot_use_the_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def load(name: str, *, device: str, progress: object) -> SquareDetector:
        assert callable(progress)
        if device != "cpu":
            raise WeightsError(f"{name}: no CUDA in this onnxruntime")
        return SquareDetector()

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    network, calls = Looking("error", 4, "auto").load(load, "any")
    assert isinstance(network, SquareDetector) and calls == 4
    assert "note: any runs on the CPU: any: no CUDA" in capsys.readouterr().err
    with pytest.raises(WeightsError, match="no CUDA"):
        Looking("error", 4, "cuda").load(load, "any")


def test_networks_of_onnxruntime_run_several_calls_at_once() -> None:
    embedder, calls = Looking("error", 4, "cpu").load(load_embedder, "hsv")
    assert (embedder.name, calls) == ("hsv", 4)


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("sushi_lg.cli.progress.time.monotonic", lambda: now)
    with show_progress("walk", 1000) as update:
        for done in range(401, 1001):
            now += 0.1
            update(done)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[0] == "walk: 501 of 1000 frames, 9.9 frames/s, 50 s left"


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with show_progress("walk", 10) as update:
        update(4)
        update(10)
    assert "walk" in capsys.readouterr().err


def test_what_was_tracked_is_drawn(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("track", video, "--weights", weights, "--out", out, "--embedder", "none") == 0
    assert run("draw", out / "tracks" / "walk.txt", video) == 0  # the table beside the text
    made = probe_video(out / "tracks" / "walk.mp4")
    assert made.length == FRAMES and made.width >= 128
    assert f"wrote {out / 'tracks' / 'walk.mp4'} ({FRAMES} frames, " in capsys.readouterr().out
    short = write_lossless(tmp_path / "short.mkv", moving_squares(5))
    assert run("draw", out / "tracks" / "walk.parquet", short, "--out", tmp_path / "no.mp4") == DATA
    assert f"of frames 1 to {FRAMES}, but {short} has 5" in capsys.readouterr().err
    assert not (tmp_path / "no.mp4").exists()
    assert run("draw", out / "tracks" / "nobody.parquet", video) == DATA


def test_memory_is_planned_for_videos_too(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("track", video, "--weights", weights, "--out", tmp_path / "a", "--memory", "lots") == CONFIG
    assert not (tmp_path / "a").exists()  # refused before the work
    assert run("track", video, "--weights", weights, "--out", tmp_path / "a", "--memory", "64GB") == 0
    assert "memory: about" in capsys.readouterr().err


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, found = write_images(tmp_path / "one", moving_squares(20)), tmp_path / "found"
    (pictures / "000004.png").write_bytes(b"")
    words = [pictures, "--out", found, "--frame-rate", "5", "on_bad_image=skip", "--json", "-"]
    for is_kept in (False, True):
        assert run("detect", *words) == 0
        told = capsys.readouterr()
        said = json.loads(told.out)
        (one,) = said["sequences"]
        assert (said["out"], said["detector"], one["kept"]) == (str(found), "squares", is_kept)
        assert one["path"] == str(found / "one" / "det" / "squares.txt") and "000004" not in told.out
        assert (one["frames"], one["boxes"], one["skipped"]) == (20, 57, {"4": "an empty file"})
    galleries = tmp_path / "galleries"
    assert run("embed", found / "one", "--out", galleries, "on_bad_image=skip", "--json", tmp_path / "said.json") == 0
    said = json.loads((tmp_path / "said.json").read_text())
    (one,) = said["sequences"]
    assert (said["embedder"], one["path"], one["boxes"]) == ("hsv", str(galleries / "one.npy"), 57)
    assert said["dim"] == np.load(galleries / "one.npy").shape[1] and one["seconds"] > 0 and not one["kept"]
    assert one["skipped"] == {"4": "an empty file"}
