"""Reductions over segments: sums of the edges that meet in one node, and their mirror image, gathering.

Edges are sorted once per graph, by the later and by the earlier node; all message-passing steps then sum runs of rows.
Every backend sums a segment in the order of its rows, without atomic additions, so a result does not change from run
to run. Sums are kept in float32 (float64 for float64 input), also where the rows are bfloat16.

Shapes: E rows (edges), N segments (nodes), F features.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sushi_lg.errors import ConfigError
from sushi_lg.nn.structures import Segments

BACKENDS = ("torch", "triton", "torch_scatter")
VARIABLE = "SUSHI_LG_SEGMENT"
"""Environment variable that chooses a backend; without it ``default_backend`` decides."""


def segment_sum(values: Tensor, segments: Segments, backend: str | None = None) -> Tensor:
    """Sum rows that share a segment; differentiable.

    Args:
        values: (E, F).
        segments: of the E rows; segments without rows give 0.
        backend: one of ``BACKENDS``; None = ``default_backend``.

    Returns:
        (N, F) of the dtype of ``values``.

    Raises:
        ConfigError: the backend is unknown, not installed or not made for this device.
    """
    total: Tensor = _SegmentSum.apply(values, segments, backend)
    return total


def prepared_sum(segments: Segments, like: Tensor) -> Callable[[Tensor], Tensor]:
    """Return ``segment_sum`` for sums that are taken many times, without gradients: what can be is done once.

    Args:
        segments: of the rows.
        like: says dtype and device; sums of bfloat16 rows are float32.
    """
    wide = like.dtype if like.dtype == torch.float64 else torch.float32
    if default_backend(like.device) != "torch" or like.device.type != "cpu" or not torch.backends.mkl.is_available():
        return lambda values: _sum(values.to(wide), segments, None)
    matrix = segments.summing_matrix(wide)
    return lambda values: matrix @ values.to(wide)


def gather(values: Tensor, segments: Segments, backend: str | None = None) -> Tensor:
    """Return (E, F) rows ``values[segments.index]``; its gradient is a segment sum instead of scattered additions.

    Args:
        values: (N, F).
        segments: E rows of N segments.
        backend: of the backward pass, see ``segment_sum``.
    """
    rows: Tensor = _Gather.apply(values, segments, backend)
    return rows


def default_backend(device: torch.device) -> str:
    """Return the backend that measured fastest on this kind of device.

    On a CPU that is ``torch`` (products with a sparse matrix of ones; see benchmarks/README.md). CUDA takes the same
    name until a measurement on a GPU says otherwise; ``SUSHI_LG_SEGMENT`` chooses.
    """
    return os.environ.get(VARIABLE) or "torch"


def available_backends(device: torch.device) -> list[str]:
    """Return the backends that would run on this device."""
    return [name for name in BACKENDS if _why_not(name, device) is None]


def _why_not(backend: str, device: torch.device) -> str | None:
    if backend == "torch":
        return None
    package = {"triton": "triton", "torch_scatter": "torch_scatter"}[backend]
    if importlib.util.find_spec(package) is None:
        return f"the package {package} is not installed"
    if backend == "triton" and device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"Triton compiles for CUDA, the data are on {device.type} (TRITON_INTERPRET=1 interprets, for tests)"
    return None


def _sum(values: Tensor, segments: Segments, backend: str | None) -> Tensor:
    name = backend or default_backend(values.device)
    if name not in BACKENDS:
        raise ConfigError(f"segment backend {name!r} is unknown", f"one of {', '.join(BACKENDS)}")
    reason = _why_not(name, values.device)
    if reason is not None:
        raise ConfigError(f"segment backend {name}: {reason}", f"choose another one with {VARIABLE}=torch")
    if len(segments.index) == 0 or values.shape[1] == 0:
        return values.new_zeros(segments.num_segments, values.shape[1])
    wide = values if values.dtype == torch.float64 else values.to(torch.float32)
    with torch.autocast(values.device.type, enabled=False):  # it would turn the product back to bfloat16
        return _FUNCTIONS[name](wide, segments).to(values.dtype)


def _sum_torch(values: Tensor, segments: Segments) -> Tensor:
    if values.device.type == "cpu" and torch.backends.mkl.is_available():
        total: Tensor = segments.summing_matrix(values.dtype) @ values
        return total
    if values.device.type == "cuda":
        ordered = values if segments.order is None else values[segments.order]
        return torch.segment_reduce(ordered, "sum", offsets=segments.start, axis=0, unsafe=True, initial=0.0)
    return values.new_zeros(segments.num_segments, values.shape[1]).index_add(0, segments.index, values)


def _sum_triton(values: Tensor, segments: Segments) -> Tensor:
    from sushi_lg.nn.triton_kernels import segment_sum as kernel

    return kernel(values, segments.order, segments.start)


def _sum_torch_scatter(values: Tensor, segments: Segments) -> Tensor:
    from torch_scatter import segment_csr

    ordered = values if segments.order is None else values[segments.order]
    total: Tensor = segment_csr(ordered, segments.start, reduce="sum")
    return total


_FUNCTIONS: dict[str, Callable[[Tensor, Segments], Tensor]] = {
    "torch": _sum_torch,
    "triton": _sum_triton,
    "torch_scatter": _sum_torch_scatter,
}


class _SegmentSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments, backend: str | None) -> Tensor:  # noqa: ANN401
        ctx.segments, ctx.backend = segments, backend
        return _sum(values, segments, backend)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return gather(gradient, ctx.segments, ctx.backend), None, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments, backend: str | None) -> Tensor:  # noqa: ANN401
        ctx.segments, ctx.backend = segments, backend
        return values.index_select(0, segments.index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return segment_sum(gradient, ctx.segments, ctx.backend), None, None
