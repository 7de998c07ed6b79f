"""``sushi-lg track`` on toy sequences, with a network that knows nothing but joins whatever it may."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from pretend_gpu import PretendedGpu, pretend_gpu
from synthetic import write_world

from sushi_lg.cli.app import main
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.trajectory_io import read_trajectories
from sushi_lg.tracking import memory
from sushi_lg.tracking.recipe import TrackerConfig

DATA, CONFIG = 3, 4  # exit codes


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with sequences ``one`` and ``two``; the working directory is another."""
    write_world(tmp_path / "world", ("one", "two"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "world"


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["track", *(str(word) for word in words)])
    return int(caught.value.code or 0)


def test_a_folder(world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(world / "one", "--weights", weights, "--out", out, "device=cpu") == 0
    shown = capsys.readouterr()
    assert f"wrote {out / 'tracks'}" in shown.out and "[1/1] one" in shown.err
    text, table = read_table(out / "tracks" / "one.txt"), read_trajectories(out / "tracks" / "one.parquet")
    assert len(text) == len(table) > 200
    ids = sorted(set(table.track_id.tolist()))
    assert ids == list(range(1, len(ids) + 1))
    assert table.is_interpolated.any()
    assert table.metadata["sequence"] == "one" and len(str(table.metadata["weights_sha256"])) == 64
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert settings["recipe"] == "default" and settings["sequences"] == [str(world / "one")]
    assert settings["settings"]["output"]["max_gap_filled"] == TrackerConfig().output.max_gap_filled
    assert (settings["missing"], settings["on_bad_row"], settings["device"]) == ("error", "error", "cpu")


def test_a_split(world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = world / "split-one.txt"
    assert run(split, "--data", world, "--weights", weights, "--out", tmp_path / "out") == 0
    assert {p.name for p in (tmp_path / "out" / "tracks").glob("*.txt")} == {"one.txt", "two.txt"}
    assert "note:" not in capsys.readouterr().out


def test_default_place_of_results(world: Path, weights: Path) -> None:
    assert run(world / "two", "--weights", weights) == 0
    assert Path("runs/track-default-two/tracks/two.txt").is_file()


def test_settings_reach_the_tracker(world: Path, weights: Path, tmp_path: Path) -> None:
    words = [world / "one", "--weights", weights, "--out"]
    assert run(*words, tmp_path / "a", "output.max_gap_filled=1", "output.decimals=0") == 0
    assert not read_trajectories(tmp_path / "a" / "tracks" / "one.parquet").is_interpolated.any()
    assert (read_table(tmp_path / "a" / "tracks" / "one.txt").boxes_ltwh % 1 == 0).all()
    (tmp_path / "mine.yaml").write_text("output:\n  max_gap_filled: 1\n")
    assert run(*words, tmp_path / "b", "--config", tmp_path / "mine.yaml") == 0
    assert not read_trajectories(tmp_path / "b" / "tracks" / "one.parquet").is_interpolated.any()


def test_a_run_can_be_repeated_but_not_mixed_with_another(
    world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [world / "one", "--weights", weights, "--out", tmp_path / "out"]
    assert run(*words) == 0
    before = (tmp_path / "out" / "tracks" / "one.txt").read_bytes()
    assert run(*words) == 0
    assert (tmp_path / "out" / "tracks" / "one.txt").read_bytes() == before
    capsys.readouterr()
    assert run(*words, "output.min_length=9") == CONFIG
    refusal = capsys.readouterr().err
    assert "other settings" in refusal and "--out" in refusal
    assert (tmp_path / "out" / "tracks" / "one.txt").read_bytes() == before


def test_several_detection_files_need_a_choice(
    world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(world / "two" / "det" / "toy.txt", world / "two" / "det" / "other.txt")
    words = [world / "one", world / "two", "--weights", weights, "--out", tmp_path / "out"]
    assert run(*words) == DATA
    error = capsys.readouterr().err
    assert "2 detection files: other, toy" in error and "--detections" in error
    # Found out before any work, and the folder is free for the corrected command.
    assert not (tmp_path / "out").exists()
    assert run(*words, "--detections", "toy") == 0
    assert yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["detections"] == "toy"
    assert run(*words[:-1], tmp_path / "other", "--detections", "ty") == DATA
    assert "did you mean toy" in capsys.readouterr().err


def test_a_run_that_wrote_nothing_does_not_claim_its_folder(
    world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (world / "one" / "det" / "toy.txt").open("a") as file:
        file.write("5,-1,oops,1,1,1,1,-1,-1,-1\n")
    words = [world / "one", "--weights", weights, "--out", tmp_path / "out"]
    assert run(*words) == DATA
    assert "oops" in capsys.readouterr().err
    assert run(*words, "on_bad_row=skip") == 0
    assert (tmp_path / "out" / "tracks" / "one.txt").is_file()


def test_absent_sequences(world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = world / "split-one.txt"
    with split.open("a") as file:
        file.write("three\n")
    words = [split, "--data", world, "--weights", weights, "--out", tmp_path / "out"]
    assert run(*words) == DATA
    error = capsys.readouterr().err
    assert "1 of 3 sequences" in error and "three" in error and "missing=skip" in error
    assert run(*words, "missing=skip") == 0
    assert "note: 1 sequences" in capsys.readouterr().out
    assert yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["absent"] == ["three"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["mot17-half-vla", "--data", "."], DATA, "mot17-half-val"),
        (["mot17-half-val"], DATA, "needs --data"),
        (["nowhere", "elsewhere"], DATA, "no such file or folder: nowhere, elsewhere"),
        (["{one}x"], DATA, "did you mean one?"),
        (["{one}", "{one}"], DATA, "two sequences are named one"),
        (["output.min_length=3"], DATA, "no SOURCE"),
        (["{one}", "output.min_lenght=3"], CONFIG, "did you mean output.min_length"),
        (["{one}", "missing=maybe"], CONFIG, "one of error, skip"),
        (["{one}", "levels.0.threshold=2"], CONFIG, "levels.0.threshold"),
        (["{one}", "--recipe", "defualt"], CONFIG, "did you mean default"),
        (["{one}", "--weights", "no.safetensors"], 5, "no such weights"),
        (["{one}", "blocks.tracklets.node_dim=8", "--weights", "{weights}"], 5, "trained with blocks"),
        (["{one}", "--recipe", "sushi"], 5, "import-checkpoint"),
    ],
)
def test_mistakes_are_named(
    words: list[str],
    code: int,
    message: str,
    world: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*(word.format(one=world / "one", weights=weights) for word in words)) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
    assert not Path("runs").exists()


def test_memory(world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world / "one", world / "two", "--weights", weights, "--out", tmp_path / "out", "--memory", "64GB") == 0
    assert "memory: about" in capsys.readouterr().err
    assert run(world / "one", "--weights", weights, "--out", tmp_path / "other", "--memory", "1MB") == CONFIG
    assert "--memory is below that" in capsys.readouterr().err and not (tmp_path / "other").exists()


@pytest.fixture
def gpu() -> Iterator[PretendedGpu]:
    if torch.cuda.is_available():
        pytest.skip("of a pretended GPU")
    with pretend_gpu() as found:
        yield found


def test_memory_of_a_gpu(
    gpu: PretendedGpu, world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [world / "one", world / "two", "--weights", weights, "device=cuda", "workers=2"]
    # room for one at a time; threads of several would see no pretended GPU
    gpu.memory = memory.CUDA_LATER + memory.gpu_need(open_sequence(world / "one").load_detections("toy"), 0.1) * 3 // 2
    assert run(*words, "--out", tmp_path / "out") == 0
    assert "one sequence at a time instead of 2" in capsys.readouterr().err
    assert run(*words, "--out", tmp_path / "other", "--gpu-memory", "1MB") == CONFIG
    error = capsys.readouterr().err
    assert "on the GPU" in error and "--gpu-memory is below that" in error and not (tmp_path / "other").exists()
    gpu.memory = 100 << 20
    assert run(*words, "--out", tmp_path / "other") == CONFIG
    assert "100MB of cuda are free" in capsys.readouterr().err and not (tmp_path / "other").exists()


def test_planning_says_nothing_twice(
    gpu: PretendedGpu, world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.memory = 2 << 30
    with (world / "one" / "det" / "toy.txt").open("a") as file:
        file.write("broken\n")
    words = [world / "one", "--weights", weights, "on_bad_row=skip", "--memory", "8GB", "device=cuda"]
    assert run(*words, "--out", tmp_path / "out") == 0
    assert capsys.readouterr().err.count("left out") == 1


def test_a_gpu_that_runs_out_of_memory_ends_in_a_plain_error(
    gpu: PretendedGpu, world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.memory = 2_000_000  # most of it is taken by the weights
    words = [world / "one", world / "two", "--weights", weights, "--out", tmp_path / "out", "device=cuda"]
    assert run(*words, "--gpu-memory", "2GB") == 1
    error = capsys.readouterr().err
    assert "GPU memory: about" in error and "error: one: cuda ran out of memory" in error
    assert "or into another --out: device=cpu or a higher min_score=" in error
    assert "0 of 2 sequences are written" in error


@pytest.mark.parametrize(("size", "message"), [("lots", "--gpu-memory 'lots' is no size"), ("4GB", "is of a GPU")])
def test_gpu_memory_is_of_a_gpu(
    size: str, message: str, world: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world / "one", "--weights", weights, "device=cpu", "--gpu-memory", size) == CONFIG
    assert message in capsys.readouterr().err and not Path("runs").exists()


@pytest.mark.parametrize("option", ["--detector", "--embedder"])
def test_what_is_of_pictures_is_refused_for_sequences(
    world: Path, weights: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world / "one", "--weights", weights, option, "hsv") == CONFIG
    assert "has detections already" in capsys.readouterr().err


def test_what_is_neither_a_video_nor_a_split(
    world: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    assert run(tmp_path / "notes.txt", "--weights", weights, "--data", world) == DATA
    assert "neither a video nor a split file" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", "--weights", weights) == DATA
    assert "it is empty" in capsys.readouterr().err
