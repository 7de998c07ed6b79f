"""Texts of prompts: files with ``{names}``, filled in once.

A value is put where its name stands and never looked at again, so braces in a value stay braces. Values that come out
of data or models are first made harmless with ``quoted``.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from importlib.resources import files

TEMPLATES = ("system", "summary", "instance", "pair", "context")

_NAME = re.compile(r"\{([a-z_]+)\}")
_UNQUOTED = str.maketrans(dict.fromkeys('<>[]{}|`\\"\u201c\u201d', " "))


@functools.cache
def template(name: str) -> str:
    """Return the text of one of ``TEMPLATES``."""
    return files("semantic").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def fill(name: str, **values: object) -> str:
    """Return a template with its names filled in.

    Raises:
        KeyError: a name without a value.
        ValueError: a value without a name.
    """
    text = template(name)
    unused = values.keys() - set(_NAME.findall(text))
    if unused:
        raise ValueError(f"{name}.txt has no {', '.join(sorted(unused))}")
    return _NAME.sub(lambda found: str(values[found[1]]), text)


def quoted(text: str, most_words: int) -> str:
    """Return text of others as one line of plain words that no tokenizer takes for a mark, and that ends no quotation.

    Args:
        text: Of a model or a data set.
        most_words: The rest is cut off.
    """
    plain = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    return " ".join(plain.translate(_UNQUOTED).split()[:most_words])


def fingerprint() -> str:
    """Return a digest of all templates."""
    return hashlib.sha256("\0".join(template(name) for name in TEMPLATES).encode()).hexdigest()
