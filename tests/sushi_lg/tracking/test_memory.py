"""Memory is planned before the work."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toy import make

from sushi_lg.errors import ConfigError
from sushi_lg.structures import Detections
from sushi_lg.tracking import memory
from sushi_lg.tracking.memory import peak_memory as held
from sushi_lg.tracking.memory import plan_memory
from sushi_lg.tracking.sizes import parse_size

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * GIB), ("4 gib", 4 * GIB), ("1.5g", GIB * 3 // 2), ("800MB", 800 << 20), ("7", 7), ("4Gi", 4 * GIB)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0MB", "4 bananas", "1e3MB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="no size"):
        parse_size(text)


def sequences(rows: list[int]) -> list[tuple[str, Detections]]:
    return [
        (f"s{number}", make([i // 5 for i in range(count)], [[i, 0, i + 5, 9] for i in range(count)], score=0.5))
        for number, count in enumerate(rows)
    ]


@pytest.fixture(autouse=True)
def small_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process may have used any amount of memory."""
    monkeypatch.setattr(memory, "peak_memory", lambda: 100 << 20)


def test_what_this_process_holds() -> None:
    assert held() > 50 << 20


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Detections]]:
    monkeypatch.setattr(memory, "peak_memory", lambda: 0)
    monkeypatch.setattr(memory, "_FIXED", 0)
    monkeypatch.setattr(memory, "_A_DETECTION", 1)
    monkeypatch.setattr(memory, "_A_NEIGHBOUR", 0)
    return sequences([10, 100, 50])


def test_the_largest_sequences_decide(three: list[tuple[str, Detections]]) -> None:
    plan = plan_memory(three, GIB, 2, min_score=0.1)
    assert plan.sequences[0] == ("s1", 100) and plan.total == 150 and plan.workers == 2


@pytest.mark.parametrize(("budget", "workers"), [(160, 3), (159, 2), (149, 1), (100, 1)])
def test_a_budget_decides_how_many_run_at_once(three: list[tuple[str, Detections]], budget: int, workers: int) -> None:
    plan = plan_memory(three, budget, 8, min_score=0.1)
    assert plan.workers == workers and plan.total <= budget
    assert ("instead of 3" in plan.explain()) == (workers < 3)


def test_what_takes_no_part_needs_nothing(three: list[tuple[str, Detections]]) -> None:
    assert plan_memory(three, 1, 3, min_score=0.9).total == 0


def test_crowds_need_more(monkeypatch: pytest.MonkeyPatch) -> None:
    one = make([0] * 400, [[i, 0, i + 5, 9] for i in range(400)], score=0.5)
    many = make(list(range(400)), [[i, 0, i + 5, 9] for i in range(400)], score=0.5)
    crowd, queue = (plan_memory([("a", d)], GIB, 1, min_score=0.1).sequences[0][1] for d in (one, many))
    assert crowd - queue == 4 * (400 * 400 - 400)


@pytest.mark.parametrize("budget", [1, 300 << 20])
def test_what_the_message_asks_for_is_enough(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "peak_memory", lambda: 123_456_789)
    with pytest.raises(ConfigError) as refused:
        plan_memory(sequences([900]), budget, 1, min_score=0.1)
    asked = str(refused.value).partition("give --memory ")[2].split()[0]
    assert plan_memory(sequences([900]), parse_size(asked), 1, min_score=0.1).workers == 1


def test_no_detections() -> None:
    plan = plan_memory([("a", make([], []))], GIB, 1, min_score=0.1)
    assert plan.base > 0 and "a takes" in plan.explain()
    published = plan_memory(sequences([900]), 4 * GIB, 1, min_score=0.1, published=True)
    assert published.sequences[0][1] == memory._FIXED + 900 * memory._A_DETECTION_PUBLISHED


@pytest.mark.parametrize("published", [False, True])
def test_vectors_count(published: bool) -> None:
    (name, detections), *_ = sequences([1000])
    seen = replace(detections, embedding=torch.zeros(1000, 512, dtype=torch.float16))
    plain, with_vectors = (
        plan_memory([(name, one)], 10 * GIB, 1, min_score=0.1, published=published).sequences[0][1]
        for one in (detections, seen)
    )
    assert with_vectors - plain > 1000 * 2 * 2 * 512
