"""``sushi-lg train``: train a tracker; ``torchrun ... -m sushi_lg train`` does it with several processes."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import JsonOption, OverridesArgument, write_json
from sushi_lg.cli.early import refuse_absent
from sushi_lg.errors import ConfigError


def train(
    overrides: OverridesArgument = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Settings: a YAML file or a name from configs/.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="ROOT", help="Folder that holds the data sets.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder; runs/<name of the settings>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in DIR.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Train a tracker: writes checkpoints, metrics.jsonl and at the end weights.safetensors to DIR.

    Ctrl-C saves a checkpoint before it ends the program. With --resume alone the settings are those of the run.
    """
    if config is None and not (resume and out is not None):
        raise ConfigError("train: no settings", "--config FILE, or --resume --out DIR to go on with a run")
    folder = out or Path("runs") / Path(str(config)).stem
    if config is None and not (folder / "config.yaml").is_file():
        raise ConfigError(f"{folder}: holds no training", "name the --out of the run to go on with")
    source = config if config is not None else str(folder / "config.yaml")
    from sushi_lg.config import load_config, save_config
    from sushi_lg.training.settings import TrainConfig

    # what can be told without PyTorch, whose import takes seconds
    settings = load_config(TrainConfig, source, None, [*(overrides or []), *([f"data='{data}'"] if data else [])])
    if data is not None:
        refuse_absent(data, "--data ROOT names the folder that holds the data sets")

    from sushi_lg.training.parallel import join_world
    from sushi_lg.training.trainer import Trainer

    began, is_quiet = time.perf_counter(), str(json_file) == "-"
    world = join_world(settings.device)
    try:
        reporter = _reporter(world.is_first, is_quiet=is_quiet)
        trainer = Trainer(settings, folder, world, reporter, resume)
        if world.is_first:
            save_config(settings, folder / "config.yaml")
            size = sum(parameter.numel() for parameter in trainer.tracker.parameters())
            reporter.line(f"{size} parameters, {len(trainer.data_names)} sequences, {world.device}, {folder}")
        with reporter:
            outcome = trainer.run()
    finally:
        world.leave()
    if not world.is_first:
        return
    if json_file is not None:
        paths = {"weights": outcome.weights, "checkpoint": outcome.checkpoint}
        content = {
            "out": str(folder),
            **{name: None if path is None else str(path) for name, path in paths.items()},
            "finished": outcome.finished,
            "iterations": outcome.iteration,
            "parameters": sum(parameter.numel() for parameter in trainer.tracker.parameters()),
            "sequences": len(trainer.data_names),
            "scores": outcome.scores,
            "seconds": time.perf_counter() - began,
        }
        write_json(json_file, content)
    if outcome.signal is not None:
        typer.echo(f"stopped after {outcome.iteration} iterations; saved {outcome.checkpoint}", err=True)
        typer.echo(f"go on with: sushi-lg train --resume --out {folder}", err=True)
        raise typer.Exit(128 + outcome.signal)
    typer.echo(f"wrote {outcome.weights}", err=is_quiet)


class _Silent:
    """Says nothing: for all processes but the first."""

    def progress(self, share: float, iteration: int) -> None: ...

    def line(self, text: str) -> None: ...

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None: ...


class _Plain(_Silent):
    """Lines only: for log files and pipes."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet

    def line(self, text: str) -> None:
        typer.echo(text, err=self._is_quiet)
        sys.stdout.flush()


class _Live(_Silent):
    """A bar that stays below the lines."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn("training"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[iteration]}"))
        self._bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console())
        self._task = self._bar.add_task("training", total=1.0, iteration="")

    def progress(self, share: float, iteration: int) -> None:
        self._bar.update(self._task, completed=share, iteration=f"iteration {iteration}")

    def line(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def __enter__(self) -> _Live:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _reporter(is_first: bool, *, is_quiet: bool) -> _Silent:
    """Return who tells how it goes; on standard error where standard output is for machines."""
    if not is_first:
        logging.getLogger("sushi_lg").setLevel(logging.ERROR)
        return _Silent()
    is_live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not is_quiet
    return _Live() if is_live else _Plain(is_quiet=is_quiet)
