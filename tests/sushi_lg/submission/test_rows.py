"""One file: what servers read passes, everything else is named with its line."""

from __future__ import annotations

import pytest

from sushi_lg.submission.rows import check_file

GOOD = "1,1,-3.50,10,20.25,40,0.9,-1,-1,-1\n1,2,5,5,5,5,1,-1,-1,-1\n2,1,1e2,10,20,40,0.9,-1,-1,-1\n"


def test_a_good_file_has_no_faults() -> None:
    check = check_file("a.txt", GOOD.encode(), length=2)
    assert (check.faults, check.rows, check.tracks, check.last_frame, check.remarks) == ([], 3, 2, 2, [])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,1,0,0,5,5,1", "7 columns, 10"),
        ("1 1 0 0 5 5 1 -1 -1 -1", "1 columns"),
        ("frame,id,bb_left,bb_top,bb_width,bb_height,conf,x,y,z", "frame 'frame'"),
        ("", "blank line"),
        ("0,1,0,0,5,5,1,-1,-1,-1", "frame '0'"),
        ("1.0,1,0,0,5,5,1,-1,-1,-1", "frame '1.0'"),
        ("²,1,0,0,5,5,1,-1,-1,-1", "frame '²'"),
        ("1,0,0,0,5,5,1,-1,-1,-1", "id '0'"),
        ("1,-1,0,0,5,5,1,-1,-1,-1", "id '-1'"),
        ("61,1,0,0,5,5,1,-1,-1,-1", "behind the last one, 60"),
        ("1,1,nan,0,5,5,1,-1,-1,-1", "left 'nan'"),
        ("1,1,0,inf,5,5,1,-1,-1,-1", "top 'inf'"),
        ("1,1,0,0,0,5,1,-1,-1,-1", "width 0 is not above 0"),
        ("1,1,0,0,5,-5,1,-1,-1,-1", "height -5"),
        ("1,1,0,0,5,5,1_0,-1,-1,-1", "confidence '1_0'"),
        ("1,1,\u0663,0,5,5,1,-1,-1,-1", "left '\u0663'"),
        ("1,1,0,0,5,5, 1,-1,-1,-1", "confidence ' 1'"),
        ("1,1,1e9,0,5,5,1,-1,-1,-1", "left '1e9'"),
        ("1,1,0,0,5,5,1,1,-1,-1", "columns 8 to 10"),
    ],
)
def test_a_bad_row_is_named(row: str, said: str) -> None:
    fault, *_ = check_file("a.txt", f"1,9,0,0,5,5,1,-1,-1,-1\n{row}\n".encode(), length=60).faults
    assert fault.startswith("a.txt:2: ") and said in fault


def test_what_concerns_more_than_a_row() -> None:
    rows = "2,1,0,0,5,5,1,-1,-1,-1\n2,1,9,9,5,5,1,-1,-1,-1\n1,1,0,0,5,5,1,-1,-1,-1\n"
    assert check_file("a.txt", rows.encode()).faults == [
        "a.txt:2: id 1 is in frame 2 twice",
        "a.txt:3: frame 1 comes after frame 2",
    ]
    assert check_file("a.txt", b"\xef\xbb\xbf" + GOOD.encode()).faults[0] == "a.txt:1: begins with a byte order mark"
    assert "a.txt:1: lines end with CR" in check_file("a.txt", GOOD.replace("\n", "\r\n").encode()).faults[0]
    assert "cut off" in check_file("a.txt", GOOD.encode()[:-1]).faults[0]
    assert check_file("a.txt", b"1,1\n\xff\xfe").faults == ["a.txt:2: is no UTF-8 text"]


def test_only_some_files_may_be_empty() -> None:
    assert check_file("a.txt", b"").faults == ["a.txt: is empty"]
    assert check_file("a.txt", b"", may_be_empty=True).faults == []


def test_many_faults_of_one_kind_are_counted() -> None:
    faults = check_file("a.txt", b"1,1,0,0,5,5,1\n" * 50).faults
    assert len(faults) == 4 and faults[-1] == "a.txt: 47 more of the kind '7'"


def test_few_frames_are_remarked_not_refused() -> None:
    check = check_file("a.txt", GOOD.encode(), length=100)
    assert (check.faults, check.remarks) == ([], ["a.txt: boxes in 2 of 100 frames"])
