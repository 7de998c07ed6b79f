"""SUSHI's network: one message-passing block for level 0, one for all higher levels, a learned row per level.

All nodes start equal: the published recipes replace node inputs by zeros, so that the node encoder yields one constant
vector. LG-MOT splits that encoder in two, so that its language loss can look in between.

Shapes: M nodes, E edges, F edge features, L levels, S classified steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sushi_lg.errors import ConfigError
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.nn.message_passing import TimeAwareMessagePassing
from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.precision import in_float32
from sushi_lg.nn.settings import EdgeScorerConfig
from sushi_lg.timing import stage


class EdgeBlock(nn.Module):
    """Encoders, message passing and classifier of one block.

    Args:
        config: sizes.
        edge_width: F.
    """

    def __init__(self, config: EdgeScorerConfig, edge_width: int) -> None:
        super().__init__()
        self.num_classified = config.num_classified
        self.node_input = config.node_input
        widths = [[config.node_input, 128], [128, 32]] if config.split_node_encoder else [[config.node_input, 128, 32]]
        self.node_encoder = nn.Sequential(*(MLP(width) for width in widths))
        self.edge_encoder = MLP([edge_width, 18, 18, 16])
        self.passing = TimeAwareMessagePassing(
            edge_update=MLP([2 * 32 + 2 * 16, 80, 16]),
            from_earlier=MLP([32 + 16, 56, 32]),
            from_later=MLP([32 + 16, 56, 32]),
            node_update=MLP([64, 32]),
            num_steps=config.num_steps,
            both_directions=True,
            reattach_nodes=False,
        )
        self.classifier = MLP([16, 8, 1], activate_last=False)

    def forward(self, graph: LevelGraph, level_row: Tensor | None) -> LevelScores:
        """Score the edges of a graph in both directions."""
        # Every node enters as zeros, so one row through the encoder serves all.
        features = graph.edge_features[:]
        with stage("encoders"):
            constant = self.node_encoder(features.new_zeros(1, self.node_input))
            edges = self.edge_encoder(features)
        if level_row is not None:
            edges = edges + level_row
        nodes = constant.expand(graph.num_nodes, -1)
        keep = self.num_classified if self.training else 1
        with stage("message passing"):
            history, _ = self.passing(nodes, edges, graph.by_earlier, graph.by_later, keep)
        exact = self.classifier.layers[0].weight.dtype
        with in_float32(features.device):
            logits = torch.stack([self.classifier(latent.to(exact)).squeeze(-1) for latent in history])
        return LevelScores(step_logits=logits, probability=logits[-1].sigmoid().mean(dim=0))


class EdgeScorer(nn.Module):
    """The blocks of all levels.

    Args:
        config: sizes.
        edge_widths: F of every level.

    Raises:
        ConfigError: unknown sharing, or levels that share a block have different features.
    """

    def __init__(self, config: EdgeScorerConfig, edge_widths: list[int]) -> None:
        super().__init__()
        config.validate()
        self.block_of = block_of_levels(config.sharing, len(edge_widths))
        for level, block in enumerate(self.block_of):
            first = self.block_of.index(block)
            if edge_widths[first] != edge_widths[level]:
                raise ConfigError(
                    f"levels {first} and {level} share weights but have {edge_widths[first]} and {edge_widths[level]} "
                    "edge features",
                    "give them the same features, or scorer.sharing=none",
                )
        self.blocks = nn.ModuleList(
            EdgeBlock(config, edge_widths[self.block_of.index(block)]) for block in sorted(set(self.block_of))
        )
        self.level_embedding = nn.Embedding(len(edge_widths), 16) if config.level_embedding else None

    def forward(self, graph: LevelGraph, level: int) -> LevelScores:
        """Score the graph of one level."""
        row = None if self.level_embedding is None else self.level_embedding.weight[level]
        scores: LevelScores = self.blocks[self.block_of[level]](graph, row)
        return scores


def block_of_levels(sharing: str, num_levels: int) -> list[int]:
    """Return the number of the block that serves each level."""
    if sharing == "all":
        return [0] * num_levels
    return [level if sharing == "none" else min(level, 1) for level in range(num_levels)]
