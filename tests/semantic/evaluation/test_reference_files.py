from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nltk.translate.bleu_score import corpus_bleu
from nltk.translate.meteor_score import meteor_score
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from spoken import CANDIDATES, REFERENCES, interaction, small_world

from semantic.bensmot.exporters import write_reference_results
from semantic.evaluation.lists import collect
from semantic.evaluation.matching import Rule
from semantic.evaluation.profiles import CAPTIONS, ORACLE, SUMMARIES, evaluate
from semantic.evaluation.reference_files import score_reference_files
from sushi_lg.errors import DataError


def write(folder: Path, **contents: object) -> Path:
    vectors = {"preds": [], "gts": []}
    for name, content in {"summary": vectors, "caption": vectors, "relation": vectors, **contents}.items():
        (folder / f"{name}_results.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def slots(*numbers: int, value: float = 1.0) -> list[float]:
    return [value if slot in numbers else 0.0 for slot in range(360)]


def test_golden_values(tmp_path: Path, wordnet: object) -> None:
    texts = {"preds": CANDIDATES, "gts": REFERENCES}
    relations = {
        "preds": [slots(5, value=0.41), slots(5, 8, value=0.9), slots(1, value=0.4)],
        "gts": [slots(5, 7), slots(5), slots(9, 10)],
    }
    found = score_reference_files(write(tmp_path, summary=texts, caption=texts, relation=relations))
    for title in (CAPTIONS, SUMMARIES):
        values = {measure.name: round(measure.value, 4) for measure in found[title].measures}
        expected = {"BLEU4c": 0.5969, "BLEU4w": 0.1952, "ROUGE": 0.5488, "CIDEr": 2.8990, "METEOR-nltk": 0.6087}
        assert values == expected
    values = {measure.name: round(measure.value, 4) for measure in found[ORACLE].measures}
    assert values == {"P": 0.6667, "R": 0.4, "F1": 0.5, "exact": 0.0}


@pytest.mark.parametrize("rule", list(Rule))
def test_files_score_as_the_records_they_were_written_from(rule: Rule, tmp_path: Path, no_wordnet: None) -> None:
    truth = small_world(5)
    predictions = []
    for number, (clip, _) in enumerate(truth[:-1]):
        other = truth[number + 1][1]
        relations = [
            interaction(1, 2, "talk.v.01", 0.3 + 0.1 * number, source="mllm"),
            interaction(1, 2, "smile.v.01", 0.9, source="mllm"),
            interaction(2, 1, "accept.v.01", 0.8, source="mllm"),  # has no slot in its right spelling
            interaction(2, 1, "smile.v.01", 0.7, source="mllm"),
        ]
        predictions.append((clip, replace(other, clip=clip.name, interactions=tuple(relations))))
    write_reference_results(tmp_path, collect(predictions, truth, rule, as_released=True))
    files = score_reference_files(tmp_path)
    direct = evaluate(predictions, truth, "bensmot-ref", rule, draws=0).blocks
    for title in (CAPTIONS, SUMMARIES, ORACLE):
        assert files[title].items == direct[title].items > 0
        expected = {measure.name: measure.value for measure in direct[title].measures}
        assert {measure.name: measure.value for measure in files[title].measures} == expected
    assert 0 < files[ORACLE].value("F1") < 1


def test_files_of_a_perfect_prediction_are_perfect_faulty_spellings_included(tmp_path: Path, no_wordnet: None) -> None:
    records = small_world(4)
    write_reference_results(tmp_path, collect(records, records, Rule.argmax, as_released=True))
    found = score_reference_files(tmp_path)
    assert found[ORACLE].value("F1") == found[ORACLE].value("exact") == 1.0
    assert found[CAPTIONS].value("CIDEr") == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"caption": {"preds": ["a"], "gts": []}}, "1 preds, 0 gts"),
        ({"caption": {"preds": ["a"]}}, "preds or gts is missing"),
        ({"caption": ["a"]}, "preds or gts is missing"),
        ({"caption": {"preds": ["a", 3], "gts": ["a", "b"]}}, "row 1 is no text"),
        ({"relation": {"preds": [[0.0] * 359], "gts": [[0] * 359]}}, "359 numbers, not 360"),
        ({"relation": {"preds": [[10**400] * 360], "gts": [[0] * 360]}}, "not vectors of numbers"),
        ({"relation": {"preds": [["x"] * 360], "gts": [[0] * 360]}}, "not vectors of numbers"),
        ({"relation": {"preds": [[0.0] * 360, [0.0]], "gts": [[0] * 360] * 2}}, "not vectors of numbers"),
    ],
)
def test_a_broken_file_is_named(contents: dict[str, object], message: str, tmp_path: Path, no_wordnet: None) -> None:
    with pytest.raises(DataError, match=message) as caught:
        score_reference_files(write(tmp_path, **contents))
    assert f"{next(iter(contents))}_results.json" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="caption_results"):
        score_reference_files(tmp_path)
    write(tmp_path)
    for text in ("{", "[" * 200_000):
        (tmp_path / "summary_results.json").write_text(text)
        with pytest.raises(DataError, match="no JSON"):
            score_reference_files(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # that four in a row never match
def test_values_are_those_of_the_programs_the_script_calls_to_the_last_digit(tmp_path: Path, wordnet: object) -> None:
    random = np.random.default_rng(3)
    words = "A man woman in red, blue shirt. holds  looks the talks, to smiles and".split(" ")
    preds, gts = ([" ".join(random.choice(words, size=size)) for size in random.integers(2, 25, 40)] for _ in range(2))
    said, true = random.random((60, 360)) ** 30, (random.random((60, 360)) < 0.01).astype(int)
    relation = {"preds": said.tolist(), "gts": true.tolist()}
    texts = {"preds": preds, "gts": gts}
    found = score_reference_files(write(tmp_path, summary=texts, caption=texts, relation=relation))
    meteor = 0.0
    for ours, theirs in zip(preds, gts, strict=True):
        reference, candidate = (text.replace(",", "").replace(".", "").split(" ") for text in (theirs, ours))
        meteor += meteor_score([reference], candidate, wordnet=wordnet)
    ours_by_number, theirs_by_number = ({number: [text] for number, text in enumerate(each)} for each in (preds, gts))
    expected = {
        "BLEU4c": corpus_bleu([[text] for text in gts], preds),
        "BLEU4w": corpus_bleu([[text.split(" ")] for text in gts], [text.split(" ") for text in preds]),
        "METEOR-nltk": meteor / len(preds),
        "ROUGE": Rouge().compute_score(theirs_by_number, ours_by_number)[0],
        "CIDEr": Cider().compute_score(theirs_by_number, ours_by_number)[0],
    }
    assert {measure.name: measure.value for measure in found[CAPTIONS].measures} == expected
    vectors = [[1 if value > 0.4 else 0 for value in row] for row in relation["preds"]]
    functions = {"P": precision_score, "R": recall_score, "F1": f1_score}
    scores = {name: function(relation["gts"], vectors, average="micro") for name, function in functions.items()}
    scores["exact"] = accuracy_score(relation["gts"], vectors)
    assert {measure.name: measure.value for measure in found[ORACLE].measures} == scores
