"""What benchmarks/README.md says about requests at once is what was recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
RECORDED = json.loads((FOLDER / "results" / "describe-cpu.json").read_text(encoding="utf-8"))["describe"]


@pytest.mark.parametrize("run", RECORDED["runs"], ids=lambda run: str(run["at_once"]))
def test_the_table_shows_what_was_recorded(run: dict[str, float]) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    row = f"| {run['at_once']} | {run['seconds']:.1f} | {run['cpu_seconds']:.1f} | {run['requests_per_second']:.1f} |"
    (line,) = [line for line in readme.splitlines() if line.startswith(row)]
    if run["at_once"] > 1:
        ratios = (run[f"times_fewer_{what}_than_one_by_one"] for what in ("seconds", "cpu_seconds"))
        assert line.endswith("".join(f" {ratio:.1f} |" for ratio in ratios) + f" {run['replies_that_differ']} |")


def test_tokens_differ_only_where_two_are_as_good_as_each_other() -> None:
    assert [run["at_once"] for run in RECORDED["runs"]] == [1, 4, 16, 64]
    assert all(run["differ_beyond_a_tie"] == 0 for run in RECORDED["runs"][1:])
