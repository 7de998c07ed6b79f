from __future__ import annotations

import json
from pathlib import Path

import pytest

from sushi_lg.errors import DataError
from sushi_lg.language.readers_bensmot import read_bensmot_descriptions

NOTHING_BUT_WORDS = {"clips without pictures": 1, "clips without interactions": 1}


def _clip(root: Path, name: str, ids: list[int], captions: str | None, scene: str | None = "People cook.") -> Path:
    folder = root / name
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text("".join(f"{4 * k + 1},{one},5,5,20,30\n" for k, one in enumerate(ids)))
    if captions is not None:
        (folder / "instance_captions.txt").write_text(captions, encoding="utf-8-sig")
    if scene is not None:
        (folder / "video_caption.txt").write_text(scene, encoding="utf-8-sig")
    return folder


def test_captions_follow_rising_ids(tmp_path: Path) -> None:
    text = "woman0: She says: stop.\n\nman0：He   leaves.\n"
    _clip(tmp_path / "train", "cooking/abc_1", [9, 2, 2], text, " People\ncook. ")
    read = read_bensmot_descriptions(tmp_path)
    rows = read.clips["cooking/abc_1"]
    assert [(row.track_id, row.sentence) for row in rows] == [
        (2, "She says: stop."),
        (9, "He leaves."),
        (None, "People cook."),
    ]
    assert {(row.dataset, row.split, row.seq) for row in rows} == {("BenSMOT", "train", "cooking/abc_1")}
    assert read.faults == NOTHING_BUT_WORDS and not read.notes


def test_faults_are_counted_and_nothing_is_guessed(tmp_path: Path) -> None:
    _clip(tmp_path, "a/1", [1, 2, 3], "man0: One.\nman1: Two.\n")  # three tracks
    _clip(tmp_path, "a/2", [1], None, None)
    _clip(tmp_path, "a/3", [1, 2], "man0: He walks\nand sits.\nman1:\n", "")
    read = read_bensmot_descriptions(tmp_path)
    assert {name: [(row.track_id, row.sentence) for row in rows] for name, rows in read.clips.items()} == {
        "a/1": [(None, "People cook.")],
        "a/3": [(1, "He walks and sits.")],
    }
    assert read.faults == {
        "clips without pictures": 3,
        "clips without interactions": 3,
        "tracks without caption": 5,
        "clips with another number of captions than tracks": 1,
        "captions left out for that": 2,
        "clips without instance captions": 1,
        "clips without video caption": 2,
        "lines that go on without a name": 1,
        "empty captions": 1,
    }


@pytest.mark.parametrize("above", [True, False])
def test_the_combined_files_state_ids(tmp_path: Path, above: bool) -> None:
    _clip(tmp_path / "test", "a/1", [1, 2, 3], "man0: Wrong.\n", "Wrong.")
    folder = tmp_path if above else tmp_path / "test"
    captions = {"a/1": {"3": "The third.", "1": "The first.", "8": "Nobody."}}
    (folder / "instance_caption.json").write_text(json.dumps(captions))
    (folder / "video_summary.json").write_text(json.dumps({"a/1": "Summary."}))
    read = read_bensmot_descriptions(tmp_path)
    assert [(row.track_id, row.sentence) for row in read.clips["a/1"]] == [
        (1, "The first."),
        (3, "The third."),
        (None, "Summary."),
    ]
    assert read.faults == NOTHING_BUT_WORDS | {
        "captions of ids that gt.txt does not have": 1,
        "tracks without caption": 1,
    }


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_bensmot_descriptions(tmp_path / "x")
    with pytest.raises(DataError, match=r"no <scenario>/<clip>/gt/gt\.txt"):
        read_bensmot_descriptions(tmp_path)
    _clip(tmp_path, "a/1", [1], "man0: x")
    (tmp_path / "instance_caption.json").write_text('{"a/1": ["x"]}')
    with pytest.raises(DataError, match="not an object of captions"):
        read_bensmot_descriptions(tmp_path)


def test_a_bad_file_costs_its_words_and_is_named(tmp_path: Path) -> None:
    folder = _clip(tmp_path, "a/1", [1], "no name here\n")
    other = _clip(tmp_path, "a/2", [1], None)
    (other / "instance_captions.txt").write_bytes(b"man0: x\nman1: \xff\n")
    (other / "gt" / "gt.txt").write_text("1,1,0,0,1,1\n2;1\n")
    read = read_bensmot_descriptions(tmp_path)
    assert [row.sentence for rows in read.clips.values() for row in rows] == ["People cook.", "People cook."]
    assert read.notes == [
        f"{folder}/instance_captions.txt:1: 'no name here'",
        f"{other}/gt/gt.txt:2: rows that cannot be read",
        f"{other}/instance_captions.txt:2: not UTF-8 text",
    ]


def test_one_clip_in_two_parts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        _clip(tmp_path / part, "a/1", [1], "man0: x")
    with pytest.raises(DataError, match="a second clip a/1"):
        read_bensmot_descriptions(tmp_path)
