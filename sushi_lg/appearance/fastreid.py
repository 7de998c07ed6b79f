"""Weights of fast-reid: converted once to safetensors, then an embedder.

The released files (v0.1.1 of JDAI-CV/fast-reid) call the neck ``heads.bnneck`` and the classifier ``heads.classifier``;
version 1 and later call them ``heads.bottleneck.0`` and ``heads.weight``. Both are read. Fast-reid 1.x itself leaves
the neck of the old files at its start values (its issues 427 and 486), so its vectors differ from ours there.

Shapes: K crops, h rows and w columns of pixels, D embedding width.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sushi_lg.appearance.crops import Border, Interpolation, cut
from sushi_lg.appearance.fastreid_network import PIXEL_MEAN, PIXEL_STD, Architecture, FastReidNetwork, recognise
from sushi_lg.appearance.torch_runtime import batch_size, checked_device, embed_in_batches
from sushi_lg.data.checkpoints import misfits, read_state_dict
from sushi_lg.data.files import atomic_path
from sushi_lg.data.models import file_sha256, model_card, model_names
from sushi_lg.errors import WeightsError

FORMAT_VERSION = 1
KIND = "fastreid"
CROP_SIZE = (256, 128)  # of every published configuration but SBS
_HEADER = "sushi_lg"
_OLD_NECK = "heads.bnneck."
_NECK = "heads.bottleneck.0."
_CLASSIFIER = ("heads.weight", "heads.classifier.weight")
_COUNTER = ".num_batches_tracked"  # of training


@dataclass(frozen=True)
class Converted:
    """What a conversion found.

    Attributes:
        architecture: of the network.
        crop_size: height and width of the crops it will get.
        ignored: tensors of training that are left out.
        path: of the new file.
    """

    architecture: Architecture
    crop_size: tuple[int, int]
    ignored: list[str]
    path: Path


def looks_like_fastreid(state: Mapping[str, Tensor]) -> bool:
    """Tell by the names of its tensors whether a checkpoint comes from fast-reid."""
    return any(key.startswith("backbone.") for key in state) and any(
        "heads." in key or "_head." in key for key in state
    )


def convert_fastreid(path: str | Path, out: str | Path, crop_size: tuple[int, int] | None = None) -> Converted:
    """Turn a checkpoint of fast-reid into a safetensors file for ``FastReidEmbedder``.

    Args:
        path: ``.pth`` as released, or a state dict under the same names.
        out: new file; appears at once or not at all.
        crop_size: height and width to cut crops to; None takes what the model card of a file of this name says, else
            256 x 128.

    Raises:
        WeightsError: unreadable, an architecture that is not supported, tensors missing, unknown, misshapen or not
            finite, all of them named.
    """
    path, out = Path(path), Path(out)
    if out.suffix != ".safetensors":
        raise WeightsError(f"{out}: converted weights end in .safetensors", f"write {out.with_suffix('.safetensors')}")
    if crop_size is None:
        crop_size = _size_by_name(path.name)
    state = read_state_dict(path)
    try:
        tensors, ignored = canonical(state)
        architecture = recognise(tensors)
        _check(_unfilled(architecture), tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error.message}", error.remedy) from error
    header = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "crop_size": list(crop_size),
        "source": path.name,
        "source_sha256": file_sha256(path),
    }
    with atomic_path(out) as staged:
        save_file(tensors, staged, metadata={_HEADER: json.dumps(header, sort_keys=True)})
    return Converted(architecture, crop_size, ignored, out)


def canonical(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Return tensors under the names of fast-reid 1.x with the normalisation of pixels, and the names left out."""
    ignored = sorted(key for key in state if key in _CLASSIFIER or key.endswith(_COUNTER))
    kept = {_renamed(key): value.contiguous() for key, value in state.items() if key not in ignored}
    for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
        kept.setdefault(name, torch.tensor(values).view(1, 3, 1, 1))
    return kept, ignored


def conversion_command(path: Path) -> str:
    """Return what to type to convert a checkpoint."""
    return f"sushi-lg import-checkpoint {path} --out {converted_path(path)}"


def converted_path(path: Path) -> Path:
    """Return where a checkpoint's converted weights go: beside it, under its name."""
    return path.with_suffix(".converted.safetensors" if path.suffix == ".safetensors" else ".safetensors")


