"""``sushi-lg embed``: pictures and detections in, appearance vectors out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import Choice, JsonOption, OptionalDataOption, split_words, write_json
from sushi_lg.cli.pictures import (
    Looking,
    is_pictures,
    locate,
    pictures_of,
    refuse_namesakes,
    skipped_to_json,
    split_of,
    tell_reuse,
    tell_skipped,
)
from sushi_lg.cli.progress import show_progress
from sushi_lg.errors import DataError

DEFAULT_EMBEDDER = "hsv"


def embed(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE... [key=value]...", help="Sequence folders, or one split name under --data."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where galleries go; for `track --appearance`.")],
    detections: Annotated[
        str | None, typer.Option(metavar="STEM", help="Which file in det/; may be left out where there is one.")
    ] = None,
    embedder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help="hsv, a name in configs/models, a file, NAME=FILE, or your own FILE.py:NAME."
        ),
    ] = DEFAULT_EMBEDDER,
    data: OptionalDataOption = None,
    frames: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where the pictures are: a video, or the folder that holds it."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Describe how detections look: writes DIR/<sequence>.npy, one vector a row of the detection file.

    A gallery that fits is kept, and a run that was stopped goes on. Settings follow as key=value: on_bad_image=skip
    leaves out pictures that cannot be read and lists them, on_bad_row=skip does so with lines of the detection file,
    workers=4 sets the number of threads (0 = cores), device=cpu or cuda says where the network runs.
    """
    from sushi_lg.config import load_config
    from sushi_lg.data.sequence import open_sequence

    @dataclass
    class Settings:
        on_bad_image: Choice = Choice.error
        on_bad_row: Choice = Choice.error
        workers: int = 0
        device: str = "auto"

    names, overrides = split_words(sources, "sequence folders, or a split name with --data ROOT")
    settings = load_config(Settings, dotlist=overrides)
    looking = Looking(settings.on_bad_image.value, settings.workers, settings.device)
    split = split_of(names)
    for name in names:
        if is_pictures(name):
            raise DataError(
                f"{name}: pictures without detections", "run `sushi-lg detect` on it, and give the folder that it makes"
            )
    sequences = locate(split, data).sequences if split is not None else [open_sequence(name) for name in names]
    refuse_namesakes((sequence.name, sequence.info.root) for sequence in sequences)
    boxes = [sequence.detections_path(detections) for sequence in sequences]

    from sushi_lg.appearance.registry import load_embedder
    from sushi_lg.data.mot_format import read_table
    from sushi_lg.perception.perceive import embed_boxes

    pictures = [pictures_of(sequence, frames, looking.on_bad_image) for sequence in sequences]
    network, calls = looking.load(load_embedder, embedder)
    found = []
    for sequence, path, source in zip(sequences, boxes, pictures, strict=True):
        table = read_table(path, on_bad_row=settings.on_bad_row.value, sequence_length=sequence.info.length)
        with show_progress(sequence.name, source.length) as update:
            done = embed_boxes(source, table, network, out, workers=looking.workers, calls=calls, progress=update)
        tell_reuse(sequence.name, ("the gallery",) if done.reused else (), done.resumed, source.length)
        tell_skipped(source, done.skipped)
        verb = "kept" if done.reused else "wrote"
        told = f"{verb} {done.path} ({done.boxes} vectors of {network.dim}, {done.seconds:.1f} s)"
        typer.echo(told, err=str(json_file) == "-")
        found.append(
            {
                "sequence": sequence.name,
                "path": str(done.path),
                "detections": str(path),
                "boxes": done.boxes,
                "skipped": skipped_to_json(done.skipped),
                "kept": done.reused,
                "resumed": done.resumed,
                "seconds": done.seconds,
            }
        )
    if json_file is not None:
        about = {"embedder": network.name, "dim": network.dim}
        write_json(json_file, {"out": str(out), **about, "sequences": found})
