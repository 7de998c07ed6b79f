"""Pictures of a sequence by number, from a video file, a folder of images or a sequence folder.

Length, rate and size are known before anything is decoded. A frame that cannot be had stops the reading with its number
and file, or, with ``on_bad_image='skip'``, becomes None and is listed in ``skipped``; it never shifts the numbers of
others.

Shapes: H rows and W columns of pixels.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.ahead import in_background, map_ahead, placed
from sushi_lg.data.files import visible_children
from sushi_lg.data.image_size import IMAGE_EXTENSIONS, image_size
from sushi_lg.data.layouts import layout_of
from sushi_lg.data.models import file_sha256
from sushi_lg.data.sequence import Sequence, nearest_folder, open_sequence
from sushi_lg.data.video import LostFrame, VideoInfo, decode_frames, picture_of, probe_video
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
OnBadImage = Literal["error", "skip"]
R = TypeVar("R")
_Load = Callable[[], Picture]

VIDEO_EXTENSIONS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg")
SKIP_REMEDY = "copy it again, or pass on_bad_image=skip to leave such frames out and list them"


class _Bad(Exception):
    """A picture that cannot be had; says why."""


class FrameSource(ABC):
    """Numbered pictures of one size.

    Attributes:
        path: What was opened.
        name: Of the sequence: results are called so.
        length: Number of frames, those that cannot be read included.
        frame_rate: Frames per second.
        width: W.
        height: H.
        on_bad_image: What happens at a frame that cannot be had.
        skipped: Reason by number (0-based) of the frames left out so far.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        length: int,
        frame_rate: float,
        size: tuple[int, int],
        on_bad_image: OnBadImage,
    ) -> None:
        if on_bad_image not in ("error", "skip"):
            raise ValueError(f"on_bad_image is {on_bad_image!r}; choose error or skip")
        self.path, self.name, self.length, self.frame_rate = path, name, length, frame_rate
        self.width, self.height = size
        self.on_bad_image = on_bad_image
        self.skipped: dict[int, str] = {}

    def read(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture | None]]:
        """Yield (number, picture) of frames ``first`` .. ``stop - 1``, or to the end; one after the other, no threads.

        Yields:
            The 0-based number and the (H, W, 3) uint8 picture, blue first; None for a frame left out.

        Raises:
            DataError: a frame that cannot be had, with ``on_bad_image='error'``.
        """
        for number, load in self._loads(first, self._stop(stop)):
            yield number, self._loaded(number, load)

    def read_ahead(
        self,
        work: Callable[[int, Picture], R],
        first: int = 0,
        stop: int | None = None,
        *,
        workers: int = 0,
        in_flight: int = 0,
    ) -> Generator[tuple[int, R | None]]:
        """Yield (number, ``work(number, picture)``) in order, with decoding and work done by threads ahead of it.

        Args:
            work: what to do with a picture; runs on several threads at once.
            first: First frame.
            stop: The frame after the last one; None = to the end.
            workers: Number of threads that work; 0 = as many as there are cores. A video has one more that decodes.
            in_flight: Most frames that are read and not yet handed out; 0 = a few more than there are workers.

        Yields:
            The number and the result; None for a frame left out.

        Raises:
            DataError: a frame that cannot be had, with ``on_bad_image='error'``.
            SushiError: of the kind that ``work`` raised, with the frame named.
            RuntimeError: ``work`` raised something else; names the frame.
        """
        workers = workers or usable_cores()
        in_flight = max(in_flight or 2 * workers + 2, 3)

        def load_and_work(item: tuple[int, _Load]) -> tuple[int, R | None]:
            number, load = item
            picture = self._loaded(number, load)
            if picture is None:
                return number, None
            try:
                return number, work(number, picture)
            except Exception as error:
                raise placed(error, f"{self.path}: frame {number}") from error

        # One item is in the reader's hand and one in ours; the rest is shared between the two queues.
        queued = max(1, (in_flight - 2) // 3)
        loads = in_background(self._loads(first, self._stop(stop)), ahead=queued, name="frames")
        return map_ahead(load_and_work, loads, workers=workers, ahead=in_flight - 1 - queued, name="pictures")

    def content_key(self) -> str:
        """Return a digest of the bytes of all files and of their numbers; a file is read once in a process."""
        digest = hashlib.sha256(b"frames 1")
        for number, path in self._files():
            digest.update(f"{number}\0".encode())
            digest.update(bytes.fromhex(file_sha256(path)))
        return digest.hexdigest()

    @abstractmethod
    def _loads(self, first: int, stop: int) -> Iterator[tuple[int, _Load]]:
        """Yield for each number what gets its picture, or raises ``_Bad``; may run on another thread."""

    @abstractmethod
    def _files(self) -> list[tuple[int, Path]]:
        """Return the files that exist, each with the number of its first frame."""

    @abstractmethod
    def _place(self, number: int) -> str:
        """Return what a message calls a frame."""

    def _stop(self, stop: int | None) -> int:
        return self.length if stop is None else min(stop, self.length)

    def _loaded(self, number: int, load: _Load) -> Picture | None:
        try:
            picture = load()
            if picture.shape != (self.height, self.width, 3):
                found = f"{picture.shape[1]} x {picture.shape[0]}"
                raise _Bad(f"is {found} pixels, the sequence {self.width} x {self.height}")
        except _Bad as bad:
            if self.on_bad_image == "error":
                raise DataError(f"{self._place(number)}: {bad}", SKIP_REMEDY) from None
            self.skipped[number] = str(bad)
            return None
        return picture


class VideoFrames(FrameSource):
    """Frames of a video file; ``decode_frames`` says what is guaranteed about damaged ones."""

    def __init__(
        self, info: VideoInfo, on_bad_image: OnBadImage = "error", *, name: str = "", frame_rate: float | None = None
    ) -> None:
        self.info = info
        size = (info.width, info.height)
        name = name or info.path.stem
        rate = info.frame_rate if frame_rate is None else frame_rate
        super().__init__(info.path, name, info.indexed, rate, size, on_bad_image)

    def _loads(self, first: int, stop: int) -> Iterator[tuple[int, _Load]]:
        for number, frame in decode_frames(self.info, first, stop):
            if isinstance(frame, LostFrame):
                yield number, _raising(frame.reason)
            else:  # bound now: the loop goes on before the function is called
                yield number, lambda frame=frame: picture_of(frame)  # type: ignore[misc]

    def _files(self) -> list[tuple[int, Path]]:
        return [(0, self.info.path)]

    def _place(self, number: int) -> str:
        return f"{self.path}: frame {number}"


class ImageFrames(FrameSource):
    """Images, one a frame, JPEG or PNG; turned by no EXIF mark, because boxes of data sets are not either."""

    def __init__(
        self,
        path: Path,
        name: str,
        images: list[Path],
        frame_rate: float,
        size: tuple[int, int],
        on_bad_image: OnBadImage = "error",
    ) -> None:
        super().__init__(path, name, len(images), frame_rate, size, on_bad_image)
        self._images = images

    def _loads(self, first: int, stop: int) -> Iterator[tuple[int, _Load]]:
        for number in range(first, stop):
            yield number, lambda path=self._images[number]: _read_image(path)  # type: ignore[misc]

    def _files(self) -> list[tuple[int, Path]]:
        return [(number, path) for number, path in enumerate(self._images) if path.is_file()]

    def _place(self, number: int) -> str:
        return f"{self._images[number]}"


def open_frames(
    path: str | Path,
    *,
    frames: str | Path | None = None,
    frame_rate: float | None = None,
    on_bad_image: OnBadImage = "error",
) -> FrameSource:
    """Open the pictures of a sequence; nothing is decoded.

    Args:
        path: A video file, a folder of numbered images, or a sequence folder: ``seqinfo.ini`` and images in ``img1/``
            (where the data set has them elsewhere: there), or a video file inside that is named like the folder.
        frames: Where the pictures of a sequence folder are, when they are elsewhere: a video file named like the
            sequence, or a folder that holds such a video or such a folder of images.
        frame_rate: Overrides what the file says, more than 0; has to be given for a folder of images.
        on_bad_image: 'error' stops at a frame that is missing, damaged or of another size; 'skip' leaves it out.

    Raises:
        DataError: nothing there, no pictures, a gap in the numbering, facts missing; names the file.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder", nearest_folder(path))
    if frame_rate is not None and not (math.isfinite(frame_rate) and frame_rate > 0):
        raise DataError(f"{path}: {frame_rate:g} frames a second", "give a frame rate above 0, e.g. 25")
    is_sequence = (path / "seqinfo.ini").is_file() or (path / layout_of(path).image_folder).is_dir()
    if frames is not None and not is_sequence:
        raise DataError(f"{path}: has its own pictures, so {frames} would not be looked at", "leave out --frames")
    if path.is_file():
        return VideoFrames(probe_video(path), on_bad_image, frame_rate=frame_rate)
    if is_sequence:
        sequence = open_sequence(path, frame_rate=frame_rate)
        return sequence_frames(sequence, frames=frames, on_bad_image=on_bad_image)
    return _image_folder(path, path.absolute().name, frame_rate, on_bad_image)


def sequence_frames(
    sequence: Sequence, *, frames: str | Path | None = None, on_bad_image: OnBadImage = "error"
) -> FrameSource:
    """Open the pictures of a whole sequence, also when ``sequence`` is a view of it; see ``open_frames``.

    Raises:
        DataError: no pictures, or another number of them than the sequence is long.
    """
    info = sequence.info
    found = _find_pictures(sequence, None if frames is None else Path(frames))
    if isinstance(found, Sequence):
        whole = Sequence(info, first=1, length=info.length)
        images = [whole.image_path(frame) for frame in range(info.length)]
        if on_bad_image == "error":
            missing = [image for image in images if not image.is_file()]
            if missing:
                raise DataError(
                    f"{missing[0]}: no such file ({len(missing)} of {info.length} are missing)", SKIP_REMEDY
                )
        return ImageFrames(info.root, info.name, images, info.frame_rate, (info.width, info.height), on_bad_image)
    source: FrameSource
    if found.is_dir():
        source = _image_folder(found, info.name, info.frame_rate, on_bad_image)
    else:
        source = VideoFrames(probe_video(found), on_bad_image, name=info.name, frame_rate=info.frame_rate)
    stated = (info.length, info.width, info.height)
    if stated != (source.length, source.width, source.height):
        raise DataError(
            f"{found}: {source.length} frames of {source.width} x {source.height}, but {info.name} has {stated[0]} of "
            f"{stated[1]} x {stated[2]}",
            f"name the pictures of this sequence, or correct {info.root / 'seqinfo.ini'}",
        )
    return source


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def natural_key(name: str) -> tuple[tuple[int, str | int], ...]:
    """Return a key that sorts ``img2`` before ``img10``."""
    pieces = re.split(r"(\d+)", name)
    return tuple((1, int(piece)) if piece.isdecimal() else (0, piece) for piece in pieces if piece)


def _find_pictures(sequence: Sequence, frames: Path | None) -> Sequence | Path:
    """Return the sequence itself when it has images, else a video file or a folder of images."""
    info = sequence.info
    if frames is None:
        if info.image_folder.is_dir():
            return sequence
        beside = _video_in(info.root, info.name)
        if beside is None:
            raise DataError(
                f"{info.root}: no pictures (neither {info.image_folder.name}/ nor {info.name}.mp4)",
                "say where they are with --frames: a video, or the folder that holds it",
            )
        return beside
    if frames.is_file():
        if frames.stem != info.name:
            raise DataError(
                f"{frames}: not named like the sequence {info.name}", f"call it {info.name}{frames.suffix}, or link it"
            )
        return frames
    if not frames.is_dir():
        raise DataError(f"{frames}: no such file or folder", nearest_folder(frames))
    inside = _video_in(frames, info.name)
    if inside is None and (frames / info.name).is_dir():
        inside = frames / info.name
    if inside is None:
        raise DataError(f"{frames}: neither {info.name}.mp4 (or .mkv, ...) nor {info.name}/ in it", "check --frames")
    return inside


def _video_in(folder: Path, name: str) -> Path | None:
    found = [folder / f"{name}{extension}" for extension in VIDEO_EXTENSIONS]
    return next((path for path in found if path.is_file()), None)


def _image_folder(folder: Path, name: str, frame_rate: float | None, on_bad_image: OnBadImage) -> ImageFrames:
    images = _numbered_images(folder, on_bad_image)
    if frame_rate is None:
        raise DataError(f"{folder}: images do not tell how many there are a second", "give --frame-rate, e.g. 25")
    for image in images:  # the first sound one says how large pictures are
        try:
            size = image_size(image)
            break
        except DataError as error:
            if on_bad_image == "error":
                raise DataError(error.message, SKIP_REMEDY) from error
    else:
        raise DataError(f"{folder}: none of {len(images)} images can be read", "copy them again")
    return ImageFrames(folder, name, images, frame_rate, size, on_bad_image)


def _numbered_images(folder: Path, on_bad_image: OnBadImage) -> list[Path]:
    """Return one path a frame in the order of the numbers in the names; absent ones only with 'skip'."""
    found = [path for path in visible_children(folder, logger) if path.suffix.lower() in IMAGE_EXTENSIONS]
    if not found:
        raise DataError(
            f"{folder}: no images ({', '.join(IMAGE_EXTENSIONS)})", "name a folder of numbered images, or a video file"
        )
    found.sort(key=lambda path: natural_key(path.name))
    parts = [_name_parts(path) for path in found]
    by_number: dict[int, Path] = {}
    before, _, after = parts[0]
    for path, (prefix, number, suffix) in zip(found, parts, strict=True):
        if (prefix, suffix) != (before, after):
            raise DataError(
                f"{folder}: {found[0].name} and {path.name} do not differ in their number only, so their order is "
                "unknown",
                "keep the images of one video in a folder of their own, named like 000001.jpg",
            )
        if int(number) in by_number:
            raise DataError(f"{folder}: {by_number[int(number)].name} and {path.name} have one number", "remove one")
        by_number[int(number)] = path
    first, last = min(by_number), max(by_number)
    if first > 1:
        logger.warning("%s: images begin with number %d, which is taken as frame 0", folder, first)
    absent = last - first + 1 - len(by_number)
    if not absent:
        return found
    padded = len({len(number) for _, number, _ in parts}) == 1
    width = len(parts[0][1]) if padded else 0

    def path_of(number: int) -> Path:
        return by_number.get(number, folder / f"{before}{number:0{width}d}{after}")

    gap = next(path_of(number) for number in range(first, last) if number not in by_number)
    if on_bad_image == "error" or absent > len(by_number):
        many = absent > len(by_number)
        remedy = "number them one by one, without steps: 1, 2, 3, ..." if many else SKIP_REMEDY
        raise DataError(f"{gap}: no such file ({absent} between {first} and {last} are missing)", remedy)
    return [path_of(number) for number in range(first, last + 1)]


def _name_parts(path: Path) -> tuple[str, str, str]:
    """Return what stands before the last number of a name, its digits, and what stands behind, extension included."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", path.stem)
    if match is None:
        raise DataError(f"{path}: no number in its name, so its place is unknown", "name images like 000001.jpg")
    return match[1], match[2], match[3] + path.suffix


