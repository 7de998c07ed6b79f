"""Where WordNet is, for synonyms and for the meaning groups of interactions.

NLTK reads WordNet 3.0 from a folder ``corpora/wordnet``. It is looked for below ``$SUSHI_LG_WORDNET``, then in the
user's cache, where ``make wordnet`` puts it, then where NLTK keeps its own data.
"""

from __future__ import annotations

import functools
import logging
import os
import warnings
from pathlib import Path

import nltk.data
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.data import FileSystemPathPointer

from sushi_lg.data.files import warn_once
from sushi_lg.data.models import cache_folder
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

VARIABLE = "SUSHI_LG_WORDNET"
HOW_TO = "`make wordnet`, or `python -m nltk.downloader wordnet` and unzip it there"
_PART = Path("corpora", "wordnet")
_NEEDED = (
    *("lexnames", "cntlist.rev", "index.sense"),
    *(f"{kind}.{part}" for part in ("adj", "adv", "noun", "verb") for kind in ("data", "index")),
    *(f"{part}.exc" for part in ("adj", "adv", "noun", "verb")),
)


def install_folder() -> Path:
    """Return the folder that holds, or is to hold, ``corpora/wordnet`` of this user."""
    return cache_folder().parent / "nltk_data"


def find_wordnet() -> WordNetCorpusReader | None:
    """Return WordNet, read once a process; None, and one warning, where there is none.

    Raises:
        DataError: ``$SUSHI_LG_WORDNET`` names a folder without it, or a file of it is missing or broken.
    """
    stated = os.environ.get(VARIABLE, "").strip()
    if stated:
        root = Path(stated).expanduser()
        if not (root / _PART).is_dir():
            raise DataError(f"{VARIABLE} names {root}, which has no {_PART}", f"correct the variable, or {HOW_TO}")
        return read_wordnet(root)
    for root in (install_folder(), *map(Path, nltk.data.path)):
        if (root / _PART).is_dir():
            return read_wordnet(root)
    warn_once(logger, f"no WordNet: METEOR-es, without synonyms, takes the place of METEOR-nltk; fix: {HOW_TO}")
    return None


@functools.cache
def read_wordnet(root: Path) -> WordNetCorpusReader:
    """Read WordNet from ``root/corpora/wordnet``.

    Raises:
        DataError: a file is missing or broken.
    """
    folder = root / _PART
    absent = [name for name in _NEEDED if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{folder}: no {absent[0]}", f"remove the folder, then {HOW_TO}")
    if str(root) not in nltk.data.path:
        nltk.data.path.append(str(root))  # NLTK opens no file outside the folders it was told of
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that other languages are not there
            return WordNetCorpusReader(FileSystemPathPointer(str(folder)), None)
    except (AssertionError, ValueError, OSError, nltk.corpus.reader.wordnet.WordNetError) as error:
        raise DataError(f"{folder}: not WordNet as NLTK reads it ({error})", f"remove it, then {HOW_TO}") from error
