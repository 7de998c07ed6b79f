from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spoken import CANDIDATES, REFERENCES

from semantic.evaluation.captions import TextPair, coco_measures, raw_measures
from semantic.evaluation.measures import Measure

WORDS = "a the man woman red blue coat talks to and holds , .".split()
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


def pairs_of(candidates: tuple[str, ...], references: tuple[str, ...]) -> list[TextPair]:
    return [TextPair(number, *texts) for number, texts in enumerate(zip(candidates, references, strict=True))]


def values(measures: list[Measure]) -> dict[str, float]:
    return {measure.name: measure.value for measure in measures}


def test_golden_values_of_the_released_script(no_wordnet: None) -> None:
    found = values(raw_measures(pairs_of(CANDIDATES, REFERENCES), 3))
    del found["METEOR-es"]
    expected = {"BLEU4c": 0.5969, "BLEU4w": 0.1952, "ROUGE": 0.5488, "CIDEr": 2.8990}
    assert {name: round(value, 4) for name, value in found.items()} == expected


def test_golden_value_of_meteor_in_nltk(wordnet: object) -> None:
    assert round(values(raw_measures(pairs_of(CANDIDATES, REFERENCES), 3))["METEOR-nltk"], 4) == 0.6087


def test_golden_values_of_coco(no_wordnet: None) -> None:
    found = values(coco_measures(pairs_of(CANDIDATES, REFERENCES), 3, java=False))
    del found["METEOR-es"]
    expected = {"BLEU1": 0.6222, "BLEU2": 0.5271, "BLEU3": 0.4376, "BLEU4": 0.3368, "ROUGE-L": 0.6825, "CIDEr": 4.0294}
    assert {name: round(value, 4) for name, value in found.items()} == expected


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java")
def test_golden_value_of_meteor_in_java() -> None:
    found = {measure.name: measure for measure in coco_measures(pairs_of(CANDIDATES, REFERENCES), 3)}
    assert round(found["METEOR-java"].value, 4) == 0.3537
    assert not {"METEOR-nltk", "METEOR-es"} & set(found)  # one kind a table


def test_letters_of_either_case_differ_in_the_released_script_only(no_wordnet: None) -> None:
    capitals = tuple(text.upper() for text in REFERENCES)
    assert values(raw_measures(pairs_of(capitals, REFERENCES), 3))["ROUGE"] < 0.2
    assert values(coco_measures(pairs_of(capitals, REFERENCES), 3, java=False))["ROUGE-L"] == 1.0


@pytest.mark.parametrize(("count", "expected"), [(1, 0.0), (2, 10.0), (3, 10.0)])
def test_the_same_texts_have_a_cider_of_10_but_a_single_pair_has_none(
    count: int, expected: float, no_wordnet: None
) -> None:
    pairs = pairs_of(REFERENCES[:count], REFERENCES[:count])
    for measures in (raw_measures(pairs, count), coco_measures(pairs, count, java=False)):
        found = values(measures)
        assert found["CIDEr"] == pytest.approx(expected)
        assert found["BLEU4c" if "BLEU4c" in found else "BLEU4"] == pytest.approx(1.0)


def test_nothing_said_scores_nothing(no_wordnet: None) -> None:
    pairs = pairs_of(("", "", ""), REFERENCES)
    for measures in (raw_measures(pairs, 3), coco_measures(pairs, 3, java=False)):
        assert all(value == pytest.approx(0.0, abs=1e-4) for value in values(measures).values())


def test_nothing_to_compare_is_no_number(no_wordnet: None) -> None:
    for measures in (raw_measures([], 2), coco_measures([], 2, java=False)):
        assert np.isnan([measure.value for measure in measures]).all()


def test_references_without_words_score_nothing(no_wordnet: None) -> None:
    found = values(coco_measures([TextPair(0, "a man", "..."), TextPair(0, "a man", "!")], 1, java=False))
    assert found["CIDEr"] == found["ROUGE-L"] == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, st.integers(0, 3)), min_size=1, max_size=8))
@example([(",", ",", 0)])
def test_sums_of_clips_make_the_values_of_the_programs(rows: list[tuple[str, str, int]]) -> None:
    pairs = [TextPair(clip, candidate, reference) for candidate, reference, clip in rows]
    for measure in [*raw_measures(pairs, 4), *coco_measures(pairs, 4, java=False)]:
        assert measure.sums is not None and measure.formula is not None
        assert measure.sums.shape[0] == 4
        [value] = measure.formula(measure.sums.sum(axis=0, keepdims=True))
        expected = measure.value
        if measure.name.startswith("BLEU") and expected < 1e-30:  # NLTK's smallest float instead of 0
            # no number where no reference has a word: such draws are left out of intervals
            assert value < 1e-30 or (np.isnan(value) and measure.sums[:, -1].sum() == 0)
        elif np.isnan(value):  # references without a word after tokenising: nothing to measure
            assert expected == pytest.approx(0.0, abs=1e-4)
        else:
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-12), measure.name


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=6), st.randoms())
def test_the_order_of_pairs_does_not_matter(texts: list[tuple[str, str]], random: object) -> None:
    pairs = [TextPair(0, *each) for each in texts]
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for score in (raw_measures, lambda rows, n: coco_measures(rows, n, java=False)):
        one, other = values(score(pairs, 1)), values(score(shuffled, 1))
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)


def test_synonyms_need_wordnet(wordnet: object) -> None:
    pair = [TextPair(0, "the boy buys a car", "the boy purchases an auto")]
    with_synonyms = values(raw_measures(pair, 1))["METEOR-nltk"]
    assert with_synonyms == pytest.approx(0.6 * (1 - 0.5 * (2 / 3) ** 3))  # 3 of 5 words, in two runs


def test_without_wordnet_meteor_has_another_name_and_says_how_to_get_it(
    no_wordnet: None, caplog: pytest.LogCaptureFixture
) -> None:
    found = values(raw_measures([TextPair(0, "the boy buys a car", "the boy purchases an auto")], 1))
    assert "METEOR-nltk" not in found
    assert found["METEOR-es"] == pytest.approx(0.4 * (1 - 0.5 * (1 / 2) ** 3))  # "the boy" alone
    assert "make wordnet" in caplog.text


def test_a_thousand_captions_take_seconds(no_wordnet: None) -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=35)) for _ in range(1000)]
    began = time.process_time()
    raw_measures([TextPair(k % 100, texts[k], texts[-k]) for k in range(len(texts))], 100)
    assert time.process_time() - began < 20
