"""A level of a long video scored a stretch of time at a time.

Message passing over S steps lets an edge see what is S edges away and nothing beyond. Nodes are numbered in time, so
the neighbourhood of a run of nodes is a slightly longer run: each piece is scored with its surroundings, and only what
is said about the piece itself is kept. Memory is then that of a piece, and a piece fits into the cache. Levels of long
tracklets have few nodes and far neighbours; they are scored whole.

Shapes: M nodes, E edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.graph.structures import LevelGraph, LevelScores, Rows

PIECE = 32768
"""Nodes of a piece. Fixed, because a result must not depend on how much memory there is."""
_MOST_WORK = 2.0  # nodes that are scored, surroundings included, for one of the graph


@dataclass(frozen=True)
class Piece:
    """A run of nodes and its surroundings.

    Attributes:
        begin: first node of the run.
        end: node after its last.
        low: first node of the surroundings.
        high: node after their last.
    """

    begin: int
    end: int
    low: int
    high: int


def score_in_pieces(score: Callable[[LevelGraph], LevelScores], graph: LevelGraph, hops: int) -> LevelScores:
    """Return what ``score`` says about the whole graph.

    Args:
        score: a network whose answers depend on no more than ``hops`` edges around.
        graph: edges sorted by their later node; an earlier node has a lower number.
        hops: how far the network looks.
    """
    pieces = cut(graph, hops) if graph.num_nodes > PIECE else []
    # Long tracklets reach far: where surroundings outgrow the pieces, nothing would be saved.
    if not pieces or sum(piece.high - piece.low for piece in pieces) > _MOST_WORK * graph.num_nodes:
        return score(graph)
    step_logits, probability, node_logits = [], [], []
    for piece in pieces:
        part, of_piece = _sub_graph(graph, piece)
        scores = score(part)
        step_logits.append(scores.step_logits[..., of_piece])
        probability.append(scores.probability[of_piece])
        if scores.node_logits is not None:
            node_logits.append(scores.node_logits[piece.begin - piece.low : piece.end - piece.low])
    return LevelScores(
        step_logits=torch.cat(step_logits, dim=-1),
        probability=torch.cat(probability),
        node_logits=torch.cat(node_logits) if node_logits else None,
    )


def cut(graph: LevelGraph, hops: int) -> list[Piece]:
    """Return pieces that hold every node once, with everything that is up to ``hops`` edges away from one."""
    earlier, later = graph.edge_index
    into, out_of = graph.by_later, graph.by_earlier
    found = []
    for begin in range(0, graph.num_nodes, PIECE):
        end = min(begin + PIECE, graph.num_nodes)
        low, high = begin, end
        for _ in range(hops):
            before = earlier[int(into.start[low]) : int(into.start[high])]
            after = slice(int(out_of.start[low]), int(out_of.start[high]))
            after_nodes = later[after] if out_of.order is None else later[out_of.order[after]]
            low = min(low, int(before.min())) if len(before) else low
            high = max(high, int(after_nodes.max()) + 1) if len(after_nodes) else high
        found.append(Piece(begin, end, low, high))
    return found


def _shifted(rows: slice | Tensor, piece: Piece) -> slice | Tensor:
    """Return rows of the piece as rows of the graph."""
    if isinstance(rows, slice):
        begin, end, step = rows.indices(piece.high - piece.low)
        return slice(piece.low + begin, piece.low + end, step)
    return rows + piece.low


def _of_edges(table: Tensor | Rows, edges: Tensor) -> Rows:
    return Rows((len(edges), table.shape[1]), lambda rows: table[edges[rows]])


def _of_nodes(table: Tensor | Rows, piece: Piece) -> Rows:
    return Rows((piece.high - piece.low, table.shape[1]), lambda rows: table[_shifted(rows, piece)])


def _sub_graph(graph: LevelGraph, piece: Piece) -> tuple[LevelGraph, slice]:
    """Return the graph of a piece and which of its edges end in the piece itself; every edge ends in one piece."""
    start = graph.by_later.start
    candidates = slice(int(start[piece.low]), int(start[piece.high]))
    edges = torch.nonzero(graph.edge_index[0, candidates] >= piece.low).squeeze(1) + candidates.start
    assert graph.node_features is not None
    part = LevelGraph(
        edge_index=graph.edge_index[:, edges] - piece.low,
        edge_features=_of_edges(graph.edge_features, edges),
        cost=graph.cost[edges],
        node_features=_of_nodes(graph.node_features, piece),
        num_nodes=piece.high - piece.low,
        num_candidates=len(edges),
        edge_likeness=None if graph.edge_likeness is None else _of_edges(graph.edge_likeness, edges),
        node_likeness=None if graph.node_likeness is None else _of_nodes(graph.node_likeness, piece),
    )
    own = torch.searchsorted(edges, torch.stack([start[piece.begin], start[piece.end]])).tolist()
    return part, slice(own[0], own[1])
