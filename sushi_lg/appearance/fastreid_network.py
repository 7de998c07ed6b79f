"""The re-identification networks of fast-reid, for inference, under the tensor names of its checkpoints.

A backbone (ResNet, He et al., CVPR 2016, with IBN-a of Pan et al., ECCV 2018, and non-local blocks of Wang et al.,
CVPR 2018; or ResNeSt, Zhang et al., 2020) keeps a map of 1/16 of the crop (last stride 1); average or generalised mean
pooling (Radenovic et al., PAMI 2019) and batch normalisation (the "neck" of Luo et al., CVPRW 2019) make the vector.
BoT is a backbone with average pooling; SBS and AGW add non-local blocks and generalised mean pooling.

What a checkpoint holds is read off its tensors; only the stride of the last stage leaves no trace in them. Every
configuration fast-reid published has stride 1, so has this network.

Shapes: K crops, h rows and w columns of pixels, C channels, D embedding width.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from sushi_lg.errors import WeightsError

PIXEL_MEAN = (123.675, 116.28, 103.53)  # 255 times the ImageNet means and deviations; red first
PIXEL_STD = (58.395, 57.12, 57.375)

_STAGE_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
_BLOCK = re.compile(r"backbone\.layer([1-4])\.(\d+)\.")
_NON_LOCAL = re.compile(r"backbone\.NL_([1-4])\.(\d+)\.")
_FIFTY = (3, 4, 6, 3)
_NON_LOCAL_BLOCKS = {_FIFTY: (0, 2, 3, 0), (3, 4, 23, 3): (0, 2, 9, 0)}  # by blocks of the stages, where there are any
_SMALLEST = 1e-6  # generalised mean pooling clamps below it
_SUPPORTED = "supported: BoT, AGW and SBS of fast-reid with ResNet-50 or -101, with or without IBN-a, and ResNeSt-50"


@dataclass(frozen=True)
class Architecture:
    """What a checkpoint holds.

    Attributes:
        split_attention: ResNeSt rather than ResNet.
        blocks: residual blocks in each of the four stages.
        ibn: IBN-a in the first three stages.
        non_local: non-local blocks after the last blocks of each stage.
        generalised_mean: pooling with a learned exponent rather than the average.
    """

    split_attention: bool
    blocks: tuple[int, ...]
    ibn: bool
    non_local: tuple[int, ...]
    generalised_mean: bool

    def __str__(self) -> str:
        layers = 3 * sum(self.blocks) + 2
        parts = [f"{'ResNeSt' if self.split_attention else 'ResNet'}-{layers}", *(["IBN-a"] if self.ibn else [])]
        if any(self.non_local):
            parts.append(f"{sum(self.non_local)} non-local blocks")
        parts.append("generalised mean pooling" if self.generalised_mean else "average pooling")
        return ", ".join(parts)


def recognise(state: Mapping[str, Tensor]) -> Architecture:
    """Return what the tensors of a checkpoint belong to, by their names.

    Args:
        state: tensors under the names of fast-reid, as ``canonical`` returns them.

    Raises:
        WeightsError: an architecture that is not supported, by its name.
    """
    _refuse_unsupported(state)
    split = "backbone.conv1.0.weight" in state
    blocks, non_local = _counts(state, _BLOCK), _counts(state, _NON_LOCAL)
    if blocks not in _NON_LOCAL_BLOCKS or (split and blocks != _FIFTY):
        raise WeightsError(f"the stages have {blocks} blocks, which is no depth known here", _SUPPORTED)
    if any(non_local) and non_local != _NON_LOCAL_BLOCKS[blocks]:
        raise WeightsError(
            f"the stages have {non_local} non-local blocks, expected {_NON_LOCAL_BLOCKS[blocks]}",
            "the file is incomplete; copy it again",
        )
    ibn = any(".bn1.IN." in key for key in state)
    return Architecture(split, blocks, ibn, non_local, generalised_mean="heads.pool_layer.p" in state)


class FastReidNetwork(nn.Module):
    """Pixels in, vectors after the neck out; made for one ``Architecture``."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD).view(1, 3, 1, 1))
        self.backbone = _Backbone(architecture)
        self.heads = _Head(_STAGE_WIDTHS[-1] * _EXPANSION, architecture.generalised_mean)
        self.dim = _STAGE_WIDTHS[-1] * _EXPANSION

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (K, D), any length, for (K, 3, h, w) pixels of 0 .. 255, red first."""
        features = self.backbone((pixels - self.pixel_mean) / self.pixel_std)
        return self.heads(features.float())  # pooling sums hundreds of numbers: not in half precision


class _Backbone(nn.Module):
    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        split = architecture.split_attention
        self.conv1 = _deep_stem() if split else nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        # The ResNet of fast-reid pools without a border and rounds up, unlike that of the paper.
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if split else nn.MaxPool2d(3, 2, ceil_mode=True)
        incoming = 64
        for stage, (width, count) in enumerate(zip(_STAGE_WIDTHS, architecture.blocks, strict=True), start=1):
            stride = 2 if stage in (2, 3) else 1
            blocks = []
            for index in range(count):
                first = stride if index == 0 else 1
                if split:
                    # Where other ResNeSt halve the last stage, this one dilates all of it but its first block.
                    dilation = 2 if stage == 4 and index > 0 else 1
                    blocks.append(_SplitBlock(incoming, width, first, dilation, averages=index == 0 and stage > 1))
                else:
                    blocks.append(_Block(incoming, width, first, ibn=architecture.ibn and stage < 4))
                incoming = width * _EXPANSION
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            extra = architecture.non_local[stage - 1]
            setattr(self, f"NL_{stage}", nn.ModuleList(_NonLocal(incoming) for _ in range(extra)))

    def forward(self, x: Tensor) -> Tensor:
        """Return (K, C, h / 16, w / 16)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            layer, non_local = getattr(self, f"layer{stage}"), getattr(self, f"NL_{stage}")
            plain = len(layer) - len(non_local)
            for index, block in enumerate(layer):
                x = block(x)
                if index >= plain:
                    x = non_local[index - plain](x)
        return x


