"""Descriptions of people and scenes in words, one JSON object a line.

``DIR/<sequence>.jsonl`` holds one row an identity and at most one row of the scene (``"track_id": null``). Rows are
written with all keys, in the order of the fields of ``Description``; when read, a key that is absent has its default,
apart from ``seq``, ``track_id`` and ``sentence``, which must be there.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError

_AGAIN = "correct the line, or make the file again with `sushi-lg annotate`"


@dataclass(frozen=True)
class Description:
    """What is said about one person of a sequence, or about its scene.

    Attributes:
        dataset: Name of the data set; empty where unknown.
        split: Name of the split; empty where unknown.
        seq: Name of the sequence, ``scenario/clip`` in BenSMOT.
        track_id: Identity in the ground-truth file (or id in the result file) described; None = the scene.
        sentence: What a text encoder reads.
        tags: Single words.
        attributes: What is known, by name: ``sex``, ``hair``, ``upper``, ``lower``, ``shoes``, ``carried``,
            ``accessory``, ``role`` of a person; ``camera``, ``viewpoint``, ``light``, ``crowding``, ``place`` of a
            scene. An attribute that is not known is absent.
        captions: Other sentences about the same, as they were found.
        phrases: Noun phrases that hold (``fg``) and that must not be mistaken for it (``bg``).
        discriminability: 1 where the sentence fits this person alone, 0 where it fits everybody of the sequence;
            None = not measured.
        keyframes: 0-based frames that were looked at.
        models: What made the row, by part.
        prompt_version: Of the questions a language model was asked.
        rounds: How often it was asked.
        license: Of the text; empty where the source states none.
        sha256: Digest of what the row was made from; empty where unknown.
    """

    dataset: str = field(default="", kw_only=True)
    split: str = field(default="", kw_only=True)
    seq: str
    track_id: int | None
    sentence: str
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    discriminability: float | None = None
    keyframes: tuple[int, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    prompt_version: str = ""
    rounds: int = 0
    license: str = ""
    sha256: str = ""


def descriptions_path(folder: str | Path, sequence: str) -> Path:
    """Return ``folder/<sequence>.jsonl``; the ``/`` of a BenSMOT name makes a folder.

    Raises:
        DataError: a name that leads out of the folder.
    """
    name = PurePosixPath(sequence)
    if not name.parts or name.is_absolute() or ".." in name.parts:
        raise DataError(f"sequence name {sequence!r} is no name of a file", "rename the sequence")
    return Path(folder) / f"{sequence}.jsonl"  # not with_suffix: names may have dots


def write_descriptions(path: str | Path, rows: Iterable[Description]) -> None:
    """Write rows as JSON Lines, sorted by sequence, the scene first, then by id; the same rows give the same bytes.

    Args:
        path: Target, replaced at once; parent folders are made.
        rows: The descriptions.

    Raises:
        DataError: a value that may not be written, or a row twice.
    """
    path = Path(path)
    ordered = sorted(rows, key=lambda row: (row.seq, row.track_id is not None, row.track_id or 0))
    taken: dict[tuple[str, int | None], int] = {}
    lines = []
    for number, row in enumerate(ordered, start=1):
        # through text and back, so that what is written is known to be readable
        line = json.dumps({one.name: _plain(getattr(row, one.name)) for one in fields(row)}, ensure_ascii=False)
        _take(taken, _parse(path, number, line), path, number)
        lines.append(line + "\n")
    with atomic_path(path) as staged:
        staged.write_text("".join(lines), encoding="utf-8")


def read_descriptions(path: str | Path) -> list[Description]:
    """Read rows written by ``write_descriptions``, or by hand; blank lines are passed over.

    Returns:
        The rows in file order.

    Raises:
        DataError: no such file, not UTF-8, not JSON, an unknown or absent key, a value of another type, an identity
            twice or two scenes of one sequence; by ``file:line``.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "make it with `sushi-lg annotate`") from None
    except UnicodeDecodeError as error:
        at = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{at}: not UTF-8 text", "save the file as UTF-8") from error
    rows: list[Description] = []
    taken: dict[tuple[str, int | None], int] = {}
    # split at line feeds only: JSON strings may hold other characters that str.splitlines takes for line ends
    for number, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            row = _parse(path, number, content)
            _take(taken, row, path, number)
            rows.append(row)
    return rows


