from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bensmot_miniature import write_miniature

from semantic.bensmot.vocabulary import LABELS
from semantic.shortlist import (
    Shortlist,
    learn_shortlist,
    load_shortlist,
    read_shortlist,
    write_shortlist,
)
from semantic.structures import Clip, Interaction, Semantics
from sushi_lg.errors import DataError


def _truth(name: str, labels: list[str]) -> tuple[Clip, Semantics]:
    clip = Clip(name, 1, 2.0, np.array([[4, 4]]), ())
    return clip, Semantics(
        name, (), tuple(Interaction(1, 2, label, 1.0, 0, 0, "annotation") for label in sorted(labels)), ()
    )


TRUTH = [
    _truth("ballet/a", ["dance.v.01", "look.v.01"]),
    _truth("ballet/b", ["dance.v.01", "lift.v.02"]),
    _truth("street/a", ["look.v.01", "talk.v.01", "dance.v.01"]),
]


def test_the_built_in_list_is_of_the_vocabulary() -> None:
    general = Shortlist().general
    assert len(set(general)) == len(general) == 40 and set(general) <= set(LABELS)


def test_labels_are_learnt_by_how_common_they_are() -> None:
    learnt = learn_shortlist(TRUTH)
    assert learnt.general == ("dance.v.01", "look.v.01", "lift.v.02", "talk.v.01")
    assert learnt.by_scenario["street"] == ("dance.v.01", "look.v.01", "talk.v.01")


def test_a_list_that_is_too_short_is_filled_up_with_the_built_in_one() -> None:
    labels = Shortlist(("moisten.v.01",)).labels("street/a", 40)
    assert len(labels) == 40 and "moisten.v.01" in labels and "talk.v.01" in labels


def test_a_shortlist_is_learnt_from_a_folder_of_annotations(tmp_path: Path) -> None:
    learnt = load_shortlist(write_miniature(tmp_path))
    assert {"look.v.01", "smile.v.01"} <= set(learnt.general) <= set(LABELS)
    write_shortlist(tmp_path / "s.json", learnt)
    assert load_shortlist(tmp_path / "s.json") == learnt


def test_labels_of_the_scenario_come_before_rare_ones_of_all() -> None:
    general = tuple(label for label in LABELS if label != "lift.v.02")[:30]
    shortlist = Shortlist(general, {"ballet": ("lift.v.02",)})
    assert "lift.v.02" in shortlist.labels("ballet/x", 16)
    assert "lift.v.02" not in shortlist.labels("street/x", 16)
    assert "lift.v.02" not in shortlist.labels("ballet/x", 15)
    assert list(shortlist.labels("street/x", 5)) == sorted(general[:5])


def test_a_shortlist_comes_back_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    write_shortlist(path, learn_shortlist(TRUTH))
    assert read_shortlist(path) == learn_shortlist(TRUTH)
    content = json.loads(path.read_text())
    for changed, complaint in (
        ({"general": ["talk"]}, "general: 'talk' is no label"),
        ({"general": ["talk.v.01", "talk.v.01"]}, "no list of different labels"),
        ({"schema": "x"}, "schema"),
        ({"by_scenario": {"street": 3}}, "street: no list"),
    ):
        path.write_text(json.dumps(content | changed))
        with pytest.raises(DataError, match=complaint):
            read_shortlist(path)
    with pytest.raises(DataError, match="not a shortlist"):
        read_shortlist(tmp_path / "none.json")
