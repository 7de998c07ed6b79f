"""``sushi-lg draw``: trajectories and pictures in, a video to look at out."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sushi_lg.cli.common import JsonOption, write_json
from sushi_lg.cli.pictures import nearest_name
from sushi_lg.cli.progress import show_progress
from sushi_lg.data.files import near_paths, visible_files
from sushi_lg.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sushi_lg.data.frames import FrameSource, Picture
    from sushi_lg.data.trajectory_io import TrajectoryTable
    from sushi_lg.inspection.mistakes import Mistakes
    from sushi_lg.inspection.said import Said

_MOST_SHOWN = 8
_MOST_OUTSIDE = 0.1  # of the boxes; people leave pictures, but not so many


def draw(
    tracks: Annotated[Path, typer.Argument(metavar="TRACKS", help="DIR/tracks/NAME.parquet of `sushi-lg track`.")],
    pictures: Annotated[
        Path, typer.Argument(metavar="PICTURES", help="The video, image folder or sequence folder they belong to.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="An .mp4; beside the trajectories, as NAME.mp4.")
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="DIR/semantics/NAME.json of `sushi-lg describe`: say what people do."),
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="Show what is wrong, by the ground truth of the sequence folder.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The same, by this sequence folder or ground-truth file.")
    ] = None,
    frame_rate: Annotated[float | None, typer.Option(metavar="N", help="Frames per second of image folders.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Draw trajectories on their pictures: boxes, numbers and tails in colours that stay; filled boxes are dashed.

    With --errors, what is right is grey; false positives are crossed out, misses dashed and hatched, and identity
    switches have two frames for a second: the mistakes that MOTA counts.
    """
    if captions is not None and (errors or truth):
        raise DataError("--captions and --errors: both at once cannot be read", "draw two videos")
    stored = _stored(tracks)
    for path in (pictures, captions):
        if path is not None and not path.exists():
            raise DataError(f"{path}: no such file or folder", nearest_name(path))

    from sushi_lg.data.frames import open_frames
    from sushi_lg.data.trajectory_io import read_trajectories
    from sushi_lg.inspection.overlay import draw_video

    table = read_trajectories(stored)
    source = open_frames(pictures, frame_rate=frame_rate)
    first, length = _range(tracks, table, source.length)
    if first + length > source.length:
        raise DataError(
            f"{tracks}: of frames {first + 1} to {first + length}, but {pictures} has {source.length}",
            "name the pictures that were tracked",
        )
    _tell_if_elsewhere(table, pictures, source)
    said = None if captions is None else _said(captions, tracks, table)
    mistakes = None
    if errors or truth:
        mistakes = _mistakes(tracks, table, truth or pictures, first, length, source)
    target = out or tracks.with_suffix(".errors.mp4" if mistakes else ".mp4")
    began = time.perf_counter()
    with show_progress(source.name, length) as update:
        frames = _pictures(source, first, length, update)
        count = draw_video(frames, table, target, source.frame_rate, length=length, said=said, mistakes=mistakes)
    is_quiet, trajectories = str(json_file) == "-", len(set(table.track_id.tolist()))
    if mistakes is not None:
        typer.echo(mistakes.tell(length).split("so far:")[1].strip(), err=is_quiet)
    typer.echo(f"wrote {target} ({count} frames, {trajectories} trajectories)", err=is_quiet)
    if json_file is not None:
        content = {
            "video": str(target),
            "tracks": str(stored),
            "frames": count,
            "boxes": len(table),
            "trajectories": trajectories,
            "mistakes": None if mistakes is None else mistakes.count(),
            "seconds": time.perf_counter() - began,
        }
        write_json(json_file, content)


def _range(tracks: Path, table: TrajectoryTable, frames: int) -> tuple[int, int]:
    """Return the first frame, 0-based, and the number of frames of the pictures that were tracked."""
    values = {"first_frame": table.metadata.get("first_frame", 1), "length": table.metadata.get("length", frames)}
    for key, value in values.items():
        if not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            raise DataError(f"{tracks}: {key} is {value!r}, no frame from 1 on", "run `sushi-lg track` again")
    first, length = int(str(values["first_frame"])) - 1, int(str(values["length"]))
    beyond = table.frame[(table.frame < 0) | (table.frame >= length)]
    if len(beyond):
        raise DataError(
            f"{tracks}: a box in frame {beyond[0] + 1} of {length}",
            "name the pictures that were tracked, or run `sushi-lg track` again",
        )
    return first, length


def _tell_if_elsewhere(table: TrajectoryTable, pictures: Path, source: FrameSource) -> None:
    """Say so where many boxes lie outside of the pictures: they are of a video of another size."""
    middle = table.boxes_ltwh[:, :2] + table.boxes_ltwh[:, 2:] / 2
    outside = ((middle < 0) | (middle > (source.width, source.height))).any(axis=1)
    if len(outside) and outside.mean() > _MOST_OUTSIDE:
        typer.echo(
            f"note: {outside.sum()} of {len(outside)} boxes lie outside of {pictures} "
            f"({source.width}x{source.height}): are these the pictures that were tracked?",
            err=True,
        )


