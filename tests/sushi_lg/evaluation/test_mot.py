"""Scores equal TrackEval's own numbers, whatever way the boxes come."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.layouts import LAYOUTS
from sushi_lg.data.mot_format import MotTable, read_table, write_results
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.splits import load_split
from sushi_lg.errors import DataError
from sushi_lg.evaluation.mot import COMBINED, TABLE_COLUMNS, combine, evaluate_in_memory, evaluate_sequences

SEQINFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=30\nseqLength=6\nimWidth=640\nimHeight=480\nimExt=.jpg\n"


def make_sequence(root: Path, rows: str, name: str = "a") -> Path:
    folder = root / name
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(SEQINFO.format(name=name))
    (folder / "gt" / "gt.txt").write_text(rows)
    return folder


def two_people(frames: range, suffix: str = "") -> str:
    return "".join(f"{f},{i},{100 * i + f},50,40,80,1{suffix}\n" for f in frames for i in (1, 2))


def truth_of(root: Path, rows: str, dataset: str) -> MotTable:
    return open_sequence(make_sequence(root, rows), LAYOUTS[dataset]).load_ground_truth()


def score(table: MotTable, truth: MotTable, dataset: str) -> dict[str, float | int]:
    boxes = table.boxes_ltwh - [1, 1, 0, 0]
    return evaluate_in_memory(truth, LAYOUTS[dataset], table.frame - 1, table.track_id, boxes, 6).values()


@pytest.mark.parametrize(
    ("split", "folder", "detailed"),
    [
        ("mot17-train", "mot17_train_mott", "pedestrian_detailed_7seq_derived.csv"),
        ("mot17-half-val", "mot17_half_val/sort", "pedestrian_detailed.csv"),  # renumbered views
    ],
)
def test_equals_the_reference_files(shared_data: Path, split: str, folder: str, detailed: str) -> None:
    results = shared_data / "reference_results" / folder
    sequences = load_split(split, shared_data / "mot")
    evaluated = evaluate_sequences([(s, results / "data" / f"{s.name}-FRCNN.txt") for s in sequences])
    with open(results / detailed, newline="") as handle:
        expected = {row["seq"].removesuffix("-FRCNN"): row for row in csv.DictReader(handle)}
    assert evaluated.combined is not None
    shown = {row["sequence"]: row for row in evaluated.table()}
    assert set(shown) == set(expected)
    for entry in [*evaluated.sequences, evaluated.combined]:
        values = entry.values()
        for key, text in expected[entry.name].items():
            if key in values:
                scale = 1 if isinstance(values[key], int) or key in ("FP_per_frame", "MOTP_sum") else 100
                assert values[key] == pytest.approx(scale * float(text), rel=1e-9), (entry.name, key)
            elif key.removesuffix("___AUC") in values:  # HOTA_TP and the like are matches a threshold: not shown
                name = key.removesuffix("___AUC")
                assert values[name] == pytest.approx(100 * float(text), rel=1e-9), (entry.name, key)
        for title, key in TABLE_COLUMNS.items():
            text = expected[entry.name].get(key) or expected[entry.name][f"{key}___AUC"]
            wanted = text if isinstance(values[key], int) else f"{100 * float(text):.3f}"
            assert float(shown[entry.name][title]) == float(wanted), (entry.name, title)


def test_scored_ground_truth_through_our_writer_is_exactly_100(shared_data: Path, tmp_path: Path) -> None:
    [sequence] = [s for s in load_split("mot17-half-val", shared_data / "mot") if s.name == "MOT17-09"]
    truth = sequence.load_ground_truth(rows="scored")
    path = tmp_path / "MOT17-09.txt"
    boxes = truth.boxes_ltwh - [1, 1, 0, 0]
    write_results(path, truth.frame - 1, truth.track_id, boxes, truth.confidence, decimals=None)
    row = evaluate_sequences([(sequence, path)]).table()[-1]
    assert {row[c] for c in ("HOTA", "DetA", "AssA", "LocA", "MOTA", "IDF1")} == {"100.000"}
    assert {row[c] for c in ("IDSW", "FP", "FN", "Frag")} == {"0"}


def test_distractors_are_neither_right_nor_wrong(tmp_path: Path) -> None:
    # person 2 is a static person (class 7): its result box disappears; person 3 a car (class 3): its box is wrong
    rows = "".join(
        f"{f},1,100,50,40,80,1,1,1\n{f},2,300,50,40,80,0,7,1\n{f},3,500,50,40,80,0,3,1\n" for f in range(1, 7)
    )
    truth = truth_of(tmp_path, rows, "MOT17")
    values = score(replace(truth, confidence=np.ones(18)), truth, "MOT17")
    assert (values["CLR_TP"], values["CLR_FP"], values["CLR_FN"]) == (6, 6, 0)
    assert (values["removed_results"], values["ignored_truth"]) == (6, 12)


@pytest.mark.parametrize("dataset", ["DanceTrack", "SportsMOT", "custom", "BenSMOT"])
def test_without_distractors_every_flagged_row_counts(tmp_path: Path, dataset: str) -> None:
    # SportsMOT numbers identities from 0; a class column may hold any number where classes mean nothing
    truth = truth_of(tmp_path, two_people(range(1, 7), ",4,1").replace(",2,2", ",0,2"), dataset)
    values = score(truth, truth, dataset)
    assert values["HOTA"] == 100 and values["GT_Dets"] == 12 and values["ignored_truth"] == 0


def test_flag_zero_is_ignored_in_mot15(tmp_path: Path) -> None:
    rows = two_people(range(1, 7), ",-1,-1,-1").replace("6,2,206,50,40,80,1", "6,2,206,50,40,80,0")
    truth = truth_of(tmp_path, rows, "MOT15")
    values = score(truth, truth, "MOT15")
    # MOT15 has no distractor rule: the box over the ignored row is a false positive
    assert (values["CLR_TP"], values["CLR_FP"], values["ignored_truth"]) == (11, 1, 1)


def test_huge_ids_need_no_huge_memory(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, two_people(range(1, 7)), "custom")
    values = score(replace(truth, track_id=truth.track_id + 2**60), truth, "custom")
    assert values["IDF1"] == 100


def test_no_result_is_a_result(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, two_people(range(1, 7)), "custom")
    values = score(truth.select(np.zeros(12, dtype=bool)), truth, "custom")
    assert (values["HOTA"], values["MOTA"], values["CLR_FN"], values["IDs"]) == (0, 0, 12, 0)


def test_same_id_twice_stops_before_metrics(tmp_path: Path) -> None:
    sequence = open_sequence(make_sequence(tmp_path, two_people(range(1, 7))))
    results = tmp_path / "a.txt"
    results.write_text("1,1,5,5,9,9,1,-1,-1,-1\n1,1,50,5,9,9,1,-1,-1,-1\n")
    with pytest.raises(DataError, match=r"a\.txt:2"):
        evaluate_sequences([(sequence, results)])
    with pytest.raises(DataError, match="frame 1: id 7 occurs twice"):
        evaluate_in_memory(
            sequence.load_ground_truth(), LAYOUTS["custom"], [0, 0], [7, 7], [[0, 0, 1, 1], [2, 2, 1, 1]], 6
        )
    with pytest.raises(DataError, match="frame 7 of 6"):
        evaluate_in_memory(sequence.load_ground_truth(), LAYOUTS["custom"], [6], [7], [[0, 0, 1, 1]], 6)


def test_without_ground_truth(tmp_path: Path) -> None:
    sequence = open_sequence(make_sequence(tmp_path, ""))
    results = tmp_path / "a.txt"
    results.write_text("1,1,5,5,9,9,1,-1,-1,-1\n")
    evaluated = evaluate_sequences([(sequence, results)])
    assert evaluated.without_ground_truth == ["a"] and evaluated.combined is None and evaluated.table() == []
    assert evaluated.to_json()["combined"] is None


def test_combined_is_not_a_mean_of_sequences(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, two_people(range(1, 7)), "custom")
    few = read_table(tmp_path / "a" / "gt" / "gt.txt", "ground_truth").select(np.arange(2))
    layout = LAYOUTS["custom"]
    boxes = truth.boxes_ltwh - [1, 1, 0, 0]
    perfect = evaluate_in_memory(truth, layout, truth.frame - 1, truth.track_id, boxes, 6, name="all")
    nothing = evaluate_in_memory(few, layout, [], [], [], 6, name="none")
    combined = combine([perfect, nothing]).combined
    assert combined is not None and combined.name == COMBINED
    assert combined.values()["CLR_Re"] == pytest.approx(100 * 12 / 14)
    assert combined.values()["GT_IDs"] == 4
