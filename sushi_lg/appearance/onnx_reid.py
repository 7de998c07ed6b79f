"""Re-identification networks in ONNX, as model cards describe them.

Shapes: K crops, h rows and w columns of pixels, D embedding width.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.crops import cut
from sushi_lg.data.models import ModelCard, file_sha256
from sushi_lg.detection.onnx_network import Network, OnnxNetwork
from sushi_lg.errors import WeightsError

_BATCH = 32
_VERSION = 1  # of the code around the network; raise it when the vectors change


class OnnxEmbedder:
    """A network that turns crops into vectors.

    Args:
        card: Its input (colour, mean and deviation, layout, size).
        path: The file.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: Of onnxruntime.
        network: What runs instead of the file, for tests.

    Raises:
        WeightsError: the file cannot be read, or does not eat and give what the card says.
    """

    def __init__(
        self, card: ModelCard, path: Path, *, device: str = "cpu", threads: int = 1, network: Network | None = None
    ) -> None:
        if card.input is None:
            raise WeightsError(f"{card.name}: the card does not say what goes in", "write 'input:' into it")
        if card.input.fit != "stretch":
            raise WeightsError(
                f"{card.name}: its card says fit: {card.input.fit}, but crops are stretched", "fit: stretch"
            )
        self.name = card.name
        self._input = card.input
        self._network = network or OnnxNetwork(path, device, threads)
        self._size = self._checked_size(path)
        shapes = list(self._network.output_shapes.values())
        width = shapes[0][1] if len(shapes) == 1 and len(shapes[0]) == 2 else None
        if width is None:
            outputs = ", ".join(f"{name} {list(shape)}" for name, shape in self._network.output_shapes.items())
            raise WeightsError(
                f"{path}: outputs {outputs}; one of (crops, width) is needed", "export the network again"
            )
        self.dim = width
        self.batch_size = self._network.input_shape[0] or _BATCH
        self.parallel = device == "cpu" and threads == 1
        self._fingerprint = _digest(card, path, self._size, device)

    def fingerprint(self) -> str:
        """Return a digest of the file and its card's input."""
        return self._fingerprint

    def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut boxes out of a (H, W, 3) picture, blue first: (K, h, w, 3)."""
        return cut(picture, boxes_xyxy, self._size)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, D) vectors as the network gives them, not of length one."""
        parts = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(crops), self.batch_size):
            batch = self._normalised(crops[start : start + self.batch_size])
            parts.extend(self._network.run(batch).values())
        return np.concatenate(parts)

    def _normalised(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = crops[..., ::-1] if self._input.colour == "RGB" else crops
        mean, std = (np.array(three, np.float32) for three in (self._input.mean, self._input.std))
        values = (pixels.astype(np.float32) - mean) / std
        return np.ascontiguousarray(values if self._input.layout == "NHWC" else values.transpose(0, 3, 1, 2))

    def _checked_size(self, path: Path) -> tuple[int, int]:
        shape = self._network.input_shape
        rows, channels = (1, 3) if self._input.layout == "NHWC" else (2, 1)
        height, width = self._input.size or (None, None)
        wanted = {0: None, channels: 3, rows: height, rows + 1: width}
        fits = len(shape) == 4 and all(shape[i] in (None, n) or n is None for i, n in wanted.items())
        if not fits:
            described = [wanted[i] if wanted[i] is not None else "any" for i in range(4)]
            raise WeightsError(
                f"{path}: input of shape {list(shape)}, the card of {self.name} says {described}",
                "correct the card's size and layout, or take the card that fits",
            )
        height, width = height or shape[rows], width or shape[rows + 1]
        if height is None or width is None:
            raise WeightsError(f"{path}: neither the file nor the card of {self.name} says a size", "write input.size")
        return height, width


def _digest(card: ModelCard, path: Path, size: tuple[int, int], device: str) -> str:
    settings = f"onnx {_VERSION} {file_sha256(path)} {card.input} {size} {device.partition(':')[0]}"
    return hashlib.sha256(settings.encode()).hexdigest()
