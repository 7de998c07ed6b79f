from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from people import person_crop

from sushi_lg.errors import ConfigError, WeightsError
from sushi_lg.language import attributes
from sushi_lg.language.attributes import (
    OPENVINO_FILE,
    clear_side,
    describer_names,
    discriminability,
    load_describer,
    register_describer,
    sentence_of,
)
from sushi_lg.language.descriptions import Description
from sushi_lg.language.views import PersonViews, View


def _person(*clothes: tuple[str, str]) -> PersonViews:
    looks = [View(frame, person_crop(*worn, seed=frame), 0.5) for frame, worn in enumerate(clothes)]
    return PersonViews("s", 3, tuple(looks))


@pytest.mark.parametrize(
    ("upper", "lower"), [("red", "black"), ("white", "blue"), ("green", "grey"), ("black", "beige")]
)
def test_rules_name_the_clothes(upper: str, lower: str) -> None:
    said = load_describer("rules").describe(_person(*[(upper, lower)] * 3))
    assert said is not None
    assert (said.seq, said.track_id, said.keyframes) == ("s", 3, (0, 1, 2))
    assert said.attributes == {"upper": upper, "lower": lower}
    assert said.sentence == f"A person wearing a {upper} top and {lower} bottoms."


def test_views_that_disagree_are_not_spoken_of() -> None:
    said = load_describer("rules").describe(
        _person(("red", "black"), ("green", "black"), ("white", "black"), ("blue", "black"))
    )
    assert said is not None and said.attributes == {"lower": "black"}
    assert load_describer("rules").describe(PersonViews("s", 3, ())) is None


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({}, "A person."),
        ({"sex": "female", "hair": "long"}, "A woman with long hair."),
        (
            {"sex": "male", "hair": "short", "upper": "orange", "lower": "blue", "legs": "long", "carried": "backpack"},
            "A man with short hair, wearing an orange top and blue trousers, carrying a backpack.",
        ),
        ({"lower": "beige", "legs": "short"}, "A person wearing beige shorts or a skirt."),
        ({"legs": "long"}, "A person wearing long trousers."),
        (
            {"upper": "red", "lower": "black", "shoes": "white", "accessory": "hat"},
            "A person wearing a red top, black bottoms, white shoes and a hat.",
        ),
    ],
)
def test_sentences(known: dict[str, str], sentence: str) -> None:
    assert sentence_of(known) == sentence


def test_a_side_is_clear_where_mean_and_views_agree() -> None:
    equal = np.ones(4)
    assert clear_side(np.array([0.9, 0.9, 0.8, 0.7]), equal, 0.65, 0.25) is True
    assert clear_side(np.array([0.1, 0.0, 0.1, 0.2]), equal, 0.65, 0.25) is False
    assert clear_side(np.array([0.6, 0.6, 0.6, 0.6]), equal, 0.65, 0.25) is None
    assert clear_side(np.array([1.0, 1.0, 0.4, 0.4]), equal, 0.65, 0.25) is None  # two of four
    assert clear_side(np.array([1.0, 1.0, 0.4, 0.4]), np.array([4.0, 4.0, 1.0, 1.0]), 0.65, 0.25) is True


def test_discriminability_counts_whom_the_words_do_not_fit() -> None:
    mine = {"upper": "red", "lower": "black"}
    others = [{"upper": "red"}, {"upper": "red", "lower": "blue"}, {"upper": "green"}, {}]
    assert discriminability(mine, others) == 0.5
    assert discriminability(mine, []) == 1.0


def test_an_unknown_describer_says_which_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"no describer 'rule'.*(\n.*)*did you mean rules\? there are openvino, rules"
    ):
        load_describer("rule")


@pytest.fixture
def registered() -> Iterator[None]:
    class Says:
        name = "says"

        def fingerprint(self) -> str:
            return "1"

        def describe(self, person: PersonViews) -> Description | None:
            return Description(seq=person.sequence, track_id=person.track_id, sentence="Somebody.")

    register_describer("says", lambda _: Says())
    yield
    del attributes._DESCRIBERS["says"]


@pytest.mark.usefixtures("registered")
def test_another_package_can_bring_a_describer() -> None:
    assert "says" in describer_names()
    said = load_describer("says").describe(_person())
    assert said is not None and said.sentence == "Somebody."
    with pytest.raises(ValueError, match="already"):
        register_describer("says", lambda _: load_describer("rules"))


def test_without_the_package_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(WeightsError) as caught:
        load_describer("openvino")
    assert "needs the package openvino" in caught.value.message
    assert "sushi-lg[attributes]" in str(caught.value.remedy)


def test_without_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="extra attributes is not installed")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"{OPENVINO_FILE}: not below the folders of SUSHI_LG_MODELS"):
        load_describer("openvino")
    with pytest.raises(WeightsError, match="no such file"):
        load_describer("openvino", weights=tmp_path / "x.xml")


def _write_network(folder: Path, probabilities: list[float], outputs: tuple[str, ...] = ("453", "456", "459")) -> Path:
    """Write a network that always says this, and points at the upper and the lower clothes."""
    openvino = pytest.importorskip("openvino", reason="extra attributes is not installed")
    ops = openvino.opset8
    picture = ops.parameter([1, 3, 160, 80], np.float32, name="data")
    # so that the picture is part of the graph
    nothing = ops.multiply(ops.reduce_mean(picture, [1, 2, 3], keep_dims=False), np.float32(0))
    results = []
    for name, values in zip(outputs, (probabilities, [0.5, 0.3], [0.5, 0.7]), strict=False):
        answer = ops.add(ops.constant(np.array(values, np.float32)), nothing)
        answer.output(0).get_tensor().set_names({name})
        results.append(ops.result(answer))
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Model(results, [picture]), folder / OPENVINO_FILE, compress_to_fp16=False)
    return folder / OPENVINO_FILE


def test_a_network_is_found_asked_and_quoted_where_it_is_sure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_network(tmp_path / "deep" / "down", [0.1, 0.9, 0.95, 0.9, 0.9, 0.9, 0.5, 0.9])
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path))
    describer = load_describer("openvino")
    said = describer.describe(_person(("red", "blue"), ("red", "blue")))
    assert said is not None
    expected = {"sex": "female", "legs": "long", "carried": "backpack", "upper": "red", "lower": "blue"}
    assert said.attributes == expected  # hair is unclear; bag, hat, sleeves and coat are never said
    assert said.sentence == "A woman wearing a red top and blue trousers, carrying a backpack."
    other = _write_network(tmp_path / "other", [0.2] * 8)
    assert load_describer("openvino", weights=other).fingerprint() != describer.fingerprint()


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = _write_network(tmp_path, [0.5] * 8, outputs=("453", "456"))
    with pytest.raises(WeightsError, match="not the network"):
        load_describer("openvino", weights=path)


def test_the_real_network(shared_data: Path) -> None:
    pytest.importorskip("openvino", reason="extra attributes is not installed")
    path = shared_data / "weights" / "attributes" / OPENVINO_FILE
    if not path.is_file():
        pytest.skip(f"no {path}")
    said = load_describer("openvino", weights=path.parent).describe(_person(("red", "blue"), ("red", "blue")))
    assert said is not None and said.attributes["upper"] == "red" and said.attributes["lower"] == "blue"
