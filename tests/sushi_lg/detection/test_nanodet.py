"""Distances are means of distributions, measured from the middle of a place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.models import model_card
from sushi_lg.data.video import read_frames
from sushi_lg.detection.nanodet import Nanodet, decode
from sushi_lg.detection.registry import load_detector
from sushi_lg.errors import WeightsError


def test_decoding_by_hand() -> None:
    # certain distances of 1, 2, 3 strides to left, top, right; the fourth is even over 0 .. 7: mean 3.5
    logits = np.zeros((1, 4, 8), dtype=np.float32)
    for side, bins in enumerate((1, 2, 3)):
        logits[0, side, bins] = 100
    # place 13 of a grid of 10 columns: row 1, column 3, its middle at (28, 12)
    boxes = decode(logits.reshape(1, 32), np.array([13]), 10, 8)
    np.testing.assert_allclose(boxes, [[28 - 8, 12 - 16, 28 + 24, 12 + 28]], rtol=1e-6)
    assert decode(np.zeros((0, 32), dtype=np.float32), np.zeros(0, dtype=np.int64), 10, 8).shape == (0, 4)


class FakeNetwork:
    """One stride, 416x416: 52x52 places, two classes."""

    input_shape: tuple[int | None, ...] = (1, 3, 416, 416)

    def __init__(self) -> None:
        self.output_shapes: dict[str, tuple[int | None, ...]] = {
            "cls_pred_stride_8": (1, 2704, 2),
            "dis_pred_stride_8": (1, 2704, 32),
        }
        self.shown: list[np.ndarray] = []

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        self.shown.append(batch)
        classes, distances = np.zeros((1, 2704, 2), dtype=np.float32), np.zeros((1, 2704, 32), dtype=np.float32)
        classes[0, 52 * 10 + 20] = [0.7, 0.2]
        return {"cls_pred_stride_8": classes, "dis_pred_stride_8": distances}


def test_input_and_boxes(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"x")
    card, network = replace(model_card("nanodet_m_416"), classes="person, dog"), FakeNetwork()
    detector = Nanodet(card, path, network=network)
    picture = np.full((832, 416, 3), (110, 120, 130), dtype=np.uint8)
    found = detector.detect([detector.prepare(picture)])[0]
    np.testing.assert_allclose(found.score, [0.7])
    middle, reach = np.array([20.5, 10.5]) * 8, 3.5 * 8
    np.testing.assert_allclose(found.boxes_xyxy[0], [*(middle - reach) * 2, *(middle + reach) * 2], rtol=1e-6)
    expected = (np.array([110, 120, 130]) - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    np.testing.assert_allclose(network.shown[0][0, :, 0, 0], expected, rtol=1e-5)
    assert detector.fingerprint() != Nanodet(card, path, device="cuda", network=network).fingerprint()
    with pytest.raises(WeightsError, match="80 in the card"):
        Nanodet(model_card("nanodet_m_416"), path, network=network)
    network.output_shapes.pop("dis_pred_stride_8")
    with pytest.raises(WeightsError, match="needed are cls_pred_stride_S and dis_pred_stride_S"):
        Nanodet(card, path, network=network)


def test_real_weights_on_a_real_frame(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    video = shared_data / "videos" / "PETS09-S2L1.mp4"
    if not video.is_file():
        pytest.skip(f"no {video}")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(shared_data / "weights"))
    detector, other = load_detector("nanodet_m_416", min_score=0.4), load_detector("yolox_nano", min_score=0.4)
    _, picture = next(read_frames(video))
    boxes = [one.detect([one.prepare(picture)])[0].boxes_xyxy for one in (detector, other)]
    # two networks that were trained apart agree on where people are
    gaps = np.abs(boxes[0][:, None] - boxes[1][None]).max(axis=2)
    assert len(boxes[0]) >= 3 and (gaps.min(axis=1) < 15).all()
