"""The network of the default recipe: shapes, sharing, and what may not matter to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sushi_lg.graph.structures import LevelGraph
from sushi_lg.nn.settings import ScorerConfig
from sushi_lg.nn.tracklet_scorer import FeatureNorm, InputWidths, TrackletScorer

CONFIG = ScorerConfig(node_dim=8, edge_dim=6, hidden_dim=10, num_steps=3)
SLOTS = ["low", "high", "high"]
WIDTHS = dict.fromkeys(SLOTS, CONFIG)


@pytest.fixture
def scorer() -> TrackletScorer:
    torch.manual_seed(1)
    return TrackletScorer(InputWidths(node=5, edge=4, node_likeness=2, edge_likeness=3), SLOTS, WIDTHS).eval()


def graph(edges: list[tuple[int, int]], nodes: int = 6, seed: int = 0) -> LevelGraph:
    random = torch.Generator().manual_seed(seed)
    edge_index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    return LevelGraph(
        edge_index=edge_index,
        edge_features=torch.randn(len(edges), 4, generator=random),
        cost=torch.zeros(len(edges)),
        node_features=torch.randn(nodes, 5, generator=random),
        num_nodes=nodes,
        num_candidates=len(edges),
    )


EDGES = [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)]


def test_every_step_is_classified_in_training_and_the_last_one_after(scorer: TrackletScorer) -> None:
    evaluated = scorer(graph(EDGES), 1)
    scorer.train()
    trained = scorer(graph(EDGES), 1)
    assert trained.step_logits.shape == (3, 1, 5) and evaluated.step_logits.shape == (1, 1, 5)
    torch.testing.assert_close(trained.step_logits[-1:], evaluated.step_logits)
    torch.testing.assert_close(evaluated.probability, evaluated.step_logits[-1, 0].sigmoid())
    assert evaluated.node_logits.shape == (6,)
    assert len({round(p, 6) for p in evaluated.probability.tolist()}) == 5


def test_levels_share_the_block_of_their_slot_but_not_its_embedding(scorer: TrackletScorer) -> None:
    assert set(scorer.blocks) == {"low", "high"}
    assert [scorer.blocks[slot].level_embedding.num_embeddings for slot in ("low", "high")] == [1, 2]
    first, second, low = (scorer(graph(EDGES), level).probability for level in (1, 2, 0))
    assert torch.equal(first, second) and not torch.equal(first, low)  # embeddings begin at zero
    with torch.no_grad():
        scorer.blocks["high"].level_embedding.weight[1] += 1.0
    assert torch.equal(scorer(graph(EDGES), 1).probability, first)
    assert not torch.equal(scorer(graph(EDGES), 2).probability, first)


def test_renumbered_nodes_and_edges_change_only_the_order(scorer: TrackletScorer) -> None:
    original = graph(EDGES)
    node, edge = torch.tensor([3, 5, 0, 1, 4, 2]), torch.tensor([4, 2, 0, 1, 3])  # new row i holds old row [i]
    number = torch.argsort(node)
    assert original.node_features is not None
    renumbered = replace(
        original,
        edge_index=number[original.edge_index[:, edge]],
        edge_features=original.edge_features[edge],
        node_features=original.node_features[node],
    )
    expected, found = scorer(original, 2), scorer(renumbered, 2)
    torch.testing.assert_close(found.probability, expected.probability[edge])
    torch.testing.assert_close(found.node_logits, expected.node_logits[node])


def test_time_has_a_direction(scorer: TrackletScorer) -> None:
    original = graph(EDGES)
    turned = replace(original, edge_index=original.edge_index.flip(0))
    assert not torch.allclose(scorer(original, 0).probability, scorer(turned, 0).probability, atol=1e-4)


def test_graphs_together_are_graphs_apart(scorer: TrackletScorer) -> None:
    one, two = graph(EDGES), graph([(0, 1), (1, 2)], nodes=3, seed=1)
    assert one.node_features is not None and two.node_features is not None
    both = replace(
        one,
        edge_index=torch.cat([one.edge_index, two.edge_index + 6], dim=1),
        edge_features=torch.cat([one.edge_features, two.edge_features]),
        node_features=torch.cat([one.node_features, two.node_features]),
        num_nodes=9,
    )
    apart = torch.cat([scorer(one, 1).probability, scorer(two, 1).probability])
    torch.testing.assert_close(scorer(both, 1).probability, apart)


def test_information_travels_as_many_edges_as_there_are_steps(scorer: TrackletScorer) -> None:
    chain = graph([(i, i + 1) for i in range(7)], nodes=8)
    assert chain.node_features is not None
    changed = chain.node_features.clone()
    changed[0] += 1.0
    before = scorer(chain, 0).probability
    after = scorer(replace(chain, node_features=changed), 0).probability
    moved = (before != after).tolist()
    assert moved[0] and not any(moved[CONFIG.num_steps :])


@pytest.mark.parametrize("nodes", [0, 1, 3])
def test_without_edges(scorer: TrackletScorer, nodes: int) -> None:
    scores = scorer(graph([], nodes=nodes), 1)
    assert scores.probability.shape == (0,) and scores.step_logits.shape == (1, 1, 0)
    assert scores.node_logits.shape == (nodes,) and bool(scores.node_logits.isfinite().all())


def test_gradients_reach_every_parameter_that_serves(scorer: TrackletScorer) -> None:
    scorer.train()
    scores = scorer(seen(graph(EDGES)), 1)
    (scores.step_logits.square().mean() + scores.node_logits.square().mean()).backward()
    silent = [name for name, value in scorer.named_parameters() if value.grad is None]
    assert silent and all(name.startswith("blocks.low") for name in silent)


def test_norm_standardises_and_cuts() -> None:
    norm = FeatureNorm(3)
    samples = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 0.1, 0.0]) + 7
    assert torch.equal(norm(samples[:1] * 0 + 3), torch.full((1, 3), 3.0))  # nothing learned yet
    norm.fit(samples)
    out = norm(samples)
    torch.testing.assert_close(out.mean(dim=0), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(out.std(dim=0), torch.tensor([1.0, 1.0, 0.0]), rtol=0, atol=1e-3)
    assert norm(torch.tensor([[1e6, -1e6, 8.0]])).tolist()[0] == pytest.approx([10, -10, 1], abs=1e-3)
    assert set(dict(norm.named_buffers())) == {"mean", "scale"}


def seen(graph: LevelGraph, seed: int = 1) -> LevelGraph:
    random = torch.Generator().manual_seed(seed)
    return replace(
        graph,
        edge_likeness=torch.randn(graph.num_edges, 3, generator=random),
        node_likeness=torch.randn(graph.num_nodes, 2, generator=random),
    )


def test_how_people_look_changes_scores_and_is_learned_from(scorer: TrackletScorer) -> None:
    plain = graph(EDGES)
    without, with_looks = scorer(plain, 1), scorer(seen(plain), 1)
    assert bool((without.probability != with_looks.probability).all())
    with_looks.probability.sum().backward()
    block = scorer.blocks["high"]
    assert float(block.edge_likeness.weight.grad.abs().min()) > 0
    assert float(block.node_likeness.weight.grad.abs().min()) > 0


def test_looks_that_say_nothing_are_no_looks(scorer: TrackletScorer) -> None:
    plain = graph(EDGES)
    silent = replace(plain, edge_likeness=torch.zeros(5, 3), node_likeness=torch.zeros(6, 2))
    assert torch.equal(scorer(plain, 1).probability, scorer(silent, 1).probability)
    scorer(plain, 1).probability.sum().backward()
    assert scorer.blocks["high"].edge_likeness.weight.grad is None
