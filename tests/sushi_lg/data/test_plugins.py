"""What users write themselves is found, checked and told apart from names of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.plugins import is_plugin, load_plugin
from sushi_lg.detection.protocol import Detector
from sushi_lg.errors import ConfigError, SushiError, WeightsError

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


@pytest.mark.parametrize(
    "text", ["mine.py:Part", "a/b c.py:Part", "package.module:make", "~/x.py:_Part", "a.py", "a.py:"]
)
def test_is_a_plugin(text: str) -> None:
    assert is_plugin(text)


@pytest.mark.parametrize(
    "text", ["yolox_nano", "C:\\models\\a.onnx", "yolox_custom=a.onnx", "a.pyc", "timm:vit-small", "a b:C"]
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
        ("Absent", "no class or function Absent there\n  fix: there are Part, Nameless, greedy, broken, weightless$"),
        ("Namless", "no class or function Namless there\n  fix: did you mean Nameless. there"),
        ("NUMBER", "no class or function NUMBER"),
        ("broken", "cannot be made .ZeroDivisionError"),
        ("Nameless", "'../part' cannot be the name of a file"),
    ],
)
def test_what_is_wrong_is_said(part: str, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match="(?s)" + message):
        load_plugin(f"{part}:{name}", "part", ("name",), {})


def test_a_file_alone_is_asked_for_a_name(part: str) -> None:
    for text in (part, f"{part}:"):
        with pytest.raises(ConfigError, match=rf"(?s)which class or function of it\?\n  fix: give {part}:Part, "):
            load_plugin(text, "part", ("name",), {})
    with pytest.raises(ConfigError, match=r"(?s)no file .*mien\.py\n  fix: did you mean mine\.py\?"):
        load_plugin(part.replace("mine", "mien"), "part", ("name",), {})


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

class Attributes:
    name = "silent"
    def fingerprint(self): return "1"
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
    assert load_attributes(f"{path}:Attributes").name == "silent"
    with pytest.raises(ConfigError, match="a detector without batch_size, parallel, prepare, detect"):
        load_detector(f"{path}:Describer")
    with pytest.raises(ConfigError, match="takes no option 'volume'"):
        load_describer(f"{path}:Describer", volume=3)
    with pytest.raises(ConfigError, match="min_score"):
        load_detector(f"{path}:Detector", min_score=7)


FAULTY = """
import numpy as np

class Detector:
    name, batch_size, parallel = "mine", 4, False
    def fingerprint(self): return "1"
    def prepare(self, picture): return picture
    def detect(self, prepared):
        return FOUND(prepared)

class Embedder:
    name, dim, batch_size, parallel = "mine", 2, 4, False
    def fingerprint(self): return 7
    def crop(self, picture, boxes_xyxy): return np.zeros((1, 2))
    def embed(self, crops): return np.zeros((len(crops), 3))

class Attributes:
    name = "mine"
    def fingerprint(self): return "1"
    def describe(self, person): return "a man"

class Describer:
    name, fingerprint, needs_pictures = "mine", "1", False
    def answer(self, jobs):
        yield from ()
        raise KeyError("lost")
