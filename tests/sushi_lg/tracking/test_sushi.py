"""Recipe ``sushi`` without reference data: clips of odd sizes, clips together, boxes only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sushi_lg.config import load_config
from sushi_lg.errors import ConfigError, WeightsError
from sushi_lg.graph.labels import majority_identity, nearest_partner_labels
from sushi_lg.nn.losses import level_loss
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import SushiConfig, SushiLevelConfig, doubling_levels
from sushi_lg.tracking.stitch import stitch, window_ranges
from sushi_lg.tracking.sushi import SushiTracker, load_sushi, of_everybody, save_sushi

pytestmark = pytest.mark.usefixtures("both_ways")


def tracker(frames: tuple[int, ...] = (2, 4, 8, 16), seed: int = 0) -> SushiTracker:
    torch.manual_seed(seed)
    config = SushiConfig(window=frames[-1], min_score=0.0, levels=doubling_levels(list(frames)))
    config.scorer.node_input = 8
    made = SushiTracker(config)
    with torch.no_grad():
        for block in made.scorer.blocks:  # untrained logits hardly differ; spread them, so that some edges are kept
            block.classifier.layers[-1].weight *= 40
    return made.eval()


def people(frames: int, persons: int = 3, seed: int = 0, embedded: bool = True) -> Detections:
    generator = torch.Generator().manual_seed(seed)
    frame = torch.arange(frames).repeat_interleave(persons)
    person = torch.arange(persons).repeat(frames)
    x = 60.0 * person + 2.0 * frame + torch.randn(len(frame), generator=generator)
    height = 40 + 5 * person + torch.randn(len(frame), generator=generator)
    boxes = torch.stack([x, 100 - height, x + 0.4 * height, torch.full_like(x, 100)], dim=1)
    embedding = torch.eye(persons, 4)[person] * 10 + torch.randn(len(frame), 4, generator=generator)
    return Detections(
        frame=frame,
        boxes_xyxy=boxes,
        score=torch.ones(len(frame)),
        identity=person,
        clip=torch.zeros(len(frame), dtype=torch.int64),
        frame_rate=torch.tensor([25.0]),
        image_size=torch.tensor([[640.0, 480.0]]),
        embedding=embedding if embedded else None,
    )


CLIPS = {
    "nothing": people(0),
    "one node": people(1, persons=1),
    "one frame": people(1, persons=4),
    "one edge": people(2, persons=1),
    "one edge far apart": people(12, persons=1).select(torch.tensor([0, 11])),
    "a window and a bit": people(19),
    "boxes only": people(40, embedded=False),
}


@pytest.mark.parametrize("name", CLIPS)
def test_clips_of_every_size_run(name: str) -> None:
    detections, model = CLIPS[name], tracker()
    track = model.link(detections)
    assert track.shape == (len(detections),) and (track >= 0).all()
    pairs = list(zip(track.tolist(), detections.frame.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs), "one box a frame in a trajectory"
    table = model.track(detections)
    assert len(table) == 0 or table.track_id.min() == 1


@pytest.mark.parametrize(
    "name", [name for name in CLIPS if name not in ("nothing", "boxes only", "a window and a bit")]
)
def test_clips_of_every_size_teach(name: str) -> None:
    detections, model = CLIPS[name], tracker().train()
    total = torch.zeros(())
    for result in model.run(detections):
        identity = majority_identity(detections, result.before)
        label = nearest_partner_labels(result.before, result.graph.edge_index, identity)
        total = total + level_loss(result.scores.step_logits, label)
    assert total.isfinite()
    total.backward()


@pytest.mark.parametrize("embedded", [True, False])
def test_clips_together_equal_clips_apart(embedded: bool) -> None:
    clips = [
        people(16, 3, 1, embedded),
        people(16, 1, 2, embedded),
        people(1, 4, 3, embedded),
        people(9, 5, 4, embedded),
    ]
    clips[1] = replace(clips[1], frame=clips[1].frame + 100)
    model = tracker()
    with torch.no_grad():
        together = list(model.run(Detections.concatenate(clips)))
        apart = [list(model.run(clip)) for clip in clips]
    for level, result in enumerate(together):
        parts = [one[level] for one in apart]
        nodes = torch.tensor([part.graph.num_nodes for part in parts]).cumsum(0)
        shift = [0, *nodes[:-1].tolist()]
        edges = torch.cat([part.graph.edge_index + by for part, by in zip(parts, shift, strict=True)], dim=1)
        assert torch.equal(result.graph.edge_index, edges)
        assert torch.equal(result.accepted, torch.cat([part.accepted for part in parts]))
        probability = torch.cat([part.scores.probability for part in parts])
        torch.testing.assert_close(result.scores.probability, probability)


def test_shared_and_separate_blocks_count_the_published_parameters() -> None:
    assert sum(p.numel() for p in SushiTracker(SushiConfig()).parameters()) == 575_340
    split = SushiConfig(window=150, levels=doubling_levels([5, 25, 75, 150]))
    split.scorer.split_node_encoder = True
    assert sum(p.numel() for p in SushiTracker(split).parameters()) == 575_340 - 5 * 16
    own = SushiConfig()
    own.scorer.sharing = "none"
    assert len(SushiTracker(own).scorer.blocks) == 9


def test_one_block_for_all_needs_equal_features() -> None:
    config = SushiConfig()
    config.scorer.sharing = "all"
    with pytest.raises(ConfigError, match="6 and 7"):
        SushiTracker(config)
    config.levels[0].features = config.levels[1].features
    assert len(SushiTracker(config).scorer.blocks) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": []}, "empty"),
        ({"window": 64}, "window"),
        ({"levels": doubling_levels([2, 3])}, "multiple"),
        ({"levels": [SushiLevelConfig(512, features=["motoin"])]}, "motoin unknown"),
    ],
)
def test_settings_that_contradict_each_other(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SushiConfig(), **change).validate()


def test_motion_can_be_left_out() -> None:
    names = ["gap_seconds", "offset_x", "offset_y"]
    levels = [SushiLevelConfig(frames, 5, None, 0, names) for frames in (4, 8)]
    torch.manual_seed(0)
    track = SushiTracker(SushiConfig(window=8, levels=levels)).eval().link(people(12))
    assert track.shape == (36,)


def test_low_scores_are_left_out_and_results_point_to_the_detections_given() -> None:
    detections = people(20)
    detections = replace(detections, score=torch.where(detections.identity == 1, 0.5, 0.9))
    model = tracker()
    model.config = replace(model.config, min_score=0.65)
    table = model.track(detections)
    real = table.detection_index[~table.is_interpolated]
    assert len(real) > 0 and (detections.identity[real] != 1).all()
    assert (table.detection_index[table.is_interpolated] == -1).all()
    assert detections.frame[real].tolist() == table.frame[~table.is_interpolated].tolist()
    model.config = replace(model.config, min_score=0.95)
    assert len(model.track(detections)) == 0


@pytest.mark.parametrize("bias", [-100.0, 0.0, 100.0], ids=["none joined", "some", "all that may be"])
def test_windows_together_equal_windows_one_by_one(bias: float) -> None:
    model, detections = tracker(seed=1), people(40, persons=4)
    with torch.no_grad():
        for block in model.scorer.blocks:
            block.classifier.layers[-1].bias += bias
    frames = detections.frame.numpy()
    windows = []
    for low, high in window_ranges(frames, 16):
        held = np.flatnonzero((frames >= low) & (frames <= high))
        with torch.no_grad():
            *_, last = model.run(detections.select(torch.from_numpy(held)))
        windows.append((held, last.after.member_of.numpy()))
    assert len(windows) == 4
    track = model.link(detections)
    assert track.tolist() == stitch(len(detections), windows).tolist()
    if bias:
        assert len(set(track.tolist())) == (160 if bias < 0 else 4)


@pytest.mark.parametrize("recipe", ["sushi", "lgmot"])
def test_weights_survive_a_file(recipe: str, tmp_path: Path) -> None:
    config = load_config(SushiConfig, recipe)
    config.scorer.node_input = 8
    torch.manual_seed(1)
    model, detections = SushiTracker(config).eval(), people(30)
    path = tmp_path / "weights.safetensors"
    save_sushi(path, model, {"recipe": recipe})
    again = load_sushi(path, load_config(SushiConfig, recipe))  # whose node input is 2048 wide; that follows the file
    assert again.config == config and not again.training
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert again.link(detections).tolist() == model.link(detections).tolist()
    other = {"sushi": "lgmot", "lgmot": "sushi"}[recipe]
    with pytest.raises(WeightsError, match=r"made for .* the recipe is") as caught:
        load_sushi(path, load_config(SushiConfig, other))
    assert "--recipe" in str(caught.value)


def test_files_that_hold_no_published_weights(tmp_path: Path) -> None:
    path, config = tmp_path / "weights.safetensors", SushiConfig()
    with pytest.raises(WeightsError, match="no such file"):
        load_sushi(path, config)
    path.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_sushi(path, config)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(WeightsError, match="import-checkpoint"):
        load_sushi(path, config)
    for header in ("{", "{}", '{"shape": 3}'):
        save_file({"a": torch.ones(1)}, path, metadata={"sushi_lg_published": header})
        with pytest.raises(WeightsError, match="damaged header"):
            load_sushi(path, config)


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    config = SushiConfig()
    config.scorer.node_input = 8
    path, model = tmp_path / "weights.safetensors", SushiTracker(config)
    with torch.no_grad():
        next(model.scorer.parameters())[0] = torch.nan
    save_sushi(path, model, {})
    with pytest.raises(WeightsError, match="not finite"):
        load_sushi(path, config)
    with safe_open(path, framework="pt") as stored:
        metadata, tensors = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}
    del tensors[next(iter(tensors))]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(WeightsError, match="missing"):
        load_sushi(path, config)


def test_who_was_not_seen_looks_like_a_stranger_to_everybody() -> None:
    embedding = people(30, persons=4).embedding
    assert embedding is not None
    missing = torch.zeros(len(embedding), dtype=torch.bool)
    missing[::7] = True
    filled = of_everybody((embedding * ~missing[:, None]).half())
    assert filled.dtype == torch.float32 and torch.equal(filled[~missing], embedding[~missing].half().float())
    person = torch.arange(4).repeat(30)
    distance = torch.cdist(filled, filled)
    same = (person[:, None] == person) & ~missing[:, None] & ~missing
    two_people = distance[(person[:, None] != person) & ~missing[:, None] & ~missing].median()
    unseen = distance[missing]
    unseen = unseen[unseen > 0]  # but to itself
    assert float(unseen.median()) > 0.6 * float(two_people) > float(distance[same].median())
    assert torch.equal(of_everybody(embedding), embedding)
    tracker().eval().track(replace(people(30, persons=4), embedding=(embedding * ~missing[:, None]).half()))
