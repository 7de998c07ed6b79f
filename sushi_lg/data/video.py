"""Video files as numbered frames: exact reading, and writing that plays in browsers.

Frames are numbered 0, 1, 2, ... in the order of presentation, whatever time stamps a file carries, so a number means
the same picture on every machine. Reading never seeks: a seek to a time lands beside the frame in many files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError

_BT709 = 1  # the code of BT.709 for primaries, transfer and matrix in ISO/IEC 23091-2
_LIMITED_RANGE = 1


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes:
        path: The file.
        length: Number of frames, counted rather than read from the header, which often lies.
        frame_rate: Average frames per second.
        width: Picture width in pixels.
        height: Picture height in pixels.
    """

    path: Path
    length: int
    frame_rate: float
    width: int
    height: int


def probe_video(path: str | Path) -> VideoInfo:
    """Return size, rate and exact length of a video; packets are counted, nothing is decoded.

    Raises:
        DataError: no such file, no video in it, or a damaged file.
    """
    path = Path(path)
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(path, container)
            length = sum(packet.size > 0 for packet in container.demux(stream))
            rate = stream.average_rate or stream.guessed_rate
            if not rate or not length:
                raise DataError(f"{path}: no frame rate or no frames in the file", "encode the video again")
            return VideoInfo(path, length, float(rate), stream.codec_context.width, stream.codec_context.height)
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


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
                    yield number, frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
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


def _video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    if not container.streams.video:
        raise DataError(f"{path}: no video in the file", "give a video file, e.g. .mp4 or .avi")
    return container.streams.video[0]


def _unreadable(path: Path, error: Exception, frame: int | None = None) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file", "check the path")
    where = "" if frame is None else f" at frame {frame}"
    return DataError(f"{path}: cannot be read{where} ({error})", "copy or encode the video again")
