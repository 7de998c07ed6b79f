"""Where the time of a run goes: named stages, measured while somebody listens and free otherwise.

    with measure_stages() as clock:
        tracker.track(detections)
    clock.seconds  # {"candidates": 0.1, "message passing": 0.3, ...}

A stage inside another one stops the outer clock, so that the seconds of all stages add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class StageClock:
    """Seconds by stage.

    Attributes:
        seconds: time spent in each stage, stages inside it excluded.
        synchronize: called before the clock is read; waits for a GPU.
        current: the stage that is running, "" outside of all.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    synchronize: Callable[[], None] | None = None
    current: str = ""
    _since: float = 0.0

    def switch(self, name: str) -> str:
        """Charge the time since the last switch to the running stage, and go on with another one.

        Returns:
            The stage that was running.
        """
        if self.synchronize is not None:
            self.synchronize()
        now = time.perf_counter()
        if self.current:
            self.seconds[self.current] = self.seconds.get(self.current, 0.0) + now - self._since
        before, self.current, self._since = self.current, name, now
        return before


_listener: ContextVar[StageClock | None] = ContextVar("stage clock", default=None)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Charge what happens inside to the stage ``name``."""
    clock = _listener.get()
    if clock is None:
        yield
        return
    before = clock.switch(name)
    try:
        yield
    finally:
        clock.switch(before)


@contextmanager
def measure_stages(synchronize: Callable[[], None] | None = None) -> Iterator[StageClock]:
    """Listen to the stages of this thread.

    Args:
        synchronize: for example ``torch.cuda.synchronize``.
    """
    clock = StageClock(synchronize=synchronize)
    token = _listener.set(clock)
    try:
        yield clock
    finally:
        _listener.reset(token)
