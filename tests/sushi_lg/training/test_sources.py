from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from guided import WIDTH, write_galleries
from synthetic import FRAMES, write_world

from sushi_lg.data.clips import BACKGROUND, IGNORED, OBJECT
from sushi_lg.data.gallery import open_gallery
from sushi_lg.data.splits import load_split
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.training.settings import SetConfig, SourceConfig
from sushi_lg.training.sources import common_look, detection_clip, load_sources, read_twins, truth_clip


def split(world: Path, name: str, view: str, *sequences: str) -> str:
    path = world / f"{name}.txt"
    path.write_text(f"# dataset: custom\n# view: {view}\n" + "".join(f"{s}\n" for s in sequences))
    return str(path)


def test_detections_know_who_they_are(world: Path) -> None:
    (sequence,) = load_split(split(world, "one", "full", "learn-1"), world)
    clip = detection_clip(sequence, "toy", 0.1)
    person = clip.is_object == OBJECT
    assert 0.8 < person.mean() < 1 and set(clip.is_object) == {OBJECT, BACKGROUND}
    assert (clip.identity[person] >= 1).all() and (clip.identity[~person] == -1).all()
    assert np.isnan(clip.truth_xyxy[~person]).all()
    assert np.abs(clip.truth_xyxy[person] - clip.boxes_xyxy[person]).max() < 8
    assert len(detection_clip(sequence, "toy", 0.6)) == (clip.score >= 0.6).sum() < len(clip)


def test_unscored_persons_keep_their_identity_but_teach_nothing(tmp_path: Path) -> None:
    root = tmp_path / "MOT17" / "train"
    write_world(root, ("MOT17-99",))
    file = root / "MOT17-99" / "gt" / "gt.txt"
    cells = [line.split(",") for line in file.read_text().splitlines()]
    for row in cells:
        if row[1] == "2":  # person on a vehicle, as MOT17 writes it
            row[6], row[7] = "0", "2"
    file.write_text("\n".join(",".join(row) for row in cells))
    lone = tmp_path / "lone.txt"
    lone.write_text("# dataset: MOT17\n# part: train\n# view: full\nMOT17-99\n")
    (sequence,) = load_split(str(lone), tmp_path)
    clip = detection_clip(sequence, None, None)
    assert set(clip.is_object[clip.identity == 2]) == {IGNORED}
    assert set(clip.is_object[clip.identity == 3]) == {OBJECT}
    assert 2 not in truth_clip(sequence).identity


def test_views_and_choices(world: Path) -> None:
    halves = split(world, "first", "first-half", "learn-1", "learn-2", "learn-3")
    (source,) = load_sources([SourceConfig(halves, exclude=["learn-2"], detections="toy", weight=2)], [], world)
    last = FRAMES // 2 + 1
    assert [s.name for s in source.sequences] == [f"custom/learn-{i} 1-{last} (toy)" for i in (1, 3)]
    assert source.weight == 2 and source.sequences[0].clip.length == last
    (source,) = load_sources([SourceConfig(halves, include=["learn-2"], imagined=True)], [], world)
    assert source.sequences[0].imagined and (source.sequences[0].clip.score == 1).all()


def test_halves_of_one_video_do_not_overlap(world: Path) -> None:
    first = split(world, "first", "first-half", "learn-1", "learn-2")
    second = split(world, "second", "second-half", "learn-1", "learn-2")
    full = split(world, "full", "full", "learn-2")
    load_sources([SourceConfig(first)], [SetConfig(second)], world)
    load_sources([SourceConfig(second)], [SetConfig(first)], world)
    with pytest.raises(ConfigError, match=rf"frames {FRAMES // 2 + 2} to {FRAMES} of learn-2, which second keeps"):
        load_sources([SourceConfig(first), SourceConfig(full)], [SetConfig(second)], world)
    with pytest.raises(ConfigError, match="frames 1 to 31 of learn-1"):
        load_sources([SourceConfig(first)], [SetConfig(first, include=["learn-1"])], world)
    load_sources([SourceConfig(full)], [SetConfig(second, exclude=["learn-2"])], world)


def test_twins_are_one_video(tmp_path: Path) -> None:
    assert frozenset(("Venice-2", "MOT17-02")) in read_twins() and len(read_twins()) == 4
    write_world(tmp_path, ("Venice-2", "Elsewhere"))
    with pytest.raises(ConfigError, match="Venice-2, which is the same video as MOT17-02 of mot17-half-val"):
        load_sources([SourceConfig(str(tmp_path / "split-Venice-2.txt"))], [SetConfig("mot17-half-val")], tmp_path)
    bad = tmp_path / "twins.txt"
    bad.write_text("# comment\na = b = c\n")
    with pytest.raises(DataError, match=r"twins.txt:2"):
        read_twins(bad)


