"""What is packed scores what it should: the truth through our writer and our archive is exactly right."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.cli.app import main
from sushi_lg.data.mot_format import read_table, write_results
from sushi_lg.data.sequence import write_seqinfo
from sushi_lg.data.splits import load_split
from sushi_lg.evaluation.mot import COMBINED, evaluate_sequences
from sushi_lg.submission.archive import read_archive, write_archive
from sushi_lg.submission.pack import pack, validate
from sushi_lg.submission.profile import load_profile
from sushi_lg.submission.score import score_archive

METRICS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "IDF1")
LENGTH = 60


def dataset(root: Path) -> Path:
    """MOT20 with ground truth of one training sequence: five people who walk with steps of their own, a car."""
    folder = root / "MOT20" / "train" / "MOT20-01"
    (folder / "gt").mkdir(parents=True)
    write_seqinfo(
        folder / "seqinfo.ini", name="MOT20-01", image_folder="img1", frame_rate=25, length=429, size=(640, 480)
    )
    rng = np.random.default_rng(3)
    rows = []
    for person in range(1, 7):
        place = rng.uniform(50, 400, 2) + np.cumsum(rng.normal(0, 9, (LENGTH, 2)) + rng.normal(0, 5, 2), axis=0)
        kind = 3 if person == 6 else 1
        rows += [f"{f + 1},{person},{x:.2f},{y:.2f},30.5,71.25,1,{kind},1\n" for f, (x, y) in enumerate(place)]
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    return root


def archive(path: Path, text: bytes) -> Path:
    row = b"1,1,10,10,20,40,0.9,-1,-1,-1\n"
    names = load_profile("mot20").sequences()
    write_archive(path, {f"{name}.txt": text if name == "MOT20-01" else row for name in names})
    return path


def as_results(data: Path, tmp_path: Path, shift: int = 0) -> bytes:
    """The scored ground truth as our writer writes it."""
    truth = read_table(data / "MOT20/train/MOT20-01/gt/gt.txt", "ground_truth")
    truth = truth.select(truth.category == 1)
    boxes = truth.boxes_ltwh - [1, 1, 0, 0]
    write_results(tmp_path / "truth.txt", truth.frame - 1 + shift, truth.track_id, boxes, truth.confidence)
    return (tmp_path / "truth.txt").read_bytes()


def test_truth_through_writer_archive_and_reader_is_exactly_right(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    score = score_archive(archive(tmp_path / "x.zip", as_results(data, tmp_path)), "mot20", data)
    assert [s.name for s in score.result.sequences] == ["MOT20-01"] and score.remarks == []
    assert score.result.combined is not None
    values = score.result.combined.values()
    assert {values[metric] for metric in METRICS} == {100.0}
    assert (values["IDSW"], values["CLR_FP"], values["CLR_FN"], values["CLR_TP"]) == (0, 0, 0, 5 * LENGTH)
    assert score.summary()[COMBINED] == {"HOTA": 100.0, "IDF1": 100.0, "MOTA": 100.0}


def test_real_truth_through_the_archive_is_exactly_right(shared_data: Path, tmp_path: Path) -> None:
    """As a server of MOT17 would get it: every training sequence under three names."""
    data = shared_data / "mot"
    files: dict[str, bytes] = {}
    for sequence in load_split("mot17-train", data)[:3]:
        truth = sequence.load_ground_truth(rows="scored")
        boxes = truth.boxes_ltwh - [1, 1, 0, 0]
        write_results(tmp_path / "a.txt", truth.frame - 1, truth.track_id, boxes, truth.confidence, decimals=None)
        for name in load_profile("mot17").file_names(sequence.name):
            files[name] = (tmp_path / "a.txt").read_bytes()
    write_archive(tmp_path / "x.zip", files)
    score = score_archive(tmp_path / "x.zip", "mot17", data)
    assert len(score.result.sequences) == 3 and score.remarks == []
    for entry in [*score.result.sequences, score.result.combined]:
        assert entry is not None and {entry.values()[metric] for metric in METRICS} == {100.0}, entry.name


@pytest.mark.parametrize("shift", [-1, 1])
def test_another_first_frame_is_noticed(tmp_path: Path, shift: int) -> None:
    data = dataset(tmp_path / "data")
    lines = as_results(data, tmp_path).decode().splitlines()
    rows = [line.split(",", 1) for line in lines]
    moved = "".join(f"{int(frame) + shift},{rest}\n" for frame, rest in rows if int(frame) + shift >= 1)
    score = score_archive(archive(tmp_path / "x.zip", moved.encode()), "mot20", data)
    assert score.remarks == [
        f"MOT20-01: fits the ground truth better {-shift:+d} frame: does its first frame have number 1?"
    ]


def test_a_strikingly_low_score_is_told(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    lines = [line.split(",") for line in as_results(data, tmp_path).decode().splitlines()]
    later = "".join(f"{int(line[0]) + 200},{','.join(line[1:])}\n" for line in lines)
    score = score_archive(archive(tmp_path / "x.zip", later.encode()), "mot20", data)
    assert len(score.remarks) == 1 and "HOTA 0.0 is strikingly low" in score.remarks[0]


def test_scores_are_those_of_the_archive_not_of_the_folder(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    text = as_results(data, tmp_path)
    worse = b"".join(line for line in text.splitlines(keepends=True) if int(line.split(b",")[1]) < 4)
    score = score_archive(archive(tmp_path / "x.zip", worse), "mot20", data)
    (tmp_path / "MOT20-01.txt").write_bytes(worse)
    [sequence] = load_split("mot20-train", data, missing="skip")
    expected = evaluate_sequences([(sequence, tmp_path / "MOT20-01.txt")]).sequences[0].values()
    assert score.result.sequences[0].values() == expected and expected["CLR_FN"] == 2 * LENGTH


def test_names_of_one_video_are_scored_once_unless_they_differ(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    (data / "MOT20").rename(data / "MOT17")
    (data / "MOT17/train/MOT20-01").rename(data / "MOT17/train/MOT17-02-FRCNN")
    for equal in (True, False):
        truth = read_table(data / "MOT17/train/MOT17-02-FRCNN/gt/gt.txt", "ground_truth")
        truth = truth.select(truth.category == 1)
        boxes = truth.boxes_ltwh - [1, 1, 0, 0]
        write_results(tmp_path / "a.txt", truth.frame - 1, truth.track_id, boxes, truth.confidence)
        text = (tmp_path / "a.txt").read_bytes()
        files = dict.fromkeys(load_profile("mot17").file_names("MOT17-02"), text)
        if not equal:
            files["MOT17-02-SDP.txt"] = text.splitlines(keepends=True)[0]
        write_archive(tmp_path / "x.zip", files)
        names = [s.name for s in score_archive(tmp_path / "x.zip", "mot17", data).result.sequences]
        assert names == (["MOT17-02"] if equal else ["MOT17-02-DPM", "MOT17-02-FRCNN", "MOT17-02-SDP"])


def test_sheet_ledger_and_json_tell_the_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = dataset(tmp_path / "data")
    folder = tmp_path / "r"
    folder.mkdir()
    # a box a little to the side: the annotation itself may not be sent
    moved = [line.split(",") for line in as_results(data, tmp_path).decode().splitlines()]
    text = "".join(f"{','.join(line[:2])},{float(line[2]) + 3:.2f},{','.join(line[3:])}\n" for line in moved)
    for name, may_be_empty in load_profile("mot20").sequences().items():
        if not may_be_empty:
            (folder / f"{name}.txt").write_text("1,1,1,1,5,5,1,-1,-1,-1\n")
    (folder / "MOT20-01.txt").write_text(text)

    def run(*words: object) -> int:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        return int(caught.value.code or 0)

    out = tmp_path / "x.zip"
    assert run("pack", "mot20", folder, "--out", out, "--data", data) == 0
    told = capsys.readouterr().out.splitlines()
    at = told.index("scores where there is ground truth, from the archive:")
    assert told[at + 1].split() == ["sequence", "HOTA", "IDF1", "MOTA"]
    assert told[at + 2].split()[0] == "MOT20-01" and told[at + 3].split()[2:] == ["100.00", "100.00"]
    [row] = [json.loads(line) for line in (tmp_path / "submissions.jsonl").read_text().splitlines()]
    assert row["scores"][COMBINED]["MOTA"] == 100 and 80 < row["scores"]["MOT20-01"]["HOTA"] < 100
    assert run("validate", out, "--data", data, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"] == row["scores"] and found["faults"] == [] and found["files"]["MOT20-01.txt"]["tracks"] == 5
    assert run("pack", "mot20", folder, "--out", out, "--data", data, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["packed_before"] == 1
    with zipfile.ZipFile(out, "a") as opened:
        opened.writestr("notes.txt", "hello")
    assert run("validate", out, "--json", tmp_path / "found.json") == 3
    assert json.loads((tmp_path / "found.json").read_text())["faults"] == ["notes.txt: is no file of MOT20 test"]
    capsys.readouterr()
    empty = tmp_path / "none"
    empty.mkdir()
    pack("mot20", folder, tmp_path / "y.zip")
    assert run("validate", tmp_path / "y.zip", "--data", empty) == 0
    assert "not scored: no ground truth" in capsys.readouterr().out
    assert validate(tmp_path / "y.zip").faults == [] and len(read_archive(tmp_path / "y.zip")) == 8