class _Block(nn.Module):
    """Residual block of three convolutions; IBN-a normalises half of its first one by instance."""

    def __init__(self, incoming: int, width: int, stride: int, *, ibn: bool) -> None:
        super().__init__()
        outgoing = width * _EXPANSION
        self.conv1 = nn.Conv2d(incoming, width, 1, bias=False)
        self.bn1: nn.Module = _InstanceAndBatchNorm(width) if ibn else nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outgoing, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outgoing)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or incoming != outgoing:
            shortcut = nn.Conv2d(incoming, outgoing, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outgoing))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y.add_(x if self.downsample is None else self.downsample(x)))


class _InstanceAndBatchNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(width // 2, affine=True)
        self.BN = nn.BatchNorm2d(width - width // 2)

    def forward(self, x: Tensor) -> Tensor:
        by_instance, by_batch = x.split([self.IN.num_features, self.BN.num_features], dim=1)
        return torch.cat([self.IN(by_instance.contiguous()), self.BN(by_batch.contiguous())], dim=1)


class _NonLocal(nn.Module):
    """Every place looks at all places, weighted by a scalar product of one learned channel each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(width, 1, 1)
        self.phi = nn.Conv2d(width, 1, 1)
        self.g = nn.Conv2d(width, 1, 1)
        self.W = nn.Sequential(nn.Conv2d(1, width, 1), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        # (theta phi') g = theta (phi' g): without a softmax in between, no places x places matrix is needed.
        seen = (self.phi(x) * self.g(x)).mean(dim=(2, 3), keepdim=True)
        return x + self.W(self.theta(x) * seen)


class _SplitBlock(nn.Module):
    """Residual block of ResNeSt with two splits; ``averages`` puts a pooling behind the attention."""

    def __init__(self, incoming: int, width: int, stride: int, dilation: int, *, averages: bool) -> None:
        super().__init__()
        outgoing = width * _EXPANSION
        self.conv1 = nn.Conv2d(incoming, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _SplitAttention(width, dilation)
        self.conv3 = nn.Conv2d(width, outgoing, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outgoing)
        self.relu = nn.ReLU(inplace=True)
        self.avd_layer = nn.AvgPool2d(3, stride, padding=1) if averages else nn.Identity()
        self.downsample: nn.Module | None = None
        if stride != 1 or incoming != outgoing:
            pooling = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
            shortcut = nn.Conv2d(incoming, outgoing, 1, bias=False)
            self.downsample = nn.Sequential(pooling, shortcut, nn.BatchNorm2d(outgoing))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.avd_layer(self.conv2(y))
        y = self.bn3(self.conv3(y))
        return self.relu(y.add_(x if self.downsample is None else self.downsample(x)))


class _SplitAttention(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        inner = max(width // 2, 32)
        self.conv = nn.Conv2d(width, 2 * width, 3, padding=dilation, dilation=dilation, groups=2, bias=False)
        self.bn0 = nn.BatchNorm2d(2 * width)
        self.fc1 = nn.Conv2d(width, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.fc2 = nn.Conv2d(inner, 2 * width, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        splits = self.relu(self.bn0(self.conv(x))).unflatten(1, (2, -1))  # (K, 2, C, h, w)
        context = adaptive_avg_pool2d(splits.sum(dim=1), 1)
        scores = self.fc2(self.relu(self.bn1(self.fc1(context)))).unflatten(1, (2, -1))
        return (scores.softmax(dim=1) * splits).sum(dim=1)


class _Head(nn.Module):
    def __init__(self, width: int, generalised_mean: bool) -> None:
        super().__init__()
        self.pool_layer: nn.Module = _GeneralisedMean() if generalised_mean else nn.AdaptiveAvgPool2d(1)
        self.bottleneck = nn.Sequential(nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck(self.pool_layer(x)).flatten(1)


class _GeneralisedMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, x: Tensor) -> Tensor:
        powers = x.clamp(min=_SMALLEST).pow(self.p)
        return avg_pool2d(powers, powers.shape[2:]).pow(1 / self.p)


def _deep_stem() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
    )


def _counts(state: Mapping[str, Tensor], pattern: re.Pattern[str]) -> tuple[int, ...]:
    """Return for each of the four stages how many numbered parts the names speak of."""
    numbers = [-1] * 4
    for match in filter(None, map(pattern.match, state)):
        stage = int(match[1]) - 1
        numbers[stage] = max(numbers[stage], int(match[2]))
    return tuple(number + 1 for number in numbers)


def _refuse_unsupported(state: Mapping[str, Tensor]) -> None:
    first = "backbone.layer1.0"
    marks = {
        "MGN, a network of several branches": any(key.startswith(("b1.", "b1_head.")) for key in state),
        "squeeze-and-excitation": any(".se.fc." in key for key in state),
        "ResNet-18 or -34": f"{first}.conv2.weight" in state and f"{first}.conv3.weight" not in state,
        "ResNeXt": state[f"{first}.conv2.weight"].shape[1] != 64 if f"{first}.conv2.weight" in state else False,
        "a neck that reduces the width": state.get("heads.bottleneck.0.weight", torch.zeros(1)).ndim == 4,
        "another backbone than ResNet": not {"backbone.conv1.weight", "backbone.conv1.0.weight"} & state.keys(),
    }
    found = next((name for name, there in marks.items() if there), None)
    if found is not None:
        raise WeightsError(f"the checkpoint holds {found}, which is not supported", _SUPPORTED)
