from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bensmot_miniature import CAPTIONS, FIRST, INTERACTIONS, SECOND, THIRD, write_miniature
from sklearn.metrics import f1_score

from semantic.bensmot.annotations import read_annotations
from semantic.bensmot.exporters import (
    Record,
    annotation_vector,
    prediction_vector,
    write_chota,
    write_combined,
    write_mot_results,
    write_mot_truth,
    write_reference_results,
)
from semantic.bensmot.vocabulary import canonical, raw_slot
from semantic.evaluation.lists import collect
from semantic.evaluation.matching import Rule
from semantic.evaluation.profiles import ORACLE, evaluate
from semantic.evaluation.reference_files import score_reference_files
from semantic.structures import Interaction, Sentence
from sushi_lg.data.bensmot import read_combined_files
from sushi_lg.errors import DataError


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return list(read_annotations(write_miniature(tmp_path / "data")).pairs)


def _renumbered(record: Record, by: int) -> Record:
    """The same clip and words, with other track ids."""
    clip, said = record
    tracks = tuple(replace(track, track_id=track.track_id + by) for track in clip.tracks)
    captions = tuple(replace(one, track_id=one.track_id + by) for one in said.captions)
    found = tuple(replace(one, active=one.active + by, passive=one.passive + by) for one in said.interactions)
    return replace(clip, tracks=tracks), replace(said, captions=captions, interactions=found)


def test_trackeval_scores_the_files_of_the_truth_as_perfect(tmp_path: Path, records: list[Record]) -> None:
    trackeval = pytest.importorskip("trackeval")
    clips = [clip for clip, _ in records]
    truth = write_mot_truth(tmp_path / "gt", clips)
    results = write_mot_results(tmp_path / "trackers", [_renumbered(record, 10)[0] for record in records])
    rows = (results / f"{FIRST}.txt").read_text().splitlines()
    # pictures 1, 2, 4, 6, 7 are frames 1 to 5
    assert sorted({int(row.split(",")[0]) for row in rows}) == [1, 2, 3, 4, 5]
    assert rows[0] == "1,11,11.00,11.00,30.00,80.00,1,-1,-1,-1"
    assert "seqLength=5" in (truth / FIRST / "seqinfo.ini").read_text()
    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(tmp_path / "gt"),
            "TRACKERS_FOLDER": str(tmp_path / "trackers"),
            "BENCHMARK": "BenSMOT",
            "SPLIT_TO_EVAL": "val",
            "TRACKERS_TO_EVAL": ["sushi_lg"],
            "PRINT_CONFIG": False,
        }
    )
    names = dataset.get_eval_info()[1]
    assert sorted(names) == sorted([FIRST, SECOND, THIRD])
    for name in names:
        data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("sushi_lg", name), "pedestrian")
        assert np.allclose(trackeval.metrics.HOTA().eval_sequence(data)["HOTA"], 1)


def test_combined_files_have_the_ids_of_the_results(tmp_path: Path, records: list[Record]) -> None:
    paths = write_combined(tmp_path / "out", [_renumbered(record, 10) for record in records])
    assert [path.name for path in paths] == ["instance_caption.json", "video_summary.json", "relation.json"]
    read = read_combined_files(tmp_path / "out")
    assert read.captions == {
        name: {str(one + 10): text for one, text in texts.items()} for name, texts in CAPTIONS.items()
    }
    assert read.relations is not None and set(read.relations) == {FIRST, SECOND}
    meant = {
        name: {
            (int(pair.split("-")[0]) - 10, int(pair.split("-")[1]) - 10, label)
            for pair, labels in pairs.items()  # type: ignore[attr-defined]
            for raw in labels
            for label in canonical(raw)
        }
        for name, pairs in read.relations.items()
    }
    assert meant == INTERACTIONS


