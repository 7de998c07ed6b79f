"""The Tab key offers what there is, in every shell, without importing what computes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sushi_lg.appearance.registry import load_embedder
from sushi_lg.cli.app import VERBS, main
from sushi_lg.cli.completion import SETTINGS, VARIABLE
from sushi_lg.config import recipe_path
from sushi_lg.data.models import model_names
from sushi_lg.data.splits import split_names
from sushi_lg.errors import WeightsError
from sushi_lg.submission.profile import profile_names

ROOT = Path(__file__).resolve().parents[3]


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str = "bash") -> str:
    """What comes back for a line whose last word is being typed, as the scripts of typer ask for it."""
    words = line.split(" ")
    monkeypatch.setenv(VARIABLE, f"complete_{shell}")
    if shell == "bash":
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    else:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit) as stop:
        main([])
    told = capsys.readouterr()
    assert stop.value.code == 0 and told.err == ""
    return told.out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sushi-lg eva", ["evaluate", "evaluate-semantics"]),
        ("sushi-lg track --det", ["--detections", "--detector"]),
        ("sushi-lg track x --recipe s", ["sushi"]),
        ("sushi-lg track --detector nano", ["nanodet_m_416"]),
        ("sushi-lg embed --embedder reid_", ["reid_0248", "reid_0287"]),
        ("sushi-lg pack mot", ["mot17", "mot20"]),
        ("sushi-lg validate --profile d", ["dancetrack"]),
        ("sushi-lg track mot17-h", ["mot17-half-train", "mot17-half-val"]),
        ("sushi-lg evaluate run --split mot20", ["mot20-test", "mot20-train"]),
        ("sushi-lg track x on_bad_", ["on_bad_row=", "on_bad_image="]),
        ("sushi-lg track x on_bad_r", ["on_bad_row=error", "on_bad_row=skip"]),
        ("sushi-lg track x device = c", ["cpu", "cuda"]),  # bash takes key=value for three words
        ("sushi-lg track x device =", ["auto", "cpu", "cuda"]),
        ("sushi-lg evaluate x missing = s", ["skip"]),
        ("sushi-lg study cross", ["cross-domain"]),
        ("sushi-lg train --config train_", ["train_default", "train_guided"]),
        ("sushi-lg evaluate-semantics r --profile c", ["coco"]),
        ("sushi-lg track x unknown_", []),  # files are the shell's
        ("sushi-lg nothing x", []),
        ("sushi-lg track ", []),
    ],
)
def test_bash(
    line: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert offered(line, monkeypatch, capsys).split() == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nanodet_m_416" in offered("sushi-lg track --detector nano", monkeypatch, capsys, shell)
    told = offered("sushi-lg track x device=c", monkeypatch, capsys, shell)
    assert "device=cpu" in told and "device=cuda" in told and "device=auto" not in told
    told = offered("sushi-lg e", monkeypatch, capsys, shell)
    assert all(verb in told for verb in VERBS if verb.startswith("e")) and "import-checkpoint" not in told


def test_every_verb_completes_its_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        assert "--help" in offered(f"sushi-lg {verb} --h", monkeypatch, capsys).split(), verb


def test_names_are_those_that_load(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert offered("sushi-lg track --detector ", monkeypatch, capsys).split() == model_names("detector")
    embedders = offered("sushi-lg track --embedder ", monkeypatch, capsys).split()
    assert set(embedders) == {"hsv", "none", "pixels", *model_names("embedder")}
    assert load_embedder("pixels").name == "pixels"
    with pytest.raises(WeightsError):
        load_embedder("no such embedder")
    assert offered("sushi-lg evaluate --split ", monkeypatch, capsys).split() == sorted(split_names())
    assert offered("sushi-lg pack ", monkeypatch, capsys).split() == sorted(profile_names())
    for name in offered("sushi-lg study ablation --config ", monkeypatch, capsys).split():
        assert recipe_path(name).is_file()


@pytest.mark.parametrize(("verb", "key"), [(verb, key) for verb in SETTINGS for key in SETTINGS[verb]])
def test_settings_are_those_the_verb_takes(
    verb: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"evaluate": ["--data", tmp_path], "doctor": []}.get(verb, ["--out", tmp_path / "out"])
    for value in SETTINGS[verb][key] or ("1/1" if key == "part" else "1",):
        with pytest.raises(SystemExit) as stop:
            main([verb, str(tmp_path / "nowhere"), f"{key}={value}", *map(str, places)])
        told = capsys.readouterr().err
        assert stop.value.code == 3 and "unknown key" not in told, told


def test_nothing_that_computes_is_imported() -> None:
    code = (
        "import sys\nfrom sushi_lg.cli.app import main\ntry:\n    main([])\nexcept SystemExit:\n    pass\n"
        "sys.exit(str({'torch', 'numpy', 'scipy', 'cv2', 'omegaconf', 'yaml', 'av'} & set(sys.modules)))\n"
    )
    words = "sushi-lg track --detector yolo".split()
    asked = {VARIABLE: "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "yolox_nano" in done.stdout and done.stderr.strip() == "set()"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_in_bash_itself(tmp_path: Path) -> None:
    """The script that --show-completion prints, in a bash that has a sushi-lg."""
    program = tmp_path / "sushi-lg"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sushi_lg "$@"\n')
    program.chmod(0o755)
    script = textwrap.dedent(
        """
        eval "$(sushi-lg --show-completion)"
        complete -p sushi-lg
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sushi_lg_completion sushi-lg; echo "${COMPREPLY[*]}"; }
        ask sushi-lg eval
        ask sushi-lg draw --cap
        """
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "complete -o default -F _sushi_lg_completion sushi-lg",
        "evaluate evaluate-semantics",
        "--captions",
    ], done.stderr
