"""Video files as numbered frames: exact reading, and writing that plays in browsers.

Frames are numbered 0, 1, 2, ... in the order of presentation, whatever time stamps a file carries, so a number means
the same picture on every machine. Reading never seeks: a seek to a time lands beside the frame in many files.

Time stamps serve only to tell which frames are absent from a damaged file (``decode_frames``). Frames are turned and
mirrored where the file says so, as those of phones do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError

_BT709 = 1  # the code of BT.709 for primaries, transfer and matrix in ISO/IEC 23091-2
_LIMITED_RANGE = 1
_LOOKED_AT = 100  # frames, until one can be decoded


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes:
        path: The file.
        length: Number of frames, counted rather than read from the header, which often lies.
        frame_rate: Average frames per second.
        width: Picture width in pixels, turned as the file says.
        height: Picture height in pixels, turned as the file says.
        indexed: Number of frames the index of an MP4 or MOV file lists, less those its edit list cuts; more than
            ``length`` where the end of the file is missing. ``length`` in files of other kinds.
        times: Time stamp of each frame in the units of the file, ascending; None where the file has no usable ones.
    """

    path: Path
    length: int
    frame_rate: float
    width: int
    height: int
    indexed: int
    times: tuple[int, ...] | None


@dataclass(frozen=True)
class LostFrame:
    """A frame that cannot be had, and why."""

    reason: str


def probe_video(path: str | Path) -> VideoInfo:
    """Return size, rate and exact length of a video; packets are counted, one frame is decoded to see its turn.

    Raises:
        DataError: no such file, no video in it, or a damaged file.
    """
    path = Path(path)
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(path, container)
            times: list[int | None] = []
            in_order = True  # every frame is whole by itself, so packets come in the order of presentation
            for packet in container.demux(stream):
                if packet.size > 0 and not packet.is_discard:  # an edit list cuts frames that stay in the file
                    times.append(packet.pts)
                    in_order &= packet.is_keyframe
            rate = stream.average_rate or stream.guessed_rate
            if not rate or not times:
                raise DataError(f"{path}: no frame rate or no frames in the file", "encode the video again")
            length, kind, context = len(times), container.format.name, stream.codec_context
            known = sorted(time for time in times if time is not None)
            # AVI numbers packets in the order of decoding, which is another one where frames look ahead.
            usable = len(set(known)) == length and (in_order or kind != "avi")
            listed = sum(not entry.is_discard for entry in stream.index_entries)
            indexed = max(length, listed) if "mp4" in kind and length == len(known) else length
            size = context.width, context.height
        width, height = size[::-1] if _lies_on_its_side(path) else size
        return VideoInfo(path, length, float(rate), width, height, indexed, tuple(known) if usable else None)
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


def decode_frames(
    info: VideoInfo, first: int = 0, stop: int | None = None
) -> Iterator[tuple[int, av.VideoFrame | LostFrame]]:
    """Yield each of frames ``first`` .. ``stop - 1`` once and in order, with what the decoder made of it.

    In a sound file these are the frames and numbers of ``read_frames``. In a damaged one a frame is lost when the
    decoder gives none, or marks it as put together from its neighbours ("concealed"). The others keep their numbers,
    found by their time stamps. Two things cannot be told: frames that lean on a lost one may show traces of the damage
    up to the next key frame; and what a damaged file no longer lists at all is not missed, unless it is an MP4 or MOV,
    whose index lists all frames in one place.

    One thread decodes. Several would be faster, but lose sound frames together with a damaged one, and now and then
    forget to mark what was concealed.

    Args:
        info: Of the file.
        first: First frame.
        stop: The frame after the last one; None = ``info.indexed``.

    Raises:
        DataError: the file cannot be read, or is damaged and its time stamps do not tell which frames are absent.
    """
    stop = info.indexed if stop is None else min(stop, info.indexed)
    number_of = _numbers(info)
    expected, fault = 0, ""
    for frame in _decoded(info.path):
        if isinstance(frame, LostFrame):
            fault = fault or frame.reason
            continue
        number = expected if number_of is None else number_of.get(frame.pts if frame.pts is not None else -1, expected)
        number = max(number, expected)
        if number_of is None and fault:
            break
        for lost in range(max(expected, first), min(number, stop)):
            yield lost, LostFrame(fault or "its data is missing")
        if number > expected:
            fault = ""
        if number >= stop:
            return
        if number >= first:
            yield number, LostFrame("damaged data, concealed by the decoder") if frame.is_corrupt else frame
        expected = number + 1
    if expected < stop and number_of is None:
        reason = fault or f"{info.length - expected} frames fewer than the file has packets"
        raise DataError(
            f"{info.path}: cannot be read after frame {expected - 1} ({reason}), and without time stamps nothing tells "
            "which frames are absent",
            "copy or encode the video again",
        )
    last = max(number_of.values()) if number_of is not None else info.length - 1
    for lost in range(max(expected, first), stop):
        yield lost, LostFrame("the file ends before it" if lost > last else fault or "its data is missing")


