"""The pretended GPU refuses what a real one refuses, and counts what it is asked to count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pretend_gpu import GPU, HostMixedWithDevice, OnGpu, PretendedGpu, pretend_gpu
from torch import Tensor, nn

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real GPU")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda here, there: here + there,
        lambda here, there: torch.cat([here, there]),
        lambda here, there: there[torch.arange(2, device=GPU)],
        lambda here, there: here.numpy(),
        lambda here, there: np.asarray(here),
        lambda here, there: torch.where(here > 0, here, there),
        lambda here, there: here.index_add(0, torch.arange(3), here),
    ],
)
def test_host_and_device_do_not_mix(wrong: Callable[[Tensor, Tensor], object]) -> None:
    with pretend_gpu(), pytest.raises(HostMixedWithDevice):
        wrong(torch.ones(3).to(GPU), torch.ones(3))


def test_what_a_gpu_allows_works() -> None:
    with pretend_gpu():
        here = torch.arange(4.0, device=GPU)
        assert isinstance(here, OnGpu) and here.device == GPU and here.is_cuda
        assert (here + torch.tensor(2.0)).tolist() == [2, 3, 4, 5]
        here[1:] = 7
        assert here.cpu().numpy().tolist() == [0, 7, 7, 7] and here.to("cpu").device.type == "cpu"
        assert torch.zeros_like(here).device == here.new_zeros(2).device == torch.tensor([1], device=here.device).device
        assert float(here.sum()) == 21 and bool((here > 6).any()) and int(here.max()) == 7
        with torch.inference_mode():
            assert not (here[1:] * 2).requires_grad
    assert not torch.cuda.is_available()


def test_gradients_flow() -> None:
    layer, rows = nn.Linear(3, 2), torch.randn(5, 3)
    layer(rows).square().sum().backward()
    assert layer.weight.grad is not None
    want = layer.weight.grad.clone()
    layer.zero_grad()
    with pretend_gpu():
        layer.to(GPU)
        layer(rows.to(GPU)).square().sum().backward()
        assert isinstance(layer.weight.grad, OnGpu)
        torch.testing.assert_close(layer.weight.grad.cpu(), want)


def happened(work: Callable[[Tensor], object]) -> PretendedGpu:
    with pretend_gpu() as gpu:
        values = torch.linspace(0, 1, 8).to(GPU)
        gpu.waits.clear()
        work(values)
    return gpu


@pytest.mark.parametrize(
    ("work", "waits"),
    [
        (lambda values: values + 1, 0),
        (lambda values: torch.nonzero(values), 1),
        (lambda values: values[values > 0.5], 1),
        (lambda values: float(values[0]), 1),
        (lambda values: values.tolist(), 1),
        (lambda values: values.cpu(), 1),
        (lambda values: torch.tensor([values[0], values[1]]), 2),
        (lambda values: values[[0, 2]], 1),
        (lambda values: torch.ones(2).to(GPU), 1),
        (lambda values: torch.ones(2).to(GPU, non_blocking=True), 0),
        (lambda values: torch.repeat_interleave(values, torch.ones(8, dtype=torch.long, device=GPU)), 1),
        (lambda values: torch.zeros(3, device=GPU), 0),
    ],
)
def test_waits_are_counted(work: Callable[[Tensor], object], waits: int) -> None:
    assert happened(work).waits.total() == waits


@pytest.mark.parametrize(
    ("work", "is_unordered"),
    [
        (lambda values: values.cumsum(0), True),
        (lambda values: values.long().cumsum(0), False),
        (lambda values: values.index_add(0, torch.zeros(8, dtype=torch.long, device=GPU), values), True),
        (lambda values: values.scatter_reduce(0, torch.zeros(8, dtype=torch.long, device=GPU), values, "sum"), True),
        (lambda values: values.scatter_reduce(0, torch.zeros(8, dtype=torch.long, device=GPU), values, "amax"), False),
        (lambda values: values.sum(), False),
    ],
)
def test_sums_in_no_fixed_order_are_found(work: Callable[[Tensor], object], is_unordered: bool) -> None:
    assert bool(happened(work).unordered) == is_unordered


def test_memory_is_counted_until_it_is_let_go() -> None:
    with pretend_gpu() as gpu:
        kept = torch.zeros(1000, device=GPU)
        view = kept[10:]
        assert gpu.bytes == 4000
        other = torch.ones(500, device=GPU)
        assert gpu.bytes == gpu.peak_bytes == 6000
        del kept, other
        assert gpu.bytes == 4000 and len(view) == 990
        del view
        assert gpu.bytes == 0 and gpu.peak_bytes == 6000
