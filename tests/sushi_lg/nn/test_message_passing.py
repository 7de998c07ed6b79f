"""Routing and sums against a plain loop over edges and against PyTorch Geometric."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sushi_lg.nn import message_passing
from sushi_lg.nn.message_passing import TimeAwareMessagePassing
from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.structures import Segments, make_segments

X, W, STEPS = 5, 3, 4


def network(
    both: bool, reattach: bool, dtype: torch.dtype = torch.float32, steps: int = STEPS
) -> TimeAwareMessagePassing:
    torch.manual_seed(0)
    made = TimeAwareMessagePassing(
        edge_update=MLP([2 * X + 2 * W, 7, W]),
        from_earlier=MLP([X + W, 6, X]),
        from_later=MLP([X + W, 6, X]),
        node_update=MLP([3 * X if reattach else 2 * X, X]),
        num_steps=steps,
        both_directions=both,
        reattach_nodes=reattach,
    )
    return made.to(dtype)


def graph(nodes: int = 6, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(nodes)
    edge_index = torch.triu_indices(nodes, nodes, 1)
    edge_index = edge_index[:, torch.rand(edge_index.shape[1], generator=generator) < 0.7]
    x = torch.rand(nodes, X, generator=generator, dtype=dtype)
    return x, torch.rand(edge_index.shape[1], W, generator=generator, dtype=dtype), edge_index


def ends(edge_index: Tensor, nodes: int) -> tuple[Segments, Segments]:
    return make_segments(edge_index[0], nodes), make_segments(edge_index[1], nodes)


def run(
    net: TimeAwareMessagePassing, x: Tensor, encoded: Tensor, edge_index: Tensor, keep: int | None = None
) -> tuple[list[Tensor], Tensor]:
    return net(x, encoded, *ends(edge_index, len(x)), keep)


def plain(net: TimeAwareMessagePassing, x: Tensor, encoded: Tensor, edge_index: Tensor) -> tuple[list[Tensor], Tensor]:
    """One edge after another, every concatenation written out."""
    pairs = edge_index.T.tolist()
    start, latents, history = x, [encoded.clone() for _ in range(2 if net.both_directions else 1)], []
    for step in range(net.num_steps):
        updated = [torch.empty_like(encoded) for _ in latents]
        for number, (earlier, later) in enumerate(pairs):
            for direction, (a, b) in enumerate([(earlier, later), (later, earlier)][: len(latents)]):
                inputs = torch.cat([x[a], x[b], encoded[number], latents[direction][number]])
                updated[direction][number] = net.edge_update(inputs)
        latents = updated
        history.append(torch.stack(latents))
        if step == net.num_steps - 1 and not net.reattach_nodes:
            break
        past, future = torch.zeros_like(x), torch.zeros_like(x)
        for number, (earlier, later) in enumerate(pairs):
            past[later] += net.from_earlier(torch.cat([x[earlier], latents[-1][number]]))
            future[earlier] += net.from_later(torch.cat([x[later], latents[0][number]]))
        x = net.node_update(torch.cat([past, future, start] if net.reattach_nodes else [past, future], dim=1))
    return history, x


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reattach", [True, False])
def test_equals_a_plain_loop(both: bool, reattach: bool) -> None:
    net, inputs = network(both, reattach), graph()
    with torch.no_grad():
        history, nodes = run(net, *inputs)
        expected_history, expected_nodes = plain(net, *inputs)
    torch.testing.assert_close(torch.stack(history), torch.stack(expected_history), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(nodes, expected_nodes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reattach", [True, False])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_of_edges_equal_all_edges(
    both: bool, reattach: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_passing, "BLOCK", block)
    net, inputs = network(both, reattach), graph(9)
    kept = tuple(given.clone() for given in inputs)
    with torch.no_grad():
        history, nodes = run(net, *inputs)
        (last,), blocked_nodes = run(net, *inputs, keep=1)
    torch.testing.assert_close(last, history[-1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(blocked_nodes, nodes, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(given, before) for given, before in zip(inputs, kept, strict=True)), "inputs were changed"


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reattach", [True, False])
@pytest.mark.parametrize("block", [7, 1000])
def test_bfloat16_blocks_are_near_float32(
    both: bool, reattach: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_passing, "BLOCK", block)
    net, inputs = network(both, reattach), graph(9)
    with torch.no_grad():
        (exact,), exact_nodes = run(net, *inputs, keep=1)
        with torch.autocast("cpu", torch.bfloat16):
            (narrow,), nodes = run(net, *inputs, keep=1)
            (whole, *_), _ = run(net, *inputs, keep=2)
    assert narrow.dtype == nodes.dtype == whole.dtype == torch.bfloat16
    assert net.edge_update.layers[0].weight.dtype == torch.float32, "weights were narrowed"
    assert 0 < float((narrow.float() - exact).norm() / exact.norm()) < 1e-2
    assert float((nodes.float() - exact_nodes).norm() / exact_nodes.norm()) < 1e-2


def test_messages_of_bfloat16_blocks_are_added_up_in_float32() -> None:
    net = network(both=False, reattach=True, steps=1)
    for mlp in (net.edge_update, net.from_earlier, net.from_later):
        for layer in mlp.layers:
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.ones_(layer.bias)
    sources = torch.arange(600)
    edge_index = torch.stack([sources, torch.full_like(sources, 600)])
    torch.nn.init.zeros_(net.node_update.layers[0].weight)
    torch.nn.init.zeros_(net.node_update.layers[0].bias)
    with torch.no_grad():
        net.node_update.layers[0].weight[0, 0] = 1.0  # the first number of the sum from earlier nodes comes out
        with torch.autocast("cpu", torch.bfloat16):
            _, nodes = run(net, torch.zeros(601, X), torch.zeros(600, W), edge_index, keep=1)
    assert float(nodes[600, 0]) == 600  # adding 1 to 256 changes nothing in bfloat16


@pytest.mark.parametrize("keep", [1, 2, STEPS])
def test_only_the_last_steps_are_kept(keep: int) -> None:
    net, inputs = network(both=True, reattach=False), graph(6)
    kept, _ = run(net, *inputs, keep=keep)  # with gradients
    every, _ = run(net, *inputs)
    assert len(kept) == keep
    torch.testing.assert_close(torch.stack(kept), torch.stack(every[-keep:]))


@pytest.mark.parametrize("keep", [None, 1])
def test_no_edges_without_gradients(keep: int | None) -> None:
    net = network(both=False, reattach=True)
    with torch.no_grad():
        history, nodes = run(net, torch.ones(3, X), torch.zeros(0, W), torch.zeros(2, 0, dtype=torch.int64), keep)
    assert history[-1].shape == (1, 0, W) and nodes.shape == (3, X)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reattach", [True, False])
def test_equals_torch_geometric(both: bool, reattach: bool) -> None:
    geometric = pytest.importorskip("torch_geometric.nn")

    class Sum(geometric.MessagePassing):  # type: ignore[name-defined,misc]
        """Sums MLP [sender, edge] at the receiver."""

        def __init__(self, mlp: MLP) -> None:
            super().__init__(aggr="sum")
            self.mlp = mlp

        def forward(self, x: Tensor, edge_index: Tensor, latent: Tensor) -> Tensor:
            return self.propagate(edge_index, x=x, latent=latent)

        def message(self, x_j: Tensor, latent: Tensor) -> Tensor:
            return self.mlp(torch.cat([x_j, latent], dim=1))

    net = network(both, reattach)
    x, encoded, edge_index = graph(9)
    with torch.no_grad():
        history, nodes = run(net, x, encoded, edge_index)
        # Every edge twice, as the original lists them; messages go from column to row.
        row, column = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        is_future = row < column
        initial = latent = encoded.repeat(2, 1)
        first = x
        from_future, from_past = Sum(net.from_later), Sum(net.from_earlier)
        for step in range(STEPS):
            latent = net.edge_update(torch.cat([x[row], x[column], initial, latent], dim=1))
            if not both:  # one latent an edge, that of earlier → later
                latent = latent[is_future].repeat(2, 1)
            ours = history[step].flatten(0, 1) if both else history[step][0].repeat(2, 1)
            torch.testing.assert_close(ours, latent, rtol=1e-5, atol=1e-6)
            if step == STEPS - 1 and not reattach:
                break
            sums = [
                layer(x, torch.stack([column[chosen], row[chosen]]), latent[chosen])
                for layer, chosen in ((from_past, ~is_future), (from_future, is_future))
            ]
            x = net.node_update(torch.cat([*sums, first] if reattach else sums, dim=1))
    torch.testing.assert_close(nodes, x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("both", [True, False])
def test_reordered_edges_give_the_same_nodes(both: bool) -> None:
    net, (x, encoded, edge_index) = network(both, reattach=True), graph(8)
    order = torch.randperm(len(encoded), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        history, nodes = run(net, x, encoded, edge_index)
        shuffled_history, shuffled_nodes = run(net, x, encoded[order], edge_index[:, order])
    torch.testing.assert_close(torch.stack(shuffled_history), torch.stack(history)[:, :, order], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(shuffled_nodes, nodes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("both", [True, False])
def test_renumbered_nodes_give_the_same_edges(both: bool) -> None:
    net, (x, encoded, edge_index) = network(both, reattach=True), graph(8)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    number = torch.argsort(order)  # new number of each old node
    with torch.no_grad():
        history, nodes = run(net, x, encoded, edge_index)
        shuffled_history, shuffled_nodes = run(net, x[order], encoded, number[edge_index])
    torch.testing.assert_close(torch.stack(shuffled_history), torch.stack(history), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(shuffled_nodes, nodes[order], rtol=1e-5, atol=1e-6)


def test_graphs_together_equal_graphs_apart() -> None:
    net, first, second = network(both=True, reattach=False), graph(5), graph(7)
    joined = [torch.cat(pair) for pair in zip(first[:2], second[:2], strict=True)]
    with torch.no_grad():
        history, nodes = run(net, *joined, torch.cat([first[2], second[2] + 5], dim=1))
        apart = [run(net, *one) for one in (first, second)]
    torch.testing.assert_close(nodes, torch.cat([one[1] for one in apart]))
    for step in range(STEPS):
        torch.testing.assert_close(history[step], torch.cat([one[0][step] for one in apart], dim=1))


def test_no_edges() -> None:
    net = network(both=True, reattach=False)
    history, nodes = run(net, torch.zeros(3, X), torch.zeros(0, W), torch.zeros(2, 0, dtype=torch.int64))
    assert [tuple(latent.shape) for latent in history] == [(2, 0, W)] * STEPS
    assert nodes.shape == (3, X)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reattach", [True, False])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("keep", [None, 1, 2])
def test_nodes_without_edges_take_all_steps(both: bool, reattach: bool, steps: int, keep: int | None) -> None:
    net = network(both, reattach, steps=steps)
    x, none = torch.rand(3, X, requires_grad=True), torch.zeros(2, 0, dtype=torch.int64)
    history, nodes = run(net, x, torch.zeros(0, W), none, keep)
    expected_history, expected = plain(net, x, torch.zeros(0, W), none)
    assert [latent.shape for latent in history] == [latent.shape for latent in expected_history[-(keep or steps) :]]
    torch.testing.assert_close(nodes, expected)
    given, inputs = torch.rand(3, X), [x, *net.node_update.parameters()]
    found = torch.autograd.grad(nodes, inputs, given, allow_unused=True)
    wanted = torch.autograd.grad(expected, inputs, given, allow_unused=True)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("both", [True, False])
def test_gradients(both: bool) -> None:
    net = network(both, reattach=not both, dtype=torch.float64, steps=2)
    x, encoded, edge_index = graph(4, torch.float64)

    def outputs(*inputs: Tensor) -> Tensor:
        return torch.cat([latent.flatten() for latent in run(net, inputs[0], inputs[1], edge_index)[0]])

    assert torch.autograd.gradcheck(outputs, (x.requires_grad_(), encoded.requires_grad_()))
    outputs(x, encoded).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.edge_update.parameters())
