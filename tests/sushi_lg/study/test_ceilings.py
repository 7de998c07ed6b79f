from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import write_world

from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.evaluation.ceilings import Stage
from sushi_lg.evaluation.mot import SequenceScores, combine, evaluate_in_memory
from sushi_lg.study.ceilings import costs, costs_markdown, costs_to_json, lost_text, save_cost_figure


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Stage]:
    """Return three stages over two sequences: the truth, the truth with every fifth frame missing, a swap on top."""
    root = tmp_path_factory.mktemp("worlds")
    write_world(root, ("one", "two"))
    found = []
    for name, every, swapped in (("perfect", 1, 0), ("missing", 5, 0), ("swapped", 5, 2)):
        each = [
            score(open_sequence(root / sequence), every, place < swapped)
            for place, sequence in enumerate(("one", "two"))
        ]
        found.append(Stage(name, combine(each), combine(each)))
    return found


def score(sequence: Sequence, every: int, swap: bool) -> SequenceScores:
    truth = sequence.load_ground_truth()
    kept = np.ones(len(truth), dtype=bool) if every == 1 else truth.frame % every != 0
    ids = truth.track_id.copy()
    if swap:
        late = truth.frame > 30
        ids[late & (truth.track_id == 1)], ids[late & (truth.track_id == 2)] = 2, 1
    corners = truth.boxes_xyxy[kept]  # from 0, as results are
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    layout, frames = sequence.info.layout, truth.frame[kept] - 1
    return evaluate_in_memory(truth, layout, frames, ids[kept], boxes, sequence.length, name=sequence.name)


def test_costs_are_differences_of_what_is_left(stages: list[Stage]) -> None:
    first, missing, swapped = costs(stages, draws=500)
    assert first.hota == pytest.approx(100) and first.lost is None and first.interval is None and lost_text(first) == ""
    assert missing.lost == pytest.approx(100 - missing.hota) and missing.lost > 5
    assert missing.hota == pytest.approx(stages[1].filled.combined.hota)  # type: ignore[union-attr]
    assert swapped.lost == pytest.approx(missing.hota - swapped.hota) and swapped.lost > 5
    for cost in (missing, swapped):
        assert cost.interval is not None and cost.lost is not None
        assert cost.interval.low <= cost.lost <= cost.interval.high
        assert lost_text(cost) == f"{cost.lost:.1f} [{cost.interval.low:.1f}, {cost.interval.high:.1f}]"


def test_the_same_sequences_are_drawn_for_all_stages(stages: list[Stage]) -> None:
    _, same = costs([stages[1], stages[1]], draws=500)
    assert (same.lost, same.interval) == (0.0, same.interval) and same.interval is not None
    assert (same.interval.low, same.interval.high) == (0.0, 0.0)


def test_one_sequence_has_no_interval(stages: list[Stage]) -> None:
    alone = [Stage(s.name, combine(s.plain.sequences[:1]), combine(s.filled.sequences[:1])) for s in stages]
    assert [cost.interval for cost in costs(alone)] == [None] * 3
    assert "no intervals" in costs_markdown(alone, "alone") and "2 sequences" in costs_markdown(stages, "both")


def test_table_and_figure(stages: list[Stage], tmp_path: Path) -> None:
    content = costs_to_json(stages, [])
    assert content["of"] == [] and content["costs"][0]["lost"] is None
    assert content["costs"][2]["interval"] == sorted(content["costs"][2]["interval"])
    table = costs_markdown(stages, "toy")
    assert table.count("\n| ") == 4 and "| swapped | " in table
    for name in ("one", "again"):
        save_cost_figure(stages, [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"], "toy")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
    assert "swapped" in (tmp_path / "one.svg").read_text() and (tmp_path / "one.png").stat().st_size > 1000