def test_the_released_script_finds_nothing_wrong_with_the_truth(tmp_path: Path, records: list[Record]) -> None:
    # right spellings throughout, because predictions never use the faulty ones
    records = [
        (clip, replace(said, interactions=tuple(replace(one, raw="") for one in said.interactions)))
        for clip, said in records
    ]
    lists = collect([_renumbered(record, 10) for record in records], records, Rule.argmax)
    read = [json.loads(path.read_text()) for path in write_reference_results(tmp_path, lists)]
    for found in read:
        assert found["preds"] == found["gts"] and found["preds"]
    summary, caption, relation = read
    assert len(summary["preds"]) == 3 and len(caption["preds"]) == 5
    assert [len(vector) for vector in relation["preds"]] == [360] * 4  # two directions in two clips
    assert sum(map(sum, relation["gts"])) == sum(map(len, INTERACTIONS.values()))


def _interaction(label: str, probability: float = 1.0, raw: str = "", source: str = "annotation") -> Interaction:
    return Interaction(1, 2, label, probability, 0, 0, source, raw=raw)


def test_vectors() -> None:
    said = [_interaction("smile.v.01", 0.8), _interaction("accept.v.01", 0.3), _interaction("smile.v.01", 0.5)]
    vector = prediction_vector(said)
    assert {slot: value for slot, value in enumerate(vector) if value} == {
        raw_slot("smile.v.01"): 0.8,
        raw_slot("accept.v.0"): 0.3,  # a name that is never spelt right
    }
    spread = prediction_vector(said, spread=True)
    assert {slot for slot, value in enumerate(spread) if value == 0.8} == {
        raw_slot(raw) for raw in ("smile.v.01", "simle.v.01", "smile.0.01", "smile.01", "smlie.v.01")
    }
    truth = annotation_vector([_interaction("smile.v.01", raw="smlie.v.01"), _interaction("talk.v.01")])
    assert [slot for slot, value in enumerate(truth) if value] == sorted([raw_slot("smlie.v.01"), 325])
    # a joined spelling is two interactions here and one slot there
    joined = [_interaction(label, raw="smile.v.01ook.v.01") for label in ("smile.v.01", "look.v.01")]
    assert sum(annotation_vector(joined)) == 1
    assert prediction_vector([]) == annotation_vector([]) == [0] * 360


def test_chota(tmp_path: Path, records: list[Record]) -> None:
    results = [_renumbered(record, 10) for record in records if record[0].name != SECOND]
    truth_path, results_path = write_chota(tmp_path, results, records)
    truth, predicted = json.loads(truth_path.read_text()), json.loads(results_path.read_text())
    assert [video["file_name"] for video in truth["videos"]] == sorted([FIRST, SECOND, THIRD])
    assert len(truth["images"]) == 5 + 4 + 3 and [image["id"] for image in truth["images"]] == list(range(1, 13))
    video_of = {image["id"]: image["video_id"] for image in truth["images"]}
    name_of = {video["id"]: video["file_name"] for video in truth["videos"]}
    captions = {(name_of[video_of[box["image_id"]]], box["track_id"], box["caption"]) for box in truth["annotations"]}
    assert captions == {(name, one, text) for name, texts in CAPTIONS.items() for one, text in texts.items()} | {
        (SECOND, 5, "")
    }
    # what is predicted has the boxes of the truth, other ids, and nothing of the clip without results
    boxes = {
        (box["image_id"], box["track_id"] + 10, *box["bbox"])
        for box in truth["annotations"]
        if name_of[video_of[box["image_id"]]] != SECOND
    }
    assert {(box["image_id"], box["track_id"], *box["bbox"]) for box in predicted} == boxes
    assert truth["annotations"][0]["area"] == pytest.approx(np.prod(truth["annotations"][0]["bbox"][2:]))
    assert all(box["score"] == 1 for box in predicted)


