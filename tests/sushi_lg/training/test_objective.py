from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sushi_lg.graph.evidence import EvidenceBuilder
from sushi_lg.graph.identity import continuation_labels, end_identities
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.solver.structures import Accepted
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import Level, LevelResult, run_hierarchy
from sushi_lg.tracking.recipe import TrackerConfig, default_levels
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.training.objective import (
    Counts,
    box_loss,
    edge_loss,
    fit_feature_statistics,
    judge,
    member_loss,
    node_loss,
    objective,
)
from sushi_lg.training.sampling import Batch, to_batch
from sushi_lg.training.settings import LossConfig, SourceConfig, TrainConfig
from sushi_lg.training.sources import load_sources

Settings = Callable[..., TrainConfig]


@pytest.fixture
def batch(world: Path) -> Batch:
    (source,) = load_sources([SourceConfig(str(world / "split-learn-1.txt"))], [], world)
    return to_batch([sequence.clip for sequence in source.sequences])


class Oracle:
    """Builds a graph, scores it by labels with confidence, and accepts what is right."""

    def __init__(self, build: EvidenceBuilder, detections: Detections) -> None:
        self.build_graph, self.detections = build, detections
        self.label: Tensor

    def build(self, detections: Detections, tracklets: Tracklets) -> LevelGraph:
        graph = self.build_graph(detections, tracklets)
        self.label = continuation_labels(tracklets, graph.edge_index, *end_identities(detections, tracklets))
        return graph

    def score(self, graph: LevelGraph) -> LevelScores:
        logits = torch.where(self.label, 12.0, -12.0)
        return LevelScores(logits[None, None], logits.sigmoid(), torch.zeros(graph.num_nodes))

    def solve(self, graph: LevelGraph, scores: LevelScores) -> Accepted:
        return Accepted(self.label, int(self.label.sum()))


def oracle_run(batch: Batch) -> list[LevelResult]:
    config, detections = TrackerConfig(), batch.detections
    overlap = overlap_features(detections)
    oracles = [
        Oracle(
            EvidenceBuilder(
                config.evidence, level.max_gap, level.num_neighbours, level.min_length, level.min_longer, overlap
            ),
            detections,
        )
        for level in default_levels()
    ]
    return list(run_hierarchy([Level(o.build, o.score, o.solve) for o in oracles], detections))


def test_oracle_recovers_every_identity(batch: Batch) -> None:
    results = oracle_run(batch)
    identity, owner = batch.detections.identity, results[-1].after.member_of
    known = identity >= 0
    pairs = torch.unique(torch.stack([identity[known], owner[known]]), dim=1)
    people = len(identity[known].unique())
    assert pairs.shape[1] == people == 24  # one trajectory a person, one person a trajectory
    assert len(results[-1].after) == people + int((~known).sum())  # and false detections stay alone


def test_right_answers_cost_nothing_and_count_as_right(batch: Batch) -> None:
    for result in oracle_run(batch):
        judged = judge(batch, result)
        assert judged.counts.precision == judged.counts.recall == 1.0
        assert float(edge_loss(result, judged, LossConfig())) < 1e-4
        inverted = replace(result, scores=replace(result.scores, step_logits=-result.scores.step_logits))
        if judged.counts.positives > 20:
            assert float(edge_loss(inverted, judged, LossConfig())) > 5


def test_edges_between_unknowns_can_be_told_to_teach_nothing(batch: Batch) -> None:
    result = oracle_run(batch)[0]
    judged = judge(batch, result)
    logits = result.scores.step_logits.clone().requires_grad_()
    scored = replace(result, scores=replace(result.scores, step_logits=logits))
    edge_loss(scored, judged, LossConfig(both_unknown=0.0)).backward()
    assert bool((logits.grad[..., judged.known_ends == 0] == 0).all())
    assert bool((logits.grad[..., judged.known_ends == 2] != 0).all())


def test_later_steps_count_more(batch: Batch) -> None:
    result = oracle_run(batch)[0]
    judged = judge(batch, result)
    good, bad = result.scores.step_logits, -result.scores.step_logits
    losses = [
        float(edge_loss(replace(result, scores=replace(result.scores, step_logits=torch.cat(steps))), judged, config))
        for steps in ((bad, good), (good, bad))
        for config in (LossConfig(first_step=0.5),)
    ]
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-3)


