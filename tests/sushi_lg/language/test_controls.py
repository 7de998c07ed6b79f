"""Controls of a study: words dealt out anew, and attributes that are no words."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sushi_lg.language.controls import OneHot, permuted, spelled_out
from sushi_lg.language.descriptions import Description
from sushi_lg.language.teaching import teach, teach_edges


def _person(seq: str, track_id: int, upper: str, **attributes: str) -> Description:
    return Description(
        seq=seq,
        track_id=track_id,
        sentence=f"A person in {upper}.",
        attributes={"upper": upper, **attributes},
        dataset="town",
        models={"describer": "hand"},
    )


ROWS = [
    Description(seq="a", track_id=None, sentence="Night.", attributes={"light": "night"}),
    _person("a", 5, "striped red shirt", carried="backpack"),
    _person("a", 1, "blue coat"),
    Description(seq="a", track_id=9, sentence=""),
    _person("a", 3, "red coat"),
    _person("b", 1, "green shirt"),
    _person("b", 2, "black shirt"),
]


def _said(row: Description) -> tuple[object, ...]:
    return row.sentence, tuple(sorted(row.attributes.items()))


def test_everything_is_dealt_out_within_a_sequence() -> None:
    dealt = permuted(ROWS, seed=4)
    assert [(row.seq, row.track_id, row.dataset) for row in dealt] == [(r.seq, r.track_id, r.dataset) for r in ROWS]
    assert dealt[0] is ROWS[0]
    assert dealt[3] is ROWS[3]
    for old, new in zip(ROWS, dealt, strict=True):
        if old.sentence and old.track_id is not None:
            assert new.sentence != old.sentence
            assert new.sentence == f"A person in {new.attributes['upper']}."  # words and attributes stay together
            assert new.models == {"describer": "hand", "control": "permuted, seed 4"}
    for seq in "ab":
        assert Counter(_said(r) for r in ROWS if r.seq == seq) == Counter(_said(r) for r in dealt if r.seq == seq)


def test_the_deal_hangs_on_seed_and_sequence_alone() -> None:
    many = [_person("a", i, f"coat {i}") for i in range(20)]
    other = [_person("c", i, f"coat {i}") for i in range(20)]
    dealt = {row.track_id: row.sentence for row in permuted(many, 0)}
    shuffled = [*other, *reversed(many)]
    assert {row.track_id: row.sentence for row in permuted(shuffled, 0) if row.seq == "a"} == dealt
    assert {row.track_id: row.sentence for row in permuted(many, 1)} != dealt
    assert {row.track_id: row.sentence for row in permuted(other, 0)} != dealt


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 3))
def test_as_few_as_can_be_keep_what_is_said_of_them(kinds: list[int], seed: int) -> None:
    rows = [_person("a", i, f"coat {kind}") for i, kind in enumerate(kinds)]
    dealt = permuted(rows, seed)
    assert Counter(map(_said, dealt)) == Counter(map(_said, rows))
    kept = sum(old.sentence == new.sentence for old, new in zip(rows, dealt, strict=True))
    most = max(Counter(kinds).values())
    assert kept == max(0, most - (len(kinds) - most))  # no deal does better


def test_one_entry_for_each_word_of_an_attribute() -> None:
    rows = spelled_out(ROWS)
    assert rows[1].sentence == "carried=backpack upper=red upper=shirt upper=striped"
    assert rows[3].sentence == ""
    teacher = OneHot.of(ROWS)
    assert teacher.vocabulary == (
        "carried=backpack",
        "light=night",
        "upper=black",
        "upper=blue",
        "upper=coat",
        "upper=green",
        "upper=red",
        "upper=shirt",
        "upper=striped",
        "same",
        "different",
    )
    red, blue = teacher.encode([rows[1].sentence, rows[2].sentence])
    np.testing.assert_allclose(red, np.array([1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0]) / 2)
    np.testing.assert_allclose(blue, np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]) / np.sqrt(2), rtol=1e-6)
    assert red.dtype == np.float32


def test_attributes_teach_as_words_do(tmp_path: Path) -> None:
    rows = [row for row in spelled_out(ROWS) if row.seq == "a"]
    teacher = OneHot.of(ROWS)
    taught = teach(rows, teacher, tmp_path)
    assert taught.ids.tolist() == [1, 3, 5]
    assert torch.allclose(taught.instance.norm(dim=1), torch.ones(3))
    assert taught.scene is not None
    assert taught.scene.nonzero().flatten().tolist() == [1]
    edges = teach_edges(rows, teacher, tmp_path)
    assert [edge.nonzero().flatten().tolist() for edge in edges] == [[1, 9], [1, 10]]
    b = teach_edges([row for row in spelled_out(ROWS) if row.seq == "b"], teacher, None)  # no scene
    assert [edge.nonzero().flatten().tolist() for edge in b] == [[9], [10]]
    assert [path.parent.name.partition("@")[0] for path in tmp_path.rglob("*.safetensors")] == ["one_hot"] * 2


def test_what_the_vocabulary_lacks(caplog: pytest.LogCaptureFixture) -> None:
    teacher = OneHot.of(ROWS)
    with caplog.at_level(logging.WARNING):
        vectors = teacher.encode(["upper=red upper=pink"])
    assert "left out: upper=pink" in caplog.text
    assert vectors[0].nonzero()[0].tolist() == [6]
    with pytest.raises(ValueError, match="spelled_out"):
        teacher.encode([ROWS[1].sentence])
    with pytest.raises(ValueError, match="blank"):
        teacher.encode([""])
    assert OneHot.of(ROWS[:3]).fingerprint() != teacher.fingerprint()
    assert OneHot.of(reversed(ROWS)).fingerprint() == teacher.fingerprint()
    with pytest.raises(ValueError, match="twice"):
        OneHot(["upper=red", "upper=red"])
