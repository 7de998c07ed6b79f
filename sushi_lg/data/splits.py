"""Named lists of sequences, kept as text files in ``configs/splits/``.

A file has ``# dataset:``, ``# part:`` and ``# view:`` lines (view: full, first-half or second-half; other comment lines
are free text), then one sequence name a line.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sushi_lg.data.files import warn_once
from sushi_lg.data.layouts import LAYOUTS, Layout
from sushi_lg.data.resources import configs_path
from sushi_lg.data.sequence import Sequence, nearest_folder, open_sequence
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

VIEWS = ("full", "first-half", "second-half")
_KEYS = ("dataset", "part", "view")
_EXAMPLE = """a split file looks like this, and is tracked with --data ROOT:
    # dataset: MOT17
    # part: train
    MOT17-02
    MOT17-04"""
_LEAST_COLUMNS = 6  # of a line of boxes; commas are rare in names of folders
_MOST_SHOWN = 40


@dataclass(frozen=True)
class Split:
    """A split as its file states it.

    Attributes:
        name: File stem, such as ``mot17-half-val``.
        dataset: Name of a row of ``LAYOUTS``.
        part: Folder below the data set: train, val or test.
        view: Which frames of each sequence: full, first-half or second-half.
        sequences: Sequence names in file order.
        path: The file.
    """

    name: str
    dataset: str
    part: str
    view: str
    sequences: tuple[str, ...]
    path: Path

    @property
    def layout(self) -> Layout:
        """Conventions of the data set."""
        return LAYOUTS[self.dataset]


@dataclass(frozen=True)
class LocatedSplit:
    """A split found on disk: ``sequences`` are there, ``missing`` names are not."""

    split: Split
    sequences: list[Sequence]
    missing: list[str]


def split_names() -> list[str]:
    """Return the names of all splits that come with the package."""
    return sorted(path.stem for path in (configs_path() / "splits").glob("*.txt"))


def read_split(name: str) -> Split:
    """Read a split by its name, or a split file by its path (ending in ``.txt``).

    Raises:
        DataError: unknown name (lists the nearest) or a malformed file, by ``file:line``.
    """
    path = Path(name) if name.endswith(".txt") else configs_path() / "splits" / f"{name}.txt"
    if not path.is_file():
        if "/" in name or "\\" in name or name.startswith("."):
            raise DataError(f"{name}: no such folder or file", nearest_folder(Path(name)))
        known = split_names()
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}? " if near else ""
        raise DataError(f"{name!r} is no known split", f"{hint}known: {', '.join(known)}")
    header: dict[str, tuple[str, int]] = {}
    listed: list[tuple[int, str]] = []
    for number, line in _lines(path):
        if line.startswith("#"):
            key, colon, value = line[1:].partition(":")
            if colon and key.strip() in _KEYS:
                header[key.strip()] = value.strip(), number
        else:
            listed.append((number, line))
    if "dataset" not in header:
        raise _no_split(path, listed)
    header.setdefault("view", ("full", 0))
    for key, allowed in (("dataset", tuple(LAYOUTS)), ("view", VIEWS)):
        value, number = header[key]
        if value not in allowed:
            meant = _near(value, allowed)
            hint = f"did you mean {meant}? " if meant else ""
            raise DataError(f"{path}:{number}: '# {key}:' is {value!r}", f"{hint}write one of {', '.join(allowed)}")
    sequences: list[str] = []
    for number, name in listed:
        if name in sequences:
            raise DataError(f"{path}:{number}: {name} is listed twice", "remove one")
        if "/" in name or "\\" in name or name.startswith("."):
            raise DataError(f"{path}:{number}: {name!r} is not a sequence name", "write the folder name only")
        sequences.append(name)
    if not sequences:
        raise DataError(f"{path}: no sequence listed", "write one sequence name a line")
    part = header.get("part", ("", 0))[0]
    return Split(path.stem, header["dataset"][0], part, header["view"][0], tuple(sequences), path)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a split file that say something, and their numbers from 1.

    Raises:
        DataError: a line that is no text.
    """
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise DataError(f"{path}:{number}: not text, so this is no split file", _EXAMPLE) from None
        if line:
            yield number, line