def test_ignored_detections_teach_neither_nodes_nor_members(batch: Batch) -> None:
    ignored = replace(batch, is_object=torch.full_like(batch.is_object, -1))
    result = oracle_run(batch)[0]
    assert float(node_loss(result, batch)) > 0 and float(node_loss(result, ignored)) == 0
    logits = torch.ones(len(batch.detections))
    loss, counts = member_loss(logits, ignored)
    assert float(loss) == 0 and counts == Counts()
    loss, counts = member_loss(torch.where(batch.is_object == 1, 9.0, -9.0), batch)
    assert float(loss) < 1e-3 and counts.precision == counts.recall == 1.0


def test_boxes_are_compared_where_there_is_a_truth(batch: Batch) -> None:
    truth = torch.where(batch.truth_xyxy.isnan(), batch.detections.boxes_xyxy + 1000, batch.truth_xyxy)
    loss, gain = box_loss(truth, batch, LossConfig())
    assert float(loss) == 0 and float(gain) > 0.01
    nowhere = replace(batch, truth_xyxy=torch.full_like(batch.truth_xyxy, torch.nan))
    loss, gain = box_loss(truth, nowhere, LossConfig())
    assert float(loss) == 0 == float(gain)


def test_every_parameter_gets_a_gradient(batch: Batch, settings: Settings) -> None:
    torch.manual_seed(0)
    tracker = HierarchicalTracker(settings().tracker).train()
    fit_feature_statistics(tracker, [batch])
    result = objective(tracker, batch, LossConfig())
    assert len(result.levels) == 3 and torch.isfinite(result.total)
    result.total.backward()
    silent = [name for name, parameter in tracker.named_parameters() if parameter.grad is None]
    assert silent and all("likeness" in name for name in silent)
    seen = replace(batch.detections, embedding=torch.randn(len(batch.detections), 8))
    objective(tracker, replace(batch, detections=seen), LossConfig()).total.backward()
    assert all(parameter.grad is not None for parameter in tracker.parameters())
    only_first = objective(tracker, batch, LossConfig(), active_levels=1)
    assert len(only_first.levels) == 1


def test_statistics_standardise_the_inputs(batch: Batch, settings: Settings) -> None:
    config = settings().tracker
    tracker = HierarchicalTracker(config)
    fit_feature_statistics(tracker, [batch])
    graph = next(iter(tracker.run(batch.detections))).graph
    assert graph.node_features is not None
    block = tracker.scorer.blocks[config.levels[0].slot]
    for norm, features in ((block.node_norm, graph.node_features), (block.edge_norm, graph.edge_features)):
        standard = (features - norm.mean) * norm.scale
        spread = features.std(dim=0) > 1e-3
        assert float(standard.mean(dim=0).abs().max()) < 1e-2
        assert float((standard.std(dim=0)[spread] - 1).abs().max()) < 1e-2


def test_a_batch_without_edges_or_persons_has_a_finite_loss(batch: Batch, settings: Settings) -> None:
    tracker = HierarchicalTracker(settings().tracker).train()
    two = torch.tensor([0, 1])  # two detections of one frame
    alone = Batch(batch.detections.select(two), torch.zeros(2, dtype=torch.int64), torch.full((2, 4), torch.nan))
    alone = replace(alone, detections=replace(alone.detections, identity=torch.tensor([-1, -1])))
    total = objective(tracker, alone, LossConfig()).total
    total.backward()
    assert torch.isfinite(total)


def test_half_precision_changes_the_loss_little(batch: Batch, settings: Settings) -> None:
    torch.manual_seed(0)
    tracker = HierarchicalTracker(settings().tracker).train()
    fit_feature_statistics(tracker, [batch])
    seen = replace(batch.detections, embedding=torch.randn(len(batch.detections), 8))
    batch = replace(batch, detections=seen)
    full = objective(tracker, batch, LossConfig())
    with torch.autocast("cpu", torch.bfloat16):  # what training does on CUDA
        half = objective(tracker, batch, LossConfig())
    assert half.total.dtype == torch.float32
    half.total.backward()
    assert float(half.total.detach()) == pytest.approx(float(full.total.detach()), rel=0.05)
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in tracker.parameters())


def test_counts_add_up() -> None:
    both = Counts(1, 2, 3) + Counts(2, 2, 5)
    assert both == Counts(3, 4, 8) and both.precision == 0.75 and both.recall == 0.375
    assert Counts().precision == Counts().recall == 1.0
