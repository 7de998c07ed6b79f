"""CLIP and SigLIP of transformers: equal to what the whole models say, whole or not, on the hub or in a folder."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not installed")

import huggingface_hub
import transformers
from safetensors.torch import load_file, save_file
from tiny_text_models import SENTENCES, save_clip, save_sentence_encoder, save_tokenizer

from sushi_lg.errors import WeightsError
from sushi_lg.language.text_encoder import load_text_encoder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and a hub that must not be asked."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return folder


def _put(cache: Path, hub_id: str) -> Path:
    """Return the folder in which the hub's client keeps a model, made as it makes it."""
    top = cache / f"models--{hub_id.replace('/', '--')}"
    (top / "refs").mkdir(parents=True)
    (top / "refs" / "main").write_text("0" * 40)
    snapshot = top / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    return snapshot


@pytest.mark.parametrize(("kind", "masked"), [("clip", True), ("siglip", False), ("siglip2", True), ("siglip2", False)])
def test_equals_what_the_whole_model_says(tmp_path: Path, kind: str, masked: bool) -> None:
    model = save_clip(tmp_path, kind=kind, masked=masked)
    encoder = load_text_encoder(f"transformers:{tmp_path}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    padding = {"padding": True} if kind == "clip" else {"padding": "max_length", "max_length": 20}
    with torch.no_grad():
        said = model.get_text_features(**tokenizer(list(SENTENCES), **padding, truncation=True, return_tensors="pt"))
        expected = torch.nn.functional.normalize(said.pooler_output, dim=1).numpy()
    vectors = encoder.encode(SENTENCES)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(SENTENCES), encoder.dim)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01  # the sentences are told apart at all
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_the_text_tower_alone_will_do(tmp_path: Path, kind: str) -> None:
    save_clip(tmp_path / "whole", kind=kind)
    save_clip(tmp_path / "part", kind=kind, whole=False)
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    part = load_file(tmp_path / "part" / "model.safetensors")
    shared = {name: whole[name if name in whole else f"text_model.{name}"] for name in part}
    save_file(shared, tmp_path / "part" / "model.safetensors", {"format": "pt"})
    np.testing.assert_array_equal(
        load_text_encoder(f"transformers:{tmp_path / 'part'}").encode(SENTENCES),
        load_text_encoder(f"transformers:{tmp_path / 'whole'}").encode(SENTENCES),
    )


def test_a_vector_depends_on_its_sentence_alone(tmp_path: Path) -> None:
    save_clip(tmp_path)
    encoder = load_text_encoder(f"transformers:{tmp_path}")
    together = encoder.encode([*SENTENCES, *SENTENCES, *[f"{SENTENCES[0]} {'red ' * i}" for i in range(1, 15)]])
    for row, sentence in enumerate(SENTENCES):
        np.testing.assert_array_equal(encoder.encode([sentence])[0], together[row])
        np.testing.assert_array_equal(together[row + len(SENTENCES)], together[row])
    assert encoder.encode([]).shape == (0, 12)
    with pytest.raises(ValueError, match="sentence 1 is blank"):
        encoder.encode(["a person", " "])


def test_a_teacher_wants_no_gradient(tmp_path: Path) -> None:
    save_clip(tmp_path)
    encoder = load_text_encoder(f"transformers:{tmp_path}")
    parameters = list(encoder._network.parameters())
    assert parameters
    assert not any(parameter.requires_grad for parameter in parameters)
    assert not encoder._network.training


def test_long_sentences_are_cut_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_clip(tmp_path)
    encoder = load_text_encoder(f"transformers:{tmp_path}")
    just = "red " * 18  # with the two tokens around it, 20
    with caplog.at_level(logging.WARNING):
        fits = encoder.encode([just])
        assert not caplog.records
        cut = encoder.encode([f"{just} blue", "a person"])
    assert "1 sentences have more than 20 tokens and are cut, the first: 'red red" in caplog.text
    np.testing.assert_array_equal(cut[0], fits[0])


