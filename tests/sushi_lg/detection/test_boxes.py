"""A picture goes into the network's rectangle and boxes come back out; one box stays an object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sushi_lg.detection.boxes import best_boxes, fit, non_maximum_suppression


@pytest.mark.parametrize(
    ("height", "width", "inner"),
    [(100, 200, (16, 32)), (200, 100, (32, 16)), (32, 32, (32, 32)), (75, 100, (24, 32)), (1, 500, (1, 32))],
)
def test_letterbox_keeps_the_shape_and_fills_up(height: int, width: int, inner: tuple[int, int]) -> None:
    fitted = fit(np.full((height, width, 3), (10, 20, 30), dtype=np.uint8), (32, 32), keep_shape=True, pad=114)
    assert fitted.pixels.shape == (3, 32, 32)
    inside = fitted.pixels[:, : inner[0], : inner[1]]
    assert (inside == np.array([10, 20, 30])[:, None, None]).all()
    assert (fitted.pixels[:, inner[0] :] == 114).all() and (fitted.pixels[:, :, inner[1] :] == 114).all()
    np.testing.assert_allclose(fitted.scale, [inner[1] / width, inner[0] / height])


@pytest.mark.parametrize("keep_shape", [True, False])
def test_a_box_comes_back_where_it_was(keep_shape: bool) -> None:
    picture = np.zeros((90, 160, 3), dtype=np.uint8)
    picture[20:60, 40:100] = 255
    fitted = fit(picture, (64, 64), keep_shape=keep_shape, pad=0)
    rows, columns = np.nonzero(fitted.pixels[0] > 127)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], dtype=np.float32)
    found = best_boxes(seen, np.ones(1, dtype=np.float32), fitted, 0.5)
    # a pixel of the network is 2.5 pixels wide here
    np.testing.assert_allclose(found.boxes_xyxy, [[40, 20, 100, 60]], atol=1.3)


def _brute_force(boxes: np.ndarray, score: np.ndarray, max_iou: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(score)), key=lambda k: (-score[k], k)):
        for j in kept:
            low, high = np.maximum(boxes[i, :2], boxes[j, :2]), np.minimum(boxes[i, 2:], boxes[j, 2:])
            shared = np.clip(high - low, 0, None).prod()
            union = sum((boxes[k, 2:] - boxes[k, :2]).prod() for k in (i, j)) - shared
            if shared / union > max_iou:
                break
        else:
            kept.append(i)
    return kept


_BOX = st.tuples(st.integers(-5, 10), st.integers(-5, 10), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))


# limits that no overlap of whole boxes meets exactly, where rounding would decide
@settings(max_examples=200, deadline=None)
@given(st.lists(_BOX, max_size=12), st.sampled_from([0.1001, 0.3501, 0.5001, 0.9001]))
def test_suppression_equals_brute_force_with_ties(rows: list[tuple[int, ...]], max_iou: float) -> None:
    values = np.array(rows, dtype=np.float32).reshape(-1, 5)
    boxes = np.concatenate([values[:, :2], values[:, :2] + values[:, 2:4]], axis=1)
    score = values[:, 4] / 4  # few values, so many are equal
    assert non_maximum_suppression(boxes, score, max_iou).tolist() == _brute_force(boxes, score, max_iou)


def test_no_boxes() -> None:
    empty = np.zeros((0, 4), dtype=np.float32)
    assert non_maximum_suppression(empty, empty[:, 0], 0.5).shape == (0,)
    fitted = fit(np.zeros((8, 8, 3), dtype=np.uint8), (8, 8), keep_shape=True)
    found = best_boxes(empty, empty[:, 0], fitted, 0.5)
    assert found.boxes_xyxy.shape == (0, 4) and found.boxes_xyxy.dtype == np.float32
