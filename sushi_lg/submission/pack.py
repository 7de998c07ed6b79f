"""From a folder of result files to the archive a server takes, and from any archive to what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np

from sushi_lg.data.files import visible_files
from sushi_lg.data.models import file_sha256
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.splits import read_split
from sushi_lg.errors import DataError
from sushi_lg.evaluation.results import read_run_source
from sushi_lg.submission.archive import read_archive, write_archive
from sushi_lg.submission.profile import Profile, load_profile, profile_names
from sushi_lg.submission.rows import FileCheck, check_file

LEDGER = "submissions.jsonl"
_SHOWN = 12
_TRUTH_SHARE = 0.98  # of the boxes of a file that are to the pixel those of the annotation


@dataclass(frozen=True)
class Sheet:
    """What is in an archive.

    Attributes:
        path: of the archive.
        profile: name of the profile it was checked against.
        layout: where its files lie.
        files: what is in each file, by its place in the archive.
        faults: what the server would reject; empty for an archive that may be sent.
        remarks: what is allowed and unusual.
        sha256: of the archive.
        content: digest of names and contents, which another packer of the same files would have, too.
    """

    path: Path
    profile: str
    layout: str
    files: Mapping[str, FileCheck]
    faults: list[str]
    remarks: list[str] = field(default_factory=list)
    sha256: str = ""
    content: str = ""


def pack(
    name: str,
    results: str | Path,
    out: str | Path,
    *,
    layout: str | None = None,
    data: str | Path | None = None,
) -> Sheet:
    """Write the archive of a benchmark, then open it again and check it like anybody else's.

    Args:
        name: of the profile.
        results: folder of ``<sequence>.txt``, or a run with such files in ``tracks/`` or ``data/``. Where a server
            wants a file under several names, one under the plain name stands for all.
        out: the archive, ``.zip``.
        layout: ``root`` or ``folder``; None = what the profile prefers.
        data: folder of the data sets: for names of sequences that are not known here, their lengths, and to see that
            no annotation is sent.

    Returns:
        What is in the archive; it has no faults.

    Raises:
        ConfigError: no such profile.
        DataError: what a server would reject: every fault is listed, and nothing is written.
    """
    profile = load_profile(name)
    layout = layout or profile.layouts[0]
    if layout not in profile.layouts:
        raise DataError(f"layout {layout!r}: {profile.title} takes {' or '.join(profile.layouts)}")
    folder = _folder_of_results(Path(results))
    _refuse_halves(Path(results))
    root = None if data is None else Path(data)
    sequences = profile.sequences(root)
    prefix = f"{profile.folder}/" if layout == "folder" else ""
    files: dict[str, bytes] = {}
    missing = []
    for sequence, may_be_empty in sequences.items():
        plain = folder / f"{sequence}.txt"
        for file_name in profile.file_names(sequence):
            own = folder / file_name
            source = own if own.is_file() else plain
            if source.is_file():
                files[prefix + file_name] = source.read_bytes()
            elif may_be_empty:
                files[prefix + file_name] = b""
            else:
                missing.append(file_name)
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (" ..." if len(missing) > _SHOWN else "")
        split = profile.splits[0] if profile.splits else "..."
        raise DataError(
            f"{folder}: {len(missing)} of {len(sequences) * max(len(profile.suffixes), 1)} files are missing: {shown}",
            f"track these sequences first (`sushi-lg track {split} --data ROOT`)",
        )
    sheet = _checked(Path(out), name, files, root)
    if sheet.faults:
        raise DataError(_listed(f"{folder}: the server would reject this", sheet.faults), "correct the result files")
    write_archive(out, files)
    again = validate(out, name, data=data)
    assert not again.faults, again.faults
    return again


def _refuse_halves(results: Path) -> None:
    """Stop at a run over halves of videos: its frames are renumbered, so a server would score them in wrong places."""
    stated = read_run_source(results).split
    if stated is None or (stated.endswith(".txt") and not Path(stated).is_file()):
        return
    split = read_split(stated)
    if split.view != "full":
        raise DataError(
            f"{results}: results of {split.name}, which are of the {split.view.replace('-', ' ')} of every video, "
            "numbered from 1",
            "a server wants whole videos: track those",
        )


def validate(path: str | Path, name: str | None = None, *, data: str | Path | None = None) -> Sheet:
    """Check an archive, whoever packed it.

    Args:
        path: the archive.
        name: of the profile; None = the one whose file names it has most of.
        data: as for ``pack``.

    Raises:
        ConfigError: no such profile.
        DataError: it cannot be opened safely, or nobody can tell which benchmark it is meant for.
    """
    path = Path(path)
    files = read_archive(path)
    root = None if data is None else Path(data)
    sheet = _checked(path, name or _likeliest(path, files), files, root)
    content = hashlib.sha256()
    for entry, text in sorted(files.items()):
        content.update(f"{entry}\0{len(text)}\0".encode() + text)
    digests = {"sha256": file_sha256(path), "content": content.hexdigest()}
    return Sheet(path, sheet.profile, sheet.layout, sheet.files, sheet.faults, sheet.remarks, **digests)


def note(
    ledger: str | Path, sheet: Sheet, run: str | Path, scores: Mapping[str, Mapping[str, float]] | None = None
) -> list[dict[str, object]]:
    """Write down that an archive was packed; returns what was packed for the same profile before, oldest first.

    The ledger is one JSON object a line. It holds no name and no password, and it is the user's own memory: servers
    count uploads, not archives.

    Args:
        ledger: the file; a row is added.
        sheet: what was packed.
        run: where the results came from.
        scores: what it scored where there is ground truth, by sequence and metric.

    Raises:
        DataError: the ledger is no ledger, by ``file:line``.
    """
    ledger = Path(ledger)
    before = []
    if ledger.is_file():
        for number, line in enumerate(ledger.read_bytes().splitlines(), start=1):
            try:
                row = json.loads(line)
                if not all(isinstance(row[key], str) for key in ("profile", "content", "time")):
                    raise TypeError
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(f"{ledger}:{number}: is no row of a ledger", "remove the line, or the file") from error
            if row["profile"] == sheet.profile:
                before.append(row)
    row = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": sheet.profile,
        "archive": sheet.path.name,
        "run": str(run),
        "quota": load_profile(sheet.profile).quota,
        "layout": sheet.layout,
        "sha256": sheet.sha256,
        "content": sheet.content,
        "rows": sum(file.rows for file in sheet.files.values()),
        "scores": dict(scores or {}),
    }
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, sort_keys=True) + "\n")
    return before


def _checked(path: Path, name: str, files: Mapping[str, bytes], data: Path | None) -> Sheet:
    """Check names and rows of what is, or will be, in an archive."""
    profile = load_profile(name)
    faults: list[str] = []
    remarks: list[str] = []
    layout = "folder" if any("/" in entry for entry in files) else "root"
    if layout not in profile.layouts:
        place = next(entry for entry in files if "/" in entry).rpartition("/")[0]
        faults.append(f"files lie in the folder {place!r}; {profile.title} wants them at the root")
    elif layout == "folder":
        for entry in files:
            if entry.rpartition("/")[0] != profile.folder:
                faults.append(f"{entry}: not in the folder {profile.folder!r}, or not all files are")
    sequences = _sequences(profile, files, data, faults)
    wanted = {file: (sequence, empty) for sequence, empty in sequences.items() for file in profile.file_names(sequence)}
    there = {PurePosixPath(entry).name: entry for entry in files}
    faults += [f"{file}: is missing" for file in sorted(wanted.keys() - there.keys())]
    for file in sorted(there.keys() - wanted.keys()):
        near = next((known for known in wanted if known.lower() == file.lower()), None)
        faults.append(f"{there[file]}: is no file of {profile.title}" + (f"; the name is {near}" if near else ""))
    checks = {}
    told: set[tuple[str, bytes]] = set()
    for file in sorted(there.keys() & wanted.keys()):
        sequence, may_be_empty = wanted[file]
        folder = sequence_folder(profile, sequence, data)
        is_described = folder and (folder / "seqinfo.ini").is_file()
        length = profile.lengths.get(sequence) or (open_sequence(folder).length if folder and is_described else None)
        check = check_file(there[file], files[there[file]], length=length, may_be_empty=may_be_empty)
        checks[there[file]] = check
        faults += check.faults
        if (sequence, files[there[file]]) not in told:  # of copies under several names one is enough
            remarks += check.remarks
            told.add((sequence, files[there[file]]))
        if check.rows and not check.faults and folder and _is_annotation(folder, files[there[file]]):
            faults.append(f"{there[file]}: is the annotation itself; sending it breaks the rules")
    return Sheet(path, name, layout, checks, faults, remarks)


def _sequences(profile: Profile, files: Mapping[str, bytes], data: Path | None, faults: list[str]) -> dict[str, bool]:
    """Return what the profile wants; where it cannot know the names, those of the archive if they look right."""
    if profile.splits or data is not None:
        return profile.sequences(data)
    names = [PurePosixPath(entry).name.removesuffix(".txt") for entry in files]
    fitting = [name for name in names if re.fullmatch(profile.pattern or ".*", name)]
    if len(fitting) != profile.count:
        faults.append(f"{len(fitting)} files are named like sequences; {profile.title} has {profile.count}")
    return dict.fromkeys(fitting, False)


def sequence_folder(profile: Profile, sequence: str, data: Path | None) -> Path | None:
    """Return where a sequence lies in the user's data sets, if it does."""
    if data is None:
        return None
    names = [sequence, *(f"{sequence}{suffix}" for suffix in profile.suffixes)]
    return next((path for name in names for path in sorted(data.glob(f"*/*/{name}")) if path.is_dir()), None)


