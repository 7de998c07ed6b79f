"""Triton kernels: sums over segments, and messages that are computed and summed without being stored.

Checked in interpreter mode, and compiled for compute capabilities 8.0 and 9.0; not yet run or timed on a GPU.

No kernel adds atomically: every program owns its rows of the result and adds in a fixed order, so that two runs on the
same device are equal to the bit. Dots of float32 use full float32 products (no TF32).

Shapes: N nodes (segments), E edges (rows), F features, H hidden width, W edge width, X node width. Triton works on
powers of two; tiles are padded with zeros, which ReLU and sums leave at zero.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from sushi_lg.errors import ConfigError
from sushi_lg.nn.structures import Segments

_ROWS = 16
"""Rows of a segment that are loaded together; most nodes have few more edges than that."""
_FEATURES = 128
"""Features a program sums at most."""
_NODES = 16
"""Nodes one program of the fused forward pass sums; they share one load of the weights. 16 is the least a dot takes."""
_EDGES = {torch.float32: 16, torch.bfloat16: 32, torch.float16: 32}
"""Edges that pass through the two layers together; without tensor cores more than 16 do not fit into registers."""
_LAUNCH = {"num_warps": 8, "num_stages": 1}
"""Of the fused kernels: with fewer warps they spill registers, with more stages they outgrow shared memory.

