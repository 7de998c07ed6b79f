"""A number means one picture, whatever it is read from and whatever is broken around it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from bensmot_miniature import FIRST, write_miniature
from numpy.typing import NDArray
from pictures import copy_packets, moving_squares, packet_places, textured, write_images, write_lossless

from sushi_lg.data.frames import FrameSource, natural_key, open_frames, sequence_frames
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.video import read_frames, write_video
from sushi_lg.errors import DataError

Picture = NDArray[np.uint8]
PICTURES = textured(24)


def same(source: FrameSource, expected: list[Picture], lost: tuple[int, ...] = ()) -> bool:
    """Whether all frames are there with their pictures, but those of ``lost``."""
    read = list(source.read())
    assert [number for number, _ in read] == list(range(len(expected)))
    assert tuple(number for number, picture in read if picture is None) == lost
    return all(picture is None or (picture == expected[number]).all() for number, picture in read)


def overwrite(path: Path, place: int, count: int) -> None:
    data = bytearray(path.read_bytes())
    data[place : place + count] = np.random.default_rng(0).integers(0, 256, count, dtype=np.uint8).tobytes()
    path.write_bytes(data)


# ------------------------------------------------------------------------------------------------------------- sound


def test_a_video_and_its_images_are_the_same_pictures(tmp_path: Path) -> None:
    video = open_frames(write_lossless(tmp_path / "walk.mkv", PICTURES, 20))
    images = open_frames(write_images(tmp_path / "walk", PICTURES), frame_rate=20)
    for source in (video, images):
        assert (source.name, source.length, source.frame_rate) == ("walk", 24, 20)
        assert (source.width, source.height, source.skipped) == (64, 48, {})
        assert same(source, PICTURES)
        assert [number for number, _ in source.read(5, 8)] == [5, 6, 7]
        assert (next(iter(source.read(9)))[1] == PICTURES[9]).all()
        assert [number for number, _ in source.read(22, 99)] == [22, 23]


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    names = ["shot 9.jpg", "shot 10.jpg", "shot 11.jpg"]
    for name, picture in zip(names, textured(3), strict=True):
        cv2.imwrite(str(tmp_path / name), np.full_like(picture, 10 * int(name[5:-4])))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".shot 12.jpg").write_text("hidden")
    source = open_frames(tmp_path, frame_rate=5)
    assert [round(picture.mean() / 10) for _, picture in source.read() if picture is not None] == [9, 10, 11]
    assert sorted(["a10b2", "a9b3", "a10b1", "a9", "b"], key=natural_key) == ["a9", "a9b3", "a10b1", "a10b2", "b"]


def test_a_sequence_folder_and_a_video_of_it(tmp_path: Path) -> None:
    root = tmp_path / "MOT-1"
    write_images(root / "img1", PICTURES, extension=".png")
    (root / "seqinfo.ini").write_text(
        "[Sequence]\nname=MOT-1\nimDir=img1\nframeRate=12\nseqLength=24\nimWidth=64\nimHeight=48\nimExt=.png\n"
    )
    source = open_frames(root)
    assert (source.name, source.length, source.frame_rate) == ("MOT-1", 24, 12)
    assert same(source, PICTURES)
    assert same(sequence_frames(open_sequence(root).second_half()), PICTURES)  # a gallery is of the whole video
    shutil.move(root / "img1", tmp_path / "elsewhere" / "MOT-1")
    with pytest.raises(DataError, match=r"MOT-1: no pictures \(neither img1/ nor MOT-1.mp4\)"):
        open_frames(root)
    assert same(open_frames(root, frames=tmp_path / "elsewhere"), PICTURES)
    video = write_lossless(tmp_path / "elsewhere" / "MOT-1.mkv", PICTURES)
    for frames in (video, video.parent):
        found = open_frames(root, frames=frames)
        assert same(found, PICTURES) and (found.name, found.frame_rate, found.path) == ("MOT-1", 12, video)
    shutil.copy(video, root)
    assert same(open_frames(root), PICTURES)
    with pytest.raises(DataError, match="not named like the sequence MOT-1"):
        open_frames(root, frames=shutil.copy(video, tmp_path / "other.mkv"))
    write_lossless(video, PICTURES[:-1])
    with pytest.raises(DataError, match="23 frames of 64 x 48, but MOT-1 has 24 of 64 x 48"):
        open_frames(root, frames=video)


def test_the_key_is_that_of_the_pictures(tmp_path: Path) -> None:
    a = write_images(tmp_path / "a", PICTURES[:4])
    b = write_images(tmp_path / "b", PICTURES[:4], first=7)  # names of files are no part of it
    key = open_frames(a, frame_rate=5).content_key()
    assert open_frames(b, frame_rate=6).content_key() == key
    shutil.copy(a / "000001.png", a / "000002.png")
    assert open_frames(a, frame_rate=5).content_key() != key
    c = write_images(tmp_path / "c", PICTURES[:3])
    assert open_frames(c, frame_rate=5).content_key() != key
    video = write_lossless(tmp_path / "a.mkv", PICTURES)
    before = open_frames(video).content_key()
    overwrite(video, 2000, 5)
    assert open_frames(video).content_key() != before


# ------------------------------------------------------------------------------------------------------ broken images


def test_a_gap_is_an_error_or_listed(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "img", PICTURES[:8])
    (folder / "000003.png").unlink()
    (folder / "000006.png").unlink()
    with pytest.raises(DataError, match=r"000003\.png: no such file \(2 between 1 and 8 are missing\)"):
        open_frames(folder, frame_rate=5)
    source = open_frames(folder, frame_rate=5, on_bad_image="skip")
    assert same(source, PICTURES[:8], lost=(2, 5))
    assert source.skipped == {2: "no such file", 5: "no such file"}
    for number in (4, 5, 7):
        (folder / f"{number:06d}.png").unlink()
    with pytest.raises(DataError, match="number them one by one"):
        open_frames(folder, frame_rate=5, on_bad_image="skip")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a1.png", "b2.png"], "a1.png and b2.png do not differ in their number only"),
        (["1.png", "2.jpg"], "1.png and 2.jpg do not differ"),
        (["1.png", "01.png"], "have one number"),
        (["one.png"], r"one\.png: no number in its name"),
        (["1.bmp"], r"no images \(\.jpg, \.jpeg, \.png\)"),
    ],
)
def test_names_that_give_no_order_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    for name in names:
        cv2.imwrite(str(tmp_path / name), PICTURES[0])
    with pytest.raises(DataError, match=message):
        open_frames(tmp_path, frame_rate=5)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("damage", ["empty", "cut", "text", "bytes"])
def test_a_damaged_image_is_an_error_or_listed(tmp_path: Path, extension: str, damage: str) -> None:
    folder = write_images(tmp_path / "img", PICTURES[:6], extension=extension)
    sound = [picture for _, picture in open_frames(folder, frame_rate=5).read() if picture is not None]
    path = folder / f"000004{extension}"
    data = path.read_bytes()
    if damage == "bytes" and extension == ".jpg":
        data = data[:2] + bytes(60) + data[62:]  # damage inside the compressed data cannot be told
    elif damage == "bytes":
        data = data[: len(data) // 2] + bytes(60) + data[len(data) // 2 + 60 :]
    path.write_bytes({"empty": b"", "cut": data[: len(data) * 2 // 3], "text": b"hello\n", "bytes": data}[damage])
    with pytest.raises(DataError, match=rf"000004{extension}: .*\n.*on_bad_image=skip"):
        list(open_frames(folder, frame_rate=5).read())
    source = open_frames(folder, frame_rate=5, on_bad_image="skip")
    assert same(source, sound, lost=(3,))
    assert list(source.skipped) == [3]
    ahead = open_frames(folder, frame_rate=5, on_bad_image="skip")
    assert [result for _, result in ahead.read_ahead(lambda number, _: number)] == [0, 1, 2, None, 4, 5]
    assert ahead.skipped == source.skipped


def test_pictures_of_another_size(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "img", PICTURES[:3])
    write_images(folder, textured(1, 50, 64), first=4)
    message = r"000004\.png: is 64 x 50 pixels, the sequence 64 x 48"
    with pytest.raises(DataError, match=message):
        list(open_frames(folder, frame_rate=5).read())
    with pytest.raises(DataError, match=message):
        list(open_frames(folder, frame_rate=5).read_ahead(lambda number, _: number))
    assert same(open_frames(folder, frame_rate=5, on_bad_image="skip"), PICTURES[:4], lost=(3,))


def test_a_turned_picture_stays_as_it_is(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "img", PICTURES[:1], extension=".jpg")
    path = folder / "000001.jpg"
    upright = next(iter(open_frames(folder, frame_rate=5).read()))[1]
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: a quarter turn
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    assert cv2.imread(str(path)).shape == (64, 48, 3)
    assert (next(iter(open_frames(folder, frame_rate=5).read()))[1] == upright).all()


def test_facts_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--frame-rate"):
        open_frames(write_images(tmp_path / "img", PICTURES[:2]))
    with pytest.raises(DataError, match=r"imgs: no such file or folder\n.*img"):
        open_frames(tmp_path / "imgs")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"text\.mp4"):
        open_frames(tmp_path / "text.mp4")


# ------------------------------------------------------------------------------------------------------ broken videos


@pytest.fixture
def video(tmp_path: Path) -> tuple[Path, list[Picture]]:
    """A video with frames that look ahead, and its pictures as decoded."""
    smooth = [cv2.GaussianBlur(picture, (0, 0), 4) for picture in textured(30, 96, 128)]
    write_video(tmp_path / "a.mp4", smooth, 25, crf=25)
    return tmp_path / "a.mp4", [picture for _, picture in open_frames(tmp_path / "a.mp4").read() if picture is not None]


def test_frames_whose_data_is_destroyed_keep_their_numbers(video: tuple[Path, list[Picture]]) -> None:
    path, sound = video
    places = packet_places(path)
    order = sorted(places)  # as they lie in the file: what comes last, nothing refers to
    number = places.index(order[-1])
    overwrite(path, *order[-1])
    with pytest.raises(DataError, match=rf"a\.mp4: frame {number}: .*\n.*on_bad_image=skip"):
        list(open_frames(path).read())
    source = open_frames(path, on_bad_image="skip")
    assert same(source, sound, lost=(number,))
    assert list(source.skipped) == [number]


def test_concealed_damage_is_told(tmp_path: Path) -> None:
    pictures = textured(12, 96, 128)
    write_video(tmp_path / "a.mp4", pictures, 25, crf=20)
    places = packet_places(tmp_path / "a.mp4")
    place, size = max(places)
    number = places.index((place, size))
    overwrite(tmp_path / "a.mp4", place + size // 2, 30)  # the head of the frame is left: the decoder fills in the rest
    source = open_frames(tmp_path / "a.mp4", on_bad_image="skip")
    assert [number for number, picture in source.read() if picture is None] == [number]
    assert source.skipped[number]
    with pytest.raises(DataError, match=rf"frame {number}: "):
        list(open_frames(tmp_path / "a.mp4").read())


def test_without_its_key_frame_a_video_begins_at_the_next_one(tmp_path: Path) -> None:
    pictures = moving_squares(24)
    path = write_lossless(tmp_path / "a.mp4", pictures)  # a key frame every 8
    overwrite(path, *packet_places(path)[0])
    source = open_frames(path, on_bad_image="skip")
    lost = tuple(range(8))
    assert same(source, pictures, lost=lost)
    assert tuple(source.skipped) == lost


def test_a_video_that_ends_early(video: tuple[Path, list[Picture]]) -> None:
    path, sound = video
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match=r"a\.mp4: frame \d+: "):
        list(open_frames(path).read())
    source = open_frames(path, on_bad_image="skip")
    read = list(source.read())
    assert [number for number, _ in read] == list(range(30))  # the index still lists all
    got = [number for number, picture in read if picture is not None]
    assert 10 < len(got) < 30 and sorted(source.skipped) == sorted(set(range(30)) - set(got))
    assert source.skipped[29] == "the file ends before it"
    # Frames that lean on what is lost may look different, but never like another one.
    for number, picture in read:
        if picture is not None:
            distance = [np.abs(picture.astype(int) - other).mean() for other in sound]
            assert int(np.argmin(distance)) == number


def test_frames_that_an_edit_list_hides_are_none(tmp_path: Path, video: tuple[Path, list[Picture]]) -> None:
    path, sound = video
    shorter = copy_packets(path, tmp_path / "cut.mp4", cut=10)
    for on_bad_image in ("error", "skip"):
        source = open_frames(shorter, on_bad_image=on_bad_image)  # type: ignore[arg-type]
        assert source.length == 20 and same(source, sound[10:]) and not source.skipped
    # What is missing at the end of such a file still is.
    place, size = packet_places(shorter)[-1]
    overwrite(shorter, place, size)
    source = open_frames(shorter, on_bad_image="skip")
    assert source.length == 20 and same(source, sound[10:], lost=(19,))


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((0, -1, 1, 0), lambda picture: np.rot90(picture)),  # the right side goes up
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
        ((-1, 0, 0, -1), lambda picture: picture[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),  # as in a mirror
        ((1, 0, 0, 1), lambda picture: picture),
    ],
)
def test_turned_videos_stand_upright(
    tmp_path: Path, video: tuple[Path, list[Picture]], matrix: tuple[int, ...], turned: Callable[[Picture], Picture]
) -> None:
    path, sound = video
    source = open_frames(copy_packets(path, tmp_path / "turned.mp4", matrix=matrix))
    expected = [turned(picture) for picture in sound]
    assert (source.height, source.width) == expected[0].shape[:2]
    assert same(source, expected)
    assert all((one == two).all() for (_, one), two in zip(read_frames(source.path), expected, strict=True))


@pytest.mark.parametrize("rate", [0.0, -3.0, float("nan"), float("inf")])
def test_frame_rates_that_are_none(tmp_path: Path, rate: float) -> None:
    for path in (write_images(tmp_path / "a", PICTURES[:3]), write_lossless(tmp_path / "a.mkv", PICTURES[:3])):
        with pytest.raises(DataError, match="give a frame rate above 0"):
            open_frames(path, frame_rate=rate)


def test_pictures_elsewhere_are_of_sequence_folders(tmp_path: Path) -> None:
    for path in (write_images(tmp_path / "a", PICTURES[:3]), write_lossless(tmp_path / "a.mkv", PICTURES[:3])):
        with pytest.raises(DataError, match="leave out --frames"):
            open_frames(path, frames=tmp_path, frame_rate=5)


def test_images_that_begin_late_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        open_frames(write_images(tmp_path / "a", PICTURES[:3], first=0), frame_rate=5)
        open_frames(write_images(tmp_path / "b", PICTURES[:3], first=1), frame_rate=5)
        assert not caplog.text
        open_frames(write_images(tmp_path / "c", PICTURES[:3], first=2), frame_rate=5)
    assert "c: images begin with number 2, which is taken as frame 0" in caplog.text


def test_damage_without_time_stamps_is_refused(tmp_path: Path) -> None:
    pictures = moving_squares(24)
    path = write_lossless(tmp_path / "a.avi", pictures)  # packets are numbered in the order of decoding
    assert same(open_frames(path), pictures)
    place, size = packet_places(path)[10]
    overwrite(path, place + 8, size)  # after the name and length of a chunk
    with pytest.raises(DataError, match="nothing tells which frames are absent"):
        list(open_frames(path, on_bad_image="skip").read())


# ------------------------------------------------------------------------------------------------------------ threads


@pytest.mark.parametrize("kind", ["images", "video"])
@pytest.mark.parametrize("workers", [1, 3])
def test_reading_ahead_gives_what_reading_gives(tmp_path: Path, kind: str, workers: int) -> None:
    path = write_lossless(tmp_path / "a.mkv", PICTURES) if kind == "video" else write_images(tmp_path / "a", PICTURES)
    source = open_frames(path, frame_rate=25)

    def sum_slowly(number: int, picture: Picture) -> int:
        time.sleep(0.004 * (number % 3 == 0))
        return int(picture.sum())

    expected = [(number, int(PICTURES[number].sum())) for number in range(3, 20)]
    assert list(source.read_ahead(sum_slowly, 3, 20, workers=workers)) == expected


@pytest.mark.parametrize("kind", ["images", "video"])
def test_few_pictures_are_in_flight(tmp_path: Path, kind: str) -> None:
    pictures = textured(60, 16, 16)
    path = write_lossless(tmp_path / "a.mkv", pictures) if kind == "video" else write_images(tmp_path / "a", pictures)
    begun, lock = 0, threading.Lock()

    def begin(number: int, picture: Picture) -> Picture:
        nonlocal begun
        with lock:
            begun += 1
        return picture

    source = open_frames(path, frame_rate=25)
    for given, _ in source.read_ahead(begin, workers=2, in_flight=7):
        time.sleep(0.002)
        assert begun - given <= 7


def test_closing_early_stops_the_threads(tmp_path: Path) -> None:
    source = open_frames(write_lossless(tmp_path / "a.mkv", PICTURES))
    before = set(threading.enumerate())
    reading = source.read_ahead(lambda number, _: number, workers=3)
    assert next(reading) == (0, 0)
    assert set(threading.enumerate()) - before
    reading.close()
    assert not set(threading.enumerate()) - before


def test_errors_of_the_work_name_the_frame(tmp_path: Path) -> None:
    source = open_frames(write_images(tmp_path / "a", PICTURES), frame_rate=25)

    def fail(number: int, _: Picture) -> int:
        if number == 5:
            raise KeyError("colour")
        if number == 6:
            raise DataError("no colour", "paint it")
        return number

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match=r"a: frame 5: KeyError: 'colour'"):
        list(source.read_ahead(fail))
    with pytest.raises(DataError, match=r"a: frame 6: no colour\n.*paint it"):
        list(source.read_ahead(fail, 6))
    assert not set(threading.enumerate()) - before


def test_real_videos(shared_data: Path) -> None:
    source = open_frames(shared_data / "videos" / "TUD-Campus.mp4")
    assert (source.length, source.width, source.height, source.frame_rate) == (71, 640, 480, 25)
    plain = [int(picture.sum()) for _, picture in source.read() if picture is not None]
    assert plain == [total for _, total in source.read_ahead(lambda _, picture: int(picture.sum()))]
    assert len(set(plain)) == 71


def test_a_clip_whose_pictures_have_numbers_with_gaps(tmp_path: Path) -> None:
    source = open_frames(write_miniature(tmp_path) / "test" / FIRST)
    assert (source.length, source.frame_rate) == (5, 2.0)
    shades = [int(picture.mean()) for _, picture in source.read() if picture is not None]
    assert shades == [0, 40, 80, 120, 160]
