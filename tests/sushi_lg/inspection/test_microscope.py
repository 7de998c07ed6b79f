from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import DataError
from sushi_lg.graph.evidence import EvidenceBuilder, edge_feature_groups
from sushi_lg.graph.settings import EvidenceConfig
from sushi_lg.inspection.microscope import Fate, Microscope, Pair, choose_pair, neighbourhood, owner_of
from sushi_lg.inspection.replay import Replay, open_run, replay
from sushi_lg.nn.tracklet_scorer import TrackletBlock


@pytest.fixture(scope="module")
def again(tracked: Path) -> Replay:
    return replay(open_run(tracked), "one")


@pytest.fixture(scope="module")
def microscope(again: Replay) -> Microscope:
    return Microscope(again)


def hops(again: Replay, number: int) -> int:
    block = again.tracker.scorer.blocks[again.tracker.scorer.slots[number]]
    assert isinstance(block, TrackletBlock)
    return block.passing.num_steps


def test_every_feature_has_one_meaning() -> None:
    for config in (EvidenceConfig(), EvidenceConfig(windows=[2], clean_windows=[9, 30], offsets=[1])):
        columns = [column for group in edge_feature_groups(config).values() for column in group]
        assert sorted(columns) == list(range(config.edge_width))


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_neighbourhood_is_all_that_an_edge_sees(again: Replay, number: int) -> None:
    graph, said = again.results[number].graph, again.results[number].scores.probability
    assert graph.num_edges > 0
    smaller = 0
    with torch.inference_mode():
        for edge in range(0, graph.num_edges, max(1, graph.num_edges // 15)):
            part, place = neighbourhood(graph, edge, hops(again, number))
            smaller += part.num_edges < graph.num_edges
            assert float(again.tracker.scorer(part, number).probability[place]) == pytest.approx(
                float(said[edge]), abs=1e-5
            )
    assert smaller > 0


def test_costs_and_ranks_are_those_of_the_candidates(again: Replay, microscope: Microscope) -> None:
    for number, level in enumerate(again.tracker.config.levels[:4]):
        result = again.results[number]
        for edge in range(0, result.graph.num_edges, max(1, result.graph.num_edges // 8)):
            u, v = result.graph.edge_index[:, edge].tolist()
            pair = Pair(int(result.before.last[u]), int(result.before.first[v]))
            view = microscope.look_at_level(number, pair)
            assert view.cost is not None and view.probability == pytest.approx(
                float(result.scores.probability[edge]), abs=1e-6
            )
            assert view.cost.value == pytest.approx(float(result.graph.cost[edge]), abs=1e-5)
            assert view.cost.rank_from is not None and view.cost.rank_from <= level.num_neighbours
            assert view.cost.rank_to is not None and view.cost.rank_to <= level.num_neighbours
            assert view.fate in (Fate.joined, Fate.unlikely, Fate.outbid)
            assert (view.fate is Fate.joined) == bool(result.accepted[edge])
            assert view.cost.distance <= view.cost.gate
            first, second = again.detections.identity[[pair.earlier, pair.later]].tolist()
            assert view.is_right == (first == second if min(first, second) >= 0 else None)


def test_why_a_pair_is_no_candidate(again: Replay, microscope: Microscope) -> None:
    """Whatever pair is asked about, the first step at which it falls out is the one that is named."""
    told = set()
    for number in (0, 1, 3):
        level, result = again.tracker.config.levels[number], again.results[number]
        before, graph = result.before, result.graph
        builder = again.levels[number].build
        assert isinstance(builder, EvidenceBuilder)
        edges = {tuple(pair) for pair in graph.edge_index.T.tolist()}
        costs = builder.measure(again.detections, before)
        some = range(0, len(before), max(1, len(before) // 25))
        for u in some:
            for v in some:
                a, b = int(before.last[u]), int(before.first[v])
                if u == v or int(again.detections.frame[a]) >= int(again.detections.frame[b]) or (u, v) in edges:
                    continue
                view = microscope.look_at_level(number, Pair(a, b))
                gap = int(before.first_frame[v] - before.last_frame[u])
                told.add(view.fate)
                if gap > level.max_gap:
                    assert view.fate is Fate.too_late
                    continue
                cost = float(costs(torch.tensor([u]), torch.tensor([v])))
                assert view.cost is not None and view.probability is None
                if math.isfinite(cost):
                    assert view.fate is Fate.crowded_out
                    assert level.num_neighbours < max(view.cost.rank_from or 0, view.cost.rank_to or 0)
                elif view.fate is Fate.other_size:
                    assert view.cost.size > view.cost.size_gate
                else:
                    assert view.fate in (Fate.too_far, Fate.too_short)
                    assert view.fate is Fate.too_short or view.cost.distance > view.cost.gate
    assert {Fate.too_late, Fate.too_far} <= told


def test_a_link_is_followed_through_the_levels(again: Replay, microscope: Microscope) -> None:
    links = again.links
    place = int(links.level.argmax())
    number = int(links.level[place])
    assert number > 0
    views = microscope.look(Pair(int(links.earlier[place]), int(links.later[place])))
    assert [view.level for view in views] == list(range(len(again.results)))
    assert views[number].fate is Fate.joined
    assert views[number].probability == pytest.approx(float(links.probability[place]), abs=1e-6)
    assert all(view.fate is Fate.joined_before for view in views[number + 1 :])
    reasons = views[number].reasons
    names = {reason.without for reason in reasons}
    assert {"distance", "all other candidates around", "what each tracklet is like by itself"} <= names
    logits = [math.log(r.probability / (1 - r.probability)) for r in reasons if 1e-6 < r.probability < 1 - 1e-6]
    base = math.log(links.probability[place] / (1 - links.probability[place]))
    changes = [abs(logit - base) for logit in logits]
    assert changes == sorted(changes, reverse=True) and changes[0] > 0.1


def test_rivals_that_were_joined_come_first(again: Replay, microscope: Microscope) -> None:
    result = again.results[0]
    accepted = {(u, v) for u, v in result.graph.edge_index[:, result.accepted].T.tolist()}
    goes_on = {u: v for u, v in accepted}
    lost = next((u, v) for u, v in result.graph.edge_index.T.tolist() if (u, v) not in accepted and u in goes_on)
    pair = Pair(int(result.before.last[lost[0]]), int(result.before.first[lost[1]]))
    view = microscope.look_at_level(0, pair)
    first = next(rival for rival in view.rivals if rival.of_earlier)
    partner = goes_on[lost[0]]
    assert first.accepted and first.side.first_frame == int(result.before.first_frame[partner])
    assert first.track_id == owner_of(again).get(int(result.before.first[partner]))


def test_which_boxes_are_meant(again: Replay) -> None:
    frames, owner = again.detections.frame, owner_of(again)
    pair = choose_pair(again, 1, 1, 29)
    assert owner[pair.earlier] == owner[pair.later] == 1
    assert int(frames[pair.earlier]) <= 29 < int(frames[pair.later])
    weakest = choose_pair(again, 1, 1, None)
    inside = [p for row, p in zip(again.links.later, again.links.probability, strict=True) if owner.get(int(row)) == 1]
    place = again.links.later.tolist().index(weakest.later)
    assert again.links.probability[place] == min(inside)
    two = choose_pair(again, 1, 2, 20)
    assert (owner[two.earlier], owner[two.later]) == (1, 2)
    with pytest.raises(DataError, match="both seen around frame"):
        choose_pair(again, 1, 2, None)
    with pytest.raises(DataError, match="no trajectory 99 in the result"):
        choose_pair(again, 1, 99, None)
    with pytest.raises(DataError, match="has no detection after frame 100"):
        choose_pair(again, 1, 2, 99)


def test_asked_the_other_way_around(again: Replay) -> None:
    table = again.stored
    kept = (table.track_id != 2) | (table.frame >= 20)  # 2 comes later
    arrays = ("frame", "track_id", "boxes_ltwh", "confidence", "is_interpolated", "detection_index")
    late = replace(again, stored=TrajectoryTable(*(getattr(table, name)[kept] for name in arrays)))
    pair = choose_pair(late, 2, 1, 15)
    assert pair == choose_pair(late, 1, 2, 15)
    assert int(again.detections.frame[pair.earlier]) <= 15 and owner_of(late)[pair.later] == 2
