"""The pixels of one clip, for describers: read when somebody looks, kept within a budget, never decoded twice in vain.

Images are read one by one. A video can only be read from its beginning, so the frames that will be asked for are
announced first (``expect``) and kept when the reader passes them; what does not fit into the budget waits in a
temporary file.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semantic.boxes import box_table
from semantic.config import ViewConfig
from semantic.overlays import Outline, draw_view
from semantic.structures import Clip, View
from semantic.views import row_at
from sushi_lg.data.frames import SKIP_REMEDY, FrameSource, ImageFrames, VideoFrames
from sushi_lg.errors import DataError

Picture = NDArray[np.uint8]

_MEGABYTE = 2**20


class Reader(Protocol):
    """Reads frames of a clip.

    Attributes:
        is_sequential: Whether frames are only had by reading all before them.
    """

    is_sequential: bool

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Yield (number, picture) of frames, given by rising number; those that are left out are absent.

        Raises:
            DataError: a frame that cannot be had; names the file.
        """

    def content_key(self) -> str:
        """Return a digest of the pixels, or of the files they come from."""

    def close(self) -> None:
        """Let go of files."""


class SourceReader:
    """Frames of a video, image folder or sequence folder.

    A video is read on from where the last call stopped, and from its beginning only for frames before that. Broken
    frames that nobody asks for do not matter.

    Args:
        source: The pictures.
        first: Frame of the source that is frame 0 of the clip.
    """

    def __init__(self, source: FrameSource, first: int = 0) -> None:
        self._source, self._first = source, first
        self._stops = source.on_bad_image == "error"
        self._stream: Iterator[tuple[int, Picture | None]] | None = None
        self._next = 0
        self.is_sequential = isinstance(source, VideoFrames)
        if self.is_sequential:
            source.on_bad_image = "skip"

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Yield frames, see ``Reader``."""
        if not self.is_sequential:
            for wanted in numbers:
                for _, picture in self._source.read(wanted + self._first, wanted + self._first + 1):
                    if picture is not None:
                        yield wanted, picture
            return
        for wanted in numbers:
            picture = self._advance(wanted)
            if picture is not None:
                yield wanted, picture
            elif self._stops:
                place = wanted + self._first
                reason = self._source.skipped.get(place, "the file ends before it")
                raise DataError(f"{self._source.path}: frame {place}: {reason}", SKIP_REMEDY)

    def content_key(self) -> str:
        """Return a digest of the files and of where the clip begins."""
        return hashlib.sha256(f"{self._source.content_key()} {self._first}".encode()).hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        self._stream = None

    def _advance(self, wanted: int) -> Picture | None:
        if self._stream is None or wanted < self._next:
            self._stream = self._source.read(wanted + self._first)
        for number, picture in self._stream:
            self._next = number - self._first + 1
            if number - self._first == wanted:
                return picture
        self._stream = None
        return None


class FileReader:
    """Frames that are one image file each, whatever they are called; each may have its own size.

    Args:
        images: One file a frame.
        sizes: (frames, 2) width and height of each.
        on_bad_image: 'error' or 'skip'.
    """

    is_sequential = False

    def __init__(self, images: Sequence[Path], sizes: NDArray[np.int64], on_bad_image: str = "error") -> None:
        self._sources = [
            ImageFrames(path, path.stem, [path], 1.0, (int(width), int(height)), on_bad_image)  # type: ignore[arg-type]
            for path, (width, height) in zip(images, sizes, strict=True)
        ]

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Yield frames, see ``Reader``."""
        for number in numbers:
            for _, picture in self._sources[number].read():
                if picture is not None:
                    yield number, picture

    def content_key(self) -> str:
        """Return a digest of the files, whatever they are called."""
        return hashlib.sha256("".join(source.content_key() for source in self._sources).encode()).hexdigest()

    def close(self) -> None:
        """Do nothing: no file stays open."""