class FastReidEmbedder:
    """A network of fast-reid on crops cut as SUSHI cuts them.

    Args:
        path: file written by ``convert_fastreid``.
        name: short, safe as a folder name; None makes one of the file's name.
        device: ``cpu``, ``cuda`` or ``cuda:N``; on CUDA it computes in bfloat16.
        threads: of torch on the CPU, while it embeds.

    Raises:
        WeightsError: not a converted file, or no such device.
    """

    def __init__(self, path: str | Path, *, name: str | None = None, device: str = "cpu", threads: int = 1) -> None:
        path = Path(path)
        self.name = name or f"fastreid_{path.stem}"
        self._device = checked_device(device)
        self._threads = threads
        tensors, self._size = _read_converted(path)
        network = _filled(path, tensors)
        _fuse(network)
        self._network = network.to(self._device, memory_format=torch.channels_last)
        self.dim = network.dim
        self.batch_size = batch_size(self._device)
        self.parallel = False  # torch has one setting of threads for the whole process
        self._digest = file_sha256(path)

    def fingerprint(self) -> str:
        """Return a digest of weights, crop size and precision."""
        settings = f"{KIND} {FORMAT_VERSION} {self._digest} {self._size} {self._device.type}"
        return hashlib.sha256(settings.encode()).hexdigest()

    def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut boxes out of a (H, W, 3) picture, blue first: (K, h, w, 3)."""
        return cut(picture, boxes_xyxy, self._size, Interpolation.BICUBIC, Border.PAD_MEAN)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, D) vectors after the neck, not of length one."""
        if not len(crops):
            return np.zeros((0, self.dim), np.float32)
        return embed_in_batches(self._network, crops, self._device, self._threads)


def _read_converted(path: Path) -> tuple[dict[str, Tensor], tuple[int, int]]:
    """Return tensors and crop size."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})", "convert the checkpoint again") from error
    stated = header if isinstance(header, dict) else {}
    if stated.get("kind") != KIND:
        raise WeightsError(f"{path}: not weights of fast-reid converted here", conversion_command(path))
    match stated:
        case {"format_version": version, "crop_size": [int(height), int(width)]} if version == FORMAT_VERSION:
            return tensors, (height, width)
    raise WeightsError(f"{path}: header {stated} was written by another version", "convert the checkpoint again")


def _filled(path: Path, tensors: Mapping[str, Tensor]) -> FastReidNetwork:
    """Return the network of these tensors, for evaluation."""
    try:
        network = _unfilled(recognise(tensors))
        _check(network, tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error.message}", error.remedy) from error
    network.to_empty(device="cpu")
    network.load_state_dict(dict(tensors), strict=False)  # what it lacks are the counters of training
    return network.eval()


def _unfilled(architecture: Architecture) -> FastReidNetwork:
    """Return a network without numbers, which costs neither memory nor random ones."""
    with torch.device("meta"):
        return FastReidNetwork(architecture)


def _check(network: FastReidNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Check every name, shape and value."""
    expected = {key: value for key, value in network.state_dict().items() if not key.endswith(_COUNTER)}
    count, shown = misfits(expected, tensors)
    if count:
        raise WeightsError(f"{count} tensors do not fit: {shown}", "the file is incomplete or another network's")


def _fuse(module: nn.Module) -> None:
    """Multiply batch normalisations into the convolutions before them, here and below.

    Modules of this network register their parts in the order of use.
    """
    names = [name for name, _ in module.named_children()]
    for name in names:
        _fuse(module.get_submodule(name))
    for first, second in itertools.pairwise(names):
        convolution, normalisation = module.get_submodule(first), module.get_submodule(second)
        if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
            setattr(module, first, fuse_conv_bn_eval(convolution, normalisation))
            setattr(module, second, nn.Identity())


def _renamed(key: str) -> str:
    return _NECK + key.removeprefix(_OLD_NECK) if key.startswith(_OLD_NECK) else key


def _size_by_name(name: str) -> tuple[int, int]:
    for card in map(model_card, model_names("embedder")):
        if card.family == KIND and name in card.file_names and card.input is not None and card.input.size is not None:
            return card.input.size
    return CROP_SIZE
