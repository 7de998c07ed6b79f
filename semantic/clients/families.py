"""Pictures as the families of models want them: LLaVA-OneVision, Qwen2.5-VL and SmolVLM of transformers 5.

The video processors of transformers need torchvision, which must fit torch to the build and which nothing else here
asks for. What they compute is little, and is done here with torch alone: resizing as torchvision does it (antialiased,
in whole numbers), scaling, patches. ``tests/oracles/make_processor_fixture.py`` records what the real processors make
of some pictures, and the tests compare; settings are read from the files of the model, as the processors do.

Tracklets are videos, never single pictures: a video of LLaVA-OneVision costs 196 tokens a picture at 384 pixels and one
more, a single crop about 1,100 and a single 720p frame about 6,000, because single pictures are cut into tiles.

Shapes: n pictures, k visual tokens of all of them, D width of the language model, S side of a square picture.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sushi_lg.errors import WeightsError

_CLIP_MEAN, _CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_MODES = {0: "nearest-exact", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # numbers of PIL's filters
_GREY = 127
_QWEN_PIXELS = 392 * 392  # of a picture: 98 tokens, as two pictures share their tokens
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


@dataclass(frozen=True)
class Media:
    """What the language model sees of one series of pictures.

    Attributes:
        features: (k, D), as the model inserts them.
        grid: (3,) int64, patches in time, height and width; None in families that need none.
    """

    features: Tensor
    grid: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self.features.numel() * self.features.element_size()


Part = dict[str, str]  # of a message: {"type": "text", "text": ...}, or {"type": "video"}


class Family(ABC):
    """How one family of models takes pictures.

    Attributes:
        modality: what the model calls them, ``video`` or ``image``.
        placeholder: number of the token that stands for one visual token.
        settings: all that shapes pixels, for fingerprints.
    """

    modality = "video"
    placeholder: int
    settings: Mapping[str, Any]

    def parts(self, seconds: Sequence[float]) -> list[Part]:
        """Return what stands before the text of a question about pictures of these times."""
        del seconds
        return [{"type": "video"}]

    @abstractmethod
    def most_tokens(self, number: int) -> int:
        """Return how many tokens so many pictures take at most."""

    @abstractmethod
    def encode(self, network: Any, pictures: Sequence[NDArray[np.uint8]]) -> Media:  # noqa: ANN401 - of transformers
        """Return the features of n pictures, (h, w, 3) uint8, blue first."""

    def expand(self, tokens: Sequence[int], media: Media) -> list[int]:
        """Return a prompt with as many placeholders as there are visual tokens."""
        number = len(media.features)
        return [part for token in tokens for part in [token] * (number if token == self.placeholder else 1)]

    def pooled(self, media: Sequence[Media]) -> Tensor | tuple[Tensor, ...]:
        """Return the features of several series as the model hands them around."""
        return tuple(one.features for one in media)

    def inputs(self, tokens: Tensor, media: Sequence[Media], seconds: Sequence[Sequence[float]]) -> dict[str, Tensor]:
        """Return what the model wants to know beside tokens (B, P), mask and features."""
        del tokens, media, seconds
        return {}

    def positions(
        self,
        network: Any,  # noqa: ANN401
        tokens: Tensor,
        mask: Tensor,
        media: Sequence[Media],
        seconds: Sequence[Sequence[float]],
    ) -> Tensor | None:
        """Return positions of tokens (B, P) where the mask does not tell them, and let the network go on from them.

        To be called before a prompt is read piece by piece, and again before a batch goes on with its replies.
        """
        del network, tokens, mask, media, seconds
        return None


class LlavaOneVision(Family):
    """LLaVA-OneVision (arXiv:2408.03326): SigLIP, each picture pooled 2 x 2, one more token at the end of a video."""

    def __init__(self, folder: Path, config: Any, token: Any) -> None:  # noqa: ANN401 - of transformers
        del token
        self.placeholder = int(config.video_token_id)
        self.settings = _settings(
            folder, {"size": {"height": 384, "width": 384}, "image_mean": _CLIP_MEAN, "image_std": _CLIP_STD}
        )
        side = config.vision_config.image_size // config.vision_config.patch_size
        self._tokens = math.ceil(side / 2) ** 2

    def most_tokens(self, number: int) -> int:
        """Return it to the token."""
        return number * self._tokens + 1

    def pixels(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return (n, 3, S, S) float32."""
        size = _sides(self.settings["size"])
        return torch.stack(
            [_normalised(_resized(_tensor(picture), size, self.settings), self.settings) for picture in pictures]
        )

    def encode(self, network: Any, pictures: Sequence[NDArray[np.uint8]]) -> Media:  # noqa: ANN401
        """Return k = n * ceil(side / 2)^2 + 1 features, side counted in patches."""
        pixels = self.pixels(pictures).to(network.device, network.dtype)
        return Media(network.get_video_features(pixels[None]).pooler_output[0])

    def pooled(self, media: Sequence[Media]) -> Tensor:
        """Return (1, k of all, D)."""
        return torch.cat([one.features for one in media])[None]