def test_fingerprint_and_name(tmp_path: Path) -> None:
    folder = tmp_path / "tiny clip"
    save_clip(folder)
    first = load_text_encoder(f"transformers:{folder}")
    assert first.name == "transformers_tiny_clip"
    shutil.copytree(folder, tmp_path / "copy")
    assert load_text_encoder(f"transformers:{tmp_path / 'copy'}").fingerprint() == first.fingerprint()
    (tmp_path / "copy" / "README.md").write_text("of no effect")
    assert load_text_encoder(f"transformers:{tmp_path / 'copy'}").fingerprint() == first.fingerprint()
    save_tokenizer(tmp_path / "copy", start=False)
    assert load_text_encoder(f"transformers:{tmp_path / 'copy'}").fingerprint() != first.fingerprint()


def test_the_copy_of_the_hub_is_used_without_asking(cache: Path) -> None:
    model = save_clip(_put(cache, "someone/tiny"))
    assert model.config.projection_dim == 12
    encoder = load_text_encoder("transformers:someone/tiny")
    assert encoder.name == "transformers_someone_tiny"
    assert encoder.encode(["a person"]).shape == (1, 12)


def test_what_is_not_here_is_not_fetched_offline(cache: Path) -> None:
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE") as caught:
        load_text_encoder("transformers:someone/other")
    assert "hf download someone/other" in str(caught.value)
    (_put(cache, "someone/half") / "config.json").write_text("{}")  # as a broken download leaves it
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        load_text_encoder("transformers:someone/half")


def test_the_hub_is_asked_last(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def snapshot(hub_id: str, *, local_files_only: bool = False, allow_patterns: list[str]) -> str:
        asked.append(local_files_only)
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not here")
        if hub_id == "someone/gated":
            raise RuntimeError("you have to accept the licence\nof this model")
        save_clip(tmp_path / "fetched")
        return str(tmp_path / "fetched")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert load_text_encoder("transformers:someone/tiny").dim == 12
    assert asked == [True, False]
    with pytest.raises(WeightsError, match="accept the licence"):
        load_text_encoder("transformers:someone/gated")


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such folder"):
        load_text_encoder(f"transformers:{tmp_path / 'nowhere'}")
    with pytest.raises(WeightsError, match=r"no config\.json"):
        load_text_encoder(f"transformers:{tmp_path}")
    save_sentence_encoder(tmp_path / "bert", {"pooling_mode": "mean"})
    with pytest.raises(WeightsError, match="type 'bert'") as caught:
        load_text_encoder(f"transformers:{tmp_path / 'bert'}")
    assert "sentence:FOLDER" in str(caught.value)


def test_no_weight_is_left_to_chance(tmp_path: Path) -> None:
    save_clip(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    lost = "text_model.encoder.layers.1.mlp.fc1.weight"
    save_file({k: v for k, v in tensors.items() if k != lost}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 weights missing .*\.layers\.1\.mlp\.fc1\.weight"):
        load_text_encoder(f"transformers:{tmp_path}")
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["hidden_size"] = 32
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError):
        load_text_encoder(f"transformers:{tmp_path}")


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    save_clip(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    with pytest.raises(WeightsError, match="tokenizer"):
        load_text_encoder(f"transformers:{tmp_path}")


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_clip(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(WeightsError, match="transformers cannot be imported") as caught:
        load_text_encoder(f"transformers:{tmp_path}")
    assert 'python -m pip install "sushi-lg[language]"' in str(caught.value)


@pytest.mark.parametrize("name", ["", "clip", "clip:x", "transformers:", "minilm:x"])
def test_unknown_names_show_the_known_forms(name: str) -> None:
    with pytest.raises(WeightsError, match="no text encoder") as caught:
        load_text_encoder(name)
    assert "open_clip:MODEL" in str(caught.value)


def test_unknown_devices(tmp_path: Path) -> None:
    save_clip(tmp_path)
    with pytest.raises(WeightsError, match="'tpu'"):
        load_text_encoder(f"transformers:{tmp_path}", "tpu")
