"""Network of the default recipe: scores edges between tracklets, and tracklets themselves.

One block encodes nodes and edges, passes messages and classifies both. Blocks are shared between levels (slots), a
learned row per level tells them apart, as in SUSHI. Unlike there, nodes start with information and are updated from
their own encoding too.

Shapes: M nodes, E edges, G node features, F edge features, S steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from sushi_lg.graph.structures import LevelGraph, LevelScores, Rows
from sushi_lg.host import free_to_look
from sushi_lg.nn.message_passing import TimeAwareMessagePassing
from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.pieces import score_in_pieces
from sushi_lg.nn.precision import in_float32
from sushi_lg.nn.segment import gather
from sushi_lg.nn.settings import ScorerConfig
from sushi_lg.timing import stage

ROWS = 16384
"""Rows of features that are encoded together. Fixed, because a result must not depend on how much memory there is."""


@dataclass(frozen=True)
class InputWidths:
    """Widths of the inputs of a block.

    Attributes:
        node: G.
        edge: F.
        node_likeness: B, see ``LevelGraph``.
        edge_likeness: A.
    """

    node: int
    edge: int
    node_likeness: int = 1
    edge_likeness: int = 1


class FeatureNorm(nn.Module):
    """Standardise input features with statistics of the training data, kept as buffers.

    Args:
        width: number of features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.mean.shape[0])

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Set the statistics from (R, width) samples; features without spread keep scale 1."""
        deviation = features.std(dim=0)
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-4, 1 / deviation.clamp(min=1e-4), torch.ones_like(deviation)))

    def forward(self, features: Tensor) -> Tensor:
        """Return standardised features, cut at ten deviations."""
        return ((features - self.mean) * self.scale).clamp(-10, 10)


class TrackletBlock(nn.Module):
    """Encoders, message passing and classifiers of one slot.

    Args:
        inputs: widths of what nodes and edges know.
        num_levels: levels that share this block.
        config: widths.
    """

    def __init__(self, inputs: InputWidths, num_levels: int, config: ScorerConfig) -> None:
        super().__init__()
        node, edge, hidden = config.node_dim, config.edge_dim, config.hidden_dim
        node_width, edge_width = inputs.node, inputs.edge
        self.node_norm = FeatureNorm(node_width)
        self.edge_norm = FeatureNorm(edge_width)
        self.node_encoder = MLP([node_width, hidden, node])
        self.edge_encoder = MLP([edge_width + 2 * node_width, hidden, hidden, edge])
        # How people look comes in beside the rest: where it is not known, the network is the one without.
        self.node_likeness = nn.Linear(inputs.node_likeness, hidden, bias=False)
        self.edge_likeness = nn.Linear(inputs.edge_likeness, hidden, bias=False)
        self.level_embedding = nn.Embedding(num_levels, edge)
        self.passing = TimeAwareMessagePassing(
            edge_update=MLP([2 * node + 2 * edge, hidden, edge]),
            from_earlier=MLP([node + edge, hidden, node]),
            from_later=MLP([node + edge, hidden, node]),
            node_update=MLP([3 * node, hidden, node]),
            num_steps=config.num_steps,
            both_directions=False,
            reattach_nodes=True,
        )
        self.edge_classifier = MLP([edge, edge // 2, 1], activate_last=False)
        self.node_classifier = MLP([node, node // 2, 1], activate_last=False)
        nn.init.zeros_(self.level_embedding.weight)

    def forward(self, graph: LevelGraph, level: int) -> LevelScores:
        """Score one graph.

        Args:
            graph: with node features.
            level: row of the level embedding.
        """
        with stage("encoders"):
            nodes, edges = self._encode(graph)
        edges = edges + self.level_embedding.weight[level]
        keep = None if self.training else 1
        with stage("message passing"):
            history, nodes = self.passing(nodes, edges, graph.by_earlier, graph.by_later, keep)
        exact = self.edge_classifier.layers[0].weight.dtype
        with in_float32(nodes.device):
            logits = torch.stack([self.edge_classifier(latent.to(exact)).squeeze(-1) for latent in history])
            node_logits = self.node_classifier(nodes.to(exact)).squeeze(-1)
        return LevelScores(
            step_logits=logits,
            probability=logits[-1].mean(dim=0).sigmoid(),
            node_logits=node_logits,
            latents=tuple(history) if self.training else None,
        )

    def _encode(self, graph: LevelGraph) -> tuple[Tensor, Tensor]:
        """Encode nodes, and edges from their own features and, uncompressed, those of both ends.

        An edge needs both motions to see one across the gap. Without gradients rows go through in blocks, so that wide
        features exist a block at a time.
        """
        assert graph.node_features is not None
        parts = [graph.edge_features.shape[1], self.node_norm.width, self.node_norm.width]
        of_edge, of_earlier, of_later = self.edge_encoder.first_weights(parts)
        bias, device = self.edge_encoder.layers[0].bias, graph.edge_index.device
        encoded, at_earlier, at_later = [], [], []
        for rows in _blocks(graph.num_nodes):
            features = self.node_norm(_exactly(graph.node_features, rows, device))
            hidden = self.node_encoder.layers[0](features)
            if graph.node_likeness is not None:
                hidden = hidden + self.node_likeness(_exactly(graph.node_likeness, rows, device))
            encoded.append(self.node_encoder.after_first(hidden))
            at_earlier.append(linear(features, of_earlier))
            at_later.append(linear(features, of_later))
        from_earlier, from_later = _joined(at_earlier), _joined(at_later)
        edges = []
        for rows in _blocks(graph.num_edges):
            features = self.edge_norm(_exactly(graph.edge_features, rows, device))
            if torch.is_grad_enabled():
                ends = gather(from_earlier, graph.by_earlier).add_(gather(from_later, graph.by_later))
            else:
                earlier, later = graph.edge_index[:, rows]
                ends = from_earlier.index_select(0, earlier).add_(from_later.index_select(0, later))
            hidden = linear(features, of_edge, bias).add_(ends)
            if graph.edge_likeness is not None:
                hidden = hidden + self.edge_likeness(_exactly(graph.edge_likeness, rows, device))
            edges.append(self.edge_encoder.after_first(hidden))
        return _joined(encoded), _joined(edges)


def _blocks(count: int) -> Iterator[slice]:
    """Yield the slices of a table of ``count`` rows: one where gradients are wanted, else several; never none."""
    step = max(count, 1) if torch.is_grad_enabled() else ROWS
    for begin in range(0, max(count, 1), step):
        yield slice(begin, min(begin + step, count))


def _exactly(table: Tensor | Rows, rows: slice, device: torch.device) -> Tensor:
    """Return rows of features; those that are computed now are computed in float32."""
    with in_float32(device):
        return table[rows]


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class TrackletScorer(nn.Module):
    """All blocks of the default recipe.

    Args:
        inputs: widths of what nodes and edges know.
        slots: for each level the name of the block that serves it.
        widths: of every block, by name.
    """

    def __init__(self, inputs: InputWidths, slots: list[str], widths: Mapping[str, ScorerConfig]) -> None:
        super().__init__()
        self.slots = list(slots)
        self.blocks = nn.ModuleDict(
            {slot: TrackletBlock(inputs, slots.count(slot), widths[slot]) for slot in dict.fromkeys(slots)}
        )
        self._row = [slots[:level].count(slot) for level, slot in enumerate(slots)]

    def forward(self, graph: LevelGraph, level: int) -> LevelScores:
        """Score the graph of one level; without gradients on a CPU, long videos a piece at a time."""
        block = cast(TrackletBlock, self.blocks[self.slots[level]])

        def score(part: LevelGraph) -> LevelScores:
            scores: LevelScores = block(part, self._row[level])
            return scores

        if torch.is_grad_enabled() or not free_to_look(graph.edge_index):
            return score(graph)
        return score_in_pieces(score, graph, hops=block.passing.num_steps)
