"""How far long work is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def show_progress(what: str, total: int, unit: str = "frames") -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of frames done.

    Args:
        what: Names the work, e.g. the sequence.
        total: Number of frames.
        unit: What is counted, if not frames.
    """
    if sys.stderr.isatty():
        yield from _bar(what, total, unit)
        return
    began = told = time.monotonic()
    first: int | None = None  # frames an earlier run had done say nothing about the pace

    def update(done: int) -> None:
        nonlocal told, first
        first = done if first is None else first
        now = time.monotonic()
        if now - told < _SECONDS_BETWEEN_LINES or done >= total:
            return
        told = now
        rate = (done - first) / (now - began)
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
        typer.echo(f"{what}: {done} of {total} {unit}, {rate:.1f} {unit}/s{left}", err=True)

    yield update


def download_lines(what: str) -> Callable[[int, int | None], None]:
    """Return a function that takes the bytes received and those expected, and says a line now and then.

    Args:
        what: Is fetched.
    """
    told = -_SECONDS_BETWEEN_LINES

    def update(received: int, expected: int | None) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _SECONDS_BETWEEN_LINES or received == expected:
            told = now
            of = "" if expected is None else f" of {expected / 2**20:.0f}"
            typer.echo(f"{what}: downloading, {received / 2**20:.0f}{of} MB", err=True)

    return update


def _bar(what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f} {unit}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), Remaining())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
