"""Where the results of a run are, and which sequences they belong to.

A folder of results holds ``<sequence>.txt`` directly, in ``tracks/`` (our runs) or in ``data/`` (TrackEval's habit).
One video may go under several names (``MOT17-02`` and ``MOT17-02-DPM|FRCNN|SDP``); the data set's layout knows them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sushi_lg.data.doctor import find_sequences
from sushi_lg.data.files import is_junk
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.data.splits import load_split, read_split, split_names
from sushi_lg.errors import DataError
from sushi_lg.evaluation.mot import EvaluationResult, combine, evaluate_sequences

_PLACES = ("", "tracks", "data")
MissingChoice = Literal["error", "skip"]


@dataclass(frozen=True)
class RunSource:
    """What a run was made of, as its ``config.yaml`` says.

    Attributes:
        split: Name of a split, or path of a split file.
        sequences: Names or folders of sequences, where there was no split.
        missing: Whether absent sequences were skipped.
    """

    split: str | None = None
    sequences: tuple[str, ...] = ()
    missing: MissingChoice = "error"


def evaluate_folder(
    folder: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    missing: MissingChoice | None = None,
) -> EvaluationResult:
    """Score a folder of results.

    Args:
        folder: The run, see the module.
        data: Folder of data sets, one data set, its part, or a sequence.
        split: Which sequences, and which of their frames; without it the run's ``config.yaml`` decides.
        missing: 'skip' leaves out sequences that have no data or no results and says so in the notes; None takes what
            the run did.

    Raises:
        DataError: nothing says which sequences are meant, sequences or results are absent, or a row is wrong.
    """
    source = read_run_source(folder)
    missing = missing or source.missing
    notes: list[str] = []
    if split is None and source.split is None and not source.sequences:
        raise DataError(f"{folder}: no config.yaml that names a split", _split_hint(Path(folder)))
    if split or source.split:
        name = split or str(source.split)
        sequences = load_split(name, data, missing=missing)
        wanted = read_split(name).sequences
        if len(sequences) < len(wanted):
            present = {s.info.layout.canonical_name(s.name) for s in sequences}
            layout = sequences[0].info.layout
            absent = [s for s in wanted if layout.canonical_name(s) not in present]
            notes.append(f"{len(absent)} of {len(wanted)} sequences have no data: {', '.join(absent)}")
    else:
        sequences = named_sequences(source.sequences, Path(data))
    found = find_results(folder, sequences)
    absent = [s.name for s in sequences if s.name not in found]
    if absent and (missing == "error" or len(absent) == len(sequences)):
        raise DataError(
            f"{folder}: no results for {len(absent)} of {len(sequences)} sequences: {', '.join(absent)}",
            _results_hint(Path(folder), absent) + ", or pass missing=skip to score the others",
        )
    if absent:
        notes.append(f"{len(absent)} of {len(sequences)} sequences have no results: {', '.join(absent)}")
    scored = evaluate_sequences([(s, found[s.name]) for s in sequences if s.name in found])
    return combine(scored.sequences, without_ground_truth=scored.without_ground_truth, notes=notes)


def read_run_source(folder: str | Path) -> RunSource:
    """Read which sequences a run was made of from its ``config.yaml``; nothing found is an empty ``RunSource``.

    Raises:
        DataError: no such folder, or the file is not YAML of the expected form.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "give the folder of a run, or of result files")
    # a run's own folder of tracks may be given instead of the run
    candidates = [folder, *([folder.parent] if folder.name in _PLACES else [])]
    path = next((c / "config.yaml" for c in candidates if (c / "config.yaml").is_file()), None)
    if path is None:
        return RunSource()
    try:
        settings = OmegaConf.load(path)
        if not isinstance(settings, DictConfig):
            raise DataError(f"{path}: not a mapping", "pass --split NAME, or write 'split: NAME' into it")
        split, sequences, missing = (settings.get(key) for key in ("split", "sequences", "missing"))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "pass --split NAME") from error
    return RunSource(
        split=str(split) if split else None,
        sequences=tuple(str(entry) for entry in sequences) if sequences else (),
        missing="skip" if str(missing) == "skip" else "error",
    )


