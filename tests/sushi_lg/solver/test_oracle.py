from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synthetic import PERSONS, write_world

from sushi_lg.data.sequence import open_sequence
from sushi_lg.evaluation.labelled import load_labelled
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.solver.oracle import accept_labels
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker


def graph(edges: list[tuple[int, int]], label: list[bool] | None) -> LevelGraph:
    edge_index = torch.tensor(edges).T
    width = edge_index.shape[1]
    labels = None if label is None else torch.tensor(label)
    return LevelGraph(edge_index, torch.zeros(width, 1), torch.zeros(width), None, 4, width, labels)


def scores(count: int) -> LevelScores:
    return LevelScores(torch.zeros(1, 1, count), torch.full((count,), 0.5))


def test_accepts_what_is_right() -> None:
    accepted = accept_labels(graph([(0, 1), (0, 2), (1, 3)], [True, False, True]), scores(3))
    assert accepted.count == 2 and accepted.edges.tolist() == [True, False, True]


def test_of_two_right_edges_of_a_mixed_tracklet_one_is_kept() -> None:
    accepted = accept_labels(graph([(0, 1), (0, 2), (1, 3), (2, 3)], [True, True, True, True]), scores(4))
    assert accepted.count == 2
    assert int(accepted.edges[:2].sum()) == int(accepted.edges[2:].sum()) == 1


def test_without_labels_it_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="with_labels"):
        accept_labels(graph([(0, 1)], None), scores(1))


def test_recovers_every_identity_of_the_toy_world(tmp_path: Path) -> None:
    write_world(tmp_path, ("one",))
    sequence = open_sequence(tmp_path / "one")
    tracker = HierarchicalTracker(TrackerConfig()).eval()  # knows nothing; the labels decide
    detections = load_labelled(sequence, tracker).detections
    with torch.inference_mode():
        *_, last = tracker.run(detections, [accept_labels] * len(tracker.config.levels), with_labels=True)
    known = detections.identity >= 0
    pairs = torch.unique(torch.stack([detections.identity[known], last.after.member_of[known]]), dim=1)
    assert pairs.shape[1] == PERSONS  # one trajectory a person, one person a trajectory
    assert len(last.after) == PERSONS + int((~known).sum())  # and false detections stay alone


def test_tracking_asks_for_no_labels(tmp_path: Path) -> None:
    write_world(tmp_path, ("one",))
    detections = open_sequence(tmp_path / "one").load_detections()
    tracker = HierarchicalTracker(TrackerConfig()).eval()
    with torch.inference_mode():
        assert all(result.graph.label is None for result in tracker.run(detections))
