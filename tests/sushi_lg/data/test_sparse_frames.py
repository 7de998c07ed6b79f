from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sushi_lg.data.sparse_frames import numbered_pictures, read_sparse_ground_truth
from sushi_lg.errors import DataError


def _gt(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "gt.txt"
    path.write_text("\n".join(rows))
    return path


def test_pictures_go_by_number_not_by_name(tmp_path: Path) -> None:
    for name in ("10.jpg", "9.jpg", "0100.png", "9.png", "cover.jpg", "notes.txt", "11.txt", "._9.jpg"):
        (tmp_path / name).touch()
    found = numbered_pictures(tmp_path)
    assert [path.name for path in found.paths] == ["9.jpg", "10.jpg", "0100.png"]
    assert found.numbers.tolist() == [9, 10, 100]
    assert found.faults == {
        "pictures without a number, left out": 1,
        "pictures with a number that another has, left out": 1,
    }
    assert numbered_pictures(tmp_path / "none").paths == ()


def test_every_fault_of_a_row(tmp_path: Path) -> None:
    path = _gt(
        tmp_path,
        "4,1,11,21,30,40,1,1,0.5",
        "2,1,41,61,-30,-40",
        "2.0,1.0,1,1,5,5",  # the id again
        "3,1,1,1,5,5",  # no picture 3
        "2,2,1,1,0,5",
        "2,3,nan,1,5,5",
        "2,3,1,1,5",
        "frame,id,x,y,w,h",
        "2.5,3,1,1,5,5",
        "2,-1,1,1,5,5",
        "2,3,1,1,1e300,5",
        "",
        "7 3 1 1 5 5",
    )
    table, faults = read_sparse_ground_truth(path, np.array([2, 4, 7]))
    assert table.frame.tolist() == [2, 1, 3] and table.track_id.tolist() == [1, 1, 3]
    assert table.boxes_ltwh.tolist() == [[11, 21, 30, 40], [11, 21, 30, 40], [1, 1, 5, 5]]
    assert table.line.tolist() == [1, 2, 13]
    assert faults == {
        "boxes of negative size, turned round": 1,
        "second boxes of an id in a frame, left out": 1,
        "rows of frames without a picture, left out": 1,
        "boxes without area, left out": 1,
        "rows that cannot be read": 6,
    }
    assert table.skipped[0] == f"{path}:3: second boxes of an id in a frame, left out" and len(table.skipped) == 9


def test_without_pictures_numbers_are_what_they_say(tmp_path: Path) -> None:
    table, faults = read_sparse_ground_truth(_gt(tmp_path, "5,1,1,1,5,5", "0,1,1,1,5,5"))
    assert table.frame.tolist() == [5] and faults == {"rows of frames without a picture, left out": 1}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_sparse_ground_truth(tmp_path / "none.txt")
    (tmp_path / "x").write_bytes(b"1,1,\xff")
    with pytest.raises(DataError, match="UTF-8"):
        read_sparse_ground_truth(tmp_path / "x")


@given(
    left=st.integers(-50, 50), top=st.integers(-50, 50), width=st.integers(1, 90), height=st.integers(1, 90),
    flips=st.tuples(st.booleans(), st.booleans()),
)  # fmt: skip
def test_a_turned_box_is_the_same_box(
    tmp_path_factory: pytest.TempPathFactory, left: int, top: int, width: int, height: int, flips: tuple[bool, bool]
) -> None:
    x, w = (left + width, -width) if flips[0] else (left, width)
    y, h = (top + height, -height) if flips[1] else (top, height)
    table, _ = read_sparse_ground_truth(_gt(tmp_path_factory.getbasetemp(), f"1,1,{x},{y},{w},{h}"))
    assert table.boxes_ltwh.tolist() == [[left, top, width, height]]
