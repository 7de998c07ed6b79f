"""Finished parts of a pass on disk, so that a killed run goes on where it was.

A part is one file, written whole or not at all. Its folder is named after everything the content depends on, so parts
of another run are never taken for ours.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError
from sushi_lg.perception.structures import PART_FRAMES, Part

logger = logging.getLogger(__name__)

_DIGITS = 24  # of the key, in the folder's name
_ABOUT = ("boxes", "begin", "skipped", "dropped", "unknown")
_ARRAYS = ("count", "boxes_ltwh", "score", "vectors", "steps")


class Parts:
    """The parts of one pass.

    Args:
        folder: The hidden folder is made in here.
        name: Tells passes into one folder apart.
        key: Digest of what the parts depend on.
        boxes: Digest of what their boxes depend on, a part of that.
        length: Frames of the sequence.
    """

    def __init__(self, folder: Path, name: str, key: str, boxes: str, length: int) -> None:
        self.folder = folder / f".parts-{name}-{key[:_DIGITS]}"
        self.boxes = boxes
        self.length = length
        self._sibling = re.compile(re.escape(f".parts-{name}-") + rf"[0-9a-f]{{{_DIGITS}}}")

    def begins(self) -> range:
        """Return the first frame of each part."""
        return range(0, self.length, PART_FRAMES)

    def finished(self) -> int:
        """Return how many parts are there, counted from the first without a gap."""
        return next((n for n, begin in enumerate(self.begins()) if not self._path(begin).is_file()), len(self.begins()))

    def others(self) -> list[Path]:
        """Return folders of unfinished passes over this sequence with other settings or pictures."""
        beside = self.folder.parent.iterdir() if self.folder.parent.is_dir() else ()
        return sorted(path for path in beside if self._sibling.fullmatch(path.name) and path != self.folder)

    def with_same_boxes(self) -> Parts | None:
        """Return the unfinished pass of other settings that got furthest with the same boxes, if it got anywhere."""
        found = []
        for path in self.others():
            other = copy.copy(self)
            other.folder = path
            try:
                if other.finished() and other.boxes_key(0) == self.boxes:
                    found.append(other)
            except DataError:
                continue  # of another version; it is removed in the end
        return max(found, key=Parts.finished, default=None)

    def remove_others(self) -> None:
        """Remove what ``others`` returns, and say so."""
        for path in self.others():
            logger.warning("%s: removed, left by an unfinished run with other settings or pictures", path)
            shutil.rmtree(path, ignore_errors=True)

    def write(self, part: Part) -> None:
        """Write one part."""
        arrays = {name: getattr(part, name) for name in _ARRAYS if getattr(part, name) is not None}
        about = {
            "boxes": self.boxes,
            "begin": part.begin,
            "skipped": dict(part.skipped),
            "dropped": part.dropped,
            "unknown": part.unknown,
        }
        with atomic_path(self._path(part.begin)) as staged:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, staged, {"about": json.dumps(about)})

    def read(self, begin: int, *, only: tuple[str, ...] = _ARRAYS) -> Part:
        """Read the part that starts at frame ``begin``; arrays that are not in ``only`` stay None.

        Raises:
            DataError: a damaged file.
        """
        about, arrays = self._open(begin, only)
        return Part(
            begin=begin,
            skipped=about["skipped"],
            dropped=about["dropped"],
            unknown=about["unknown"],
            **arrays,  # type: ignore[arg-type]
        )

    def boxes_key(self, begin: int) -> str:
        """Return the digest of what the boxes of a part depend on.

        Raises:
            DataError: a damaged file.
        """
        return str(self._open(begin, ())[0]["boxes"])

    def read_all(self, *, only: tuple[str, ...] = _ARRAYS) -> Iterator[Part]:
        """Read the finished parts in order, up to the first that is absent."""
        for begin in self.begins()[: self.finished()]:
            yield self.read(begin, only=only)

    def remove(self) -> None:
        """Remove all parts of this pass."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self, begin: int, only: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, NDArray[np.generic] | None]]:
        """Return what is noted in a part, and its arrays."""
        path = self._path(begin)
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()["about"])
                there = set(file.keys())
                arrays = {name: file.get_tensor(name) if name in there & {*only} else None for name in _ARRAYS}
            if about.keys() != {*_ABOUT} or about["begin"] != begin:
                raise ValueError("not a part of this version")
            about["skipped"] = {int(number): str(reason) for number, reason in about["skipped"].items()}
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: damaged ({error})", f"remove {self.folder} and run again") from error
        return about, arrays

    def _path(self, begin: int) -> Path:
        return self.folder / f"part-{begin // PART_FRAMES:06d}.safetensors"
