"""``sushi-lg detect``: pictures in, detections out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import Choice, JsonOption, OptionalDataOption, split_words, write_json
from sushi_lg.cli.pictures import Looking, open_pictures, perceive_and_tell, skipped_to_json

DEFAULT_DETECTOR = "yolox_nano"


def detect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE... [key=value]...",
            help="Videos, image folders, sequence folders, or one split name under --data.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where sequence folders are made.")],
    detector: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="Name in configs/models, a file, NAME=FILE, or your own FILE.py:NAME."),
    ] = DEFAULT_DETECTOR,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What to look for; persons when left out.")] = None,
    data: OptionalDataOption = None,
    frames: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Pictures of sequence folders: a video, or the folder that holds it."),
    ] = None,
    frame_rate: Annotated[
        float | None, typer.Option(metavar="N", help="Frames per second; needed for image folders.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Detect objects: writes DIR/<name>/det/<detector>.txt (MOTChallenge text) and seqinfo.ini, ready to be tracked.

    What is there already is kept, and a run that was stopped goes on. Settings follow as key=value: min_score=0.3
    leaves out weaker boxes, on_bad_image=skip leaves out pictures that cannot be read and lists them, workers=4 sets
    the number of threads (0 = cores), device=cpu or cuda says where the network runs.
    """
    from sushi_lg.config import load_config

    @dataclass
    class Settings:
        min_score: float | None = None
        on_bad_image: Choice = Choice.error
        workers: int = 0
        device: str = "auto"

    names, overrides = split_words(sources, "videos, image folders or sequence folders")
    settings = load_config(Settings, dotlist=overrides)
    looking = Looking(settings.on_bad_image.value, settings.workers, settings.device)
    opened = open_pictures(names, data, frames, frame_rate, looking.on_bad_image)

    from sushi_lg.detection.registry import load_detector

    network, calls = looking.load(load_detector, detector, prompt=prompt, min_score=settings.min_score)
    found = []
    for source in opened:
        done = perceive_and_tell(source, out / source.name, network, looking, detect_calls=calls)
        path, is_kept = done.folder / "det" / f"{done.detections}.txt", "detections" in done.reused
        typer.echo(f"{'kept' if is_kept else 'wrote'} {path}", err=str(json_file) == "-")
        found.append(
            {
                "sequence": source.name,
                "folder": str(done.folder),
                "path": str(path),
                "frames": done.frames,
                "boxes": done.boxes,
                "skipped": skipped_to_json(done.skipped),
                "kept": is_kept,
                "resumed": done.resumed,
                "seconds": done.seconds,
            }
        )
    if json_file is not None:
        write_json(json_file, {"out": str(out), "detector": network.name, "sequences": found})
