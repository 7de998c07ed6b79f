"""One pass over a data set: what is wrong, where, and what to do about it.

Reads folders, seqinfo.ini, image headers, ground truth, detections and camera motion with the readers of this package,
so whatever passes here can be tracked and evaluated. Also finds one video under two names, which leaks test into
training. Changes nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from sushi_lg.data.files import is_junk
from sushi_lg.data.identities import match_identities
from sushi_lg.data.image_size import IMAGE_EXTENSIONS, image_size
from sushi_lg.data.layouts import layout_of
from sushi_lg.data.mot_format import Kind, MotTable, RowFault, examine_table
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.data.sparse_frames import read_sparse_ground_truth
from sushi_lg.errors import DataError

Severity = Literal["error", "warning", "info"]

_ROWS_SHOWN = 5  # bad rows named one by one for each file; the others are counted
_TWIN_FRAMES = 20  # frames compared for two videos of equal length and size
_TWIN_SHARE = 0.5  # share of boxes that meet at IoU 0.5 in the same frames; strangers stay far below
_LARGEST_DEPTH = 6  # folders below the root that are searched
_PART_NAMES = frozenset({"train", "val", "test"})


@dataclass(frozen=True)
class Finding:
    """Something the doctor noticed.

    Attributes:
        severity: 'error' stops tracking or evaluation or makes numbers wrong; 'warning' may; 'info' is for reading.
        check: Which check: layout, junk, seqinfo, images, ground truth, detections, camera or twins.
        where: Path, with ``:line`` where there is one.
        message: What is wrong.
        fix: What to do; empty for 'info'.
    """

    severity: Severity
    check: str
    where: str
    message: str
    fix: str = ""


def examine(root: str | Path) -> list[Finding]:
    """Return everything noteworthy below ``root``: a sequence, a part, a data set, or a folder of data sets.

    Returns:
        Findings in the order of the files; without an 'error' among them the data can be used.

    Raises:
        DataError: no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "give the folder that holds the data set")
    folders, findings = _walk(root)
    if not folders:
        names = ", ".join(sorted(p.name for p in root.iterdir() if not p.name.startswith("."))[:8]) or "nothing"
        message = f"no sequence below it; it holds: {names}"
        fix = "a sequence holds seqinfo.ini, det/ or gt/; give the folder of the data set"
        findings.append(Finding("error", "layout", str(root), message, fix))
    truths: list[tuple[Sequence, MotTable]] = []
    for folder in folders:
        try:
            sequence = open_sequence(folder)
        except DataError as error:
            findings.append(_from_error("seqinfo", error, folder / "seqinfo.ini"))
            continue
        truth, truth_findings = _ground_truth(sequence)
        findings += [*_seqinfo(sequence), *_images(sequence), *truth_findings]
        findings += [*_detections(sequence), *_camera(sequence)]
        if truth is not None:
            truths.append((sequence, truth))
    return findings + _twins(truths)


def find_sequences(root: str | Path) -> list[Path]:
    """Return the sequence folders at or below ``root``, sorted: those with seqinfo.ini, ``gt/gt.txt`` or ``det/``."""
    return _walk(Path(root))[0]


def _walk(root: Path) -> tuple[list[Path], list[Finding]]:
    """Return sequence folders, and what should not lie around between them."""
    sequences: list[Path] = []
    junk: list[Path] = []
    for current, folders, files in os.walk(root, followlinks=True):
        here = Path(current)
        junk += [here / name for name in (*folders, *files) if is_junk(name)]
        depth = len(here.relative_to(root).parts)
        if "seqinfo.ini" in files or (here / "gt" / "gt.txt").is_file() or ("det" in folders and depth > 0):
            sequences.append(here)
        hidden = [name for name in folders if name.startswith(".") or is_junk(name)]
        folders[:] = [] if depth >= _LARGEST_DEPTH else sorted(set(folders) - set(hidden))
    if not sequences and (root / "det").is_dir():
        sequences.append(root)
    findings: list[Finding] = []
    if junk:
        message = f"{len(junk)} files of an operating system or archiver, the first is named here; readers ignore them"
        findings.append(Finding("info", "junk", str(junk[0]), message))
    return sequences, findings


def _from_error(check: str, error: DataError, path: Path) -> Finding:
    where, colon, message = error.message.partition(": ")
    if not colon:
        where, message = str(path), error.message
    return Finding("error", check, where, message, error.remedy or "")


# ------------------------------------------------------------------------------------------------- one sequence