def _stored(tracks: Path) -> Path:
    """Return the table that TRACKS names.

    Raises:
        DataError: a folder, or nothing there; names what may have been meant.
    """
    if tracks.is_dir():
        found = sorted(path for place in (tracks, tracks / "tracks") for path in visible_files(place, "*.parquet"))
        said = f"name one of its files, such as {found[0]}" if found else "name a .parquet file of `sushi-lg track`"
        raise DataError(f"{tracks}: is a folder", said)
    path = tracks.with_suffix(".parquet")
    if path.is_file():
        return path
    there = {one.stem: one for one in visible_files(path.parent, "*.parquet")}
    near = [str(there[name]) for name in difflib.get_close_matches(path.stem, there, n=3)]
    if near:
        raise DataError(f"{path}: no such file", f"did you mean {', '.join(near)}?")
    if there:
        few = ", ".join(list(there)[:_MOST_SHOWN]) + (", ..." if len(there) > _MOST_SHOWN else "")
        raise DataError(f"{path}: no such file", f"in {path.parent} there are: {few}")
    run = next((one for one in near_paths(path.parent.parent) if (one / "tracks").is_dir()), None)
    hint = "" if run is None or path.parent.is_dir() else f"did you mean {run / 'tracks' / path.name}? else "
    raise DataError(f"{path}: no such file", f"{hint}run `sushi-lg track` first")


def _said(path: Path, tracks: Path, table: TrajectoryTable) -> Said:
    """Read statements and links about the people of ``table``, which was read from ``tracks``."""
    from semantic.bensmot.vocabulary import lemma
    from semantic.records_io import read_semantics
    from sushi_lg.inspection.said import Link, Said, Statement
    from sushi_lg.inspection.stored import are_frames_of

    clip, semantics = read_semantics(path)
    if not are_frames_of({track.track_id: track.frame for track in clip.tracks}, table):
        raise DataError(
            f"{path}: about other trajectories than {tracks}",
            "name what was said about these, or remove it and run `sushi-lg describe` again",
        )
    statements = [
        Statement(caption.track_id, sentence.text, sentence.first_frame, sentence.last_frame)
        for caption in semantics.captions
        for sentence in caption.sentences
    ]
    spoken = {(i.active, i.passive, i.label) for i in semantics.interactions}
    links = [
        Link(
            i.active,
            i.passive,
            lemma(i.label).replace("_", " "),
            i.first_frame,
            i.last_frame,
            is_mutual=(i.passive, i.active, i.label) in spoken,
        )
        for i in semantics.interactions
    ]
    return Said(statements, links)


def _mistakes(
    tracks: Path, table: TrajectoryTable, truth: Path, first: int, length: int, source: FrameSource
) -> Mistakes:
    """Compare trajectories with the ground truth in a sequence folder, or in a file of one."""
    from dataclasses import replace

    from sushi_lg.data.layouts import layout_of
    from sushi_lg.data.mot_format import read_table
    from sushi_lg.data.sequence import open_sequence
    from sushi_lg.evaluation.events import find_events
    from sushi_lg.inspection.mistakes import Mistakes
    from sushi_lg.inspection.stored import scored_boxes

    if truth.is_dir():
        sequence = open_sequence(truth, frame_rate=source.frame_rate).view(first + 1, length)
        if not sequence.has_ground_truth:
            raise DataError(f"{sequence.ground_truth_path}: no ground truth", "name it with --truth FILE|SEQUENCE")
        rows, layout = sequence.load_ground_truth(), sequence.info.layout
    elif truth.suffix.lower() == ".txt" or not truth.exists():
        rows, layout = read_table(truth, "ground_truth"), layout_of(truth.parent)
        rows = rows.select((rows.frame > first) & (rows.frame <= first + length))
        rows = replace(rows, frame=rows.frame - first)
    else:
        raise DataError(f"{truth}: a video has no ground truth", "name it with --truth FILE|SEQUENCE")
    boxes, text = table.boxes_ltwh, tracks.with_suffix(".txt")
    if text.is_file():
        boxes = scored_boxes(text, table, length)
    else:
        typer.echo(
            f"note: {text}: no such file; scores are made of its rounded boxes, so counts may differ a little", err=True
        )
    events = find_events(rows, layout, table.frame, table.track_id, boxes, length, name=str(tracks))
    return Mistakes(events, rows.pixels_ltwh, round(source.frame_rate))


def _pictures(source: FrameSource, first: int, length: int, update: Callable[[int], None]) -> Iterator[Picture]:
    for number, picture in source.read(first, first + length):
        assert picture is not None, "broken pictures are errors unless somebody asks to skip them"
        yield picture
        update(number - first + 1)
