"""docs/command_line.md is what the application says about itself."""

from __future__ import annotations

import runpy

from documented import ROOT

from sushi_lg.cli.app import EXIT_CODES, VERBS
from sushi_lg.errors import ConfigError, DataError, SushiError, WeightsError

PAGE = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "make_command_line.py"))["text"]()
    assert written == PAGE, "run scripts/make_command_line.py"


def test_every_verb_and_exit_code_stands_there() -> None:
    for verb in VERBS:
        assert f"\n### {verb}\n" in PAGE and f"(#{verb})" in PAGE
    for code in (error.exit_code for error in (SushiError, DataError, ConfigError, WeightsError)):
        assert code in EXIT_CODES and f"\n| {code} | " in PAGE
    assert "\n| `--json FILE` | " in PAGE and "\n| `--out DIR` | " in PAGE
