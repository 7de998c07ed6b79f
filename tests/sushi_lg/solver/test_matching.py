from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from sushi_lg.solver import matching
from sushi_lg.solver.components import chain_labels, number_chains
from sushi_lg.solver.matching import maximum_weight_matching
from sushi_lg.solver.structures import Accepted

pytestmark = pytest.mark.usefixtures("both_ways")


def random_graph(seed: int, nodes: int, density: float, ties: bool) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    edges = torch.triu_indices(nodes, nodes, 1)
    edges = edges[:, torch.rand(edges.shape[1], generator=generator) < density]
    weight = torch.rand(edges.shape[1], generator=generator, dtype=torch.float64) * 1.4 - 0.4
    return edges, (weight * 4).round() / 4 if ties else weight


def assert_allowed(edges: torch.Tensor, weight: torch.Tensor, chosen: torch.Tensor) -> None:
    for side in edges[:, chosen]:
        assert len(side.unique()) == len(side), "at most one edge to the past and one to the future"
    assert (weight[chosen] >= 0).all()


def brute_force(edges: torch.Tensor, weight: torch.Tensor) -> float:
    """Best total weight over all allowed sets."""
    pairs = list(zip(edges[0].tolist(), edges[1].tolist(), weight.tolist(), strict=True))

    def best(position: int, out: frozenset[int], into: frozenset[int]) -> float:
        if position == len(pairs):
            return 0.0
        earlier, later, value = pairs[position]
        without = best(position + 1, out, into)
        if earlier in out or later in into:
            return without
        return max(without, value + best(position + 1, out | {earlier}, into | {later}))

    return best(0, frozenset(), frozenset())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_equals_brute_force(seed: int, ties: bool) -> None:
    edges, weight = random_graph(seed, 6, 0.8, ties)
    chosen = maximum_weight_matching(edges, weight, 6).edges
    assert_allowed(edges, weight, chosen)
    assert float(weight[chosen].sum()) == pytest.approx(brute_force(edges, weight))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("density", [0.05, 0.3])
@pytest.mark.parametrize("sparse", [False, True])
def test_equals_networkx_and_the_linear_program(
    density: float, ties: bool, sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sparse:
        monkeypatch.setattr(matching, "_DENSE_CELLS", 0)
    for seed in range(4):
        edges, weight = random_graph(seed, 40, density, ties)
        chosen = maximum_weight_matching(edges, weight, 40).edges
        assert_allowed(edges, weight, chosen)

        graph = nx.Graph()
        for earlier, later, value in zip(edges[0].tolist(), edges[1].tolist(), weight.tolist(), strict=True):
            if value > 0:
                graph.add_edge(("out", earlier), ("in", later), weight=value)
        partner = nx.max_weight_matching(graph)
        expected = sum(graph.edges[pair]["weight"] for pair in partner)
        assert float(weight[chosen].sum()) == pytest.approx(expected)

        constraints = np.zeros((80, edges.shape[1]))
        constraints[edges[0], np.arange(edges.shape[1])] = 1
        constraints[40 + edges[1], np.arange(edges.shape[1])] = 1
        program = linprog(-weight.numpy(), A_ub=constraints, b_ub=np.ones(80), bounds=(0, 1))
        assert float(weight[chosen].sum()) == pytest.approx(-program.fun)


def test_undisputed_edges_of_weight_zero_are_kept() -> None:
    edges = torch.tensor([[0, 1, 2], [1, 2, 3]])
    assert maximum_weight_matching(edges, torch.tensor([0.0, -0.1, 0.5]), 4).edges.tolist() == [True, False, True]


@pytest.mark.parametrize("nodes", [0, 1, 5])
def test_no_edges(nodes: int) -> None:
    edges = torch.zeros(2, 0, dtype=torch.int64)
    chosen = maximum_weight_matching(edges, torch.zeros(0), nodes).edges
    assert chosen.shape == (0,) and chosen.dtype == torch.bool
    assert chain_labels(edges, chosen, nodes).tolist() == list(range(nodes))


def test_the_same_edges_give_the_same_choice() -> None:
    edges, weight = random_graph(3, 30, 0.5, ties=True)
    first = maximum_weight_matching(edges, weight, 30).edges
    assert all(torch.equal(maximum_weight_matching(edges, weight, 30).edges, first) for _ in range(3))


def test_chains_are_numbered_by_their_first_node() -> None:
    edges = torch.tensor([[1, 0, 3, 2], [4, 3, 5, 5]])
    accepted = torch.tensor([True, True, True, False])
    assert chain_labels(edges, accepted, 6).tolist() == [0, 1, 2, 0, 1, 0]
    labels, count = number_chains(edges, Accepted(accepted, 3), 6)
    assert labels.tolist() == [0, 1, 2, 0, 1, 0] and count == 3


@pytest.mark.parametrize("nodes", [0, 1, 2, 3, 8, 9, 100])
def test_one_chain_through_all_nodes(nodes: int) -> None:
    edges = torch.stack([torch.arange(max(nodes - 1, 0)), torch.arange(1, max(nodes, 1))])
    everything = Accepted(torch.ones(edges.shape[1], dtype=torch.bool), edges.shape[1])
    labels, count = number_chains(edges, everything, nodes)
    assert labels.tolist() == [0] * nodes and count == min(nodes, 1)


def test_chains_equal_networkx() -> None:
    edges, weight = random_graph(8, 50, 0.2, ties=False)
    accepted = maximum_weight_matching(edges, weight, 50).edges
    graph = nx.Graph()
    graph.add_nodes_from(range(50))
    graph.add_edges_from(edges[:, accepted].T.tolist())
    parts = sorted(sorted(part) for part in nx.connected_components(graph))
    labels = chain_labels(edges, accepted, 50).tolist()
    numbered, count = number_chains(edges, Accepted(accepted, int(accepted.sum())), 50)
    assert numbered.tolist() == labels and count == len(parts)
    assert [[node for node in range(50) if labels[node] == number] for number in range(len(parts))] == parts
    assert all(first[0] < second[0] for first, second in pairwise(parts))
