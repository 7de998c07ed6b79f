"""``make browser``, with a package manager made here: it helps where it can and is never in the way."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "install_browser.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script on a machine with apt-get, as root, without a browser."""
    spec = importlib.util.spec_from_file_location("install_browser", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    return module


def test_what_is_fetched_whole_is_installed(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Sequence[str], float | None]] = []
    monkeypatch.setattr(script, "run", lambda command, seconds: calls.append((command, seconds)))
    assert script.main() == 0
    assert [(command[1], command[-1]) for command, _ in calls] == [
        ("update", "--quiet"),
        ("install", "--download-only"),
        ("install", "--no-download"),
    ]
    assert calls[-1][1] is None, "an installation is not killed in the middle"


def test_a_slow_or_absent_network_is_no_failure(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (
        subprocess.TimeoutExpired(("apt-get", "update"), 45),
        subprocess.CalledProcessError(100, ("apt-get", "update"), stderr="W: x\nE: no such host\n"),
    ):

        def fail(command: Sequence[str], seconds: float | None, error: Exception = error) -> None:
            assert command[1] == "update"
            raise error

        monkeypatch.setattr(script, "run", fail)
        assert script.main() == 0
    said = capsys.readouterr().out
    assert "took more than 45 s" in said and "E: no such host" in said and said.count("SUSHI_LG_BROWSER") == 2


def test_nobody_but_root_is_asked_for_anything(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(script, "run", lambda *_: pytest.fail("nothing may be run"))
    assert script.main() == 0
    assert "SUSHI_LG_BROWSER" in capsys.readouterr().out