def test_wrong_settings_are_named(world: Path) -> None:
    one = split(world, "one", "full", "learn-1")
    cases = [
        ([], "sources: empty"),
        ([SourceConfig(one, weight=0)], "sources.0.weight"),
        ([SourceConfig(one, overlay=1.5)], "sources.0.overlay"),
        ([SourceConfig(one, include=["nobody"])], "sources.0.include: nobody"),
        ([SourceConfig(one, exclude=["learn-1"])], "leave no sequence"),
    ]
    for configs, message in cases:
        with pytest.raises(ConfigError, match=message):
            load_sources(configs, [], world)
    with pytest.raises(DataError, match="absent"):
        load_sources([SourceConfig(split(world, "more", "full", "learn-1", "gone"))], [], world)
    with pytest.raises(DataError, match="0 boxes to learn from"):
        load_sources([SourceConfig(one, min_score=2.0)], [], world)


def test_vectors_go_with_the_detections_that_are_kept(world: Path, tmp_path: Path) -> None:
    write_galleries(tmp_path, world, ["learn-1"])
    every = open_gallery(tmp_path, "learn-1").vectors
    (sequence,) = load_split(split(world, "one", "full", "learn-1"), world)
    whole = detection_clip(sequence, "toy", None, tmp_path)
    assert whole.embedding is not None and np.array_equal(whole.embedding, every)
    (later,) = load_split(split(world, "later", "second-half", "learn-1"), world)
    clip = detection_clip(later, "toy", 0.6, tmp_path)
    kept = (whole.frame >= later.first - 1) & (whole.score >= 0.6)
    assert clip.embedding is not None and 0 < len(clip) == kept.sum() < len(whole)
    assert np.array_equal(clip.embedding, every[kept]) and np.array_equal(clip.boxes_xyxy, whole.boxes_xyxy[kept])


def test_galleries_of_one_embedder_are_found_and_named(world: Path, tmp_path: Path) -> None:
    names = ("learn-1", "learn-2", "learn-3")
    toy, other = (str(write_galleries(tmp_path / each, world, names, each)) for each in ("toy", "other"))
    one, two, three = (split(world, f"only-{name}", "full", name) for name in names)
    sources = load_sources([SourceConfig(one), SourceConfig(two, appearance=toy)], [], world)
    assert [source.sequences[0].name for source in sources] == [
        "custom/learn-1 1-60 (detections)",
        "custom/learn-2 1-60 (detections, toy)",
    ]
    found = common_look(sources)
    assert found is not None and (found[0].embedder, found[0].fingerprint, found[1]) == ("toy", "weights-of-toy", WIDTH)
    assert common_look(load_sources([SourceConfig(one)], [], world)) is None
    mixed = [SourceConfig(one), SourceConfig(two, appearance=toy), SourceConfig(three, appearance=other)]
    with pytest.raises(ConfigError, match=r"sources: galleries by several embedders: .*learn-2.*toy.*learn-3.*other"):
        common_look(load_sources(mixed, [], world))


def test_galleries_of_boxes_that_nobody_saw_are_refused(world: Path, tmp_path: Path) -> None:
    folder = str(write_galleries(tmp_path, world, ["learn-1"]))
    one = split(world, "one", "full", "learn-1")
    for key, value in (("imagined", True), ("overlay", 0.5)):
        with pytest.raises(ConfigError, match=rf"sources\.1: {key}"):
            load_sources([SourceConfig(one), SourceConfig(one, appearance=folder, **{key: value})], [], world)
    with pytest.raises(DataError, match=r"learn-2\.npy"):
        load_sources([SourceConfig(split(world, "two", "full", "learn-2"), appearance=folder)], [], world)


def test_real_halves_are_accepted_and_whole_videos_refused(shared_data: Path) -> None:
    root = shared_data / "mot"
    halves = SourceConfig("mot17-half-train", "yolox_x", include=["MOT17-09"])
    (source,) = load_sources([halves], [SetConfig("mot17-half-val")], root)
    clip = source.sequences[0].clip
    assert source.sequences[0].name == "MOT17/MOT17-09 1-263 (yolox_x)" and clip.length == 263
    assert (clip.is_object == OBJECT).mean() > 0.5 and clip.frame.max() < 263
    with pytest.raises(ConfigError, match="frames 264 to 525 of MOT17-09"):
        load_sources(
            [SourceConfig("mot17-train", "yolox_x", include=["MOT17-09"])], [SetConfig("mot17-half-val")], root
        )
    twin = SourceConfig("mot15-train", include=["ADL-Rundle-6"], imagined=True)
    with pytest.raises(ConfigError, match="same video as MOT17-09"):
        load_sources([twin], [SetConfig("mot17-half-val")], root)
