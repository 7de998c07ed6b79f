"""Descriptions from LaMOT (Li et al., 2024): expressions that say which tracks they mean, frame by frame.

One JSON file a sequence and expression: ``{"targets": {"<frame>": [track_id, ...]}, "language": "..."}``. An expression
fits several tracks, a track has several expressions, and some hold for a moment only or for everybody ("person"). A
track is described by the one that fits the fewest tracks, and by those that narrow it down further.

The files state no licence.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sushi_lg.errors import DataError
from sushi_lg.language.colours import NAMES
from sushi_lg.language.descriptions import Description

if TYPE_CHECKING:
    from sushi_lg.data.sequence import Sequence

_NAME = re.compile(r"(?P<sequence>.+)_(?P<number>\d+)\.json")
_LASTING = 0.5  # share of a track's frames at which an expression must hold to describe the person
_MOST_PARTS = 3
_COLOUR = re.compile(rf"\b({'|'.join(NAMES)}|gray|dark|light)\b(?!-side)", re.IGNORECASE)
_DOWNLOAD = "copy the LaMOT annotations again"


@dataclass(frozen=True)
class Expression:
    """One sentence and whom it means.

    Attributes:
        path: The file.
        text: The sentence, white space tidied.
        frames: For each track the (1-based) frames at which it is meant.
    """

    path: Path
    text: str
    frames: dict[int, frozenset[int]]


def find_lamot(folder: str | Path) -> dict[str, list[Path]]:
    """Return the files of each sequence below a folder, by the name LaMOT gives the sequence.

    Raises:
        DataError: no such folder, no expression in it, or one sequence in two places.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name the folder of LaMOT's annotations")
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.json")):
        match = _NAME.fullmatch(path.name)
        if match:
            found[match["sequence"]].append(path)
    if not found:
        raise DataError(f"{folder}: no <sequence>_<number>.json in it", "name the folder of LaMOT's annotations")
    for name, paths in found.items():
        places = sorted({path.parent for path in paths})
        if len(places) > 1:
            raise DataError(f"{name} lies in {places[0]} and in {places[1]}", "name one of the two folders")
    return dict(found)


def read_expression(path: str | Path) -> Expression:
    """Read one file.

    Raises:
        DataError: not JSON, another shape, or an empty sentence; names the file.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not JSON ({error})", _DOWNLOAD) from error
    if not isinstance(content, dict) or not isinstance(content.get("language"), str):
        raise DataError(f"{path}: no text under 'language'", _DOWNLOAD)
    targets = content.get("targets")
    if not isinstance(targets, dict):
        raise DataError(f"{path}: no object under 'targets'", _DOWNLOAD)
    text = " ".join(content["language"].split())
    if not text:
        raise DataError(f"{path}: an empty sentence", _DOWNLOAD)
    frames: dict[int, set[int]] = defaultdict(set)
    for frame, ids in targets.items():
        whole = isinstance(ids, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in ids)
        if not whole or not frame.isdecimal() or int(frame) < 1:
            raise DataError(f"{path}: targets of frame {frame!r} are not a list of ids", _DOWNLOAD)
        for one in ids:
            frames[one].add(int(frame))
    return Expression(path, text, {one: frozenset(at) for one, at in frames.items()})


def lamot_descriptions(sequence: Sequence, paths: Iterable[Path], *, split: str = "") -> list[Description]:
    """Return one description a track that LaMOT mentions.

    Args:
        sequence: With its ground truth: ids and frames are checked against it.
        paths: Expressions of the sequence.
        split: Name of the split.

    Returns:
        Rows sorted by id. ``sentence`` is made of the expression that fits the fewest tracks and of at most two more
        that each leave fewer; ``discriminability`` is the share of the sequence's other tracks that they do not all
        fit; ``captions`` holds every expression of the track. An expression counts for the sentence where it holds for
        half of the track's frames; where none does, all count.

    Raises:
        DataError: a file that cannot be read, an id that the ground truth does not have, or a frame after the end.
    """
    table = sequence.load_ground_truth("identities")
    ids, counts = np.unique(table.track_id, return_counts=True)
    # a mention counts where the ground truth has a box: LaMOT fills frames where it has none
    boxes = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    frames: dict[int, set[int]] = {one: set() for one in boxes}
    for one, frame in zip(table.track_id.tolist(), table.frame.tolist(), strict=True):
        frames[one].add(frame)
    digest = hashlib.sha256(b"lamot 1")
    mentions: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    wordings: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sorted(paths):
        expression = read_expression(path)
        digest.update(path.read_bytes())
        _check(expression, sequence, set(boxes))
        text = _key(expression.text)
        for one, at in expression.frames.items():
            mentions[text][one] |= at & frames[one]
            wordings[text][one].add(expression.text)
    digest.update(np.ascontiguousarray(ids, dtype="<i8").tobytes())
    fits = {text: frozenset(meant) for text, meant in mentions.items()}
    rows = []
    for one in ids.tolist():
        texts = sorted((text for text in fits if one in fits[text]), key=lambda text: (len(fits[text]), text))
        if not texts:
            continue
        lasting = [text for text in texts if len(mentions[text][one]) >= _LASTING * boxes[one]]
        parts, left = _narrowed(lasting or texts, fits)
        others = len(boxes) - 1
        rows.append(
            Description(
                dataset=sequence.info.layout.name,
                split=split,
                seq=sequence.name,
                track_id=one,
                sentence=_joined(parts),
                captions=tuple(wording for text in texts for wording in sorted(wordings[text][one])),
                discriminability=round(1 - (len(left) - 1) / others, 4) if others else 1.0,
                models={"sentence": "LaMOT"},
                sha256=digest.hexdigest(),
            )
        )
    return rows


def _check(expression: Expression, sequence: Sequence, known: set[int]) -> None:
    absent = sorted(set(expression.frames) - known)
    if absent:
        raise DataError(
            f"{expression.path}: track {absent[0]} is not in {sequence.ground_truth_path} ({len(absent)} such ids)",
            "use the ground truth that LaMOT was made for",
        )
    last = max((frame for at in expression.frames.values() for frame in at), default=1)
    if last > sequence.info.length:
        raise DataError(
            f"{expression.path}: frame {last}, but {sequence.name} has {sequence.info.length}",
            "use the ground truth that LaMOT was made for",
        )


def _key(text: str) -> str:
    """Return the expression without final stop and leading article: two files say one thing in such ways."""
    return re.sub(r"^(?:an?|the)\s+", "", text.rstrip(" ."), flags=re.IGNORECASE)


def _narrowed(texts: list[str], fits: dict[str, frozenset[int]]) -> tuple[list[str], frozenset[int]]:
    """Return the expressions of a sentence, and the tracks that all of them fit."""
    # among those that fit equally few, one that names a colour can be seen, and the longer says more
    order = sorted(texts, key=lambda text: (len(fits[text]), not _COLOUR.search(text), -len(text), text))
    parts, left = [order[0]], fits[order[0]]
    while len(parts) < _MOST_PARTS:
        best = min(order, key=lambda text: (len(left & fits[text]), order.index(text)))
        if len(left & fits[best]) == len(left):
            break
        parts.append(best)
        left &= fits[best]
    return parts, left


def _joined(parts: list[str]) -> str:
    # capitals inside are kept: names of teams have some
    text = ", ".join([parts[0], *parts[1:]])
    return f"{text[0].upper()}{text[1:]}."
