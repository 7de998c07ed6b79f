from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bensmot_miniature import write_miniature
from spoken import clip_of, interaction, said, small_world, standing

from semantic.bensmot.annotations import read_annotations
from semantic.evaluation.lists import Record
from semantic.evaluation.matching import Rule
from semantic.evaluation.profiles import CAPTIONS, CHOTA, OPEN, ORACLE, PROFILES, SUMMARIES, Evaluation, evaluate
from sushi_lg.errors import ConfigError

RULES = list(Rule)


def score(predictions: list[Record], truth: list[Record], profile: str, rule: Rule = Rule.argmax) -> Evaluation:
    return evaluate(predictions, truth, profile, rule, draws=20, java=False)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_perfect_prediction_has_an_f1_of_1_and_a_cider_of_10(profile: str, rule: Rule, no_wordnet: None) -> None:
    records = small_world(4)
    found = score(records, records, profile, rule)
    for title in (CAPTIONS, SUMMARIES):
        assert found.blocks[title].value("CIDEr") == pytest.approx(10.0)
    for title in (ORACLE, OPEN):
        values = {measure.name: measure.value for measure in found.blocks[title].measures}
        assert {round(value, 12) for value in values.values() if not np.isnan(value)} == {1.0}
    assert found.blocks[CHOTA].value("DetA") == found.blocks[CHOTA].value("AssA") == 1.0


def test_a_single_clip_has_a_summary_cider_of_0_as_published(no_wordnet: None) -> None:
    records = small_world(1)
    assert score(records, records, "bensmot-ref").blocks[SUMMARIES].value("CIDEr") == 0.0


@pytest.mark.parametrize("profile", PROFILES)
def test_the_miniature_with_all_its_faults_describes_itself(profile: str, tmp_path: Path, no_wordnet: None) -> None:
    records = list(read_annotations(write_miniature(tmp_path)).pairs)
    found = score(records, records, profile)
    assert found.blocks[ORACLE].value("F1") == found.blocks[OPEN].value("F1") == 1.0
    assert found.blocks[CAPTIONS].value("CIDEr") == pytest.approx(10.0)


def test_a_label_annotated_in_a_faulty_spelling_cannot_be_met_in_slots_but_by_name(no_wordnet: None) -> None:
    records = small_world(2)  # the second has simle.v.01
    predicted = [
        (clip, replace(s, interactions=tuple(replace(each, source="mllm", raw="") for each in s.interactions)))
        for clip, s in records
    ]
    assert score(predicted, records, "bensmot-ref").blocks[ORACLE].value("F1") == pytest.approx(10 / 12)
    assert score(predicted, records, "coco").blocks[ORACLE].value("F1") == 1.0


def test_profiles_have_no_caption_score_under_one_name_but_cider(no_wordnet: None) -> None:
    records = small_world(2)
    names = [
        {measure.name for measure in score(records, records, profile).blocks[CAPTIONS].measures} for profile in PROFILES
    ]
    assert names[0] & names[1] == {"CIDEr", "METEOR-es"}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_order_of_clips_changes_nothing(profile: str, no_wordnet: None) -> None:
    truth = small_world(4)
    predictions = [(clip, replace(truth[k - 1][1], clip=clip.name)) for k, (clip, _) in enumerate(truth)]
    one = score(predictions, truth, profile).to_json()
    assert one == score(predictions[::-1], truth[::-1], profile).to_json()


@pytest.mark.parametrize("profile", PROFILES)
def test_worse_is_scored_worse(profile: str, no_wordnet: None) -> None:
    truth = small_world(4)
    silent = [(clip, said(clip.name, {})) for clip, _ in truth]
    constant = [
        (
            clip,
            said(
                clip.name,
                {1: "A man walks.", 2: "A man walks."},
                [interaction(1, 2, "talk.v.01", source="rules"), interaction(1, 3, "talk.v.01", source="rules")],
                "People meet.",
            ),
        )
        for clip, _ in truth
    ]
    results = [score(each, truth, profile, Rule.gt) for each in (silent, constant, truth)]
    for title, name in ((CAPTIONS, "CIDEr"), (SUMMARIES, "CIDEr"), (ORACLE, "F1"), (OPEN, "F1"), (CHOTA, "CHOTA2")):
        worst, middle, best = (found.blocks[title].value(name) for found in results)
        assert worst == 0.0 <= middle < best
    assert results[1].blocks[ORACLE].value("P") == 1.0 > results[1].blocks[OPEN].value("P")