class QwenVl(Family):
    """Qwen2.5-VL (arXiv:2502.13923): pictures of any size, two in time share tokens, positions have three parts.

    All pictures of a series are put on a grey ground as large as the largest of them, and brought to at most 392 x 392
    pixels' worth of area, which the files of the model do not limit.
    """

    def __init__(self, folder: Path, config: Any, token: Any) -> None:  # noqa: ANN401
        del token
        self.placeholder = int(config.video_token_id)
        found = _settings(
            folder,
            {
                "size": {"shortest_edge": 128 * 28 * 28, "longest_edge": 28 * 28 * 768},
                "image_mean": _CLIP_MEAN,
                "image_std": _CLIP_STD,
                "patch_size": 14,
                "temporal_patch_size": 2,
                "merge_size": 2,
            },
        )
        size = dict(found["size"]) | {
            edge: found[key]
            for edge, key in (("shortest_edge", "min_pixels"), ("longest_edge", "max_pixels"))
            if found.get(key) is not None  # how older files say it
        }
        size["longest_edge"] = min(size["longest_edge"], _QWEN_PIXELS)
        size["shortest_edge"] = min(size["shortest_edge"], size["longest_edge"])
        self.settings = found | {"size": size}
        self._patch, self._merge = int(found["patch_size"]), int(found["merge_size"])
        self._pair = int(found["temporal_patch_size"])
        self._per_second = float(config.vision_config.tokens_per_second)

    def most_tokens(self, number: int) -> int:
        """Return what they take at the largest area."""
        side = self._patch * self._merge
        return math.ceil(number / self._pair) * (self.settings["size"]["longest_edge"] // side**2)

    def pixels(self, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
        """Return patches (t * h * w, 3 * pair * patch * patch) float32 and the grid [t, h, w] they come from."""
        height, width = max(p.shape[0] for p in pictures), max(p.shape[1] for p in pictures)
        grounds = [np.full((height, width, 3), _GREY, dtype=np.uint8) for _ in pictures]
        for ground, picture in zip(grounds, pictures, strict=True):
            ground[: picture.shape[0], : picture.shape[1]] = picture
        size = self._size(height, width)
        video = torch.stack([_normalised(_resized(_tensor(g), size, self.settings), self.settings) for g in grounds])
        video = torch.cat([video, video[-1:].expand(-len(video) % self._pair, -1, -1, -1)])
        t, h, w = len(video) // self._pair, size[0] // self._patch, size[1] // self._patch
        merged = (h // self._merge, self._merge, self._patch, w // self._merge, self._merge, self._patch)
        patches = video.reshape(t, self._pair, 3, *merged).permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
        return patches.reshape(t * h * w, -1), torch.tensor([t, h, w])

    def encode(self, network: Any, pictures: Sequence[NDArray[np.uint8]]) -> Media:  # noqa: ANN401
        """Return a feature a merged patch, and the grid of patches before merging."""
        patches, grid = self.pixels(pictures)
        grid = grid.to(network.device)
        found = network.get_video_features(patches.to(network.device, network.dtype), grid[None])
        return Media(found.pooler_output[0], grid)

    def inputs(self, tokens: Tensor, media: Sequence[Media], seconds: Sequence[Sequence[float]]) -> dict[str, Tensor]:
        """Return grids, which tokens are visual, and the seconds between two steps of time.

        Without them the model places visual tokens like words, and says nothing about it.
        """
        steps = [self._pair * _spacing(row) for row in seconds]
        return {
            "video_grid_thw": torch.stack([_grid(one) for one in media]),
            "mm_token_type_ids": (tokens == self.placeholder).int() * 2,
            "second_per_grid_ts": torch.tensor(steps, device=tokens.device),
        }

    def positions(
        self,
        network: Any,  # noqa: ANN401
        tokens: Tensor,
        mask: Tensor,
        media: Sequence[Media],
        seconds: Sequence[Sequence[float]],
    ) -> Tensor:
        """Return (3, B, P) int64; the network keeps how far words behind a video are from their places in the row."""
        base = network.base_model
        found, base.rope_deltas = base.get_rope_index(
            tokens, attention_mask=mask, **self.inputs(tokens, media, seconds)
        )
        positions: Tensor = found
        return positions

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width in multiples of a merged patch, about the same shape, within the limits."""
        side = self._patch * self._merge
        least, most = self.settings["size"]["shortest_edge"], self.settings["size"]["longest_edge"]
        high, wide = round(height / side) * side, round(width / side) * side
        if high * wide > most:
            scale = math.sqrt(height * width / most)
            high, wide = (max(side, math.floor(edge / scale / side) * side) for edge in (height, width))
        elif high * wide < least:
            scale = math.sqrt(least / (height * width))
            high, wide = (math.ceil(edge * scale / side) * side for edge in (height, width))
        return high, wide


class SmolVlm(Family):
    """SmolVLM (arXiv:2504.05299): each picture by itself between marks, with its time in words before it."""

    modality = "image"

    def __init__(self, folder: Path, config: Any, token: Any) -> None:  # noqa: ANN401
        self.placeholder = int(config.image_token_id)
        side = int(config.vision_config.image_size)
        found = _settings(
            folder,
            {
                "size": {"longest_edge": 4 * side},
                "max_image_size": {"longest_edge": side},
                "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3,
                "resample": 1,
            },
        )
        if "video_sampling" in found:
            found["size"] = found["video_sampling"]["video_size"]
        self.settings = found
        self._tokens = (side // config.vision_config.patch_size) ** 2 // config.scale_factor**2
        self._around, self._whole = (token(mark) for mark in ("<fake_token_around_image>", "<global-img>"))

    def parts(self, seconds: Sequence[float]) -> list[Part]:
        """Return the words of the family for a video: how long it is, and when each picture was taken."""
        length = int(seconds[-1] - seconds[0] + _spacing(seconds))
        clock = f"{length // 3600}:{length // 60 % 60:02d}:{length % 60:02d}"
        intro = (
            f"You are provided the following series of {_words(len(seconds))} frames from a {clock} [H:MM:SS] video.\n"
        )
        found = [{"type": "text", "text": intro}]
        for second in seconds:
            minutes, rest = divmod(int(second), 60)
            found += [{"type": "text", "text": f"\nFrame from {minutes:02d}:{rest:02d}:"}, {"type": "image"}]
        return [*found, {"type": "text", "text": "\n\n"}]

    def most_tokens(self, number: int) -> int:
        """Return it to the token, marks around pictures included."""
        return number * (self._tokens + 3)

    def pixels(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return (n, 3, S, S) float32: first the longest edge is brought to size, then the whole to a square."""
        side = int(self.settings["max_image_size"]["longest_edge"])
        ready = []
        for picture in pictures:
            height, width = picture.shape[:2]
            first = _longest_to(height, width, int(self.settings["size"]["longest_edge"]))
            square = _resized(_resized(_tensor(picture), first, self.settings), (side, side), self.settings)
            ready.append(_normalised(square, self.settings))
        return torch.stack(ready)

    def encode(self, network: Any, pictures: Sequence[NDArray[np.uint8]]) -> Media:  # noqa: ANN401
        """Return the same number of features for every picture."""
        pixels = self.pixels(pictures).to(network.device, network.dtype)
        return Media(torch.cat(tuple(network.get_image_features(pixels[None]).pooler_output)))

    def expand(self, tokens: Sequence[int], media: Media) -> list[int]:
        """Return a prompt in which every placeholder has become the block of one picture."""
        block = [self._around, self._whole, *[self.placeholder] * self._tokens, self._around]
        return [part for token in tokens for part in (block if token == self.placeholder else [token])]


FAMILIES: Mapping[str, Any] = {
    "llava_onevision": LlavaOneVision,
    "qwen2_5_vl": QwenVl,
    "smolvlm": SmolVlm,
}
"""By ``model_type`` of ``config.json``; each is made of the folder, its configuration and a function from the text of a
special token to its number."""


# ---------------------------------------------------------------------------------------------------------- pixels


def _tensor(picture: NDArray[np.uint8]) -> Tensor:
    """Return (3, h, w) uint8, red first."""
    return torch.from_numpy(np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)))


def _resized(picture: Tensor, size: tuple[int, int], settings: Mapping[str, Any]) -> Tensor:
    """Return (3, *size) uint8, filtered as the settings say, 3 (bicubic) if they do not."""
    mode = _MODES[int(settings.get("resample", 3))]
    if tuple(picture.shape[1:]) == size:
        return picture
    if mode == "nearest-exact":
        return functional.interpolate(picture[None], size=size, mode=mode)[0]
    try:
        return functional.interpolate(picture[None], size=size, mode=mode, antialias=True)[0]
    except (NotImplementedError, ValueError):  # torch before 2.10 has no Lanczos; the processors take bicubic there too
        return functional.interpolate(picture[None], size=size, mode="bicubic", antialias=True)[0]


def _normalised(picture: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Return float32; mean and deviation are of values in [0, 1], and are stretched rather than the pixels squeezed."""
    mean, deviation = (torch.tensor(settings[key])[:, None, None] for key in ("image_mean", "image_std"))
    scale = 1 / float(settings.get("rescale_factor", 1 / 255))
    return (picture.float() - mean * scale) / (deviation * scale)


def _longest_to(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return height and width with the longer edge as given, the other one even and of the same ratio, rounded down."""
    longest = min(longest, 4096)
    ratio = width / height
    if width >= height:
        other = int(longest / ratio)
        return max(other + other % 2, 1), longest
    other = int(longest * ratio)
    return longest, max(other + other % 2, 1)


# --------------------------------------------------------------------------------------------------------- settings


def _settings(folder: Path, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a model's video processor, what its files leave open taken from ``defaults``.

    Raises:
        WeightsError: a file cannot be read, or asks for steps that are not done here.
    """
    found: dict[str, Any] = {}
    nested = _json(folder / "processor_config.json").get("video_processor")
    if nested:
        found = nested
    else:
        for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
            found = found or _json(folder / name)
    skipped = [step for step in ("do_resize", "do_rescale", "do_normalize") if found.get(step) is False]
    if skipped or found.get("do_center_crop"):
        raise WeightsError(
            f"{folder}: its pictures are prepared in a way that is not known here "
            f"({', '.join(skipped) or 'do_center_crop'})",
            "use a model of the families named in semantic/clients/families.py as it was published",
        )
    kept = {*defaults, "resample", "rescale_factor", "min_pixels", "max_pixels", "video_sampling"}
    return {**defaults, **{key: value for key, value in found.items() if key in kept and value is not None}}


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})", "copy the file again") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: not a JSON object", "copy the file again")
    return found


def _sides(size: Mapping[str, int]) -> tuple[int, int]:
    edge = size.get("shortest_edge")
    return (int(edge), int(edge)) if edge else (int(size["height"]), int(size["width"]))


# ------------------------------------------------------------------------------------------------------------ tokens


def _grid(media: Media) -> Tensor:
    assert media.grid is not None
    return media.grid


def _spacing(seconds: Sequence[float]) -> float:
    """Return the mean time between pictures, 1 for a single one."""
    spread = seconds[-1] - seconds[0]
    return spread / (len(seconds) - 1) if spread > 0 else 1.0


def _words(number: int) -> str:
    if number < 20:
        return _WORDS[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_WORDS[ones]}" if ones else "")
    return str(number)
