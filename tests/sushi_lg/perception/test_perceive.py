"""Pictures in, a sequence folder out: the same bytes however often it was stopped, and nothing done twice."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import moving_squares, write_images, write_lossless
from stages import ColourEmbedder, SquareDetector, SumCamera

from sushi_lg.data.frames import FrameSource, open_frames
from sushi_lg.data.gallery import open_gallery
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.detection.protocol import FrameBoxes
from sushi_lg.errors import DataError, SushiError
from sushi_lg.perception.lock import locked
from sushi_lg.perception.perceive import Perceived, embed_boxes, perceive

FRAMES = 150  # two whole parts and a short one


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lossless(tmp_path_factory.mktemp("videos") / "walk.mkv", moving_squares(FRAMES))


def run(source: Path | FrameSource, folder: Path, **stages: Any) -> Perceived:  # noqa: ANN401
    frames = source if isinstance(source, FrameSource) else open_frames(source, frame_rate=25)
    chosen = {"detector": SquareDetector(), "embedder": ColourEmbedder(), "camera": SumCamera(), "workers": 2} | stages
    return perceive(frames, folder, **chosen)


def results(folder: Path) -> dict[str, bytes]:
    """Return all files but the manifest, which names the source; no hidden ones may be left."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in files if "/." in name or name.startswith(".")]
    manifest = json.loads(files.pop("frames.json"))
    assert manifest["length"] == FRAMES
    return files


