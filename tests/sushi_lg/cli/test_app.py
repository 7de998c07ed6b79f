"""The command line as a user meets it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from called import run

from sushi_lg.cli import app as app_module
from sushi_lg.cli.app import VERBS, main
from sushi_lg.cli.common import format_table
from sushi_lg.errors import WeightsError

SEQINFO = "[Sequence]\nname=a\nimDir=img1\nframeRate=30\nseqLength=4\nimWidth=640\nimHeight=480\nimExt=.jpg\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One sequence with two people, and beside it a run that found one of them."""
    folder = tmp_path / "data" / "custom" / "a"
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(SEQINFO)
    rows = [f"{f},{i},{100 * i},50,40,80,1,-1,-1,-1\n" for f in range(1, 5) for i in (1, 2)]
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    (tmp_path / "run" / "tracks").mkdir(parents=True)
    (tmp_path / "run" / "tracks" / "a.txt").write_text("".join(rows[::2]))
    (tmp_path / "run" / "config.yaml").write_text("sequences: [a]\n")
    return tmp_path / "data"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_imports_nothing_heavy(verb: str) -> None:
    code = (
        "import sys\nfrom sushi_lg.cli.app import main\n"
        f"try:\n    main([{verb!r}, '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(str({'torch', 'scipy', 'trackeval', 'cv2', 'pyarrow', 'omegaconf'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_file(verb: str) -> None:
    name = verb.replace("-", "_")
    assert getattr(importlib.import_module(f"sushi_lg.cli.{name}"), name).__doc__


def test_root(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    listed = capsys.readouterr().out
    assert all(verb in listed for verb in VERBS)
    assert run("--version") == 0
    assert run("evalaute") == 2
    assert "evaluate" in capsys.readouterr().err


def test_evaluate(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", tmp_path / "run", "--data", data, "--json", tmp_path / "scores.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["sequence", "HOTA"] and lines[1].split()[0] == "a"
    assert lines[-1].startswith("COMBINED  70.711  50.000  100.000")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["combined"]["CLR_FN"] == 4 and scores["sequences"]["a"]["IDF1"] == pytest.approx(100 * 2 / 3)
    assert run("evaluate", tmp_path / "run", "--data", data, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == scores


def test_evaluate_the_reference(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_data / "reference_results" / "mot17_train_mott"
    assert run("evaluate", folder, "--data", shared_data / "mot", "--split", "mot17-train") == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    combined = dict(zip(table[0], table[8], strict=True))
    assert (combined["HOTA"], combined["IDF1"], combined["MOTA"], combined["IDSW"]) == (
        "75.272",
        "81.859",
        "90.320",
        "535",
    )


def test_faults_are_messages_with_an_exit_code(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = tmp_path / "run"
    assert run("evaluate", run_folder, "--data", data, "misssing=skip") == 4
    assert capsys.readouterr().err == "error: misssing: unknown key\n  fix: did you mean missing?\n"
    (run_folder / "tracks" / "a.txt").write_text("1,1,1,1,5,5,1\n1,1,9,9,5,5,1\n")
    assert run("evaluate", run_folder, "--data", data) == 3
    assert "a.txt:2" in capsys.readouterr().err
    assert run("evaluate", run_folder, "--data", data, "--debug") == 3
    assert "Traceback" in capsys.readouterr().err
    (run_folder / "config.yaml").unlink()
    assert run("evaluate", run_folder, "--data", data) == 3
    assert "pass --split NAME" in capsys.readouterr().err
    assert run("evaluate", run_folder) == 2


def test_evaluate_without_ground_truth(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "custom" / "a" / "gt" / "gt.txt").unlink()
    assert run("evaluate", tmp_path / "run", "--data", data) == 0
    assert "no ground truth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (WeightsError("w.pth: broken", "get it again"), 5, "error: w.pth: broken\n  fix: get it again\n"),
        (OSError(28, "No space left on device", "x.txt"), 1, "No space left on device"),
        (ZeroDivisionError("division by zero"), 70, "this is a bug"),
        (MemoryError(), 1, "error: not enough memory (MemoryError)\n  fix: end other programs\n"),
        (
            RuntimeError("CUDA error: out of memory\nCUDA kernel ..."),
            1,
            "error: not enough memory (CUDA error: out of m",
        ),
    ],
)
def test_exit_codes(
    error: Exception, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(app_module, "_load", lambda verb: broken)
    assert run("env") == code
    err = capsys.readouterr().err
    assert says in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("train", "a lower sampling.budget= (detections of a batch), device=cpu, or end other programs"),
        ("bench", "a shorter scene, fewer people, --device cpu, or end other programs"),
        ("evaluate", "end other programs"),
    ],
)
def test_less_memory_is_what_the_verb_has(
    verb: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(app_module, "_load", lambda verb: broken)
    assert run(verb) == 1
    assert capsys.readouterr().err.endswith(f"\n  fix: {words}\n")


def test_doctor(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", data) == 0
    assert "0 errors" in capsys.readouterr().out
    (data / "custom" / "a" / "gt" / "gt.txt").write_text("0,1,1,1,5,5,1\n")
    assert run("doctor", data, "--json", tmp_path / "found.json") == 3
    assert "fix: " in capsys.readouterr().out
    findings = json.loads((tmp_path / "found.json").read_text())["findings"]
    assert [f["where"] for f in findings if f["severity"] == "error"] == [
        f"{data / 'custom' / 'a' / 'gt' / 'gt.txt'}:1"
    ]


def test_env(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("env", "--json", "-") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["sushi-lg"]["configs"] and facts["devices"]["cores"] == os.cpu_count()


def test_tables_are_never_cut() -> None:
    rows = [{"sequence": "a" * 60, "HOTA": "1.000"}, {"sequence": "b", "HOTA": "100.000"}]
    assert format_table(rows).splitlines() == [
        "sequence" + " " * 52 + "     HOTA",
        "a" * 60 + "    1.000",
        "b" + " " * 59 + "  100.000",
    ]
    assert format_table([]) == ""


def test_an_interrupted_verb_says_that_it_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sushi_lg.cli.detect.open_pictures", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["detect", str(tmp_path), "--out", str(tmp_path / "out")])
    assert caught.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
