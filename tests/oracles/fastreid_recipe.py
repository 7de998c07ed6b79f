"""Weights and pictures that two environments make alike from names and shapes, so that only outputs need recording."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PICTURES = (2, 3, 136, 72)  # no multiple of 16, so that every rounding in the network shows
KEPT = 16  # every 16th of 2048 numbers is recorded


@dataclass(frozen=True)
class Variant:
    """A published configuration, in the words of fast-reid's settings."""

    depth: str = "50x"
    ibn: bool = False
    non_local: bool = False
    pool: str = "GlobalAvgPool"
    backbone: str = "build_resnet_backbone"


GEM = "GeneralizedMeanPoolingP"
RESNEST = "build_resnest_backbone"
VARIANTS = {
    "bot_R50": Variant(),
    "bot_R50-ibn": Variant(ibn=True),
    "bot_R101-ibn": Variant("101x", ibn=True),
    "sbs_R50": Variant(non_local=True, pool=GEM),
    "sbs_R50-ibn": Variant(ibn=True, non_local=True, pool=GEM),
    "sbs_R101-ibn": Variant("101x", ibn=True, non_local=True, pool=GEM),
    "bot_S50": Variant(backbone=RESNEST),
    "sbs_S50": Variant(non_local=True, pool=GEM, backbone=RESNEST),
}


def tensor(key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the tensor of this name: sizes as in a trained network, so that nothing explodes or dies."""
    rng = np.random.RandomState(int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]))
    kind = key.rsplit(".", 1)[-1]
    if kind == "p":
        values = rng.uniform(2.5, 3.5, shape)
    elif kind == "running_var" or (kind == "weight" and len(shape) == 1):
        values = rng.uniform(0.5, 1.0, shape)
    elif kind == "weight":
        values = rng.standard_normal(shape) * np.sqrt(1.0 / np.prod(shape[1:]))
    else:
        values = rng.standard_normal(shape) * 0.1
    if ".NL_" in key and kind == "weight" and len(shape) == 4:
        values *= 0.4  # three of them multiply each other
    return values.astype(np.float32)


def pictures() -> NDArray[np.float32]:
    """Return (2, 3, h, w) whole numbers of 0 .. 255."""
    return np.random.RandomState(0).randint(0, 256, PICTURES).astype(np.float32)


def describe(key: str, shape: tuple[int, ...]) -> str:
    """Return a line for the recorded list of tensors."""
    return f"{key} {'x'.join(map(str, shape))}"
