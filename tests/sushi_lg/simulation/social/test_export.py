"""The social world on disk is a data set like BenSMOT, or like those of MOTChallenge, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.cli.app import main
from sushi_lg.data.bensmot import read_bensmot
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.splits import load_split
from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import read_descriptions
from sushi_lg.simulation.social import export
from sushi_lg.simulation.social.acts import KINDS
from sushi_lg.simulation.social.export import acts_of, bensmot_clip, export_social
from sushi_lg.simulation.social.world import SocialDomain, simulate_social

SHORT = SocialDomain(seconds=[3, 4], scenarios=["meeting_friends", "quarrel", "handing_over"])


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_bensmot_s_reader_gets_back_what_was_simulated(tmp_path: Path) -> None:
    done: list[int] = []
    exported = export_social(SHORT, tmp_path, split="test", sequences=4, seed=3, done=done.append)
    assert done == [1, 2, 3, 4]
    read = read_bensmot(tmp_path, "test")
    assert not +read.faults, "what is simulated has no faults"
    clips = {clip.name: clip for clip in (simulate_social(SHORT, split="test", number=n + 1, seed=3) for n in range(4))}
    assert {clip.name for clip in read.clips} == set(clips)
    assert {str(one.path.relative_to(tmp_path / "test")) for one in exported} == set(clips)
    for stored in read.clips:
        stated = bensmot_clip(clips[stored.name], split="test")
        assert (stored.captions, stored.summary, stored.names) == (stated.captions, stated.summary, stated.names)
        assert stored.relations == stated.relations and stored.frame_rate == 2
        assert stored.stems == stated.stems and stored.split == "test"
        np.testing.assert_array_equal(stored.sizes, stated.sizes)
        for one, other in zip(stored.tracks, stated.tracks, strict=True):
            np.testing.assert_array_equal(one.frame, other.frame)
            np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.011)


def test_relations_are_those_of_the_acts(tmp_path: Path) -> None:
    export_social(SHORT, tmp_path, sequences=4)
    relations = json.loads((tmp_path / "train" / "relation.json").read_text())
    seen = 0
    for path in tmp_path.glob("train/*/*/acts.json"):
        stored = json.loads(path.read_text())
        by_pair: dict[str, set[str]] = {}
        for act in stored["acts"]:
            assert 0 <= act["first_frame"] <= act["last_frame"] < stored["frames"]
            if act["passive"] is None:
                assert act["label"] is None
                continue
            kind = KINDS[act["kind"]]
            assert act["label"] in kind.labels + kind.returned
            by_pair.setdefault(f"{act['active']}-{act['passive']}", set()).add(act["label"])
        assert {pair: set(labels) for pair, labels in relations[stored["clip"]].items()} == by_pair
        seen += len(by_pair)
    assert seen >= 5


def test_a_tracker_finds_detections_and_pictures(tmp_path: Path) -> None:
    for folder in ("any", "BenSMOT"):  # the layout follows the name of the folder, and so do the pictures' names
        export_social(SHORT, tmp_path / folder)
        path = next((tmp_path / folder / "train").glob("*/*"))
        sequence, clip = open_sequence(path), simulate_social(SHORT)
        assert sequence.length == clip.frames and sequence.info.frame_rate == 2
        assert all(sequence.image_path(frame).is_file() for frame in range(clip.frames))
        found = sequence.load_detections("simulated")
        np.testing.assert_allclose(found.boxes_xyxy, clip.detections.boxes_xyxy, atol=0.002)
        near = 0
        for frame in range(clip.frames):
            boxes = found.boxes_xyxy[found.frame == frame].numpy()
            truth = clip.staging.boxes_xyxy[clip.staging.visibility[:, frame] > 0.6, frame]
            near += sum(bool((np.abs(boxes - box).max(axis=1) < 25).any()) for box in truth if len(boxes))
        total = int((clip.staging.visibility > 0.6).sum())
        assert 0.7 * total < near, "most who can be seen are found"


def test_bytes_repeat_and_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_social(SHORT, tmp_path / "whole", sequences=3)
    writing, calls = export.write_found, []

    def killed(folder: Path, found: object) -> None:
        calls.append(folder)
        if len(calls) == 2:
            raise KeyboardInterrupt
        writing(folder, found)  # type: ignore[arg-type]

    monkeypatch.setattr(export, "write_found", killed)
    with pytest.raises(KeyboardInterrupt):
        export_social(SHORT, tmp_path / "killed", sequences=3)
    monkeypatch.undo()
    assert len(list((tmp_path / "killed").glob("train/[!.]*/*/acts.json"))) == 1, "half a clip is none"
    again = export_social(SHORT, tmp_path / "killed", sequences=3)
    assert [one.reused for one in again] == [True, False, False]
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole"), "nothing of the killed run is left"


def test_combined_files_hold_all_clips_that_are_there(tmp_path: Path) -> None:
    export_social(SHORT, tmp_path, sequences=3)
    export_social(SHORT, tmp_path, sequences=1)
    for name in ("instance_caption", "video_summary", "relation"):
        assert len(json.loads((tmp_path / "train" / f"{name}.json").read_text())) == 3


def test_what_is_something_else_is_not_overwritten(tmp_path: Path) -> None:
    export_social(SHORT, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError, match="other settings"):
        export_social(SocialDomain(seconds=[3, 5], scenarios=SHORT.scenarios), tmp_path)
    assert contents(tmp_path) == before


def test_motchallenge_s_layout(tmp_path: Path) -> None:
    export_social(SHORT, tmp_path, split="val", sequences=2, layout="mot")
    sequences = load_split(str(tmp_path / "social-val.txt"), tmp_path)
    assert [one.name for one in sequences] == ["social-val-0001", "social-val-0002"]
    clip = simulate_social(SHORT, split="val", number=2)
    truth = sequences[1].load_ground_truth("scored")
    people, at = np.nonzero(clip.staging.is_inside)
    np.testing.assert_array_equal(truth.track_id, people + 1)
    np.testing.assert_array_equal(truth.frame, at + 1)
    rows = read_descriptions(tmp_path / "descriptions" / "social-val-0002.jsonl")
    assert [row.track_id for row in rows[1:]] == sorted(set((people + 1).tolist()))
    stored = json.loads((sequences[1].info.root / "acts.json").read_text())
    assert stored == json.loads(json.dumps(acts_of(clip)))


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "social", "seconds=[3,4]", "scenarios=[quarrel]", "--out", str(tmp_path), "--sequences", "2"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--layout", "bensmot", "--split", "test"])
    assert stop.value.code == 0
    assert "wrote" in capsys.readouterr().out
    assert len(read_bensmot(tmp_path, "test").clips) == 2
    domain = SocialDomain(seconds=[3, 4], scenarios=["quarrel"])
    assert export_social(domain, tmp_path, split="test", layout="bensmot")[0].reused, "the function agrees"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plaza", "--layout", "bensmot"], "only social"),
        (["social", "plaza"], "by itself"),
        (["social", "frames=9"], "frames"),
        (["socail"], "did you mean social"),
    ],
)
def test_the_verb_explains_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", *words, "--out", str(tmp_path)])
    assert stop.value.code == 4
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_clips_of_another_seed_are_not_mixed_in(tmp_path: Path) -> None:
    one = SocialDomain(seconds=[4, 5], scenarios=["passing_by"])
    export_social(one, tmp_path)
    with pytest.raises(DataError, match="made with other settings"):
        export_social(SocialDomain(seconds=[4, 5], scenarios=["quarrel"]), tmp_path)
    assert len(list((tmp_path / "train").glob("*/*/acts.json"))) == 1
