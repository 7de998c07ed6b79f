"""Our networks give what the networks of the PyPI package ``fastreid`` gave (tests/oracles), under the same names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.fastreid_recipe import KEPT, VARIANTS, describe, pictures, tensor
from torch import Tensor

from sushi_lg.appearance.fastreid_network import Architecture, FastReidNetwork, recognise
from sushi_lg.errors import WeightsError

RECORDED = Path(__file__).resolve().parents[2] / "oracles" / "fastreid_1.4.0.npz"
FIFTY, HUNDRED_ONE = (3, 4, 6, 3), (3, 4, 23, 3)
ARCHITECTURES = {
    "bot_R50": Architecture(False, FIFTY, False, (0, 0, 0, 0), False),
    "bot_R50-ibn": Architecture(False, FIFTY, True, (0, 0, 0, 0), False),
    "bot_R101-ibn": Architecture(False, HUNDRED_ONE, True, (0, 0, 0, 0), False),
    "sbs_R50": Architecture(False, FIFTY, False, (0, 2, 3, 0), True),
    "sbs_R50-ibn": Architecture(False, FIFTY, True, (0, 2, 3, 0), True),
    "sbs_R101-ibn": Architecture(False, HUNDRED_ONE, True, (0, 2, 9, 0), True),
    "bot_S50": Architecture(True, FIFTY, False, (0, 0, 0, 0), False),
    "sbs_S50": Architecture(True, FIFTY, False, (0, 0, 0, 0), True),
}


def recorded_tensors(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the package, without what only its training uses."""
    with np.load(RECORDED) as file:
        lines = [str(line).partition(" ") for line in file[f"{name}/tensors"]]
    shapes = {key: tuple(int(n) for n in shape.split("x")) if shape else () for key, _, shape in lines}
    return {k: s for k, s in shapes.items() if k != "heads.weight" and not k.endswith("num_batches_tracked")}


def made(name: str) -> dict[str, Tensor]:
    return {key: torch.from_numpy(tensor(key, shape)) for key, shape in recorded_tensors(name).items()}


def shapes_only(name: str) -> dict[str, Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in recorded_tensors(name).items()}


@pytest.mark.parametrize("name", VARIANTS)
def test_recognised_by_names_of_tensors(name: str) -> None:
    assert recognise(shapes_only(name)) == ARCHITECTURES[name]


@pytest.mark.parametrize("name", VARIANTS)
def test_tensors_have_the_names_and_shapes_of_the_package(name: str) -> None:
    with torch.device("meta"):
        network = FastReidNetwork(ARCHITECTURES[name])
    ours = {
        describe(key, tuple(value.shape))
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked") and key not in ("pixel_mean", "pixel_std")
    }
    assert ours == {describe(key, shape) for key, shape in recorded_tensors(name).items()}


@pytest.mark.parametrize("name", VARIANTS)
def test_outputs_are_those_of_the_package(name: str) -> None:
    network = FastReidNetwork(ARCHITECTURES[name]).eval()
    network.load_state_dict(made(name), strict=False)
    with torch.inference_mode():
        ours = network(torch.from_numpy(pictures())).numpy()
    with np.load(RECORDED) as file:
        theirs = file[f"{name}/output"]
    assert ours.shape == (2, network.dim)
    assert np.abs(ours[:, ::KEPT] - theirs).max() <= 1e-4 * np.abs(theirs).max()
    # what differs between the pictures is right too, not only what is common to them
    apart = theirs[0] - theirs[1]
    assert np.abs(ours[0, ::KEPT] - ours[1, ::KEPT] - apart).max() <= 1e-3 * np.abs(apart).max()


@pytest.mark.parametrize("name", ["sbs_R50-ibn", "bot_S50"])
def test_bfloat16_stays_close(name: str) -> None:
    network = FastReidNetwork(ARCHITECTURES[name]).eval()
    network.load_state_dict(made(name), strict=False)
    pixels = torch.from_numpy(pictures())
    with torch.inference_mode():
        full = network(pixels)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(pixels)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    assert torch.nn.functional.cosine_similarity(half, full).min() > 0.999


def test_words_for_people() -> None:
    assert str(ARCHITECTURES["bot_R50"]) == "ResNet-50, average pooling"
    assert str(ARCHITECTURES["sbs_R101-ibn"]) == "ResNet-101, IBN-a, 11 non-local blocks, generalised mean pooling"
    assert str(ARCHITECTURES["sbs_S50"]) == "ResNeSt-50, generalised mean pooling"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b1_head.bottleneck.0.weight": (256, 2048, 1, 1)}, "MGN"),
        ({"backbone.layer1.0.se.fc.0.weight": (16, 256)}, "squeeze-and-excitation"),
        ({"backbone.layer1.0.conv2.weight": (128, 4, 3, 3)}, "ResNeXt"),
        ({"heads.bottleneck.0.weight": (512, 2048, 1, 1)}, "a neck that reduces the width"),
        ({"backbone.layer4.3.conv1.weight": (512, 2048, 1, 1)}, r"\(3, 4, 6, 4\) blocks"),
        ({"backbone.NL_2.2.g.weight": (1, 512, 1, 1)}, r"\(0, 3, 0, 0\) non-local blocks, expected \(0, 2, 3, 0\)"),
    ],
)
def test_what_is_not_supported_is_named(changes: dict[str, tuple[int, ...]], message: str) -> None:
    state = {**shapes_only("bot_R50"), **{key: torch.zeros(shape) for key, shape in changes.items()}}
    with pytest.raises(WeightsError, match=message):
        recognise(state)


def test_other_backbones_and_shallow_ones_are_named() -> None:
    with pytest.raises(WeightsError, match="another backbone than ResNet"):
        recognise({"backbone.conv1.conv.weight": torch.zeros(1), "heads.bottleneck.0.weight": torch.zeros(512)})
    shallow = {key: value for key, value in shapes_only("bot_R50").items() if ".conv3." not in key}
    with pytest.raises(WeightsError, match="ResNet-18 or -34"):
        recognise(shallow)
