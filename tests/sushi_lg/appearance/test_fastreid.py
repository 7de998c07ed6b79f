"""Checkpoints of fast-reid: both generations of names, conversion, and the embedder made of it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.fastreid_recipe import tensor
from pretend_gpu import some_gpu
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sushi_lg.appearance.fastreid import FastReidEmbedder, canonical, convert_fastreid, looks_like_fastreid
from sushi_lg.appearance.fastreid_network import Architecture, FastReidNetwork, recognise
from sushi_lg.appearance.registry import load_embedder
from sushi_lg.appearance.torch_runtime import limited_threads
from sushi_lg.cli.app import main
from sushi_lg.errors import WeightsError

ARCHITECTURE = Architecture(False, (3, 4, 6, 3), True, (0, 0, 0, 0), False)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A checkpoint's tensors under the names of fast-reid 1.x, with what training adds."""
    with torch.device("meta"):
        names = FastReidNetwork(ARCHITECTURE).state_dict()
    made = {
        key: torch.tensor(7) if key.endswith("tracked") else torch.from_numpy(tensor(key, tuple(value.shape)))
        for key, value in names.items()
        if not key.startswith("pixel_")
    }
    return {**made, "heads.weight": torch.zeros(5, 2048)}


@pytest.fixture(scope="module")
def released(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as release v0.1.1 wrote them: older names, pixel statistics inside, a wrapper around."""
    renamed = {
        key.replace("heads.bottleneck.0.", "heads.bnneck.").replace("heads.weight", "heads.classifier.weight"): value
        for key, value in state.items()
    }
    renamed["pixel_mean"] = torch.tensor([120.0, 115.0, 100.0]).view(1, 3, 1, 1)
    renamed["pixel_std"] = torch.tensor([58.0, 57.0, 56.0]).view(1, 3, 1, 1)
    path = tmp_path_factory.mktemp("released") / "msmt_bot_R50-ibn.pth"
    torch.save({"model": renamed, "iteration": 3}, path)
    return path


@pytest.fixture(scope="module")
def converted(released: Path) -> Path:
    return convert_fastreid(released, released.with_suffix(".safetensors")).path


def test_both_generations_of_names_give_the_same_tensors(state: dict[str, Tensor], converted: Path) -> None:
    tensors, ignored = canonical(state)
    with safe_open(converted, framework="pt") as file:
        assert set(file.keys()) == set(tensors)
        assert torch.equal(file.get_tensor("heads.bottleneck.0.running_var"), tensors["heads.bottleneck.0.running_var"])
        assert file.get_tensor("pixel_mean").flatten().tolist() == [120.0, 115.0, 100.0]
        header = json.loads(file.metadata()["sushi_lg"])
    assert tensors["pixel_mean"].flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert "heads.weight" in ignored
    assert all(key == "heads.weight" or key.endswith("num_batches_tracked") for key in ignored)
    assert header["source"] == "msmt_bot_R50-ibn.pth"
    assert header["crop_size"] == [256, 128]


def test_a_file_gets_the_crop_size_of_its_card_unless_told(released: Path, tmp_path: Path) -> None:
    sbs = tmp_path / "msmt_sbs_R50.pth"
    sbs.write_bytes(released.read_bytes())
    assert convert_fastreid(sbs, tmp_path / "a.safetensors").crop_size == (384, 128)
    assert convert_fastreid(sbs, tmp_path / "b.safetensors", (64, 32)).crop_size == (64, 32)
    assert FastReidEmbedder(tmp_path / "b.safetensors").crop(
        np.zeros((90, 90, 3), np.uint8), np.array([[-5, 0, 30, 60]], np.float32)
    ).shape == (1, 64, 32, 3)


def test_the_embedder_is_the_network_on_red_first_pixels(converted: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 32, 3), dtype=np.uint8)
    embedder = FastReidEmbedder(converted)
    with safe_open(converted, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    network = FastReidNetwork(recognise(tensors)).eval()
    network.load_state_dict(tensors, strict=False)
    pixels = torch.from_numpy(crops[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = network(pixels).numpy()
    vectors = embedder.embed(crops)
    assert vectors.shape == (3, embedder.dim) == (3, 2048)
    assert np.abs(vectors - expected).max() <= 1e-4 * np.abs(expected).max()
    alone = np.concatenate([embedder.embed(crops[i : i + 1]) for i in range(3)])
    np.testing.assert_array_equal(vectors, alone)  # to the bit, or a resumed run would differ
    assert embedder.embed(crops[:0]).shape == (0, 2048)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), limited_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_fingerprint_follows_weights_and_crop_size(released: Path, converted: Path, tmp_path: Path) -> None:
    smaller = convert_fastreid(released, tmp_path / "smaller.safetensors", (128, 64)).path
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(converted.read_bytes())
    prints = [FastReidEmbedder(path).fingerprint() for path in (converted, copy, smaller)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("remove", "add", "message"),
    [
        (["backbone.layer2.1.bn2.bias"], {}, "1 tensors do not fit: backbone.layer2.1.bn2.bias: missing"),
        ([], {"heads.extra": torch.zeros(3)}, "heads.extra: unknown"),
        ([], {"backbone.bn1.weight": torch.zeros(63)}, r"backbone.bn1.weight: shape \[63\], expected \[64\]"),
        ([], {"backbone.bn1.weight": torch.full((64,), torch.nan)}, "backbone.bn1.weight: not finite"),
        (["backbone.layer3.5"], {}, r"\(3, 4, 5, 3\) blocks"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_named(
    state: dict[str, Tensor], tmp_path: Path, remove: list[str], add: dict[str, Tensor], message: str
) -> None:
    zero = torch.zeros(())  # one number stands for all in a file, so that it is written fast
    kept = {k: zero.expand(v.shape) for k, v in state.items() if not any(k.startswith(prefix) for prefix in remove)}
    torch.save({**kept, **add}, tmp_path / "broken.pth")
    with pytest.raises(WeightsError, match=rf"broken\.pth: .*{message}"):
        convert_fastreid(tmp_path / "broken.pth", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


class Evil:
    """Runs code when unpickled without care."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("code of a checkpoint ran",))


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": Evil()}, protocol=2))
    with pytest.raises(WeightsError, match=r"evil\.pth: not a checkpoint that can be read without running code"):
        convert_fastreid(tmp_path / "evil.pth", tmp_path / "out.safetensors")


def test_what_was_not_converted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("nothing")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        FastReidEmbedder(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="not weights of fast-reid converted here") as caught:
        FastReidEmbedder(tmp_path / "other.safetensors")
    assert "other.converted.safetensors" in str(caught.value)
    header = json.dumps({"kind": "fastreid", "format_version": 99, "crop_size": [2, 2]})
    save_file({"a": torch.zeros(1)}, tmp_path / "new.safetensors", metadata={"sushi_lg": header})
    with pytest.raises(WeightsError, match="another version"):
        FastReidEmbedder(tmp_path / "new.safetensors")


def test_devices_are_checked(converted: Path) -> None:
    with pytest.raises(WeightsError, match="'gpu' is unknown"):
        FastReidEmbedder(converted, device="gpu")
    with pytest.raises(WeightsError, match="'cuda:99'"):
        FastReidEmbedder(converted, device="cuda:99")


def test_one_knows_its_own(state: dict[str, Tensor]) -> None:
    assert looks_like_fastreid(state)
    assert not looks_like_fastreid({"layers.0.MPNet.edge_model.edge_mlp.0.weight": torch.zeros(1)})


def run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return int(caught.value.code or 0)


def test_the_command_line_converts_and_the_result_embeds(
    state: dict[str, Tensor], released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "msmt_bot_R50-ibn.pth"
    file.write_bytes(released.read_bytes())
    with pytest.raises(WeightsError, match="converted once before use") as caught:
        load_embedder(file)
    command = str(caught.value).split("fix: ")[1].split()
    assert run(command[1:]) == 0  # what the message says to type, without the program's name
    said = capsys.readouterr().out
    assert "ResNet-50, IBN-a, average pooling; crops of 256x128" in said
    counters = sum(key.endswith("num_batches_tracked") for key in state)
    assert f"heads.classifier.weight, {counters} counters of batches" in said
    for name in (file, file.with_suffix(".safetensors")):
        embedder = load_embedder(name)
        assert embedder.name == "fastreid_msmt_bot_R50-ibn"
        assert embedder.dim == 2048


@pytest.mark.parametrize("size", ["256", "0x128", "256x128x3", "ax4"])
def test_a_wrong_crop_size_is_refused(released: Path, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import-checkpoint", str(released), "--crop-size", size]) == 4
    assert "256x128" in capsys.readouterr().err


@pytest.mark.gpu
def test_bfloat16_on_cuda_is_close_to_the_cpu(converted: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (5, 256, 128, 3), dtype=np.uint8)
    cpu = FastReidEmbedder(converted, device="cpu").embed(crops)
    with some_gpu():
        cuda = FastReidEmbedder(converted, device="cuda").embed(crops)
    cosine = (cpu * cuda).sum(axis=1) / np.linalg.norm(cpu, axis=1) / np.linalg.norm(cuda, axis=1)
    assert cosine.min() > 0.99
