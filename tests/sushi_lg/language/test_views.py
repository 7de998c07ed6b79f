from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from people import person_crop

from sushi_lg.data.mot_format import MotTable, read_table
from sushi_lg.language.views import BestViews, Candidate, View, ViewSettings, find_candidates, look_at, visible_share


def _table(tmp_path: Path, rows: list[tuple[float, ...]]) -> MotTable:
    path = tmp_path / "gt.txt"
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return read_table(path, "ground_truth")


def test_what_hides_a_person(tmp_path: Path) -> None:
    rows = [
        (1, 1, 11, 11, 20, 40, 1, 1, 1),  # alone
        (1, 2, 101, 11, 20, 40, 1, 1, 1),  # half behind 3, who stands lower
        (1, 3, 111, 21, 20, 40, 1, 1, 1),
        (1, 4, -9, 51, 20, 40, 1, 1, 1),  # half outside
        (1, 5, 51, 11, 20, 40, 1, 1, 0.25),  # the file says so
        (2, 6, 11, 12, 20, 40, 1, 1, 1),  # another frame hides nobody
    ]
    share = visible_share(_table(tmp_path, rows), 200, 100)
    np.testing.assert_allclose(share, [1, 1 - 0.5 * 0.75, 1, 0.5, 0.25, 1])


def test_candidates_are_spread_and_good(tmp_path: Path) -> None:
    rows = [(frame, 1, 11, 11, 40, 80 + 10 * (frame % 3), 1, 1, 1) for frame in range(1, 25)]
    rows += [(frame, 2, 101, 11, 8, 16, 1, 1, 1) for frame in range(1, 25)]  # too small
    rows += [(frame, 3, 151, 11, 40, 80, 1, 1, 0.3) for frame in range(1, 25)]  # hidden
    found = find_candidates(_table(tmp_path, rows), 300, 200, ViewSettings(views=4, tries=2))
    assert {one.track_id for one in found} == {1}
    by_stratum = [[one.frame for one in found if one.stratum == part] for part in range(4)]
    # frames 2, 5, 8, ... of the file are the tallest, and the earlier ones of equals come first
    assert by_stratum == [[1, 4], [7, 10], [13, 16], [19, 22]]


def test_the_choice_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    rows: list[tuple[float, ...]] = [
        (frame, one, 11 + 60 * one, 11, 40, 90, 1, 1, 1) for frame in range(1, 9) for one in (1, 2)
    ]
    settings = ViewSettings(views=3, tries=1)
    first = find_candidates(_table(tmp_path, rows), 300, 200, settings)
    assert first == find_candidates(_table(tmp_path, rows[::-1]), 300, 200, settings)


def test_a_look_stays_inside_and_small() -> None:
    picture = np.arange(400 * 300 * 3, dtype=np.uint32).reshape(400, 300, 3).astype(np.uint8)
    settings = ViewSettings(full_height=100)

    def look(*box: float) -> View:
        found = look_at(picture, Candidate(1, 0, 7, box, 0.5), settings)  # type: ignore[arg-type]
        assert found is not None
        return found[0]

    small = look(10, 20, 40, 100)
    np.testing.assert_array_equal(small.picture, picture[20:100, 10:40])
    assert (small.frame, small.quality) == (7, 0.5)
    assert look(-20, -30, 40, 100).picture.shape == (100, 40, 3)
    assert look(10, 0, 100, 200).picture.shape[0] == 100
    # arms stretched out: the middle is looked at
    assert look(0, 0, 300, 100).picture.shape[1] < 60
    assert look_at(picture, Candidate(1, 0, 0, (310, 10, 350, 90), 0.5), settings) is None


def test_the_sharper_view_of_a_stratum_is_kept() -> None:
    sharp = person_crop("red", "blue")
    picture = np.concatenate([sharp, cv2.GaussianBlur(sharp, (9, 9), 3)], axis=1)
    width = float(sharp.shape[1])
    best = BestViews()
    for frame, left in ((0, width), (1, 0.0)):
        one = Candidate(4, 2, frame, (left, 0.0, left + width, 96.0), 0.5)
        found = look_at(picture, one, ViewSettings())
        assert found is not None
        best.offer(one, *found)
    assert [view.frame for view in best.of("s", 4).views] == [1]
    assert best.of("s", 5).views == ()