class MemoryReader:
    """Frames that are there already.

    Args:
        frames: (H, W, 3) uint8 each, blue first.
    """

    is_sequential = False

    def __init__(self, frames: Sequence[Picture]) -> None:
        self._frames = frames

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Yield frames, see ``Reader``."""
        for number in numbers:
            yield number, self._frames[number]

    def content_key(self) -> str:
        """Return a digest of the pixels."""
        digest = hashlib.sha256()
        for frame in self._frames:
            digest.update(repr(frame.shape).encode() + frame.tobytes())
        return digest.hexdigest()

    def close(self) -> None:
        """Do nothing: there is no file."""


class ClipPictures:
    """What describers see of a clip; implements ``Pictures``.

    Args:
        clip: Trajectories, for outlines.
        reader: Gets the frames.
        outlines: By track id; can be given later, as the attribute of the same name.
        config: Sizes of what is shown.
        budget: Bytes of frames that are kept in memory.
    """

    def __init__(
        self,
        clip: Clip,
        reader: Reader,
        outlines: Mapping[int, Outline] | None = None,
        config: ViewConfig | None = None,
        budget: int = 256 * _MEGABYTE,
    ) -> None:
        self.outlines = outlines or {}
        self.config = config or ViewConfig()
        self._clip, self._reader, self._budget = clip, reader, budget
        self._table = box_table(clip)
        self._expected: set[int] = set()
        self._places = {track.track_id: place for place, track in enumerate(clip.tracks)}
        self._kept: dict[int, Picture] = {}
        self._filed: set[int] = set()  # in the folder
        self._loose: list[int] = []  # kept, but the first to go
        self._size = 0
        self._folder: Path | None = None
        self._key = ""

    def expect(self, numbers: Iterable[int]) -> None:
        """Announce frames, so that one pass over a video gets them together."""
        self._expected |= set(numbers)

    def frames(self, numbers: Iterable[int]) -> dict[int, Picture]:
        """Return (H, W, 3) uint8 pictures, blue first, by number; not to be written to.

        Frames that cannot be read and that the reader is to leave out are absent.

        Raises:
            DataError: a frame that cannot be had.
        """
        wanted = sorted(set(numbers))
        outside = [number for number in wanted if not 0 <= number < self._clip.length]
        if outside:
            raise DataError(
                f"{self._clip.name}: no frame {outside[0]}, there are {self._clip.length}", "check the tracks"
            )
        found = {number: self._known(number) for number in wanted if self._has(number)}
        missing = [number for number in wanted if number not in found]
        if missing:
            # what others will ask for is taken along where the reader passes it anyhow
            passed = {n for n in self._expected if n <= missing[-1]} if self._reader.is_sequential else set()
            for number, picture in self._reader.read(sorted({*missing, *(n for n in passed if not self._has(n))})):
                kept = self._keep(number, picture)
                if number in missing:
                    found[number] = kept
        return found

    def missing(self, numbers: Iterable[int]) -> frozenset[int]:
        """Return which of some frames are left out because they cannot be read; reads them all.

        Raises:
            DataError: a frame that cannot be had, where such frames are not to be left out.
        """
        wanted = set(numbers)
        self.expect(wanted)
        there = {number for number in wanted if self._has(number)}
        for number, picture in self._reader.read(sorted(wanted - there)):
            self._keep(number, picture)
            there |= {number}
        return frozenset(wanted - there)

    def render(self, views: Sequence[View]) -> list[Picture]:
        """Return what views show, outlined, see ``overlays.draw_view``.

        Raises:
            DataError: a frame that cannot be had.
        """
        pictures = self.frames(view.frame for view in views)
        absent = [view.frame for view in views if view.frame not in pictures]
        if absent:
            raise DataError(f"{self._clip.name}: frame {absent[0]} cannot be read and was left out", SKIP_REMEDY)
        return [
            draw_view(pictures[view.frame], view, self._boxes(view.frame, view.outlined), self.outlines, self.config)
            for view in views
        ]

    def content_key(self) -> str:
        """Return a digest of the files the pixels come from."""
        self._key = self._key or self._reader.content_key()
        return self._key

    def close(self) -> None:
        """Forget all frames."""
        self._reader.close()
        self._kept.clear()
        self._filed.clear()
        self._loose.clear()
        self._size = 0
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _boxes(self, frame: int, track_ids: Collection[int]) -> dict[int, NDArray[np.float64]]:
        rows = {one: row_at(self._table, self._places[one], frame) for one in track_ids}
        return {one: self._table.boxes_xyxy[row] for one, row in rows.items() if row is not None}

    def _has(self, number: int) -> bool:
        return number in self._kept or number in self._filed

    def _known(self, number: int) -> Picture:
        """Return a frame that was kept; one in a file is mapped anew, as each that stays mapped holds a file open."""
        if number in self._kept:
            return self._kept[number]
        assert self._folder is not None, "what is filed has a folder"
        filed: Picture = np.load(self._folder / f"{number}.npy", mmap_mode="r")
        return filed

    def _keep(self, number: int, picture: Picture) -> Picture:
        """Keep a frame within the budget: announced frames of a video in a file beyond it, others instead of older."""
        if number in self._kept:
            return self._kept[number]
        picture.setflags(write=False)
        if number in self._filed:
            return picture
        lasts = self._reader.is_sequential and number in self._expected
        while self._loose and self._size + picture.nbytes > self._budget:
            self._size -= self._kept.pop(self._loose.pop(0)).nbytes
        if self._size + picture.nbytes > self._budget:
            if not lasts:
                return picture
            self._folder = self._folder or Path(tempfile.mkdtemp(prefix="sushi-lg-frames-"))
            np.save(self._folder / f"{number}.npy", picture)
            self._filed.add(number)
            return picture
        if not lasts:
            self._loose.append(number)
        self._kept[number] = picture
        self._size += picture.nbytes
        return picture