def find_results(folder: str | Path, sequences: Iterable[Sequence]) -> dict[str, Path]:
    """Return the result file of each sequence that has one, by sequence name.

    Raises:
        DataError: results of these sequences lie in several places, or one video has several that differ.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "give the folder of a run, or of result files")
    found: dict[str, dict[str, Path]] = {}
    for place in _PLACES:
        texts = _texts(folder / place) if (folder / place).is_dir() else {}
        hits = {s.name: path for s in sequences if (path := _match(s, texts)) is not None}
        if hits:
            found[place or "."] = hits
    if len(found) > 1:
        places = ", ".join(str(folder / place) for place in found)
        raise DataError(f"{folder}: results in several places: {places}", "name the folder that holds the right ones")
    return next(iter(found.values()), {})


def _texts(folder: Path) -> dict[str, Path]:
    entries = sorted(folder.iterdir())
    return {p.stem: p for p in entries if p.suffix.lower() == ".txt" and not is_junk(p.name) and p.is_file()}


def _match(sequence: Sequence, texts: dict[str, Path]) -> Path | None:
    """Return the file of this sequence: its own name first, then other names of the same video."""
    if sequence.name in texts:
        return texts[sequence.name]
    canonical = sequence.info.layout.canonical_name
    video = canonical(sequence.name).lower()
    same = [path for stem, path in texts.items() if canonical(stem).lower() == video]
    contents = {path.read_bytes() for path in same}
    if len(contents) > 1:
        names = ", ".join(path.name for path in same)
        raise DataError(
            f"{same[0].parent}: {len(same)} different results for the video {sequence.name}: {names}",
            "keep the one to be scored",
        )
    return same[0] if same else None


def named_sequences(names: Iterable[str], data: Path) -> list[Sequence]:
    """Open sequences given as folders, or by name somewhere below ``data``."""
    if not data.is_dir():
        raise DataError(f"{data}: no such folder", "give the folder that holds the data with --data")
    below: dict[str, list[Path]] = {}
    for path in find_sequences(data):
        below.setdefault(path.absolute().name, []).append(path)
    sequences: list[Sequence] = []
    for entry in names:
        name = Path(entry).name
        options = below.get(name, [])
        if len(options) > 1:
            raise DataError(
                f"{data}: {name} is there {len(options)} times: {', '.join(map(str, options))}",
                "give the folder of the data set with --data, or --split NAME",
            )
        if not options and not Path(entry).is_dir():
            near = difflib.get_close_matches(name, list(below), n=3, cutoff=0.5)
            there = f"nearest there: {', '.join(near)}" if near else f"{len(below)} sequences there, none like it"
            raise DataError(f"{data}: no sequence {name}", there)
        sequences.append(open_sequence(options[0] if options else entry))
    return sequences


def _split_hint(folder: Path) -> str:
    """Say which splits the names of the result files fit."""
    stems = {stem for place in _PLACES if (folder / place).is_dir() for stem in _texts(folder / place)}
    fitting: list[str] = []
    for name in split_names():
        split = read_split(name)
        canonical = split.layout.canonical_name
        if {canonical(s) for s in split.sequences} & {canonical(s) for s in stems}:
            fitting.append(name)
    known = f"the file names fit {', '.join(fitting)}" if fitting else f"known: {', '.join(split_names())}"
    return f"pass --split NAME; {known}"


def _results_hint(folder: Path, absent: list[str]) -> str:
    stems = sorted({stem for place in _PLACES if (folder / place).is_dir() for stem in _texts(folder / place)})
    shown = ", ".join(stems[:8]) + (f" and {len(stems) - 8} more" if len(stems) > 8 else "")
    return f"expected {absent[0]}.txt there, in tracks/ or in data/; it holds {shown or 'no .txt file'}"