def _take(taken: dict[tuple[str, int | None], int], row: Description, path: Path, line: int) -> None:
    key = row.seq, row.track_id
    if key in taken:
        what = "a second scene" if row.track_id is None else f"track_id {row.track_id} a second time"
        raise DataError(f"{path}:{line}: {what} in {row.seq} (first in line {taken[key]})", "keep one of the rows")
    taken[key] = line


def _plain(value: object) -> object:
    """Return what JSON can hold: lists for tuples, mappings with their keys sorted."""
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _parse(path: Path, number: int, line: str) -> Description:
    try:
        stored = json.loads(line, parse_constant=_refuse, object_pairs_hook=_once)
    except ValueError as error:
        raise DataError(f"{path}:{number}: not JSON ({error})", _AGAIN) from error
    if not isinstance(stored, dict):
        raise DataError(f"{path}:{number}: not a JSON object", _AGAIN)
    unknown = sorted(set(stored) - set(_TYPES))
    absent = [name for name in _REQUIRED if name not in stored]
    if unknown or absent:
        what = f"unknown key {unknown[0]!r}" if unknown else f"no key {absent[0]!r}"
        raise DataError(f"{path}:{number}: {what}", f"keys are {', '.join(_TYPES)}")
    values = {}
    for name, value in stored.items():
        if not _is(value, _TYPES[name]):
            expected = _NAMES[name]
            raise DataError(f"{path}:{number}: {name} is {json.dumps(value)[:80]}, expected {expected}", _AGAIN)
        values[name] = _frozen(value)
    row = Description(**values)
    fault = _fault(row)
    if fault:
        raise DataError(f"{path}:{number}: {fault}", _AGAIN)
    return row


def _fault(row: Description) -> str | None:
    """Return what is wrong with values of the right type."""
    if not row.seq:
        return "seq is empty"
    if not row.sentence.strip():
        return "sentence is empty"
    if row.track_id is not None and row.track_id < 0:
        return f"track_id is {row.track_id}; ids are not negative, null is the scene"
    if row.discriminability is not None and not 0 <= row.discriminability <= 1:
        return f"discriminability is {row.discriminability}, not in 0 .. 1"
    if any(frame < 0 for frame in row.keyframes):
        return f"keyframes are {list(row.keyframes)}; frames count from 0"
    return None


def _is(value: object, wanted: Any) -> bool:  # noqa: ANN401 - the type of a field
    """Tell whether a JSON value is of the type of a field."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is types.UnionType:
        return any(_is(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, list) and all(_is(one, inner[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_is(one, inner[1]) for one in value.values())
    if wanted is types.NoneType:
        return value is None
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _frozen(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, dict):
        return {key: _frozen(one) for key, one in value.items()}
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


_HINTS = typing.get_type_hints(Description)
_TYPES: dict[str, Any] = {one.name: _HINTS[one.name] for one in fields(Description)}
_REQUIRED = tuple(one.name for one in fields(Description) if one.default is MISSING and one.default_factory is MISSING)
_NAMES = {
    "dataset": "text",
    "split": "text",
    "seq": "text",
    "track_id": "a whole number, or null for the scene",
    "sentence": "text",
    "tags": "a list of texts",
    "attributes": "an object of texts",
    "captions": "a list of texts",
    "phrases": "an object of lists of texts",
    "discriminability": "a number in 0 .. 1, or null",
    "keyframes": "a list of whole numbers",
    "models": "an object of texts",
    "prompt_version": "text",
    "rounds": "a whole number",
    "license": "text",
    "sha256": "text",
}
