"""Memory is planned before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.errors import ConfigError
from sushi_lg.tracking import memory
from sushi_lg.tracking.memory import parse_size, plan_memory

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * GIB), ("4 gib", 4 * GIB), ("1.5g", GIB * 3 // 2), ("800MB", 800 << 20), ("7", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0MB", "4 bananas", "1e3MB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="no size"):
        parse_size(text)


def sequences(root: Path, rows: list[int]) -> list[Sequence]:
    found = []
    for number, count in enumerate(rows):
        folder = root / f"s{number}"
        (folder / "det").mkdir(parents=True)
        lines = "".join(f"{1 + i % 10},-1,{1 + 3 * i},1,2,4,0.9\n" for i in range(count))
        (folder / "det" / "det.txt").write_text(lines)
        (folder / "seqinfo.ini").write_text(
            f"[Sequence]\nname=s{number}\nseqLength=10\nframeRate=25\nimWidth=100\nimHeight=100\n"
        )
        found.append(open_sequence(folder))
    return found


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence]:
    monkeypatch.setattr(memory, "_resident", lambda: 0)
    monkeypatch.setattr(memory, "_FIXED", 0)
    monkeypatch.setattr(memory, "_A_DETECTION", 1)
    return sequences(tmp_path, [9, 99, 49])


def test_the_largest_sequences_decide(three: list[Sequence]) -> None:
    plan = plan_memory(three, None, None, workers=2)
    assert plan.sequences[0] == ("s1", 100) and plan.total == 150 and plan.workers == 2


@pytest.mark.parametrize(("budget", "workers"), [(160, 3), (159, 2), (149, 1), (100, 1)])
def test_a_budget_decides_how_many_run_at_once(three: list[Sequence], budget: int, workers: int) -> None:
    plan = plan_memory(three, None, budget, workers=8)
    assert plan.workers == workers and plan.total <= budget


def test_what_cannot_fit_is_refused(three: list[Sequence]) -> None:
    with pytest.raises(ConfigError, match=r"s1 needs about"):
        plan_memory(three, None, 99, workers=2)


@pytest.mark.parametrize("budget", [1, 300 << 20])
def test_what_the_message_asks_for_is_enough(tmp_path: Path, budget: int) -> None:
    found = sequences(tmp_path, [900])
    with pytest.raises(ConfigError) as refused:
        plan_memory(found, None, budget, workers=1)
    asked = str(refused.value).partition("give --memory ")[2].split()[0]
    assert plan_memory(found, None, parse_size(asked) + (1 << 20), workers=1).workers == 1


def test_more_detections_need_more(tmp_path: Path) -> None:
    plan = plan_memory(sequences(tmp_path, [9, 900]), None, None, workers=2)
    assert plan.sequences[0][0] == "s1" and plan.sequences[0][1] > plan.sequences[1][1] and plan.base > 0
    assert "s1 alone takes" in plan.explain() and "2 sequences at once" in plan.explain()
