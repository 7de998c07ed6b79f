"""Work ahead of whoever reads: results in order, a bounded number of items on the way, threads that end.

Generators to be chained. What they start ends when they are exhausted, closed, or dropped by an error.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sushi_lg.errors import SushiError, first_line, is_out_of_memory

T = TypeVar("T")
R = TypeVar("R")

_LESS_MEMORY = "close other programs, or pass workers=1, device=cpu or a smaller network; finished frames are kept"
_WAKE_SECONDS = 0.1  # how long a thread that waits for room may take to notice that nobody reads any more


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int, name: str = "ahead"
) -> Generator[R]:
    """Yield ``function(item)`` of each item, in their order, computed by threads of its own.

    Results that are ready are handed out before another item is taken.

    Args:
        function: what to do; runs on ``workers`` threads at once.
        items: read by the thread that reads the results.
        workers: number of threads.
        ahead: how many items may be taken whose result is not yet handed out.
        name: of the threads.

    Raises:
        Exception: what ``function`` or ``items`` raised, after the results before it; later items are given up.
    """
    waiting: deque[Future[R]] = deque()
    source = iter(items)
    failure: Exception | None = None
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        while True:
            try:
                waiting.append(pool.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            while waiting and (len(waiting) >= ahead or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _close(source)


def in_background(items: Iterable[T], *, ahead: int, name: str = "reader") -> Generator[T]:
    """Yield ``items``, read by a thread of its own.

    Args:
        items: touched by that thread only.
        ahead: how many items may wait to be handed out.
        name: of the thread.

    Raises:
        Exception: what ``items`` raised, after the items before it.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(ahead)
    stop = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                ready.put(entry, timeout=_WAKE_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        source = iter(items)
        try:
            for item in source:
                if not put((item, None)):
                    return
            put((None, StopIteration()))
        except BaseException as error:
            put((None, error))
        finally:
            _close(source)

    thread = threading.Thread(target=read, name=name, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def placed(error: Exception, place: str) -> Exception:
    """Return what to raise in place of ``error`` so that it names the place; errors of this package stay their kind."""
    if isinstance(error, SushiError):
        return type(error)(f"{place}: {error.message}", error.remedy)
    if is_out_of_memory(error):
        return SushiError(f"{place}: not enough memory ({first_line(error)})", _LESS_MEMORY)
    return RuntimeError(f"{place}: {type(error).__name__}: {error}")


def _close(source: Iterator[T]) -> None:
    """End a generator now rather than when it is collected; it may own threads or files."""
    if isinstance(source, Generator):
        source.close()