@pytest.fixture(scope="module")
def expected(video: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("expected") / "walk"
    run(video, folder, workers=1)
    return results(folder)


def test_what_is_written_is_true(video: Path, tmp_path: Path) -> None:
    done = run(video, tmp_path / "walk")
    assert (done.frames, done.boxes, done.reused, done.resumed, done.skipped) == (FRAMES, 3 * FRAMES, (), 0, {})
    sequence = open_sequence(done.folder)
    assert (sequence.name, sequence.length, sequence.info.frame_rate) == ("walk", FRAMES, 25)
    assert (sequence.info.width, sequence.info.height) == (128, 96)
    detections = sequence.load_detections(done.detections)
    frame = np.repeat(np.arange(FRAMES), 3)
    row = np.tile(np.arange(3), FRAMES)
    left, top = (5 + 2 * frame + 30 * row) % 108 - 0.5, 8 + 28 * row - 0.5
    assert (detections.frame.numpy() == frame).all()
    assert (detections.boxes_xyxy.numpy() == np.stack([left, top, left + 11, top + 13], axis=1)).all()
    table = read_table(sequence.detections_path("squares"))
    gallery = open_gallery(str(done.galleries), "walk")
    gallery.check(table)
    # Middles are white but for one channel that says which row it is.
    assert (gallery.vectors.argmin(axis=1) == row).all()
    pictures = moving_squares(FRAMES)
    steps = np.loadtxt(done.folder / "gmc.txt")
    sums = np.array([picture.sum(dtype=float) for picture in pictures])
    boxes = detections.boxes_xyxy.numpy().reshape(FRAMES, 3, 4)
    assert (steps[:, 0] == np.arange(FRAMES)).all()
    assert (steps[0, 1:] == [1, 0, 0, 0, 1, 0]).all()
    assert (steps[1:, 3] == sums[:-1]).all() and (steps[1:, 6] == sums[1:]).all()
    assert np.allclose(steps[1:, 4], boxes[:-1].sum(axis=(1, 2)) / 1e6)
    sequence.load_camera()


def test_networks_get_whole_batches_that_never_span_parts(video: Path, tmp_path: Path) -> None:
    detector, embedder = SquareDetector(batch_size=5), ColourEmbedder(batch_size=7)
    run(video, tmp_path / "walk", detector=detector, embedder=embedder, workers=3)
    assert detector.seen == [*[5] * 12, 4] * 2 + [*[5] * 4, 2]
    assert (detector.prepared, embedder.crops) == (FRAMES, 3 * FRAMES)


@pytest.mark.parametrize(("workers", "calls"), [(1, 1), (3, 1), (3, 2)])
def test_threads_change_nothing(
    video: Path, tmp_path: Path, expected: dict[str, bytes], workers: int, calls: int
) -> None:
    run(video, tmp_path / "walk", workers=workers, detect_calls=calls, embed_calls=calls)
    assert results(tmp_path / "walk") == expected


def test_few_pictures_are_held(video: Path, tmp_path: Path) -> None:
    class Counting(ColourEmbedder):
        def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
            most.append(detector.prepared - len(most))
            return super().crop(picture, boxes_xyxy)

    most: list[int] = []
    detector = SquareDetector(seconds=0.005)  # so that everything before it runs as far ahead as it may
    run(video, tmp_path / "walk", detector=detector, embedder=Counting(), workers=2)
    # read ahead 9, batches under way 2 x 3 and one of 3 filling up, crops 4
    assert len(most) == FRAMES and max(most) <= 9 + 6 + 3 + 4


def test_images_of_the_same_pictures_give_the_same(tmp_path: Path, expected: dict[str, bytes]) -> None:
    run(write_images(tmp_path / "images", moving_squares(FRAMES)), tmp_path / "walk")
    found = results(tmp_path / "walk")
    manifest = "appearance/colours/walk.json"
    other = json.loads(found.pop(manifest))
    want = {name: content for name, content in expected.items() if name != manifest}
    assert found == want
    assert other.pop("frames") != json.loads(expected[manifest])["frames"]  # other files, though


def test_detections_of_the_pass_and_embedding_them_again_agree(
    video: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    done = run(video, tmp_path / "walk", embedder=None)
    assert done.galleries is None and not (tmp_path / "walk" / "appearance").exists()
    table = read_table(tmp_path / "walk" / "det" / "squares.txt")
    embedded = embed_boxes(open_frames(video), table, ColourEmbedder(), tmp_path / "galleries")
    assert embedded.path == tmp_path / "galleries" / "walk.npy" and not embedded.reused
    assert embedded.path.read_bytes() == expected["appearance/colours/walk.npy"]
    embedder = ColourEmbedder()
    assert embed_boxes(open_frames(video), table, embedder, tmp_path / "galleries").reused
    assert embedder.crops == 0
    # A file whose rows are in another order gets its vectors in that order.
    lines = (tmp_path / "walk" / "det" / "squares.txt").read_text().splitlines()
    order = np.random.default_rng(0).permutation(len(lines))
    (tmp_path / "mixed.txt").write_text("\n".join(lines[k] for k in order) + "\n")
    mixed = read_table(tmp_path / "mixed.txt")
    embed_boxes(open_frames(video), mixed, ColourEmbedder(), tmp_path / "mixed")
    gallery = open_gallery(tmp_path / "mixed", "walk")
    gallery.check(mixed)
    assert (gallery.vectors == open_gallery(tmp_path / "galleries", "walk").vectors[order]).all()
    (tmp_path / "late.txt").write_text("151,-1,5,5,9,9,1\n")
    with pytest.raises(DataError, match=r"late\.txt: a box in frame 151, but .*walk\.mkv has 150"):
        embed_boxes(open_frames(video), read_table(tmp_path / "late.txt"), ColourEmbedder(), tmp_path / "g")


def test_boxes_without_a_pixel_get_zeros(video: Path, tmp_path: Path) -> None:
    rows = ["3,-1,200,5,9,9,1", "1,-1,-50,5,20,20,1", "1,-1,5,7,12,14,1", "1,-1,-5,0.5,20,20,1"]
    (tmp_path / "det.txt").write_text("\n".join(rows) + "\n")
    table = read_table(tmp_path / "det.txt")
    embed_boxes(open_frames(video), table, ColourEmbedder(), tmp_path / "g")
    assert open_gallery(tmp_path / "g", "walk").vectors.any(axis=1).tolist() == [False, False, True, True]


class StillCamera(SumCamera):
    def settle(self, steps: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
        assert (width, height, steps.shape) == (128, 96, (FRAMES, 2, 3))
        return np.tile(np.eye(2, 3), (len(steps), 1, 1))


def test_a_camera_that_stands_still_leaves_no_file(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    assert run(video, folder).camera == "moving" and (folder / "gmc.txt").exists()
    assert run(video, folder, camera=StillCamera(settings="2")).camera == "static"
    assert not (folder / "gmc.txt").exists()
    done = run(video, folder, camera=StillCamera(settings="2"))
    assert (done.camera, done.reused) == ("static", ("detections", "appearance", "camera"))
    assert run(video, folder, camera=None).camera is None


# -------------------------------------------------------------------------------------------------- again, and resumed


def test_nothing_is_done_twice(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    run(video, folder)
    before = results(folder)
    detector, embedder = SquareDetector(), ColourEmbedder()
    done = run(video, folder, detector=detector, embedder=embedder)
    assert done.reused == ("detections", "appearance", "camera")
    assert (detector.prepared, embedder.crops) == (0, 0)
    assert results(folder) == before
    embedder = ColourEmbedder(settings="2")
    done = run(video, folder, detector=detector, embedder=embedder)
    assert done.reused == ("detections", "camera") and (detector.prepared, embedder.crops) == (0, 3 * FRAMES)
    done = run(video, folder, embedder=embedder, camera=SumCamera(settings="2"))
    assert done.reused == ("detections", "appearance")
    detector = SquareDetector(settings="2")
    assert run(video, folder, detector=detector).reused == () and detector.prepared == FRAMES
    moved = (folder / "gmc.txt").read_bytes()
    assert run(video, folder, detector=detector, camera=None).reused == ("detections", "appearance")
    assert run(video, folder, detector=SquareDetector(name="other"), camera=None, embedder=None).camera is None
    assert (folder / "gmc.txt").read_bytes() == moved  # who does not ask for the camera takes nothing away
    assert run(video, folder, detector=detector).reused == ("detections", "appearance", "camera")


@dataclass
class Stopping(SquareDetector):
    """Fails at one batch."""

    stop: int = 0

    def detect(self, prepared: Any) -> list[FrameBoxes]:  # noqa: ANN401
        if len(self.seen) == self.stop:
            raise ArithmeticError("enough")
        return super().detect(prepared)


def test_a_run_that_stopped_goes_on(video: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    folder = tmp_path / "walk"
    threads = set(threading.enumerate())
    with pytest.raises(RuntimeError, match=r"walk\.mkv: frames 70 to 72: squares: ArithmeticError: enough"):
        run(video, folder, detector=Stopping(stop=22 + 2))  # 64 frames are 22 batches
    assert set(threading.enumerate()) == threads
    assert len(list(folder.glob(".parts-*/part-*.safetensors"))) == 1
    assert not [path for path in folder.rglob("[!.]*") if path.is_file() and not path.parent.name.startswith(".")]
    detector = SquareDetector()
    done = run(video, folder, detector=detector)
    assert done.resumed == 64 and detector.prepared == FRAMES - 64
    assert results(folder) == expected


def test_parts_of_other_settings_are_not_taken(
    video: Path, tmp_path: Path, expected: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "walk"
    with pytest.raises(RuntimeError):
        run(video, folder, detector=Stopping(stop=30, settings="other"))
    detector = SquareDetector()
    with caplog.at_level(logging.WARNING):
        assert run(video, folder, detector=detector).resumed == 0
    assert "removed, left by an unfinished run with other settings" in caplog.text
    assert detector.prepared == FRAMES and results(folder) == expected


def test_parts_of_sequences_with_similar_names_are_left_alone(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "g"
    other, strange = (folder / f".parts-{name}-{'0' * 24}" for name in ("walk-2", "wal[k]"))
    old, kept = folder / f".parts-walk-{'0' * 24}", folder / ".parts-walk-notes"
    for path in (other, strange, old, kept):
        path.mkdir(parents=True)
    run(video, tmp_path / "walk", embedder=None)
    table = read_table(tmp_path / "walk" / "det" / "squares.txt")
    embed_boxes(open_frames(video), table, ColourEmbedder(), folder)
    assert other.exists() and strange.exists() and kept.exists() and not old.exists()
    source = open_frames(video)
    source.name = "wal[k]"
    embed_boxes(source, table, ColourEmbedder(), folder)
    assert other.exists() and not strange.exists()


@pytest.mark.parametrize("change", ["embedder", "camera"])
def test_after_a_stop_another_setting_keeps_the_boxes(
    video: Path, tmp_path: Path, expected: dict[str, bytes], change: str
) -> None:
    folder = tmp_path / "walk"
    other = {"embedder": ColourEmbedder(settings="2"), "camera": None}[change]
    with pytest.raises(RuntimeError, match="enough"):
        run(video, folder, detector=Late(), **{change: other})
    # A mistake that is noticed at once takes nothing of that away.
    with pytest.raises(RuntimeError, match="broken"):
        run(video, folder, detector=SquareDetector(), embedder=Broken(settings="3"))
    detector = SquareDetector()
    assert run(video, folder, detector=detector).resumed == 0
    assert detector.prepared == FRAMES - 128
    assert results(folder) == expected


def test_parts_are_written_as_soon_as_they_are_done(video: Path, tmp_path: Path) -> None:
    """Without appearance a part is one item of the last stage, and must not wait there for others."""

    def look(done: int) -> None:
        there.append((done, len(list((tmp_path / "walk").glob(".parts-*/part-*")))))

    there: list[tuple[int, int]] = []
    run(video, tmp_path / "walk", embedder=None, progress=look)
    assert {count for done, count in there if 66 <= done <= 128} == {1}
    assert {count for done, count in there if 130 <= done < FRAMES} == {2}


@pytest.mark.parametrize("appearance", [True, False])
@pytest.mark.parametrize("after", [3, 80, 132])
def test_a_killed_run_ends_with_the_same_bytes(
    video: Path, tmp_path: Path, expected: dict[str, bytes], after: int, appearance: bool
) -> None:
    folder = tmp_path / "walk"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[2])]),
        "OMP_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        str(Path(__file__).with_name("killed.py")),
        str(video),
        str(folder),
        "0.01",
        str(appearance),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= after:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "frames.json").exists()
    embedder = ColourEmbedder() if appearance else None
    assert run(video, folder, embedder=embedder).resumed == 64 * (after // 64)
    want = {name: content for name, content in expected.items() if appearance or "appearance" not in name}
    assert results(folder) == want


class Late(SquareDetector):
    """Fails behind frame 130."""

    def detect(self, prepared: Any) -> list[FrameBoxes]:  # noqa: ANN401
        if len(self.seen) == 45:
            raise ArithmeticError("enough")
        return super().detect(prepared)


class Shifted(SquareDetector):
    """Sees everything a pixel further right."""

    def detect(self, prepared: Any) -> list[FrameBoxes]:  # noqa: ANN401
        return [FrameBoxes(one.boxes_xyxy + np.float32([1, 0, 1, 0]), one.score) for one in super().detect(prepared)]


class Broken(ColourEmbedder):
    """Fails at once."""

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise ArithmeticError("broken")


@pytest.mark.parametrize("again", [False, True])
def test_killed_while_results_are_written(
    video: Path, tmp_path: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    folder = tmp_path / "walk"
    if again:  # results of other settings are replaced
        run(video, folder, detector=Shifted(settings="2"), camera=SumCamera(settings="2"))
    replace, left = os.replace, 0

    def dies(source: Any, target: Any) -> None:  # noqa: ANN401
        nonlocal left
        if not str(target).endswith(".safetensors"):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        replace(source, target)

    for number in range(1, 9):  # boxes and camera, both twice, vectors and their manifest, seqinfo, manifest
        left = number
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dies)
            with pytest.raises(KeyboardInterrupt):
                run(video, folder)
        assert again == (folder / "frames.json").exists()
    detector = SquareDetector()
    assert run(video, folder, detector=detector).resumed == FRAMES
    assert detector.prepared == 0 and results(folder) == expected


# ------------------------------------------------------------------------------------------------------ broken pictures


def test_frames_left_out_are_listed_and_others_keep_their_place(tmp_path: Path) -> None:
    pictures = moving_squares(FRAMES)
    images = write_images(tmp_path / "images", pictures)
    for number in (0, 63, 64, 90):
        (images / f"{number + 1:06d}.png").write_bytes(b"broken")
    folder = tmp_path / "walk"
    with pytest.raises(DataError, match=r"000001\.png: .*\n.*on_bad_image=skip"):
        run(images, folder)
    source = open_frames(images, frame_rate=25, on_bad_image="skip")
    done = run(source, folder)
    assert list(done.skipped) == [0, 63, 64, 90] and done.boxes == 3 * (FRAMES - 4)
    assert list(json.loads((folder / "frames.json").read_text())["skipped"]) == ["0", "63", "64", "90"]
    table = read_table(folder / "det" / "squares.txt")
    assert sorted(set(range(FRAMES)) - set((table.frame - 1).tolist())) == [0, 63, 64, 90]
    steps = np.loadtxt(folder / "gmc.txt")
    sums = [picture.sum(dtype=float) for picture in pictures]
    assert (steps[[0, 1, 63, 64, 90], 1:] == [1, 0, 0, 0, 1, 0]).all()
    assert (steps[65, 3], steps[65, 6]) == (sums[62], sums[65])  # over the border of a part
    assert (steps[91, 3], steps[91, 6]) == (sums[89], sums[91])
    open_sequence(folder).load_camera()
    before = results(folder)
    # The same after a stop at the border, where the camera needs a frame of the part before.
    other = tmp_path / "again" / "walk"
    with pytest.raises(RuntimeError):
        run(open_frames(images, frame_rate=25, on_bad_image="skip"), other, detector=Stopping(stop=25))
    done = run(open_frames(images, frame_rate=25, on_bad_image="skip"), other)
    assert done.resumed == 64 and list(done.skipped) == [0, 63, 64, 90] and results(other) == before


def test_a_pass_without_any_box(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", [np.zeros((48, 64, 3), np.uint8)] * 3)
    done = run(images, tmp_path / "dark")
    assert (done.boxes, done.frames) == (0, 3)
    assert open_gallery(str(done.galleries), "dark").vectors.shape == (0, 3)
    # Now the detections are there, and there are none of them.
    done = run(images, tmp_path / "dark", embedder=ColourEmbedder(settings="2"), camera=SumCamera(settings="2"))
    assert done.reused == ("detections",)
    table = read_table(tmp_path / "dark" / "det" / "squares.txt")
    source = open_frames(images, frame_rate=25)
    assert embed_boxes(source, table, ColourEmbedder(), tmp_path / "galleries").boxes == 0


class Wild(SquareDetector):
    """Gives what no detector should."""

    def __init__(self, box: list[float]) -> None:
        super().__init__()
        self.box = box

    def detect(self, prepared: Any) -> list[FrameBoxes]:  # noqa: ANN401
        boxes = np.array([self.box], np.float32)
        return [FrameBoxes(boxes, np.array([0.5], np.float32)) for _ in prepared]


def test_boxes_that_are_none(video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match=r"walk\.mkv: frames 0 to 2: squares: boxes or scores that are not finite"):
        run(video, tmp_path / "a", detector=Wild([1, 2, np.nan, 4]))
    with caplog.at_level(logging.WARNING):
        assert run(video, tmp_path / "b", detector=Wild([5, 5, 5, 9])).boxes == 0
    assert "64 boxes without a size in frames 0 to 63, left out" in caplog.text


class Failing(ColourEmbedder):
    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return super().embed(crops)[:, :2]


def test_stages_that_break_their_promise_are_named(video: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"frames 0 to 1: ValueError: colours gave \(4, 2\), not \(4, 3\)"):
        run(video, tmp_path / "a", embedder=Failing())
    broken = SumCamera()
    broken.step = lambda *_: np.full((2, 3), np.nan)  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"walk\.mkv: frame 1: sums gave"):
        run(video, tmp_path / "b", camera=broken)


# ----------------------------------------------------------------------------------------------- what others own


def test_files_of_others_are_not_replaced(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    (folder / "det").mkdir(parents=True)
    (folder / "det" / "mine.txt").write_text("1,-1,5,5,9,9,1\n")
    with pytest.raises(DataError, match="holds det of somebody else"):
        run(video, folder)
    other = tmp_path / "ours"
    run(video, other)
    with pytest.raises(DataError, match="results of other pictures"):
        run(write_lossless(tmp_path / "b.mkv", moving_squares(5)), other)
    moved = Path(shutil.copy(video, tmp_path / "moved.mkv"))
    run(moved, tmp_path / "moved")
    write_lossless(moved, moving_squares(5))
    with pytest.raises(DataError, match=r"moved\.mkv: changed since .*moved was made from it\n.*or remove .*/moved"):
        run(moved, tmp_path / "moved")
    with pytest.raises(DataError, match="made with 25 frames a second, now 30"):
        run(open_frames(video, frame_rate=30), other)
    (other / "det" / "mine.txt").write_text("1,-1,5,5,9,9,1\n")
    with pytest.raises(DataError, match=r"mine\.txt: not made by us"):
        run(video, other, detector=SquareDetector(name="mine"))
    path = other / "det" / "squares.txt"
    path.write_text(path.read_text().replace("1,-1,5.5", "1,-1,6.5", 1))
    with pytest.raises(DataError, match=r"squares\.txt: was changed since it was made"):
        run(video, other)
    whole = json.loads((other / "frames.json").read_text())
    for wrong in ({}, whole | {"camera": {"name": 1}}, whole | {"skipped": []}, whole | {"detections": {"a": None}}):
        (other / "frames.json").write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=r"frames\.json: not written by this version"):
            run(video, other)


@pytest.mark.parametrize("moves", [True, False])
def test_camera_motion_of_others_is_not_touched(video: Path, tmp_path: Path, moves: bool) -> None:
    folder = tmp_path / "walk"
    run(video, folder, camera=SumCamera() if moves else StillCamera(), embedder=None)
    path = folder / "gmc.txt"
    path.write_text("0 1 0 0 0 1 0\n")
    for stages in ({"camera": None}, {"camera": None, "detector": SquareDetector(name="other")}):
        run(video, folder, embedder=None, **stages)
        assert path.read_text() == "0 1 0 0 0 1 0\n"
    for _ in range(2):
        detector = SquareDetector(name="third")
        with pytest.raises(DataError, match=r"gmc\.txt: (not made by us|was changed since)"):
            run(video, folder, detector=detector)
        assert detector.prepared == 0 and path.read_text() == "0 1 0 0 0 1 0\n"
        with pytest.raises(RuntimeError):  # what is left of a run that stopped does not make it ours
            run(video, folder, detector=Stopping(name="third", stop=25), camera=None)
    (folder / "det" / "third.txt").write_text("1,-1,5,5,9,9,1\n")
    with pytest.raises(DataError, match=r"third\.txt: not made by us"):
        run(video, folder, detector=detector, camera=None)


def test_two_runs_into_one_place(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    run(video, folder)
    table = read_table(folder / "det" / "squares.txt")
    with locked(folder, "pass"), pytest.raises(DataError, match=r"walk: another run is writing here"):
        run(video, folder)
    with locked(folder / "appearance" / "colours", "walk"), pytest.raises(DataError, match="another run"):
        run(video, folder)
    with locked(tmp_path / "g", "walk"):
        with pytest.raises(DataError, match="another run"):
            embed_boxes(open_frames(video), table, ColourEmbedder(), tmp_path / "g")
        other = open_frames(video)
        other.name = "other"  # may be made at the same time
        embed_boxes(other, table, ColourEmbedder(), tmp_path / "g")
    embed_boxes(open_frames(video), table, ColourEmbedder(), tmp_path / "g")
    assert not list(tmp_path.rglob(".lock-*"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: a file stands where a folder is needed"):
        run(video, tmp_path / "file")


def test_a_lock_that_is_never_found_again_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sushi_lg.perception.lock.is_at", lambda *_, **__: False)
    with pytest.raises(DataError, match="not found here"), locked(tmp_path, "pass"):
        pass


def test_a_place_that_cannot_be_locked_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(handle: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("sushi_lg.perception.lock.lock", unsupported)
    with caplog.at_level(logging.WARNING), locked(tmp_path, "pass"):
        assert "cannot be locked" in caplog.text
    assert not list(tmp_path.iterdir())


def test_what_was_left_out_is_not_accepted_afterwards(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", moving_squares(FRAMES))
    (images / "000005.png").write_bytes(b"broken")
    folder, galleries = tmp_path / "walk", tmp_path / "g"

    def source(on_bad_image: str) -> FrameSource:
        return open_frames(images, frame_rate=25, on_bad_image=on_bad_image)  # type: ignore[arg-type]

    with pytest.raises(RuntimeError):
        run(source("skip"), folder, detector=Stopping(stop=25))
    left_out = r"images: frame 4: .*; an earlier run left it out of .*\n.*on_bad_image=skip"
    with pytest.raises(DataError, match=left_out):
        run(source("error"), folder)
    assert run(source("skip"), folder).resumed == 64
    with pytest.raises(DataError, match=left_out):
        run(source("error"), folder)
    table = read_table(folder / "det" / "squares.txt")
    embed_boxes(source("skip"), table, ColourEmbedder(), galleries)
    again = embed_boxes(source("skip"), table, ColourEmbedder(), galleries)
    assert again.reused and list(again.skipped) == [4]
    with pytest.raises(DataError, match=left_out):
        embed_boxes(source("error"), table, ColourEmbedder(), galleries)


def test_steps_that_nobody_can_tell_are_counted(video: Path, tmp_path: Path) -> None:
    class Blind(SumCamera):
        def step(self, previous: Any, current: Any, boxes_xyxy_previous: NDArray[np.float32]) -> Any:  # noqa: ANN401
            return None if blind else super().step(previous, current, boxes_xyxy_previous)

    blind = True
    done = run(video, tmp_path / "walk", camera=Blind())
    assert (done.camera, done.unknown_steps) == ("static", FRAMES - 1)
    done = run(video, tmp_path / "walk", camera=Blind())
    assert (done.reused[-1], done.unknown_steps) == ("camera", FRAMES - 1)
    blind = False
    assert run(video, tmp_path / "other", camera=Blind()).unknown_steps == 0


def test_a_gallery_of_another_embedder_is_replaced_with_a_word(
    video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(video, tmp_path / "walk", embedder=None)
    table = read_table(tmp_path / "walk" / "det" / "squares.txt")
    embed_boxes(open_frames(video), table, ColourEmbedder(name="first"), tmp_path / "g")
    assert not caplog.text
    embed_boxes(open_frames(video), table, ColourEmbedder(), tmp_path / "g")
    assert "walk.npy: by first, of other embedder; made again" in caplog.text


def test_too_little_memory_is_no_bug(video: Path, tmp_path: Path) -> None:
    class Large(ColourEmbedder):
        def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            raise RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")

    with pytest.raises(SushiError, match=r"walk\.mkv: frames 0 to 1: not enough memory .*\n.*workers=1, device=cpu"):
        run(video, tmp_path / "walk", embedder=Large())
