"""What is fast against what is plain: blocks, groups, pieces and workers change nothing.

With gradients the network runs unblocked, on all edges at once, with features that all exist: the reference path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import write_world

from sushi_lg.benchmark.scenes import make_scene, simulate
from sushi_lg.data.sequence import open_sequence
from sushi_lg.graph import appearance, candidates, tracklets
from sushi_lg.host import like_on_a_gpu
from sushi_lg.nn import message_passing, pieces, tracklet_scorer
from sushi_lg.nn.precision import products_in
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.recipe import SushiConfig, doubling_levels
from sushi_lg.tracking.run import track_sequences
from sushi_lg.tracking.sushi import SushiTracker
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path


@pytest.fixture(scope="module")
def shipped() -> HierarchicalTracker:
    return load_tracker(weights_path("default"))


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_passing, "BLOCK", 50)
    monkeypatch.setattr(tracklet_scorer, "ROWS", 70)
    monkeypatch.setattr(pieces, "PIECE", 300)
    monkeypatch.setattr(tracklets, "GROUP", 200)
    monkeypatch.setattr(candidates.nearest_pairs, "__defaults__", (90,))
    monkeypatch.setattr(candidates.pair_blocks, "__defaults__", (90,))
    monkeypatch.setattr(candidates, "GPU_PART", 40)
    monkeypatch.setattr(appearance, "COMPARED_PAIRS", 30)


def levels(tracker: HierarchicalTracker, detections: Detections, *, plain: bool) -> Iterator[LevelResult]:
    results = tracker.run(detections)
    while True:
        with torch.set_grad_enabled(plain):  # around every step: a generator forgets it between two
            result = next(results, None)
        if result is None:
            return
        assert result.scores.probability.requires_grad == plain or not result.graph.num_edges
        yield result


def compare(tracker: HierarchicalTracker, detections: Detections) -> int:
    """Return the number of edges compared; fail where the two decide otherwise, with the margins of the scores."""
    pairs = zip(
        levels(tracker, detections, plain=True),
        levels(tracker, detections, plain=False),
        tracker.config.levels,
        strict=True,
    )
    edges = 0
    for number, (plain, fast, level) in enumerate(pairs):
        edges += plain.graph.num_edges
        assert torch.equal(plain.graph.edge_index, fast.graph.edge_index), f"level {number}: other candidates"
        torch.testing.assert_close(fast.scores.probability, plain.scores.probability.detach(), rtol=1e-4, atol=1e-5)
        differs = plain.accepted != fast.accepted
        margins = (plain.scores.probability.detach() - level.threshold).abs()[differs].tolist()
        assert not margins, f"level {number}: decisions differ at margins {margins}"
    return edges


@pytest.mark.parametrize(("frames", "people"), [(90, 12), (25, 60)])
@pytest.mark.usefixtures("tiny_blocks")
def test_blocks_decide_like_the_plain_path(shipped: HierarchicalTracker, frames: int, people: int) -> None:
    assert compare(shipped, simulate(frames, people, seed=3)) > 1000


def test_real_crowd_is_decided_like_on_the_plain_path(shipped: HierarchicalTracker, shared_data: Path) -> None:
    file = shared_data / "speed" / "mot17_04_second_half_dets.txt"
    if not file.is_file():
        pytest.skip(f"no {file}")
    assert compare(shipped, make_scene(str(file)).detections) > 50_000


@pytest.mark.usefixtures("tiny_blocks")
def test_finished_trajectories_do_not_depend_on_blocks(shipped: HierarchicalTracker) -> None:
    detections = simulate(90, 12, seed=4)
    small = shipped.track(detections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracklets, "GROUP", 1 << 16)
        patch.setattr(pieces, "PIECE", 1 << 15)
        patch.setattr(message_passing, "BLOCK", 4096)
        large = shipped.track(detections)
    assert small.track_id.tolist() == large.track_id.tolist() and small.frame.tolist() == large.frame.tolist()
    np.testing.assert_allclose(small.boxes_ltwh, large.boxes_ltwh, rtol=0, atol=1e-2)


def differences_in_bfloat16(tracker: HierarchicalTracker, detections: Detections) -> torch.Tensor:
    """Return (E,) how far probabilities in bfloat16 are from those in float32, all levels, on the same graphs."""
    found = []
    with torch.inference_mode():
        for number, result in enumerate(tracker.run(detections)):
            with products_in(torch.bfloat16, torch.device("cpu")):
                narrow = tracker.scorer(result.graph, number)
            assert narrow.probability.dtype == narrow.step_logits.dtype == torch.float32
            assert narrow.node_logits is not None and narrow.node_logits.dtype == torch.float32
            found.append((narrow.probability - result.scores.probability).abs())
    return torch.cat(found)


def test_bfloat16_is_near(shipped: HierarchicalTracker) -> None:
    away = differences_in_bfloat16(shipped, simulate(90, 12, seed=3))
    assert 0 < float(away.mean()) < 1e-3 and float((away < 1e-2).float().mean()) > 0.99 and float(away.max()) < 3e-2


def test_bfloat16_is_near_on_a_real_crowd(shipped: HierarchicalTracker, shared_data: Path) -> None:
    file = shared_data / "speed" / "mot17_04_second_half_dets.txt"
    if not file.is_file():
        pytest.skip(f"no {file}")
    away = differences_in_bfloat16(shipped, make_scene(str(file)).detections)
    assert 0 < float(away.mean()) < 1e-3 and float((away < 1e-2).float().mean()) > 0.99 and float(away.max()) < 3e-2


def test_bfloat16_tracks(shipped: HierarchicalTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    detections = simulate(90, 12, seed=3)
    exact = shipped.track(detections)
    monkeypatch.setattr(shipped, "precision", torch.bfloat16)
    narrow = shipped.track(detections)
    assert abs(len(narrow) - len(exact)) < 0.01 * len(exact)
    assert all(value.dtype == torch.float32 for value in shipped.state_dict().values() if value.is_floating_point())


def same_on_both_ways(tracker: HierarchicalTracker | SushiTracker, detections: Detections) -> int:
    """Return the number of edges compared: candidates, decisions and trajectories as on a CPU and as on a GPU."""
    with torch.inference_mode():
        here = list(tracker.run(detections))
        with like_on_a_gpu():
            there = list(tracker.run(detections))
    assert len(here) == len(there) == len(tracker.config.levels)
    for number, (one, other) in enumerate(zip(here, there, strict=True)):
        assert torch.equal(one.graph.edge_index, other.graph.edge_index), f"level {number}: other candidates"
        assert one.graph.num_candidates == other.graph.num_candidates
        assert torch.equal(one.accepted, other.accepted), f"level {number}: other decisions"
        assert torch.equal(one.after.member_of, other.after.member_of)
        torch.testing.assert_close(other.scores.probability, one.scores.probability, rtol=1e-4, atol=1e-5)
    table = tracker.track(detections)
    with like_on_a_gpu():
        again = tracker.track(detections)
    assert table.track_id.tolist() == again.track_id.tolist() and table.frame.tolist() == again.frame.tolist()
    np.testing.assert_allclose(again.boxes_ltwh, table.boxes_ltwh, rtol=0, atol=1e-2)
    return sum(result.graph.num_edges for result in here)


@pytest.mark.parametrize(("frames", "people"), [(90, 12), (25, 60), (3, 2), (1, 1)])
@pytest.mark.parametrize("blocks", ["", "tiny_blocks"])
def test_the_way_of_a_gpu_gives_the_same(
    shipped: HierarchicalTracker, frames: int, people: int, blocks: str, request: pytest.FixtureRequest
) -> None:
    if blocks:
        request.getfixturevalue(blocks)
    assert same_on_both_ways(shipped, simulate(frames, people, seed=5)) > 1000 or frames * people < 100


@pytest.mark.parametrize("blocks", ["", "tiny_blocks"])
def test_the_way_of_a_gpu_gives_the_same_with_appearance(
    shipped: HierarchicalTracker, blocks: str, request: pytest.FixtureRequest
) -> None:
    if blocks:
        request.getfixturevalue(blocks)
    detections = make_scene("60x15x32").detections
    assert detections.embedding is not None and same_on_both_ways(shipped, detections) > 1000


@pytest.mark.parametrize("blocks", ["", "tiny_blocks"])
def test_the_way_of_a_gpu_gives_the_same_for_the_published_recipe(blocks: str, request: pytest.FixtureRequest) -> None:
    if blocks:
        request.getfixturevalue(blocks)
    torch.manual_seed(1)
    levels = doubling_levels([2, 4, 8, 16, 32, 64])
    tracker = SushiTracker(SushiConfig(window=64, levels=levels, min_score=0.0)).eval()
    assert same_on_both_ways(tracker, make_scene("64x9x32").detections) > 1000


def test_the_way_of_a_gpu_gives_the_same_on_a_real_crowd(shipped: HierarchicalTracker, shared_data: Path) -> None:
    file = shared_data / "speed" / "mot17_04_second_half_dets.txt"
    if not file.is_file():
        pytest.skip(f"no {file}")
    assert same_on_both_ways(shipped, make_scene(str(file)).detections) > 50_000


@pytest.mark.parametrize("at_once", [2, 10])
def test_windows_together_are_windows_apart(at_once: int) -> None:
    torch.manual_seed(1)
    tracker = SushiTracker(SushiConfig(window=16, levels=doubling_levels([2, 4, 8, 16]))).eval()
    detections = make_scene("60x6x32").detections
    detections = replace(detections, score=torch.ones(len(detections)))
    apart, together = tracker.link(detections), tracker.link(detections, windows_at_once=at_once)
    assert apart.tolist() == together.tolist() and len(set(apart.tolist())) > 6


def test_workers_write_the_same_files(shipped: HierarchicalTracker, tmp_path: Path) -> None:
    names = ("one", "two", "three")
    write_world(tmp_path, names)
    sequences = [open_sequence(tmp_path / name) for name in names]
    written = []
    for workers in (1, 3):
        out = tmp_path / str(workers)
        reports = list(track_sequences(shipped, sequences, out, workers=workers))
        assert {report.name for report in reports} == set(names)
        written.append({name: (out / "tracks" / f"{name}.txt").read_bytes() for name in names})
    assert written[0] == written[1] and all(written[0].values())
