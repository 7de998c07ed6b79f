"""Scores of pieces are those of the whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sushi_lg.graph.structures import LevelGraph, Rows
from sushi_lg.nn import pieces
from sushi_lg.nn.settings import ScorerConfig
from sushi_lg.nn.tracklet_scorer import InputWidths, TrackletScorer

STEPS = 3


@pytest.fixture
def scorer() -> TrackletScorer:
    torch.manual_seed(0)
    config = ScorerConfig(node_dim=8, edge_dim=6, hidden_dim=10, num_steps=STEPS)
    return TrackletScorer(InputWidths(5, 4, 2, 3), ["only"], {"only": config}).eval()


def chain(nodes: int, reach: int, lazy: bool = False) -> LevelGraph:
    """Every node has edges to the next ``reach`` nodes."""
    generator = torch.Generator().manual_seed(nodes)
    pairs = [(a, b) for b in range(nodes) for a in range(max(0, b - reach), b)]
    edges, table = torch.randn(len(pairs), 4, generator=generator), torch.randn(nodes, 5, generator=generator)
    alike, own = torch.randn(len(pairs), 3, generator=generator), torch.randn(nodes, 2, generator=generator)

    def rows_of(values: Tensor) -> Tensor | Rows:
        return Rows(tuple(values.shape), lambda rows: values[rows]) if lazy else values

    return LevelGraph(
        edge_index=torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T,
        edge_features=rows_of(edges),
        cost=torch.zeros(len(pairs)),
        node_features=rows_of(table),
        num_nodes=nodes,
        num_candidates=len(pairs),
        edge_likeness=rows_of(alike),
        node_likeness=rows_of(own),
    )


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize(("nodes", "reach", "piece"), [(120, 2, 40), (121, 1, 20), (90, 0, 10), (200, 3, 199)])
def test_pieces_equal_the_whole(
    scorer: TrackletScorer, nodes: int, reach: int, piece: int, lazy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = chain(nodes, reach, lazy)
    with torch.no_grad():
        whole = scorer(graph, 0)
        monkeypatch.setattr(pieces, "PIECE", piece)
        seen: list[int] = []
        monkeypatch.setattr(scorer.blocks["only"], "forward", _spy(scorer.blocks["only"].forward, seen))
        apart = scorer(graph, 0)
    assert len(seen) == -(-nodes // piece), "the graph was not cut"
    torch.testing.assert_close(apart.step_logits, whole.step_logits)
    torch.testing.assert_close(apart.probability, whole.probability)
    torch.testing.assert_close(apart.node_logits, whole.node_logits)


def test_too_small_surroundings_would_be_noticed(scorer: TrackletScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = chain(120, 2)
    monkeypatch.setattr(pieces, "PIECE", 40)
    with torch.no_grad():
        whole = scorer.blocks["only"](graph, 0)
        short = pieces.score_in_pieces(lambda part: scorer.blocks["only"](part, 0), graph, hops=STEPS - 1)
    assert not torch.allclose(short.node_logits, whole.node_logits, rtol=1e-5, atol=1e-6)


def test_long_reaches_are_not_cut(scorer: TrackletScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(pieces, "PIECE", 5)
    monkeypatch.setattr(scorer.blocks["only"], "forward", _spy(scorer.blocks["only"].forward, seen))
    with torch.no_grad():
        scorer(chain(60, 12), 0)
    assert seen == [60]


def _spy(forward, seen: list[int]):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    def called(graph: LevelGraph, level: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        seen.append(graph.num_nodes)
        return forward(graph, level)

    return called
