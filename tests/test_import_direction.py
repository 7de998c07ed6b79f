"""Rooms import only what stands before them, and the tracker never imports the semantic stage."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A room may import rooms of its own or an earlier group; `cli` sees all. A module called `structures` holds records
# only: every room may read it, wherever it lies, and it imports nothing but the first group and other records.
GROUPS = (
    ("errors", "ranges", "structures", "geometry", "timing", "host"),
    ("motion", "nn", "solver", "data"),
    ("simulation", "detection", "appearance", "language", "graph"),
    ("perception",),
    ("tracking",),
    ("evaluation",),
    ("training",),
    ("study", "submission", "inspection", "distributed"),
    ("config",),
    ("benchmark",),
    ("cli",),
)
RANK = {room: rank for rank, group in enumerate(GROUPS) for room in group}


@pytest.mark.parametrize("path", sorted((ROOT / "sushi_lg").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(ROOT / "sushi_lg").parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return
    assert room in RANK, f"{room} is no room of the plan; give it a place in GROUPS"
    rank = 0 if path.stem == "structures" else RANK[room]
    for line, module in _imports(path):
        parts = module.split(".")
        assert parts[0] != "semantic" or room == "cli", f"{path}:{line}: {room} imports the semantic stage"
        if parts[0] == "sushi_lg" and len(parts) > 1 and parts[1] in RANK:
            imported = 0 if "structures" in parts[2:3] else RANK[parts[1]]
            assert imported <= rank, f"{path}:{line}: {room} imports {parts[1]}, which stands after it"


def test_semantic_does_not_import_the_command_line() -> None:
    for path in sorted((ROOT / "semantic").rglob("*.py")):
        for line, module in _imports(path):
            assert not module.startswith("sushi_lg.cli"), f"{path}:{line}: imports {module}"


def test_the_check_sees_every_form_of_import(tmp_path: Path) -> None:
    source = tmp_path / "example.py"
    source.write_text("import a.b\nfrom c import d\ndef f():\n    from sushi_lg import cli\n")
    assert list(_imports(source)) == [(1, "a.b"), (2, "c.d"), (4, "sushi_lg.cli")]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of all imports, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