"""


def faulty_detector(tmp_path: Path, found: str) -> Detector:
    from sushi_lg.detection.registry import load_detector

    path = tmp_path / "faulty.py"
    path.write_text(f"{FAULTY}\n{found}\n")
    return load_detector(f"{path}:Detector")


@pytest.mark.parametrize(
    "found, message",
    [
        ("def FOUND(p):\n    raise ValueError('no boxes')", r"ValueError: no boxes, line {last} of faulty.py"),
        (
            "def FOUND(p):\n    return open('/nowhere/x')",
            r"FileNotFoundError: .*/nowhere/x.*, line {last} of faulty.py",
        ),
        ("def FOUND(p):\n    raise SystemExit(3)", r"SystemExit: 3, line {last} of faulty.py"),
        ("def FOUND(p):\n    raise StopIteration", r"StopIteration, line {last} of faulty.py"),
        ("def FOUND(p):\n    yield from (1 / 0 for _ in p)", r"ZeroDivisionError: .*, line {last} of faulty.py"),
        ("def FOUND():\n    return []", r"TypeError: FOUND\(\) takes 0 .*, line 9 of faulty.py"),
        ("def FOUND(p):\n    return None", r"TypeError: 'NoneType' object is not iterable"),
        ("def FOUND(p):\n    return []", r"0 results for 2 pictures"),
        ("def FOUND(p):\n    return p", r"returned a str, not a FrameBoxes"),
    ],
)
def test_what_fails_later_is_the_users_too(tmp_path: Path, found: str, message: str) -> None:
    detector = faulty_detector(tmp_path, found)
    last = len((tmp_path / "faulty.py").read_text().splitlines())
    with pytest.raises(ConfigError, match=message.replace("{last}", str(last))) as caught:
        detector.detect(["a", "b"])
    assert str(caught.value).startswith(f"{tmp_path}/faulty.py:Detector: detect fails (")
    assert caught.value.remedy and caught.value.__cause__ is not None


def test_boxes_have_to_fit_their_scores(tmp_path: Path) -> None:
    found = "from types import SimpleNamespace as N\n"
    found += "def FOUND(p):\n    return [N(boxes_xyxy=np.zeros((2, 4)), score=np.zeros(3)) for _ in p]"
    with pytest.raises(ConfigError, match=r"boxes_xyxy of shape \(2, 4\)"):
        faulty_detector(tmp_path, found).detect(["a"])


@pytest.mark.parametrize(
    "boxes, score, message",
    [
        (
            "[[5, 5, 9, 9], [340, 120, 24, 60]]",
            "[.9, .8]",
            r"picture 1 of 2: box 1 \(340, 120, 24, 60\) is not left, top",
        ),
        ("[[5, 120, 24, 60]]", "[.9]", r"box 0 \(5, 120, 24, 60\) is not left, top, right, bottom"),
        ("[[5, 5, 5, 9]]", "[.9]", "left < right"),
        ("[[5, 9, 8, 9]]", "[.9]", "top < bottom"),
        ("[[5, 5, np.nan, 9]]", "[.9]", r"box 0 \(5, 5, nan, 9\) has numbers that are not finite"),
        ("[[5, 5, np.inf, 9]]", "[.9]", "not finite"),
        ("[[5, 5, 8, 9]] * 2", "[.9, 87]", r"picture 1 of 2: the score of box 1 is 87, not in 0 .. 1"),
        ("[[5, 5, 8, 9]]", "[-.1]", "the score of box 0 is -0.1"),
        ("[[5, 5, 8, 9]]", "[np.nan]", "the score of box 0 is nan"),
    ],
)
def test_boxes_no_picture_can_have_are_refused(tmp_path: Path, boxes: str, score: str, message: str) -> None:
    found = "from sushi_lg.detection.protocol import FrameBoxes as F\n"
    found += "right = F(np.array([[-5.5, 3, 9, 900], [1, 1, 2, 2]], 'f4'), np.array([1.0, 0.0], 'f4'))\n"
    found += f"def FOUND(p):\n    return [right, F(np.array({boxes}, 'f4'), np.array({score}, 'f4'))][: len(p)]"
    detector = faulty_detector(tmp_path, found)
    assert len(detector.detect(["a"])) == 1, "boxes may leave the picture, and a score may be 0 or 1"
    with pytest.raises(ConfigError, match=message):
        detector.detect(["a", "b"])


def test_nobody_in_the_picture_is_no_mistake(tmp_path: Path) -> None:
    found = "from sushi_lg.detection.protocol import FrameBoxes as F\n"
    found += "def FOUND(p):\n    return [F(np.zeros((0, 4), 'f4'), np.zeros(0, 'f4')), F(np.array([]), np.array([]))]"
    assert len(faulty_detector(tmp_path, found).detect(["a", "b"])) == 2


def test_ctrl_c_and_a_lack_of_memory_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        faulty_detector(tmp_path, "def FOUND(p):\n    raise KeyboardInterrupt").detect([])
    (tmp_path / "b").mkdir()
    with pytest.raises(SushiError, match="not enough memory") as caught:
        faulty_detector(tmp_path / "b", "def FOUND(p):\n    raise RuntimeError('CUDA out of memory')").detect([])
    assert not isinstance(caught.value, ConfigError)


def test_what_other_parts_return_is_looked_at(tmp_path: Path) -> None:
    from semantic.describers.registry import load_describer
    from sushi_lg.appearance.registry import load_embedder
    from sushi_lg.language.attributes import load_describer as load_attributes
    from sushi_lg.language.views import PersonViews

    path = tmp_path / "faulty.py"
    path.write_text(FAULTY)
    embedder = load_embedder(f"{path}:Embedder")
    with pytest.raises(ConfigError, match=r"Embedder: fingerprint fails .*returned a int, not a text"):
        embedder.fingerprint()
    with pytest.raises(ConfigError, match=r"crop fails .*\(1, 2\), not \(1, h, w, 3\)"):
        embedder.crop(np.zeros((9, 9, 3), np.uint8), np.zeros((1, 4), np.float32))
    with pytest.raises(ConfigError, match=r"embed fails .*\(5, 3\), not \(5, 2\)"):
        embedder.embed(np.zeros((5, 1, 1, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"describe fails .*returned a str, not a Description"):
        load_attributes(f"{path}:Attributes").describe(PersonViews("a", 1, ()))
    with pytest.raises(ConfigError, match=r"answer fails .KeyError: 'lost', line 26 of faulty.py"):
        list(load_describer(f"{path}:Describer").answer([]))


@pytest.mark.parametrize("fault", ["import sys\nsys.exit()", "import sys\nsys.exit(0)", "raise SystemExit('bye')"])
def test_a_file_that_ends_the_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    (tmp_path / "ends_sushi_now.py").write_text(fault)
    with pytest.raises(ConfigError, match=r"fails \(SystemExit.*, line \d of ends_sushi_now.py"):
        load_plugin(f"{tmp_path}/ends_sushi_now.py:Part", "part", (), {})
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"cannot be imported \(SystemExit"):
        load_plugin("ends_sushi_now:Part", "part", (), {})


def test_values_in_place_of_methods_and_methods_in_place_of_values(tmp_path: Path) -> None:
    from semantic.describers.registry import load_describer
    from sushi_lg.detection.registry import load_detector

    path = tmp_path / "mixed.py"
    path.write_text(
        WHOLE.replace('def fingerprint(self): return "1"\n    def prepare', 'fingerprint = "x"\n    def prepare')
    )
    with pytest.raises(ConfigError, match=r"its fingerprint is 'x'\n  fix: .* is a method: def fingerprint"):
        load_detector(f"{path}:Detector")
    (tmp_path / "other.py").write_text(
        "class D:\n    name, needs_pictures = 'd', False\n"
        "    def fingerprint(self): return '1'\n    def answer(self, jobs): ..."
    )
    with pytest.raises(ConfigError, match="fingerprint of a describer is a value"):
        load_describer(f"{tmp_path}/other.py:D")


def test_a_property_that_fails(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("class P:\n    @property\n    def name(self):\n        return 1 / 0\n")
    with pytest.raises(ConfigError, match=r"ZeroDivisionError.*, line 4 of p.py"):
        load_plugin(f"{tmp_path}/p.py:P", "part", ("name",), {})


def test_the_command_line_calls_no_fault_of_a_users_a_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sushi_lg.cli.app import main

    cv2 = pytest.importorskip("cv2")
    (tmp_path / "faulty.py").write_text(f"{FAULTY}\ndef FOUND(p):\n    raise ValueError('no boxes')\n")
    (tmp_path / "pictures").mkdir()
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number:06}.png"), np.zeros((48, 64, 3), np.uint8))
    words = ["detect", str(tmp_path / "pictures"), "--out", str(tmp_path / "out"), "--frame-rate", "10"]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--detector", f"{tmp_path}/faulty.py:Detector"])
    told = capsys.readouterr().err
    last = len((tmp_path / "faulty.py").read_text().splitlines())
    assert caught.value.code == ConfigError.exit_code and "is a bug" not in told, told
    assert f"detect fails (ValueError: no boxes, line {last} of faulty.py)" in told
