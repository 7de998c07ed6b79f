"""Small pictures whose frame number can be read off, and files of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def textured(count: int, height: int = 48, width: int = 64, seed: int = 0) -> list[Picture]:
    """Pictures without two alike."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def moving_squares(count: int, squares: int = 3, height: int = 96, width: int = 128) -> list[Picture]:
    """White squares of 10 x 12 pixels that walk to the right over black, each row with a colour in its middle."""
    pictures = np.zeros((count, height, width, 3), dtype=np.uint8)
    for frame in range(count):
        for row in range(squares):
            left, top = (5 + 2 * frame + 30 * row) % (width - 20), 8 + 28 * row
            pictures[frame, top : top + 12, left : left + 10] = 255
            pictures[frame, top + 4 : top + 8, left + 3 : left + 7, row % 3] = 200
    return list(pictures)


def write_images(folder: Path, pictures: Iterable[Picture], first: int = 1, extension: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, start=first):
        assert cv2.imwrite(str(folder / f"{number:06d}{extension}"), picture)
    return folder


def write_lossless(path: Path, pictures: Iterable[Picture], rate: int = 25) -> Path:
    """Write a video that gives back exactly these pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=Fraction(rate))
        stream.pix_fmt, stream.options = "bgr24", {"qp": "0", "g": "8"}
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return path


def copy_packets(path: Path, target: Path, *, cut: int = 0, matrix: Sequence[int] | None = None) -> Path:
    """Copy a video without encoding it again, as tools that cut and phones that are held upright leave it.

    Args:
        path: A constant-rate MP4.
        target: An MP4.
        cut: Frames that stay in the file and that its edit list hides.
        matrix: a, b, c and d of the display matrix.
    """
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path)) as source, av.open(str(target), "w", options=options) as container:
        stream = source.streams.video[0]
        copied = container.add_stream_from_template(stream)
        if matrix is not None:
            a, b, c, d = (65536 * one for one in matrix)
            copied.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        shift = round(cut / stream.average_rate / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copied
                container.mux(packet)
    return target


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Return (first byte, size) of the data of each frame, in the order of presentation."""
    with av.open(str(path)) as container:
        packets = [(p.pts, p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    return [(place, size) for _, place, size in sorted(packets)]
