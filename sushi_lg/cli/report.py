"""``sushi-lg report``: one page that shows a run, to read, to search and to show."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sushi_lg.cli.common import JsonOption, OptionalDataOption, write_json
from sushi_lg.cli.progress import show_progress
from sushi_lg.errors import ConfigError

if TYPE_CHECKING:
    from semantic.structures import Semantics, Sentence
    from sushi_lg.inspection.report.records import Words


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `sushi-lg track` has written.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The page; RUN/report.html.")] = None,
    data: OptionalDataOption = None,
    frames: Annotated[
        Path | None,
        typer.Option("--frames", metavar="PICTURES", help="A video, an image folder, or a folder of them by name."),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay/--no-replay", help="Track once more, for links and levels; takes as long.")
    ] = True,
    weak: Annotated[
        float, typer.Option("--weak", metavar="P", help="Mark links the tracker was less sure of than this.")
    ] = 0.6,
    pictures: Annotated[int, typer.Option("--pictures", metavar="N", help="Pictures inside the page, at most.")] = 300,
    rows: Annotated[int, typer.Option("--rows", metavar="N", help="Trajectories in the timeline, at most.")] = 6000,
    switches: Annotated[int, typer.Option("--switches", metavar="N", help="Identity switches shown, at most.")] = 200,
    json_file: JsonOption = None,
) -> None:
    """Write a page about a run: scores, every trajectory, identity switches, levels, ceilings and what was said.

    One HTML file that opens from disk and fetches nothing. What it cannot show, it says, with the command that helps.
    """
    if not 0 <= weak <= 1:
        raise ConfigError(f"--weak {weak}: a probability", "between 0 and 1")
    for name, value in (("--pictures", pictures), ("--rows", rows), ("--switches", switches)):
        if value < 0:
            raise ConfigError(f"{name} {value} is below 0", "0 leaves them out")

    from sushi_lg.inspection.stored import are_frames_of, run_settings

    run_settings(folder)  # what is no run is refused before PyTorch is imported

    from semantic.records_io import read_semantics, result_path
    from sushi_lg.cli.pictures import pictures_of
    from sushi_lg.inspection.replay import open_run
    from sushi_lg.inspection.report.collect import Limits, collect
    from sushi_lg.inspection.report.page import absent_parts, write_report
    from sushi_lg.inspection.report.pictures import with_pictures

    began = time.perf_counter()
    run = open_run(folder, data)
    words: dict[str, Words] = {}
    outdated = []
    for name in run.names:
        if (path := result_path(folder, name)).is_file():
            clip, semantics = read_semantics(path)
            if are_frames_of({track.track_id: track.frame for track in clip.tracks}, run.table(name)):
                words[name] = _words(name, semantics)
            else:
                outdated.append(name)
    with show_progress("report", len(run.names), "sequences") as update:
        made = collect(
            run,
            words,
            outdated=outdated,
            with_replay=replay,
            weak_bound=weak,
            limits=Limits(trajectories=rows, switches=switches),
            progress=update,
        )
    made = with_pictures(made, run, lambda one: pictures_of(one, frames, "error"), pictures)
    path = write_report(out or folder / "report.html", made)
    shown = sum(len(part.trajectories) for part in made.sequences)
    partly = (("Error bars", "interval"), ("Pixels", "pictures"))
    partial = [(title, made.lacks[key]) for title, key in partly if key in made.lacks]
    lacking = [*absent_parts(made), *partial]
    for titles, lack in lacking:
        typer.echo(f"not shown: {titles}. {lack.reason}", err=True)
        if lack.command:
            typer.echo(f"  see it with: {lack.command}", err=True)
    typer.echo(
        f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB: {shown} trajectories, {len(made.switches)} identity "
        f"switches, {made.num_pictures} pictures)",
        err=str(json_file) == "-",
    )
    if json_file is not None:
        content = {
            "page": str(path),
            "bytes": path.stat().st_size,
            "sequences": [part.name for part in made.sequences],
            "trajectories": sum(part.num_trajectories for part in made.sequences),
            "trajectories_shown": shown,
            "switches": made.num_switches,
            "switches_shown": len(made.switches),
            "pictures": made.num_pictures,
            "scores": {score.metric: score.value for score in made.scores},
            "not_shown": [{"parts": titles, "reason": one.reason, "command": one.command} for titles, one in lacking],
            "seconds": time.perf_counter() - began,
        }
        write_json(json_file, content)


def _words(name: str, semantics: Semantics) -> Words:
    """Return what was said about a sequence in records of the report's own."""
    from semantic.bensmot.vocabulary import is_symmetric, surface
    from semantic.page import each_once
    from sushi_lg.inspection.report.records import Act, Said, Words

    acts, mutual = each_once(semantics.interactions)

    def said(sentence: Sentence) -> Said:
        return Said(sentence.text, sentence.track_ids, (sentence.first_frame, sentence.last_frame))

    return Words(
        sequence=name,
        summary=tuple(said(one) for one in semantics.summary),
        captions={one.track_id: tuple(said(each) for each in one.sentences) for one in semantics.captions},
        acts=tuple(
            Act(
                active=act.active,
                passive=act.passive,
                label=act.label,
                phrase=surface(act.label),
                probability=act.probability,
                span=(act.first_frame, act.last_frame),
                is_mutual=act in mutual and not is_symmetric(act.label),
            )
            for act in acts
        ),
        author=semantics.provenance.get("describer", "an unknown describer"),
    )
