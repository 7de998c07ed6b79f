"""``sushi-lg demo``: track the bundled clip with the shipped weights, draw what was found, and say it in words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

SHEET_FRAMES = (8, 72, 118, 172)  # 0-based: everybody on the road, the crossing, the sign, the crowd


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path("runs/demo"),
    weights: Annotated[str, typer.Option(metavar="NAME|FILE", help="default, or a .safetensors file.")] = "default",
) -> None:
    """Track a short bundled video and say what happens in it: trajectories, a video, a page of words. Needs no network.

    DIR/tracks/vtest.txt is MOTChallenge text and vtest.parquet the same in full precision; DIR/semantics/vtest.json is
    what people look like, do, and do to each other, by rules. DIR/demo.html, DIR/demo.mp4 and DIR/demo.png are to look
    at. The clip is PETS 2009 S2L1, view 1; NOTICE says where it comes from.
    """
    from dataclasses import asdict

    import yaml

    import sushi_lg
    from semantic.config import DescribeConfig
    from semantic.describers.registry import load_describer
    from semantic.page import write_page
    from semantic.pictures import ClipPictures, SourceReader
    from semantic.pipeline import describe_clips
    from semantic.records_io import read_semantics
    from semantic.sources import trajectories_source
    from sushi_lg.appearance.registry import load_embedder
    from sushi_lg.data.frames import sequence_frames
    from sushi_lg.data.models import file_sha256
    from sushi_lg.data.mot_format import read_table
    from sushi_lg.data.resources import configs_path
    from sushi_lg.data.sequence import open_sequence
    from sushi_lg.data.trajectory_io import read_trajectories
    from sushi_lg.data.video import probe_video, read_frames
    from sushi_lg.errors import DataError
    from sushi_lg.inspection.overlay import contact_sheet, draw_video
    from sushi_lg.perception.perceive import embed_boxes
    from sushi_lg.tracking.run import track_sequences
    from sushi_lg.tracking.weights import load_tracker, weights_path

    sequence = open_sequence(Path(sushi_lg.__file__).parent / "demo" / "vtest")
    weights_file = weights_path(weights)
    tracker = load_tracker(weights_file)
    table = read_table(sequence.detections_path())
    galleries = out / "appearance"
    seen = embed_boxes(sequence_frames(sequence), table, load_embedder("hsv"), galleries)
    typer.echo(
        f"looked at {len(table)} detections (colour histograms, {seen.seconds:.1f} s)"
        + (": as before" if seen.reused else ""),
        err=True,
    )
    settings = {
        "sequences": [str(sequence.info.root)],
        "recipe": "default",
        "weights": weights,
        "weights_sha256": file_sha256(weights_file),
        "settings": asdict(tracker.config),
        "detections": None,
        "appearance": {sequence.name: "hsv"},
        "galleries": str(galleries.absolute()),
        "camera": "auto",
    }
    (out / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")  # a run as any other
    (report,) = track_sequences(tracker, [sequence], out, notes={"weights": weights}, galleries=galleries)
    typer.echo(
        f"tracked {report.frames} frames at {report.frames / report.seconds:.0f} frames/s: "
        f"{report.detections} detections became {report.trajectories} trajectories, "
        f"{report.boxes / report.frames:.1f} people a frame ({report.filled} of {report.boxes} boxes were filled in "
        "where the detector saw nobody)"
    )

    trajectories = read_trajectories(report.path.with_suffix(".parquet"))
    clip = probe_video(sequence.info.root / "vtest.mp4")
    typer.echo(f"drawing {clip.length} frames ...", err=True)
    began = time.perf_counter()
    pictures = (picture for _, picture in read_frames(clip.path))
    draw_video(pictures, trajectories, out / "demo.mp4", clip.frame_rate, length=clip.length)
    typer.echo(f"drew the video in {time.perf_counter() - began:.0f} s", err=True)
    pictures = (picture for _, picture in read_frames(clip.path, stop=max(SHEET_FRAMES) + 1))
    contact_sheet(pictures, trajectories, out / "demo.png", clip.frame_rate, SHEET_FRAMES)

    began = time.perf_counter()
    frames = sequence_frames(sequence)
    scene = (frames, (clip.width, clip.height), clip.frame_rate, clip.length)
    source = trajectories_source(report.path.with_suffix(".parquet"), sequence.name, lambda: scene)
    (described,) = describe_clips(
        [source],
        load_describer("rules", table=configs_path() / "semantic" / "rules_street.json"),
        out,
        DescribeConfig(),
    )
    if described.error:
        raise DataError(f"{described.name}: {described.error}", described.remedy or None)
    what, said = read_semantics(described.path)
    write_page(out / "demo.html", what, said, ClipPictures(what, SourceReader(frames)))
    typer.echo(
        f"said what {len(said.captions)} people look like and do in {time.perf_counter() - began:.0f} s: "
        f"{said.summary_text}",
        err=True,
    )
    for path, text in (
        (out / "demo.html", "who does what, to read in a browser"),
        (described.path, "the same for programs"),
        (report.path, "trajectories, MOTChallenge text"),
        (report.path.with_suffix(".parquet"), "the same in full precision"),
        (out / "demo.mp4", "video, boxes that were filled in are dashed"),
        (out / "demo.png", "four frames of it"),
    ):
        typer.echo(f"wrote {path}  ({text})")