As set, the widest layers (H 128, W and X 64) take 84 KiB of shared memory, and in float32 still spill 1 to 3 KiB a
thread."""
_PARTS = 256
"""Partial sums of a weight gradient. A constant, not the number of multiprocessors, so that devices add alike."""


@triton.jit
def _load_rows(table: tl.tensor, row: tl.tensor, exists: tl.tensor, WIDTH: tl.constexpr, BLOCK: tl.constexpr):  # noqa: ANN202
    """Load rows of a contiguous (…, WIDTH) table, padded with zeros to BLOCK columns."""
    column = tl.arange(0, BLOCK)
    # 64-bit offsets: a clip can have more than 2^31 / WIDTH edges
    offset = row[:, None].to(tl.int64) * WIDTH + column[None, :]
    return tl.load(table + offset, mask=exists[:, None] & (column < WIDTH)[None, :], other=0.0)


@triton.jit
def _store_rows(  # noqa: ANN202
    table: tl.tensor, row: tl.tensor, exists: tl.tensor, values: tl.tensor, WIDTH: tl.constexpr, BLOCK: tl.constexpr
):
    column = tl.arange(0, BLOCK)
    offset = row[:, None].to(tl.int64) * WIDTH + column[None, :]
    tl.store(table + offset, values, mask=exists[:, None] & (column < WIDTH)[None, :])


@triton.jit
def _row_at(order: tl.tensor, position: tl.tensor, exists: tl.tensor):  # noqa: ANN202
    if order is None:
        row = position
    else:
        row = tl.load(order + position, mask=exists, other=0)
    return row


@triton.jit
def _relu(values: tl.tensor):  # noqa: ANN202
    # not a maximum: like torch's ReLU this lets NaN through
    return tl.where(values < 0, 0.0, values)


@triton.jit
def _segment_sum_kernel(
    values: tl.tensor,
    order: tl.tensor,
    start: tl.tensor,
    total: tl.tensor,
    F: tl.constexpr,
    ROWS: tl.constexpr,
    FEATURES: tl.constexpr,
) -> None:
    """Program (n, f): one segment, one block of features."""
    segment = tl.program_id(0).to(tl.int64)
    feature = tl.program_id(1) * FEATURES + tl.arange(0, FEATURES)
    first = tl.load(start + segment)
    last = tl.load(start + segment + 1)
    added = tl.zeros((FEATURES,), dtype=total.dtype.element_ty)
    for begin in range(first, last, ROWS):
        position = begin + tl.arange(0, ROWS)
        exists = position < last
        row = _row_at(order, position, exists)
        tile = tl.load(
            values + row[:, None] * F + feature[None, :], mask=exists[:, None] & (feature < F)[None, :], other=0.0
        )
        added += tl.sum(tile, axis=0)
    tl.store(total + segment * F + feature, added, mask=feature < F)


@triton.jit
def _load_weights(  # noqa: ANN202
    weight_edge: tl.tensor,
    weight_out: tl.tensor,
    bias_out: tl.tensor,
    H: tl.constexpr,
    W: tl.constexpr,
    X: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    BLOCK_X: tl.constexpr,
    DOT: tl.constexpr,
):
    row_h, row_x = tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_X)
    loaded_edge = _load_rows(weight_edge, row_h, row_h < H, W, BLOCK_W).to(DOT)
    loaded_out = _load_rows(weight_out, row_x, row_x < X, H, BLOCK_H).to(DOT)
    loaded_bias = tl.load(bias_out + row_x, mask=row_x < X, other=0.0).to(tl.float32)
    return loaded_edge, loaded_out, loaded_bias


@triton.jit
def _messages(  # noqa: ANN202
    projected: tl.tensor,
    latent: tl.tensor,
    sender: tl.tensor,
    edge: tl.tensor,
    exists: tl.tensor,
    w_edge: tl.tensor,
    w_out: tl.tensor,
    bias: tl.tensor,
    H: tl.constexpr,
    W: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    DOT: tl.constexpr,
):
    """Return latent, hidden layer and message of a tile of edges; both passes compute them by the same operations."""
    node = tl.load(sender + edge, mask=exists, other=0)
    rows = _load_rows(latent, edge, exists, W, BLOCK_W)
    hidden = _load_rows(projected, node, exists, H, BLOCK_H).to(tl.float32)
    hidden = _relu(tl.dot(rows.to(DOT), tl.trans(w_edge), hidden, input_precision="ieee"))
    hidden = hidden.to(rows.dtype)  # the precision in which plain layers would hand it on
    message = tl.dot(hidden.to(DOT), tl.trans(w_out), input_precision="ieee")
    return rows, hidden, _relu(message + bias[None, :])


@triton.jit
def _forward_kernel(
    projected: tl.tensor,
    latent: tl.tensor,
    weight_edge: tl.tensor,
    weight_out: tl.tensor,
    bias_out: tl.tensor,
    sender: tl.tensor,
    order: tl.tensor,
    start: tl.tensor,
    total: tl.tensor,
    num_nodes: tl.tensor,
    H: tl.constexpr,
    W: tl.constexpr,
    X: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    BLOCK_X: tl.constexpr,
    NODES: tl.constexpr,
    EDGES: tl.constexpr,
    DOT: tl.constexpr,
) -> None:
    """Program n: the n-th NODES receivers.

    Their edges stand side by side in receiver order, so tiles may cross from one receiver to the next and are full even
    where nodes have few edges.
    """
    node = tl.program_id(0) * NODES + tl.arange(0, NODES)
    is_node = node < num_nodes
    first = tl.load(start + node, mask=is_node, other=0)
    last = tl.load(start + node + 1, mask=is_node, other=0)
    end = tl.load(start + tl.minimum((tl.program_id(0) + 1) * NODES, num_nodes))

    w_edge, w_out, bias = _load_weights(weight_edge, weight_out, bias_out, H, W, X, BLOCK_H, BLOCK_W, BLOCK_X, DOT)

    added = tl.zeros((NODES, BLOCK_X), dtype=tl.float32)
    for begin in range(tl.load(start + tl.program_id(0) * NODES), end, EDGES):
        position = begin + tl.arange(0, EDGES)
        exists = position < end
        edge = _row_at(order, position, exists)
        _, _, message = _messages(
            projected, latent, sender, edge, exists, w_edge, w_out, bias, H, W, BLOCK_H, BLOCK_W, DOT
        )
        # Summing per node is a product with zeros and ones: no branches, no atomics, a fixed order.
        belongs = (position[None, :] >= first[:, None]) & (position[None, :] < last[:, None])
        added = tl.dot(belongs.to(tl.float32), message, added, input_precision="ieee")
    _store_rows(total, node, is_node, added, X, BLOCK_X)


@triton.jit
def _backward_kernel(
    projected: tl.tensor,
    latent: tl.tensor,
    weight_edge: tl.tensor,
    weight_out: tl.tensor,
    bias_out: tl.tensor,
    sender: tl.tensor,
    receiver: tl.tensor,
    order: tl.tensor,
    d_total: tl.tensor,
    d_hidden: tl.tensor,
    d_latent: tl.tensor,
    d_weight_edge: tl.tensor,
    d_weight_out: tl.tensor,
    d_bias_out: tl.tensor,
    num_edges: tl.tensor,
    tiles: tl.tensor,
    H: tl.constexpr,
    W: tl.constexpr,
    X: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    BLOCK_X: tl.constexpr,
    EDGES: tl.constexpr,
    DOT: tl.constexpr,
) -> None:
    """Program p: the p-th run of ``tiles`` tiles of edges, and its own part of the weight gradients.

    Receiver order here too: neighbours then read the same rows of ``d_total``.
    """
    w_edge, w_out, bias = _load_weights(weight_edge, weight_out, bias_out, H, W, X, BLOCK_H, BLOCK_W, BLOCK_X, DOT)

    part = tl.program_id(0).to(tl.int64)
    added_edge = tl.zeros((BLOCK_H, BLOCK_W), dtype=tl.float32)
    added_out = tl.zeros((BLOCK_X, BLOCK_H), dtype=tl.float32)
    added_bias = tl.zeros((BLOCK_X,), dtype=tl.float32)
    begin = part * tiles * EDGES
    end = tl.minimum(begin + tiles * EDGES, num_edges)
    for tile in range(begin, end, EDGES):
        position = tile + tl.arange(0, EDGES)
        exists = position < end
        edge = _row_at(order, position, exists)
        rows, hidden, message = _messages(
            projected, latent, sender, edge, exists, w_edge, w_out, bias, H, W, BLOCK_H, BLOCK_W, DOT
        )
        # Rows past the end receive no gradient, so they add nothing to the weights.
        node = tl.load(receiver + edge, mask=exists, other=0)
        d_message = _load_rows(d_total, node, exists, X, BLOCK_X).to(tl.float32)
        d_message = tl.where(message > 0, d_message, 0.0)
        added_bias += tl.sum(d_message, axis=0)
        d_message = d_message.to(rows.dtype).to(DOT)
        added_out = tl.dot(tl.trans(d_message), hidden.to(DOT), added_out, input_precision="ieee")
        d_pre = tl.where(hidden > 0, tl.dot(d_message, w_out, input_precision="ieee"), 0.0)
        _store_rows(d_hidden, edge, exists, d_pre, H, BLOCK_H)
        d_pre = d_pre.to(rows.dtype).to(DOT)
        added_edge = tl.dot(tl.trans(d_pre), rows.to(DOT), added_edge, input_precision="ieee")
        _store_rows(d_latent, edge, exists, tl.dot(d_pre, w_edge, input_precision="ieee"), W, BLOCK_W)
    row_h, row_x = tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_X)
    _store_rows(d_weight_edge, part * H + row_h, row_h < H, added_edge, W, BLOCK_W)
    _store_rows(d_weight_out, part * X + row_x, row_x < X, added_out, H, BLOCK_H)
    tl.store(d_bias_out + part * X + row_x, added_bias, mask=row_x < X)


_INTERPRETED = not isinstance(_segment_sum_kernel, triton.JITFunction)
"""Triton reads ``TRITON_INTERPRET`` when a kernel is defined; later changes of the variable have no effect."""

_TYPES = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}


def segment_sum(values: Tensor, order: Tensor | None, start: Tensor) -> Tensor:
    """Sum rows per segment, ascending in tiles of a few rows; not differentiable by itself.

    Args:
        values: (E, F) float32 or float64.
        order: (E,) int64, rows sorted by segment; None where they already are.
        start: (N + 1,) int64, segment n holds rows ``order[start[n]:start[n + 1]]``.

    Returns:
        (N, F) of the dtype of ``values``; segments without rows give 0.

    Raises:
        ConfigError: the data are on a device Triton does not compile for.
    """
    assert values.dtype in (torch.float32, torch.float64), values.dtype
    _require_device(values)
    num_rows, width = values.shape
    num_segments = len(start) - 1
    if num_rows == 0 or num_segments == 0 or width == 0:
        return values.new_zeros(num_segments, width)
    total = values.new_empty(num_segments, width)
    features = min(triton.next_power_of_2(width), _FEATURES)
    with torch.cuda.device_of(values):
        _segment_sum_kernel[(num_segments, triton.cdiv(width, features))](
            values.contiguous(), *_row_numbers(order, start), total, F=width, ROWS=_ROWS, FEATURES=features
        )
    return total


def message_sum(
    projected: Tensor,
    latent: Tensor,
    weight_edge: Tensor,
    weight_out: Tensor,
    bias_out: Tensor,
    sender: Segments,
    receiver: Segments,
) -> Tensor:
    """Compute the message of every edge and sum messages per receiver; differentiable once, in all tensors.

    The message of edge e is ``relu(weight_out @ relu(projected[sender of e] + weight_edge @ latent[e]) + bias_out)``.
    Neither hidden layers nor messages are stored; the backward pass computes them again and stores one (E, H) float32.
    Products take the precision of ``latent``, sums are kept in float32. A NaN can reach up to 15 receivers beside its
    own.

    Args:
        projected: (N, H) nodes after their part of the first layer, its bias included.
        latent: (E, W) float32, bfloat16 or float16.
        weight_edge: (H, W) the edges' part of the first layer.
        weight_out: (X, H).
        bias_out: (X,).
        sender: of the E edges, among N nodes.
        receiver: of the E edges; its number of nodes may differ.

    Returns:
        (number of receivers, X) of the dtype of ``latent``; nodes that receive nothing get 0.

    Raises:
        ConfigError: the data are on a device Triton does not compile for.
    """
    assert latent.dtype in _TYPES, latent.dtype
    (num_nodes, hidden_width), (num_edges, edge_width) = projected.shape, latent.shape
    assert weight_edge.shape == (hidden_width, edge_width), weight_edge.shape
    assert weight_out.shape == (len(bias_out), hidden_width), weight_out.shape
    assert sender.num_segments == num_nodes, (sender.num_segments, num_nodes)
    assert len(sender.index) == len(receiver.index) == num_edges, (len(sender.index), len(receiver.index), num_edges)
    _require_device(latent)
    total: Tensor = _MessageSum.apply(
        projected.contiguous(),
        latent.contiguous(),
        weight_edge.to(latent.dtype).contiguous(),
        weight_out.to(latent.dtype).contiguous(),
        bias_out.contiguous(),
        sender,
        receiver,
    )
    return total


class _MessageSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        projected: Tensor,
        latent: Tensor,
        weight_edge: Tensor,
        weight_out: Tensor,
        bias_out: Tensor,
        sender: Segments,
        receiver: Segments,
    ) -> Tensor:
        inputs = (projected, latent, weight_edge, weight_out, bias_out)
        ctx.save_for_backward(*inputs)
        ctx.sender, ctx.receiver = sender, receiver
        num_nodes = receiver.num_segments
        if len(latent) == 0:
            return latent.new_zeros(num_nodes, len(bias_out))
        total = latent.new_empty(num_nodes, len(bias_out))
        with torch.cuda.device_of(latent):
            _forward_kernel[(triton.cdiv(num_nodes, _NODES),)](
                *inputs,
                *_row_numbers(sender.index, receiver.order, receiver.start),
                total,
                num_nodes,
                NODES=_NODES,
                **_tiling(*inputs),
            )
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_total: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        inputs = ctx.saved_tensors
        projected, latent, weight_edge, weight_out, bias_out = inputs
        sender, receiver = ctx.sender, ctx.receiver
        if len(latent) == 0:
            return (*map(torch.zeros_like, inputs), None, None)
        edges_per_tile = _EDGES[latent.dtype]
        tiles = triton.cdiv(triton.cdiv(len(latent), edges_per_tile), _PARTS)
        parts = triton.cdiv(len(latent), tiles * edges_per_tile)
        d_hidden = latent.new_empty(len(latent), projected.shape[1], dtype=torch.float32)
        d_latent = torch.empty_like(latent)
        weights = (weight_edge, weight_out, bias_out)
        d_weights = [latent.new_empty(parts, *weight.shape, dtype=torch.float32) for weight in weights]
        with torch.cuda.device_of(latent):
            _backward_kernel[(parts,)](
                *inputs,
                *_row_numbers(sender.index, receiver.index, receiver.order),
                d_total.contiguous(),
                d_hidden,
                d_latent,
                *d_weights,
                len(latent),
                tiles,
                **_tiling(*inputs),
            )
        d_projected = segment_sum(d_hidden, sender.order, sender.start).to(projected.dtype)
        d_edge, d_out, d_bias = (
            partial.sum(dim=0).to(weight.dtype) for partial, weight in zip(d_weights, weights, strict=True)
        )
        return d_projected, d_latent, d_edge, d_out, d_bias, None, None


def _row_numbers(*columns: Tensor | None) -> list[Tensor | None]:
    """Make steps of one: ``index`` may be a column of a table of edges, and kernels take no strides."""
    return [None if column is None else column.contiguous() for column in columns]


def _tiling(
    projected: Tensor, latent: Tensor, weight_edge: Tensor, weight_out: Tensor, bias_out: Tensor
) -> dict[str, Any]:
    widths = {"H": projected.shape[1], "W": latent.shape[1], "X": len(bias_out)}
    # a dot takes no side below 16
    blocks = {f"BLOCK_{name}": max(16, triton.next_power_of_2(width)) for name, width in widths.items()}
    # The interpreter multiplies the bit patterns of bfloat16; float32 holds their products exactly.
    product = tl.float32 if _INTERPRETED else _TYPES[latent.dtype]
    return {**widths, **blocks, "EDGES": _EDGES[latent.dtype], "DOT": product, **_LAUNCH}


def _require_device(tensor: Tensor) -> None:
    if not (tensor.is_cuda or _INTERPRETED):
        raise ConfigError(
            f"Triton kernels: the data are on {tensor.device.type}, Triton compiles for CUDA",
            "choose another backend, or set TRITON_INTERPRET=1 before the start to interpret (slow, for tests)",
        )
