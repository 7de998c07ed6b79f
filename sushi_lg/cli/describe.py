"""``sushi-lg describe``: trajectories and pictures in; captions, interactions and summaries out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sushi_lg.cli.common import Choice, ConfigOption, JsonOption, split_words, write_json
from sushi_lg.cli.early import refuse_absent
from sushi_lg.errors import ConfigError, DataError

if TYPE_CHECKING:
    from semantic.pipeline import ClipReport, ClipSource
    from semantic.sources import Scene
    from sushi_lg.data.frames import FrameSource

DEFAULT_DESCRIBER = "rules"
_SHOWN = 8


@dataclass(frozen=True)
class _Looking:
    """Where pictures are, and what to do about broken ones."""

    frames: Path | None
    frame_rate: float | None
    on_bad_image: str
    on_bad_row: str


def describe(
    tracks: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACKS [key=value]...",
            help="A folder that `sushi-lg track` wrote, one of its files, or with --truth a data set.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go: DIR/semantics/<clip>.json.")],
    frames: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where the pictures are: a video, an image folder, or a folder of those."),
    ] = None,
    describer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="rules (no weights needed), mllm (a multimodal language model), or your own FILE.py:NAME.",
        ),
    ] = DEFAULT_DESCRIBER,
    truth: Annotated[
        bool, typer.Option("--truth", help="Describe the annotated tracks of BenSMOT or of a MOT sequence folder.")
    ] = False,
    frame_rate: Annotated[float | None, typer.Option(metavar="N", help="Frames per second of image folders.")] = None,
    pages: Annotated[
        bool, typer.Option("--pages", help="Also write DIR/pages/<clip>.html, to read beside the pictures.")
    ] = False,
    json_file: JsonOption = None,
    config: ConfigOption = None,
) -> None:
    """Say in words what people look like, do, and do to each other: writes DIR/semantics/<clip>.json.

    A clip that is finished is kept, and a run that was stopped goes on with the answers it has. Clips that cannot be
    read are left out and named at the end. Settings follow as key=value: describer.model=NAME|DIR and other options of
    the describer, group=8 clips asked about together, retry=true asks again what failed, on_bad_image=skip shows other
    frames than those that cannot be read, part=1/2 takes every second clip (part=2/2 the others, at the same time),
    on_bad_row=skip leaves out broken lines of the tracks, views.*, pairs.* and
    text.* say what is shown, who is asked about, and how long answers are.
    """
    from semantic.config import DescribeConfig
    from sushi_lg.config import load_config

    @dataclass
    class Settings(DescribeConfig):
        describer: dict[str, Any] = field(default_factory=dict)
        group: int = 8
        retry: bool = False
        part: str = "1/1"
        on_bad_image: Choice = Choice.error
        on_bad_row: Choice = Choice.error

    names, overrides = split_words(tracks, "what `sushi-lg track` wrote, or a data set with --truth")
    if len(names) > 1:
        raise DataError(f"{len(names)} TRACKS: {', '.join(names)}", "describe one folder or file at a time")
    settings = load_config(Settings, None, config, overrides)
    if frames is not None and not frames.exists():
        raise DataError(f"--frames: no such file or folder: {frames}", "name a video, a folder of images, or of videos")
    if settings.group < 1:
        raise ConfigError(f"group: {settings.group} is below 1", "ask about one clip at least")
    part = _part(settings.part)
    refuse_absent(Path(names[0]), "give what `sushi-lg track` wrote, or one of its files", may_be_file=True)

    # after the checks, because they bring what reads pictures
    from semantic.describers.registry import load_describer
    from semantic.pipeline import describe_clips

    looking = _Looking(frames, frame_rate, settings.on_bad_image.value, settings.on_bad_row.value)
    sources = _truth(Path(names[0]), looking) if truth else _trajectories(Path(names[0]), looking)
    network = load_describer(describer, **settings.describer)
    plain = DescribeConfig(**{one.name: getattr(settings, one.name) for one in fields(DescribeConfig)})
    reports = []
    for report in describe_clips(
        sources,
        network,
        out,
        plain,
        group=settings.group,
        retry=settings.retry,
        skip_bad_images=looking.on_bad_image == "skip",
        part=part,
    ):
        reports.append(report)
        if report.status == "kept":
            continue
        typer.echo(f"[{len(reports)}/{len(sources[part[0] - 1 :: part[1]])}] {_line(report)}", err=True)
    if pages:
        _write_pages(sources, reports, out)
    if json_file is not None:
        clips = [{**asdict(report), "path": str(report.path), "counts": dict(report.counts)} for report in reports]
        write_json(json_file, {"out": str(out), "clips": clips})
    _tell(reports, out, is_quiet=str(json_file) == "-")


def _write_pages(sources: list[ClipSource], reports: list[ClipReport], out: Path) -> None:
    """Write a page of every clip that has a result."""
    from semantic.page import write_page
    from semantic.pictures import ClipPictures
    from semantic.records_io import read_semantics

    opened = {source.name: source.open for source in sources}
    for report in reports:
        if report.status == "failed":
            continue
        clip, said = read_semantics(report.path)
        reader = opened[report.name]()[1]
        pictures = None if reader is None else ClipPictures(clip, reader)
        path = write_page(out / "pages" / f"{report.path.stem}.html", clip, said, pictures)
        if pictures is not None:
            pictures.close()
        typer.echo(f"wrote {path}", err=True)


def _part(text: str) -> tuple[int, int]:
    number, slash, parts = text.partition("/")
    if not (slash and number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise ConfigError(f"part: {text!r} is none", "1/2 and 2/2 are the parts of two runs")
    return int(number), int(parts)


def _line(report: ClipReport) -> str:
    if report.status == "failed":
        remedy = f" ({report.remedy})" if report.remedy else ""
        return f"{report.name}: failed: {report.error}{remedy}"
    return f"{report.name}: {report.captions} captions, {report.interactions} interactions"


def _tell(reports: list[ClipReport], out: Path, *, is_quiet: bool) -> None:
    """Say what was written and what was not; on standard error where standard output is for machines.

    Raises:
        DataError: a clip, or a request of one, failed.
    """
    status = Counter(report.status for report in reports)
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(report.counts)
    for name in sorted(counts):
        if not name.startswith("failed"):
            typer.echo(f"{name}: {counts[name]}", err=is_quiet)
    done = [f"{status[kind]} {kind}" for kind in ("described", "kept", "failed") if status[kind]]
    typer.echo(
        f"wrote {out / 'semantics'} ({len(reports)} clip{'s' if len(reports) > 1 else ''}: {', '.join(done)})",
        err=is_quiet,
    )
    failed = [report for report in reports if report.status == "failed"]
    if failed:
        few = ", ".join(report.name for report in failed[:_SHOWN]) + (", ..." if len(failed) > _SHOWN else "")
        raise DataError(
            f"{len(failed)} of {len(reports)} clips could not be described: {few}\n  {failed[0].error}",
            _remedy(failed, is_alone=len(failed) == len(reports)),
        )
    lost = sum(count for name, count in counts.items() if name.startswith("failed"))
    if lost:
        raise DataError(f"{lost} requests were not answered; results lack them", "retry=true asks them again")


def _remedy(failed: list[ClipReport], *, is_alone: bool) -> str:
    """Return what to do about clips that failed: what the first one's error says, where the others' say the same."""
    kept = "" if is_alone else "; the others are kept"
    same = {report.remedy for report in failed} == {failed[0].remedy}
    if not failed[0].remedy:
        return f"mend or leave out {'it' if len(failed) == 1 else 'these clips'}, and run the same command again{kept}"
    if len(failed) == 1:
        return f"{failed[0].remedy}{kept}"
    said = "do so with each" if same else "what to do about the others stands above, where each failed"
    return f"{failed[0].remedy}; {said}{kept}"


def _truth(path: Path, looking: _Looking) -> list[ClipSource]:
    """Return the annotated tracks of a data set."""
    from semantic.sources import bensmot_truth_sources, is_bensmot, sequence_truth_source

    if not path.is_dir():
        raise DataError(f"{path}: no such folder", "--truth takes a BenSMOT folder or clip, or a MOT sequence folder")
    if is_bensmot(path):
        if looking.frames is not None:
            raise ConfigError(f"--frames: clips of {path} have their own pictures", "leave it out")
        return bensmot_truth_sources(path, looking.on_bad_image)
    return [sequence_truth_source(path, lambda: _scene_of_sequence(path, looking), looking.on_bad_row)]


def _trajectories(path: Path, looking: _Looking) -> list[ClipSource]:
    """Return what a tracker wrote."""
    from semantic.sources import (
        bensmot_clips_by_name,
        bensmot_trajectories_source,
        is_bensmot,
        track_files,
        trajectories_source,
    )

    files = track_files(path)
    frames = looking.frames
    alone = len(files) == 1
    run = files[0].absolute().parent.parent
    data_set = frames if frames is not None and frames.is_dir() and is_bensmot(frames) else None
    clips = {} if data_set is None else bensmot_clips_by_name(data_set)
    listed = _listed_folders(run) if frames is None else {}
    found = []
    for file in files:
        if data_set is not None:
            root = clips.get(file.stem)
            if root is None:
                raise DataError(f"{data_set}: not one clip called {file.stem}", f"name the data set that {file} is of")
        else:
            root = _tracked_folder(file.stem, run, listed) if frames is None else None
        if root is not None and is_bensmot(root):
            found.append(bensmot_trajectories_source(file, root, looking.on_bad_row, looking.on_bad_image))
            continue
        scene = partial(_scene, file.stem, run, looking, listed, alone=alone)
        found.append(trajectories_source(file, file.stem, scene, looking.on_bad_row))
    return found


def _scene(name: str, run: Path, looking: _Looking, listed: dict[str, list[Path]], *, alone: bool) -> Scene:
    """Return the pictures of a sequence that was tracked, or what its folder tells without them."""
    from sushi_lg.data.frames import VIDEO_EXTENSIONS, open_frames

    frames = looking.frames
    if frames is None:
        root = _tracked_folder(name, run, listed)
        if root is None:
            raise DataError(f"{run}: does not tell where the pictures of {name} are", "say it with --frames")
        return _scene_of_sequence(root, looking)
    if frames.is_dir():
        inside = [frames / name, *(frames / f"{name}{extension}" for extension in VIDEO_EXTENSIONS)]
        here = next((one for one in inside if one.exists()), None)
        if here is None and not alone:
            raise DataError(f"{frames}: neither {name}/ nor {name}.mp4 (or .mkv, ...) in it", "check --frames")
        frames = here or frames
    elif not alone and frames.stem != name:
        raise DataError(f"{frames}: one video, but {name} is another sequence", "name the folder that holds all videos")
    pictures = open_frames(frames, frame_rate=looking.frame_rate, on_bad_image=looking.on_bad_image)  # type: ignore[arg-type]
    return _scene_of(pictures)


def _scene_of_sequence(root: Path, looking: _Looking) -> Scene:
    """Return the pictures of a sequence folder; one without pictures still tells sizes and times."""
    from sushi_lg.cli.pictures import pictures_of
    from sushi_lg.data.frames import open_frames
    from sushi_lg.data.sequence import open_sequence
    from sushi_lg.perception.perceive import origin_of

    sequence = open_sequence(root, frame_rate=looking.frame_rate)
    info = sequence.info
    if looking.frames is not None and looking.frames.is_file():
        return _scene_of(open_frames(looking.frames, on_bad_image=looking.on_bad_image))  # type: ignore[arg-type]
    has_pictures = looking.frames is not None or origin_of(root) is not None or info.image_folder.is_dir()
    if not has_pictures:
        return None, (info.width, info.height), info.frame_rate, info.length
    return _scene_of(pictures_of(sequence, looking.frames, looking.on_bad_image))


def _scene_of(pictures: FrameSource) -> Scene:
    return pictures, (pictures.width, pictures.height), pictures.frame_rate, pictures.length


def _tracked_folder(name: str, run: Path, listed: dict[str, list[Path]]) -> Path | None:
    """Return the sequence folder that a run of `track` made or says it has read."""
    if (run / name).is_dir():
        return run / name
    return next((one for one in listed.get(name, []) if one.is_dir()), None)


def _listed_folders(run: Path) -> dict[str, list[Path]]:
    """Return the sequence folders that a run of `track` says it has read, by name."""
    import yaml

    try:
        settings = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    found: dict[str, list[Path]] = {}
    for one in (settings.get("sequences") if isinstance(settings, dict) else None) or ():
        found.setdefault(Path(str(one)).name, []).append(Path(str(one)))
    return found
