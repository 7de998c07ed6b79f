"""``sushi-lg study ceilings``: what every stage of the runs costs."""

from __future__ import annotations

from pathlib import Path

import typer

from sushi_lg.cli.common import format_table, write_json
from sushi_lg.errors import ConfigError, DataError


def study_ceilings(words: list[str], data: Path | None, out: Path | None, json_file: Path | None = None) -> None:
    """Score every stage of the runs, and write the table and the figure.

    Args:
        words: folders of runs; all their sequences go into one table, so the folds of a data set may stand together.
        data: folder of the data sets, where it is not the one the runs were made with.
        out: where it goes; None = the folder of the one run.
        json_file: what ``--json`` says.

    Raises:
        ConfigError: no run, settings, runs of different numbers of levels, or several without ``out``.
        DataError: no ground truth, or from reading.
    """
    settings = [word for word in words if "=" in word and not Path(word).exists()]
    if settings:
        raise ConfigError(f"{settings[0]}: ceilings are of runs as they are", "change settings when you track")
    if not words:
        raise ConfigError("study ceilings: no run", "name folders that `sushi-lg track` has written")
    if out is None and len(words) > 1:
        raise ConfigError("study ceilings: several runs", "say where the table goes: --out DIR")
    from sushi_lg.inspection.stored import run_settings

    for word in words:
        run_settings(Path(word))  # what is no run is refused before PyTorch is imported

    from sushi_lg.data.files import atomic_path
    from sushi_lg.evaluation.ceilings import ceiling_table, ceilings
    from sushi_lg.host import one_thread
    from sushi_lg.inspection.replay import load_labelled_run, open_run
    from sushi_lg.study.ceilings import costs, costs_markdown, costs_to_json, lost_text, save_cost_figure

    runs = [open_run(word, data) for word in words]
    levels = {len(run.tracker.config.levels) for run in runs}
    if len(levels) > 1:
        raise ConfigError(f"study ceilings: runs of {sorted(levels)} levels", "look at them one by one")
    pairs = [(run, name) for run in runs for name in run.names]
    without = [name for run, name in pairs if not run.sequence(name).has_ground_truth]
    if without:
        raise DataError(
            f"no ground truth: {', '.join(without)}", "ceilings need it; track sequences that have it, or pass --data"
        )

    videos = [(run.sequence(name).info.root.resolve(), run.sequence(name).first) for run, name in pairs]
    twice = next((pair for pair, video in zip(pairs, videos, strict=True) if videos.count(video) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"study ceilings: {twice[1]} is in several of these runs", "each sequence counts once: name one run of it"
        )
    names = [name for _, name in pairs]

    def labelled():  # noqa: ANN202 - a generator of what `ceilings` takes
        for done, (run, name) in enumerate(pairs, start=1):
            unique = name if names.count(name) == 1 else f"{run.folder.name}/{name}"
            yield run.tracker, load_labelled_run(run, name, need_truth=True, scored_as=unique)
            typer.echo(f"[{done}/{len(pairs)}] {name}: done", err=True)

    with one_thread():
        stages = ceilings(labelled())
    folder = out or Path(words[0])
    title = ", ".join(Path(word).name for word in words)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "ceilings.md"
    with atomic_path(page) as staged:
        staged.write_text(costs_markdown(stages, title), encoding="utf-8")
    typer.echo(f"wrote {page}", err=True)
    content = costs_to_json(stages, runs)
    write_json(folder / "ceilings.json", content)
    pictures = [folder / f"ceilings{suffix}" for suffix in (".png", ".svg")]
    save_cost_figure(stages, pictures, title)
    for path in pictures:
        typer.echo(f"wrote {path}", err=True)
    if json_file is not None:
        write_json(json_file, content)
    if str(json_file) == "-":
        return
    filled = ("HOTA", "DetA", "AssA", "IDF1")
    rows = [
        {
            "stage": cost.stage,
            **{key: row[f"{key} filled"] for key in filled},
            "HOTA lost": lost_text(cost),
        }
        for cost, row in zip(costs(stages), ceiling_table(stages), strict=True)
    ]
    typer.echo(format_table(rows))
