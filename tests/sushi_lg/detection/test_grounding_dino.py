"""Grounding DINO through transformers' own classes, on a tiny network with random weights saved to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

import transformers

from sushi_lg.data.models import FoundModel, model_card
from sushi_lg.detection.grounding_dino import (
    GroundingDino,
    GroundingDinoSettings,
    normalise_prompt,
    phrase_scores,
    phrases_of_tokens,
)
from sushi_lg.detection.registry import load_detector
from sushi_lg.errors import ConfigError, WeightsError

_WORDS = ("person", "car", "black", "shirt")
# places the network's code expects these tokens at
_SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a hub model is one, a few hundred kilobytes."""
    folder = tmp_path_factory.mktemp("models") / "grounding-dino-tiny"
    folder.mkdir()
    vocabulary = [_SPECIAL.get(i, f"[unused{i}]") for i in range(1030)] + list(_WORDS)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    torch.manual_seed(0)
    backbone = transformers.SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        image_size=64,
        out_features=["stage2", "stage3", "stage4"],
    )
    text = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        num_queries=20,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        d_model=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_text_len=16,
    )
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    image_processor = _image_processor()
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    transformers.GroundingDinoProcessor(image_processor, tokenizer).save_pretrained(folder)
    return folder


def _image_processor() -> object:
    # the one of the two back ends that needs no torchvision
    return transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})


def _picture(seed: int = 0, height: int = 120, width: int = 160) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_equals_what_transformers_does_itself(folder: Path) -> None:
    prompt = "person. black shirt."
    settings = GroundingDinoSettings(prompt="Person.  black SHIRT ", min_score=0.0, max_iou=1.0)
    detector = GroundingDino(FoundModel(model_card("grounding_dino_tiny"), folder), settings)
    picture = _picture()
    ours = detector.detect([detector.prepare(picture)])[0]
    processor = transformers.GroundingDinoProcessor(
        _image_processor(), transformers.BertTokenizer(str(folder / "vocab.txt"))
    )
    network = transformers.GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    given = processor(images=np.ascontiguousarray(picture[:, :, ::-1]), text=prompt, return_tensors="pt")
    with torch.no_grad():
        output = network(**given)
    # transformers scores dots and ends of the text as well; leave only the words in
    output.logits[..., [0, 2, 5, 6]] = -torch.inf
    theirs = processor.post_process_grounded_object_detection(
        output, given["input_ids"], threshold=0.0, text_threshold=0.0, target_sizes=[picture.shape[:2]]
    )[0]
    order = theirs["scores"].sort(descending=True, stable=True).indices
    np.testing.assert_allclose(ours.score, theirs["scores"][order], rtol=1e-5)
    np.testing.assert_allclose(ours.boxes_xyxy, theirs["boxes"][order], rtol=1e-4, atol=1e-3)


def test_a_batch_of_pictures_of_two_sizes(folder: Path) -> None:
    detector = load_detector(folder, prompt="person", min_score=0.0)
    pictures = [_picture(1), _picture(2, 160, 120), _picture(3)]
    together = detector.detect([detector.prepare(one) for one in pictures])
    for picture, found in zip(pictures, together, strict=True):
        alone = detector.detect([detector.prepare(picture)])[0]
        np.testing.assert_allclose(found.score, alone.score, rtol=1e-4)
        np.testing.assert_allclose(found.boxes_xyxy, alone.boxes_xyxy, rtol=1e-3, atol=0.05)
        assert (np.diff(found.score) <= 0).all()
    assert detector.detect([]) == []


def test_thresholds_and_fingerprint(folder: Path) -> None:
    every = load_detector(folder, min_score=0.0)
    scores = every.detect([every.prepare(_picture())])[0].score
    limit = float(np.median(scores))
    some = load_detector(folder, min_score=limit)
    assert (some.detect([some.prepare(_picture())])[0].score >= np.float32(limit)).all()
    assert some.name == "grounding_dino_tiny"
    assert load_detector(folder, prompt="a car.").name == "grounding_dino_tiny_a_car"
    kinds = [every, some, load_detector(folder, prompt="car", min_score=0.0)]
    assert len({one.fingerprint() for one in kinds}) == 3
    assert every.fingerprint() == load_detector(folder, min_score=0.0).fingerprint()


def test_prompts() -> None:
    assert normalise_prompt(" A  Person") == "a person."
    assert normalise_prompt("person . Car.") == "person. car."
    with pytest.raises(ConfigError, match="has no words"):
        normalise_prompt(" . ")


def test_phrases_and_their_scores() -> None:
    # [CLS] person . black shirt . [SEP]
    phrase = phrases_of_tokens([101, 7, 1012, 8, 9, 1012, 102], {101, 102, 1012})
    assert phrase.tolist() == [-1, 0, -1, 1, 1, -1, -1]
    probability = torch.tensor([[0.9, 0.2, 0.9, 0.6, 0.1, 0.9, 0.9, 0.9], [0.0, 0.3, 0.0, 0.5, 0.4, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(phrase_scores(probability, phrase, 0.0), torch.tensor([0.6, 0.5]))
    # the first query shows black, but no shirt
    torch.testing.assert_close(phrase_scores(probability, phrase, 0.2), torch.tensor([0.2, 0.5]))


def test_what_is_wrong_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="tokens, the network takes 16"):
        load_detector(folder, prompt="person car " * 10)
    with pytest.raises(ConfigError, match="min_score 2 is not in"):
        load_detector(folder, min_score=2)
    found = FoundModel(model_card("grounding_dino_tiny"), folder)
    with pytest.raises(ConfigError, match="dtype 'float8' is unknown"):
        GroundingDino(found, GroundingDinoSettings(dtype="float8"))
    empty = tmp_path / "grounding-dino-tiny"
    empty.mkdir()
    (empty / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"no model.safetensors\n.*hf download IDEA-Research/grounding-dino-tiny"):
        load_detector(empty)
    (empty / "model.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="not a Grounding DINO that transformers can load"):
        load_detector(empty)


def test_absent_weights_get_an_instruction_without_asking_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SUSHI_LG_MODELS", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(WeightsError, match=r"(?s)not on this machine.*hf download.*SUSHI_LG_MODELS"):
        load_detector("grounding_dino_base")
