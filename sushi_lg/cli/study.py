"""``sushi-lg study``: train many, test many, and say what differs beyond chance; or what each stage costs."""

from __future__ import annotations

import enum
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sushi_lg.cli.ceilings import study_ceilings
from sushi_lg.cli.common import JsonOption, OptionalDataOption, format_table, write_json
from sushi_lg.errors import ConfigError

if TYPE_CHECKING:
    from sushi_lg.study.pieces import Piece
    from sushi_lg.study.plan import Study, StudyConfig
    from sushi_lg.study.report import Report

_SECONDS_BETWEEN_LINES = 30.0
_INTERRUPTED = 130


class Kind(enum.Enum):
    """Studies there are."""

    cross_domain = "cross-domain"
    ablation = "ablation"
    ceilings = "ceilings"


def study(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="cross-domain|ablation|ceilings",
            help="cross-domain: matrices of learned and tested domains; ablation: one row an arm; ceilings: what every "
            "stage of tracked runs costs.",
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value | RUN]...", help="Single settings; for ceilings the folders of runs."),
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="The study: a YAML file or a name from configs/.")
    ] = None,
    data: OptionalDataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where it goes; runs/study-<name of the settings>.")
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Make tables and figure anew from the scores that are there.")
    ] = False,
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM", help="Compare the arms with this one instead of the first.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and what is there of them.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Train every arm on every domain with every seed, test each everywhere, and compare the arms with the first one.

    With --baseline ARM they are compared with that one, and the files are called DIR/cross_domain-to-ARM and so on.

    Writes DIR/runs (trainings), DIR/scores, and the tables and the figure: DIR/cross_domain or DIR/ablation with .md,
    .json, .png and .svg. The same command goes on with a study that was stopped; workers=4 trains four at once.

    `study ceilings RUN` trains nothing. It says what perfect association of these detections would score, and what of
    that is lost in the graph, in every level, and in what comes after; it needs ground truth, takes about ten times as
    long as tracking, and writes RUN/ceilings with .md, .json, .png and .svg.
    """
    if kind is Kind.ceilings:
        study_ceilings(words or [], data, out, json_file)
        return
    if config is None:
        raise ConfigError("study: no settings", "--config FILE, for example one from configs/studies")
    if report_only and dry_run:
        raise ConfigError("--report-only and --dry-run exclude each other", "leave one out")
    from sushi_lg.config import load_config
    from sushi_lg.study.plan import StudyConfig

    settings = load_config(StudyConfig, config, None, [*(words or []), *([f"data='{data}'"] if data else [])])
    if baseline is not None and baseline not in settings.arms:
        raise ConfigError(f"--baseline {baseline}: no such arm", f"arms: {', '.join(settings.arms)}")
    planned = plan_study(settings, out or Path("runs") / f"study-{Path(config).stem}")
    if dry_run:
        _list(planned, json_file)
        return
    if not report_only:
        _finish(planned, settings.workers)
    _report(planned, kind, baseline, json_file)


def plan_study(settings: StudyConfig, out: Path) -> Study:
    """Load the settings of every training: base, what the domain teaches, the arm, and what is the same for all."""
    from dataclasses import asdict, replace

    from sushi_lg.config import load_config
    from sushi_lg.study.plan import make_study
    from sushi_lg.training.settings import TrainConfig

    # No training may see a frame of any test set; the trainer refuses it.
    tests = [asdict(domain.test) for domain in settings.domains.values() if domain.test is not None]
    common = [f"data={json.dumps(settings.data)}", f"held_out={json.dumps(tests)}", "threads=1"]
    trainings = {}
    for arm, changes in settings.arms.items():
        for name, domain in settings.domains.items():
            if not domain.train:
                continue
            sources = f"sources={json.dumps([asdict(source) for source in domain.train])}"
            words = [*settings.base.overrides, *common, sources, *changes]
            try:
                training = load_config(TrainConfig, settings.base.config, None, words)
            except ConfigError as error:
                raise ConfigError(f"arm {arm}, domain {name}: {error.message}", error.remedy) from error
            for seed in settings.seeds:
                trainings[arm, name, seed] = replace(training, seed=seed)
    return make_study(settings, trainings, out)


def _finish(planned: Study, workers: int) -> None:
    """Make what is missing."""
    from sushi_lg.config import save_config
    from sushi_lg.perception.lock import locked
    from sushi_lg.study.pieces import look, refuse_changed
    from sushi_lg.study.workers import finish_all

    with locked(planned.out, "study"):
        pieces = look(planned)
        refuse_changed(pieces)
        for piece in pieces:
            if not piece.is_trained:
                save_config(piece.run.config, planned.folder(piece.run) / "config.yaml")
        done = sum(piece.is_done for piece in pieces)
        typer.echo(f"{planned.out}: {len(pieces)} runs, {done} done", err=True)
        try:
            finish_all(planned, pieces, workers, _Lines(len(pieces), done))
        except KeyboardInterrupt:
            typer.echo("stopped; what is finished is kept, and the same command goes on from there", err=True)
            raise typer.Exit(_INTERRUPTED) from None


def _list(planned: Study, json_file: Path | None) -> None:
    from sushi_lg.study.pieces import look

    pieces = look(planned)
    rows = [
        {
            "run": piece.run.name,
            "training": _state(piece),
            "scores": f"{len(planned.tests) - len(piece.missing)}/{len(planned.tests)}",
        }
        for piece in pieces
    ]
    if json_file is not None:
        write_json(json_file, rows)
    if str(json_file) == "-":
        return
    typer.echo(format_table(rows))
    typer.echo(f"{sum(piece.is_done for piece in pieces)} of {len(pieces)} runs are done")
    for piece in pieces:
        if piece.refusal is not None:
            typer.echo(f"refused: {piece.run.name}: {piece.refusal}")


def _state(piece: Piece) -> str:
    if piece.refusal is not None:
        return "refused"
    if piece.is_trained:
        return "done"
    return f"{piece.iterations} of {piece.run.config.max_iterations}" if piece.iterations else "not begun"


def _report(planned: Study, kind: Kind, baseline: str | None, json_file: Path | None) -> None:
    from dataclasses import replace

    from sushi_lg.data.files import atomic_path
    from sushi_lg.study.figure import save_figure
    from sushi_lg.study.report import ablation_markdown, cross_domain_markdown, make_report, report_to_json

    stem = kind.name if baseline is None else f"{kind.name}-to-{baseline}"
    if baseline is not None:
        arms = {name: planned.arms[name] for name in [baseline, *(arm for arm in planned.arms if arm != baseline)]}
        planned = replace(planned, arms=arms)
    report = make_report(planned)
    text = cross_domain_markdown(report) if kind is Kind.cross_domain else ablation_markdown(report)
    table = planned.out / f"{stem}.md"
    with atomic_path(table) as staged:
        staged.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {table}", err=True)
    write_json(planned.out / f"{stem}.json", report_to_json(report))
    if json_file is not None:
        write_json(json_file, report_to_json(report))
    if str(json_file) != "-":
        _show(report)
    pictures = [planned.out / f"{stem}{suffix}" for suffix in (".png", ".svg")]
    save_figure(report, pictures, with_matrices=kind is Kind.cross_domain)
    for path in pictures:
        typer.echo(f"wrote {path}", err=True)


def _show(report: Report) -> None:
    from sushi_lg.study.report import MAIN_METRICS, summary_rows

    for metric in MAIN_METRICS:
        rows = [{metric: row.pop("arm"), **row} for row in summary_rows(report, metric)]
        typer.echo(f"{format_table(rows)}\n")
    for note in report.notes:
        typer.echo(f"note: {note}")


class _Lines:
    """Tells on standard error which runs begin and end, and now and then how far the others are.

    Args:
        total: runs of the study.
        done: runs that are done already.
    """

    def __init__(self, total: int, done: int) -> None:
        self._total = total
        self._done = done
        self._running: dict[str, str] = {}
        self._told = time.monotonic()

    def started(self, name: str) -> None:
        self._running[name] = "begins"
        typer.echo(f"{name}: begins", err=True)

    def progress(self, name: str, share: float, iteration: int) -> None:
        self._running[name] = f"{100 * share:.0f} % (iteration {iteration})"
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            far = "; ".join(f"{running} {state}" for running, state in self._running.items())
            typer.echo(f"[{self._done}/{self._total}] {far}", err=True)

    def scored(self, name: str, test: str, hota: float) -> None:
        self._running[name] = "trained"
        typer.echo(f"{name}: tested in {test}: HOTA {hota:.1f}", err=True)

    def ended(self, name: str) -> None:
        del self._running[name]
        self._done += 1
        typer.echo(f"[{self._done}/{self._total}] {name}: done", err=True)
