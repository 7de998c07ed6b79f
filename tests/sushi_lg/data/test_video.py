"""Frames are numbered exactly, sizes and rates are true, colours survive."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sushi_lg.data.video import probe_video, read_frames, write_video
from sushi_lg.errors import DataError


def numbered(count: int, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Grey pictures whose brightness is their number times 10, so a frame tells which one it is."""
    return [np.full((height, width, 3), 10 * number, dtype=np.uint8) for number in range(count)]


def test_frames_come_back_in_order_with_their_numbers(tmp_path: Path) -> None:
    assert write_video(tmp_path / "a.mp4", numbered(24), 12.5) == 24
    info = probe_video(tmp_path / "a.mp4")
    assert (info.length, info.frame_rate, info.width, info.height) == (24, 12.5, 64, 48)
    read = list(read_frames(info.path))
    assert [number for number, _ in read] == list(range(24))
    assert all(abs(float(picture.mean()) - 10 * number) < 4 for number, picture in read)
    assert [number for number, _ in read_frames(info.path, 7, 10)] == [7, 8, 9]
    part = [picture for _, picture in read_frames(info.path, 7, 10)]
    assert all((picture == read[7 + k][1]).all() for k, picture in enumerate(part))


def test_colours_survive(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), dtype=np.uint8)
    picture[:, :32], picture[:, 32:64], picture[:, 64:] = (40, 60, 220), (60, 200, 60), (210, 120, 30)
    write_video(tmp_path / "a.mp4", [picture] * 2, 10, crf=10)
    _, read = next(read_frames(tmp_path / "a.mp4"))
    for column in (16, 48, 80):
        assert np.abs(read[32, column].astype(int) - picture[32, column]).max() <= 6


def test_the_file_starts_playing_before_it_is_loaded(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(4), 10)
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_odd_sides_lose_a_pixel(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(2, 49, 65), 10)
    info = probe_video(tmp_path / "a.mp4")
    assert (info.width, info.height) == (64, 48)


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.mp4: no such file"):
        probe_video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video\n")
    with pytest.raises(DataError, match=r"text\.mp4"):
        list(read_frames(tmp_path / "text.mp4"))
    with pytest.raises(DataError, match="no frames"):
        write_video(tmp_path / "empty.mp4", [], 10)
    with pytest.raises(DataError, match="frame 1 is"):
        write_video(tmp_path / "mixed.mp4", [*numbered(1), *numbered(1, 32, 32)], 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.mp4"]
