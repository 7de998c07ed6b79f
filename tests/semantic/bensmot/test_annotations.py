from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bensmot_miniature import CAPTIONS, FIRST, INTERACTIONS, SECOND, SUMMARIES, THIRD, write_miniature
from hypothesis import given
from hypothesis import strategies as st

from semantic.bensmot.annotations import annotated, annotation_of, bensmot_clip_of, held_out, read_annotations
from semantic.structures import Semantics
from sushi_lg.data.bensmot import read_bensmot
from sushi_lg.errors import DataError


@pytest.mark.parametrize("combined", [True, False])
def test_the_miniature_in_the_records_of_the_stage(tmp_path: Path, combined: bool) -> None:
    found = read_annotations(write_miniature(tmp_path, combined=combined))
    by_name = {clip.name: (clip, semantics) for clip, semantics in found.pairs}
    assert set(by_name) == {FIRST, SECOND, THIRD}
    for name, (clip, semantics) in by_name.items():
        said = {caption.track_id: caption.text for caption in semantics.captions}
        # without the combined files nobody knows whose two captions for three tracks are
        assert said == (CAPTIONS[name] if combined or name != SECOND else {})
        assert semantics.summary_text == SUMMARIES[name]
        assert {(one.active, one.passive, one.label) for one in semantics.interactions} == INTERACTIONS.get(name, set())
        assert all(one.source == "annotation" and one.probability == 1 for one in semantics.interactions)
        assert clip.frame_rate == 2.0
    clip, semantics = by_name[FIRST]
    assert clip.stems == ("001", "002", "004", "006", "007") and clip.length == 5
    assert clip.track(1).frame.tolist() == [0, 1, 2, 3, 4] and clip.track(2).frame.tolist() == [0, 1, 2, 3]
    assert (clip.track(2).boxes_xyxy == [100, 20, 130, 100]).all()  # the box of negative width is like the others
    raw = {one.label: one.raw for one in semantics.interactions if one.active == 1}
    assert raw == {"talk.v.01": "", "smile.v.01": "smile.v.01ook.v.01", "look.v.01": "smile.v.01ook.v.01"}
    assert {(one.first_frame, one.last_frame) for one in semantics.interactions} == {(0, 3)}  # both are seen
    assert by_name[THIRD][0].sizes.tolist() == [[320, 240]] * 3
    assert by_name[THIRD][0].track(1).frame.tolist() == [0, 1]


def test_faults_are_counted(tmp_path: Path) -> None:
    labels = {
        "labels outside the vocabulary, left out": 1,
        "labels spelt otherwise than the vocabulary": 3,
    }
    boxes = {"boxes of negative size, turned round": 1, "rows of frames without a picture, left out": 1}
    found = read_annotations(write_miniature(tmp_path / "a"))
    assert found.faults == labels | boxes | {
        "clips that relation.json lacks": 1,
        "clips without interactions": 1,
        "tracks without caption": 1,
    }
    found = read_annotations(write_miniature(tmp_path / "b", combined=False))
    assert found.faults == labels | boxes | {
        "clips with another number of captions than tracks": 1,
        "captions left out for that": 2,
        "tracks without caption": 3,
        "graphs with other names than the captions, matched by order": 1,
        "clips without interactions": 1,
    }


def test_what_nobody_annotated_is_not_nothing(tmp_path: Path) -> None:
    pairs = {clip.name: semantics for clip, semantics in read_annotations(write_miniature(tmp_path)).pairs}
    assert annotated(pairs[FIRST]) == {"captions", "interactions", "summary"}
    assert annotated(pairs[THIRD]) == {"captions", "summary"}
    assert annotated(Semantics("x", (), (), ())) == set()


def test_splits(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    assert len(read_annotations(root, "test").pairs) == 3 == len(read_annotations(root / "test").pairs)
    [(clip, semantics)] = read_annotations(root / "test" / "cooking").pairs
    assert clip.name == FIRST and semantics.provenance["split"] == "test"
    with pytest.raises(DataError, match="no clip of train"):
        read_annotations(root, "train")
    with pytest.raises(DataError, match="train and test"):
        read_annotations(root, "val")


def test_there_and_back(tmp_path: Path) -> None:
    for read in read_bensmot(write_miniature(tmp_path)).clips:
        clip, semantics = annotation_of(read)
        again, said = annotation_of(bensmot_clip_of(clip, semantics, split=read.split))
        # no files, no faults of files; the same words
        assert replace(said, counts={}) == replace(semantics, counts={})
        assert (again.name, again.stems, again.sizes.tolist()) == (clip.name, clip.stems, clip.sizes.tolist())
        for one, other in zip(clip.tracks, again.tracks, strict=True):
            assert (one.boxes_xyxy == other.boxes_xyxy).all() and np.array_equal(one.frame, other.frame)


def test_two_spellings_of_a_label_are_one_interaction(tmp_path: Path) -> None:
    read = next(clip for clip in read_bensmot(write_miniature(tmp_path)).clips if clip.name == FIRST)
    [forward, _] = read.relations or ()
    labels = ("smlie.v.01", "smile.v.01", "smile.01")
    _, semantics = annotation_of(replace(read, relations=(replace(forward, labels=labels),)))
    assert [(one.label, one.raw) for one in semantics.interactions] == [("smile.v.01", "smlie.v.01")]
    assert semantics.counts["labels that a pair has in two spellings"] == 2


def test_a_tenth_of_every_scenario_is_held_out_video_by_video() -> None:
    names = [f"{scenario}/video{v}_{k}" for scenario in ("a", "b") for v in range(20) for k in range(2)]
    names = [f"{name[:2]}{name[0]}{name[2:]}" for name in names]  # no video in two scenarios
    held = held_out(names)
    assert Counter(name[0] for name in held) == {"a": 4, "b": 4}
    assert {name.rpartition("_")[0] for name in held}.isdisjoint(name.rpartition("_")[0] for name in set(names) - held)
    assert held_out(reversed(names)) == held  # the order does not matter
    assert held_out(names, seed=1) != held
    assert held_out(["x/a_0"]) == frozenset() and held_out(["x/a_0"], share=1) == {"x/a_0"}
    with pytest.raises(ValueError, match="share"):
        held_out(names, share=1.5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz"), st.integers(0, 3)), max_size=40))
def test_no_video_is_on_both_sides(picks: list[tuple[str, str, int]]) -> None:
    names = {f"{scenario}/{video}_{k}" for scenario, video, k in picks}
    held = held_out(names, share=0.3)
    videos = {name.split("/")[1].rpartition("_")[0] for name in held}
    assert held <= names
    assert videos.isdisjoint(name.split("/")[1].rpartition("_")[0] for name in names - held)
