"""The application: imports only the verb that is used, and turns errors into messages and exit codes.

A verb called ``some-verb`` is the function ``some_verb`` in ``sushi_lg/cli/some_verb.py`` and one line of ``VERBS``.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from sushi_lg import __version__
from sushi_lg.cli import completion
from sushi_lg.errors import SushiError, first_line, is_out_of_memory

# verb: what the list of verbs says about it, in the order of use
VERBS: dict[str, str] = {
    "demo": "Track a bundled clip and draw what was found, to see what this does.",
    "track": "Track videos, image folders or sequences with detections: trajectories out.",
    "detect": "Detect objects in videos, image folders or sequences.",
    "embed": "Describe how detections look, for tracking by appearance.",
    "annotate": "Describe people and scenes in words, to train with.",
    "describe": "Say what tracked people look like, do, and do to each other.",
    "draw": "Draw trajectories on their pictures.",
    "report": "Write a page about a run: scores, timeline, identity switches, levels, words.",
    "train": "Train a tracker, or go on with a training.",
    "study": "Train many and test many: cross-domain matrices, ablations, what differs beyond chance.",
    "simulate": "Simulate people in scenes: pictures, ground truth, detections and descriptions.",
    "doctor": "Check a data set: what is wrong, where, and the fix.",
    "inspect": "Say why two tracklets of a run were, or were not, joined.",
    "bench": "Measure speed and memory, and what bounds them.",
    "evaluate": "Score result files: HOTA, CLEAR and Identity, per sequence and combined.",
    "evaluate-semantics": "Score what was said about clips: captions, interactions and summaries.",
    "pack": "Pack results for a leaderboard; refuse what its server would reject.",
    "validate": "Check an archive for a leaderboard.",
    "export-semantics": "Write what was said in the files of BenSMOT, TrackEval and CHOTA.",
    "import-checkpoint": "Turn weights of the original SUSHI or LG-MOT code, or of fast-reid, into ours.",
    "env": "Show versions, devices and paths, for bug reports.",
}
_INTERRUPTED = 130  # typer's exit code after Ctrl-C
_RESUMABLE = ("track", "detect", "embed", "simulate", "annotate", "describe")
# what takes less memory besides, by verb
_LESS_MEMORY = {
    "train": "a lower sampling.budget= (detections of a batch), device=cpu, or ",
    "study": "workers=1, a lower sampling.budget in the settings of the trainings, or ",
    "bench": "a shorter scene, fewer people, --device cpu, or ",
    "track": "device=cpu, or ",
    "detect": "device=cpu, or ",
    "embed": "device=cpu, or ",
}
_EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
# what scripts may rely on; 1 and 3 to 5 are the exit codes of errors.py
EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "the machine: disk full, no permission; or another error with a message",
    2: "wrong usage: an unknown verb or option, an argument missing",
    3: "data: a file or folder is wrong, missing or inconsistent; doctor found errors; validate found faults",
    4: "settings: a key or value is unknown, missing or out of range",
    5: "weights: missing, unreadable, or not made for this",
    70: "a bug in this program",
    130: "stopped with Ctrl-C",
    143: "training was stopped by a signal, and saved (128 and the number of the signal)",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit with one of ``EXIT_CODES``.

    Args:
        arguments: What stands behind ``sushi-lg``; taken from the command line when left out.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # accepted before and behind the verb, because one adds it to a line that just failed
    words = [word for word in words if word != "--debug"]
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr, force=True)
    logging.getLogger("sushi_lg").setLevel(level)
    verb = next((word for word in words if not word.startswith("-")), None)
    if completion.VARIABLE in os.environ:
        _complete()
    interrupts: list[int] = []
    try:
        with _noted(interrupts):
            build_app(verb)(args=words, prog_name="sushi-lg")
    except SushiError as error:
        _fail(str(error), error.exit_code, debug)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            _tell_stopped(verb)
        raise
    except BrokenPipeError:  # `sushi-lg ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(_about_system(error), SushiError.exit_code, debug)
    except Exception as error:
        if interrupts:  # libraries that are being imported turn Ctrl-C into errors of their own
            _tell_stopped(verb)
            sys.exit(_INTERRUPTED)
        if is_out_of_memory(error):
            remedy = f"{_LESS_MEMORY.get(verb or '', '')}end other programs"
            _fail(f"not enough memory ({first_line(error)})\n  fix: {remedy}", SushiError.exit_code, debug)
        remedy = "this is a bug; run again with --debug and report what it says together with `sushi-lg env`"
        _fail(f"{type(error).__name__}: {error}\n  {remedy}", _EXIT_BUG, debug)


@contextlib.contextmanager
def _noted(interrupts: list[int]) -> Iterator[None]:
    """Note in ``interrupts`` that Ctrl-C was pressed, whatever becomes of the exception it raises."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)


def _tell_stopped(verb: str | None) -> None:
    if verb in _RESUMABLE:
        typer.echo("stopped; what is finished is kept, and the same command goes on from there", err=True)


def _complete() -> NoReturn:
    """Answer a shell that asks how a line may go on; one that cannot be answered stays as it is."""
    verb = completion.called_verb(VERBS)
    command = typer.main.get_command(build_app(verb))
    completion.teach(command, verb)
    with contextlib.suppress(Exception):  # a message in the middle of a line helps nobody
        command.main(args=[], prog_name="sushi-lg")
    sys.exit(0)


def build_app(verb: str | None = None) -> typer.Typer:
    """Return the application with ``verb`` imported; the others are only listed, so that help is quick."""
    app = typer.Typer(name="sushi-lg", pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback(invoke_without_command=True)(_root)
    for name, text in VERBS.items():
        # an imported verb explains itself in its docstring
        app.command(name, help=None if name == verb else text)(_load(name) if name == verb else _listed)
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages, with any verb.")] = False,
) -> None:
    """Offline multi-object tracking: videos or detections in, trajectories out. `sushi-lg VERB --help` tells more."""
    if version:
        typer.echo(f"sushi-lg {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _load(verb: str) -> Callable[..., None]:
    name = verb.replace("-", "_")
    function: Callable[..., None] = getattr(importlib.import_module(f"sushi_lg.cli.{name}"), name)
    return function


def _listed() -> None:
    """Stand in for a verb that is not the one called."""


def _about_system(error: OSError) -> str:
    """Return what the operating system says, with the file it is about, and what to do."""
    if error.errno is None:
        return f"{error}\n  fix: check the path, its permissions and the space left"
    where = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "make room, or choose another folder; no file is left half written, and the same command goes on"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "check the permissions, or choose another folder"
    else:
        remedy = "check the path, its permissions and the space left"
    return f"{where}{os.strerror(error.errno)}\n  fix: {remedy}"


def _fail(message: str, exit_code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(f"error: {message}", err=True)
    sys.exit(exit_code)