def _seqinfo(sequence: Sequence) -> list[Finding]:
    ini = sequence.info.root / "seqinfo.ini"
    layout = sequence.info.layout
    if not ini.is_file():
        if not layout.has_seqinfo:
            return []
        fix = "write one, then nothing has to be guessed"
        return [Finding("warning", "seqinfo", str(ini), "absent; facts were taken from other files", fix)]
    findings: list[Finding] = []
    for number, line in enumerate(ini.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        key, _, value = line.partition("=")
        stated = value.strip()
        if key.strip().lower() == "name" and layout.canonical_name(stated) != layout.canonical_name(sequence.name):
            message = f"name is {stated!r}, the folder {sequence.name!r}; results are named after the folder"
            findings.append(Finding("warning", "seqinfo", f"{ini}:{number}", message, "make them equal"))
    return findings


def _images(sequence: Sequence) -> list[Finding]:
    info = sequence.info
    folder = info.image_folder
    if not folder.is_dir():
        return []
    names = sorted(
        n for n in os.listdir(folder) if not n.startswith(".") and Path(n).suffix.lower() in IMAGE_EXTENSIONS
    )
    findings: list[Finding] = []
    if len(names) != info.length:
        message = f"{len(names)} images, seqLength is {info.length}"
        findings.append(
            Finding("error", "images", str(folder), message, "copy the missing images or correct seqLength")
        )
    expected = [sequence.image_path(frame).name for frame in range(info.length)]
    absent = sorted(set(expected) - set(names))
    if names and absent:
        message = f"{len(absent)} expected images are not there, the first is {absent[0]}; present from {names[0]}"
        fix = f"images are numbered from {expected[0]} without gaps"
        findings.append(Finding("error", "images", str(folder / absent[0]), message, fix))
    empty = [name for name in names if (folder / name).stat().st_size == 0]
    if empty:
        message = f"{len(empty)} images have no content, the first is named here"
        findings.append(Finding("error", "images", str(folder / empty[0]), message, "copy them again"))
    usable = [name for name in names if name not in set(empty)]
    for name in dict.fromkeys(usable[at] for at in (0, len(usable) // 2, -1) if usable):
        try:
            width, height = image_size(folder / name)
        except DataError as error:
            findings.append(_from_error("images", error, folder / name))
            continue
        if (width, height) != (info.width, info.height):
            message = f"{width}x{height} pixels, seqinfo.ini says {info.width}x{info.height}"
            findings.append(
                Finding("error", "images", str(folder / name), message, "correct imWidth and imHeight, or the images")
            )
    return findings


def _ground_truth(sequence: Sequence) -> tuple[MotTable | None, list[Finding]]:
    if not sequence.ground_truth_path.is_file():
        return None, []
    table, findings = _table(sequence, sequence.ground_truth_path, "ground_truth", "ground truth")
    if table is None or not len(table):
        return None, findings
    path, layout = str(table.path), sequence.info.layout
    classes = Counter(table.category.tolist())
    scored = layout.scored_rows(table)
    mix = ", ".join(f"class {c}: {n}" for c, n in sorted(classes.items()) if c != -1) or "no class column"
    message = f"{len(table)} boxes, {len(np.unique(table.track_id))} ids, {int(scored.sum())} boxes scored ({mix})"
    findings.append(Finding("info", "ground truth", path, message))
    if not scored.any():
        fix = "the flag (column 7) or the class (column 8) is not what the data set uses; check the layout"
        findings.append(Finding("error", "ground truth", path, f"no box is scored under layout {layout.name}", fix))
    if layout.person_classes is None and len(classes) > 1:
        message = f"{len(classes)} classes, but layout {layout.name} takes every row for a person"
        fix = (
            "set person_classes and scored_classes of the layout, or move the folder below one named after its data set"
        )
        findings.append(Finding("warning", "ground truth", path, message, fix))
    return table.select(scored), findings


def _detections(sequence: Sequence) -> list[Finding]:
    folder = sequence.info.root / "det"
    findings: list[Finding] = []
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in paths if path.suffix.lower() == ".txt" and not path.name.startswith(".")]
    if not paths:
        if sequence.has_ground_truth:
            return [Finding("info", "detections", str(folder), "none: there is nothing to track yet")]
        return [Finding("error", "detections", str(folder), "none, and no ground truth", "put a detection file there")]
    for path in paths:
        table, found = _table(sequence, path, "detections", "detections")
        findings += found
        if table is None or not len(table):
            continue
        empty = sequence.info.length - len(np.unique(table.frame))
        low, high = table.confidence.min(), table.confidence.max()
        message = f"{len(table)} boxes, scores {low:g} to {high:g}, {empty} frames without a box"
        findings.append(Finding("info", "detections", str(path), message))
        if low < 0 or high > 1:
            fix = "recipe default takes ranks in place of scores outside 0..1; for sushi and lgmot scale them"
            findings.append(Finding("warning", "detections", str(path), f"scores {low:g} to {high:g}", fix))
    return findings


def _table(sequence: Sequence, path: Path, kind: Kind, check: str) -> tuple[MotTable | None, list[Finding]]:
    """Read one MOT text file; report bad rows, oddities and boxes that no part of the picture shows."""
    try:
        if kind == "ground_truth" and sequence.info.layout.sparse_images:
            table, mended = read_sparse_ground_truth(path, sequence.image_numbers)
            faults: list[RowFault] = []
        else:
            mended = Counter()
            table, faults = examine_table(path, kind, sequence_length=sequence.info.length)
    except DataError as error:
        return None, [_from_error(check, error, path)]
    findings = [Finding("info", check, str(path), note) for note in table.notes]
    fix = "nothing: readers do this to data sets of this kind"
    findings += [Finding("warning", check, str(path), f"{n} {fault}", fix) for fault, n in sorted(mended.items())]
    findings += [Finding("error", check, f"{path}:{f.line}", f.fault, f.remedy) for f in faults[:_ROWS_SHOWN]]
    if len(faults) > _ROWS_SHOWN:
        where = f"{path}:{faults[_ROWS_SHOWN].line}"
        message = f"{len(faults) - _ROWS_SHOWN} more bad rows from here on"
        findings.append(Finding("error", check, where, message, "on_bad_row=skip lists them all"))
    if not len(table) and not faults:
        findings.append(Finding("warning", check, str(path), "no box in it", "check that the file was written fully"))
    boxes = table.boxes_xyxy
    outside = (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)
    outside |= (boxes[:, 0] >= sequence.info.width) | (boxes[:, 1] >= sequence.info.height)
    if outside.any():
        where = f"{path}:{table.line[np.flatnonzero(outside)[0]]}"
        message = (
            f"{int(outside.sum())} boxes lie wholly outside the {sequence.info.width}x{sequence.info.height} picture"
        )
        findings.append(Finding("warning", check, where, message, "legal, but check imWidth and imHeight"))
    return table, findings


def _camera(sequence: Sequence) -> list[Finding]:
    try:
        sequence.load_camera()
    except DataError as error:
        return [_from_error("camera", error, sequence.info.root / "gmc.txt")]
    return []


# ------------------------------------------------------------------------------------------------- twins


def _twins(truths: list[tuple[Sequence, MotTable]]) -> list[Finding]:
    """Report videos that occur twice: equal length and size, and boxes that meet in the same frames."""
    by_shape: dict[tuple[int, int, int], list[tuple[Sequence, MotTable]]] = {}
    for sequence, truth in truths:
        key = (sequence.info.length, sequence.info.width, sequence.info.height)
        by_shape.setdefault(key, []).append((sequence, truth))
    findings: list[Finding] = []
    for group in by_shape.values():
        for (first, first_truth), (second, second_truth) in combinations(group, 2):
            canonical = [s.info.layout.canonical_name(s.name) for s in (first, second)]
            if canonical[0] == canonical[1] and first.info.root.parent == second.info.root.parent:
                continue  # one video with several public detectors
            share = _shared_boxes(first_truth, second_truth, first.info.length)
            if share < _TWIN_SHARE:
                continue
            apart = _part(first.info.root) != _part(second.info.root)
            message = f"the same video as {second.info.root} ({share:.0%} of the boxes meet)"
            message += ", and they are in different parts" if apart else ""
            findings.append(
                Finding(
                    "error" if apart else "warning",
                    "twins",
                    str(first.info.root),
                    message,
                    "never train on one and test on the other; keep both on one side or drop one",
                )
            )
    return findings


def _shared_boxes(first: MotTable, second: MotTable, length: int) -> float:
    """Return the share of boxes of the sparser table that meet one of the other, over some frames of the video."""
    sample = np.unique(np.linspace(1, length, _TWIN_FRAMES).round().astype(np.int64))
    first, second = (table.select(np.isin(table.frame, sample)) for table in (first, second))
    if not len(first) or not len(second):
        return 0.0
    matched = match_identities(first.boxes_xyxy, first.frame, second.boxes_xyxy, second.frame, np.arange(len(second)))
    return float((matched >= 0).sum() / min(len(first), len(second)))


def _part(root: Path) -> str:
    parts: Iterable[str] = (part.lower() for part in reversed(root.absolute().parts))
    return next((part for part in parts if part in _PART_NAMES), layout_of(root).name)
