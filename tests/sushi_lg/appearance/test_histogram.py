"""The colour histogram: what makes two crops alike, and what does not."""

from __future__ import annotations

import cv2
import numpy as np

from sushi_lg.appearance.histogram import HistogramEmbedder

EMBEDDER = HistogramEmbedder()


def person(upper: tuple[int, int, int], lower: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """A crop with two colours (blue, green, red) and some noise."""
    crop = np.empty((1, 64, 32, 3), np.float64)
    crop[:, :32], crop[:, 32:] = upper, lower
    crop += np.random.default_rng(seed).normal(0, 4, crop.shape)
    return np.clip(crop, 0, 255).astype(np.uint8)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    return float((EMBEDDER.embed(a) @ EMBEDDER.embed(b).T)[0, 0])


RED, BLUE, GREY, WHITE = (30, 30, 224), (224, 40, 30), (90, 90, 90), (240, 240, 240)


def test_vectors_have_length_one_and_no_negative_values() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (300, 64, 32, 3), dtype=np.uint8)  # more than one chunk
    vectors = EMBEDDER.embed(crops)
    assert vectors.shape == (300, EMBEDDER.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert vectors.min() >= 0


def test_a_vector_does_not_depend_on_its_batch() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (300, 64, 32, 3), dtype=np.uint8)
    together = EMBEDDER.embed(crops)
    np.testing.assert_array_equal(np.concatenate([EMBEDDER.embed(crops[i : i + 1]) for i in range(300)]), together)


def test_the_same_clothes_are_alike_and_others_are_not() -> None:
    dressed = person(RED, BLUE)
    assert similarity(dressed, person(RED, BLUE, seed=1)) > 0.9
    assert similarity(dressed, person(GREY, BLUE)) < 0.7
    assert similarity(dressed, person(GREY, WHITE)) < 0.1


def test_it_matters_where_a_colour_is() -> None:
    assert similarity(person(RED, BLUE), person(BLUE, RED)) < 0.25


def test_greys_differ_by_brightness_although_they_have_no_hue() -> None:
    assert similarity(person(GREY, GREY), person(WHITE, WHITE)) < 0.05


def test_the_sides_count_less_than_the_middle() -> None:
    dressed, sides, middle = person(RED, RED), person(RED, RED), person(RED, RED)
    sides[:, :, :8] = sides[:, :, 24:] = BLUE
    middle[:, :, 8:24] = BLUE
    assert similarity(dressed, sides) > 0.85 > 0.6 > similarity(dressed, middle)


def test_a_stripe_that_slips_by_a_little_stays_alike() -> None:
    dressed = person(RED, BLUE)
    slipped = np.roll(dressed, 4, axis=1)
    slipped[:, :4] = RED
    assert similarity(dressed, slipped) > 0.9


def test_black_crops_and_no_crops_have_vectors_too() -> None:
    assert np.isfinite(EMBEDDER.embed(np.zeros((2, 64, 32, 3), np.uint8))).all()
    assert EMBEDDER.embed(np.zeros((0, 64, 32, 3), np.uint8)).shape == (0, EMBEDDER.dim)


def test_crops_out_of_a_picture() -> None:
    picture = np.full((200, 300, 3), WHITE, np.uint8)
    cv2.rectangle(picture, (100, 20), (139, 99), RED, -1)
    crops = EMBEDDER.crop(picture, np.array([[100, 20, 140, 100], [200, 20, 240, 100]], np.float32))
    assert crops.shape == (2, 64, 32, 3)
    red, white = EMBEDDER.embed(crops)
    assert red @ EMBEDDER.embed(person(RED, RED))[0] > 0.9
    assert white @ red < 0.05


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    assert EMBEDDER.fingerprint() == HistogramEmbedder().fingerprint()
    assert len(EMBEDDER.fingerprint()) == 64
