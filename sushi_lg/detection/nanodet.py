"""NanoDet from ONNX files with class and distance heads apart.

Each place of a grid says how likely each class is, and for each of its four sides a distribution over whole strides,
whose mean is the distance (generalised focal loss, arXiv:2006.04388).

Shapes: B pictures, A places of all strides together, R bins of a distribution.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.models import ModelCard, file_sha256
from sushi_lg.detection.boxes import BoxSettings, Fitted, best_boxes, prepare
from sushi_lg.detection.classes import class_index, detector_name
from sushi_lg.detection.onnx_network import Network, OnnxNetwork, refuse_channels_last
from sushi_lg.detection.protocol import FrameBoxes
from sushi_lg.errors import WeightsError

_BATCH = 4
_CLASS_HEAD = re.compile(r"cls_pred_stride_(\d+)")


class Nanodet:
    """A NanoDet detector; see the protocol.

    Args:
        card: What the file is; says size, mean and std.
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
        if card.input is None or card.input.size is None:
            raise WeightsError(f"{card.name}: its card has no input.size", "write input: with size, mean and std")
        refuse_channels_last(card.name, card.input.layout)
        self.settings = settings or BoxSettings()
        self.name = detector_name(card, path, self.settings.wanted)
        self._path = path
        self._input = card.input
        self._size = card.input.size
        self._network: Network = network or OnnxNetwork(path, device, threads)
        self._device = device.partition(":")[0]
        shapes = self._network.output_shapes
        self._strides = sorted(int(m[1]) for m in map(_CLASS_HEAD.fullmatch, shapes) if m)
        if not self._strides or any(f"dis_pred_stride_{stride}" not in shapes for stride in self._strides):
            raise WeightsError(
                f"{path}: outputs {', '.join(shapes)}; needed are cls_pred_stride_S and dis_pred_stride_S",
                "give a NanoDet file exported with class and distance heads apart",
            )
        classes = shapes[f"cls_pred_stride_{self._strides[0]}"][-1]
        self._class = class_index(self.settings.wanted, card.classes, classes or 0, str(path))
        self.batch_size = self._network.input_shape[0] or _BATCH
        self.parallel = device == "cpu" and threads == 1

    def fingerprint(self) -> str:
        """Return a digest of the file, the thresholds, the class, the input and the kind of device."""
        facts = ("nanodet 2", file_sha256(self._path), self.settings, self._class, self._input, self._device)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def prepare(self, picture: NDArray[np.uint8]) -> Fitted:
        """Return the (H, W, 3) picture in the network's rectangle, normalised."""
        return prepare(picture, self._size, self._input)

    def detect(self, prepared: Sequence[Fitted]) -> list[FrameBoxes]:
        """Return the boxes of each prepared picture."""
        if not prepared:
            return []
        raw = self._network.run(np.stack([one.pixels for one in prepared]).astype(np.float32, copy=False))
        return [self._boxes({name: value[i] for name, value in raw.items()}, one) for i, one in enumerate(prepared)]

    def _boxes(self, raw: dict[str, NDArray[np.float32]], fitted: Fitted) -> FrameBoxes:
        boxes, scores = [], []
        for stride in self._strides:
            score = raw[f"cls_pred_stride_{stride}"][:, self._class]
            strong = np.flatnonzero(score >= self.settings.min_score)
            columns = -(-self._size[1] // stride)
            boxes.append(decode(raw[f"dis_pred_stride_{stride}"][strong], strong, columns, stride))
            scores.append(score[strong])
        return best_boxes(np.concatenate(boxes), np.concatenate(scores), fitted, self.settings.max_iou)


def decode(
    distribution: NDArray[np.float32], place: NDArray[np.int64], columns: int, stride: int
) -> NDArray[np.float32]:
    """Return (A, 4) left, top, right, bottom in pixels of the network's input.

    Args:
        distribution: (A, 4 R) logits of the distances to left, top, right and bottom being 0 .. R-1 strides.
        place: (A,) number in the grid, row by row.
        columns: Of the grid.
        stride: Pixels.
    """
    logits = distribution.reshape(len(place), 4, distribution.shape[1] // 4)
    weight = np.exp(logits - logits.max(axis=2, keepdims=True, initial=-np.inf))
    weight /= weight.sum(axis=2, keepdims=True)
    distance = (weight @ np.arange(logits.shape[2], dtype=np.float32)) * stride  # (A, 4)
    centre = (np.stack([place % columns, place // columns], axis=1) + 0.5) * stride
    return np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1).astype(np.float32)
