"""The closed vocabulary of interactions in BenSMOT: 335 names, and 359 ways in which they are spelt.

A name is ``lemma.pos.sense`` of WordNet 3.0, apart from seven bare words. The data set writes 331 of them as they are
and has 28 faulty spellings besides; its evaluation script gives every spelling a slot of its own, in sorted order and
counted from 1, which makes vectors of 360 (Li et al., ECCV 2024, and the code released with it). Names are what this
package works with; spellings are kept beside them, and slots are for exchange with that script only.

``labels.tsv`` holds the names, a phrase of our own for each that goes between two people ("A *talks to* B"), and
whether both necessarily do it. The sense numbers are not reliable as meanings: ``hold.v.01`` is used for holding
somebody, where WordNet says keeping in a state. So phrases say what can be seen.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from sushi_lg.errors import DataError

_TABLE = files("semantic.bensmot").joinpath("labels.tsv").read_text(encoding="utf-8")
_ROWS = tuple(line.split("\t") for line in _TABLE.splitlines()[1:])

LABELS: tuple[str, ...] = tuple(sorted(row[0] for row in _ROWS))
"""The 335 canonical names, sorted."""

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accept.v.0": ("accept.v.01",),
        "accept.v.02 ": ("accept.v.02",),
        "accompany.v.02 ": ("accompany.v.02",),
        "arender.v.04": ("render.v.04",),
        "bruch.v.01": ("brush.v.01",),
        "ccept.v.02": ("accept.v.02",),
        "clap.v.04.take.v.04": ("clap.v.04", "take.v.04"),
        "command.v.02": ("command.n.02",),
        "converse.v.02": ("converse.v.01",),
        "eep.v.01": ("keep.v.01",),
        "handshake": ("handshake.n.01",),
        "handshake.n.01.talk.v.01": ("handshake.n.01", "talk.v.01"),
        "listen.v.021": ("listen.v.02",),
        "loo.v.01": ("look.v.01",),
        "lsiten.v.01": ("listen.v.01",),
        "moisture.v.01": ("moisture.n.01",),
        "recieve": ("receive.v.01",),
        "reveive.v.01": ("receive.v.01",),
        "shake_head.v.01": ("headshake",),
        "show.v.01s": ("show.v.01",),
        "simle.v.01": ("smile.v.01",),
        "smile.0.01": ("smile.v.01",),
        "smile.01": ("smile.v.01",),
        "smile.v.01ook.v.01": ("smile.v.01", "look.v.01"),
        "smlie.v.01": ("smile.v.01",),
        "stride.v.0": ("stride.v.01",),
        "strife.v.01": ("stride.v.01",),
        "wipe.v.02": ("wipe.v.01",),
    }
)
"""The 28 faulty spellings, exactly as the data set has them, and the names they stand for."""

_NEVER_SPELT_RIGHT = ("accept.v.01", "command.n.02", "moisture.n.01", "stride.v.01")

RAW_LABELS: tuple[str, ...] = tuple(sorted({*LABELS, *ALIASES} - {*_NEVER_SPELT_RIGHT}))
"""The 359 spellings in the order of their slots; the first one has slot 1."""

NUM_SLOTS = 360
"""Width of a vector of slots; slot 0 is not used."""

SAME_SYNSET: tuple[tuple[str, str], ...] = (
    ("comply.v.01", "comply.v.0"),
    ("hash_out.v.01", "hash_out.v.0"),
    ("look.v.01", "look.v.1"),
    ("massage.v.02", "massage.v.0"),
    ("hold.v.01", "keep.v.01"),
    ("defy.v.02", "resist.v.01"),
)
"""Pairs of names that are one entry of WordNet; ``merged`` returns the first of each."""

_SLOTS = {raw: slot for slot, raw in enumerate(RAW_LABELS, start=1)}
_NAMES = frozenset(LABELS)
_STRIPPED_ALIASES = {raw.strip(): labels for raw, labels in ALIASES.items() if raw.strip() not in _NAMES}
_SURFACES = {label: surface for label, surface, _ in _ROWS}
_SYMMETRIC = frozenset(label for label, _, symmetric in _ROWS if symmetric == "yes")
_MERGED = {second: first for first, second in SAME_SYNSET}
_LONGEST_QUOTED = 60


def canonical(raw: str) -> tuple[str, ...]:
    """Return the names a spelling stands for, most often one; case, blanks and dots around it do not matter.

    Raises:
        DataError: unknown spelling; gives the nearest names.
    """
    tidy = raw.strip().strip(".").strip().lower()
    if tidy in _NAMES:
        return (tidy,)
    if tidy in _STRIPPED_ALIASES:
        return _STRIPPED_ALIASES[tidy]
    near = difflib.get_close_matches(tidy[:_LONGEST_QUOTED], LABELS, n=3)
    remedy = f"did you mean {', '.join(near)}?" if near else "semantic/bensmot/labels.tsv lists the 335 names"
    raise DataError(f"{raw[:_LONGEST_QUOTED]!r}: no interaction of the vocabulary", remedy)


def raw_slot(raw: str) -> int:
    """Return the slot, 1 .. 359, that the released evaluation script gives a spelling.

    As there, one leading blank or dot is dropped and capitals do not matter; all else does. Canonical names that the
    data set never writes have no slot: see ``slots``.

    Raises:
        DataError: no such slot.
    """
    text = raw.lower()
    text = text[1:] if text[:1] in (" ", ".") else text
    if text not in _SLOTS:
        raise DataError(f"{raw[:_LONGEST_QUOTED]!r}: none of the 359 spellings", "name a label with canonical first")
    return _SLOTS[text]


def slots(label: str) -> tuple[int, ...]:
    """Return the slots of all spellings that stand for one name alone, the slot to use first.

    That is the name itself, or for the four names that are never spelt right their first faulty spelling.

    Raises:
        DataError: no canonical name.
    """
    _check(label)
    faulty = [_SLOTS[raw] for raw, labels in ALIASES.items() if labels == (label,)]
    return (_SLOTS[label], *faulty) if label in _SLOTS else tuple(faulty)


def surface(label: str) -> str:
    """Return the phrase that goes between two people: ``talks to`` for ``talk.v.01``.

    Every phrase belongs to one name, apart from names with a truncated sense (``look.v.1``), which share the phrase of
    a whole one.

    Raises:
        DataError: no canonical name.
    """
    _check(label)
    return _SURFACES[label]


def label_of(phrase: str) -> str | None:
    """Return the name whose ``surface`` a phrase is, the one with a whole sense number first; None if of none."""
    return _labels_by_surface().get(" ".join(phrase.lower().split()))


def is_symmetric(label: str) -> bool:
    """Tell whether two people necessarily do this to each other, as in a handshake.

    Raises:
        DataError: no canonical name.
    """
    _check(label)
    return label in _SYMMETRIC


def merged(label: str) -> str:
    """Return one name for both of a pair that is one entry of WordNet, and any other name as it is.

    Raises:
        DataError: no canonical name.
    """
    _check(label)
    return _MERGED.get(label, label)


def lemma(label: str) -> str:
    """Return a name without part of speech and sense: ``talk`` for ``talk.v.01``.

    Raises:
        DataError: no canonical name.
    """
    _check(label)
    return label.split(".")[0]


def fingerprint() -> str:
    """Return a digest of the whole vocabulary: names, phrases and aliases."""
    digest = hashlib.sha256(_TABLE.encode())
    digest.update(repr((sorted(ALIASES.items()), SAME_SYNSET)).encode())
    return digest.hexdigest()


def _check(label: str) -> None:
    if label not in _NAMES:
        raise DataError(
            f"{label[:_LONGEST_QUOTED]!r}: no canonical name of an interaction", "pass it through canonical"
        )


@functools.cache
def _labels_by_surface() -> dict[str, str]:
    whole_last = sorted(LABELS, key=_is_whole)
    return {_SURFACES[label]: label for label in whole_last}


def _is_whole(label: str) -> bool:
    """Tell whether the sense number of a name is not truncated."""
    return not label.endswith((".0", ".1"))
