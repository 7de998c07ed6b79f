"""What pages show of commands and of what these print, and whether that is so.

A block shows commands behind ``$`` and what they print; ``...`` stands for anything.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

from sushi_lg.cli.app import main


def documented(page: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the commands below each heading of the third rank, each with what it prints."""
    found: dict[str, list[tuple[str, str]]] = {}
    for section in re.split(r"^### ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        block = re.search(r"^```console\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
        assert block, f"{heading}: no message"
        parts = re.split(r"^\$ (.*)\n", block[1], flags=re.MULTILINE)[1:]
        found[heading] = list(zip(parts[::2], parts[1::2], strict=True))
    return found


def run(words: list[str]) -> tuple[int, str]:
    """Run a verb in this process; return its exit code and all it prints, in its order."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0), printed.getvalue()


def normalised(text: str) -> str:
    """Return text as the page shows it: paths from here or from home, no spaces at the ends of lines."""
    text = text.replace(str(Path.home()), "~").replace(f"{Path.cwd()}{os.sep}", "")
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def assert_printed(expected: str, printed: str) -> None:
    pattern = ".*".join(re.escape(part) for part in normalised(expected).split("..."))
    assert re.fullmatch(pattern, normalised(printed), re.DOTALL), f"the page says\n{expected}\nit prints\n{printed}"