def test_people_nobody_found_cost_nothing_under_argmax_and_much_one_to_one(no_wordnet: None) -> None:
    truth = small_world(4)
    half = [
        (
            clip_of(clip.name, clip.tracks[:1]),
            said(clip.name, {1: semantics.captions[0].text}, summary=semantics.summary_text),
        )
        for clip, semantics in truth
    ]
    free, dear = (score(half, truth, "bensmot-ref", rule) for rule in (Rule.argmax, Rule.hungarian))
    assert free.blocks[CAPTIONS].value("ROUGE") == 1.0 and dear.blocks[CAPTIONS].value("ROUGE") == 0.5
    assert free.coverage.found_share == 0.5
    assert any("4 of 8 people found (50.0%)" in note for note in free.notes())


def test_notes_name_clips_without_results_or_annotations(no_wordnet: None) -> None:
    records = small_world(9)
    found = score([records[0]], records[:8], "bensmot-ref")
    assert any("scored as empty: 7: street/clip_1" in note and "2 more" in note for note in found.notes())
    found = score(records, records[:8], "bensmot-ref")
    assert any("not scored: 1: street/clip_8" in note for note in found.notes())


def test_json_is_json_and_has_every_number(no_wordnet: None) -> None:
    records = small_world(3)
    found = score(records, records, "coco")
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["scores"][ORACLE]["F1"] == 1.0 and content["scores"][ORACLE]["intervals"]["F1"] == [1.0, 1.0]
    assert content["scores"][OPEN]["mAP"] is None  # no label is there five times
    assert content["labels"]["talk.v.01"] == {"items": 3, "AP": 1.0}
    assert content["coverage"]["clips"] == 3 and content["tracks"] == "argmax"


def test_tables_have_equal_columns_and_intervals_only_where_they_are_drawn(no_wordnet: None) -> None:
    records = small_world(3)
    for draws, rows in ((20, 4), (0, 2)):
        tables = evaluate(records, records, "coco", Rule.gt, draws=draws, java=False).tables()
        assert [len(table) for table in tables] == [rows, rows // 2, rows // 2, rows // 2]
        assert all(list(row) == list(table[0]) for table in tables for row in table)


def test_an_interval_holds_the_value(no_wordnet: None) -> None:
    truth = small_world(8)
    predictions = [(clip, replace(truth[k // 2][1], clip=clip.name)) for k, (clip, _) in enumerate(truth)]
    found = evaluate(predictions, truth, "bensmot-ref", Rule.gt, draws=300)
    drawn = [(block.value(name), one) for block in found.blocks.values() for name, one in block.intervals.items()]
    assert len(drawn) == 21
    assert all(one.low - 1e-9 <= value <= one.high + 1e-9 for value, one in drawn)
    assert any(one.low < one.high for _, one in drawn)


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ConfigError, match="bensmot-ref, coco"):
        evaluate(small_world(1), small_world(1), "bleu", Rule.gt)


def test_people_of_the_other_profile_count_in_coco(no_wordnet: None) -> None:
    people = [standing(1, 10), standing(2, 200)]
    truth = [(clip_of("a/b", people), said("a/b", {1: "A man."}, [interaction(1, 2, "push.v.01")], "A push."))]
    assert score(truth, truth, "coco").blocks[ORACLE].items == 1
    assert score(truth, truth, "bensmot-ref").blocks[ORACLE].items == 0  # person 2 has no caption


def test_results_of_other_pictures_are_said_to_be_so(no_wordnet: None) -> None:
    records = small_world(3)
    clip, semantics = records[0]
    longer = replace(clip, length=2 * clip.length, sizes=np.tile(clip.sizes, (2, 1)))
    said_so = "another number of frames than are annotated: 1;"
    found = score([(longer, semantics), *records[1:]], records, "bensmot-ref")
    assert found.coverage.clips_of_other_length == 0, "annotations without pictures end with their last box"
    assert any(said_so in note for note in score(records, [(longer, semantics), *records[1:]], "coco").notes())
    pictured = replace(clip, stems=tuple(f"{k:03d}" for k in range(clip.length)))
    found = score([(longer, semantics), *records[1:]], [(pictured, semantics), *records[1:]], "coco")
    assert any(said_so in note for note in found.notes())
    assert score([(pictured, semantics)], [(pictured, semantics)], "coco").coverage.clips_of_other_length == 0
