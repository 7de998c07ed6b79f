"""Backbones of timm: pooled features of any of its networks. Not made for re-identification; for comparisons.

Shapes: K crops, h rows and w columns of pixels, D embedding width.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.appearance.crops import Interpolation, cut
from sushi_lg.appearance.torch_runtime import batch_size, checked_device, embed_in_batches
from sushi_lg.errors import WeightsError

PREFIX = "timm:"
_VERSION = 1  # of the code around the network; raise it when the vectors change


class TimmEmbedder:
    """A network of timm with its head taken off.

    Args:
        spec: ``timm:NAME``, whose weights timm fetches from the hub or finds in its cache, or
            ``timm:NAME@FILE.safetensors``.
        device: ``cpu``, ``cuda`` or ``cuda:N``; on CUDA it computes in bfloat16.
        threads: of torch on the CPU, while it embeds.

    Raises:
        WeightsError: no timm, no such network (names the nearest), no weights, or no such device.
    """

    def __init__(self, spec: str, *, device: str = "cpu", threads: int = 1) -> None:
        model, _, file = spec.removeprefix(PREFIX).partition("@")
        self._device = checked_device(device)
        self._threads = threads
        network, self._settings = _create(model, Path(file).expanduser() if file else None)
        digest = hashlib.sha256(f"timm {_VERSION} {model} {self._settings} {self._device.type}".encode())
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
        self._fingerprint = digest.hexdigest()
        self._network = network.to(self._device)
        self._mean, self._std = (
            torch.tensor([255 * x for x in self._settings[key]], device=self._device).view(1, 3, 1, 1)
            for key in ("mean", "std")
        )
        self._size = tuple(self._settings["input_size"][1:])
        self.name = "timm_" + "".join(c if c.isalnum() or c in "._-" else "_" for c in model)
        self.dim = int(network.num_features)
        self.batch_size = batch_size(self._device)
        self.parallel = False  # torch has one setting of threads for the whole process

    def fingerprint(self) -> str:
        """Return a digest of weights and settings."""
        return self._fingerprint

    def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut boxes out of a (H, W, 3) picture, blue first: (K, h, w, 3)."""
        return cut(picture, boxes_xyxy, self._size, Interpolation.BICUBIC)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, D) pooled features, not of length one."""
        if not len(crops):
            return np.zeros((0, self.dim), np.float32)
        return embed_in_batches(self._features, crops, self._device, self._threads)

    def _features(self, pixels: Tensor) -> Tensor:
        return self._network((pixels - self._mean) / self._std)


def _create(model: str, file: Path | None) -> tuple[Any, dict[str, Any]]:
    """Return network and data settings: mean, std, input_size."""
    try:
        import timm
        from timm.data import resolve_model_data_config
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch fails with a RuntimeError
        raise WeightsError(
            f"{PREFIX}{model}: timm cannot be imported ({error})",
            "install it where this runs; it brings torchvision, which must fit torch, so all together: "
            "python -m pip install torch torchvision timm",
        ) from error
    if "/" not in model and not timm.is_model(model):
        import difflib

        near = difflib.get_close_matches(model.partition(".")[0], timm.list_models(), n=3)
        hint = f"did you mean {', '.join(near)}? " if near else ""
        raise WeightsError(f"{PREFIX}{model}: timm has no such network", f"{hint}timm.list_models() names all")
    if file is not None and not (file.is_file() and file.suffix == ".safetensors"):
        raise WeightsError(f"{file}: not a .safetensors file", "only safetensors are read here")
    overlay = None if file is None else {"file": str(file)}
    try:
        network = timm.create_model(model, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except Exception as error:  # timm and the hub raise whatever they met: no network, no such file, wrong shapes
        raise WeightsError(
            f"{PREFIX}{model}: no weights ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})",
            f"without a network give a file: {PREFIX}{model}@FILE.safetensors",
        ) from error
    return network.eval(), resolve_model_data_config(network)
