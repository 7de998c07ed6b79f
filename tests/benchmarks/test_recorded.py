"""What benchmarks/README.md shows is what was recorded."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
RESULTS = sorted((FOLDER / "results").glob("*.json"))


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_something_was_recorded() -> None:
    assert RESULTS


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_tables_are_made_from_results(path: Path) -> None:
    results = json.loads(path.read_text())
    if "runs" not in results:
        pytest.skip("not a run of the suite")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for line in module("table").tables(results).splitlines():
        assert line in readme, f"run python benchmarks/table.py {path.name}"


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_results_name_machine_and_revision_and_no_paths(path: Path) -> None:
    text = path.read_text()
    machine = json.loads(text)["machine"]
    assert machine["revision"] not in ("", "unknown") and machine["torch"] and machine["processor"]
    assert not re.search(r"(?<![\w.])/[a-z]+/", text), "an absolute path of the machine that measured"
    assert "dirty" not in machine["revision"]


def test_the_table_of_operations_alone_is_what_was_recorded() -> None:
    recorded = json.loads((FOLDER / "results" / "message-passing-alone-cpu.json").read_text())["message_passing"]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(recorded) == 6
    for run in recorded:
        shares = " | ".join(f"{100 * run[name] / run['seconds']:.0f} %" for name in ("bound", "apart", "alone"))
        assert f"| {run['seconds']:.2f} | {run['operations']:,} | {shares} |" in readme


def test_the_suite_without_data() -> None:
    titles = [title for title, _ in module("suite").tasks(None, None, 1)]
    assert len(titles) == 5
