"""Every mistake of docs/own_parts.md is made in the files that the page shows; what is printed stands there."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import ROOT, blocks
from pictures import write_lossless
from printed import assert_printed, documented, run

from sushi_lg.data.video import read_frames

PAGE = ROOT / "docs" / "own_parts.md"
DOCUMENTED = documented(PAGE)
CLIP_FRAMES = 12
# file: the file of the page it is made of, what is changed there, and into what
CHANGED = {
    "typo.py": ("my_detector.py", "def boxes(self, difference, mask):", "def boxes(self difference, mask):"),
    "forgot.py": ("my_detector.py", "def fingerprint", "def finger_print"),
    "blank.py": ("my_detector.py", 'name = "moving"', 'name = "my moving"'),
    "fails.py": ("my_detector.py", "sorted((one for one", "sorted((on for one"),
    "single.py": (
        "my_detector.py",
        "return [self.boxes(difference, mask) for difference, mask in prepared]",
        "return self.boxes(*prepared[0])",
    ),
    "sizes.py": ("my_detector.py", "(left, top, left + width, top + height)", "(left, top, width, height)"),
    "percent.py": ("my_detector.py", "(min(contrast, 1.0),", "(100 * contrast,"),
    "wide.py": ("my_embedder.py", "dim = 12", "dim = 13"),
    "nan.py": ("my_embedder.py", "self.dim) - 110", "self.dim) * np.nan"),
    "stranger.py": ("my_describer.py", 'Answer(request.request_id, "none", scores=())', 'Answer("x", "none")'),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, a short video, detections in it and a run on them."""
    folder = tmp_path_factory.mktemp("parts")
    for block in blocks(PAGE):
        if block.title:
            (folder / block.title).write_text(block.text)
    clip = ROOT / "sushi_lg" / "demo" / "vtest" / "vtest.mp4"
    write_lossless(folder / "walk.mp4", (picture for _, picture in read_frames(clip, stop=CLIP_FRAMES)), 10)
    with contextlib.chdir(folder):
        assert run(["detect", "walk.mp4", "--detector", "my_detector.py:Moving", "--out", "found"])[0] == 0
        assert run(["track", "found/walk", "--out", "run"])[0] == 0
    return folder


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same without the detections, unless they are asked for; with the mistakes."""
    for name in ("walk.mp4", "my_detector.py", "my_embedder.py", "my_describer.py"):
        shutil.copy(prepared / name, tmp_path)
    shutil.copytree(prepared / "run", tmp_path / "run")
    for name, (source, old, new) in CHANGED.items():
        text = (prepared / source).read_text()
        assert text.count(old) == 1, f"{source} has changed: {old}"
        (tmp_path / name).write_text(text.replace(old, new))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_every_changed_file_is_used() -> None:
    said = PAGE.read_text(encoding="utf-8")
    assert all(f"{name}:" in said for name in CHANGED)


@pytest.mark.parametrize("heading", DOCUMENTED)
def test_messages(heading: str, workspace: Path, prepared: Path) -> None:
    for command, expected in DOCUMENTED[heading]:
        words = shlex.split(command)
        assert words[0] == "sushi-lg"
        if words[1] in ("embed", "describe") and not Path("found").exists():
            shutil.copytree(prepared / "found", "found")
            for path in (Path("found/walk/frames.json"), Path("run/config.yaml")):
                path.write_text(path.read_text().replace(str(prepared), str(workspace)))
        code, printed = run(words[1:])
        assert_printed(expected, printed)
        assert code in (3, 4) and re.search(r"^error: ", printed, re.MULTILINE)
        if words[1] == "detect":
            shutil.rmtree("found", ignore_errors=True)