def _no_split(path: Path, listed: list[tuple[int, str]]) -> DataError:
    """Return the error about a file that does not name its data set, by the first line that no split file has."""
    for number, line in _lines(path):
        key, colon, _ = line.removeprefix("#").partition(":")
        if line.startswith("#") and colon and _near(key.strip(), _KEYS) == "dataset":
            return DataError(f"{path}:{number}: '# {key.strip()}:' is unknown, '# dataset:' is absent", _EXAMPLE)
    if not listed:
        return DataError(f"{path}: neither a video nor a split file: it lists nothing", _EXAMPLE)
    number, line = listed[0]
    where = f"{path}:{number}: neither a video nor a split file:"
    if len(line.split(",")) >= _LEAST_COLUMNS:
        return DataError(
            f"{where} {_cut(line)!r} is a box, not the name of a sequence",
            f"name the sequence folder instead; it holds det/{path.name} and seqinfo.ini",
        )
    return DataError(f"{where} {_cut(line)!r} comes without a line '# dataset: NAME' above", _EXAMPLE)


def _cut(line: str) -> str:
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}..."


def _near(word: str, known: Iterable[str]) -> str | None:
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def locate_split(name: str, root: str | Path) -> LocatedSplit:
    """Find the sequences of a split below ``root`` and say which are absent.

    Args:
        name: Split name or path of a split file.
        root: Folder of data sets (``root/MOT17/train/...``), one data set, or the part itself.

    Raises:
        DataError: unknown split, or not one of its sequences there.
    """
    split = read_split(name)
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "--data ROOT names the folder that holds the data sets")
    candidates = _part_folders(root, split)
    best: list[Path | None] = []
    for folder in candidates:
        found = [_sequence_folder(folder, sequence, split.layout) for sequence in split.sequences]
        if sum(f is not None for f in found) > sum(f is not None for f in best):
            best = found
    if not any(best):
        raise DataError(
            f"{root}: none of the {len(split.sequences)} sequences of {split.name}", _where(split, candidates)
        )
    sequences = [_viewed(open_sequence(path, split.layout), split.view) for path in best if path is not None]
    missing = [sequence for sequence, path in zip(split.sequences, best, strict=True) if path is None]
    return LocatedSplit(split, sequences, missing)


def load_split(name: str, root: str | Path, missing: Literal["error", "skip"] = "error") -> list[Sequence]:
    """Open the sequences of a split, in the order of its file, as views of the right frames.

    Args:
        name: Split name or path of a split file.
        root: Folder of data sets, one data set, or the part itself.
        missing: 'error' stops when sequences are absent; 'skip' warns, naming them, and returns the others.

    Raises:
        DataError: unknown split, absent sequences, or none at all (also with 'skip').
    """
    if missing not in ("error", "skip"):
        raise ValueError(f"missing is {missing!r}; choose error or skip")
    located = locate_split(name, root)
    if located.missing:
        total = len(located.split.sequences)
        what = f"{root}: {len(located.missing)} of {total} sequences of {located.split.name} are absent: "
        what += ", ".join(located.missing)
        if missing == "error":
            raise DataError(what, "add them, or pass missing=skip to run the others (every table will say so)")
        logger.warning(what)
    return located.sequences


def _viewed(sequence: Sequence, view: str) -> Sequence:
    if view == "first-half":
        return sequence.first_half()
    return sequence.second_half() if view == "second-half" else sequence


def _part_folders(root: Path, split: Split) -> list[Path]:
    """Return the folders that may hold the sequences, most specific first."""
    names = {split.dataset.lower(), *split.layout.aliases}
    datasets = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and entry.name.lower() in names]
    bases = [*datasets, root]
    parts = [base / split.part for base in bases if split.part and (base / split.part).is_dir()]
    return [*parts, *bases]


def _sequence_folder(folder: Path, name: str, layout: Layout) -> Path | None:
    """Return the folder of a video, under its own name or with the suffix of a public detector."""
    if (folder / name).is_dir():
        return folder / name
    video = layout.canonical_name(name)
    options = [folder / f"{video}{suffix}" for suffix in ("", *layout.name_suffixes)]
    found = [option for option in options if option.is_dir()]
    if len(found) > 1:
        warn_once(logger, f"{folder}: {video} is there {len(found)} times, {found[0].name} taken")
    return found[0] if found else None


def _where(split: Split, candidates: list[Path]) -> str:
    entries = {entry for folder in candidates for entry in folder.iterdir() if entry.is_dir()}
    names = sorted({entry.name for entry in entries if not entry.name.startswith(".")})
    near: list[str] = []
    for wanted in split.sequences:
        near += [n for n in difflib.get_close_matches(wanted, names, n=2, cutoff=0.6) if n not in near]
    hint = f"nearest names there: {', '.join(near[:5])}" if near else f"folders there: {', '.join(names[:8]) or 'none'}"
    return f"expected {split.dataset}/{split.part}/{split.sequences[0]} and others below it; {hint}"
