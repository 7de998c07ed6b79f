"""Run a description many times, each run killed at a random moment; compare what remains with a run left alone.

A program of its own, so that it can fork without the threads of a test session. Prints the number of kills that hit a
running process and the number of finished folders.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from fake_describer import FakeDescriber, grey_frames, walking_clip

from semantic.pictures import MemoryReader
from semantic.pipeline import ClipSource, describe_clips

CLIPS = [walking_clip(f"street/{k}", people=2 + k, seed=k) for k in range(4)]


def run(out: Path, pause: float) -> None:
    sources = [ClipSource(clip.name, lambda clip=clip: (clip, MemoryReader(grey_frames(clip)))) for clip in CLIPS]
    list(describe_clips(sources, FakeDescriber(failing=7, pause=pause, looks=True), out, group=2))


def results(out: Path) -> dict[str, bytes]:
    """Return the bytes of all results; a file that a kill left half written has a hidden name and is none."""
    files = sorted((out / "semantics").iterdir())
    return {path.name: path.read_bytes() for path in files if not path.name.startswith(".")}


def main(folder: Path, kills: int) -> None:
    run(folder / "alone", 0.0)
    expected = results(folder / "alone")
    assert len(expected) == len(CLIPS)
    rng = random.Random(6)
    hits, done = 0, 0
    while hits < kills:
        child = os.fork()
        out = folder / f"killed{done}"
        if child == 0:
            run(out, 0.002)
            os._exit(0)
        time.sleep(rng.uniform(0, 0.12))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            hits += 1
        else:
            assert os.WEXITSTATUS(status) == 0
            assert results(out) == expected
            done += 1
    run(folder / f"killed{done}", 0.0)
    assert results(folder / f"killed{done}") == expected
    rows = (folder / f"killed{done}" / "jobs.jsonl").read_bytes()
    assert rows.endswith(b"\n")
    print(hits, done + 1)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
