from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.evaluation.links import add_quality, final_links, level_quality, true_successors
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.graph.tracklets import Tracklets, from_members, merge, singletons
from sushi_lg.solver.components import number_chains
from sushi_lg.solver.structures import Accepted
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.recipe import LevelConfig


def people(identity: list[int], frame: list[int]) -> Detections:
    count = len(frame)
    return Detections(
        frame=torch.tensor(frame),
        boxes_xyxy=torch.zeros(count, 4),
        score=torch.ones(count),
        identity=torch.tensor(identity),
        clip=torch.zeros(count, dtype=torch.int64),
        frame_rate=torch.tensor([10.0]),
        image_size=torch.tensor([[100.0, 100.0]]),
    )


def level(
    detections: Detections, before: Tracklets, edges: list[tuple[int, int]], accepted: list[bool], probability: float
) -> LevelResult:
    edge_index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    chosen = torch.tensor(accepted, dtype=torch.bool)
    value = torch.full((len(edges),), probability)
    graph = LevelGraph(edge_index, torch.zeros(len(edges), 1), torch.zeros(len(edges)), None, len(before), len(edges))
    chains = number_chains(edge_index, Accepted(chosen, int(chosen.sum())), len(before))
    after = merge(detections, before, *chains)
    return LevelResult(before, graph, LevelScores(value.logit()[None, None], value), chosen, after)


# Two people in frames 0, 1 and 3, and one false detection at the end:
#   frame      0     1     3     4
#   detection  0 1   2 3   4 5   6
IDENTITY, FRAME = [7, 9, 7, 9, 7, 9, -1], [0, 0, 1, 1, 3, 3, 4]


def two_levels(detections: Detections) -> list[LevelResult]:
    """The first level joins one person rightly and swaps nobody; the second swaps them."""
    singles = singletons(detections)
    first = level(detections, singles, [(0, 2), (1, 3)], [True, False], 0.9)  # -> 0: {0, 2}, 1, 2: {3}, 3: {4}, ...
    second = level(
        detections, first.after, [(0, 4), (1, 2), (2, 3), (0, 3), (3, 5)], [True, True, True, False, False], 0.6
    )
    return [first, second]


CONFIGS = [LevelConfig(1), LevelConfig(2)]


def test_counts_of_levels() -> None:
    detections = people(IDENTITY, FRAME)
    low, high = level_quality(two_levels(detections), detections, CONFIGS)
    assert (low.nodes, low.edges, low.accepted) == (7, 2, 1)
    assert (low.right, low.wrong) == (1, 0)
    assert (low.wanted, low.reachable, low.found) == (2, 2, 1)  # frames 1 -> 3 are beyond its gap of 1
    assert (low.linked, low.neighbours) == (1, 4)
    assert (high.right, high.wrong) == (1, 2)  # 1 -> 3 of the one who was left open; both swaps
    assert (high.wanted, high.reachable, high.found) == (3, 2, 1)  # 3 -> 5 was no candidate
    assert (high.linked, high.precision) == (2, 1 / 3)
    assert high.recall == 1 / 3 and high.candidate_recall == 2 / 3 and high.completeness == 0.5


def test_those_who_take_no_part_are_not_wanted() -> None:
    detections = people(IDENTITY, FRAME)
    results = two_levels(detections)
    _, high = level_quality(results, detections, [LevelConfig(1), LevelConfig(2, min_longer=2)])
    assert high.wanted == 1  # {0, 2} -> {4}: the others are single detections
    _, high = level_quality(results, detections, [LevelConfig(1), LevelConfig(2, min_length=2)])
    assert high.wanted == 0 and high.recall is None


def test_without_anybody_known() -> None:
    detections = people([-1] * 7, FRAME)
    low, high = level_quality(two_levels(detections), detections, CONFIGS)
    assert (low.accepted, low.right, low.wrong, low.wanted, low.neighbours) == (1, 0, 0, 0, 0)
    assert low.precision is None and high.recall is None and high.completeness is None


def test_counts_add_up() -> None:
    detections = people(IDENTITY, FRAME)
    one = level_quality(two_levels(detections), detections, CONFIGS)
    both = add_quality([one, one])
    assert [quality.wanted for quality in both] == [4, 6] and both[1].max_gap == 2
    assert both[1].precision == one[1].precision


def test_successors_skip_nobody() -> None:
    detections = people([1, 1, 1, 1], [0, 1, 2, 9])
    tracklets = singletons(detections)
    who = torch.ones(4, dtype=torch.int64)

    def pairs(max_gap: int) -> list[list[int]]:
        found: Tensor = true_successors(tracklets, who, who, max_gap)
        return found.T.tolist()

    assert pairs(1) == [[0, 1], [1, 2]]
    assert pairs(7) == [[0, 1], [1, 2], [2, 3]]


def test_tracklets_that_overlap_have_one_successor_at_most() -> None:
    # One person in two tracklets at once: {0, 2} and {1}; only what ends last before {3} goes on in it.
    detections = people([1, 1, 1, 1], [0, 1, 2, 3])
    tracklets = from_members(detections, torch.tensor([0, 1, 0, 2]))
    who = torch.ones(3, dtype=torch.int64)
    assert true_successors(tracklets, who, who, 5).T.tolist() == [[0, 2]]


def test_links_name_their_level() -> None:
    detections = people(IDENTITY, FRAME)
    links = final_links(two_levels(detections), detections)
    made = {
        (int(a), int(b)): (int(n), round(float(p), 3))
        for a, b, n, p in zip(links.earlier, links.later, links.level, links.probability, strict=True)
    }
    assert made == {(0, 2): (0, 0.9), (1, 3): (1, 0.6), (2, 5): (1, 0.6), (3, 4): (1, 0.6)}
    right = {(int(a), int(b)) for a, b in zip(links.earlier[links.is_right], links.later[links.is_right], strict=True)}
    assert right == {(0, 2), (1, 3)} and links.is_judged.all()
