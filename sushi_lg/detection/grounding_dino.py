"""Grounding DINO (arXiv:2303.05499) through transformers: boxes of what a text names.

Shapes: B pictures, Q queries, L tokens, P phrases of the prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.data.models import SEARCH_VARIABLE, FoundModel, file_sha256
from sushi_lg.detection.boxes import non_maximum_suppression
from sushi_lg.detection.classes import detector_name
from sushi_lg.detection.protocol import FrameBoxes
from sushi_lg.errors import ConfigError, WeightsError, first_line

DTYPES = ("float32", "bfloat16", "float16")
_WEIGHTS = "model.safetensors"
_NEEDED = ("config.json", _WEIGHTS)
_PATTERNS = ["*.json", "vocab.txt", _WEIGHTS]


@dataclass(frozen=True)
class GroundingDinoSettings:
    """What a user may choose.

    Attributes:
        prompt: What to look for; phrases are parted by dots: ``person. car``.
        min_score: Weaker boxes are left out; the score of a box is that of its strongest word.
        min_word_score: What the weakest word of a phrase has to reach for a box to show that phrase; 0 lets any one
            word do, as published, a value near ``min_score`` asks for every word of "person wearing black shirt".
        max_iou: Of two boxes that overlap by more the weaker one is left out.
        dtype: Of the network: ``float32``, ``bfloat16`` or ``float16``.
    """

    prompt: str = "person"
    min_score: float = 0.2
    min_word_score: float = 0.0
    max_iou: float = 0.7
    dtype: str = "float32"


@dataclass(frozen=True)
class PreparedPicture:
    """A picture as the network wants it.

    Attributes:
        pixels: (3, h, w) float32, normalised.
        size: Height and width of the picture in pixels.
    """

    pixels: Tensor
    size: tuple[int, int]


class GroundingDino:
    """A text-prompted detector; see the protocol.

    Args:
        found: Card, and the folder with ``config.json``, ``model.safetensors``, image processor and tokenizer;
            without a folder the copy that transformers keeps of the hub model is used, and fetched where
            ``found.allow_hub`` says so.
        settings: Prompt and thresholds.
        device: As torch names it.

    Raises:
        WeightsError: transformers or a file is missing, or the folder holds another network; says where to get it.
        ConfigError: a prompt without words or too long for the network, or an unknown dtype.
    """

    def __init__(
        self, found: FoundModel, settings: GroundingDinoSettings | None = None, *, device: str = "cpu"
    ) -> None:
        self.settings = settings or GroundingDinoSettings()
        if self.settings.dtype not in DTYPES:
            raise ConfigError(f"dtype {self.settings.dtype!r} is unknown", f"one of {', '.join(DTYPES)}")
        self.prompt = normalise_prompt(self.settings.prompt)
        self.name = detector_name(found.card, found.path, self.prompt.rstrip("."))
        self._folder = _model_folder(found)
        self._device = torch.device(device)
        self._dtype = getattr(torch, self.settings.dtype)
        self._processor, tokenizer, network = _load(found, self._folder, self._dtype)
        self._network = network.to(device=self._device).eval()
        self._text = dict(tokenizer(self.prompt, return_tensors="pt", return_token_type_ids=True))
        length = self._text["input_ids"].shape[1]
        if length > network.config.max_text_len:
            raise ConfigError(
                f"the prompt has {length} tokens, the network takes {network.config.max_text_len}", "shorten it"
            )
        parting = {*tokenizer.encode(".")}  # the dot, and the tokens that begin and end a text
        self._phrase_of_token = phrases_of_tokens(self._text["input_ids"][0].tolist(), parting)
        self.batch_size = 1 if self._device.type == "cpu" else 4
        self.parallel = False  # torch has one setting of threads for the whole process

    def fingerprint(self) -> str:
        """Return a digest of weights, tokenizer, processor, prompt, thresholds and the kind of device."""
        files = sorted(path for path in self._folder.iterdir() if path.suffix in (".json", ".txt", ".safetensors"))
        facts = [(path.name, file_sha256(path)) for path in files]
        return hashlib.sha256(
            repr(("grounding_dino 2", facts, self.prompt, self.settings, self._device.type)).encode()
        ).hexdigest()

    def prepare(self, picture: NDArray[np.uint8]) -> PreparedPicture:
        """Return the (H, W, 3) picture resized and normalised as the processor's file says."""
        rgb = np.ascontiguousarray(picture[:, :, ::-1])
        made = self._processor(images=rgb, input_data_format="channels_last", return_tensors="pt")
        return PreparedPicture(made["pixel_values"][0], (picture.shape[0], picture.shape[1]))

    @torch.inference_mode()
    def detect(self, prepared: Sequence[PreparedPicture]) -> list[FrameBoxes]:
        """Return the boxes of each prepared picture; pictures of one size go through the network together."""
        found: dict[int, FrameBoxes] = {}
        for shape in dict.fromkeys(one.pixels.shape for one in prepared):
            indices = [i for i, one in enumerate(prepared) if one.pixels.shape == shape]
            pixels = torch.stack([prepared[i].pixels for i in indices]).to(self._device, self._dtype)
            text = {key: value.expand(len(indices), -1).to(self._device) for key, value in self._text.items()}
            mask = torch.ones(len(indices), *shape[1:], dtype=torch.long, device=self._device)
            output = self._network(pixel_values=pixels, pixel_mask=mask, **text)
            probability = output.logits.float().sigmoid().cpu()  # (B, Q, longest text)
            boxes = output.pred_boxes.float().cpu()
            for row, i in enumerate(indices):
                found[i] = self._boxes(probability[row], boxes[row], prepared[i].size)
        return [found[i] for i in range(len(prepared))]

    def _boxes(self, probability: Tensor, boxes_cxcywh: Tensor, size: tuple[int, int]) -> FrameBoxes:
        score = phrase_scores(probability, self._phrase_of_token, self.settings.min_word_score).numpy()
        strong = np.flatnonzero(score >= self.settings.min_score)
        centre, extent = boxes_cxcywh.numpy()[strong, :2], boxes_cxcywh.numpy()[strong, 2:]
        scale = np.array([size[1], size[0]] * 2, dtype=np.float32)
        boxes = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1) * scale
        keep = non_maximum_suppression(boxes, score[strong], self.settings.max_iou)
        return FrameBoxes(boxes[keep].astype(np.float32), score[strong][keep])


