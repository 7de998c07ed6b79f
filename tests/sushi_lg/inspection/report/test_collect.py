"""A report of a finished run: its numbers are those of the evaluation, and what it lacks it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from synthetic import write_world

from sushi_lg.cli.app import main
from sushi_lg.data.trajectory_io import read_trajectories, write_trajectories
from sushi_lg.errors import DataError
from sushi_lg.evaluation.results import evaluate_folder
from sushi_lg.inspection.replay import open_run
from sushi_lg.inspection.report.collect import Limits, _with_command, collect, read_ceilings
from sushi_lg.inspection.report.page import render
from sushi_lg.inspection.report.records import Act, Report, Said, Switch, Words
from sushi_lg.study.ceilings import fingerprint_of


def run(*words: str | Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 0


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run over two toy sequences; treat it as read-only."""
    root = tmp_path_factory.mktemp("tracked")
    split = write_world(root / "data", ("one", "two"))
    run("track", split, "--data", root / "data", "--out", root / "run", "workers=1")
    return root / "run"


@pytest.fixture(scope="module")
def made(tracked: Path) -> Report:
    return collect(open_run(tracked), weak_bound=1.0)


@pytest.fixture
def changed(tracked: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that may be changed, with data of its own."""
    shutil.copytree(tracked.parent / "data", tmp_path / "data")
    folder = Path(shutil.copytree(tracked, tmp_path / "run"))
    path = folder / "config.yaml"
    settings = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump({**settings, "split": None, "sequences": [str(tmp_path / "data" / n) for n in ("one", "two")]})
    )
    return folder


def test_scores_are_those_of_the_evaluation(tracked: Path, made: Report) -> None:
    result = evaluate_folder(tracked, tracked.parent / "data")
    assert result.combined is not None
    values = result.combined.values()
    assert {one.metric: one.value for one in made.scores} == pytest.approx(
        {name: values[name] for name in ("HOTA", "IDF1", "AssA", "DetA", "MOTA", "IDSW")}
    )
    assert list(made.table) == result.table()
    assert made.num_switches == len(made.switches) == values["IDSW"]
    assert sum(sum(part.false_counts) for part in made.sequences) == values["CLR_FP"]
    assert sum(sum(part.missed_counts) for part in made.sequences) == values["CLR_FN"]
    assert made.num_people == values["GT_IDs"] and made.mostly_lost == values["ML"]


def test_intervals_hold_the_sequences(made: Report) -> None:
    hota = next(one for one in made.scores if one.metric == "HOTA")
    assert hota.interval is not None
    low, high = hota.interval
    # of two sequences, every fourth draw is one of them alone
    assert (low, high) == pytest.approx((min(made.hota.values()), max(made.hota.values())))
    assert low <= hota.value <= high


def test_every_box_is_somewhere_on_the_timeline(tracked: Path, made: Report) -> None:
    for part in made.sequences:
        table = open_run(tracked).table(part.name)
        assert sum(one.boxes for one in part.trajectories) == len(table) == part.num_boxes
        spans = [span for one in part.trajectories for span in one.seen + one.filled]
        assert sum(last - first + 1 for first, last in spans) == len(table)
        assert part.num_filled == sum(one.num_filled for one in part.trajectories) == int(table.is_interpolated.sum())


def test_links_and_levels_are_those_of_a_replay(tracked: Path, made: Report) -> None:
    links = [link for part in made.sequences for one in part.trajectories for link in one.weak_links]
    assert links and all(link.before < link.frame and link.probability < 1 for link in links)
    certain = collect(open_run(tracked), weak_bound=0.0)
    assert not any(one.weak_links for part in certain.sequences for one in part.trajectories)
    assert [one.level for one in made.levels] == list(range(8))
    assert made.levels[-1].completeness is not None and made.levels[-1].completeness > 0.9
    assert not {"links", "levels", "scores", "switches", "mistakes", "interval"} & made.lacks.keys()


def test_without_a_replay_it_says_so(tracked: Path) -> None:
    made = collect(open_run(tracked), with_replay=False)
    assert made.lacks["links"] == made.lacks["levels"] and "--no-replay" in made.lacks["links"].reason
    assert not made.levels and made.scores


def test_other_weights_are_no_obstacle(changed: Path) -> None:
    path = changed / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "weights_sha256": "0" * 64}))
    made = collect(open_run(changed))
    assert "not the weights" in made.lacks["links"].reason and made.scores and made.sequences[0].trajectories


def test_a_published_recipe_is_no_obstacle(changed: Path) -> None:
    path = changed / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "recipe": "sushi", "is_published": True}))
    made = collect(open_run(changed))
    assert "recipe sushi cannot be replayed (track with --recipe default)" in made.lacks["levels"].reason
    assert made.scores and made.switches == collect(open_run(changed), with_replay=False).switches


def test_results_that_were_changed_afterwards_are_refused(changed: Path) -> None:
    path = changed / "tracks" / "one.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match=r"one\.txt: other rows than one\.parquet"):
        collect(open_run(changed), with_replay=False)


def test_a_sequence_that_cannot_be_tracked_again_is_named(changed: Path) -> None:
    detections = changed.parent / "data" / "two" / "det" / "toy.txt"
    detections.write_text("1,-1,10,10,20,50,0.01,-1,-1,-1\n")
    made = collect(open_run(changed))
    assert any(note.startswith("two cannot be tracked once more") for note in made.notes)
    assert made.levels and "links" not in made.lacks


def test_a_run_of_which_nothing_can_be_tracked_again_has_no_links(changed: Path) -> None:
    for name in ("one", "two"):
        (changed.parent / "data" / name / "det" / "toy.txt").write_text("1,-1,10,10,20,50,0.01,-1,-1,-1\n")
    made = collect(open_run(changed))
    fault = "no detections take part (there is nothing to look at)"
    assert [fault in note for note in made.notes] == [True, True], "one of each sequence"
    assert fault in made.lacks["links"].reason and made.lacks["levels"] == made.lacks["links"]
    page = render(made)
    assert "link below" not in page and 'value="w"' not in page and 'value="weak"' not in page
    assert not any(one.command for one in made.switches) and made.scores


def test_other_trajectories_are_told(changed: Path) -> None:
    detections = changed.parent / "data" / "two" / "det" / "toy.txt"
    detections.write_text("".join(detections.read_text().splitlines(keepends=True)[:-40]))
    assert any(note.startswith("two: tracking again gave other") for note in collect(open_run(changed)).notes)


def test_without_ground_truth_the_rest_is_there(changed: Path) -> None:
    for name in ("one", "two"):
        shutil.rmtree(changed.parent / "data" / name / "gt")
    made = collect(open_run(changed))
    assert made.lacks.keys() >= {"scores", "switches", "mistakes", "levels", "ceilings", "words"}
    assert "links" not in made.lacks and made.sequences[0].trajectories[0].matched is None
    assert "--data" in made.lacks["scores"].command


def test_commands_can_be_copied_whatever_folders_are_called(changed: Path, tmp_path: Path) -> None:
    odd = Path(changed.rename(tmp_path / "run; rm -rf ~ $(x)"))
    made = collect(open_run(odd), with_replay=False)
    assert shlex.split(made.lacks["words"].command) == ["sushi-lg", "describe", str(odd), "--out", str(odd)]
    assert shlex.split(made.lacks["ceilings"].command) == ["sushi-lg", "study", "ceilings", str(odd)]


def test_ground_truth_of_one_sequence_has_no_intervals(changed: Path) -> None:
    shutil.rmtree(changed.parent / "data" / "two" / "gt")
    made = collect(open_run(changed), with_replay=False)
    assert made.scores and made.scores[0].interval is None and "interval" in made.lacks
    assert "1 of 2 sequences have no ground truth: two" in made.notes


def test_large_runs_are_cut_where_it_hurts_least(tracked: Path, made: Report) -> None:
    small = collect(open_run(tracked), with_replay=False, limits=Limits(trajectories=3, switches=0))
    kept = [one.boxes for part in small.sequences for one in part.trajectories]
    lengths = sorted((one.boxes for part in made.sequences for one in part.trajectories), reverse=True)
    assert sorted(kept, reverse=True) == lengths[:3]
    assert [part.num_trajectories for part in small.sequences] == [part.num_trajectories for part in made.sequences]
    assert any("3 longest of" in note for note in small.notes)
    assert small.switches == () and small.num_switches == made.num_switches and small.scores == made.scores


def test_words_stand_at_their_trajectories(tracked: Path) -> None:
    opened = open_run(tracked)
    first, second = (one.track_id for one in collect(opened, with_replay=False).sequences[0].trajectories[:2])
    said = Words(
        sequence="one",
        summary=(),
        captions={first: (Said("A man.", (first,), (0, 59)), Said("He waits.", (first,), (0, 59)))},
        acts=(Act(first, second, "pass.v.01", "passes by", 0.8, (0, 59)),),
        author="rules",
    )
    made = collect(opened, {"one": said}, with_replay=False)
    row = next(one for one in made.sequences[0].trajectories if one.track_id == first)
    assert row.caption == "A man. He waits."
    (words,) = made.words
    assert words.acts[0].scenes and words.scenes[first] and not words.scenes[first][0].picture
    assert any(note.startswith("Nothing was said yet about two") for note in made.notes)


def test_words_are_shown_at_detected_boxes(tracked: Path) -> None:
    path = tracked / "tracks" / "one.parquet"
    table = read_trajectories(path)
    ids, counts = np.unique(table.track_id, return_counts=True)
    first, second = (int(one) for one in ids[np.argsort(-counts)[:2]])
    both = np.intersect1d(table.frame[table.track_id == first], table.frame[table.track_id == second])
    filled = np.isin(table.track_id, [first, second]) & (table.frame != both[1])
    changed = replace(
        table, is_interpolated=filled, detection_index=np.where(filled, -1, np.maximum(table.detection_index, 0))
    )
    write_trajectories(path.with_suffix(".txt"), changed)
    act = Act(first, second, "pass.v.01", "passes by", 0.8, (0, int(both[-1])))
    said = Words(sequence="one", summary=(), captions={}, acts=(act,), author="rules")
    made = collect(open_run(tracked), {"one": said}, with_replay=False)
    assert [scene.frame for scene in made.words[0].acts[0].scenes] == [int(both[1])]


def test_old_words_of_some_sequences_are_a_note(tracked: Path) -> None:
    made = collect(open_run(tracked), {"one": Words("one", (), {}, (), "rules")}, outdated=["two"], with_replay=False)
    (note,) = (note for note in made.notes if "said" in note)
    assert "about other trajectories" in note and "remove semantics/two.json; then `sushi-lg describe" in note
    assert [words.sequence for words in made.words] == ["one"] and "words" not in made.lacks


def test_what_a_cut_page_leaves_out_is_not_said_to_be_absent(changed: Path) -> None:
    # the ground truth forgets everybody but the first: the others' trajectories are false
    for name in ("one", "two"):
        truth = changed.parent / "data" / name / "gt" / "gt.txt"
        truth.write_text("".join(line for line in truth.read_text().splitlines(keepends=True) if ",1," in line[:6]))
    opened = open_run(changed)
    whole = collect(opened, with_replay=False)
    assert whole.num_false > 3 and len(whole.false_tracks) == whole.num_false
    small = collect(opened, with_replay=False, limits=Limits(trajectories=2, switches=0))
    assert [one.trajectory.track_id for one in small.false_tracks] == [
        one.trajectory.track_id for one in whole.false_tracks
    ]
    page = render(small)
    rows = set(re.findall(r'id="(t\d+-\d+)"', page))
    links = set(re.findall(r'href="#(t\d+-\d+)"', page))
    assert len(rows) == 2 and links <= rows


def test_ceilings_of_the_run_are_read(changed: Path) -> None:
    opened, path = open_run(changed), changed / "ceilings.json"
    assert read_ceilings(opened) == ((), "What each part of the tracker costs was not computed for this run.")
    stage = {"stage": "perfect", "plain": {"combined": {"HOTA": 80}}, "filled": {"combined": {"HOTA": 90.5}}}
    cost = {"stage": "perfect", "HOTA": 90.5, "lost": None, "interval": None}
    both = {"stages": [stage, stage], "costs": [cost, {**cost, "interval": [1, 2]}]}
    mine = fingerprint_of(opened)
    path.write_text(json.dumps({"of": [mine], **both}))
    (first, second), reason = read_ceilings(opened)
    assert (first.name, first.plain, first.filled, first.interval) == ("perfect", 80, 90.5, None)
    assert second == replace(first, interval=(1.0, 2.0)) and not reason
    other = {**mine, "config": "0" * 64}
    for of, reason in (([mine, other], "2 runs together"), ([other], "other results or settings"), ([], "not say")):
        path.write_text(json.dumps({"of": of, **both}))
        stages, told = read_ceilings(opened)
        assert stages == () and reason in told
    path.write_text(json.dumps(both))
    assert "does not say which results" in read_ceilings(opened)[1]
    broken = ("", "[]", '{"stages": [{}], "costs": [{}]}', json.dumps({"stages": [stage], "costs": []}))
    for content in (*broken, json.dumps({**both, "of": 3})):
        path.write_text(content)
        with pytest.raises(DataError, match=r"ceilings\.json: not what"):
            read_ceilings(opened)


def test_ceilings_of_what_was_there_before_are_not_shown(changed: Path) -> None:
    run("study", "ceilings", changed)
    opened = open_run(changed)
    assert collect(opened, with_replay=False).ceilings
    shutil.rmtree(changed / "tracks")
    run("track", *(changed.parent / "data" / name for name in ("one", "two")), "--out", changed, "output.min_length=4")
    made = collect(open_run(changed), with_replay=False)
    assert made.ceilings == () and "other results or settings" in made.lacks["ceilings"].reason
    run(*shlex.split(made.lacks["ceilings"].command)[1:])
    assert collect(open_run(changed), with_replay=False).ceilings


def test_ceilings_end_at_the_score_of_the_run(changed: Path) -> None:
    run("study", "ceilings", changed)
    made = collect(open_run(changed), with_replay=False)
    assert "ceilings" not in made.lacks and made.ceilings[0].interval is None
    assert all(stage.interval is not None for stage in made.ceilings[1:])
    hota = next(one.value for one in made.scores if one.metric == "HOTA")
    assert made.ceilings[-1].filled == pytest.approx(hota, abs=0.05)  # the text of a run is rounded


def test_a_run_without_any_trajectory_has_a_page(changed: Path) -> None:
    empty = changed.parent / "empty"
    sequences = yaml.safe_load((changed / "config.yaml").read_text())["sequences"]
    run("track", *sequences, "--out", empty, "output.min_length=1000")
    made = collect(open_run(empty))
    assert all(part.num_boxes == 0 and part.trajectories == () for part in made.sequences)
    assert made.num_switches == 0 and made.mostly_lost == made.num_people
    page = render(made)
    assert "There is none." in page and 'class="row item' not in page


def test_provenance(tracked: Path, made: Report) -> None:
    assert made.facts["Recipe"] == "default" and len(made.facts["SHA-256 of the weights"]) == 64
    assert {"config.yaml", "tracks/one.txt", "tracks/two.parquet"} <= made.files.keys()
    assert "max_gap" in made.settings and made.name == tracked.name


def test_switches_of_a_real_sequence(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mot" / "MOT17" / "train" / "MOT17-05"
    run("track", source, "--detections", "yolox_x", "--out", tmp_path)
    assert not any(switch.command for switch in collect(open_run(tmp_path), with_replay=False).switches)
    made = collect(open_run(tmp_path))
    values = {one.metric: one.value for one in made.scores}
    assert made.num_switches == values["IDSW"] > 0
    assert all(switch.before < switch.frame and switch.before_id != switch.after_id for switch in made.switches)
    assert all(s.before_scene and any(b.track_id == s.before_id for b in s.before_scene.boxes) for s in made.switches)
    assert all(s.after_scene and any(b.track_id == s.after_id for b in s.after_scene.boxes) for s in made.switches)
    for switch in (made.switches[0], made.switches[-1]):  # the questions that the page offers have an answer
        run(*shlex.split(switch.command)[1:])


def test_a_switch_offers_a_question_that_a_shell_understands() -> None:
    switch = Switch("a b", 3, 9, 12, 4, 5, "took over")
    words = shlex.split(_with_command(switch, shlex.quote("runs/it's")).command)
    assert words == ["sushi-lg", "inspect", "runs/it's", "--sequence", "a b", "--pair", "4", "5", "--frame", "10"]
