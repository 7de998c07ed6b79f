"""Words of a caption as the evaluation of COCO captions counts them, without the Java program it uses.

That evaluation (``pycocoevalcap``) runs Stanford's tokenizer for the Penn Treebank on lower-case text and drops 17
marks of punctuation. NLTK's Treebank tokenizer stands in for it here. The two agree on sentences as captions have
them; they differ in arithmetic, feet and inches, paths, marks such as ``?!``, and uncommon abbreviations.
"""

from __future__ import annotations

import re
from functools import lru_cache

from nltk.tokenize import TreebankWordTokenizer

# What the wrapper drops. It spells brackets in capitals, but its tokens arrive in lower case: brackets stay.
_DROPPED = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ABBREVIATIONS = frozenset(("mr.", "mrs.", "ms.", "dr.", "prof.", "jr.", "sr.", "st.", "vs.", "etc."))
_INITIALS = re.compile(r"[a-z](\.[a-z])+")  # u.s and p.m, with or without the last full stop
_OPENING_QUOTE = re.compile(r"^'(?!(?:s|m|d|t|n|em|ll|re|ve|tis|twas)\b)(?=[a-z])")
# Typography that Stanford's tokenizer writes in ASCII, and marks that it parts from words while NLTK does not.
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "–": "--", "—": "--", "`": " ", "*": " * "})
_TOKENIZER = TreebankWordTokenizer()


@lru_cache(maxsize=65536)
def coco_tokens(text: str) -> tuple[str, ...]:
    """Return the words of a caption, in lower case and without punctuation.

    Args:
        text: one caption; line breaks count as blanks.
    """
    tokens = _TOKENIZER.tokenize(" ".join(text.translate(_PLAIN).lower().split()))
    words = (_word(token) for token in tokens)
    return tuple(word for word in words if word and word not in _DROPPED)


def _word(token: str) -> str:
    """Return a token as Stanford's tokenizer has it: NLTK parts only the last full stop of a text from its word."""
    token = _OPENING_QUOTE.sub("", _BRACKETS.get(token, token), count=1)
    if _INITIALS.fullmatch(token.rstrip(".")):
        return token.rstrip(".") + "."
    if len(token) > 1 and token.endswith(".") and token not in _ABBREVIATIONS:
        return token.rstrip(".")
    return token
