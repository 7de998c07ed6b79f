"""Processes that finish the runs of a study, each with one thread: small networks train faster beside each other.

A worker takes one run after another, so PyTorch is loaded once. It lives in a session of its own, so that Ctrl-C
reaches the parent alone, which then asks the workers to save and end. A worker whose parent is gone ends at its next
word.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Literal, Protocol

from sushi_lg.errors import SushiError
from sushi_lg.study.pieces import Piece, Stopped, Task, finish
from sushi_lg.study.plan import Study

_SECONDS_BETWEEN_WORDS = 0.5
_LOG = "log.txt"
# read by OpenMP and the BLAS libraries when they are loaded
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Watcher(Protocol):
    """Is told what the workers do, in the parent."""

    def started(self, name: str) -> None:
        """A run begins, or goes on."""

    def progress(self, name: str, share: float, iteration: int) -> None:
        """So much of its training is done."""

    def scored(self, name: str, test: str, hota: float) -> None:
        """It was scored in a domain."""

    def ended(self, name: str) -> None:
        """All of it is on disk."""


@dataclass(frozen=True)
class _Word:
    """What a worker says.

    Attributes:
        kind: what happened.
        text: domain of a score, or what went wrong.
        share: done of the training, or HOTA of a score.
        iteration: finished steps.
    """

    kind: Literal["progress", "scored", "ended", "failed", "stopped"]
    text: str = ""
    share: float = 0.0
    iteration: int = 0


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    task: Task | None = None

    @property
    def name(self) -> str:
        assert self.task is not None
        return self.task.piece.run.name


def finish_all(study: Study, pieces: Sequence[Piece], workers: int, watcher: Watcher) -> None:
    """Finish the runs of a study in worker processes.

    Args:
        study: the study.
        pieces: what is there, from ``look``; runs that are done are left alone, the others begin in this order.
        workers: at once.
        watcher: told what happens.

    Raises:
        SushiError: a run failed; names it and its log. No further run begins then, those that run are finished first.
        KeyboardInterrupt: after SIGINT or SIGTERM, when the workers have saved their state and ended.
    """
    alone = replace(study, runs=[])  # a worker needs to know one
    waiting = deque(Task(alone, piece) for piece in pieces if not piece.is_done)
    pool = [_start() for _ in range(min(workers, len(waiting)))]
    failures: list[str] = []
    try:
        with _interrupt_on_terminate():
            for worker in pool:
                _give(worker, waiting, watcher)
            while busy := [worker for worker in pool if worker.task is not None]:
                ready = wait([worker.connection for worker in busy])
                for worker in busy:
                    if worker.connection in ready and not _listen(worker, watcher, failures):
                        _give(worker, deque() if failures else waiting, watcher)
    finally:
        _end(pool)
    if failures:
        counted = "1 run was" if len(waiting) == 1 else f"{len(waiting)} runs were"
        left = f"{counted} not begun; " if waiting else ""
        raise SushiError("\n".join(failures), f"{left}the same command goes on from here once the reason is gone")


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    before = {key: os.environ.get(key) for key in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        process.start()
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
    theirs.close()  # so that the end of the worker is the end of the connection
    return _Worker(process, ours)


def _give(worker: _Worker, waiting: deque[Task], watcher: Watcher) -> None:
    worker.task = waiting.popleft() if waiting else None
    if worker.task is not None:
        watcher.started(worker.name)
        worker.connection.send(worker.task)


def _listen(worker: _Worker, watcher: Watcher, failures: list[str]) -> bool:
    """Take one word of a worker; return whether it goes on with its run."""
    task, name = worker.task, worker.name
    assert task is not None
    log = task.study.folder(task.piece.run) / _LOG
    try:
        word: _Word = worker.connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        failures.append(f"{name}: its process ended with {_ending(worker.process.exitcode)}; see {log}")
        return False
    if word.kind == "progress":
        watcher.progress(name, word.share, word.iteration)
    elif word.kind == "scored":
        watcher.scored(name, word.text, word.share)
    elif word.kind == "ended":
        watcher.ended(name)
    else:
        failures.append(f"{name}: {word.text}; see {log}")
    return word.kind in ("progress", "scored")


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        hint = ", maybe for want of memory" if -code == signal.SIGKILL else ""
        return f"{signal.Signals(-code).name}{hint}"
    return f"exit code {code}"


def _end(pool: Sequence[_Worker]) -> None:
    """Ask workers to save and end, and wait until they have."""
    for worker in pool:
        if worker.task is None:
            worker.connection.close()
        else:
            worker.process.terminate()
    for worker in pool:
        worker.process.join()


@contextmanager
def _interrupt_on_terminate() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, so that the workers are ended in either case."""
    if threading.current_thread() is not threading.main_thread():  # there signals cannot be handled
        yield
        return
    usual = signal.getsignal(signal.SIGTERM)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


# ------------------------------------------------------------------------------------------------- in the worker


class _Teller:
    """Reports a training to the log of the run, and now and then to the parent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._told = 0.0
        self._logger = logging.getLogger(__name__)

    def progress(self, share: float, iteration: int) -> None:
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_WORDS:
            self._told = now
            self._connection.send(_Word("progress", share=share, iteration=iteration))

    def line(self, text: str) -> None:
        self._logger.info(text)

    def scored(self, test: str, hota: float) -> None:
        self._logger.info("scored in %s: HOTA %.2f", test, hota)
        self._connection.send(_Word("scored", test, hota))


def _serve(connection: Connection) -> None:
    """Finish runs until the parent closes the connection."""
    if sys.platform != "win32":
        os.setsid()
    import torch

    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        _write_to(task.study.folder(task.piece.run) / _LOG)
        try:
            finish(task, _Teller(connection), _Teller(connection).scored)
        except BrokenPipeError:
            return  # the parent is gone
        except Stopped as stopped:
            logging.getLogger(__name__).info("%s", stopped)
            connection.send(_Word("stopped", str(stopped)))
            return
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            text = error.message if isinstance(error, SushiError) else f"{type(error).__name__}: {error}"
            connection.send(_Word("failed", text))
        else:
            connection.send(_Word("ended"))


def _write_to(log: Path) -> None:
    """Append everything this process writes, whoever writes it, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
