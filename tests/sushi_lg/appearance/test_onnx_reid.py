"""Re-identification networks in ONNX: what they are fed, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_onnx import write_table_network

from sushi_lg.appearance.onnx_reid import OnnxEmbedder
from sushi_lg.data.models import InputSpec, ModelCard
from sushi_lg.detection.onnx_network import OnnxNetwork
from sushi_lg.errors import WeightsError

RGB = InputSpec(size=(8, 4), colour="RGB", mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0), layout="NCHW")
BGR = InputSpec(size=(8, 4), colour="BGR", layout="NHWC")
CARD = ModelCard("toy", "embedder", "onnx_reid", "toy.onnx", "made here", "none", RGB)


class Toy:
    """Answers with the mean of each channel, and remembers what it was fed."""

    def __init__(self, input_shape: tuple[int | None, ...], width: int = 3) -> None:
        self.input_shape = input_shape
        self.output_shapes: dict[str, tuple[int | None, ...]] = {"out": (input_shape[0], width)}
        self.batches: list[np.ndarray] = []

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(batch)
        return {"out": batch.mean(axis=(2, 3) if self.input_shape[1] == 3 else (1, 2))}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.onnx"
    path.write_bytes(b"weights")
    return path


def crops(count: int) -> np.ndarray:
    result = np.empty((count, 8, 4, 3), np.uint8)
    result[..., 0], result[..., 1], result[..., 2] = 100, 150, 200  # blue, green, red
    return result


def test_channels_first_red_first_normalised(file: Path) -> None:
    toy = Toy((None, 3, 8, 4))
    vectors = OnnxEmbedder(CARD, file, network=toy).embed(crops(2))
    np.testing.assert_allclose(vectors, [[(200 - 10) / 2, (150 - 20) / 4, (100 - 30) / 5]] * 2)
    assert toy.batches[0].dtype == np.float32
    assert toy.batches[0].flags.c_contiguous


def test_channels_last_blue_first_as_they_are(file: Path) -> None:
    toy = Toy((1, 8, 4, 3))
    embedder = OnnxEmbedder(replace(CARD, input=BGR), file, network=toy)
    np.testing.assert_allclose(embedder.embed(crops(3)), [[100, 150, 200]] * 3)
    assert [len(batch) for batch in toy.batches] == [1, 1, 1]
    assert embedder.batch_size == 1


def test_large_sets_are_split_into_batches(file: Path) -> None:
    toy = Toy((None, 3, 8, 4))
    embedder = OnnxEmbedder(CARD, file, network=toy)
    assert embedder.embed(crops(70)).shape == (70, 3)
    assert [len(batch) for batch in toy.batches] == [32, 32, 6]
    assert embedder.embed(crops(0)).shape == (0, 3)


def test_a_crop_has_the_size_of_the_card_or_of_the_file(file: Path) -> None:
    picture = np.zeros((50, 50, 3), np.uint8)
    box = np.array([[0, 0, 20, 40]], np.float32)
    assert OnnxEmbedder(CARD, file, network=Toy((None, 3, 8, 4))).crop(picture, box).shape == (1, 8, 4, 3)
    free = replace(CARD, input=replace(RGB, size=None))
    assert OnnxEmbedder(free, file, network=Toy((None, 3, 16, 6))).crop(picture, box).shape == (1, 16, 6, 3)


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        ((None, 3, 16, 4), (8, 4), r"input of shape \[None, 3, 16, 4\], the card of toy says \['any', 3, 8, 4\]"),
        ((None, 8, 4, 3), (8, 4), "input of shape"),
        ((None, 3), (8, 4), "input of shape"),
        ((None, 3, None, None), None, "neither the file nor the card"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    file: Path, shape: tuple[int | None, ...], size: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        OnnxEmbedder(replace(CARD, input=replace(RGB, size=size)), file, network=Toy(shape))


def test_outputs_that_are_no_vectors_are_refused(file: Path) -> None:
    toy = Toy((None, 3, 8, 4))
    toy.output_shapes = {"map": (None, 3, 2, 2)}
    with pytest.raises(WeightsError, match=r"outputs map \[None, 3, 2, 2\]"):
        OnnxEmbedder(CARD, file, network=toy)
    with pytest.raises(WeightsError, match="does not say what goes in"):
        OnnxEmbedder(replace(CARD, input=None), file, network=Toy((None, 3, 8, 4)))
    with pytest.raises(WeightsError, match="fit: letterbox, but crops are stretched"):
        OnnxEmbedder(replace(CARD, input=replace(RGB, fit="letterbox")), file, network=Toy((None, 3, 8, 4)))


def test_a_file_of_a_fixed_batch(tmp_path: Path) -> None:
    """The last crops are fewer than the file takes."""
    pytest.importorskip("onnxruntime")
    path = tmp_path / "fixed.onnx"
    write_table_network(path, np.zeros((1, 1), np.float32), (4, 3, 8, 4))
    pictures = np.arange(6, dtype=np.float32)[:, None, None, None] * np.ones((1, 3, 8, 4), np.float32)
    (found,) = OnnxNetwork(path).run(pictures).values()
    assert found.ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_the_fingerprint_follows_weights_and_settings(file: Path, tmp_path: Path) -> None:
    def fingerprint(path: Path = file, spec: InputSpec = RGB) -> str:
        return OnnxEmbedder(replace(CARD, input=spec), path, network=Toy((None, 3, 8, 4))).fingerprint()

    other = tmp_path / "other.onnx"
    other.write_bytes(b"other weights")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(file.read_bytes())
    assert fingerprint() == fingerprint(copy)
    assert len({fingerprint(), fingerprint(other), fingerprint(spec=replace(RGB, mean=(0.0, 0.0, 0.0)))}) == 3
