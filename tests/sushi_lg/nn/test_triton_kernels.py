"""Triton kernels against plain PyTorch: interpreted on a CPU, compiled on a GPU.

Triton decides once per process, when it is imported, whether kernels are interpreted. So that other tests keep theirs,
one test runs this file again in a process of its own with ``TRITON_INTERPRET=1``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from sushi_lg.errors import ConfigError
from sushi_lg.nn import segment
from sushi_lg.nn.message_passing import TimeAwareMessagePassing
from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.structures import Segments, make_segments

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")

ROOT = Path(__file__).resolve().parents[3]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu"] if INTERPRETED else [pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
WIDTHS = [(56, 16, 32), (96, 20, 33), (128, 64, 64)]  # H, W, X


def version(package: str) -> tuple[int, ...]:
    return tuple(int(part) for part in importlib.metadata.version(package).split(".")[:2])


@pytest.mark.skipif(INTERPRETED, reason="this is the process that interprets")
def test_this_file_passes_in_interpreter_mode() -> None:
    if version("numpy") >= (2, 4) and version("triton") < (3, 7):
        pytest.skip("the interpreter of Triton before 3.7 needs NumPy before 2.4")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.skipif(INTERPRETED, reason="interpreted kernels take data on a CPU")
def test_data_on_a_cpu_are_refused() -> None:
    from sushi_lg.nn import triton_kernels

    with pytest.raises(ConfigError, match="on cpu"):
        triton_kernels.segment_sum(torch.zeros(2, 3), None, torch.tensor([0, 2]))
    with pytest.raises(ConfigError, match="on cpu"):
        triton_kernels.message_sum(*inputs("cpu", 3, WIDTHS[0]), *ends("cpu", 3, 4))


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def kernels() -> ModuleType:
    from sushi_lg.nn import triton_kernels

    return triton_kernels


def rows_of(lengths: list[int], is_sorted: bool, device: str) -> Segments:
    index = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    if not is_sorted:
        index = index[torch.randperm(len(index), generator=torch.Generator().manual_seed(0))]
    return make_segments(index.to(device), len(lengths), is_sorted=is_sorted)


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 5, 64, 130])
def test_segment_sum(kernels: ModuleType, device: str, width: int, dtype: torch.dtype, is_sorted: bool) -> None:
    segments = rows_of([0, 3, 0, 40, 1, 16, 0], is_sorted, device)
    values = torch.randn(60, width, generator=torch.Generator().manual_seed(1), dtype=dtype).to(device)
    total = kernels.segment_sum(values, segments.order, segments.start)
    expected = torch.zeros(7, width, dtype=torch.float64, device=device).index_add(0, segments.index, values.double())
    assert total.dtype == dtype
    torch.testing.assert_close(total.double(), expected, rtol=1e-5, atol=1e-5 if dtype == torch.float32 else 1e-12)
    assert torch.equal(total, kernels.segment_sum(values, segments.order, segments.start))


def test_a_long_segment(kernels: ModuleType, device: str) -> None:
    values = torch.arange(3000.0, device=device).reshape(1000, 3)  # sums below 2^24 are exact
    total = kernels.segment_sum(values, None, torch.tensor([0, 1000], device=device))
    assert torch.equal(total, values.sum(dim=0, keepdim=True))


def test_ordered_rows_with_and_without_their_order(kernels: ModuleType, device: str) -> None:
    start = torch.tensor([0, 2, 2, 33], device=device)
    values = torch.randn(33, 6, generator=torch.Generator().manual_seed(0)).to(device)
    given = kernels.segment_sum(values, torch.arange(33, device=device), start)
    assert torch.equal(given, kernels.segment_sum(values, None, start))


def test_rows_with_strides(kernels: ModuleType, device: str) -> None:
    values = torch.arange(24.0, device=device).reshape(4, 6).T
    total = kernels.segment_sum(values, None, torch.tensor([0, 2, 6], device=device))
    assert torch.equal(total, torch.stack([values[:2].sum(dim=0), values[2:].sum(dim=0)]))


@pytest.mark.parametrize(("rows", "segments", "width"), [(0, 3, 2), (0, 0, 2), (4, 1, 0)])
def test_segment_sum_of_nothing(kernels: ModuleType, device: str, rows: int, segments: int, width: int) -> None:
    start = torch.zeros(segments + 1, dtype=torch.int64, device=device)
    start[-1] = rows
    total = kernels.segment_sum(torch.ones(rows, width, device=device), None, start)
    assert torch.equal(total, torch.zeros(segments, width, device=device))


def test_as_a_backend(device: str) -> None:
    segments = rows_of([2, 0, 20, 5], False, device)
    values = torch.randn(27, 4, generator=torch.Generator().manual_seed(0)).to(device)
    scale = torch.arange(16.0, device=device).reshape(4, 4)
    results = []
    for backend in ("triton", "torch"):
        leaf = values.clone().requires_grad_()
        total = segment.segment_sum(leaf, segments, backend)
        (total * scale).sum().backward()
        results.append((total, leaf.grad))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5)


def inputs(device: str, nodes: int, widths: tuple[int, int, int], edges: int = 4) -> list[Tensor]:
    """Projected nodes, latents, two weights, bias; sums and gradients of the order of 1."""
    hidden, edge, node = widths
    generator = torch.Generator().manual_seed(edges)
    shapes = [(nodes, hidden), (edges, edge), (hidden, edge), (node, hidden), (node,)]
    scales = [1.0, 1.0, edge**-0.5, hidden**-0.5, 0.1]
    made = [scale * torch.randn(shape, generator=generator) for shape, scale in zip(shapes, scales, strict=True)]
    return [tensor.to(device) for tensor in made]


def ends(device: str, nodes: int, edges: int, receiver_sorted: bool = False) -> tuple[Segments, Segments]:
    """Random senders and receivers; the last two of more than two nodes receive nothing."""
    generator = torch.Generator().manual_seed(nodes)
    sender = torch.randint(nodes, (edges,), generator=generator)
    receiver = torch.randint(max(1, nodes - 2), (edges,), generator=generator)
    if receiver_sorted:
        receiver = receiver.sort().values
    return (
        make_segments(sender.to(device), nodes),
        make_segments(receiver.to(device), nodes, is_sorted=receiver_sorted),
    )


def plain(
    projected: Tensor, latent: Tensor, weight_edge: Tensor, weight_out: Tensor, bias: Tensor, *between: Segments
) -> Tensor:
    sender, receiver = between
    hidden = (projected[sender.index] + linear(latent, weight_edge)).relu()
    message = linear(hidden, weight_out, bias).relu()
    return message.new_zeros(receiver.num_segments, len(bias)).index_add(0, receiver.index, message)


def with_gradients(function: object, tensors: list[Tensor], between: tuple[Segments, Segments]) -> list[Tensor]:
    """Return the sums and the gradients of all five tensors."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    total = function(*leaves, *between)  # type: ignore[operator]
    weight = torch.linspace(-1, 1, total.numel(), device=total.device, dtype=total.dtype).reshape(total.shape)
    (total * weight).sum().backward()
    return [total.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def check(kernels: ModuleType, tensors: list[Tensor], between: tuple[Segments, Segments]) -> None:
    got = with_gradients(kernels.message_sum, tensors, between)
    expected = with_gradients(plain, [tensor.double() for tensor in tensors], between)
    assert len(got) == len(expected) == 6
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("receiver_sorted", [True, False])
@pytest.mark.parametrize("widths", WIDTHS)
def test_message_sum(kernels: ModuleType, device: str, widths: tuple[int, int, int], receiver_sorted: bool) -> None:
    check(kernels, inputs(device, 19, widths, 70), ends(device, 19, 70, receiver_sorted))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_message_sum_in_half_precision(kernels: ModuleType, device: str, dtype: torch.dtype) -> None:
    tensors = [tensor.to(dtype) for tensor in inputs(device, 19, WIDTHS[0], 70)]
    between = ends(device, 19, 70)
    got = with_gradients(kernels.message_sum, tensors, between)
    expected = with_gradients(plain, [tensor.double() for tensor in tensors], between)
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == dtype
        assert (mine - theirs).norm() <= 1e-2 * theirs.norm()


def test_low_precision_edges_beside_float32_parameters(kernels: ModuleType, device: str) -> None:
    tensors = inputs(device, 5, WIDTHS[0], 20)
    tensors[1] = tensors[1].bfloat16()
    total, *gradients = with_gradients(kernels.message_sum, tensors, ends(device, 5, 20))
    assert total.dtype == torch.bfloat16
    assert [gradient.dtype for gradient in gradients] == [tensor.dtype for tensor in tensors]


def test_programs_of_many_tiles(kernels: ModuleType, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_PARTS", 2)
    check(kernels, inputs(device, 9, WIDTHS[0], 90), ends(device, 9, 90))


def test_weights_of_an_mlp_and_a_table_of_edges(kernels: ModuleType, device: str) -> None:
    torch.manual_seed(0)
    mlp = MLP([32 + 16, 56, 32]).to(device)
    nodes, latent = torch.randn(6, 32, device=device), torch.randn(20, 16, device=device)
    table = torch.randint(6, (20, 2), device=device)
    sender, receiver = (make_segments(column, 6) for column in table.unbind(dim=1))
    weight_node, weight_edge = mlp.first_weights((32, 16))
    projected = linear(nodes, weight_node, mlp.layers[0].bias)
    parameters = list(mlp.parameters())
    total = kernels.message_sum(
        projected, latent, weight_edge, mlp.layers[1].weight, mlp.layers[1].bias, sender, receiver
    )
    got = torch.autograd.grad(total.square().sum(), parameters)
    messages = mlp(torch.cat([nodes[table[:, 0]], latent], dim=1))
    expected_total = torch.zeros_like(nodes).index_add(0, table[:, 1], messages)
    expected = torch.autograd.grad(expected_total.square().sum(), parameters)
    torch.testing.assert_close(total, expected_total, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_message_sum_twice_is_equal_to_the_bit(kernels: ModuleType, device: str) -> None:
    tensors, between = inputs(device, 20, WIDTHS[0], 70), ends(device, 20, 70)
    first, second = (with_gradients(kernels.message_sum, tensors, between) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("nodes", [0, 1, 4])
def test_no_edges(kernels: ModuleType, device: str, nodes: int) -> None:
    empty = torch.zeros(0, dtype=torch.int64, device=device)
    between = (make_segments(empty, nodes), make_segments(empty, nodes))
    total, *gradients = with_gradients(kernels.message_sum, inputs(device, nodes, WIDTHS[0], 0), between)
    assert torch.equal(total, torch.zeros(nodes, WIDTHS[0][2], device=device))
    assert len(gradients) == 5
    assert all(not gradient.any() for gradient in gradients)


def test_one_node(kernels: ModuleType, device: str) -> None:
    check(kernels, inputs(device, 1, WIDTHS[0], 3), ends(device, 1, 3))


def test_a_receiver_of_very_many_edges(kernels: ModuleType, device: str) -> None:
    zeros = torch.zeros(300, dtype=torch.int64, device=device)
    sender, _ = ends(device, 3, 300)
    tensors = inputs(device, 3, WIDTHS[0], 300)
    total = kernels.message_sum(*tensors, sender, make_segments(zeros, 3, is_sorted=True))
    expected = plain(*(tensor.double() for tensor in tensors), sender, make_segments(zeros, 3, is_sorted=True))
    torch.testing.assert_close(total.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("both", [True, False])
def test_message_passing_as_a_whole(device: str, both: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = TimeAwareMessagePassing(
        edge_update=MLP([48, 24, 8]),
        from_earlier=MLP([24, 20, 16]),
        from_later=MLP([24, 20, 16]),
        node_update=MLP([48, 16]),
        num_steps=2,
        both_directions=both,
        reattach_nodes=True,
    ).to(device)
    sender, receiver = ends(device, 9, 30)
    found = []
    for backend in ("torch", "triton"):
        monkeypatch.setenv(segment.VARIABLE, backend)
        nodes = torch.rand(9, 16, generator=torch.Generator().manual_seed(1)).to(device).requires_grad_()
        edges = torch.rand(30, 8, generator=torch.Generator().manual_seed(2)).to(device).requires_grad_()
        history, last = net(nodes, edges, sender, receiver)
        (history[-1].sum() + last.square().sum()).backward()
        found.append((history[-1], last, nodes.grad, edges.grad))
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)


def test_nan_is_not_hidden(kernels: ModuleType, device: str) -> None:
    tensors, between = inputs(device, 4, WIDTHS[0], 10), ends(device, 4, 10)
    tensors[1][0, 0] = torch.nan
    total = kernels.message_sum(*tensors, *between)
    assert total[between[1].index[0]].isnan().all()
