"""Recipe ``sushi`` against intermediate values of the original code on real clips, stage by stage."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sushi_lg.data.mot_format import read_table
from sushi_lg.graph.labels import majority_identity, nearest_partner_labels
from sushi_lg.nn.losses import level_loss
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.recipe import SushiConfig, doubling_levels
from sushi_lg.tracking.stitch import window_ranges
from sushi_lg.tracking.sushi import SushiTracker
from sushi_lg.training.import_legacy import import_state_dict

pytestmark = pytest.mark.usefixtures("both_ways")

CLIPS = ["clip_a", "clip_c", "clip_a_k3", "clip_a_w32"]


@dataclass(frozen=True)
class Golden:
    """One clip of the original code."""

    about: dict
    tensors: dict[str, torch.Tensor]
    detections: Detections
    tracker: SushiTracker
    folder: Path

    def window(self, number: int) -> Detections:
        return self.detections.select(self.tensors[f"w{number}.det_index"].long())


@pytest.fixture(scope="module", params=CLIPS)
def golden(request: pytest.FixtureRequest, shared_data: Path) -> Golden:
    return load(shared_data / "golden_sushi", request.param)


def load(folder: Path, name: str) -> Golden:
    about = json.loads((folder / f"{name}.json").read_text())
    tensors = load_file(folder / f"{name}.safetensors")
    settings = about["settings"]
    levels = [
        replace(level, num_neighbours=settings["top_k_nns"]) for level in doubling_levels(settings["frames_per_level"])
    ]
    config = SushiConfig(window=settings["frames_per_graph"], levels=levels)
    config.scorer.node_input = settings["node_dim"]
    state = import_state_dict(load_file(folder / "weights.safetensors"), num_levels=len(levels))
    tracker = SushiTracker(config)
    tracker.scorer.load_state_dict(state)
    table = read_table(folder / about["input_file"])
    count = len(table)
    detections = Detections(
        frame=torch.from_numpy(table.frame - 1),
        boxes_xyxy=torch.from_numpy(table.boxes_xyxy.astype(np.float32)),
        score=torch.from_numpy(table.confidence.astype(np.float32)),
        identity=tensors["det_gt"].long(),
        clip=torch.zeros(count, dtype=torch.int64),
        frame_rate=torch.tensor([float(about["fps"])]),
        image_size=torch.tensor([[float(about["image_width"]), float(about["image_height"])]]),
        embedding=tensors["det_emb"],
    )
    return Golden(about, tensors, detections, tracker, folder)


def results(golden: Golden, window: int) -> list[tuple[int, LevelResult]]:
    with torch.no_grad():
        return list(enumerate(golden.tracker.eval().run(golden.window(window))))


def sorted_edges(result: LevelResult) -> torch.Tensor:
    """Order of our edges by (earlier, later), the order of the golden files."""
    earlier, later = result.graph.edge_index
    return torch.argsort(earlier * (result.graph.num_nodes + 1) + later)


def test_windows(golden: Golden) -> None:
    frames = golden.detections.frame.numpy()
    ours = window_ranges(frames, golden.tracker.config.window)
    theirs = [(w["first_frame"] - 1, w["last_frame"] - 1) for w in golden.about["windows"]]
    assert [w[0] for w in ours] == [w[0] for w in theirs]
    for number, (low, high) in enumerate(ours):
        held = np.flatnonzero((frames >= low) & (frames <= high))
        assert held.tolist() == golden.tensors[f"w{number}.det_index"].tolist()


def test_every_level_of_every_window(golden: Golden) -> None:
    for window, about in enumerate(golden.about["windows"]):
        for level, result in results(golden, window):
            prefix = f"w{window}.l{level}."
            expected = {
                key.removeprefix(prefix): value for key, value in golden.tensors.items() if key.startswith(prefix)
            }
            graph, order = result.graph, sorted_edges(result)
            assert graph.num_candidates == about["levels"][level]["candidate_pairs"]
            assert torch.equal(graph.edge_index[:, order].T, expected["edges"].long()), prefix
            detections = golden.window(window)
            assert torch.equal(result.before.first_frame + 1, expected["node_start"].long())
            assert torch.equal(result.before.last_frame + 1, expected["node_end"].long())
            identity = majority_identity(detections, result.before)
            assert torch.equal(identity, expected["node_gt"].long())
            label = nearest_partner_labels(result.before, graph.edge_index, identity)[:, order]
            assert torch.equal(label[0], expected["label_fwd"].bool())
            assert torch.equal(label[1], expected["label_bwd"].bool())
            torch.testing.assert_close(graph.edge_features[order], expected["edge_feat"], rtol=0, atol=2e-5)
            # Level 0 measures pixels, of which float32 corners near 2000 resolve 1e-4; higher levels lie in 1 .. 3.
            torch.testing.assert_close(graph.cost[order], expected["prune_dist"], rtol=1e-6, atol=0 if level else 5e-4)
            logits = result.scores.step_logits[-1][:, order]
            torch.testing.assert_close(logits[0], expected["logit_fwd"], rtol=0, atol=1e-4)
            torch.testing.assert_close(logits[1], expected["logit_bwd"], rtol=0, atol=1e-4)
            torch.testing.assert_close(result.scores.probability[order], expected["score"], rtol=0, atol=2e-5)
            assert torch.equal(result.scores.probability[order] >= 0.5, expected["kept"].bool())
            assert torch.equal(result.accepted[order], expected["rounded"].bool()), prefix
            component = result.after.member_of
            assert torch.equal(component, expected["det_component"].long())


def test_logits_of_every_step(shared_data: Path) -> None:
    golden = load(shared_data / "golden_sushi", "clip_a")
    golden.tracker.train()
    for level, result in enumerate(golden.tracker.run(golden.window(0))):
        logits = result.scores.step_logits.detach()[:, :, sorted_edges(result)].permute(0, 2, 1)
        torch.testing.assert_close(logits, golden.tensors[f"w0.l{level}.logit_steps"], rtol=0, atol=1e-4)


def test_stitched_trajectories(golden: Golden) -> None:
    ours = golden.tracker.eval().link(golden.detections)
    theirs = golden.tensors["stitched_id"].numpy()
    pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
    assert len(pairs) == len(set(ours.tolist())) == len(set(theirs.tolist()))


def test_result_rows(golden: Golden) -> None:
    table = golden.tracker.eval().track(golden.detections)
    theirs = np.loadtxt(golden.folder / golden.about["result_file"], delimiter=",", ndmin=2)
    assert len(table) == len(theirs)
    # Trajectories are told apart by their first rows, because ids are numbered differently.
    ours = np.column_stack(
        [table.frame + 1, table.track_id, table.boxes_ltwh + np.array([1, 1, 0, 0]), table.confidence]
    )
    assert canonical(ours[:, :7]) == pytest.approx(canonical(theirs[:, :7]), abs=2e-4)


def canonical(rows: np.ndarray) -> np.ndarray:
    """Rows sorted by (start of the trajectory, frame), ids replaced by that order."""
    starts = {}
    for number in np.unique(rows[:, 1]):
        mine = rows[rows[:, 1] == number]
        first = mine[np.argmin(mine[:, 0])]
        starts[number] = (first[0], round(first[2], 1), round(first[3], 1))
    rank = {number: position for position, number in enumerate(sorted(starts, key=starts.__getitem__))}
    rows = rows.copy()
    rows[:, 1] = [rank[number] for number in rows[:, 1]]
    return rows[np.lexsort((rows[:, 0], rows[:, 1]))]


def test_training_loss_and_gradients(shared_data: Path) -> None:
    golden = load(shared_data / "golden_sushi", "clip_a")
    expected = load_file(golden.folder / "train_a.safetensors")
    detections = golden.window(0)
    golden.tracker.train()
    losses = []
    for result in golden.tracker.run(detections):
        label = nearest_partner_labels(
            result.before, result.graph.edge_index, majority_identity(detections, result.before)
        )
        losses.append(level_loss(result.scores.step_logits, label))
    torch.testing.assert_close(torch.stack(losses).detach(), expected["level_loss"], rtol=1e-5, atol=0)
    total = torch.stack(losses).sum()
    torch.testing.assert_close(total.detach()[None], expected["total_loss"], rtol=1e-5, atol=0)
    total.backward()
    gradients = {key.removeprefix("grad."): value for key, value in expected.items() if key.startswith("grad.")}
    theirs = import_state_dict(gradients, num_levels=9, check_copies=False)
    compared = 0
    for name, parameter in golden.tracker.scorer.named_parameters():
        ours = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        scale = theirs[name].norm()
        assert (ours - theirs[name]).norm() <= 1e-4 * scale + 1e-9, name
        compared += 1
    assert compared == len(theirs)
