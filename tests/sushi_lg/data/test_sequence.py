"""Sequence folders: seqinfo.ini, views, detections, camera motion, ground truth; real dirt where the data is there."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from bensmot_miniature import FIRST, write_miniature

from sushi_lg.data.gallery import GalleryAbout, detections_key, write_gallery
from sushi_lg.data.image_size import image_size
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.errors import DataError

SEQINFO = "[Sequence]\nname=s\nimDir=img1\nframeRate=25\nseqLength=5\nimWidth=640\nimHeight=480\nimExt=.jpg\n"


def make_sequence(root: Path, *, det: str | None = None, gt: str | None = None, seqinfo: str | None = SEQINFO) -> Path:
    root.mkdir(parents=True)
    if seqinfo is not None:
        (root / "seqinfo.ini").write_text(seqinfo)
    for folder, name, content in (("det", "det.txt", det), ("gt", "gt.txt", gt)):
        if content is not None:
            (root / folder).mkdir()
            (root / folder / name).write_text(content)
    return root


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def jpeg(width: int, height: int) -> bytes:
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xc0\x00\x01"  # a marker inside a comment is no marker
    return b"\xff\xd8" + comment + b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"


def test_detections_are_zero_based_sorted_and_filtered(tmp_path: Path) -> None:
    det = "3,1,11,21,30,40,0.9\n1,1,1,1,5,5,0.8\n1,2,2,2,5,5,0.1\n1,3,3,3,5,5,0.7\n"
    sequence = open_sequence(make_sequence(tmp_path / "s", det=det))
    detections = sequence.load_detections(min_score=0.5)
    assert detections.frame.tolist() == [0, 0, 2]
    assert detections.boxes_xyxy.tolist() == [[0, 0, 5, 5], [2, 2, 7, 7], [10, 20, 40, 60]]
    assert detections.score.dtype == torch.float32 and detections.identity.tolist() == [-1, -1, -1]
    assert detections.frame_rate.tolist() == [25] and detections.image_size.tolist() == [[640, 480]]
    assert detections.num_clips == 1 and detections.camera is None


def test_no_detections_are_valid_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(open_sequence(make_sequence(tmp_path / "s", det="")).load_detections()) == 0
    assert "5 of 5 frames have no detection" in caplog.text


def test_frame_beyond_seqlength_names_the_line(tmp_path: Path) -> None:
    sequence = open_sequence(make_sequence(tmp_path / "s", det="1,1,1,1,5,5,1\n6,1,1,1,5,5,1\n"))
    with pytest.raises(DataError, match=r"det\.txt:2: frame 6 is beyond the end of the sequence \(5 frames\)"):
        sequence.load_detections()
    assert len(sequence.load_detections(on_bad_row="skip")) == 1


@pytest.mark.parametrize(("length", "first"), [(600, 301), (525, 263), (1050, 526), (5, 3)])
def test_halves_are_those_of_the_community(tmp_path: Path, length: int, first: int) -> None:
    """First half 1 .. floor(N/2) + 1; frame k of the second is frame k + floor(N/2) + 1 of the video."""
    gt = "".join(f"{f},1,{f},1,5,5,1,1,1\n" for f in range(1, length + 1))
    whole = open_sequence(
        make_sequence(tmp_path / "s", det=gt, gt=gt, seqinfo=SEQINFO.replace("seqLength=5", f"seqLength={length}"))
    )
    train, val = whole.first_half(), whole.second_half()
    assert (train.first, train.length) == (1, first)
    assert train.length + val.length == length
    table = val.load_ground_truth()
    assert table.frame.tolist() == list(range(1, val.length + 1))
    assert (table.left == table.frame + length // 2 + 1).all()
    detections = val.load_detections()
    assert detections.frame.tolist() == list(range(val.length))
    assert val.image_path(0).name == f"{first + 1:06d}.jpg" and val.name == whole.name


def test_view_of_a_view_and_bounds(tmp_path: Path) -> None:
    whole = open_sequence(make_sequence(tmp_path / "s"))
    assert whole.view(2, 4).view(2, 2) == Sequence(whole.info, first=3, length=2)
    with pytest.raises(DataError, match="frames 4 to 6 of 5"):
        whole.view(4, 3)


def test_detection_files_are_chosen_or_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make_sequence(tmp_path / "s", det="")
    (root / "det" / "._det.txt").write_bytes(b"\x00junk")
    (root / "det" / ".DS_Store").write_bytes(b"\x00")
    sequence = open_sequence(root)
    assert sequence.detections_path().name == "det.txt"
    sequence.detections_path()
    assert caplog.text.count("._det.txt: ignored") == 1  # named once
    (root / "det" / "yolox_x.txt").touch()
    with pytest.raises(DataError, match=r"2 detection files: det, yolox_x\n.*--detections"):
        sequence.detections_path()
    assert sequence.detections_path("yolox_x") == sequence.detections_path("yolox_x.txt")
    with pytest.raises(DataError, match="did you mean yolox_x"):
        sequence.detections_path("yolo_x")
    with pytest.raises(DataError, match="no such folder"):
        open_sequence(make_sequence(tmp_path / "t")).detections_path()


def test_seqinfo_faults_name_key_and_line(tmp_path: Path) -> None:
    cases = [
        ("imWidth=640", "imWidth=wide", r"seqinfo\.ini:6: imWidth is 'wide', not a positive whole number"),
        ("frameRate=25", "frameRate=0", r"seqinfo\.ini:4: frameRate is '0', not a positive number"),
        ("seqLength=5\n", "", r"lacks seqLength\n(.|\n)*imWidth=640"),
        ("[Sequence]\n", "", r"seqinfo\.ini:1: not an INI file"),
        ("imExt=.jpg\n", "imExt=.jpg\njust words\n", r"seqinfo\.ini:9: not an INI file"),
        ("[Sequence]", "[Other]", r"no \[Sequence\] section"),
        ("imDir=img1", "imDir=../../secret", "outside the sequence"),
    ]
    for at, (old, new, message) in enumerate(cases):
        with pytest.raises(DataError, match=message):
            open_sequence(make_sequence(tmp_path / str(at), seqinfo=SEQINFO.replace(old, new)))


def test_seqinfo_with_bom_crlf_and_other_case(tmp_path: Path) -> None:
    root = make_sequence(tmp_path / "s", seqinfo=None)
    (root / "seqinfo.ini").write_bytes(
        b"\xef\xbb\xbf" + SEQINFO.replace("imWidth", "IMWIDTH").replace("\n", "\r\n").encode()
    )
    info = open_sequence(root).info
    assert (info.length, info.frame_rate, info.width, info.height, info.name) == (5, 25.0, 640, 480, "s")


def test_bare_folder_tells_what_is_missing_and_shows_the_file_to_write(tmp_path: Path) -> None:
    root = make_sequence(tmp_path / "s", det="1,1,1,1,5,5,1\n7,1,1,1,5,5,1\n", seqinfo=None)
    with pytest.raises(
        DataError, match=r"do not tell frameRate, imWidth, imHeight\n(.|\n)*\[Sequence\](.|\n)*seqLength=7"
    ):
        open_sequence(root)
    sequence = open_sequence(root, frame_rate=30, width=640, height=480)
    assert sequence.length == 7 and len(sequence.load_detections()) == 2


def test_bare_folder_with_images_needs_only_the_rate(tmp_path: Path) -> None:
    root = tmp_path / "BenSMOT" / "train" / "cat" / "clip"
    (root / "imgs").mkdir(parents=True)
    for k in range(1, 4):
        (root / "imgs" / f"{k:03d}.jpg").write_bytes(jpeg(1280, 720))
    sequence = open_sequence(root)
    assert (sequence.length, sequence.info.width, sequence.info.height) == (3, 1280, 720)
    assert sequence.image_path(2) == root / "imgs" / "003.jpg"


def test_not_a_sequence_points_to_those_below(tmp_path: Path) -> None:
    make_sequence(tmp_path / "train" / "MOT17-02")
    with pytest.raises(DataError, match=r"not a sequence(.|\n)*MOT17-02"):
        open_sequence(tmp_path / "train")
    with pytest.raises(DataError, match=r"no such folder\n.*did you mean MOT17-02"):
        open_sequence(tmp_path / "train" / "MOT17-03")


def test_image_size_reads_headers(tmp_path: Path) -> None:
    for name, data in (("a.png", png(31, 17)), ("a.jpg", jpeg(31, 17))):
        (tmp_path / name).write_bytes(data)
        assert image_size(tmp_path / name) == (31, 17)
        (tmp_path / name).write_bytes(data[:12])
        with pytest.raises(DataError, match="not a readable"):
            image_size(tmp_path / name)
    with pytest.raises(DataError, match="cannot be read"):
        image_size(tmp_path / "none.jpg")


def _gmc(steps: list[np.ndarray]) -> str:
    return "".join(f"{k}\t" + "\t".join(f"{v:.9f}" for v in step.ravel()) + "\t\n" for k, step in enumerate(steps))


def test_camera_maps_every_frame_to_the_first_of_the_view(tmp_path: Path) -> None:
    """A fixed point of the scene, seen through a moving camera, stays where it was in the first frame."""
    rng = np.random.default_rng(0)
    steps = [np.eye(2, 3)]
    point = [np.array([100.0, 50.0])]
    for _ in range(4):
        step = np.eye(2, 3) + np.c_[rng.normal(0, 0.01, (2, 2)), rng.normal(0, 5, 2)]
        steps.append(step)
        point.append(step[:, :2] @ point[-1] + step[:, 2])  # the row of frame f takes frame f-1 to f
    det = "".join(f"{k + 1},1,{x + 1},{y + 1},1,1,1\n" for k, (x, y) in enumerate(point))
    root = make_sequence(tmp_path / "s", det=det)
    (root / "gmc.txt").write_text(_gmc(steps))
    for sequence, home in ((open_sequence(root), point[0]), (open_sequence(root).second_half(), point[3])):
        detections = sequence.load_detections()
        assert detections.camera is not None and detections.camera.dtype == torch.float64
        corner = detections.boxes_xyxy[:, :2].double()
        mapped = torch.einsum("nij,nj->ni", detections.camera[:, :, :2], corner) + detections.camera[:, :, 2]
        assert np.allclose(mapped.numpy(), home, atol=1e-4)
    assert open_sequence(root).load_detections(use_camera=False).camera is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1 1 0 0 0 1", r"gmc\.txt:2: not a frame and six"),
        ("1 1 0 nan 0 1 0", r"gmc\.txt:2: not a frame and six finite"),
        ("1 a 0 0 0 1 0", r"gmc\.txt:2: not numbers"),
        ("0 1 0 0 0 1 0", r"gmc\.txt:2: frame 0 occurs twice"),
        ("9 1 0 0 0 1 0", r"gmc\.txt:2: frame 9 is not in 0 \.\. 4"),
        ("1 0 0 0 0 0 0", r"gmc\.txt:2: the affine has no inverse"),
        ("1 1 0 0 0 1 0", r"gmc\.txt: no row for frame 2"),
    ],
)
def test_camera_faults(tmp_path: Path, row: str, message: str) -> None:
    root = make_sequence(tmp_path / "s", det="")
    (root / "gmc.txt").write_text(f"0 1 0 0 0 1 0\n{row}\n")
    with pytest.raises(DataError, match=message):
        open_sequence(root).load_camera()


def test_ground_truth_rows_by_layout(tmp_path: Path) -> None:
    classes = "".join(f"1,{c},1,1,5,5,{int(c == 1)},{c},1\n" for c in range(1, 14)) + "2,1,1,1,5,5,0,1,1\n"
    mot17 = open_sequence(make_sequence(tmp_path / "MOT17" / "train" / "MOT17-02-FRCNN", gt=classes))
    assert mot17.load_ground_truth("identities").category.tolist() == [1, 2, 7, 8, 12, 1]
    assert mot17.load_ground_truth("scored").frame.tolist() == [1]
    assert len(mot17.load_ground_truth()) == 14 and mot17.has_ground_truth
    mot15 = open_sequence(
        make_sequence(tmp_path / "MOT15" / "train" / "A", gt="1,1,1,1,5,5,1,-1,-1,-1\n1,2,1,1,5,5,0,-1,-1,-1\n")
    )
    assert mot15.load_ground_truth("identities").track_id.tolist() == [1]
    dance = open_sequence(make_sequence(tmp_path / "DanceTrack" / "val" / "d", gt="1,0,1,1,5,5,1,1,1\n"))
    assert dance.load_ground_truth("identities").track_id.tolist() == [0]
    assert not open_sequence(make_sequence(tmp_path / "x")).has_ground_truth


def test_real_dirt_of_public_detections(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A header line in one file, blanks and CR LF in others, scores beyond 1: all readable, all named."""
    sequence = open_sequence(shared_data / "mot" / "MOT15" / "train" / "ADL-Rundle-6")
    with pytest.raises(DataError, match="4 detection files"):
        sequence.load_detections()
    counts = {stem: len(sequence.load_detections(stem)) for stem in ("det", "det_yolov5l", "det_yolov5s", "sort_frcnn")}
    assert counts == {"det": 4902, "det_yolov5l": 4562, "det_yolov5s": 7552, "sort_frcnn": 4325}
    with_header = sequence.load_detections("det", min_score=67.0)
    assert with_header.boxes_xyxy[0].tolist() == pytest.approx([1688, 384, 1834.62, 716.71])


