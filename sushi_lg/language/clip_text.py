"""The text side of CLIP (arXiv:2103.00020), SigLIP (2303.15343) and SigLIP 2 (2502.14786) through transformers.

Shapes: n sentences, B sentences of a batch, P tokens after padding, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.appearance.torch_runtime import checked_device
from sushi_lg.errors import WeightsError
from sushi_lg.language.batches import encode_in_batches, frozen
from sushi_lg.language.hub import digest, first_line, folder_digest, install, model_folder
from sushi_lg.language.pretrained import load_network, load_tokenizer, token_numbers
from sushi_lg.language.text_encoder import folder_name

_VERSION = 1  # of the code around the network; raise it when the vectors change
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
_CLASSES = {"clip": "CLIPTextModelWithProjection", "siglip": "SiglipTextModel", "siglip2": "Siglip2TextModel"}


class ClipTextEncoder:
    """A CLIP, SigLIP or SigLIP 2 of transformers without its eyes; see the protocol ``TextEncoder``.

    Args:
        model: A folder with ``config.json``, ``model.safetensors`` and a tokenizer, or an id on the hub; both towers or
            the text tower alone.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        WeightsError: no transformers, no such model, another kind of network, or weights that are not all there.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        self._device = checked_device(device)
        folder = model_folder(model, _PATTERNS, _complete)
        kind, network = _load(folder)
        self._tokenizer = load_tokenizer(folder)
        self._network = frozen(network, self._device)
        self._clip = kind == "clip"
        self._limit = int(network.config.max_position_embeddings)
        # SigLIP was trained on texts filled up to full length, most of its tokenizers with no mask
        self._masked = self._clip or "attention_mask" in self._tokenizer.model_input_names
        self.name = folder_name("transformers", folder.name if Path(model).expanduser().is_dir() else model)
        self.dim = int(network.config.projection_dim if self._clip else network.config.projection_size)
        self._fingerprint = digest("clip text", _VERSION, folder_digest(folder), self._device.type)

    def fingerprint(self) -> str:
        """Return a digest of all files of the model and of the kind of device."""
        return self._fingerprint

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, D) vectors of length one."""
        return encode_in_batches(
            sentences,
            lambda texts: token_numbers(self._tokenizer, texts, self._limit, fill=not self._clip),
            self._vectors,
            dim=self.dim,
            pad=self._tokenizer.pad_token_id,
            limit=self._limit,
            device=self._device,
        )

    def _vectors(self, tokens: Tensor, mask: Tensor) -> Tensor:
        if self._clip:
            return self._network(input_ids=tokens, attention_mask=mask).text_embeds
        words = (tokens != self._tokenizer.pad_token_id).long() if self._masked else None
        return self._network(input_ids=tokens, attention_mask=words).pooler_output


def _complete(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _load(folder: Path) -> tuple[str, Any]:
    """Return the family (``clip``, ``siglip``, ``siglip2``) and the text tower."""
    if not _complete(folder):
        raise WeightsError(
            f"{folder}: no config.json with .safetensors weights beside it",
            "give the folder of a model with safetensors; pickled weights are not read",
        )
    try:
        import transformers

        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except ImportError as error:
        raise WeightsError(f"{folder}: transformers cannot be imported ({error})", install("transformers")) from error
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder}/config.json: {first_line(error)}", "copy the file again") from error
    kind = str(config.model_type).removesuffix("_text_model")
    if kind not in _CLASSES:
        raise WeightsError(
            f"{folder}: a network of type {config.model_type!r}, not one of {', '.join(_CLASSES)}",
            "folders of sentence-transformers are read by sentence:FOLDER",
        )
    text = getattr(config, "text_config", config)
    if kind == "clip" and text is not config:
        text.projection_dim = config.projection_dim  # where both towers come together, the whole model has the say
    return kind, load_network(getattr(transformers, _CLASSES[kind]), folder, text)
