"""Crops: which pixels, what lies outside, and how they come to their size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sushi_lg.appearance.crops import Border, Interpolation, cut


@pytest.fixture
def picture() -> np.ndarray:
    """A 10 x 12 picture in which no two pixels are alike."""
    return np.random.default_rng(0).permutation(360).astype(np.int64).reshape(10, 12, 3).astype(np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize("interpolation", Interpolation)
@pytest.mark.parametrize("border", Border)
def test_a_box_of_the_wanted_size_is_copied(picture: np.ndarray, interpolation: Interpolation, border: Border) -> None:
    crop = cut(picture, boxes((3, 2, 8, 9)), (7, 5), interpolation, border)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, picture[None, 2:9, 3:8])


def test_clip_keeps_every_pixel_a_box_touches(picture: np.ndarray) -> None:
    np.testing.assert_array_equal(cut(picture, boxes((2.7, 1.9, 5.1, 3.0)), (2, 4))[0], picture[1:3, 2:6])
    np.testing.assert_array_equal(cut(picture, boxes((-4, -4, 3, 2)), (2, 3))[0], picture[:2, :3])
    np.testing.assert_array_equal(cut(picture, boxes((9, 7, 99, 99)), (3, 3))[0], picture[7:, 9:])


def test_pad_mean_cuts_coordinates_to_integers(picture: np.ndarray) -> None:
    crop = cut(picture, boxes((2.7, 1.9, 5.9, 3.9)), (2, 3), border=Border.PAD_MEAN)
    np.testing.assert_array_equal(crop[0], picture[1:3, 2:5])


def test_pad_mean_repeats_the_means_of_columns_and_rows() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[0, :2] = [[10, 20, 30], [40, 50, 60]]
    picture[1, :2] = [[20, 40, 60], [50, 70, 90]]
    crop = cut(picture, boxes((-1.5, -1.9, 2.2, 2.8)), (3, 3), border=Border.PAD_MEAN)[0]
    # outside by 1.5 and 1.9 pixels: one row and one column of padding, the rows first
    np.testing.assert_array_equal(crop[0, 1:], [[15, 30, 45], [45, 60, 75]])
    np.testing.assert_array_equal(crop[1:, 1:], picture[:2, :2])
    np.testing.assert_array_equal(crop[:, 0], [[30, 45, 60], [25, 35, 45], [35, 55, 75]])


def test_pad_mean_on_the_far_side(picture: np.ndarray) -> None:
    crop = cut(picture, boxes((10, 8, 13, 11)), (3, 3), border=Border.PAD_MEAN)[0]
    np.testing.assert_array_equal(crop[:2, :2], picture[8:, 10:])
    expected = np.round(picture[8:, 10:].astype(float).mean(axis=0)).astype(np.uint8)
    np.testing.assert_array_equal(crop[2, :2], expected)


@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize(
    "box",
    [
        (-30, 0, -5, 8),  # left of the picture
        (3, 10, 8, 20),  # begins where the picture ends
        (5, 5, 5, 9),  # without width
        (8, 5, 3, 9),  # inside out
        (1e9, 1e9, 2e9, 2e9),
    ],
)
def test_without_a_pixel_inside_a_crop_is_black(
    picture: np.ndarray, border: Border, box: tuple[float, float, float, float]
) -> None:
    crops = cut(picture, boxes(box, (0, 0, 12, 10)), (4, 4), border=border)
    assert not crops[0].any()
    assert crops[1].any()


@pytest.mark.parametrize("border", Border)
def test_a_stray_coordinate_costs_no_memory(picture: np.ndarray, border: Border) -> None:
    crop = cut(picture, boxes((-1e30, -1e12, 6, 1e30)), (4, 4), border=border)
    assert crop.any()


def test_no_boxes_give_no_crops(picture: np.ndarray) -> None:
    assert cut(picture, boxes(), (4, 3)).shape == (0, 4, 3, 3)


def test_the_picture_may_be_a_view(picture: np.ndarray) -> None:
    for interpolation in Interpolation:
        mirrored = cut(picture[:, ::-1], boxes((0, 0, 6, 10)), (5, 4), interpolation)
        copied = cut(np.ascontiguousarray(picture[:, ::-1]), boxes((0, 0, 6, 10)), (5, 4), interpolation)
        np.testing.assert_array_equal(mirrored, copied)


@pytest.mark.parametrize("size", [(40, 30), (9, 7), (64, 8)])
def test_bicubic_is_that_of_pillow(size: tuple[int, int]) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    picture = np.random.default_rng(1).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    ours = cut(picture, boxes((0, 0, 20, 30)), size, Interpolation.BICUBIC)[0]
    theirs = np.asarray(pillow.fromarray(picture).resize((size[1], size[0]), pillow.BICUBIC))
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    assert torch.from_numpy(ours).float().std() > 10


def test_area_is_the_mean_of_what_a_pixel_covers(picture: np.ndarray) -> None:
    crop = cut(picture, boxes((0, 0, 12, 10)), (5, 6), Interpolation.AREA)[0]
    expected = picture.reshape(5, 2, 6, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(crop - expected).max() <= 0.5


@pytest.mark.parametrize(
    ("picture", "box", "message"),
    [
        (np.zeros((4, 4), np.uint8), (0, 0, 1, 1), r"\(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), (0, 0, 1, 1), "float32"),
        (np.zeros((4, 4, 3), np.uint8), (0, np.nan, 1, 1), "box 0 is .*nan.* not finite"),
        (np.zeros((4, 4, 3), np.uint8), (0, 0, np.inf, 1), "not finite"),
    ],
)
def test_impossible_input_is_refused(picture: np.ndarray, box: tuple[float, float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cut(picture, boxes(box), (2, 2))
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        cut(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 5), np.float32), (2, 2))