def _is_annotation(folder: Path, text: bytes) -> bool:
    """Tell whether rows are a copy of the ground truth of a sequence, where it has one."""
    path = folder / "gt" / "gt.txt"
    if not path.is_file():
        return False
    truth = read_table(path, "ground_truth")
    boxes = np.stack([truth.left, truth.top, truth.width, truth.height], axis=1).round().astype(int)
    known = {(frame, *box) for frame, box in zip(truth.frame.tolist(), boxes.tolist(), strict=True)}
    rows = [line.split(",") for line in text.decode().splitlines()]
    same = sum((int(row[0]), *(round(float(value)) for value in row[2:6])) in known for row in rows)
    return same >= _TRUTH_SHARE * len(rows)


def _likeliest(path: Path, files: Mapping[str, bytes]) -> str:
    names = {PurePosixPath(entry).name for entry in files}
    shares = {}
    for name in profile_names():
        profile = load_profile(name)
        if profile.splits:
            wanted = {file for sequence in profile.sequences() for file in profile.file_names(sequence)}
            shares[name] = len(names & wanted) / len(wanted)
        else:
            fitting = [one for one in names if re.fullmatch(f"{profile.pattern}\\.txt", one)]
            shares[name] = min(len(fitting) / profile.count, 1.0)
    best = max(shares, key=lambda name: shares[name])
    if not shares[best]:
        raise DataError(f"{path}: no file is named like a sequence of {', '.join(shares)}", "add --profile NAME")
    return best


def _folder_of_results(results: Path) -> Path:
    for folder in (results / "tracks", results / "data", results):
        if folder.is_dir() and visible_files(folder, "*.txt"):
            return folder
    raise DataError(f"{results}: no <sequence>.txt in it, in tracks/ or in data/", "name the folder of the results")


def _listed(title: str, faults: list[str]) -> str:
    more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return f"{title}:\n  " + "\n  ".join(faults[:_SHOWN]) + more
