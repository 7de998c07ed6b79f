"""What users write themselves is found, checked and told apart from names of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from sushi_lg.data.plugins import is_plugin, load_plugin
from sushi_lg.errors import ConfigError, WeightsError

CODE = """
from sushi_lg.errors import WeightsError

class Part:
    name = "part"
    size = 3

    def __init__(self, device="cpu", wanted=None):
        self.device, self.wanted = device, wanted

class Nameless(Part):
    name = "../part"

def greedy(**options):
    part = Part()
    part.options = options
    return part

def broken():
    return 1 // 0

def weightless():
    raise WeightsError("no file", "fetch it")

NUMBER = 3
"""


@pytest.fixture
def part(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(CODE)
    return str(tmp_path / "mine.py")


@pytest.mark.parametrize("text", ["mine.py:Part", "a/b c.py:Part", "package.module:make", "~/x.py:_Part"])
def test_is_a_plugin(text: str) -> None:
    assert is_plugin(text)


@pytest.mark.parametrize(
    "text", ["yolox_nano", "C:\\models\\a.onnx", "yolox_custom=a.onnx", "a.py", "mine.py:", "timm:vit-small", "a b:C"]
)
def test_is_no_plugin(text: str) -> None:
    assert not is_plugin(text)


def test_what_is_offered_is_handed_over_where_it_is_taken(part: str) -> None:
    made = load_plugin(f"{part}:Part", "part", ("name", "size"), {"device": "cuda", "threads": 2}, {"wanted": "dogs"})
    assert (made.device, made.wanted) == ("cuda", "dogs")
    assert load_plugin(f"{part}:greedy", "part", ("name",), {"threads": 2}, {"a": 1}).options == {"threads": 2, "a": 1}


def test_a_file_is_run_once_and_may_be_called_like_a_module(part: str, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("class Part:\n    name = 'own'\n")
    first = load_plugin(f"{tmp_path}/json.py:Part", "part", (), {})
    second = load_plugin(f"{tmp_path}/json.py:Part", "part", (), {})
    assert type(first) is type(second)
    import json

    assert json.loads("1") == 1 and not hasattr(json, "Part")


def test_an_installed_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "some_sushi_parts.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_plugin("some_sushi_parts:Part", "part", ("name",), {}).name == "part"


@pytest.mark.parametrize(
    "name, message",
    [
        ("Absent", "no class or function Absent.*Part"),
        ("NUMBER", "no class or function NUMBER"),
        ("broken", "cannot be made .ZeroDivisionError"),
        ("Nameless", "'../part' cannot be the name of a file"),
    ],
)
def test_what_is_wrong_is_said(part: str, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match="(?s)" + message):
        load_plugin(f"{part}:{name}", "part", ("name",), {})


def test_what_is_missing_is_named(part: str) -> None:
    with pytest.raises(ConfigError, match="a detector without detect, prepare"):
        load_plugin(f"{part}:Part", "detector", ("name", "detect", "prepare"), {})


def test_an_option_that_is_not_taken_is_refused(part: str) -> None:
    with pytest.raises(ConfigError, match="takes no option 'prompt'"):
        load_plugin(f"{part}:Part", "part", ("name",), {}, {"prompt": "dogs"})


def test_errors_with_a_remedy_stay_what_they_are(part: str) -> None:
    with pytest.raises(WeightsError, match="fetch it"):
        load_plugin(f"{part}:weightless", "part", ("name",), {})


def test_files_and_modules_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f(:\n")
    with pytest.raises(ConfigError, match="SyntaxError"):
        load_plugin(f"{tmp_path}/bad.py:f", "part", (), {})
    with pytest.raises(ConfigError, match=r"no file"):
        load_plugin(f"{tmp_path}/absent.py:f", "part", (), {})
    with pytest.raises(ConfigError, match=r"cannot be imported.*ModuleNotFoundError"):
        load_plugin("no_such_package_at_all.parts:f", "part", (), {})


WHOLE = """
import numpy as np
from sushi_lg.detection.protocol import FrameBoxes

class Detector:
    name, batch_size, parallel = "whole", 4, False

    def __init__(self, prompt=None, min_score=0.1, threads=1):
        self.settings = (prompt, min_score, threads)

    def fingerprint(self): return "1"
    def prepare(self, picture): return picture.shape
    def detect(self, prepared): return [FrameBoxes(np.zeros((0, 4), "f4"), np.zeros(0, "f4")) for _ in prepared]

class Embedder:
    name, dim, batch_size, parallel = "grey", 1, 4, False
    def fingerprint(self): return "1"
    def crop(self, picture, boxes_xyxy): return np.zeros((len(boxes_xyxy), 1, 1, 3), "u1")
    def embed(self, crops): return np.ones((len(crops), 1), "f4")

class Describer:
    name, fingerprint, needs_pictures = "silent", "1", False
    def __init__(self, loudness=0): self.loudness = loudness
    def answer(self, jobs): return iter(())
    def describe(self, person): return None
"""


def test_registries_take_them(tmp_path: Path) -> None:
    from semantic.describers.registry import load_describer
    from sushi_lg.appearance.registry import load_embedder
    from sushi_lg.detection.registry import load_detector
    from sushi_lg.language.attributes import load_describer as load_attributes

    path = tmp_path / "whole.py"
    path.write_text(WHOLE)
    detector = load_detector(f"{path}:Detector", prompt="dogs", min_score=0.3, threads=2)
    assert detector.name == "whole" and detector.settings == ("dogs", 0.3, 2)  # type: ignore[attr-defined]
    assert load_detector(f"{path}:Detector").settings == (None, 0.1, 1)  # type: ignore[attr-defined]
    assert load_embedder(f"{path}:Embedder").dim == 1
    assert load_describer(f"{path}:Describer", loudness=3).loudness == 3  # type: ignore[attr-defined]
    assert load_attributes(f"{path}:Describer").name == "silent"
    with pytest.raises(ConfigError, match="a detector without batch_size, parallel, prepare, detect"):
        load_detector(f"{path}:Describer")
    with pytest.raises(ConfigError, match="takes no option 'volume'"):
        load_describer(f"{path}:Describer", volume=3)
    with pytest.raises(ConfigError, match="min_score"):
        load_detector(f"{path}:Detector", min_score=7)
