"""What scripts rely on: --json means the same everywhere, exit codes are those written down, `env` hides the user."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from called import run

from sushi_lg.cli import app as app_module
from sushi_lg.cli.app import EXIT_CODES
from sushi_lg.cli.env import anonymous
from sushi_lg.errors import ConfigError, DataError, SushiError, WeightsError

WITH_JSON = (
    "track",
    "describe",
    "study",
    "doctor",
    "inspect",
    "bench",
    "evaluate",
    "evaluate-semantics",
    "pack",
    "validate",
    "env",
)


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "custom" / "a"
    for part in ("gt", "det"):
        (folder / part).mkdir(parents=True)
    ini = "[Sequence]\nname=a\nimDir=img1\nframeRate=10\nseqLength=12\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
    (folder / "seqinfo.ini").write_text(ini)
    rows = [f"{f},{{}},{100 * i + f},50,40,80,0.9\n" for f in range(1, 13) for i in (1, 2)]
    (folder / "det" / "det.txt").write_text("".join(row.format(-1) for row in rows))
    (folder / "gt" / "gt.txt").write_text("".join(row.format(k % 2 + 1) for k, row in enumerate(rows)))
    return folder


@pytest.mark.parametrize("verb", WITH_JSON)
def test_json_is_spelt_the_same_everywhere(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--json FILE Write the same for machines; - is standard output." in told


def test_standard_output_is_json_and_nothing_else(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    commands = {
        "track": ("track", sequence, "--out", out, "device=cpu", "workers=1"),
        "evaluate": ("evaluate", out, "--data", sequence.parent),
        "doctor": ("doctor", sequence),
        "env": ("env",),
        "describe": ("describe", out, "--out", tmp_path / "said"),
    }
    found = {}
    for name, words in commands.items():
        assert run(*words, "--json", "-") == 0, capsys.readouterr().err
        found[name] = json.loads(capsys.readouterr().out)
        assert run(*words, "--json", tmp_path / f"{name}.json") == 0
        told = capsys.readouterr()
        again = json.loads((tmp_path / f"{name}.json").read_text())
        assert again.keys() == found[name].keys()
        assert told.out, "the same for people"
        assert f"wrote {tmp_path / f'{name}.json'}" in told.err
    [tracked] = found["track"]["sequences"]
    assert (tracked["sequence"], tracked["frames"], tracked["detections"]) == ("a", 12, 24)
    assert Path(tracked["path"]).is_file() and found["track"]["run"] == str(out)
    assert found["evaluate"]["combined"]["GT_Dets"] == 24
    assert [clip["status"] for clip in found["describe"]["clips"]] == ["described"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SushiError("x"), 1),
        (OSError(28, "No space left on device"), 1),
        (DataError("x"), 3),
        (ConfigError("x"), 4),
        (WeightsError("x"), 5),
        (RuntimeError("x"), 70),
        (AssertionError("x"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_are_those_written_down(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(app_module, "_load", lambda verb: broken)
    assert run("env") == code and code in EXIT_CODES


def test_a_folder_whose_settings_cannot_be_read_is_no_bug(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / "tracks").mkdir(parents=True)
    (tmp_path / "run" / "tracks" / "a.txt").write_text("")
    for content in (b"[1, 2", b"\xff\xfe"):
        (tmp_path / "run" / "config.yaml").write_bytes(content)
        assert run("track", sequence, "--out", tmp_path / "run") == 4
        assert "config.yaml: cannot be read" in capsys.readouterr().err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Listen to interrupts, also where whoever runs the tests ignores them (the background of a shell)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_no_bug_whatever_a_library_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def importing() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            raise RecursionError("half imported") from None

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(app_module, "_load", lambda verb: importing)
    assert run("track") == 130
    assert capsys.readouterr().err == "stopped; what is finished is kept, and the same command goes on from there\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("no-such-verb",), ("evaluate",), ("env", "--no-such-option"), ("env", "too", "many")):
        assert run(*words) == 2
        assert "Error" in capsys.readouterr().err
    assert run("env", "--help") == 0 and 2 in EXIT_CODES and 0 in EXIT_CODES


def test_env_tells_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("env", "--json", "-") == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"version", "package", "configs"} <= facts["sushi-lg"].keys()
    assert {"cpu", "cores", "memory", "cuda", "threads of torch"} <= facts["devices"].keys()
    assert facts["video"]["h264"] == "yes"
    assert facts["packages"]["torch"].split(".")[0].isdigit()
    assert facts["weights"]["default"].startswith("sha256 ") and len(facts["weights"]["default"]) == 7 + 64


def test_env_hides_home_and_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/alice"))
    assert anonymous("/home/alice/models:/data/alice/x") == "~/models:/data/USER/x"
    assert anonymous("/home/alice2/models") == "/home/alice2/models"
    assert anonymous("/usr/malice/x") == "/usr/malice/x"
    monkeypatch.setattr(getpass, "getuser", lambda: "")
    assert anonymous("/home/alice") == "~"


def test_env_of_a_user_shows_no_name(tmp_path: Path) -> None:
    home = tmp_path / "home" / "zaphod"
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "mine.onnx").write_bytes(b"x" * 1000)
    (home / "weights" / "mine.onnx.sha256").write_text("ab" * 32 + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "sushi_lg", "env"],
        env={"HOME": str(home), "USER": "zaphod", "LOGNAME": "zaphod", "PATH": "/usr/bin:/bin"}
        | {"SUSHI_LG_MODELS": str(home / "weights")},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "zaphod" not in done.stdout and str(home) not in done.stdout
    assert f"  ~/weights/mine.onnx: 0.0 MiB, sha256 {'ab' * 32}\n" in done.stdout
    assert "  SUSHI_LG_MODELS: ~/weights\n" in done.stdout


def test_env_names_weights_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.onnx").symlink_to("nowhere.onnx")
    (tmp_path / "b.onnx").write_bytes(b"x")
    (tmp_path / "b.onnx.sha256").write_text("\n")
    (tmp_path / "c.onnx").write_bytes(b"x")
    (tmp_path / "c.onnx.sha256").write_bytes(b"\xff\xfe no hash")
    (tmp_path / "d.onnx").write_bytes(b"x" * 2**20)
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path))
    assert run("env", "--json", "-") == 0
    weights = json.loads(capsys.readouterr().out)["weights"]
    assert {Path(name).name: text for name, text in weights.items() if name.endswith(".onnx")} == {
        "a.onnx": "cannot be read: No such file or directory",
        "b.onnx": "0.0 MiB, b.onnx.sha256 holds no hash",
        "c.onnx": "0.0 MiB, c.onnx.sha256 holds no hash",
        "d.onnx": "1.0 MiB",
    }


def test_env_where_something_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SUSHI_LG_MODELS", "/nowhere/at/all")
    assert run("env") == 0
    assert "SUSHI_LG_MODELS names /nowhere/at/all, which is no folder" in capsys.readouterr().out