def normalise_prompt(prompt: str) -> str:
    """Return the prompt as the network was trained to read it: lower case, phrases ending with a dot.

    Raises:
        ConfigError: no words in it.
    """
    phrases = [" ".join(part.lower().split()) for part in prompt.split(".")]
    phrases = [phrase for phrase in phrases if phrase]
    if not phrases:
        raise ConfigError(f"prompt {prompt!r} has no words", "say what to look for, e.g. person")
    return " ".join(f"{phrase}." for phrase in phrases)


def phrases_of_tokens(tokens: Sequence[int], parting: set[int]) -> Tensor:
    """Return (L,) int64, the number of the phrase each token belongs to; -1 for tokens that part phrases."""
    numbers, phrase, inside = [], -1, False
    for token in tokens:
        if token in parting:
            numbers.append(-1)
            inside = False
        else:
            phrase += 0 if inside else 1
            inside = True
            numbers.append(phrase)
    return torch.tensor(numbers, dtype=torch.int64)


def phrase_scores(probability: Tensor, phrase_of_token: Tensor, min_word_score: float) -> Tensor:
    """Return (Q,) the score of each query: that of the strongest word of a phrase all of whose words count.

    Args:
        probability: (Q, at least L) of each token; what stands behind the prompt is not looked at.
        phrase_of_token: (L,) number of the phrase, -1 for none.
        min_word_score: What the weakest token of a phrase has to reach.
    """
    best = torch.zeros(probability.shape[0], dtype=probability.dtype)
    for phrase in range(int(phrase_of_token.max()) + 1):
        words = probability[:, : len(phrase_of_token)][:, phrase_of_token == phrase]
        strongest = torch.where(words.amin(dim=1) >= min_word_score, words.amax(dim=1), 0.0)
        best = torch.maximum(best, strongest)
    return best


def _model_folder(found: FoundModel) -> Path:
    """Return the folder with all files of the model."""
    folder = found.path
    if folder is None:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            folder = Path(
                snapshot_download(
                    str(found.card.hub_id), local_files_only=not found.allow_hub, allow_patterns=_PATTERNS
                )
            )
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            raise WeightsError(
                f"{found.card.name}: its weights are not on this machine", _instruction(found)
            ) from error
    if not folder.is_dir():
        raise WeightsError(f"{folder}: a file; a folder with {', '.join(_NEEDED)} is needed", _instruction(found))
    absent = [name for name in _NEEDED if not (folder / name).is_file()]
    if absent:
        raise WeightsError(f"{folder}: no {', '.join(absent)}", _instruction(found))
    return folder


def _load(found: FoundModel, folder: Path, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """Return image processor, tokenizer and network; nothing is asked of the hub here."""
    try:
        import transformers
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise WeightsError(
            f"{found.card.name}: transformers is not installed", "pip install 'sushi-lg[transformers]'"
        ) from error
    has_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # progress is the command line's to show
    try:
        return (
            transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True),
            transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True),
            transformers.GroundingDinoForObjectDetection.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=dtype
            ),
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{folder}: not a Grounding DINO that transformers can load ({first_line(error)})", _instruction(found)
        ) from error
    finally:
        if has_bars:
            transformers_logging.enable_progress_bar()


def _instruction(found: FoundModel) -> str:
    card = found.card
    return (
        f"with a network: hf download {card.hub_id}; without: copy the folder of {card.source} "
        f"to a folder named {card.file} below one that the environment variable {SEARCH_VARIABLE} names"
    )
