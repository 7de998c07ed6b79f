"""Embedders by name or file."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.protocol import Embedder
from sushi_lg.data.models import FoundModel, Progress, find_model, model_names
from sushi_lg.data.plugins import Finish, as_text, is_plugin, load_plugin
from sushi_lg.errors import WeightsError

HISTOGRAM = "hsv"
PIXELS = "pixels"
_TIMM = "timm:"
_PICKLES = (".pth", ".pt", ".ckpt")


def load_embedder(
    name_or_path: str | Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    allow_download: bool | None = None,
    progress: Progress | None = None,
) -> Embedder:
    """Return an embedder ready to run.

    Args:
        name_or_path: ``hsv`` for colour histograms, which need no weights; ``pixels`` for thumbnails, which trackers
            with an encoder of their own learn from; the name of a card, ``NAME=PATH`` or a card
            of one's own (see ``sushi_lg.data.models.find_model``); a converted fast-reid file (``.safetensors``); or
            ``timm:NAME`` or ``timm:NAME@FILE.safetensors``. ``FILE.py:NAME`` or ``package.module:NAME`` is an embedder
            of the user's own, see ``sushi_lg.data.plugins``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: Of the CPU inside one network.
        allow_download: See ``find_model``.
        progress: See ``find_model``.

    Raises:
        WeightsError: no such embedder (names the nearest), no such file, one that has to be converted first (with the
            command that does it), or one that does not fit.
        ConfigError: an embedder of the user's own that is none.
    """
    text = str(name_or_path)
    if text == HISTOGRAM:
        from sushi_lg.appearance.histogram import HistogramEmbedder

        return HistogramEmbedder()
    if text.startswith(_TIMM):
        from sushi_lg.appearance.timm_backbone import TimmEmbedder

        return TimmEmbedder(text, device=device, threads=threads)
    if is_plugin(text):
        offered = {"device": device, "threads": threads}
        own: Embedder = load_plugin(text, "embedder", _MEMBERS, offered, methods=_METHODS)
        return own
    if text == PIXELS:
        from sushi_lg.appearance.thumbnail import ThumbnailEmbedder

        return ThumbnailEmbedder()
    path = Path(text).expanduser()
    if path.is_file() and path.suffix in (*_PICKLES, ".safetensors"):
        return _fastreid(path, None, device, threads)
    _check_name(text)
    found = find_model(text, "embedder", allow_download=allow_download, progress=progress)
    return _of_card(found, device, threads)


def embedder_names() -> list[str]:
    """Return the names that need no path."""
    return [HISTOGRAM, PIXELS, *model_names("embedder")]


def _of_card(found: FoundModel, device: str, threads: int) -> Embedder:
    card, path = found.card, found.path
    if path is None or not path.is_file():
        raise WeightsError(f"{path}: a folder; {card.name} is one file", "give the file")
    if card.family == "onnx_reid":
        from sushi_lg.appearance.onnx_reid import OnnxEmbedder

        return OnnxEmbedder(card, path, device=device, threads=threads)
    if card.family == "fastreid":
        return _fastreid(path, card.name, device, threads)
    raise WeightsError(f"{card.name}: no embedder of family {card.family!r}", "families: onnx_reid, fastreid")


def _fastreid(path: Path, name: str | None, device: str, threads: int) -> Embedder:
    """Return the embedder of a converted file; a checkpoint is exchanged for what it was converted to."""
    from sushi_lg.appearance.fastreid import FastReidEmbedder, conversion_command, converted_path

    if path.suffix in _PICKLES:
        if not converted_path(path).is_file():
            raise WeightsError(f"{path}: checkpoints are converted once before use", conversion_command(path))
        path = converted_path(path)
    return FastReidEmbedder(path, name=name, device=device, threads=threads)


def _check_name(text: str) -> None:
    """Refuse what is neither a name nor a path, with the nearest name of all kinds of embedders."""
    name, equals, _ = text.partition("=")
    if text in embedder_names() or (equals and name in embedder_names()) or Path(text).expanduser().exists():
        return
    near = [name for name in embedder_names() if name.startswith(text.lower())]
    near = near or difflib.get_close_matches(text.lower(), embedder_names(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise WeightsError(
        f"{text}: neither an embedder's name nor a file",
        f"{hint}embedders: {', '.join(embedder_names())}, timm:NAME, FILE.py:NAME; or give a path",
    )


def _as_crops(_: Embedder, crops: NDArray[np.uint8], __: object, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return what an embedder of the user's own cut out.

    Raises:
        ValueError: not (K, h, w, 3).
    """
    shape = np.shape(crops)
    if not isinstance(crops, np.ndarray) or len(shape) != 4 or shape[0] != len(boxes_xyxy) or shape[3] != 3:
        raise ValueError(f"it returned a {type(crops).__name__} of shape {shape}, not ({len(boxes_xyxy)}, h, w, 3)")
    return crops


def _as_vectors(embedder: Embedder, vectors: NDArray[np.float32], crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what an embedder of the user's own made of crops.

    Raises:
        ValueError: not (K, D).
    """
    wanted = (len(crops), embedder.dim)
    if not isinstance(vectors, np.ndarray) or vectors.shape != wanted:
        raise ValueError(f"it returned a {type(vectors).__name__} of shape {np.shape(vectors)}, not {wanted}")
    return vectors


_MEMBERS = ("name", "dim", "batch_size", "parallel")
_METHODS: dict[str, Finish | None] = {"fingerprint": as_text, "crop": _as_crops, "embed": _as_vectors}