def test_what_does_not_belong_together_is_refused(tmp_path: Path, records: list[Record]) -> None:
    with pytest.raises(DataError, match="results without annotations"):
        write_chota(tmp_path, records, records[:1])
    with pytest.raises(DataError, match="twice in the results"):
        write_chota(tmp_path, [*records, records[0]], records)
    clip, said = records[0]
    shorter = replace(clip, length=1, sizes=clip.sizes[:1], tracks=(), stems=clip.stems[:1])
    with pytest.raises(DataError, match=f"{clip.length} frames in the results, 1 annotated"):
        write_chota(tmp_path, [records[0]], [(shorter, said)])
    for name in ("../x", "a//b", "/a", "a\\b"):
        with pytest.raises(DataError, match="not a name of a file"):
            write_mot_results(tmp_path, [replace(clip, name=name)])
        with pytest.raises(DataError, match="not a name of a file"):
            write_mot_truth(tmp_path, [replace(clip, name=name)])
    assert not list(tmp_path.glob("x*"))


def test_a_clip_without_people(tmp_path: Path, records: list[Record]) -> None:
    clip, said = records[0]
    empty = replace(clip, tracks=()), replace(said, captions=(), interactions=(), summary=())
    assert (write_mot_results(tmp_path, [empty[0]]) / f"{clip.name}.txt").read_text() == ""
    assert json.loads(write_chota(tmp_path, [empty], records)[1].read_text()) == []
    assert json.loads(write_combined(tmp_path, [empty])[0].read_text()) == {clip.name: {}}


def test_the_files_score_what_the_records_score(tmp_path: Path, records: list[Record]) -> None:
    draw = np.random.default_rng(3)
    results = []
    for clip, said in records:
        kept = [replace(one, raw="", source="rules", probability=float(draw.random())) for one in said.interactions]
        wrong = [replace(one, label="kiss.v.02", probability=0.9) for one in kept[:1]]
        captions = tuple(
            replace(one, sentences=(replace(one.sentences[0], text=one.text.split(",")[0] + " quickly."),))
            for one in said.captions
        )
        results.append((clip, replace(said, interactions=(*kept, *wrong), captions=captions)))
    expected = evaluate(results, records, "bensmot-ref", Rule.argmax, draws=0)
    write_reference_results(tmp_path, collect(results, records, Rule.argmax, as_released=True))
    found = score_reference_files(tmp_path)
    for title, block in found.items():
        for measure in block.measures:
            assert measure.value == pytest.approx(expected.blocks[title].value(measure.name), abs=1e-9, nan_ok=True)
    relation = json.loads((tmp_path / "relation_results.json").read_text())
    said_to_hold = np.array(relation["preds"]) > 0.4
    assert found[ORACLE].value("F1") == pytest.approx(f1_score(relation["gts"], said_to_hold, average="micro"))
    assert 0 < found[ORACLE].value("F1") < 1


def test_what_a_model_wrote_for_a_label_is_no_label(tmp_path: Path, records: list[Record]) -> None:
    clip, said = next(record for record in records if record[1].interactions)
    one = replace(said.interactions[0], source="mllm", label="talk.v.01", raw="<b>chats to")
    paths = write_combined(tmp_path, [(clip, replace(said, interactions=(one,)))])
    assert json.loads(paths[2].read_text())[clip.name] == {f"{one.active}-{one.passive}": ["talk.v.01"]}


def test_half_a_surrogate_pair_is_written_as_a_question_mark(tmp_path: Path, records: list[Record]) -> None:
    clip, said = records[0]
    odd = clip, replace(said, summary=(Sentence("odd \ud83d end", (), 0, 0),))
    assert json.loads(write_combined(tmp_path, [odd])[1].read_text())[clip.name] == "odd ? end"
    assert "odd ? end" in write_chota(tmp_path, [odd], [odd])[0].read_text()


def test_a_name_with_a_line_break_is_refused(tmp_path: Path, records: list[Record]) -> None:
    for name in ("a/b\n[Other]", "../x", "/x", "C:/x"):
        with pytest.raises(DataError, match="not a name of a file"):
            write_mot_truth(tmp_path / "out", [replace(records[0][0], name=name)])
    assert not list(tmp_path.glob("out/**/*.*"))
