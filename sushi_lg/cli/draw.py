"""``sushi-lg draw``: trajectories and pictures in, a video to look at out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sushi_lg.cli.progress import show_progress
from sushi_lg.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sushi_lg.data.frames import FrameSource, Picture


def draw(
    tracks: Annotated[Path, typer.Argument(metavar="TRACKS", help="DIR/tracks/NAME.parquet of `sushi-lg track`.")],
    pictures: Annotated[
        Path, typer.Argument(metavar="PICTURES", help="The video, image folder or sequence folder they belong to.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="An .mp4; beside the trajectories, as NAME.mp4.")
    ] = None,
    frame_rate: Annotated[float | None, typer.Option(metavar="N", help="Frames per second of image folders.")] = None,
) -> None:
    """Draw trajectories on their pictures: boxes, numbers and tails in colours that stay; filled boxes are dashed."""
    from sushi_lg.data.frames import open_frames
    from sushi_lg.data.trajectory_io import read_trajectories
    from sushi_lg.inspection.overlay import draw_video

    table = read_trajectories(tracks.with_suffix(".parquet"))
    source = open_frames(pictures, frame_rate=frame_rate)
    first = int(str(table.metadata.get("first_frame", 1))) - 1
    length = int(str(table.metadata.get("length", source.length)))
    if first + length > source.length:
        raise DataError(
            f"{tracks}: of frames {first + 1} to {first + length}, but {pictures} has {source.length}",
            "name the pictures that were tracked",
        )
    target = out or tracks.with_suffix(".mp4")
    with show_progress(source.name, length) as update:
        frames = _pictures(source, first, length, update)
        count = draw_video(frames, table, target, source.frame_rate, length=length)
    typer.echo(f"wrote {target} ({count} frames, {len(set(table.track_id.tolist()))} trajectories)")


def _pictures(source: FrameSource, first: int, length: int, update: Callable[[int], None]) -> Iterator[Picture]:
    for number, picture in source.read(first, first + length):
        assert picture is not None, "broken pictures are errors unless somebody asks to skip them"
        yield picture
        update(number - first + 1)
