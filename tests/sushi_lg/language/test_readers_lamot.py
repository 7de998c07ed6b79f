from __future__ import annotations

import json
from pathlib import Path

import pytest

from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.errors import DataError
from sushi_lg.language.readers_lamot import find_lamot, lamot_descriptions, read_expression


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    """Four people, ten frames."""
    root = tmp_path / "SportsMOT" / "train" / "v_1"
    (root / "gt").mkdir(parents=True)
    rows = [f"{frame},{one},{10 * one},10,20,40,1,1,1\n" for frame in range(1, 11) for one in range(4)]
    (root / "gt" / "gt.txt").write_text("".join(rows))
    (root / "seqinfo.ini").write_text("[Sequence]\nname=v_1\nframeRate=25\nseqLength=10\nimWidth=200\nimHeight=100\n")
    return open_sequence(root)


def _write(folder: Path, number: int, text: str, ids: list[int], frames: range = range(1, 11)) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"v_1_{number:02d}.json"
    path.write_text(json.dumps({"targets": {str(frame): ids for frame in frames}, "language": text}))
    return path


def test_the_sentence_is_what_fits_the_fewest(sequence: Sequence, tmp_path: Path) -> None:
    folder = tmp_path / "lamot"
    paths = [
        _write(folder, 1, "player", [0, 1, 2, 3]),
        _write(folder, 2, "player in red", [0, 1]),
        _write(folder, 3, "left-side team player", [1, 2]),
        _write(folder, 4, "The goalkeeper.", [2]),
        _write(folder, 5, "goalkeeper", [2]),
    ]
    rows = lamot_descriptions(sequence, paths, split="train")
    assert [(row.track_id, row.sentence, row.discriminability) for row in rows] == [
        (0, "Player in red.", 0.6667),
        (1, "Player in red, left-side team player.", 1.0),
        (2, "Goalkeeper.", 1.0),
        (3, "Player.", 0.0),
    ]
    assert rows[2].captions == ("The goalkeeper.", "goalkeeper", "left-side team player", "player")
    assert {(row.dataset, row.split, row.seq, row.license) for row in rows} == {("SportsMOT", "train", "v_1", "")}


def test_an_expression_of_a_moment_describes_nobody_for_good(sequence: Sequence, tmp_path: Path) -> None:
    paths = [
        _write(tmp_path, 1, "player in red", [0, 1]),
        _write(tmp_path, 2, "player who is serving", [0], range(1, 4)),
        _write(tmp_path, 3, "player on the far left", [3], range(1, 3)),
    ]
    rows = {row.track_id: row for row in lamot_descriptions(sequence, paths)}
    assert rows[0].sentence == "Player in red." and "player who is serving" in rows[0].captions
    assert rows[3].sentence == "Player on the far left."  # all that is known
    assert 2 not in rows


def test_of_two_that_fit_as_few_a_colour_is_said(sequence: Sequence, tmp_path: Path) -> None:
    paths = [_write(tmp_path, 1, "player of the visiting team", [0, 1]), _write(tmp_path, 2, "player in red", [0, 1])]
    assert lamot_descriptions(sequence, paths)[0].sentence == "Player in red."


def test_ids_and_frames_must_be_those_of_the_ground_truth(sequence: Sequence, tmp_path: Path) -> None:
    path = _write(tmp_path, 1, "player", [0, 7])
    with pytest.raises(DataError, match=rf"{path.name}: track 7 is not in .*gt.txt"):
        lamot_descriptions(sequence, [path])
    path = _write(tmp_path, 2, "player", [0], range(9, 13))
    with pytest.raises(DataError, match=r"v_1_02.json: frame 12, but v_1 has 10"):
        lamot_descriptions(sequence, [path])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no text"),
        ('{"targets": {}, "language": 3}', "no text"),
        ('{"targets": [], "language": "x"}', "no object"),
        ('{"targets": {}, "language": "  "}', "empty sentence"),
        ('{"targets": {"1": 2}, "language": "x"}', "frame '1' are not"),
        ('{"targets": {"0": [2]}, "language": "x"}', "frame '0' are not"),
        ('{"targets": {"1": ["2"]}, "language": "x"}', "frame '1' are not"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "v_1_01.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_expression(path)
    assert str(path) in caught.value.message and words in caught.value.message


def test_files_are_found_by_sequence(tmp_path: Path) -> None:
    one = _write(tmp_path / "a", 1, "x", [])
    two = _write(tmp_path / "a", 12, "x", [])
    assert find_lamot(tmp_path) == {"v_1": [one, two]}
    _write(tmp_path / "b", 1, "x", [])
    with pytest.raises(DataError, match="v_1 lies in"):
        find_lamot(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no <sequence>_<number>"):
        find_lamot(tmp_path / "empty")
    with pytest.raises(DataError, match="no such folder"):
        find_lamot(tmp_path / "absent")


def test_all_of_lamot_resolves(shared_data: Path) -> None:
    root = shared_data / "language" / "lamot" / "annotations_v1"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    files = find_lamot(root / "train" / "MOT17")
    counts = {}
    for name, paths in files.items():
        sequence = open_sequence(shared_data / "mot" / "MOT17" / "train" / name.removesuffix("-FRCNN"))
        rows = lamot_descriptions(sequence, paths)
        counts[sequence.name] = len(rows)
        assert all(row.captions and 0 <= (row.discriminability or 0) <= 1 for row in rows)
    assert sum(counts.values()) == 387 and len(counts) == 5
