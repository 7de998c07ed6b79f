"""Counted waits, and how many a level may have."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sushi_lg.benchmark.scenes import make_scene, simulate
from sushi_lg.benchmark.waits import count_waits, counting
from sushi_lg.host import like_on_a_gpu
from sushi_lg.solver import matching
from sushi_lg.tracking.recipe import SushiConfig, doubling_levels
from sushi_lg.tracking.sushi import SushiTracker
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path

VALUES, MASK = torch.tensor([3, 1, 2]), torch.tensor([True, False, True])


@pytest.fixture(scope="module")
def shipped() -> HierarchicalTracker:
    return load_tracker(weights_path("default"))


@pytest.mark.parametrize(
    ("action", "waits"),
    [
        (lambda: VALUES.sum().item(), 1),
        (lambda: int(VALUES[0]) + float(VALUES[1]), 2),
        (lambda: bool((VALUES > 1).any()), 1),
        (lambda: torch.nonzero(MASK), 1),
        (lambda: VALUES[MASK], 1),
        (lambda: VALUES.clone().__setitem__(MASK, 0), 1),
        (lambda: torch.stack([VALUES, VALUES])[:, MASK], 1),
        (lambda: VALUES.masked_select(MASK), 1),
        (lambda: VALUES.unique(), 1),
        (lambda: torch.unique(VALUES, return_inverse=True), 1),
        (lambda: torch.equal(VALUES, VALUES), 1),
        (lambda: torch.bincount(VALUES), 1),
        (lambda: torch.repeat_interleave(VALUES, VALUES), 1),
        (lambda: torch.repeat_interleave(VALUES, VALUES, output_size=6), 0),
        (lambda: VALUES.cpu().numpy(), 1),
        (lambda: VALUES.tolist(), 1),
        (lambda: torch.tensor([1, 2]), 1),
        (lambda: VALUES[torch.argsort(VALUES)], 0),
        (lambda: VALUES.masked_fill(MASK, 0).cumsum(0) + torch.searchsorted(VALUES, VALUES), 0),
        (lambda: torch.zeros(4).scatter_add_(0, VALUES, torch.ones(3)), 0),
    ],
)
@pytest.mark.parametrize("inference", [True, False])
def test_counts_what_must_be_waited_for(action: Callable[[], object], waits: int, inference: bool) -> None:
    counted: list[int] = []
    with torch.inference_mode(inference), counting(counted.append):
        action()
    assert sum(counted) == waits


def test_a_level_of_the_default_recipe_waits_at_most_four_times(shipped: HierarchicalTracker) -> None:
    waits = count_waits(shipped, simulate(80, 15, seed=1))
    looks = [level.second_look for level in shipped.config.levels]
    # Ranges of the candidates, number of edges, conflicts; and where tracklets were cut, the number of parts.
    assert [level.total() for level in waits.levels] == [3 + look for look in looks]
    assert waits.runs == 1 and waits.most_a_level == 4 and waits.mean_a_level == 3.25


def test_a_level_of_the_published_recipe_waits_at_most_four_times() -> None:
    torch.manual_seed(1)
    tracker = SushiTracker(SushiConfig(window=16, levels=doubling_levels([2, 4, 8, 16]), min_score=0.0)).eval()
    waits = count_waits(tracker, make_scene("200x6x32").detections)
    assert waits.runs > 1 and [level.total() for level in waits.levels] == [3 * waits.runs] * 4


@pytest.mark.parametrize(("sent", "expected"), [(0, 2), (2, 2), (3, 1), (1000, 1)])
def test_more_conflicts_than_were_sent_are_waited_for_once_more(
    sent: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_SENT_AT_ONCE", sent)
    edges = torch.tensor([[0, 0, 1, 4], [2, 3, 3, 5]])  # three that compete, one alone
    weight, waits = torch.tensor([1.0, 3.0, 1.0, 1.0]), []
    with like_on_a_gpu(), counting(waits.append):
        accepted = matching.maximum_weight_matching(edges, weight, 6)
    assert sum(waits) == expected
    assert accepted.edges.tolist() == [False, True, False, True] and accepted.count == 2


def test_the_tracker_is_left_as_it_was(shipped: HierarchicalTracker) -> None:
    def stop(self: object, graph: object, level: int) -> Tensor:
        raise KeyError("stop")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(shipped.scorer), "forward", stop)
        with pytest.raises(KeyError):
            count_waits(shipped, simulate(20, 5, seed=2))
    assert "run" not in vars(shipped)
