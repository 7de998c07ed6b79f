"""Identities of detections: optimal in each frame, forbidden below the threshold, equal to the original code."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.identities import iou_matrix, match_identities
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence


def test_optimal_beats_greedy() -> None:
    """Greedy would give the first box its best partner and leave the second without one."""
    boxes = np.array([[0, 0, 10, 10], [3, 0, 13, 10]], float)
    truth = np.array([[1, 0, 11, 10], [-2, 0, 8, 10]], float)
    ids = match_identities(boxes, np.zeros(2, int), truth, np.zeros(2, int), np.array([7, 8]))
    assert ids.tolist() == [8, 7]


def test_each_frame_for_itself_in_any_order() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 3 + [[50, 50, 60, 60]], float)
    ids = match_identities(
        boxes, np.array([5, 2, 9, 2]), np.array([[0, 0, 10, 10]] * 2, float), np.array([2, 5]), np.array([20, 50])
    )
    assert ids.tolist() == [50, 20, -1, -1]


def test_empty_inputs() -> None:
    nothing, box = np.zeros((0, 4)), np.array([[0, 0, 1, 1]], float)
    none, one = np.zeros(0, int), np.zeros(1, int)
    assert match_identities(nothing, none, box, one, one).tolist() == []
    assert match_identities(box, one, nothing, none, none).tolist() == [-1]


def test_plus_one_convention_widens_boxes() -> None:
    first, second = np.array([[0, 0, 9, 9]], float), np.array([[0, 0, 4, 9]], float)
    assert iou_matrix(first, second, plus_one=True)[0, 0] == 0.5  # 50 of 100 pixels
    assert iou_matrix(first, second)[0, 0] == pytest.approx(36 / 81)
    zero = np.zeros(1, int)
    assert match_identities(first, zero, second, zero, np.array([3]), plus_one=True).tolist() == [3]
    assert match_identities(first, zero, second, zero, np.array([3])).tolist() == [-1]


def test_equals_brute_force() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        corners = rng.uniform(0, 12, (9, 2))
        boxes = np.c_[corners, corners + rng.uniform(6, 12, (9, 2))]
        found, truth = boxes[:5], boxes[5:]
        zeros = np.zeros(5, int)
        ids = match_identities(found, zeros, truth, zeros[:4], np.arange(4), iou_threshold=0.3)
        iou = iou_matrix(found, truth)
        best = max(
            (
                sum(iou[r, c] >= 0.3 for c, r in enumerate(rows)),
                sum(iou[r, c] for c, r in enumerate(rows) if iou[r, c] >= 0.3),
            )
            for rows in permutations(range(5), 4)
        )
        matched = [(r, i) for r, i in enumerate(ids) if i >= 0]
        assert (len(matched), pytest.approx(sum(iou[r, i] for r, i in matched))) == best


@pytest.mark.parametrize(
    ("clip", "folder"), [("clip_a", "MOT17/train/MOT17-09"), ("clip_c", "DanceTrack/val/dancetrack0004")]
)
def test_equals_the_original_on_real_clips(shared_data: Path, clip: str, folder: str) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    golden = safetensors.load_file(shared_data / "golden_sushi" / f"{clip}.safetensors")
    table = read_table(shared_data / "golden_sushi" / f"{clip}_dets.txt")
    truth = open_sequence(shared_data / "mot" / folder).load_ground_truth("identities")
    ids = match_identities(table.boxes_xyxy, table.frame, truth.boxes_xyxy, truth.frame, truth.track_id, plus_one=True)
    assert np.array_equal(ids, golden["det_gt"])


def test_detections_of_a_view_get_their_identities(shared_data: Path) -> None:
    view = open_sequence(shared_data / "mot" / "MOT17" / "train" / "MOT17-09").second_half()
    found, truth = view.load_detections(min_score=0.6), view.load_ground_truth("identities")
    frame = found.frame.numpy() + 1
    ids = match_identities(found.boxes_xyxy.numpy(), frame, truth.boxes_xyxy, truth.frame, truth.track_id)
    assert (ids >= 0).mean() > 0.9
    pairs = (frame * 10_000 + ids)[ids >= 0]
    assert len(np.unique(pairs)) == len(pairs)