def _read_image(path: Path) -> Picture:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _Bad("no such file") from None
    except OSError as error:
        raise _Bad(f"cannot be read ({error.strerror})") from None
    fault = _fault_of(data)
    if fault is None:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error as error:  # a header that promises more pixels than OpenCV takes
            raise _Bad(f"not a picture OpenCV can read ({error.err})") from None
        if picture is not None:
            return picture.astype(np.uint8, copy=False)
    raise _Bad(fault or f"not a picture OpenCV can read ({len(data)} bytes)")


def _fault_of(data: bytes) -> str | None:
    """Return what is wrong with the bytes of a picture, as far as they tell: some decoders fill up what is missing.

    Damage inside the compressed data of a JPEG cannot be told: the format has no check sums.
    """
    if not data:
        return "an empty file"
    if data.startswith(b"\xff\xd8"):
        # not at the very end: cameras append things; not in the first half: a thumbnail has an end, too
        return None if b"\xff\xd9" in data[len(data) // 2 :] else f"ends early ({len(data)} bytes)"
    if data.startswith(b"\x89PNG"):
        position, kind = 8, b""
        while kind != b"IEND":
            if position + 12 > len(data):
                return f"ends early ({len(data)} bytes)"
            size = int.from_bytes(data[position : position + 4], "big")
            kind, end = data[position + 4 : position + 8], position + 8 + size
            if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
                return f"damaged at byte {position}"
            position = end + 4
    return None


def _raising(reason: str) -> _Load:
    def load() -> Picture:
        raise _Bad(reason)

    return load
