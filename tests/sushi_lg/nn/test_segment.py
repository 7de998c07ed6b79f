"""Every backend against index_add, which knows nothing of sorting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sushi_lg.errors import ConfigError
from sushi_lg.nn import segment
from sushi_lg.nn.segment import BACKENDS, available_backends, gather, prepared_sum, segment_sum
from sushi_lg.nn.structures import Segments, make_segments

CPU = torch.device("cpu")
CASES = {"usual": (300, 40, 7), "long segments": (500, 2, 33), "one row": (1, 3, 4), "no rows": (0, 5, 4)}


def case(name: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, int]:
    rows, segments, width = CASES[name]
    generator = torch.Generator().manual_seed(rows)
    # The upper half of the segments stays empty.
    index = torch.randint(0, max(segments // 2, 1), (rows,), generator=generator)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64).to(dtype), index, segments


def plain(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    return values.new_zeros(num_segments, values.shape[1]).index_add(0, index, values)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_sum(backend: str, name: str) -> None:
    if backend not in available_backends(CPU):
        pytest.skip(f"{backend} does not run here")
    values, index, count = case(name)
    torch.testing.assert_close(segment_sum(values, make_segments(index, count), backend), plain(values, index, count))
    ascending = index.sort().values
    segments = make_segments(ascending, count, is_sorted=True)
    assert segments.order is None
    torch.testing.assert_close(segment_sum(values, segments, backend), plain(values, ascending, count))


def test_sums_without_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    values, index, count = case("usual")
    torch.testing.assert_close(segment_sum(values, make_segments(index, count)), plain(values, index, count))


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_rows(backend: str) -> None:
    if backend not in available_backends(CPU):
        pytest.skip(f"{backend} does not run here")
    values, index, count = case("usual")
    found = segment_sum(values.bfloat16(), make_segments(index, count), backend)
    expected = plain(values, index, count)
    assert found.dtype == torch.bfloat16
    assert float((found.float() - expected).norm() / expected.norm()) < 1e-2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_prepared_sums(backend: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend not in available_backends(CPU):
        pytest.skip(f"{backend} does not run here")
    monkeypatch.setenv("SUSHI_LG_SEGMENT", backend)
    values, index, count = case("usual", dtype)
    total = prepared_sum(make_segments(index, count), values)
    wide = values.to(torch.float64 if dtype == torch.float64 else torch.float32)
    for factor in (1, -2):
        found = total(values * factor)
        assert found.dtype == wide.dtype
        torch.testing.assert_close(found, plain(wide * factor, index, count))


def test_bfloat16_rows_are_summed_in_float32() -> None:
    ones = torch.ones(1000, 1, dtype=torch.bfloat16)  # adding 1 to 256 changes nothing in bfloat16
    total = segment_sum(ones, make_segments(torch.zeros(1000, dtype=torch.int64), 1))
    assert total.dtype == torch.bfloat16 and total.item() == 1000


@pytest.mark.parametrize("operation", [segment_sum, gather])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_gradients(operation: Callable[..., Tensor], is_sorted: bool) -> None:
    values, index, count = case("usual", torch.float64)
    segments = make_segments(index.sort().values if is_sorted else index, count, is_sorted=is_sorted)
    given = values[:20] if operation is segment_sum else values[:count]
    if operation is segment_sum:
        segments = make_segments(segments.index[:20], count)
    assert torch.autograd.gradcheck(lambda x: operation(x, segments), (given.clone().requires_grad_(),))


def test_gather_takes_rows() -> None:
    values, index, count = case("usual")
    nodes = values[:count]
    assert torch.equal(gather(nodes, make_segments(index, count)), nodes[index])


def test_the_same_rows_give_the_same_bits_again() -> None:
    values, index, count = case("long segments")
    segments = make_segments(index, count)
    assert torch.equal(segment_sum(values, segments), segment_sum(values, segments))


def test_a_backend_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    values, index, count = case("usual")
    segments: Segments = make_segments(index, count)
    with pytest.raises(ConfigError, match="'cub' is unknown"):
        segment_sum(values, segments, "cub")
    monkeypatch.setattr(segment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="torch_scatter is not installed"):
        segment_sum(values, segments, "torch_scatter")
    monkeypatch.setenv("SUSHI_LG_SEGMENT", "triton")
    with pytest.raises(ConfigError, match=r"triton is not installed.*\n.*SUSHI_LG_SEGMENT=torch"):
        segment_sum(values, segments)
