from __future__ import annotations

import numpy as np

from sushi_lg.appearance.registry import load_embedder


def test_a_thumbnail_is_the_picture_in_channels_rows_and_columns() -> None:
    embedder = load_embedder("pixels")
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    picture[:32, :16, 2] = 255  # red in the upper left quarter of the box
    crops = embedder.crop(picture, np.array([[0, 0, 32, 64]], dtype=np.float32))
    vectors = embedder.embed(crops)
    assert vectors.shape == (1, embedder.dim) and vectors.dtype == np.float32
    blue, green, red = vectors.reshape(3, 32, 16)
    assert (red[:16, :8] == 1).all() and (red[16:] == 1 / 256).all() and (red[:, 8:] == 1 / 256).all()
    assert (blue == 1 / 256).all() and (green == 1 / 256).all()


def test_black_is_not_nothing_and_nobody_is_no_rows() -> None:
    embedder = load_embedder("pixels")
    assert (embedder.embed(np.zeros((2, 32, 16, 3), dtype=np.uint8)) > 0).all()
    assert embedder.embed(np.zeros((0, 32, 16, 3), dtype=np.uint8)).shape == (0, embedder.dim)