def picture_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 picture of a decoded frame, blue first; may run on several threads at once."""
    if not hasattr(_of_thread, "reformatter"):
        _of_thread.reformatter = VideoReformatter()  # keeps tables that are costly to make for every frame
    converted = _of_thread.reformatter.reformat(frame, format="bgr24", threads=1)
    return _turned(converted.to_ndarray().astype(np.uint8, copy=False), frame)


def read_frames(path: str | Path, first: int = 0, stop: int | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (frame number, picture) for frames ``first`` .. ``stop - 1``, or to the end.

    Yields:
        The 0-based number and the (H, W, 3) uint8 picture, blue first as OpenCV has it.

    Raises:
        DataError: no such file, no video in it, or a damaged file (with the number of the frame).
    """
    path = Path(path)
    number = 0
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(path, container)
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                if stop is not None and number >= stop:
                    return
                if number >= first:
                    yield number, _turned(frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False), frame)
                number += 1
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error, number) from error


def write_video(
    path: str | Path, frames: Iterable[NDArray[np.uint8]], frame_rate: float, *, crf: int = 20, preset: str = "medium"
) -> int:
    """Write H.264 (yuv420p, BT.709, index in front) that plays in browsers while it loads.

    Args:
        path: Target, usually ``.mp4``; replaced only when the last frame is written.
        frames: (H, W, 3) uint8 pictures of one size, blue first; an odd last row or column is left out, because
            yuv420p halves both sides.
        frame_rate: Frames per second.
        crf: Constant rate factor of x264: lower is better and larger; 18 looks like the source, 28 is coarse.
        preset: Speed of x264.

    Returns:
        The number of frames written.

    Raises:
        DataError: no frames, or frames of different sizes.
    """
    count = 0
    with atomic_path(path) as staged, av.open(str(staged), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(frame_rate).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": preset}
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        size: tuple[int, ...] | None = None
        for picture in frames:
            even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
            if size is None:
                size = even.shape
                stream.height, stream.width = even.shape[:2]
            if even.shape != size:
                raise DataError(f"{path}: frame {count} is {even.shape[:2]}, frame 0 was {size[:2]} (height, width)")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="bgr24")
            # without naming the matrix, swscale takes BT.601 and players show other colours than were drawn
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)))
            count += 1
        if count == 0:
            raise DataError(f"{path}: no frames to write")
        container.mux(stream.encode())
    return count


_of_thread = threading.local()


def _turned(picture: NDArray[np.uint8], frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the picture as the frame's display matrix wants it shown: in quarter turns, mirrored or not."""
    across, down, swap = _display(frame)
    shown = picture.swapaxes(0, 1) if swap else picture
    shown = shown[:: -1 if down else 1, :: -1 if across else 1]
    return np.ascontiguousarray(shown)


def _display(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Return whether a frame is to be mirrored across and down, and before that to have rows and columns exchanged."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    # nine 32-bit numbers: column' = a column + c row, row' = b column + d row (ISO/IEC 14496-12, 8.2.2)
    a, b, _, c, d = np.frombuffer(cast(Any, matrix), dtype=np.int32)[:5].tolist()
    if a == d == 0:
        return c < 0, b < 0, True
    return a < 0, d < 0, False  # a turn by less than a quarter is not done


def _lies_on_its_side(path: Path) -> bool:
    """Tell whether rows and columns are exchanged for showing; a file nothing of which can be decoded has no side."""
    seen = islice(_decoded(path), _LOOKED_AT)
    return next((_display(frame)[2] for frame in seen if isinstance(frame, av.VideoFrame)), False)


def _decoded(path: Path) -> Iterator[av.VideoFrame | LostFrame]:
    """Yield what comes out of the decoder; packets it refuses as ``LostFrame``, somewhere near their place."""
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(path, container)
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:
                    yield LostFrame(str(error.strerror or error))
                    continue
                yield from frames
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


def _numbers(info: VideoInfo) -> dict[int, int] | None:
    """Return the frame number of each time stamp, or None without usable ones."""
    if info.times is None:
        return None
    if info.indexed == info.length:
        return {time: number for number, time in enumerate(info.times)}
    # The end is missing, and with it frames between the last ones that are there: only an even pace tells numbers.
    step = min((b - a for a, b in zip(info.times, info.times[1:], strict=False)), default=1)
    offsets = [time - info.times[0] for time in info.times]
    if any(offset % step for offset in offsets) or offsets[-1] // step >= info.indexed:
        raise DataError(
            f"{info.path}: ends early ({info.length} of {info.indexed} frames), and frames are not evenly spaced, so "
            "the numbers of the last ones are unknown",
            "copy or encode the video again",
        )
    return {time: offset // step for time, offset in zip(info.times, offsets, strict=True)}


def _video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    if not container.streams.video:
        raise DataError(f"{path}: no video in the file", "give a video file, e.g. .mp4 or .avi")
    return container.streams.video[0]


def _unreadable(path: Path, error: Exception, frame: int | None = None) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file", "check the path")
    where = "" if frame is None else f" at frame {frame}"
    why = getattr(error, "strerror", None) or error  # without FFmpeg's nine-digit numbers
    return DataError(f"{path}: cannot be read{where} ({why})", "copy or encode the video again")
