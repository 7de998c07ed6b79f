"""The grid of YOLOX is decoded as computed by hand; real files of the family work, others are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_onnx import write_table_network

from sushi_lg.data.models import file_sha256, model_card
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.video import read_frames
from sushi_lg.detection.boxes import BoxSettings
from sushi_lg.detection.classes import detector_name
from sushi_lg.detection.registry import load_detector
from sushi_lg.detection.yolox import Yolox
from sushi_lg.errors import WeightsError

# an input of 64x64 has 8*8 + 4*4 + 2*2 places
PLACES = 84


class FakeNetwork:
    """Answers with a table, whatever it is shown."""

    def __init__(self, table: np.ndarray) -> None:
        self.input_shape: tuple[int | None, ...] = (None, 3, 64, 64)
        self.output_shapes: dict[str, tuple[int | None, ...]] = {"output": (None, *table.shape)}
        self.table = table.astype(np.float32)
        self.shown: list[np.ndarray] = []

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        self.shown.append(batch)
        return {"output": np.repeat(self.table[None], len(batch), axis=0)}


def _table(classes: int, rows: dict[int, list[float]]) -> np.ndarray:
    table = np.zeros((PLACES, 5 + classes), dtype=np.float32)
    for place, values in rows.items():
        table[place] = values
    return table


def _detector(tmp_path: Path, table: np.ndarray, **settings: object) -> tuple[Yolox, FakeNetwork]:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"weights")
    network = FakeNetwork(table)
    return Yolox(model_card("yolox_custom"), path, BoxSettings(**settings), network=network), network  # type: ignore[arg-type]


def test_decoding_by_hand(tmp_path: Path) -> None:
    table = _table(
        1,
        {
            # place 19 of stride 8: row 2, column 3; centre (3.5*8, 2.25*8), size (2*8, 4*8)
            19: [0.5, 0.25, np.log(2), np.log(4), 0.9, 0.5],
            # place 64 + 6 of stride 16: row 1, column 2; centre (2*16, 1.5*16), size (16, 32)
            70: [0.0, 0.5, 0.0, np.log(2), 0.8, 1.0],
            # place 80 + 3 of stride 32: row 1, column 1; below the smallest score
            83: [0.5, 0.5, 0.0, 0.0, 0.3, 0.3],
        },
    )
    detector, network = _detector(tmp_path, table)
    picture = np.full((128, 64, 3), 7, dtype=np.uint8)  # halved into 64x32, the rest filled up
    found = detector.detect([detector.prepare(picture)])[0]
    in_network = np.array([[24, 8, 40, 40], [20, 2, 36, 34]])
    np.testing.assert_allclose(found.score, [0.8, 0.45], rtol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy, in_network * 2, rtol=1e-5)
    shown = network.shown[0]
    assert shown.shape == (1, 3, 64, 64) and shown.dtype == np.float32
    assert (shown[..., :32] == 7).all() and (shown[..., 32:] == 114).all()


def test_the_card_says_what_the_network_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"weights")
    found, shown = {}, {}
    for card in (model_card("yolox_custom"), model_card("yolox_imagenet")):
        network = FakeNetwork(_table(1, {}))
        detector = Yolox(card, path, network=network)
        detector.detect([detector.prepare(np.full((64, 32, 3), (10, 20, 30), dtype=np.uint8))])
        shown[card.name], found[card.name] = network.shown[0][0], detector.fingerprint()
    assert shown["yolox_custom"][:, 5, 5].tolist() == [10, 20, 30]
    red_first = (np.array([30, 20, 10]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    grey = (114 / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(shown["yolox_imagenet"][:, 5, 5], red_first, atol=1e-5)
    np.testing.assert_allclose(shown["yolox_imagenet"][:, 5, 40], grey, atol=1e-5)
    assert found["yolox_custom"] != found["yolox_imagenet"]
    custom = model_card("yolox_custom")
    last = replace(custom, input=replace(custom.input, layout="NHWC"))  # type: ignore[type-var]
    with pytest.raises(WeightsError, match="its card says layout NHWC"):
        Yolox(last, path, network=FakeNetwork(_table(1, {})))
    stretched = Yolox(
        replace(custom, input=replace(custom.input, fit="stretch")),  # type: ignore[type-var]
        path,
        network=FakeNetwork(_table(1, {})),
    )
    assert (stretched.prepare(np.full((64, 32, 3), 7, dtype=np.uint8)).pixels == 7).all()


def test_boxes_may_leave_the_picture(tmp_path: Path) -> None:
    detector, _ = _detector(tmp_path, _table(1, {0: [0.0, 0.0, np.log(4), np.log(4), 1.0, 1.0]}))
    found = detector.detect([detector.prepare(np.zeros((64, 64, 3), dtype=np.uint8))])[0]
    np.testing.assert_allclose(found.boxes_xyxy, [[-16, -16, 16, 16]], rtol=1e-5)


def test_the_class_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    row = [0.5, 0.5, 0.0, 0.0, 1.0, *[0.01 * k for k in range(80)]]
    for wanted, score, name in [("car", 0.02, "mine_car"), ("79", 0.79, "mine_79"), ("Toothbrush.", 0.79, None)]:
        detector, _ = _detector(tmp_path, _table(80, {0: row}), wanted=wanted, min_score=0.015)
        found = detector.detect([detector.prepare(np.zeros((64, 64, 3), dtype=np.uint8))])[0]
        np.testing.assert_allclose(found.score, [score], rtol=1e-5)
        assert name is None or detector.name == name
    with pytest.raises(WeightsError, match=r"knows no class 'persn'\n.*did you mean person"):
        _detector(tmp_path, _table(80, {}), wanted="persn")
    with pytest.raises(WeightsError, match=r"give its number, 0 .. 2"):
        _detector(tmp_path, _table(3, {}))
    assert _detector(tmp_path, _table(3, {}), wanted="2")[0].name == "mine_2"
    with pytest.raises(WeightsError, match="give its number"):
        _detector(tmp_path, _table(3, {}), wanted="3")


def test_names_tell_apart_what_is_sought() -> None:
    card = model_card("yolox_custom")
    prompts = (None, "person", "a red car", "\u4eba", "\u8eca", "x" * 90, "x" * 91)
    names = [detector_name(card, Path("my net.onnx"), prompt) for prompt in prompts]
    assert names[:3] == ["my_net", "my_net", "my_net_a_red_car"]
    assert len(set(names)) == 6 and max(map(len, names)) == 80
    assert all(
        re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in [*names, detector_name(card, Path("\u4eba.onnx"), None)]
    )


def test_what_is_no_yolox_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="83 boxes for an input of 64x64, YOLOX has 84 or 85"):
        _detector(tmp_path, np.zeros((83, 6)))
    with pytest.raises(WeightsError, match=r"5 \+ classes"):
        _detector(tmp_path, np.zeros((84, 5)))
    decoded = _table(1, {0: [300.0, 200.0, 50.0, 90.0, 1.0, 1.0]})
    detector, _ = _detector(tmp_path, decoded)
    with pytest.raises(WeightsError, match="decodes its boxes itself"):
        detector.detect([detector.prepare(np.zeros((64, 64, 3), dtype=np.uint8))])


def test_the_fingerprint_follows_weights_and_settings(tmp_path: Path) -> None:
    first = _detector(tmp_path, _table(1, {}))[0]
    assert first.fingerprint() == _detector(tmp_path, _table(1, {}))[0].fingerprint()
    others = [_detector(tmp_path, _table(1, {}), **s)[0] for s in ({"min_score": 0.2}, {"max_iou": 0.6})]
    on_gpu = Yolox(
        model_card("yolox_custom"), tmp_path / "mine.onnx", device="cuda:1", network=FakeNetwork(_table(1, {}))
    )
    assert len({first.fingerprint(), on_gpu.fingerprint(), *(one.fingerprint() for one in others)}) == 4
    before = first.fingerprint()
    (tmp_path / "mine.onnx").write_bytes(b"other weights")
    assert first.fingerprint() != before


@pytest.mark.parametrize("batch", ["n", 1, 2, 4])
def test_a_file_of_ones_own(tmp_path: Path, batch: str | int) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "trained here.onnx"
    # the mean of the picture is added to all values: a brighter one moves its boxes to the right
    write_table_network(path, _table(1, {9: [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]}), (batch, 3, 64, 64))
    detector = load_detector(path, min_score=0.9)
    assert detector.name == "trained_here" and detector.batch_size == (4 if batch == "n" else batch)
    prepared = [detector.prepare(np.full((64, 64, 3), value, dtype=np.uint8)) for value in (0, 1, 0)]
    together = detector.detect(prepared)
    for one, alone in zip(together, prepared, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, detector.detect([alone])[0].boxes_xyxy)
    np.testing.assert_allclose(together[0].boxes_xyxy, [[4, 4, 12, 12]])
    assert len(together[1].score) > 1
    assert detector.detect([]) == []


def test_files_that_are_something_else(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    broken, other = tmp_path / "broken.onnx", tmp_path / "other.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"broken.onnx: onnxruntime cannot read it"):
        load_detector(broken)
    write_table_network(other, np.zeros((10, 6), dtype=np.float32), (1, 3, 64, 64))
    with pytest.raises(WeightsError, match="no card knows this file"):
        load_detector(other)
    with pytest.raises(WeightsError, match="10 boxes for an input"):
        load_detector(f"yolox_custom={other}")


def test_real_weights_on_real_frames(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    video = shared_data / "videos" / "TUD-Stadtmitte.mp4"
    if not video.is_file():
        pytest.skip(f"no {video}")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(shared_data / "weights"))
    detector = load_detector("yolox_nano", min_score=0.4)
    assert detector.name == "yolox_nano" and len(detector.fingerprint()) == 64
    sequence = open_sequence(shared_data / "mot" / "MOT15" / "train" / "TUD-Stadtmitte")
    assert _f1(detector, sequence, video) > 0.85
    assert file_sha256(shared_data / "weights" / "detector" / "yolox_nano_416x416.onnx").startswith("695e750a")


def _f1(detector, sequence, video: Path) -> float:  # noqa: ANN001
    """Return F1 at IoU 0.5 over every 20th frame."""
    truth = sequence.load_ground_truth("scored")
    hits = wrong = missed = 0
    for frame, picture in read_frames(video):
        if frame % 20:
            continue
        seen = detector.detect([detector.prepare(picture)])[0].boxes_xyxy.astype(float)
        there = truth.boxes_xyxy[truth.frame == frame + 1]
        low, high = np.maximum(seen[:, None, :2], there[:, :2]), np.minimum(seen[:, None, 2:], there[:, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=2)
        union = (
            np.prod(seen[:, 2:] - seen[:, :2], axis=1)[:, None] + np.prod(there[:, 2:] - there[:, :2], axis=1) - shared
        )
        found = int(((shared / union).max(axis=0, initial=0) >= 0.5).sum())
        hits, wrong, missed = hits + found, wrong + len(seen) - found, missed + len(there) - found
    return 2 * hits / (2 * hits + wrong + missed)
