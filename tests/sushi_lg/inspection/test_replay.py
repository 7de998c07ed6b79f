from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from people import write_people
from synthetic import PERSONS, write_world

from sushi_lg.cli.app import main
from sushi_lg.errors import ConfigError, DataError, WeightsError
from sushi_lg.inspection.replay import open_run, replay


@pytest.fixture
def run_folder(tracked: Path, tmp_path: Path) -> Path:
    """Return a copy that may be changed."""
    return Path(shutil.copytree(tracked, tmp_path / "run"))


def change(folder: Path, **settings: object) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **settings}))


def test_the_same_trajectories_come_out(tracked: Path) -> None:
    run = open_run(tracked)
    assert run.names == ("one", "two") and not run.is_published_recipe
    for name in run.names:
        again = replay(run, name)
        assert again.is_same and again.has_truth and len(again.stored) > 0
        assert len(again.results) == len(again.tracker.config.levels) == len(again.levels)
        stored = again.stored.detection_index
        kept = {int(row) for row in stored if row >= 0}
        assert kept <= set(again.rows.tolist())
        assert again.links.is_right.sum() > 0.9 * len(again.links.is_right)
        quality = again.quality()
        assert quality is not None and quality[-1].completeness is not None and quality[-1].completeness > 0.9
        assert len(set(again.stored.track_id.tolist())) >= PERSONS - 1


def test_other_trajectories_are_noticed(run_folder: Path) -> None:
    change(run_folder, on_bad_row="skip")  # changes nothing
    assert replay(open_run(run_folder), "one").is_same
    settings = yaml.safe_load((run_folder / "config.yaml").read_text())["settings"]
    settings["output"]["max_gap_filled"] = 1
    change(run_folder, settings=settings)
    assert not replay(open_run(run_folder), "one").is_same


def test_without_truth_nothing_is_judged(run_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    write_world(data, ("one", "two"))
    shutil.rmtree(data / "one" / "gt")
    change(run_folder, split=None, sequences=["/moved/one", "/moved/two"])
    run = open_run(run_folder, data)
    assert run.sequence("one").info.root == data / "one"
    again = replay(run, "one")
    assert again.is_same and not again.has_truth and again.quality() is None and not again.links.is_judged.any()


def detected_people(folder: Path) -> Path:
    """Write three people with pictures, and detections that are right."""
    walk = write_people(folder)
    (walk / "det").mkdir()
    seen = [line.split(",") for line in (walk / "gt" / "gt.txt").read_text().splitlines()]
    lines = (",".join([row[0], "-1", *row[2:6], "0.9", "-1", "-1", "-1"]) for row in seen if int(row[1]) <= 3)
    (walk / "det" / "given.txt").write_text("\n".join(lines) + "\n")
    return walk


def test_appearance_is_read_from_where_it_was(tmp_path: Path) -> None:
    walk = detected_people(tmp_path / "walk")
    for words in (
        ["embed", str(walk), "--embedder", "hsv", "--out", str(tmp_path / "look")],
        ["track", str(walk), "--appearance", str(tmp_path / "look"), "--out", str(tmp_path / "run")],
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
    again = replay(open_run(tmp_path / "run"), "walk")
    assert again.is_same and again.detections.embedding is not None


def test_a_run_on_a_video_may_be_moved(tmp_path: Path) -> None:
    """It holds its sequence and its appearance vectors; the absolute paths in config.yaml are those of yesterday."""
    out = tmp_path / "yesterday"
    walk = detected_people(out / "walk")
    for words in (
        ["embed", str(walk), "--embedder", "hsv", "--out", str(out / "appearance" / "hsv")],
        ["track", str(walk), "--appearance", str(out / "appearance" / "hsv"), "--out", str(out)],
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
    moved = out.rename(tmp_path / "today")
    again = replay(open_run(moved), "walk")
    assert again.is_same and again.detections.embedding is not None
    shutil.rmtree(moved / "walk")
    with pytest.raises(DataError, match="no such folder, but") as error:
        open_run(moved)
    assert "--data" in str(error.value)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"weights_sha256": "0" * 64}, WeightsError, "not the weights"),
        ({"weights": "gone"}, WeightsError, "no such weights"),
        ({"is_published": True, "recipe": "sushi"}, ConfigError, "recipe sushi cannot be replayed"),
        ({"settings": {"min_skore": 1}}, ConfigError, "min_skore"),
        ({"appearance": {"one": "hsv 12"}}, DataError, "does not say where"),
        ({"appearance": {"one": "hsv 12"}, "galleries": "/gone/looks"}, DataError, "put it back, or write where it is"),
        ({"appearance": "hsv"}, DataError, "appearance is 'hsv'"),
        ({"split": None, "sequences": 5}, DataError, "sequences is 5"),
    ],
)
def test_what_cannot_be_replayed(
    run_folder: Path, settings: dict[str, object], error: type[Exception], said: str
) -> None:
    change(run_folder, **settings)
    with pytest.raises(error, match=said):
        replay(open_run(run_folder), "one")


def test_a_split_file_is_found_with_the_data(run_folder: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "data", ("one", "two"))
    change(run_folder, split="/gone/split-one.txt", data="/gone")
    with pytest.raises(DataError, match="no such split file") as error:
        open_run(run_folder)
    assert "--data" in str(error.value)
    assert open_run(run_folder, tmp_path / "data").names == ("one", "two")
    change(run_folder, settings=None)  # of an older version: those of the weights
    assert replay(open_run(run_folder, tmp_path / "data"), "one").is_same


def test_edited_boxes_are_noticed(run_folder: Path) -> None:
    run = open_run(run_folder)
    again = replay(run, "one")
    boxes = again.stored.boxes_ltwh.copy()
    boxes[0, 2] += 1.0
    assert again.is_same and not replace(again, stored=replace(again.stored, boxes_ltwh=boxes)).is_same


def test_no_run(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_run(tmp_path)
    with pytest.raises(DataError, match="no sequence 'three'"):
        open_run(run_folder).sequence("three")
    shutil.rmtree(run_folder / "tracks")
    with pytest.raises(DataError, match="no results"):
        open_run(run_folder)
    (run_folder / "config.yaml").write_text("[1, 2")
    with pytest.raises(DataError, match="cannot be read"):
        open_run(run_folder)
