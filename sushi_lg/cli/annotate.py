"""``sushi-lg annotate``: pictures and identities in, descriptions in words out; or descriptions of others converted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sushi_lg.cli.common import Choice, OptionalDataOption, split_words
from sushi_lg.cli.pictures import Looking, is_pictures, locate, pictures_of, refuse_namesakes, split_of, tell_skipped
from sushi_lg.cli.progress import show_progress
from sushi_lg.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sushi_lg.data.mot_format import MotTable
    from sushi_lg.data.sequence import Sequence
    from sushi_lg.language.descriptions import Description

DEFAULT_DESCRIBER = "rules"
FORMATS = ("lamot", "bensmot")
_SHOWN = 8
_PARTS = ("train", "val", "test")


@dataclass
class SceneSettings:
    """What pictures do not tell about a scene."""

    place: str = ""


@dataclass
class Settings:
    """Settings that follow as key=value."""

    scene: SceneSettings = field(default_factory=SceneSettings)
    views: int = 8
    weights: str | None = None
    on_bad_image: Choice = Choice.error
    on_bad_row: Choice = Choice.error
    workers: int = 0


def annotate(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where <sequence>.jsonl go.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE... [key=value]...", help="Sequence folders, or one split name under --data."),
    ] = None,
    describer: Annotated[
        str,
        typer.Option(
            "--describer",
            "--attributes",
            metavar="NAME",
            help="rules (colours of clothes), openvino (a network), or your own FILE.py:NAME.",
        ),
    ] = DEFAULT_DESCRIBER,
    tracks: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Result file, or folder of <sequence>.txt, instead of ground truth."),
    ] = None,
    converted: Annotated[
        tuple[str, Path] | None,
        typer.Option("--from", metavar="FORMAT PATH", help="Convert instead: lamot DIR, or bensmot DIR."),
    ] = None,
    data: OptionalDataOption = None,
    frames: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where the pictures are: a video, or the folder that holds it.")
    ] = None,
) -> None:
    """Describe people and scenes in words: writes DIR/<sequence>.jsonl, one row an identity and one of the scene.

    A file that fits is kept, and a run that was stopped goes on. Of a split such as mot17-half-train only its frames
    are looked at. --from takes the sentences of LaMOT (for the SOURCEs named) or of BenSMOT (for all its clips).
    Settings follow as key=value: scene.place=indoor or outdoor is said if it is given, views=8 is how often each person
    is looked at, weights=FILE names the network of openvino, on_bad_image=skip leaves out pictures that cannot be read,
    on_bad_row=skip does so with lines of the boxes, workers=4 sets the number of threads (0 = cores).
    """
    from sushi_lg.config import load_config

    words = sources or []
    if converted is not None:
        _convert(converted, words, out, data)
        return
    names, overrides = split_words(words, "sequence folders, or a split name with --data ROOT")
    settings = load_config(Settings, dotlist=overrides)
    _describe(names, out, settings, describer, tracks, data, frames)


def _describe(
    names: list[str],
    out: Path,
    settings: Settings,
    describer: str,
    tracks: Path | None,
    data: Path | None,
    frames: Path | None,
) -> None:
    if settings.views < 1:
        raise ConfigError(f"views: {settings.views} is below 1", "look at everybody at least once")
    looking = Looking(settings.on_bad_image.value, settings.workers, "cpu")
    split, sequences = _sequences(names, data)

    from sushi_lg.language.annotate import annotate as describe
    from sushi_lg.language.annotate import task_of
    from sushi_lg.language.attributes import load_describer
    from sushi_lg.language.views import ViewSettings
    from sushi_lg.perception.lock import locked

    tasks = [
        task_of(
            sequence,
            pictures_of(sequence, frames, looking.on_bad_image),
            _boxes(sequence, tracks, settings.on_bad_row.value),
            split=split or _part(sequence),
            place=settings.scene.place,
        )
        for sequence in sequences
    ]
    network = load_describer(describer, weights=settings.weights)
    views = ViewSettings(views=settings.views)
    for task in tasks:
        name = task.source.name
        with locked(out, name), show_progress(name, task.length) as update:
            done = describe(task, out, network, views=views, workers=looking.workers, progress=update)
        if done.resumed:
            typer.echo(f"{name}: {done.resumed} people were described by a run that stopped", err=True)
        tell_skipped(task.source, done.skipped)
        if done.unseen:
            few = ", ".join(map(str, done.unseen[:_SHOWN])) + (", ..." if len(done.unseen) > _SHOWN else "")
            typer.echo(f"note: {name}: nothing clear to be seen of {len(done.unseen)} people, left out: {few}")
        _tell(done.path, done.rows, "kept" if done.reused else "wrote")


def _convert(converted: tuple[str, Path], words: list[str], out: Path, data: Path | None) -> None:
    from sushi_lg.language.descriptions import descriptions_path, write_descriptions

    kind, folder = converted
    if kind not in FORMATS:
        raise ConfigError(f"--from {kind}: unknown", f"formats: {', '.join(FORMATS)}")
    settings = [word for word in words if "=" in word and not Path(word).exists()]
    if settings:
        raise ConfigError(f"{settings[0]}: nothing to set with --from", "leave it out")
    if kind == "bensmot" and words:
        raise ConfigError(f"{words[0]}: --from bensmot converts all clips of {folder}", "name no SOURCE")
    found = _from_lamot(folder, words, data) if kind == "lamot" else _from_bensmot(folder)
    for name, rows in found:
        path = descriptions_path(out, name)
        write_descriptions(path, rows)
        _tell(path, rows, "wrote")


def _from_lamot(folder: Path, words: list[str], data: Path | None) -> Iterator[tuple[str, list[Description]]]:
    from sushi_lg.language.readers_lamot import find_lamot, lamot_descriptions

    names, _ = split_words(words, "the sequences whose ground truth the ids are of, or a split name with --data ROOT")
    files = find_lamot(folder)
    split, sequences = _sequences(names, data)
    for sequence in sequences:
        layout = sequence.info.layout
        # LaMOT calls MOT17 sequences by one of their public detectors
        matching = [name for name in files if layout.canonical_name(name) == layout.canonical_name(sequence.name)]
        if not matching:
            raise DataError(
                f"{folder}: no expression of {sequence.name}", f"it has {', '.join(sorted(files)[:_SHOWN])}"
            )
        rows = lamot_descriptions(sequence, files[matching[0]], split=split or _part(sequence))
        count = len({*sequence.load_ground_truth("identities").track_id.tolist()})
        if len(rows) < count:
            typer.echo(f"note: {sequence.name}: LaMOT does not mention {count - len(rows)} of {count} identities")
        yield sequence.name, rows


def _from_bensmot(folder: Path) -> Iterator[tuple[str, list[Description]]]:
    from sushi_lg.language.readers_bensmot import read_bensmot_descriptions

    read = read_bensmot_descriptions(folder)
    for fault, count in sorted(read.faults.items()):
        typer.echo(f"note: {folder}: {count} {fault}")
    for note in read.notes:
        typer.echo(note, err=True)
    yield from read.clips.items()


def _sequences(names: list[str], data: Path | None) -> tuple[str, list[Sequence]]:
    """Return the name of the split, or nothing, and the sequences that the words name."""
    from sushi_lg.data.sequence import open_sequence

    split = split_of(names)
    for name in names:
        if split is None and is_pictures(name):
            raise DataError(
                f"{name}: pictures without identities",
                "run `sushi-lg track` on it; give the folder it makes, and its trajectories with --tracks",
            )
    sequences = locate(split, data).sequences if split is not None else [open_sequence(name) for name in names]
    refuse_namesakes((sequence.name, sequence.info.root) for sequence in sequences)
    return (Path(split).stem if split is not None else ""), sequences


def _boxes(sequence: Sequence, tracks: Path | None, on_bad_row: str) -> MotTable:
    """Return the boxes of a sequence with their identities, frames in the numbers of the view."""
    from sushi_lg.data.mot_format import read_table

    if tracks is None:
        if not sequence.has_ground_truth:
            raise DataError(
                f"{sequence.ground_truth_path}: no ground truth", "name a result file with --tracks, or its folder"
            )
        return sequence.load_ground_truth("all", on_bad_row)  # type: ignore[arg-type]
    path = tracks / f"{sequence.name}.txt" if tracks.is_dir() else tracks
    if not path.is_file():
        raise DataError(f"{path}: no such file", "--tracks takes a result file, or the folder of <sequence>.txt")
    table = read_table(path, "results", on_bad_row=on_bad_row, sequence_length=sequence.length)  # type: ignore[arg-type]
    return _without_filled(table, path.with_suffix(".parquet"))


def _without_filled(table: MotTable, parquet: Path) -> MotTable:
    """Return the boxes with those that a tracker filled in said to be invisible: others stand there in the picture."""
    import numpy as np

    from sushi_lg.data.trajectory_io import read_trajectories

    if not parquet.is_file():
        return table
    stored = read_trajectories(parquet)
    filled = set(zip((stored.frame + 1)[stored.is_interpolated], stored.track_id[stored.is_interpolated], strict=True))
    seen = [(frame, one) not in filled for frame, one in zip(table.frame, table.track_id, strict=True)]
    return replace(table, visibility=np.asarray(seen, dtype=np.float64))


def _part(sequence: Sequence) -> str:
    """Return which part of its data set a folder lies in, as far as its path tells."""
    parent = sequence.info.root.absolute().parent.name
    return parent if parent in _PARTS else ""


def _tell(path: Path, rows: list[Description], verb: str) -> None:
    people = sum(row.track_id is not None for row in rows)
    scene = " and the scene" if people < len(rows) else ""
    typer.echo(f"{verb} {path} ({people} people{scene})")
