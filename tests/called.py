"""A verb called as from a shell, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from sushi_lg.cli.app import main


def run(*words: str | int | Path) -> int:
    """Return the exit code of `sushi-lg WORDS`."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)
