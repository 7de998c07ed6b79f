"""Models of open_clip, where it is installed (not in the usual environment: it brings torchvision)."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sushi_lg.errors import WeightsError
from sushi_lg.language.text_encoder import load_text_encoder

try:
    import open_clip
except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch fails with a RuntimeError
    open_clip = None
    _WHY = f"open_clip cannot be imported ({error}): python -m pip install torch torchvision open_clip_torch"

needs_open_clip = pytest.mark.skipif(open_clip is None, reason="" if open_clip else _WHY)

NAME = "tiny-for-tests"
CONFIG = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
SENTENCES = ["A person in red.", "A person wearing a blue shirt, carrying a bag.", "A person", "The same person."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as the hub has them, made known by name too."""
    folder = tmp_path_factory.mktemp("open_clip") / "tiny"
    folder.mkdir()
    (folder.parent / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder.parent / f"{NAME}.json")
    torch.manual_seed(0)
    model = open_clip.create_model(NAME)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    state = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    torch.save(state, folder.parent / "weights.pt")
    return folder


def _said(folder: Path, sentences: list[str]) -> np.ndarray:
    model = open_clip.create_model(NAME, pretrained=str(folder / "open_clip_model.safetensors")).eval()
    with torch.no_grad():
        return model.encode_text(open_clip.get_tokenizer(NAME)(sentences), normalize=True).numpy()


@needs_open_clip
def test_equals_what_open_clip_says(folder: Path) -> None:
    by_folder = load_text_encoder(f"open_clip:{folder}")
    by_file = load_text_encoder(f"open_clip:{NAME}={folder / 'open_clip_model.safetensors'}")
    by_pickle = load_text_encoder(f"open_clip:{NAME}={folder.parent / 'weights.pt'}")
    expected = _said(folder, SENTENCES)
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    for encoder in (by_folder, by_file, by_pickle):
        vectors = encoder.encode([*SENTENCES, SENTENCES[1]])
        np.testing.assert_allclose(vectors[:4], expected, atol=1e-6)
        np.testing.assert_array_equal(vectors[4], vectors[1])
        np.testing.assert_array_equal(encoder.encode(SENTENCES[2:3])[0], vectors[2])
        assert encoder.dim == 12
        assert not any(parameter.requires_grad for parameter in encoder._network.parameters())
    assert by_folder.name == "open_clip_tiny"
    assert by_file.name == f"open_clip_{NAME}_open_clip_model"
    assert by_file.fingerprint() != by_pickle.fingerprint()  # other files, though of the same numbers


@needs_open_clip
def test_long_sentences_are_cut_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = load_text_encoder(f"open_clip:{folder}")
    with caplog.at_level(logging.WARNING):
        encoder.encode(["red " * 17])
        assert not caplog.records
        encoder.encode(["red " * 30])
    assert "1 sentences have more than 20 tokens and are cut" in caplog.text


@needs_open_clip
def test_a_tag_on_this_machine_is_not_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    top = tmp_path / "models--someone--tiny"
    (top / "refs").mkdir(parents=True)
    (top / "refs" / "main").write_text("0" * 40)
    snapshot = top / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    tags = {"first": {"hf_hub": "someone/tiny/"}, "second": {"hf_hub": "someone/other/"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, NAME, tags)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (snapshot / "open_clip_model.safetensors").symlink_to(folder / "open_clip_model.safetensors")
    encoder = load_text_encoder(f"open_clip:{NAME}")
    assert encoder.name == f"open_clip_{NAME}_first"
    np.testing.assert_allclose(encoder.encode(SENTENCES), _said(folder, SENTENCES), atol=1e-6)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE") as caught:
        load_text_encoder(f"open_clip:{NAME}@second")
    assert "someone/other" in str(caught.value)
    with pytest.raises(WeightsError, match="no weights 'third'") as caught:
        load_text_encoder(f"open_clip:{NAME}@third")
    assert "first, second" in str(caught.value)
    (snapshot / "open_clip_config.json").symlink_to(folder / "open_clip_config.json")
    by_hub = load_text_encoder("open_clip:hf-hub:someone/tiny")
    np.testing.assert_array_equal(by_hub.encode(SENTENCES), encoder.encode(SENTENCES))


@needs_open_clip
def test_weights_that_want_another_activation_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # open_clip itself only warns; the vectors would be subtly wrong
    plain = load_text_encoder(f"open_clip:{NAME}={folder / 'open_clip_model.safetensors'}").encode(SENTENCES)
    for quick in (False, True):
        file = str(folder / "open_clip_model.safetensors")
        tags = {"openai": {"file": file, "hf_hub": "", "url": "", "quick_gelu": quick}}
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, NAME, tags)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        vectors = load_text_encoder(f"open_clip:{NAME}@openai").encode(SENTENCES)
        assert bool(np.abs(vectors - plain).max() > 1e-5) is quick


@needs_open_clip
def test_what_will_not_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="did you mean ViT-B-32"):
        load_text_encoder("open_clip:ViT-B-33")
    with pytest.raises(WeightsError, match="no such file"):
        load_text_encoder(f"open_clip:{NAME}={tmp_path / 'none.safetensors'}")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_text_encoder(f"open_clip:ViT-S-32={folder / 'open_clip_model.safetensors'}")
    with pytest.raises(WeightsError, match="no published weights"):
        load_text_encoder(f"open_clip:{NAME}")
    with pytest.raises(WeightsError, match=r"no open_clip_config\.json"):
        load_text_encoder(f"open_clip:{tmp_path}")


@pytest.mark.skipif(open_clip is not None, reason="open_clip is installed")
def test_without_open_clip_the_remedy_is_named() -> None:
    with pytest.raises(WeightsError, match="open_clip cannot be imported") as caught:
        load_text_encoder("open_clip:ViT-B-32")
    assert '"sushi-lg[language]"' in str(caught.value)
