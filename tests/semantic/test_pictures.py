from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_describer import grey_frames, walking_clip

from semantic.config import ViewConfig
from semantic.overlays import COLOURS, Outline
from semantic.pictures import ClipPictures, FileReader, MemoryReader, SourceReader
from semantic.structures import Clip, View
from sushi_lg.data.frames import open_frames
from sushi_lg.data.video import write_video
from sushi_lg.errors import DataError

CLIP = walking_clip()


class Counting(MemoryReader):
    """Notes what is read."""

    def __init__(self, frames: Sequence[np.ndarray], is_sequential: bool = False) -> None:
        super().__init__(frames)
        self.is_sequential, self.reads = is_sequential, list[list[int]]()

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        self.reads.append(list(numbers))
        yield from ((number, picture.copy()) for number, picture in super().read(numbers))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    write_video(path, grey_frames(CLIP), 2.0, crf=1)
    return path


def test_frames_of_a_video_a_folder_and_memory_are_the_same(tmp_path: Path, video: Path) -> None:
    for number, frame in enumerate(grey_frames(CLIP)):
        cv2.imwrite(str(tmp_path / f"{number + 1:03d}.png"), frame)
    files = sorted(tmp_path.glob("*.png"))
    readers = [
        SourceReader(open_frames(video)),
        SourceReader(open_frames(tmp_path, frame_rate=2.0)),
        FileReader(files, CLIP.sizes),
        MemoryReader(grey_frames(CLIP)),
    ]
    keys = set()
    for reader in readers:
        pictures = ClipPictures(CLIP, reader)
        for wanted in ([3], [7, 5, 7], [0, 11], [6]):
            found = pictures.frames(wanted)
            assert list(found) == sorted(set(wanted))
            for number, picture in found.items():
                assert np.abs(picture.astype(int) - 10 * number).max() <= 4
        keys.add(pictures.content_key())
        assert pictures.content_key() == pictures.content_key()
        pictures.close()
    assert len(keys) == 4


def test_a_video_is_read_on_from_where_it_stopped(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_frames(video)
    begun: list[int] = []
    read = source.read
    monkeypatch.setattr(source, "read", lambda first=0, stop=None: (begun.append(first), read(first, stop))[1])
    pictures = ClipPictures(CLIP, SourceReader(source))
    for wanted in (1, 2, 5, 9):
        pictures.frames([wanted])
    assert begun == [1]
    pictures.frames([2])
    assert begun == [1], "kept"
    pictures.frames([0])
    assert begun == [1, 0]


def test_announced_frames_of_a_video_are_taken_along() -> None:
    reader = Counting(grey_frames(CLIP), is_sequential=True)
    pictures = ClipPictures(CLIP, reader)
    pictures.expect([2, 4, 9])
    pictures.frames([6])
    assert reader.reads == [[2, 4, 6]]
    pictures.frames([2, 4, 6])
    assert len(reader.reads) == 1
    images = Counting(grey_frames(CLIP))
    pictures = ClipPictures(CLIP, images)
    pictures.expect([2, 4])
    pictures.frames([6])
    assert images.reads == [[6]]


@pytest.mark.parametrize("is_sequential", [True, False])
def test_memory_stays_within_the_budget_and_pictures_are_right_all_the_same(is_sequential: bool) -> None:
    frames = grey_frames(CLIP)
    reader = Counting(frames, is_sequential)
    pictures = ClipPictures(CLIP, reader, budget=3 * frames[0].nbytes)
    pictures.expect(range(0, 12, 2))
    for _ in range(2):
        for number in (*range(12), 3, 8):
            assert (pictures.frames([number])[number] == frames[number]).all()
    assert pictures._size <= 3 * frames[0].nbytes
    folder = pictures._folder
    assert (folder is not None) == is_sequential
    pictures.close()
    assert folder is None or not folder.exists()


def test_pictures_handed_out_cannot_be_written_to() -> None:
    picture = ClipPictures(CLIP, Counting(grey_frames(CLIP))).frames([1])[1]
    with pytest.raises(ValueError, match="read-only"):
        picture[0] = 1


def test_frames_that_are_not_there_are_named(tmp_path: Path) -> None:
    pictures = ClipPictures(CLIP, MemoryReader(grey_frames(CLIP)))
    with pytest.raises(DataError, match="no frame 12, there are 12"):
        pictures.frames([12])
    for number, frame in enumerate(grey_frames(CLIP)):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), frame)
    files = [tmp_path / f"{number}.jpg" for number in range(12)]
    files[4].write_bytes(b"no picture")
    stopping = ClipPictures(CLIP, FileReader(files, CLIP.sizes))
    with pytest.raises(DataError, match=r"4\.jpg"):
        stopping.frames([3, 4])
    assert (stopping.frames([3])[3] == 30).all()
    skipping = ClipPictures(CLIP, FileReader(files, CLIP.sizes, "skip"))
    assert skipping.missing(range(12)) == {4}
    assert list(skipping.frames([3, 4])) == [3]
    with pytest.raises(DataError, match="frame 4 cannot be read"):
        skipping.render([View(4, None, ())])


def test_a_damaged_frame_of_a_video_matters_only_when_it_is_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(12)]
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    write_video(whole, noise, 2.0, crf=10)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 4])
    pictures = ClipPictures(CLIP, SourceReader(open_frames(cut)))
    there = ClipPictures(CLIP, SourceReader(open_frames(whole))).frames([0, 3])
    found = pictures.frames([0, 3])
    assert all((found[number] == there[number]).all() for number in there)
    with pytest.raises(DataError, match=r"cut\.mp4: frame 11"):
        pictures.frames([11])
    assert (pictures.frames([3])[3] == there[3]).all()
    assert 11 in ClipPictures(CLIP, SourceReader(open_frames(cut, on_bad_image="skip"))).missing([0, 11])


def test_images_of_several_sizes_are_one_clip(tmp_path: Path) -> None:
    sizes = np.array([[20, 10], [30, 40]])
    for number, (width, height) in enumerate(sizes):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((height, width, 3), number, dtype=np.uint8))
    clip = Clip("c", 2, 2.0, sizes, ())
    found = ClipPictures(clip, FileReader([tmp_path / "0.png", tmp_path / "1.png"], sizes)).frames([0, 1])
    assert [picture.shape for picture in found.values()] == [(10, 20, 3), (40, 30, 3)]


def test_views_are_drawn_in_the_order_asked_with_the_outlines_given() -> None:
    frame = int(CLIP.tracks[0].frame[0])
    views = [View(frame, None, (1,)), View(3, (0, 0, 20, 20), ())]
    pictures = ClipPictures(CLIP, MemoryReader(grey_frames(CLIP)), {1: Outline("red")}, ViewConfig(least_side=20))
    whole, crop = pictures.render(views)
    assert whole.shape == (48, 64, 3) and (whole == COLOURS["red"]).all(axis=2).any()
    assert crop.shape == (20, 20, 3) and (crop == 30).all()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_frames_in_files_hold_no_files_open() -> None:
    clip = walking_clip(length=60)
    frames = grey_frames(clip)
    pictures = ClipPictures(clip, Counting(frames, is_sequential=True), budget=frames[0].nbytes)
    pictures.expect(range(60))
    before = len(list(Path("/proc/self/fd").iterdir()))
    pictures.frames([59])
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 10
    assert all((pictures.frames([number])[number] == frames[number]).all() for number in range(60))
    pictures.close()
