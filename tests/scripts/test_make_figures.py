"""The figures of the documentation are drawn from a run, and the page quotes what it says."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("levels.svg", "timeline.svg", "candidates.svg", "steps.svg")


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    return runpy.run_path(str(ROOT / "scripts" / "make_figures.py"))


def test_a_short_run_is_drawn_twice_alike(figures: dict[str, object], tmp_path: Path) -> None:
    for folder in ("one", "other"):
        figures["make_figures"](tmp_path / folder, frames=60)  # type: ignore[operator]
    for name in NAMES:
        text = (tmp_path / "one" / name).read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert text == (tmp_path / "other" / name).read_text(encoding="utf-8")
    assert "after level 7" in (tmp_path / "one" / "levels.svg").read_text(encoding="utf-8")


def test_the_page_quotes_the_run(figures: dict[str, object]) -> None:
    tracked = figures["track_clip"]()  # type: ignore[operator]
    choice = figures["find_choice"](tracked)  # type: ignore[operator]
    page = (ROOT / "docs" / "how_it_works.md").read_text(encoding="utf-8")
    quoted = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", page)}
    result, before = tracked.results[choice.level], tracked.results[choice.level].before
    nodes = result.graph.edge_index[1, choice.edges]
    fallen = int((choice.probability[0] - choice.probability[-1]).argmax())
    said = {
        len(tracked.detections),
        len(tracked.results[-1].after),
        int(tracked.detections.frame[before.last[choice.node]]) + 1,
        int(before.length[nodes[fallen]]),
    }
    assert said <= quoted, f"the run has {said}"
    for number in (choice.probability[0, fallen], choice.probability[-1, fallen], choice.probability[-1, -1]):
        assert f"{number:.2f}" in page
    # "C is itself the continuation of A"
    right, wrong = int(nodes[-1]), int(nodes[fallen])
    between = (result.graph.edge_index[0] == right) & (result.graph.edge_index[1] == wrong)
    assert bool(result.accepted[between].all()) and f"{float(result.scores.probability[between]):.2f}" in page


def test_figures_of_the_page_are_small() -> None:
    page = (ROOT / "docs" / "how_it_works.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"images/{name}" in page
        assert (ROOT / "docs" / "images" / name).stat().st_size < 150 * 1024
