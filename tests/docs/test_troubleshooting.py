"""Every mistake of docs/troubleshooting.md is made for real, and what is printed is what stands there.

A block shows commands behind ``$`` and what they print; ``...`` stands for anything. The function of a heading makes
the mistake possible: it gets an empty folder with one good sequence, ``walk``, and a run of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from documented import ROOT
from pretend_gpu import some_gpu
from printed import assert_printed, documented, run

from sushi_lg.data.files import warn_once
from sushi_lg.data.video import write_video
from sushi_lg.nn.settings import AppearanceConfig
from sushi_lg.perception.parts import PART_FRAMES
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, save_weights

PAGE = ROOT / "docs" / "troubleshooting.md"
FRAMES, SIZE = 30, (320, 240)
ROW = "1,1,10,10,20,40,0.9,-1,-1,-1\n"


DOCUMENTED = documented(PAGE)
MISTAKES: dict[str, Callable[[], None]] = {}


def mistake(heading: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def note(make: Callable[[], None]) -> Callable[[], None]:
        MISTAKES[heading] = make
        return make

    return note


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence with two people, and a run that tracked them."""
    folder = tmp_path_factory.mktemp("prepared")
    write_sequence(folder / "walk")
    with contextlib.chdir(folder):
        assert run(["track", "walk", "--out", "run"])[0] == 0
    return folder


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    settings = tmp_path / "run" / "config.yaml"
    settings.write_text(settings.read_text().replace(str(prepared), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("SUSHI_LG_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    warn_once.cache_clear()
    yield tmp_path


def write_sequence(folder: Path) -> None:
    for part in ("det", "gt", "img1"):
        (folder / part).mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=10\nseqLength={FRAMES}\n"
        f"imWidth={SIZE[0]}\nimHeight={SIZE[1]}\nimExt=.jpg\n"
    )
    boxes = [(f, i, 40 * i + 4 * f) for f in range(1, FRAMES + 1) for i in (1, 2)]
    (folder / "det" / "det.txt").write_text("".join(f"{f},-1,{x},60,30,80,0.9\n" for f, _, x in boxes))
    (folder / "gt" / "gt.txt").write_text("".join(f"{f},{i},{x},60,30,80,1,1,1\n" for f, i, x in boxes))
    for frame in range(1, FRAMES + 1):
        picture = np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8)
        for f, i, x in boxes:
            if f == frame:
                picture[60:140, x : x + 30] = (0, 60 * i, 255 - 60 * i)
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.jpg"), picture)


def test_every_mistake_of_the_page_is_made() -> None:
    assert DOCUMENTED.keys() == {*MISTAKES, "A full disk", "An interrupted run"}


def copy(name: str) -> Path:
    """Return a copy of the good sequence that calls itself so."""
    shutil.copytree("walk", name)
    settings = Path(name) / "seqinfo.ini"
    settings.write_text(settings.read_text().replace("name=walk", f"name={Path(name).name}"))
    return Path(name)


def change(path: Path | str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


@mistake("A folder that is not there")
def _() -> None: ...


@mistake("A folder of sequences instead of a sequence")
def _() -> None:
    copy("DATA/MOT17/train/MOT17-09")


@mistake("A split that does not exist")
def _() -> None: ...


@mistake("A split that is there in part")
def _() -> None:
    copy("DATA/MOT17/train/MOT17-09")


@mistake("Several detection files")
def _() -> None:
    shutil.copy(copy("two") / "det" / "det.txt", "two/det/yolox_x.txt")


@mistake("Results that no sequence fits")
def _() -> None:
    Path("strangers").mkdir()
    shutil.copy("run/tracks/walk.txt", "strangers/kitchen.txt")
    copy("DATA/MOT17/train/MOT17-09")


@mistake("No ground truth")
def _() -> None:
    (copy("untold") / "gt" / "gt.txt").unlink()
    shutil.copy("run/tracks/walk.txt", "run/tracks/untold.txt")
    Path("run/config.yaml").write_text("sequences: [untold]\n")


@mistake("Frames that count from 0")
def _() -> None:
    rows = [line.split(",", 1) for line in (copy("zero") / "det" / "det.txt").read_text().splitlines()]
    Path("zero/det/det.txt").write_text("".join(f"{int(frame) - 1},{rest}\n" for frame, rest in rows))


@mistake("Frames behind the end")
def _() -> None:
    folder = copy("late")
    (folder / "det" / "det.txt").write_text("".join(f"{f},-1,40,60,30,80,0.9\n" for f in range(1, 40)))


@mistake("Boxes that are no numbers, or have no size")
def _() -> None:
    change(copy("nan") / "det" / "det.txt", "1,-1,44,", "1,-1,nan,")
    change(copy("negative") / "det" / "det.txt", "60,30,80", "60,-30,80")


def _results(name: str, old: str, new: str) -> None:
    shutil.copytree("run", name)
    change(Path(name) / "tracks" / "walk.txt", old, new)


@mistake("One id twice in a frame")
def _() -> None:
    _results("twice", "1,2,", "1,1,")


@mistake("Ids that are no whole numbers")
def _() -> None:
    _results("float", "1,1,", "1,1.5,")


@mistake("Empty detections")
def _() -> None:
    (copy("nobody") / "det" / "det.txt").write_text("")


@mistake("Byte order marks, CRLF and tabs")
def _() -> None:
    path = copy("windows") / "det" / "det.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b",", b"\t").replace(b"\n", b"\r\n"))


@mistake("Files of an operating system")
def _() -> None:
    folder = copy("mac")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "det" / "._det.txt").write_bytes(b"\0\5\x16\7")


@mistake("No seqinfo.ini")
def _() -> None:
    (copy("bare") / "seqinfo.ini").unlink()


@mistake("A picture that is missing or broken")
def _() -> None:
    (copy("holes") / "img1" / "000017.jpg").unlink()
    path = copy("torn") / "img1" / "000017.jpg"
    path.write_bytes(path.read_bytes()[:900])


@mistake("Images that do not tell their frame rate")
def _() -> None:
    shutil.copytree("walk/img1", "frames")


def _video(name: str, frames: int = FRAMES, size: tuple[int, int] = SIZE) -> None:
    write_video(name, (np.full((size[1], size[0], 3), 90, dtype=np.uint8) for _ in range(frames)), 10.0)


@mistake("A video that is cut off, or none")
def _() -> None:
    _video("whole.mp4")
    Path("cut.mp4").write_bytes(Path("whole.mp4").read_bytes()[:500])


@mistake("Pictures that are not those that were tracked")
def _() -> None:
    _video("short.mp4", frames=20)
    _video("small.mp4", size=(160, 120))


@mistake("Appearance of other detections")
def _() -> None:
    assert run(["embed", "walk", "--out", "looks"])[0] == 0
    rows = Path("walk/det/det.txt").read_text().splitlines(keepends=True)
    Path("walk/det/det.txt").write_text("".join(rows[1:]))


@mistake("A typo in a key")
def _() -> None: ...


@mistake("A typo in a verb or an option")
def _() -> None: ...


@mistake("Missing weights")
def _() -> None: ...


@mistake("A detector that cannot be fetched")
def _() -> None:
    _video("walk.mp4")
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        os.environ[name] = "http://127.0.0.1:9"  # nobody answers there


@mistake("Weights of PyTorch")
def _() -> None:
    torch.save({"weight": torch.zeros(2)}, "old.pth")


@mistake("Weights that learned other looks")
def _() -> None:
    assert run(["embed", "walk", "--out", "looks"])[0] == 0
    recipe = TrackerConfig(appearance=AppearanceConfig(8, 16, 256, "reid_0248", "0123456789abcdef"))
    save_weights("learned.safetensors", HierarchicalTracker(recipe).state_dict(), WeightsInfo(recipe))


@mistake("No GPU")
def _() -> None: ...


@mistake("Not enough memory")
def _() -> None: ...


@mistake("Not enough memory on the GPU")
def _() -> None: ...


@mistake("Results of other settings in the folder")
def _() -> None: ...


@mistake("A corrupt archive")
def _() -> None:
    Path("broken.zip").write_bytes(b"PK\x03\x04 the rest was lost on the way")


def _submission(folder: str, numbers: tuple[int, ...] = (4, 6, 7, 8)) -> Path:
    Path(folder).mkdir()
    for number in numbers:
        (Path(folder) / f"MOT20-{number:02d}.txt").write_text(ROW)
    return Path(folder)


@mistake("Sequences that are missing")
def _() -> None:
    _submission("few", (4,))


@mistake("Rows that a server rejects")
def _() -> None:
    folder = _submission("rows")
    (folder / "MOT20-04.txt").write_bytes(ROW.replace("\n", "\r\n").encode())
    (folder / "MOT20-06.txt").write_text(ROW * 2)
    (folder / "MOT20-07.txt").write_text("0" + ROW[1:])
    (folder / "MOT20-08.txt").write_text(ROW.replace(",20,", ",0,"))


@pytest.mark.parametrize("heading", MISTAKES)
def test_messages(heading: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "")  # put back what a mistake sets
    if heading == "No GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    MISTAKES[heading]()
    on_a_gpu = heading == "Not enough memory on the GPU"
    for command, expected in DOCUMENTED[heading]:
        words = shlex.split(command)
        assert words[0] == "sushi-lg"
        with some_gpu() if on_a_gpu else contextlib.nullcontext():
            code, printed = run(words[1:])
        assert_printed(expected, printed)
        is_fault = re.search(r"^error: |No such command", expected, re.MULTILINE)
        assert (code in (1, 2, 3, 4, 5)) if is_fault else code == 0, f"{command}: exit code {code}\n{printed}"


def in_a_process(
    words: list[str], before: tuple[str, ...] = ("-m", "sushi_lg"), at_start: Callable[[], object] | None = None
) -> subprocess.Popen[str]:
    """Start a verb in a process of its own, in the folder the test is in."""
    return subprocess.Popen(
        [sys.executable, *before, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=at_start,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are Unix's")
def test_a_full_disk(workspace: Path) -> None:
    """A file system of 64 KB where one may make it; else a process that may write no large files, which is as full."""
    import resource

    [(command, expected)] = DOCUMENTED["A full disk"]
    words = shlex.split(command)[1:]
    Path("full").mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "full"], capture_output=True, check=False)
    if made.returncode == 0:
        try:
            Path("full/other").write_bytes(b"x" * 65536)
            code, printed = run(words)
            assert not [path for path in Path("full/walk").rglob("*") if path.is_file()], "half a file"
            Path("full/other").unlink()
            assert run(words)[0] == 0, "the same command goes on"
        finally:
            subprocess.run(["umount", "full"], check=True)
    else:

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        process = in_a_process(words, at_start=limit)
        printed, code = process.communicate(timeout=60)[0], process.returncode
        assert "File too large" in printed
        printed = printed.replace("File too large", "No space left on device")
        expected = expected.splitlines()[0] + "..."
    assert code == 1
    assert_printed(expected, printed)


def _lengthen(folder: Path, length: int) -> None:
    """Let a sequence go on from its beginning until it has so many frames."""
    rows = (folder / "det" / "det.txt").read_text().splitlines()
    longer = []
    for repeat in range(0, length, FRAMES):
        for row in rows:
            frame, rest = row.split(",", 1)
            longer.append(f"{int(frame) + repeat},{rest}\n")
        for frame in range(1, FRAMES + 1):
            target = folder / "img1" / f"{frame + repeat:06d}.jpg"
            if not target.exists():
                target.symlink_to(folder.absolute() / "img1" / f"{frame:06d}.jpg")
    (folder / "det" / "det.txt").write_text("".join(row for row in longer if int(row.split(",")[0]) <= length))
    change(folder / "seqinfo.ini", f"seqLength={FRAMES}", f"seqLength={length}")


SLOWLY = """\
import sys, time
from sushi_lg.appearance.histogram import HistogramEmbedder
from sushi_lg.cli.app import main
quick = HistogramEmbedder.embed
def embed(self, crops):
    time.sleep(0.5)
    return quick(self, crops)
HistogramEmbedder.embed = embed
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run(workspace: Path, how: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    (command, stopped), (again, finished) = DOCUMENTED["An interrupted run"]
    words = shlex.split(command)[1:]
    assert words == shlex.split(again)[1:]
    _lengthen(Path("walk"), 6 * PART_FRAMES)
    assert run([word.replace("looks", "whole") for word in words])[0] == 0
    # Who runs the tests in the background of a shell has them, and what they start, ignore interrupts.
    listen = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = in_a_process(words, before=("-c", SLOWLY), at_start=listen)
    deadline = time.monotonic() + 60
    while not list(Path("looks").glob(".parts-*/[!.]*")):  # one that is still being written begins with a dot
        assert time.monotonic() < deadline and process.poll() is None, "no part was written"
        time.sleep(0.02)
    process.send_signal(how)
    printed = process.communicate(timeout=60)[0]
    assert not list(Path("looks").glob("*.npy")), "nothing that looks finished"
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert_printed(stopped.replace("^C\n", ""), printed)
    else:
        assert process.returncode == -signal.SIGKILL
    code, printed = run(words)
    assert code == 0
    assert_printed(finished, printed)
    assert Path("looks/walk.npy").read_bytes() == Path("whole/walk.npy").read_bytes()
