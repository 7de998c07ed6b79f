from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import Description, descriptions_path, read_descriptions, write_descriptions

FULL = Description(
    dataset="MOT17",
    split="train",
    seq="a/b",
    track_id=3,
    sentence="A man: «größer», wearing red.",
    tags=("man",),
    attributes={"upper": "red", "hair": "long"},
    captions=("a line\u2028separator", "two"),
    phrases={"fg": ("red coat",), "bg": ()},
    discriminability=0.5,
    keyframes=(0, 7),
    models={"attributes": "rules"},
    prompt_version="1",
    rounds=2,
    license="CC0",
    sha256="ab",
)
SCENE = Description(seq="a/b", track_id=None, sentence="A street.")
GOOD = {"seq": "s", "track_id": 1, "sentence": "A man."}


def test_rows_come_back_and_the_order_given_does_not_matter(tmp_path: Path) -> None:
    other = Description(seq="a/b", track_id=12, sentence="B.")
    write_descriptions(tmp_path / "1.jsonl", [other, FULL, SCENE])
    write_descriptions(tmp_path / "2.jsonl", [SCENE, other, FULL])
    assert read_descriptions(tmp_path / "1.jsonl") == [SCENE, FULL, other]
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


def test_keys_stand_in_the_order_of_the_schema(tmp_path: Path) -> None:
    write_descriptions(tmp_path / "x.jsonl", [FULL])
    keys = "dataset split seq track_id sentence tags attributes captions phrases discriminability keyframes models"
    row = json.loads((tmp_path / "x.jsonl").read_text(encoding="utf-8"))
    assert list(row) == [*keys.split(), "prompt_version", "rounds", "license", "sha256"]
    assert list(row["attributes"]) == ["hair", "upper"]


def test_a_row_needs_only_three_keys_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\ufeff\n" + json.dumps(GOOD) + "\n\n", encoding="utf-8")
    assert read_descriptions(path) == [Description(seq="s", track_id=1, sentence="A man.")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"seq": "s", "track_id": 1, "track_id": 2, "sentence": "x"}', "twice"),
        ({**GOOD, "colour": "red"}, "unknown key 'colour'"),
        ({"seq": "s", "track_id": 1}, "no key 'sentence'"),
        ({**GOOD, "track_id": "1"}, 'track_id is "1", expected a whole number'),
        ({**GOOD, "track_id": True}, "track_id is true"),
        ({**GOOD, "track_id": 1.0}, "track_id is 1.0"),
        ({**GOOD, "track_id": -1}, "not negative"),
        ({**GOOD, "sentence": "  "}, "sentence is empty"),
        ({**GOOD, "seq": ""}, "seq is empty"),
        ({**GOOD, "tags": "man"}, "a list of texts"),
        ({**GOOD, "attributes": {"upper": 1}}, "an object of texts"),
        ({**GOOD, "phrases": {"fg": "x"}}, "an object of lists"),
        ({**GOOD, "discriminability": 1.5}, "not in 0 .. 1"),
        ('{"seq": "s", "track_id": 1, "sentence": "x", "discriminability": NaN}', "NaN"),
        ({**GOOD, "keyframes": [-1]}, "count from 0"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: object, words: str) -> None:
    path = tmp_path / "x.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text(json.dumps({**GOOD, "track_id": 9}) + "\n" + text + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_descriptions(path)
    assert f"{path}:2: " in caught.value.message and words in caught.value.message


@pytest.mark.parametrize("again", [FULL, SCENE])
def test_an_identity_or_a_scene_twice(tmp_path: Path, again: Description) -> None:
    path = tmp_path / "x.jsonl"
    with pytest.raises(DataError, match="a second"):
        write_descriptions(path, [FULL, SCENE, again])
    assert not path.exists()
    write_descriptions(path, [FULL, SCENE])
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with pytest.raises(DataError, match=r":3: .*first in line 1"):
        read_descriptions(path)


def test_what_cannot_be_read_back_is_not_written(tmp_path: Path) -> None:
    write_descriptions(tmp_path / "x.jsonl", [SCENE])
    before = (tmp_path / "x.jsonl").read_bytes()
    with pytest.raises(DataError, match="discriminability"):
        write_descriptions(tmp_path / "x.jsonl", [Description(seq="s", track_id=1, sentence="x", discriminability=2.0)])
    assert (tmp_path / "x.jsonl").read_bytes() == before


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_descriptions(tmp_path / "x.jsonl")
    (tmp_path / "x.jsonl").write_bytes(b"\n\xff\n")
    with pytest.raises(DataError, match=r":2: not UTF-8"):
        read_descriptions(tmp_path / "x.jsonl")


def test_a_name_is_a_path_below_the_folder(tmp_path: Path) -> None:
    assert descriptions_path(tmp_path, "MOT17-09") == tmp_path / "MOT17-09.jsonl"
    assert descriptions_path(tmp_path, "cooking/x.1_k") == tmp_path / "cooking" / "x.1_k.jsonl"
    for name in ("", "../x", "/x", "a/../../x"):
        with pytest.raises(DataError, match="sequence name"):
            descriptions_path(tmp_path, name)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip()))
def test_any_sentence_survives(tmp_path_factory: pytest.TempPathFactory, sentence: str) -> None:
    path = tmp_path_factory.mktemp("any") / "x.jsonl"
    rows = [Description(seq="s", track_id=0, sentence=sentence, captions=(sentence,))]
    write_descriptions(path, rows)
    assert read_descriptions(path) == rows
