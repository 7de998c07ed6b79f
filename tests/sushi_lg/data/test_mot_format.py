"""MOT text: every way a file can be wrong has its message, and what we write is what we read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sushi_lg.data import mot_format
from sushi_lg.data.mot_format import read_table, rounded_boxes, write_detections, write_results
from sushi_lg.errors import DataError

GOOD = "1,1,10,20,30,40,0.9,-1,-1,-1"


def _file(tmp_path: Path, content: str | bytes, name: str = "det.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_clean_file_keeps_the_numbers_of_the_file(tmp_path: Path) -> None:
    table = read_table(_file(tmp_path, "2,-1,-3.5,20,30,40,0.25,-1,-1,-1\n1,7,10,20,30,40,1,-1,-1,-1\n"))
    assert table.frame.tolist() == [2, 1]
    assert table.track_id.tolist() == [-1, 7]
    assert table.boxes_ltwh.tolist() == [[-3.5, 20, 30, 40], [10, 20, 30, 40]]
    assert table.boxes_xyxy[0].tolist() == [-4.5, 19, 25.5, 59]
    assert table.confidence.tolist() == [0.25, 1]
    assert table.line.tolist() == [1, 2]
    assert table.notes == [] and table.skipped == []


BAD_ROWS = [
    ("3,1,nan,20,30,40,1,-1,-1,-1", "detections", "column 3 is nan"),
    ("3,1,10,20,inf,40,1,-1,-1,-1", "detections", "column 5 is inf"),
    ("3,1,10,20,30,40,NaN,-1,-1,-1", "detections", "column 7 is NaN"),
    ("3,1,10,20,0,40,1,-1,-1,-1", "detections", "width 0, height 40: a box needs a positive size"),
    ("3,1,10,20,30,-4,1,-1,-1,-1", "detections", "width 30, height -4"),
    ("3,1,10,20,0,40,1,-1,-1,-1", "ground_truth", "a box needs a positive size"),
    ("0,1,10,20,30,40,1,-1,-1,-1", "detections", "frame 0; frames of MOT files start at 1"),
    ("-1,1,10,20,30,40,1,-1,-1,-1", "detections", "frame -1"),
    ("6,1,10,20,30,40,1,-1,-1,-1", "detections", "frame 6 is beyond the end of the sequence (5 frames)"),
    ("2.5,1,10,20,30,40,1,-1,-1,-1", "detections", "frame 2.5 is not a whole number"),
    ("3,3.5,10,20,30,40,1,-1,-1,-1", "detections", "id 3.5 is not a whole number"),
    ("3,9223372036854775808,10,20,30,40,1,-1,-1,-1", "detections", "does not fit 64 bits"),
    ("3,1e300,10,20,30,40,1,-1,-1,-1", "detections", "id 1e300 is not a whole number of 64 bits"),
    ("3,-1,10,20,30,40,1,-1,-1,-1", "results", "id -1 is negative"),
    ("1,1,11,21,30,40,1,-1,-1,-1", "ground_truth", "id 1 occurs twice in frame 1 (first on line 1)"),
    ("1,1,11,21,30,40,1,-1,-1,-1", "results", "id 1 occurs twice in frame 1 (first on line 1)"),
    ("3,1,10,20,30,40,1", "detections", "7 columns, the rows before have 10"),
    ("3,1,10", "detections", "3 columns; a row has 6 to 10"),
    ("3,1,10,20,30,40,1,-1,-1,-1,5", "detections", "11 columns; a row has 6 to 10"),
    ("3,1,ten,20,30,40,1,-1,-1,-1", "detections", "column 3 is 'ten', not a number"),
    ("3,1,,20,30,40,1,-1,-1,-1", "detections", "column 3 is '', not a number"),
    ("3,0x10,10,20,30,40,1,-1,-1,-1", "detections", "column 2 is '0x10', not a number"),
    ("3,1_0,10,20,30,40,1,-1,-1,-1", "detections", "column 2 is '1_0', not a number"),
    ("3,1,1e12,20,30,40,1,-1,-1,-1", "detections", "is not in pixels"),
]


@pytest.mark.parametrize(("row", "kind", "message"), BAD_ROWS, ids=[f"{k}-{r[:24]}" for r, k, _ in BAD_ROWS])
def test_bad_row_stops_with_file_line_and_remedy_or_is_left_out_and_listed(
    tmp_path: Path, row: str, kind: mot_format.Kind, message: str
) -> None:
    path = _file(tmp_path, f"{GOOD}\n{row}\n2,1,10,20,30,40,0.9,-1,-1,-1\n")
    with pytest.raises(DataError) as caught:
        read_table(path, kind, sequence_length=5)
    assert caught.value.message.startswith(f"{path}:2: ")
    assert message in caught.value.message
    assert caught.value.remedy
    table = read_table(path, kind, sequence_length=5, on_bad_row="skip")
    assert table.frame.tolist() == [1, 2]
    assert table.line.tolist() == [1, 3]
    assert len(table.skipped) == 1 and table.skipped[0].startswith(f"{path}:2: ") and message in table.skipped[0]


def test_bad_first_row_does_not_decide_the_columns(tmp_path: Path) -> None:
    table = read_table(_file(tmp_path, f"1,2,3\n{GOOD}\n"), on_bad_row="skip")
    assert table.line.tolist() == [2] and len(table.skipped) == 1


def test_error_tells_how_many_more_follow(tmp_path: Path) -> None:
    path = _file(tmp_path, "0,1,1,1,1,1,1\n0,2,1,1,1,1,1\n1,1,1,1,1,1,1\n")
    with pytest.raises(DataError, match=r"frame 0.*\(1 more bad row follows\)"):
        read_table(path)


def test_same_id_twice_is_legal_for_detections(tmp_path: Path) -> None:
    assert len(read_table(_file(tmp_path, "1,-1,1,1,5,5,1\n1,-1,2,2,5,5,1\n"))) == 2


def test_box_outside_the_picture_is_legal(tmp_path: Path) -> None:
    assert read_table(_file(tmp_path, "1,1,-500,9000,10,10,1\n")).left.tolist() == [-500]


@pytest.mark.parametrize("content", ["", "\n\n", "frame,id,left,top,width,height\n"])
def test_empty_file_is_a_valid_empty_table(tmp_path: Path, content: str) -> None:
    for kind in ("detections", "ground_truth", "results"):
        table = read_table(_file(tmp_path, content), kind)  # type: ignore[arg-type]
        assert len(table) == 0 and table.boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"\xef\xbb\xbf" + GOOD.encode() + b"\n", "byte order mark"),
        (GOOD.encode() + b"\r\n" + GOOD.encode() + b"\r\n", "CR LF"),
        (GOOD.replace(",", "\t").encode() + b"\n", "tabs"),
        (b"  " + GOOD.replace(",", "  ").encode() + b" \n", "blanks"),
        (b"frame,id,bb_left,bb_top,bb_width,bb_height,conf,x,y,z\n" + GOOD.encode() + b"\n", "line 1 is a header"),
        (b"1,1,10,20,30,40\n", "no confidence column"),
    ],
)
def test_oddities_are_accepted_and_named(tmp_path: Path, content: bytes, note: str) -> None:
    table = read_table(_file(tmp_path, content))
    assert len(table) >= 1 and table.boxes_ltwh[0].tolist() == [10, 20, 30, 40]
    assert any(note in entry for entry in table.notes), table.notes


def test_header_and_blank_lines_do_not_shift_line_numbers(tmp_path: Path) -> None:
    table = read_table(_file(tmp_path, f"\nframe,id,l,t,w,h,c,x,y,z\n{GOOD}\n\n{GOOD}\n"))
    assert table.line.tolist() == [3, 5]


def test_second_header_is_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":2: column 1 is 'frame'"):
        read_table(_file(tmp_path, f"{GOOD}\nframe,id,l,t,w,h,c,x,y,z\n"))


def test_blanks_after_commas_and_ids_from_zero(tmp_path: Path) -> None:
    table = read_table(_file(tmp_path, "1, 0, 83, 421, 88, 130, 1, 1, 1\n"), "ground_truth")
    assert (table.track_id[0], table.left[0], table.category[0]) == (0, 83, 1)


@pytest.mark.parametrize("text", ["16777217", "9007199254740993", "9223372036854775807", "9007199254740993.0"])
def test_huge_ids_survive_exactly(tmp_path: Path, text: str) -> None:
    """float32 merges ids above 2^24, float64 above 2^53."""
    table = read_table(_file(tmp_path, f"1,{text},10,20,30,40,1\n"))
    assert table.track_id.tolist() == [int(text.removesuffix(".0"))]


def test_whole_floats_are_exact_integers(tmp_path: Path) -> None:
    table = read_table(_file(tmp_path, "1.0,3.0,10,20,30,40,1\n1.000000000000000000e+00,4e0,1,1,2,2,1\n"), "results")
    assert table.frame.tolist() == [1, 1] and table.track_id.tolist() == [3, 4]


def test_class_and_visibility_only_where_the_format_has_them(tmp_path: Path) -> None:
    mot17 = read_table(_file(tmp_path, "1,1,912,484,97,109,0,7,0.5\n"), "ground_truth")
    assert (mot17.confidence[0], mot17.category[0], mot17.visibility[0]) == (0, 7, 0.5)
    mot15 = read_table(_file(tmp_path, "1,9,499,158,31,75,1,-4.1554,-7.3591,0\n"), "ground_truth")  # world coordinates
    assert (mot15.category[0], mot15.visibility[0]) == (-1, 1)
    with pytest.raises(DataError, match=r":1: class 1.5"):
        read_table(_file(tmp_path, "1,1,1,1,1,1,1,1.5,1\n"), "ground_truth")


def test_absent_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.txt: no such file"):
        read_table(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match="not plain text"):
        read_table(_file(tmp_path, GOOD.encode("utf-16")))


def test_odd_path_names(tmp_path: Path) -> None:
    path = tmp_path / "Großer Ordner (1), ümläut" / ("n" * 120) / "det file.TXT"
    write_results(path, [0], [1], [[0, 0, 5, 5]], [1])
    assert len(read_table(path, "results")) == 1


def test_unknown_choices_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD)
    with pytest.raises(ValueError, match="choose detections"):
        read_table(path, "gt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="choose error or skip"):
        read_table(path, on_bad_row="ignore")  # type: ignore[arg-type]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.integers(1, 2**62),
        st.floats(-1e6, 1e6),
        st.floats(-1e6, 1e6),
        st.floats(1e-3, 1e6),
        st.floats(1e-3, 1e6),
        st.floats(0, 1),
    ),
    max_size=12,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, careful=st.booleans())
def test_parse_of_write_is_identity(tmp_path: Path, rows: list[tuple[float, ...]], careful: bool) -> None:
    frames = np.array([r[0] for r in rows], dtype=np.int64)
    ids = np.array([r[1] for r in rows], dtype=np.int64)
    boxes = np.array([r[2:6] for r in rows], dtype=np.float64).reshape(-1, 4)
    scores = np.array([r[6] for r in rows])
    path = tmp_path / "out.txt"
    write_results(path, frames, ids, boxes, scores, decimals=None)
    if careful:  # the fast reader and the careful one agree
        text = mot_format._load_text(path)
        table, faults = mot_format._read_carefully(text, mot_format._Rules(path, "results", None))
        assert not faults
    else:
        table = read_table(path, "results")
    order = np.lexsort((ids, frames))
    assert (table.frame == frames[order] + 1).all() and (table.track_id == ids[order]).all()
    assert (table.left == boxes[order, 0] + 1.0).all() and (table.top == boxes[order, 1] + 1.0).all()
    assert (table.width == boxes[order, 2]).all() and (table.height == boxes[order, 3]).all()
    assert (table.confidence == scores[order]).all()


def test_written_text(tmp_path: Path) -> None:
    path = tmp_path / "tracks" / "a.txt"
    write_results(path, [1, 0, 1], [2, 1, 1], [[0, 0, 5, 6], [-1.5, 2.125, 3, 4], [7, 8, 9, 10]], [1, 0.123456789, 0.5])
    assert path.read_bytes() == (
        b"1,1,-0.50,3.12,3.00,4.00,0.123457,-1,-1,-1\n"
        b"2,1,8.00,9.00,9.00,10.00,0.5,-1,-1,-1\n"
        b"2,2,1.00,1.00,5.00,6.00,1,-1,-1,-1\n"
    )
    write_results(path, [0], [1], [[0, 0.1, 5, 6]], [1], decimals=None)
    assert path.read_bytes() == b"1,1,1,1.1,5,6,1,-1,-1,-1\n"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_no_rows_is_a_valid_empty_file(tmp_path: Path) -> None:
    write_results(tmp_path / "e.txt", [], [], np.zeros((0, 4)), [])
    assert (tmp_path / "e.txt").read_bytes() == b""
    assert len(read_table(tmp_path / "e.txt", "results")) == 0


@pytest.mark.parametrize(
    ("frame", "track_id", "box", "score", "message"),
    [
        ([0], [0], [[0, 0, 1, 1]], [1], "id below 1"),
        ([-1], [1], [[0, 0, 1, 1]], [1], "before the first"),
        ([0, 0], [1, 1], [[0, 0, 1, 1]] * 2, [1, 1], "same id twice"),
        ([0], [1], [[0, float("nan"), 1, 1]], [1], "not a finite number"),
        ([0], [1], [[0, 0, 1, 1]], [float("inf")], "not a finite number"),
        ([0], [1], [[0, 0, 0, 1]], [1], "not positive"),
        ([0], [1], [[0, 0, 1, 0.004]], [1], "not positive as written"),
    ],
)
def test_writer_refuses(tmp_path: Path, frame: list, track_id: list, box: list, score: list, message: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("kept")
    with pytest.raises(DataError, match=message):
        write_results(path, frame, track_id, box, score)
    assert path.read_text() == "kept"


def test_writer_wants_integers_and_equal_lengths(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be integers"):
        write_results(tmp_path / "a.txt", [0], np.array([1.0]), [[0, 0, 1, 1]], [1])
    with pytest.raises(ValueError, match="must agree"):
        write_results(tmp_path / "a.txt", [0, 1], [1], [[0, 0, 1, 1]], [1])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mot_format, "_format_rows", full)
    with pytest.raises(OSError, match="No space"):
        write_results(path, [0], [1], [[0, 0, 1, 1]], [1])
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "old"


@pytest.mark.parametrize("content", [GOOD, GOOD.replace(",", ", "), GOOD.replace(",", " "), GOOD + "\r\n" + GOOD])
def test_clean_files_take_the_fast_way(tmp_path: Path, content: str) -> None:
    """The careful reader is forty times slower; only a file with something unusual may need it."""
    path = _file(tmp_path, content)
    assert mot_format._read_fast(mot_format._load_text(path), mot_format._Rules(path, "detections", None)) is not None


def test_semicolons_are_named(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("1;-1;10;20;30;40;0.9\n2;-1;10;20;30;40;0.9\n")
    with pytest.raises(DataError, match=r"det\.txt:1: cells are separated by ';'"):
        read_table(path, "detections")


def test_detections_come_back_as_announced(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.normal(0, 700, (500, 2)), rng.uniform(0.01, 900, (500, 2))], axis=1).astype(np.float32)
    frame = np.sort(rng.integers(0, 40, 500))
    score = rng.uniform(size=500).astype(np.float32)
    write_detections(tmp_path / "det" / "a.txt", frame, boxes, score)
    table = read_table(tmp_path / "det" / "a.txt")
    assert (table.frame == frame + 1).all() and (table.track_id == -1).all()
    ltwh = rounded_boxes(boxes)
    assert (table.left - 1 == ltwh[:, 0]).all() and (table.boxes_ltwh[:, 2:] == ltwh[:, 2:]).all()
    assert np.abs(ltwh - boxes).max() <= 0.0006
    assert (rounded_boxes(ltwh) == ltwh).all()
    assert np.abs(table.confidence - score).max() < 1e-6
    write_detections(tmp_path / "b.txt", frame, ltwh, table.confidence)
    assert (tmp_path / "b.txt").read_bytes() == (tmp_path / "det" / "a.txt").read_bytes()
    write_detections(tmp_path / "none.txt", np.zeros(0, int), np.zeros((0, 4)), [])
    assert len(read_table(tmp_path / "none.txt")) == 0
    with pytest.raises(DataError, match="not positive"):
        write_detections(tmp_path / "c.txt", [0], [[1, 1, 0.0001, 5]], [0.5])
