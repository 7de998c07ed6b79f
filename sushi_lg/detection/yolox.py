"""The YOLOX family from ONNX files that leave decoding to the reader (arXiv:2107.08430).

Shapes: B pictures, A places of the grids of all strides together, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.models import InputSpec, ModelCard, file_sha256
from sushi_lg.detection.boxes import BoxSettings, Fitted, best_boxes, prepare
from sushi_lg.detection.classes import class_index, detector_name
from sushi_lg.detection.onnx_network import Network, OnnxNetwork, refuse_channels_last
from sushi_lg.detection.protocol import FrameBoxes
from sushi_lg.errors import WeightsError

_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_INPUT = InputSpec(fit="letterbox")  # of a card that does not say
_BATCH = 4
_LARGEST_LOG_SIZE = 12.0  # exp(12) strides are wider than any picture


class Yolox:
    """A YOLOX detector; see the protocol.

    Args:
        card: What the file is; its input says colour, mean, std and fit, and the size where the file takes any.
        path: The ONNX file.
        settings: Thresholds and class.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: Of onnxruntime.
        network: Used in place of the file's.

    Raises:
        WeightsError: the file is no such network, or has no such class.
    """

    def __init__(
        self,
        card: ModelCard,
        path: Path,
        settings: BoxSettings | None = None,
        *,
        device: str = "cpu",
        threads: int = 1,
        network: Network | None = None,
    ) -> None:
        self.settings = settings or BoxSettings()
        self.name = detector_name(card, path, self.settings.wanted)
        self._path = path
        self._network: Network = network or OnnxNetwork(path, device, threads)
        self._input = card.input or _INPUT
        refuse_channels_last(card.name, self._input.layout)
        self._device = device.partition(":")[0]
        self.size = _input_size(self._network, card, path)
        self._output, width = _grid_output(self._network, path)
        self._cells, self._stride = grid_cells(self.size, self._network.output_shapes[self._output][1], path)
        self._class = class_index(self.settings.wanted, card.classes, width - 5, str(path))
        self.batch_size = self._network.input_shape[0] or _BATCH
        self.parallel = device == "cpu" and threads == 1

    def fingerprint(self) -> str:
        """Return a digest of the file, the thresholds, the class, the input and the kind of device."""
        weights = file_sha256(self._path)
        facts = ("yolox 2", weights, self.settings, self._class, self.size, self._input, self._device)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def prepare(self, picture: NDArray[np.uint8]) -> Fitted:
        """Return the (H, W, 3) picture in the network's rectangle, as the card says."""
        return prepare(picture, self.size, self._input)

    def detect(self, prepared: Sequence[Fitted]) -> list[FrameBoxes]:
        """Return the boxes of each prepared picture."""
        if not prepared:
            return []
        batch = np.stack([one.pixels for one in prepared]).astype(np.float32)
        raw = self._network.run(batch)[self._output]  # (B, A, 5 + C)
        found = []
        for values, fitted in zip(raw, prepared, strict=True):
            score = values[:, 4] * values[:, 5 + self._class]
            strong = score >= self.settings.min_score
            boxes = decode(values[strong, :4], self._cells[strong], self._stride[strong], self._path)
            found.append(best_boxes(boxes, score[strong], fitted, self.settings.max_iou))
        return found


def grid_cells(
    size: tuple[int, int], places: int | None, path: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return column and row of each place (A, 2) and its stride (A, 1), fine strides first, row by row.

    Args:
        size: Height and width of the network's input.
        places: A as the file says, or None.
        path: For the message.

    Raises:
        WeightsError: the file has another number of places than grids of strides 8, 16, 32 (and 64) give.
    """
    counts = _place_counts(size)
    if places is not None and places not in counts:
        raise WeightsError(
            f"{path}: {places} boxes for an input of {size[0]}x{size[1]}, YOLOX has {' or '.join(map(str, counts))}",
            "give a file of the YOLOX family, exported without selection in the network",
        )
    strides = _STRIDES[counts.index(places) if places is not None else 0]
    cells, stride_of = [], []
    for stride in strides:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        stride_of.append(np.full((rows.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(stride_of).astype(np.float32)


def _place_counts(size: tuple[int, int]) -> list[int]:
    """Return A for each choice of strides."""
    return [sum((size[0] // s) * (size[1] // s) for s in strides) for strides in _STRIDES]


def decode(
    raw: NDArray[np.float32], cells: NDArray[np.float32], stride: NDArray[np.float32], path: Path
) -> NDArray[np.float32]:
    """Return (A, 4) left, top, right, bottom in pixels of the network's input.

    Args:
        raw: (A, 4) centre as an offset from the cell and logarithm of the size, both in strides.
        cells: (A, 2) column and row.
        stride: (A, 1) pixels.
        path: For the message.

    Raises:
        WeightsError: sizes that only a file with decoding inside gives.
    """
    if raw.size and raw[:, 2:].max() > _LARGEST_LOG_SIZE:
        raise WeightsError(
            f"{path}: boxes of exp({raw[:, 2:].max():.0f}) strides; the network decodes its boxes itself",
            "export it without --decode_in_inference",
        )
    centre, half = (raw[:, :2] + cells) * stride, np.exp(raw[:, 2:]) * stride / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def looks_like_yolox(path: Path) -> bool:
    """Tell whether an ONNX file has the inputs and outputs of the family.

    Raises:
        WeightsError: onnxruntime cannot read it.
    """
    network = OnnxNetwork(path)
    try:
        _grid_output(network, path)
    except WeightsError:
        return False
    (height, width), places = network.input_shape[2:], next(iter(network.output_shapes.values()))[1]
    return height is None or width is None or places is None or places in _place_counts((height, width))


def _input_size(network: Network, card: ModelCard, path: Path) -> tuple[int, int]:
    shape = network.input_shape
    if len(shape) != 4 or shape[1] not in (3, None):
        raise WeightsError(f"{path}: input {shape}, YOLOX has (batch, 3, height, width)", "give a file of the family")
    if shape[2] is not None and shape[3] is not None:
        return shape[2], shape[3]
    if card.input is not None and card.input.size is not None:
        return card.input.size
    return 640, 640  # what all but the two smallest of the family were trained with


def _grid_output(network: Network, path: Path) -> tuple[str, int]:
    """Return the name of the one output and its width, 5 + C."""
    name, shape = next(iter(network.output_shapes.items()))
    width = shape[-1]
    if (
        len(network.output_shapes) != 1
        or len(shape) != 3
        or width is None
        or width < 6
        or len(network.input_shape) != 4
    ):
        raise WeightsError(
            f"{path}: outputs {network.output_shapes}, YOLOX has one of (batch, boxes, 5 + classes)",
            "give a file of the YOLOX family, exported without selection in the network",
        )
    return name, width
