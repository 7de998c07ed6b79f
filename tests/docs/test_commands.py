"""Every command of README.md and docs/*.md: run on small data, or parsed where it cannot be run. See commands.yaml."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from documented import ROOT, Block, blocks, commands, mentioned, pages, words
from pictures import write_lossless
from synthetic import write_world

from sushi_lg.cli.app import VERBS, build_app, main
from sushi_lg.data.splits import read_split
from sushi_lg.data.video import read_frames

TABLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("commands.yaml").read_text(encoding="utf-8"))
CLIP_FRAMES = 40
WEIGHTS = Path(os.environ.get("SUSHI_LG_DATA", ROOT.parent / "shared" / "data")) / "weights"


def step_of(entry: str | dict[str, str]) -> dict[str, str]:
    return {"command": entry} if isinstance(entry, str) else entry


STEPS = {group: [step_of(entry) for entry in entries] for group, entries in TABLE["groups"].items()}


def test_every_command_is_in_one_place() -> None:
    listed = [step["command"] for step in chain(*STEPS.values()) if "command" in step] + [
        one["command"] for one in TABLE["skip"]
    ]
    twice = sorted({command for command in listed if listed.count(command) > 1})
    assert not twice, f"listed twice in commands.yaml: {twice}"
    documented = commands()
    new = {command: where for command, where in documented.items() if command not in listed}
    assert not new, "not in commands.yaml:\n" + "\n".join(f"{where}: {command}" for command, where in new.items())
    gone = [command for command in listed if command not in documented]
    assert not gone, f"in commands.yaml, but nowhere documented: {gone}"


def test_what_is_changed_or_skipped_is_explained() -> None:
    for step in chain(*STEPS.values()):
        assert ("changed" in step) == bool({"instead", "without_weights"} & step.keys()), step
        assert ("prepare" in step) != ("command" in step), step
        assert step.keys() <= {"prepare", "command", "instead", "without_weights", "changed", "says"}, step
    assert all(one["because"] for one in TABLE["skip"])


@pytest.mark.parametrize("command", sorted({*commands(), *mentioned()}))
def test_verbs_and_options_exist(command: str) -> None:
    cut = words(command)
    while cut and "=" in cut[0] and cut[0].partition("=")[0].isupper():
        cut = cut[1:]  # SETTINGS=... before the command
    if cut[0] == "make":
        targets = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(f"\n{target}:" in targets for target in cut[1:] if "=" not in target)
    elif script := next((word for word in cut[:2] if word.startswith("scripts/")), None):
        assert (ROOT / script).exists()
    elif cut[0] == "sushi-lg":
        options = [word.partition("=")[0] for word in cut[1:] if word.startswith("--")]
        verb = next((word for word in cut[1:] if not word.startswith("-")), None)
        assert verb is None or verb in VERBS, f"no verb {verb}"
        known = _options(verb)
        assert not [option for option in options if option not in known], f"{options} of {verb}: {sorted(known)}"


def _options(verb: str | None) -> set[str]:
    group = typer.main.get_command(build_app(verb))
    of_all = {option for parameter in group.params for option in parameter.opts} | {"--help"}
    if verb is None:
        return of_all
    command = group.commands[verb]  # type: ignore[attr-defined]
    return of_all | {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that holds what commands speak of; the commands run there."""
    folder = tmp_path_factory.mktemp("workspace")
    for block in titled():
        (folder / block.title).write_text(block.text)
    clip = ROOT / "sushi_lg" / "demo" / "vtest" / "vtest.mp4"
    short = write_lossless(folder / "walk.mp4", (picture for _, picture in read_frames(clip, stop=CLIP_FRAMES)), 10)
    (folder / "sushi_lg" / "demo" / "vtest").mkdir(parents=True)
    shutil.copy(short, folder / "sushi_lg" / "demo" / "vtest" / "vtest.mp4")
    for seed, split in enumerate(map(read_split, ("mot17-half-val", "mot17-test"))):
        part = folder / "DATA" / split.dataset / split.part
        write_world(part, split.sequences, seed)
        for name in split.sequences:
            (part / name / "det" / "toy.txt").rename(part / name / "det" / "yolox_x.txt")
    with contextlib.chdir(folder):
        call(["simulate", "plaza", "--out", "scene", "--sequences", "1", "frames=40"])
    for place in ("SEQUENCE", "path/to/sequence", "path/to/dataset/a", "MOT17/train/MOT17-09", "MOT17/test/MOT17-01"):
        shutil.copytree(folder / "scene" / "plaza" / "train" / "plaza-train-0001", folder / place)
        settings = folder / place / "seqinfo.ini"
        settings.write_text(settings.read_text().replace("plaza-train-0001", Path(place).name))
    torch.save(published_weights(), folder / "hiclnet.pth")
    yield folder


def titled() -> list[Block]:
    """Files that pages show."""
    return [block for page in pages() for block in blocks(page) if block.title]


def published_weights() -> dict[str, torch.Tensor]:
    """Random weights of SUSHI under their original names."""
    import runpy

    return runpy.run_path(str(ROOT / "tests" / "sushi_lg" / "training" / "test_import_legacy.py"))["sushi"]()


def call(arguments: list[str]) -> None:
    """Run a verb in this process; starting another one takes seconds."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code, f"sushi-lg {' '.join(arguments)}: exit code {stop.value.code}"


@pytest.mark.parametrize("group", STEPS)
def test_commands_run(
    group: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    if WEIGHTS.is_dir():
        monkeypatch.setenv("SUSHI_LG_MODELS", str(WEIGHTS))
    for step in STEPS[group]:
        cut = words(_small(step))
        try:
            if cut[0] == "sushi-lg":
                call(cut[1:])
            else:
                subprocess.run([sys.executable if cut[0] == "python" else cut[0], *cut[1:]], check=True)
        except BaseException as error:
            said = capfd.readouterr()
            raise AssertionError(f"{_small(step)}\n{said.out}{said.err}") from error
        if "says" in step:
            assert step["says"] in capfd.readouterr().out
            assert any(step["says"] in page.read_text(encoding="utf-8") for page in pages())


def _small(step: dict[str, str]) -> str:
    if "without_weights" in step and not WEIGHTS.is_dir():
        return step["without_weights"]
    return step.get("prepare") or step.get("instead", step.get("command", ""))


def test_commands_are_cut_out_as_they_are_copied() -> None:
    text = "# only words\n\na b  # it does\nc \\\n    --d 'e # f' \\\n    g\n.venv/bin/sushi-lg x\n.venv/bin/pip y"
    cut = Block(Path("page.md"), 1, "bash", "", text).commands
    assert cut == ["a b", "c --d 'e # f' g", "sushi-lg x", ".venv/bin/pip y"]
