"""Result folders in every form users have."""

from __future__ import annotations

from pathlib import Path

import pytest

from sushi_lg.data.layouts import LAYOUTS
from sushi_lg.data.sequence import open_sequence
from sushi_lg.errors import DataError
from sushi_lg.evaluation.results import evaluate_folder, find_results, read_run_source

SEQINFO = "[Sequence]\nname=x\nimDir=img1\nframeRate=30\nseqLength=6\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
ROWS = "".join(f"{f},1,{100 + f},50,40,80,1,-1,-1,-1\n" for f in range(1, 4))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small MOT17 with two videos and a split file that has the second halves of three."""
    root = tmp_path / "mot data"
    for name in ("MOT17-91", "MOT17-92"):
        folder = root / "MOT17" / "train" / name
        (folder / "gt").mkdir(parents=True)
        (folder / "seqinfo.ini").write_text(SEQINFO)
        rows = [f"{f},1,{100 + (f - 1) % 4 + 1},50,40,80,1,1,1\n" for f in range(1, 7)]
        (folder / "gt" / "gt.txt").write_text("".join(rows))
    (tmp_path / "two.txt").write_text("# dataset: MOT17\n# part: train\nMOT17-91\nMOT17-92\n")
    (tmp_path / "half.txt").write_text("# dataset: MOT17\n# part: train\n# view: second-half\nMOT17-91\n")
    (tmp_path / "three.txt").write_text("# dataset: MOT17\n# part: train\nMOT17-91\nMOT17-92\nMOT17-93\n")
    return root


@pytest.mark.parametrize("place", ["", "tracks", "data"])
@pytest.mark.parametrize("name", ["MOT17-91", "MOT17-91-SDP", "MOT17-91-FRCNN"])
def test_places_and_names(data: Path, tmp_path: Path, place: str, name: str) -> None:
    run = tmp_path / "run"
    (run / place).mkdir(parents=True, exist_ok=True)
    (run / place / f"{name}.txt").write_text(ROWS)
    (run / place / f"._{name}.txt").write_bytes(b"\0")
    (run / "log.txt").write_text("not a result\n")
    sequence = open_sequence(data / "MOT17" / "train" / "MOT17-91", LAYOUTS["MOT17"])
    assert find_results(run, [sequence]) == {"MOT17-91": run / place / f"{name}.txt"}


def test_several_files_of_one_video(data: Path, tmp_path: Path) -> None:
    sequence = open_sequence(data / "MOT17" / "train" / "MOT17-91", LAYOUTS["MOT17"])
    run = tmp_path / "run"
    run.mkdir()
    for suffix in ("DPM", "SDP"):
        (run / f"MOT17-91-{suffix}.txt").write_text(ROWS)
    assert set(find_results(run, [sequence])) == {"MOT17-91"}  # equal files, as in a submission
    (run / "MOT17-91-SDP.txt").write_text("")
    with pytest.raises(DataError, match="2 different results for the video MOT17-91"):
        find_results(run, [sequence])
    (run / "MOT17-91.txt").write_text(ROWS)
    assert find_results(run, [sequence])["MOT17-91"].name == "MOT17-91.txt"  # its own name decides
    (run / "data").mkdir()
    (run / "data" / "MOT17-91.txt").write_text(ROWS)
    with pytest.raises(DataError, match="several places"):
        find_results(run, [sequence])


def test_config_of_the_run_decides(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "tracks").mkdir(parents=True)
    (run / "tracks" / "MOT17-91.txt").write_text("".join(ROWS.splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match=r"no config\.yaml that names a split") as caught:
        evaluate_folder(run, data)
    assert caught.value.remedy is not None and "--split" in caught.value.remedy
    (run / "config.yaml").write_text(f"split: {tmp_path / 'half.txt'}\nmin_score: 0.1\n")
    assert evaluate_folder(run, data).table()[-1]["FN"] == "0"  # of the 2 boxes of the half, not of all 6


def test_views_are_numbered_from_one(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "MOT17-91.txt").write_text("".join(ROWS.splitlines(keepends=True)[:2]))
    row = evaluate_folder(run, data, split=str(tmp_path / "half.txt")).table()[-1]
    assert (row["HOTA"], row["FN"], row["IDs"]) == ("100.000", "0", "1")
    (run / "MOT17-91.txt").write_text("5,1,1,1,9,9,1,-1,-1,-1\n")  # a number of the whole video
    with pytest.raises(DataError, match=r"MOT17-91\.txt:1: frame 5, but the view has 2 frames"):
        evaluate_folder(run, data, split=str(tmp_path / "half.txt"))


def test_sequences_instead_of_a_split(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "tracks").mkdir(parents=True)
    (run / "tracks" / "MOT17-92.txt").write_text(ROWS)
    (run / "config.yaml").write_text("sequences:\n- somewhere/else/MOT17-92\n")
    assert [row["sequence"] for row in evaluate_folder(run, data).table()] == ["MOT17-92", "COMBINED"]
    assert read_run_source(run / "tracks").sequences == ("somewhere/else/MOT17-92",)
    assert evaluate_folder(run / "tracks", data / "MOT17" / "train" / "MOT17-92").combined is not None
    (run / "config.yaml").write_text("sequences: [MOT17-99]\n")
    with pytest.raises(DataError, match="no sequence MOT17-99"):
        evaluate_folder(run, data)


def test_absent_sequences_and_results(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "MOT17-91.txt").write_text(ROWS)
    with pytest.raises(DataError, match="MOT17-93"):
        evaluate_folder(run, data, split=str(tmp_path / "three.txt"))
    with pytest.raises(DataError, match="no results for 1 of 2 sequences: MOT17-92"):
        evaluate_folder(run, data, split=str(tmp_path / "two.txt"))
    result = evaluate_folder(run, data, split=str(tmp_path / "three.txt"), missing="skip")
    assert [score.name for score in result.sequences] == ["MOT17-91"]
    assert result.notes == [
        "1 of 3 sequences have no data: MOT17-93",
        "1 of 2 sequences have no results: MOT17-92",
    ]


def test_no_ground_truth_is_said(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("MOT17-91", "MOT17-92"):
        (run / f"{name}.txt").write_text(ROWS)
    (data / "MOT17" / "train" / "MOT17-92" / "gt" / "gt.txt").unlink()
    result = evaluate_folder(run, data, split=str(tmp_path / "two.txt"))
    assert result.without_ground_truth == ["MOT17-92"] and len(result.table()) == 2


@pytest.mark.parametrize("text", ["split: [", "- a\n- b\n", "split: ${nowhere}\n"])
def test_broken_config(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(DataError, match=r"config\.yaml"):
        read_run_source(tmp_path)
