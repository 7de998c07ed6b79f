"""``make wordnet``, with packages made here instead of Debian's."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "install_wordnet.py"
ROOT = SCRIPT.parents[1]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_wordnet", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Commands that would have been run; the first download fails, as without lists of packages."""
    seen: list[tuple[str, ...]] = []

    def run(*command: str, folder: Path) -> None:
        seen.append(command)
        if command[:2] == ("apt-get", "download"):
            raise subprocess.CalledProcessError(100, command, stderr="E: Unable to locate package wordnet-base")
        if command[-2:] == script.PACKAGES:
            for name in script.PACKAGES:
                (folder / f"{name}.deb").touch()
        if command[0] == "dpkg-deb":
            target = Path(command[-1], "usr", "share", "wordnet")
            target.mkdir(parents=True, exist_ok=True)
            (target / Path(command[2]).stem).write_text("data")

    monkeypatch.setattr(script, "run", run)
    monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
    return seen


def test_without_lists_of_packages_fresh_ones_are_fetched_beside(
    script: ModuleType, calls: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "fault", lambda root: "")
    (tmp_path / "corpora" / ".staging-wordnet-killed" / "corpora").mkdir(parents=True)
    assert script.main([str(tmp_path)]) == 0
    assert [call[0] for call in calls] == ["apt-get", "apt-get", "apt-get", "dpkg-deb", "dpkg-deb"]
    assert all(any(word.startswith("-oDir::State::lists=") for word in call) for call in calls[1:3])
    folder = tmp_path / "corpora" / "wordnet"
    assert {path.name for path in folder.iterdir()} == {*script.PACKAGES, "lexnames"}
    assert [path.name for path in (tmp_path / "corpora").iterdir()] == ["wordnet"]
    rows = (folder / "lexnames").read_text().splitlines()
    assert len(rows) == 45 and rows[0] == "00\tadj.all\t3" and rows[40] == "40\tverb.possession\t2"
    assert rows[29] == "29\tverb.body\t2" and rows[44] == "44\tadj.ppl\t3"


def test_what_is_not_wordnet_is_not_installed(
    script: ModuleType, calls: list[tuple[str, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(tmp_path)]) == 1
    assert "no cntlist.rev" in capsys.readouterr().out
    assert not (tmp_path / "corpora" / "wordnet").exists()


def test_a_machine_without_debians_tools_is_told_another_way(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    assert script.main([str(tmp_path)]) == 1
    assert "nltk.downloader" in capsys.readouterr().out


def test_continuous_integration_installs_it_before_the_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines.index("make wordnet") < lines.index("make test")
    assert "scripts/install_wordnet.py" in (ROOT / "Makefile").read_text()
