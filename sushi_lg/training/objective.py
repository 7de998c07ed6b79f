"""What training minimises: every level's edges and nodes, the members of the final trajectories, their boxes.

The hierarchy runs as in tracking, its own decisions included, so that each level learns from what the levels below
really hand on. Labels come from the identities at the ends of tracklets.

Shapes: N detections, M tracklets, E edges, S classified steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from sushi_lg.data.clips import IGNORED, OBJECT
from sushi_lg.geometry import paired_iou
from sushi_lg.graph.evidence import EvidenceBuilder
from sushi_lg.graph.identity import continuation_labels, end_identities
from sushi_lg.graph.membership import membership_features
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.refinement import neighbour_steps, refinement_features
from sushi_lg.graph.tracklets import merge, singletons
from sushi_lg.nn.guidance import identity_contrast
from sushi_lg.nn.tracklet_scorer import TrackletBlock
from sushi_lg.solver.components import chain_labels
from sushi_lg.tracking.level import LevelResult, Solver
from sushi_lg.tracking.tracker import Encoded, HierarchicalTracker, ThresholdMatching
from sushi_lg.training.sampling import Batch
from sushi_lg.training.settings import LossConfig


@dataclass(frozen=True)
class Counts:
    """Right and wrong decisions, to be added up over batches.

    Attributes:
        correct: accepted edges that are right.
        accepted: accepted edges that can be judged (both ends are known persons).
        positives: edges that are right.
    """

    correct: int = 0
    accepted: int = 0
    positives: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.correct + other.correct, self.accepted + other.accepted, self.positives + other.positives)

    @property
    def precision(self) -> float:
        """Share of the accepted edges that is right; 1 where none was accepted."""
        return self.correct / self.accepted if self.accepted else 1.0

    @property
    def recall(self) -> float:
        """Share of the right edges that was accepted; 1 where there is none."""
        return self.correct / self.positives if self.positives else 1.0


@dataclass(frozen=True)
class Objective:
    """The loss of one batch.

    Attributes:
        total: scalar to minimise.
        parts: unweighted parts, detached scalars: ``edges.<level>``, ``nodes.<level>``, ``members``, ``boxes``; with an
            encoder ``looks``; where language guides ``instance.<level>``, ``scene.<level>``.
        levels: decisions of each level.
        members: the same for keeping detections.
        iou_gain: mean overlap with the truth after smoothing minus before.
        supervised: how many items language guided: ``instance.<level>`` nodes, ``scene.<level>`` edges.
    """

    total: Tensor
    parts: dict[str, Tensor]
    levels: list[Counts]
    members: Counts
    iou_gain: Tensor
    supervised: dict[str, int]


class Guide(Protocol):
    """Language: adds losses to those of a level."""

    def __call__(
        self,
        batch: Batch,
        encoded: Encoded | None,
        tracker: HierarchicalTracker,
        level: int,
        result: LevelResult,
        judged: JudgedEdges,
    ) -> dict[str, tuple[float, Tensor, int]]:
        """Return by name the weight, the loss and the number of items it supervised."""


def objective(
    tracker: HierarchicalTracker,
    batch: Batch,
    config: LossConfig,
    *,
    strictness: float = 1.0,
    active_levels: int | None = None,
    guide: Guide | None = None,
) -> Objective:
    """Run the hierarchy on a batch and return its loss.

    Args:
        tracker: in training mode.
        batch: clips with labels.
        config: weights of the parts.
        strictness: 0 lets every level accept from probability 0.5 up, 1 from the recipe's thresholds up, between them
            the log-odds are mixed. Drawn at random it shows upper levels many ways of being handed tracklets.
        active_levels: levels that run; None = all. Upper levels have nothing to learn from single detections.
        guide: language, where it guides.
    """
    detections = batch.detections
    parts: dict[str, Tensor] = {}
    counts: list[Counts] = []
    supervised: dict[str, int] = {}
    total = detections.score.new_zeros(())
    last = None
    solvers: list[Solver] = [ThresholdMatching(_soften(level.threshold, strictness)) for level in tracker.config.levels]
    overlaps = tracker.overlaps(detections)
    encoded = tracker.encode(detections)
    if encoded is not None and config.looks:
        parts["looks"], _ = identity_contrast(
            encoded.embedding,
            detections.identity,
            detections.clip,
            detections.frame / detections.frame_rate[detections.clip],
            temperature=config.looks_temperature,
            least_seconds=config.looks_seconds,
            most=config.looks_detections,
        )
        total = total + config.looks * parts["looks"]
    for level, result in enumerate(tracker.run(detections, solvers, overlaps=overlaps, encoded=encoded)):
        last = result
        judged = judge(batch, result)
        counts.append(judged.counts)
        parts[f"edges.{level}"] = edge_loss(result, judged, config)
        parts[f"nodes.{level}"] = node_loss(result, batch)
        total = total + parts[f"edges.{level}"] + config.nodes * parts[f"nodes.{level}"]
        if guide is not None:
            for name, (weight, loss, number) in guide(batch, encoded, tracker, level, result, judged).items():
                parts[f"{name}.{level}"], supervised[f"{name}.{level}"] = loss, number
                total = total + weight * loss
        if level + 1 == active_levels:
            break
    assert last is not None
    parts["members"], members = member_loss(tracker.verify(detections, last, overlaps[0]), batch)
    parts["boxes"], gain = box_loss(tracker.refine(detections, last, overlaps[0]), batch, config)
    total = total + config.members * parts["members"] + config.boxes * parts["boxes"]
    return Objective(total, {name: part.detach() for name, part in parts.items()}, counts, members, gain, supervised)


def _soften(threshold: float, strictness: float) -> float:
    return 1 / (1 + (1 / threshold - 1) ** strictness)


@dataclass(frozen=True)
class JudgedEdges:
    """Edges of a level against the ground truth.

    Attributes:
        label: (E,) bool, the edge joins consecutive tracklets of one person.
        known_ends: (E,) int64, how many of its ends are known persons.
        counts: of the accepted ones.
        at_start: (M,) int64, identity at the start of each tracklet, -1 = nobody.
        at_end: (M,) int64, the same at its end.
    """

    label: Tensor
    known_ends: Tensor
    counts: Counts
    at_start: Tensor
    at_end: Tensor


def judge(batch: Batch, result: LevelResult) -> JudgedEdges:
    """Compare the edges of a level with the identities of the batch."""
    at_start, at_end = end_identities(batch.detections, result.before)
    edge_index = result.graph.edge_index
    label = continuation_labels(result.before, edge_index, at_start, at_end)
    known = (at_end[edge_index[0]] >= 0).long() + (at_start[edge_index[1]] >= 0).long()
    accepted = result.accepted
    counts = torch.stack([(accepted & label).sum(), (accepted & (known == 2)).sum(), label.sum()]).tolist()
    return JudgedEdges(label, known, Counts(*counts), at_start, at_end)


def edge_loss(result: LevelResult, judged: JudgedEdges, config: LossConfig) -> Tensor:
    """Return the mean cross-entropy of edges over all classified steps, later steps counting more."""
    logits = result.scores.step_logits.float().mean(dim=1)  # (S, E)
    importance = logits.new_tensor([config.both_unknown, config.one_unknown, 1.0])[judged.known_ends]
    step = torch.linspace(config.first_step, 1.0, logits.shape[0], device=logits.device)
    if logits.shape[0] == 1:
        step = torch.ones_like(step)
    target = judged.label.to(logits.dtype).expand_as(logits)
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (losses * step[:, None] * importance).sum() / step.sum() / (importance.sum() + config.edge_prior)


def node_loss(result: LevelResult, batch: Batch) -> Tensor:
    """Return the cross-entropy of nodes against the share of their detections that are true objects."""
    assert result.scores.node_logits is not None
    member_of, count = result.before.member_of, len(result.before)
    logits = result.scores.node_logits.float()
    judged = (batch.is_object != IGNORED).to(logits.dtype)
    true = (batch.is_object == OBJECT).to(logits.dtype)
    size = logits.new_zeros(count).index_add(0, member_of, judged)
    hits = logits.new_zeros(count).index_add(0, member_of, true)
    # Roots keep long tracklets from drowning short ones; nodes without a judged detection have weight 0.
    losses = F.binary_cross_entropy_with_logits(logits, hits / size.clamp(min=1), weight=size.sqrt(), reduction="none")
    return losses.sum() / (size > 0).sum().clamp(min=1)


def member_loss(logits: Tensor, batch: Batch) -> tuple[Tensor, Counts]:
    """Return the cross-entropy of keeping detections, and the decisions at probability 0.5."""
    judged = (batch.is_object != IGNORED).to(torch.float32)
    is_true = batch.is_object == OBJECT
    losses = F.binary_cross_entropy_with_logits(logits.float(), is_true.float(), reduction="none")
    kept = (logits > 0) & (judged > 0)
    counts = torch.stack([(kept & is_true).sum(), kept.sum(), is_true.sum()]).tolist()
    return (losses * judged).sum() / judged.sum().clamp(min=1), Counts(*counts)


def box_loss(boxes_xyxy: Tensor, batch: Batch, config: LossConfig) -> tuple[Tensor, Tensor]:
    """Return the smooth L1 error of box edges in box sizes, and by how much the overlap with the truth grew."""
    has_truth = ~batch.truth_xyxy[:, 0].isnan()
    truth, refined = batch.truth_xyxy[has_truth], boxes_xyxy[has_truth].float()
    if len(truth) == 0:
        return boxes_xyxy.sum() * 0.0, boxes_xyxy.new_zeros(())
    size = (truth[:, 2:] - truth[:, :2]).repeat(1, 2)
    loss = F.smooth_l1_loss(refined / size, truth / size, beta=config.box_corner)
    before = paired_iou(batch.detections.boxes_xyxy[has_truth], truth)
    return loss, (paired_iou(refined.detach(), truth) - before).mean()


@torch.no_grad()
def fit_feature_statistics(tracker: HierarchicalTracker, batches: list[Batch]) -> None:
    """Set the input normalisation from a hierarchy that decides by labels, before anything is learned.

    It takes no second looks: with perfect decisions there would be nothing to cut but what is right.
    """
    config = tracker.config
    nodes: dict[str, list[Tensor]] = {}
    edges: dict[str, list[Tensor]] = {}
    members, boxes = [], []
    noise = torch.Generator().manual_seed(0)
    for batch in batches:
        detections = batch.detections
        overlap = overlap_features(detections)
        tracklets = singletons(detections)
        for level in config.levels:
            build = EvidenceBuilder(
                config.evidence, level.max_gap, level.num_neighbours, level.min_length, level.min_longer, overlap
            )
            graph = build(detections, tracklets)
            assert graph.node_features is not None
            nodes.setdefault(level.slot, []).append(graph.node_features[:])
            edges.setdefault(level.slot, []).append(graph.edge_features[:])
            label = continuation_labels(tracklets, graph.edge_index, *end_identities(detections, tracklets))
            tracklets = merge(detections, tracklets, chain_labels(graph.edge_index, label, graph.num_nodes))
        # The verifier also reads logits of a network that knows nothing yet: numbers of about the size they will have.
        logits = 3 * torch.randn(len(detections), generator=noise).to(overlap.device)
        members.append(membership_features(detections, tracklets, overlap, logits))
        steps, inside = neighbour_steps(detections, tracklets)
        boxes.append(refinement_features(detections, steps, inside, overlap))
    for slot in nodes:
        block = cast(TrackletBlock, tracker.scorer.blocks[slot])
        block.node_norm.fit(torch.cat(nodes[slot]))
        if sum(map(len, edges[slot])) > 1:  # with fewer there is no spread to measure
            block.edge_norm.fit(torch.cat(edges[slot]))
    tracker.verifier_norm.fit(torch.cat(members))
    tracker.refiner_norm.fit(torch.cat(boxes))
