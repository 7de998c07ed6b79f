"""Descriptions from BenSMOT (Li et al., ECCV 2024): one caption a person, one a video.

``<scenario>/<clip>/`` holds ``instance_captions.txt`` (a line ``name: text`` a person, in the order of rising ids in
``gt/gt.txt``) and ``video_caption.txt``. Where the combined ``instance_caption.json`` and ``video_summary.json`` of the
authors lie beside the scenarios or above, they count instead: their ids stand there and need not be inferred.

The files have faults, and each kind is counted: clips without captions, captions that are not as many as tracks (then
nobody can say whose they are, and they are left out), lines that go on without a name, and captions that are empty.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import Description

INSTANCE_FILE = "instance_captions.txt"
SCENE_FILE = "video_caption.txt"
INSTANCE_JSON = "instance_caption.json"
SCENE_JSON = "video_summary.json"
_LINE = re.compile(r"(?P<name>[A-Za-z]+[ _]?\d*)\s*[:\uff1a]\s*(?P<text>.*)")  # captions may hold further colons


@dataclass(frozen=True)
class BenSmot:
    """Descriptions of the clips of a folder.

    Attributes:
        clips: By ``<scenario>/<clip>``; a clip of which nothing could be used is absent.
        faults: How often each kind of fault was met.
        notes: One line a clip with a fault.
    """

    clips: dict[str, list[Description]]
    faults: Counter[str]
    notes: list[str]


def read_bensmot(folder: str | Path) -> BenSmot:
    """Read the captions of all clips below a folder: the data set, a part (``train``), a scenario or one clip.

    Raises:
        DataError: no such folder, no clip in it, or a file that cannot be read; by ``file:line``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name the folder of BenSMOT, or its train or test folder")
    roots = sorted(path.parent.parent for path in folder.rglob("gt/gt.txt"))
    if not roots:
        raise DataError(f"{folder}: no <scenario>/<clip>/gt/gt.txt in it", "name the folder of BenSMOT")
    clips: dict[str, list[Description]] = {}
    faults: Counter[str] = Counter()
    notes: list[str] = []
    combined: dict[Path, object] = {}
    for root in roots:
        found = _clip(root, combined)
        for fault, count in found.faults.items():
            faults[fault] += count
        if found.faults:
            notes.append(f"{root}: {', '.join(found.faults)}")
        name = f"{root.absolute().parent.name}/{root.absolute().name}"
        if name in clips:
            raise DataError(
                f"{root}: a second clip {name}", "convert train and test one by one, each with its own --out"
            )
        if found.rows:
            clips[name] = found.rows
    return BenSmot(clips, faults, notes)


@dataclass(frozen=True)
class _Clip:
    rows: list[Description]
    faults: Counter[str]


def _clip(root: Path, combined: dict[Path, object]) -> _Clip:
    full = root.absolute()
    name = f"{full.parent.name}/{full.name}"
    split = full.parent.parent.name if full.parent.parent.name in ("train", "test") else ""
    faults: Counter[str] = Counter()
    ids = _track_ids(root / "gt" / "gt.txt")
    digest = hashlib.sha256(b"bensmot 1")
    captions = _stated_captions(full, name, combined)
    if captions is not None:
        absent = sorted(set(captions) - set(ids))
        if absent:
            faults["captions of ids that gt.txt does not have"] += len(absent)
        captions = {one: text for one, text in captions.items() if one in set(ids)}
    else:
        captions = _inferred_captions(root / INSTANCE_FILE, ids, faults)
    empty = [one for one, text in captions.items() if not text]
    if empty:
        faults["empty captions"] += len(empty)
    scene = _stated_scene(full, name, combined)
    if scene is None and (root / SCENE_FILE).is_file():
        scene = _text(root / SCENE_FILE)
    scene = " ".join((scene or "").split())
    if not scene:
        faults["clips without video caption"] += 1
    said = {one: text for one, text in sorted(captions.items()) if text}
    digest.update(json.dumps([sorted(said.items()), scene]).encode())
    known = {"dataset": "BenSMOT", "split": split, "sha256": digest.hexdigest()}
    rows = [
        Description(seq=name, track_id=one, sentence=text, models={"sentence": "BenSMOT"}, **known)  # type: ignore[arg-type]
        for one, text in said.items()
    ]
    if scene:
        rows.append(Description(seq=name, track_id=None, sentence=scene, models={"sentence": "BenSMOT"}, **known))  # type: ignore[arg-type]
    return _Clip(rows, faults)


def _inferred_captions(path: Path, ids: list[int], faults: Counter[str]) -> dict[int, str]:
    """Return captions by id, matched by order; none where the numbers do not agree."""
    if not path.is_file():
        faults["clips without instance captions"] += 1
        return {}
    texts: list[str] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        stripped = line.strip()
        if not stripped:
            continue
        match = _LINE.fullmatch(stripped)
        if match:
            texts.append(match["text"])
        elif texts:
            faults["lines that go on without a name"] += 1
            texts[-1] += f" {stripped}"
        else:
            raise DataError(f"{path}:{number}: {stripped[:60]!r} is not 'name: text'", "write one line a person")
    if len(texts) != len(ids):
        faults["clips with another number of captions than tracks"] += 1
        faults["captions left out for that"] += len(texts)
        return {}
    return {one: " ".join(text.split()) for one, text in zip(ids, texts, strict=True)}


def _stated_captions(root: Path, name: str, combined: dict[Path, object]) -> dict[int, str] | None:
    """Return what the combined file says about a clip, by id."""
    path, stored = _combined(root, INSTANCE_JSON, combined)
    if stored is None or name not in stored:
        return None
    entry = stored[name]
    if not isinstance(entry, dict) or not all(key.isdecimal() and isinstance(text, str) for key, text in entry.items()):
        raise DataError(f"{path}: {name} is not an object of captions by track id", "download the file again")
    return {int(key): " ".join(text.split()) for key, text in entry.items()}


def _stated_scene(root: Path, name: str, combined: dict[Path, object]) -> str | None:
    path, stored = _combined(root, SCENE_JSON, combined)
    if stored is None or name not in stored:
        return None
    if not isinstance(stored[name], str):
        raise DataError(f"{path}: {name} is not a text", "download the file again")
    return str(stored[name])


def _combined(root: Path, name: str, combined: dict[Path, object]) -> tuple[Path, dict[str, object] | None]:
    """Return the combined file beside the scenarios, or beside train and test, and what is in it."""
    for folder in (root.parent.parent, root.parent.parent.parent):
        path = folder / name
        if path not in combined and path.is_file():
            try:
                combined[path] = json.loads(_text(path))
            except ValueError as error:
                raise DataError(f"{path}: not JSON ({error})", "download the file again") from error
        stored = combined.get(path)
        if stored is not None:
            if not isinstance(stored, dict):
                raise DataError(f"{path}: not a JSON object", "download the file again")
            return path, stored
    return root / name, None


def _track_ids(path: Path) -> list[int]:
    """Return the ids of ``gt.txt``, rising; boxes, some of which have negative sizes, are not looked at."""
    ids = set()
    for number, line in enumerate(_text(path).splitlines(), start=1):
        columns = line.split(",")
        if not line.strip():
            continue
        try:
            ids.add(int(float(columns[1])))
        except (ValueError, IndexError, OverflowError):
            raise DataError(f"{path}:{number}: no track id in {line[:60]!r}", "rows are frame,id,x,y,w,h") from None
    return sorted(ids)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 text", "save the file as UTF-8") from error
