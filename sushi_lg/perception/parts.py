"""Finished parts of a pass on disk, so that a killed run goes on where it was.

A part is one file, written whole or not at all. Its folder is named after everything the content depends on, so parts
of another run are never taken for ours.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError
from sushi_lg.perception.structures import PART_FRAMES, Part

logger = logging.getLogger(__name__)

_ARRAYS = ("count", "boxes_ltwh", "score", "vectors", "steps")


class Parts:
    """The parts of one pass.

    Args:
        folder: The hidden folder is made in here.
        name: Tells passes into one folder apart.
        key: Digest of what the parts depend on.
        length: Frames of the sequence.
    """

    def __init__(self, folder: Path, name: str, key: str, length: int) -> None:
        self.folder = folder / f".parts-{name}-{key[:24]}"
        self.length = length
        self._siblings = f".parts-{name}-*"

    def begins(self) -> range:
        """Return the first frame of each part."""
        return range(0, self.length, PART_FRAMES)

    def finished(self) -> int:
        """Return how many parts are there, counted from the first without a gap."""
        return next((n for n, begin in enumerate(self.begins()) if not self._path(begin).is_file()), len(self.begins()))

    def others(self) -> list[Path]:
        """Return folders of unfinished passes over this sequence with other settings or pictures."""
        return sorted(path for path in self.folder.parent.glob(self._siblings) if path != self.folder)

    def remove_others(self) -> None:
        """Remove what ``others`` returns, and say so."""
        for path in self.others():
            logger.warning("%s: removed, left by an unfinished run with other settings or pictures", path)
            shutil.rmtree(path)

    def write(self, part: Part) -> None:
        """Write one part."""
        arrays = {name: getattr(part, name) for name in _ARRAYS if getattr(part, name) is not None}
        about = {"begin": part.begin, "skipped": dict(part.skipped), "dropped": part.dropped}
        with atomic_path(self._path(part.begin)) as staged:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, staged, {"about": json.dumps(about)})

    def read(self, begin: int, *, only: tuple[str, ...] = _ARRAYS) -> Part:
        """Read the part that starts at frame ``begin``; arrays that are not in ``only`` stay None.

        Raises:
            DataError: a damaged file.
        """
        path = self._path(begin)
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()["about"])
                there = set(file.keys())
                arrays = {name: file.get_tensor(name) if name in there & {*only} else None for name in _ARRAYS}
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: damaged ({error})", f"remove {self.folder} and run again") from error
        skipped = {int(number): reason for number, reason in about["skipped"].items()}
        return Part(begin=about["begin"], skipped=skipped, dropped=about["dropped"], **arrays)  # type: ignore[arg-type]

    def read_all(self, *, only: tuple[str, ...] = _ARRAYS, stop: int | None = None) -> Iterator[Part]:
        """Read the parts in order, those of frames before ``stop``."""
        for begin in self.begins():
            if stop is None or begin < stop:
                yield self.read(begin, only=only)

    def remove(self) -> None:
        """Remove all parts of this pass."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, begin: int) -> Path:
        return self.folder / f"part-{begin // PART_FRAMES:06d}.safetensors"
