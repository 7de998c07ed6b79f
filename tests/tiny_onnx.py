"""ONNX files of a few hundred bytes for tests, written by hand: the ``onnx`` package is not needed.

The numbers in the calls are the field numbers of onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Shape = Sequence[int | str]


def write_table_network(path: Path, table: NDArray[np.float32], input_shape: Shape, input_name: str = "images") -> None:
    """Write a network that answers each picture with ``table`` plus the mean of the picture's input.

    Args:
        path: Target.
        table: (rows, columns); the output is (batch, rows, columns).
        input_shape: Batch, channels, rows, columns; a string for any length.
        input_name: Of the input.
    """
    batch = input_shape[0]
    mean = _node("GlobalAveragePool", [input_name], "pooled")
    drop = _node("ReduceMean", ["pooled"], "mean", {"axes": [1], "keepdims": 0})  # (batch, 1, 1)
    add = _node("Add", ["table", "mean"], "output")
    value = table[None].astype("<f4")
    tensor = (
        b"".join(_number(1, n) for n in value.shape) + _number(2, 1) + _text(8, "table") + _bytes(9, value.tobytes())
    )
    graph = b"".join(_bytes(1, node) for node in (mean, drop, add)) + _text(2, "g") + _bytes(5, tensor)
    graph += _bytes(11, _value(input_name, input_shape)) + _bytes(12, _value("output", (batch, *table.shape)))
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)))


def _node(kind: str, inputs: list[str], output: str, attributes: dict[str, int | list[int]] | None = None) -> bytes:
    made = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)
    for name, value in (attributes or {}).items():
        if isinstance(value, list):
            made += _bytes(5, _text(1, name) + b"".join(_number(8, one) for one in value) + _number(20, 7))
        else:
            made += _bytes(5, _text(1, name) + _number(3, value) + _number(20, 2))
    return made


def _value(name: str, shape: Shape) -> bytes:
    dims = b"".join(_bytes(1, _number(1, n) if isinstance(n, int) else _text(2, n)) for n in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, dims)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += struct.pack("B", value & 127 | 128)
        value >>= 7
    return made + struct.pack("B", value)
