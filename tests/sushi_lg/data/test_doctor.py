"""The doctor: healthy data has no findings to act on, and each fault is found where it is."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from bensmot_miniature import write_miniature

from sushi_lg.data.doctor import Finding, examine
from sushi_lg.errors import DataError

SEQINFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength=4\nimWidth=640\nimHeight=480\nimExt=.png\n"
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)


def _make(folder: Path, shift: int = 0) -> Path:
    (folder / "gt").mkdir(parents=True)
    (folder / "det").mkdir()
    (folder / "img1").mkdir()
    (folder / "seqinfo.ini").write_text(SEQINFO.format(name=folder.name))
    (folder / "gt" / "gt.txt").write_text("".join(f"{f},1,{10 + shift},20,30,40,1,1,1\n" for f in range(1, 5)))
    (folder / "det" / "det.txt").write_text(
        "".join(f"{f},-1,{10 + shift},20,30,40,0.5,-1,-1,-1\n" for f in range(1, 5))
    )
    for f in range(1, 5):
        (folder / "img1" / f"{f:06d}.png").write_bytes(PNG)
    return folder


def _serious(root: Path) -> list[Finding]:
    return [finding for finding in examine(root) if finding.severity != "info"]


def test_healthy_data_needs_nothing(tmp_path: Path) -> None:
    _make(tmp_path / "MOT17" / "train" / "MOT17-02-FRCNN")
    _make(tmp_path / "MOT17" / "train" / "MOT17-02-DPM")  # the same video with another public detector is no twin
    _make(tmp_path / "MOT17" / "train" / "MOT17-04-DPM", shift=300)
    assert _serious(tmp_path) == [] == _serious(tmp_path / "MOT17" / "train" / "MOT17-04-DPM")
    assert any("4 boxes, 1 ids, 4 boxes scored (class 1: 4)" in f.message for f in examine(tmp_path))


def _edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("break_it", "check", "where", "message"),
    [
        (_edit("gt/gt.txt", "2,1,", "1,1,"), "ground truth", "gt.txt:2", "id 1 occurs twice in frame 1"),
        (_edit("gt/gt.txt", "1,1,10", "0,1,10"), "ground truth", "gt.txt:1", "frame 0"),
        (_edit("gt/gt.txt", "4,1,10", "5,1,10"), "ground truth", "gt.txt:4", "beyond the end"),
        (_edit("gt/gt.txt", ",1,1,1\n", ",0,1,1\n"), "ground truth", "gt.txt", "no box is scored"),
        (_edit("det/det.txt", "3,-1,10,20,30", "3,-1,10,20,-30"), "detections", "det.txt:3", "positive size"),
        (_edit("det/det.txt", "0.5", "50"), "detections", "det.txt", "scores 50 to 50"),
        (_edit("det/det.txt", "2,-1,10", "2,-1,900"), "detections", "det.txt:2", "1 boxes lie wholly outside"),
        (_edit("seqinfo.ini", "imWidth=640", "imWidth=x"), "seqinfo", "seqinfo.ini:6", "imWidth is 'x'"),
        (_edit("seqinfo.ini", "name=MOT17-02", "name=other"), "seqinfo", "seqinfo.ini:2", "name is 'other'"),
        (_edit("seqinfo.ini", "imHeight=480", "imHeight=720"), "images", "000001.png", "640x480 pixels"),
        (lambda root: (root / "seqinfo.ini").unlink(), "seqinfo", "seqinfo.ini", "absent"),
        (lambda root: (root / "img1/000003.png").unlink(), "images", "img1", "3 images, seqLength is 4"),
        (lambda root: (root / "img1/000003.png").write_bytes(b""), "images", "000003.png", "no content"),
        (lambda root: (root / "img1/000001.png").write_bytes(b"?"), "images", "000001.png", "not a readable"),
        (lambda root: (root / "det/det.txt").write_text(""), "detections", "det.txt", "no box in it"),
        (lambda root: (root / "gmc.txt").write_text("0 1 2\n"), "camera", "gmc.txt:1", "six finite numbers"),
    ],
)
def test_each_fault_is_found_where_it_is(
    tmp_path: Path, break_it: Callable[[Path], None], check: str, where: str, message: str
) -> None:
    root = _make(tmp_path / "MOT17" / "train" / "MOT17-02")
    break_it(root)
    found = [f for f in _serious(tmp_path) if f.check == check and message in f.message]
    assert found and found[0].where.endswith(where) and found[0].fix


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    root = _make(tmp_path / "a")
    (root / "det" / "det.txt").write_text("1,1,1,1,0,1,1\n" * 100)
    found = [f for f in examine(tmp_path) if f.check == "detections"]
    assert len(found) == 6 and found[-1].message.startswith("95 more") and found[-1].where.endswith("det.txt:6")


def test_a_sequence_with_nothing_to_track(tmp_path: Path) -> None:
    root = _make(tmp_path / "a")
    (root / "det" / "det.txt").unlink()
    assert _serious(tmp_path) == []  # a set that comes without detections, such as SportsMOT
    (root / "gt" / "gt.txt").unlink()
    (finding,) = [found for found in _serious(tmp_path) if found.check == "detections"]
    assert finding.severity == "error" and finding.where.endswith("det") and "no ground truth" in finding.message


def test_classes_under_a_layout_that_knows_none(tmp_path: Path) -> None:
    root = _make(tmp_path / "a")
    _edit("gt/gt.txt", "1,1,10,20,30,40,1,1,1", "1,1,10,20,30,40,1,8,1")(root)
    assert any("2 classes, but layout custom takes every row" in f.message for f in _serious(tmp_path))


def test_leftovers_of_other_systems_are_named_once(tmp_path: Path) -> None:
    root = _make(tmp_path / "a")
    (root / ".DS_Store").touch()
    (root / "det" / "._det.txt").write_bytes(b"\0")
    (tmp_path / "__MACOSX" / "a" / "gt").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "a" / "gt" / "gt.txt").touch()
    junk = [f for f in examine(tmp_path) if f.check == "junk"]
    assert len(junk) == 1 and junk[0].message.startswith("3 files") and _serious(tmp_path) == []


def test_twins_and_leaks(tmp_path: Path) -> None:
    _make(tmp_path / "train" / "a")
    _make(tmp_path / "train" / "b", shift=2)  # annotated again, a little differently
    found = _serious(tmp_path)
    assert [f.severity for f in found] == ["warning"] and "same video" in found[0].message
    _make(tmp_path / "test" / "c")
    assert {f.severity for f in _serious(tmp_path)} == {"warning", "error"}


def test_no_sequence_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    finding = examine(tmp_path)[0]
    assert finding.severity == "error" and "no sequence below it; it holds: videos" in finding.message
    with pytest.raises(DataError, match="no such folder"):
        examine(tmp_path / "nowhere")


def test_the_four_known_twins_are_found(shared_data: Path) -> None:
    findings = examine(shared_data / "mot")
    assert not [f for f in findings if f.severity == "error"]
    pairs = {(Path(f.where).name, f.message.split("/")[-1].split(" ")[0]) for f in findings if f.check == "twins"}
    assert pairs == {
        ("ADL-Rundle-6", "MOT17-09"),
        ("ADL-Rundle-8", "MOT17-10"),
        ("ETH-Pedcross2", "MOT17-05"),
        ("Venice-2", "MOT17-02"),
    }


def test_faults_a_data_set_is_known_for_are_warnings(tmp_path: Path) -> None:
    findings = examine(write_miniature(tmp_path))
    assert not [finding for finding in findings if finding.severity == "error"]
    assert sorted(finding.message for finding in findings if finding.severity == "warning") == [
        "1 boxes of negative size, turned round",
        "1 rows of frames without a picture, left out",
    ]