def test_every_shared_sequence_reads(shared_data: Path) -> None:
    camera = open_sequence(shared_data / "mot" / "MOT17" / "train" / "MOT17-13").second_half().load_camera()
    assert camera is not None and camera.shape == (374, 2, 3) and np.array_equal(camera[0], np.eye(2, 3))
    sports = next((shared_data / "mot" / "SportsMOT" / "train").iterdir())
    assert open_sequence(sports).load_ground_truth("scored").track_id.min() == 0


def test_vectors_follow_their_rows_into_views(tmp_path: Path) -> None:
    """The file is in no order; a gallery has a row a line of it."""
    det = "3,1,11,21,30,40,0.9\n5,1,1,1,5,5,0.8\n1,2,2,2,5,5,0.1\n4,3,3,3,5,5,0.7\n4,3,9,9,5,5,0.2\n"
    sequence = open_sequence(make_sequence(tmp_path / "s", det=det))
    table = read_table(sequence.detections_path())
    about = GalleryAbout("toy", "1", detections_key(table), "pictures")
    write_gallery(tmp_path / "looks", "s", np.arange(10, 15, dtype=np.float32)[:, None] * [1, 2], about)

    def rows(view: Sequence, min_score: float | None = None) -> list[float]:
        embedding = view.load_detections(min_score=min_score, galleries=tmp_path / "looks").embedding
        assert embedding is not None and torch.equal(embedding[:, 1], 2 * embedding[:, 0])
        return embedding[:, 0].tolist()

    assert rows(sequence) == [12, 10, 13, 14, 11]
    assert rows(sequence, 0.5) == [10, 13, 11]
    assert rows(sequence.second_half()) == [13, 14, 11]  # frames 4 and 5
    assert rows(sequence.second_half(), 0.5) == [13, 11]
    assert sequence.load_detections().embedding is None
    with pytest.raises(DataError, match="no such file"):
        sequence.load_detections(galleries=tmp_path)
    sequence.detections_path().write_text(det.replace("9,9,5,5", "9,9,5,6"))
    with pytest.raises(DataError, match="other boxes"):
        sequence.load_detections(galleries=tmp_path / "looks")


