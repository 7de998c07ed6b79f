"""The text side of any model of open_clip (github.com/mlfoundations/open_clip).

Shapes: n sentences, B sentences of a batch, L tokens the model reads, D width of a vector.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.appearance.torch_runtime import checked_device
from sushi_lg.data.models import file_sha256
from sushi_lg.errors import WeightsError
from sushi_lg.language.batches import encode_in_batches, frozen, say_cut
from sushi_lg.language.hub import digest, first_line, folder_digest, model_folder
from sushi_lg.language.text_encoder import folder_name

_VERSION = 1  # of the code around the network; raise it when the vectors change
_HUB = "hf-hub:"
_PATTERNS = ("*.json", "*.txt", "*.model", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
# It brings torchvision, and a torchvision made for another torch breaks both.
_INSTALL = 'all in one go, because torchvision has to fit torch: python -m pip install torch "sushi-lg[language]"'


class OpenClipTextEncoder:
    """A model of open_clip without its eyes; see the protocol ``TextEncoder``.

    Args:
        model: ``NAME``, ``NAME@TAG``, ``NAME=FILE``, ``hf-hub:ORG/NAME``, or a folder with ``open_clip_config.json``.
            Files are ``.safetensors``, or pickles of which nothing but tensors is read.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        WeightsError: no open_clip, no such model or tag (names those there are), or no weights.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        self._device = checked_device(device)
        library = _open_clip(model)
        network, tokenizer, name, facts = _load(library, model)
        self._tokenizer = tokenizer
        self._limit = int(tokenizer.context_length)
        del network.visual  # mostly the larger part
        self._network = frozen(network, self._device)
        self.name = folder_name("open_clip", name)
        with torch.inference_mode():
            probe = tokenizer(["A person, 2 bags; the Same person."])
            self.dim = int(self._network.encode_text(probe.to(self._device)).shape[1])
        # a tokenizer is known by what it makes of a sentence: of most there is no file
        self._fingerprint = digest("open_clip", _VERSION, facts, probe.tolist(), self._device.type)

    def fingerprint(self) -> str:
        """Return a digest of weights, settings and tokenizer, and of the kind of device."""
        return self._fingerprint

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, D) vectors of length one."""
        return encode_in_batches(
            sentences,
            self._tokens,
            lambda tokens, _: self._network.encode_text(tokens),
            dim=self.dim,
            pad=0,
            limit=self._limit,
            device=self._device,
        )

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        rows: Tensor = self._tokenizer(texts)  # (n, L), cut and filled up as the model was trained
        full = [text for text, row in zip(texts, rows, strict=True) if bool(row[-1] != 0)]
        # one more word changes nothing where there is no room for it; where it just fits, this errs towards telling
        longer = self._tokenizer([f"{text} person" for text in full]) if full else rows[:0]
        same = (longer == self._tokenizer(full)).all(dim=1).tolist() if full else []
        say_cut(full, [self._limit + int(one) for one in same], self._limit)
        return rows.tolist()


def _open_clip(model: str) -> Any:  # noqa: ANN401 - a library that is optional
    try:
        import open_clip
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch fails with a RuntimeError
        raise WeightsError(
            f"open_clip:{model}: open_clip cannot be imported ({first_line(error)})", _INSTALL
        ) from error
    return open_clip


def _load(library: Any, model: str) -> tuple[Any, Any, str, object]:  # noqa: ANN401
    """Return network, tokenizer, short name, and the facts the vectors depend on."""
    name, equals, file = model.partition("=")
    if equals:
        _check_model(library, name)
        path = Path(file).expanduser()
        if not path.is_file():
            raise WeightsError(f"{path}: no such file", f"give the weights: open_clip:{name}=FILE")
        return *_create(library, name, path), f"{name}_{path.stem}", (library.get_model_config(name), file_sha256(path))
    if model.startswith(_HUB) or Path(model).expanduser().is_dir():
        folder = model_folder(model.removeprefix(_HUB), _PATTERNS, _complete)
        if not _complete(folder):
            raise WeightsError(
                f"{folder}: no open_clip_config.json with weights beside it", "give the folder of a model of open_clip"
            )
        short = model.removeprefix(_HUB) if model.startswith(_HUB) else folder.resolve().name
        return *_create(library, f"local-dir:{folder}", None), short, folder_digest(folder)
    name, _, tag = model.partition("@")
    _check_model(library, name)
    tags = library.list_pretrained_tags_by_model(name)
    tag = tag or next(iter(tags), "")
    settings = library.get_pretrained_cfg(name, tag)
    if not settings:
        known = f"tags of {name}: {', '.join(tags)}" if tags else f"{name} has no published weights"
        raise WeightsError(f"open_clip:{model}: no weights {tag!r}", f"{known}; or give a file: open_clip:{name}=FILE")
    path = _weights(library, f"{name}@{tag}", settings)
    created = _create(library, name, path, quick_gelu=bool(settings.get("quick_gelu")))
    return *created, f"{name}_{tag}", (library.get_model_config(name), settings.get("quick_gelu"), file_sha256(path))


def _check_model(library: Any, name: str) -> None:  # noqa: ANN401
    if name in library.list_models():
        return
    near = difflib.get_close_matches(name, library.list_models(), n=3)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise WeightsError(f"open_clip:{name}: open_clip has no such model", f"{hint}open_clip.list_models() names all")


def _create(library: Any, name: str, weights: Path | None, *, quick_gelu: bool = False) -> tuple[Any, Any]:  # noqa: ANN401
    """Return network and tokenizer; weights are read as tensors only."""
    try:
        network = library.create_model(
            name,
            pretrained=None if weights is None else str(weights),
            force_quick_gelu=quick_gelu,  # open_clip merely warns where weights want another activation than the name
            require_pretrained=True,  # and goes on with random numbers where it finds none
            weights_only=True,
        )
        return network, library.get_tokenizer(name)
    except Exception as error:  # whatever files, pickles and the library's own checks raise
        raise WeightsError(
            f"open_clip:{name}: {weights or 'its weights'} cannot be loaded ({first_line(error)})",
            "the file has to hold the weights of just this model",
        ) from error


def _weights(library: Any, what: str, settings: dict[str, Any]) -> Path:  # noqa: ANN401
    """Return the file of a tag: that on this machine, else the one open_clip fetches."""
    from huggingface_hub import constants, try_to_load_from_cache

    repository, _, file = str(settings.get("hf_hub", "")).rpartition("/")
    safe = f"{file.rpartition('.')[0]}.safetensors" if file else "open_clip_model.safetensors"
    for one in (safe, file or "open_clip_pytorch_model.bin") if repository else ():
        found = try_to_load_from_cache(repository, one)
        if isinstance(found, str):
            return Path(found)
    source = f"hub: {repository}" if repository else settings["url"]
    remedy = f"fetch them elsewhere ({source}) and give the file: open_clip:{what.partition('@')[0]}=FILE"
    if constants.HF_HUB_OFFLINE:
        raise WeightsError(f"open_clip:{what}: its weights are not here, and HF_HUB_OFFLINE forbids to ask", remedy)
    try:
        return Path(library.download_pretrained(settings))  # a file it fetched by url before it finds again
    except Exception as error:  # the hub and urllib raise what they met
        raise WeightsError(
            f"open_clip:{what}: its weights are not here and cannot be fetched ({first_line(error)})", remedy
        ) from error


def _complete(folder: Path) -> bool:
    weights = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return (folder / "open_clip_config.json").is_file() and bool(weights)