def test_numbers_with_gaps_become_ranks_in_pictures_and_ground_truth(tmp_path: Path) -> None:
    root = write_miniature(tmp_path) / "test" / FIRST
    moved = tmp_path / "elsewhere" / "clip"  # its files tell what it is, not the name of a folder
    moved.parent.mkdir()
    root.rename(moved)
    sequence = open_sequence(moved)
    assert (sequence.length, sequence.info.frame_rate, sequence.info.width) == (5, 2.0, 160)
    assert [sequence.image_path(k).name for k in range(5)] == ["001.jpg", "002.jpg", "004.jpg", "006.jpg", "007.jpg"]
    truth = sequence.load_ground_truth("scored")
    assert [(f, i) for f, i in zip(truth.frame.tolist(), truth.track_id.tolist(), strict=True) if i == 2] == [
        (1, 2), (3, 2), (4, 2), (2, 2),
    ]  # fmt: skip
    assert (truth.boxes_ltwh[truth.track_id == 2] == [101, 21, 30, 80]).all()
    later = sequence.view(3, 3)
    assert later.image_path(0).name == "004.jpg" and set(later.load_ground_truth().frame.tolist()) == {1, 2, 3}


def test_a_length_that_is_not_that_of_the_pictures_is_refused(tmp_path: Path) -> None:
    root = write_miniature(tmp_path) / "test" / FIRST
    with pytest.raises(DataError, match="5 numbered images, but seqLength is 7"):
        open_sequence(root, length=7)
    for path in (root / "imgs").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"gt.txt:4: frame 6 of 5"):
        open_sequence(root, length=5, width=1, height=1).load_ground_truth()
