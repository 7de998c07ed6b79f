"""Motion of tracklets against numpy, one tracklet at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import cut, make, members, panning, seen_by, tracklets_of, walkers

from sushi_lg.geometry import xyxy_to_cxcywh
from sushi_lg.graph.kinematics import boxes_at, clean_fits, crowd_path, end_states, ends_of_singles
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.tracklets import from_members, singletons, split

pytestmark = pytest.mark.usefixtures("both_ways")

WINDOWS, OFFSETS = (2, 3, 8), (1, 2, 5, 9)


@pytest.mark.parametrize("seed", range(3))
def test_slopes_are_those_of_polyfit(seed: int) -> None:
    detections = walkers(seed, clips=2)
    tracklets = cut(detections, seed, mean_length=6)
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy).to(torch.float64).numpy()
    values = np.stack([boxes[:, 0], boxes[:, 1], np.log(boxes[:, 3])], axis=1)
    states = end_states(detections, tracklets, WINDOWS, OFFSETS)
    assert int((tracklets.length == 1).sum()) > 0
    for at_end, state in enumerate(states):
        assert state.velocity.shape == (3, len(tracklets), 2) and state.growth.shape == (3, len(tracklets))
        for position, window in enumerate(WINDOWS):
            for number, own in enumerate(members(tracklets)):
                chosen = own[-window:] if at_end else own[:window]
                frame = detections.frame[chosen].numpy()
                expected = np.polyfit(frame, values[chosen], 1)[0] if len(chosen) > 1 else np.zeros(3)
                found = [*state.velocity[position, number].tolist(), float(state.growth[position, number])]
                np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("seed", range(2))
def test_clean_lines_are_those_of_weighted_polyfit(seed: int) -> None:
    detections = walkers(seed, clips=2)
    tracklets = cut(detections, seed, mean_length=9)
    overlap = overlap_features(detections)
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy).to(torch.float64).numpy()
    values = np.stack([boxes[:, 0], boxes[:, 1] + boxes[:, 3] / 2], axis=1)
    score = detections.score.to(torch.float64).numpy().clip(1e-3, 1 - 1e-3)
    sizes = np.concatenate([np.log(boxes[:, [3, 2]]), np.log(score / (1 - score))[:, None]], axis=1)
    disturbed = overlap.to(torch.float64).numpy()
    weight = ((1 - disturbed[:, 0]) * (1 - disturbed[:, 1])) ** 2 + 0.03
    for at_end, fit in enumerate(clean_fits(detections, tracklets, overlap, (3, 8))):
        for position, window in enumerate((3, 8)):
            for number, own in enumerate(members(tracklets)):
                chosen = own[-window:] if at_end else own[:window]
                frame, share = detections.frame[chosen].numpy(), weight[chosen]
                at = detections.frame[own[-1 if at_end else 0]].item()
                mean_frame = np.average(frame, weights=share)
                assert float(fit.weight[position, number]) == pytest.approx(share.sum(), rel=1e-4)
                size = np.average(sizes[chosen], axis=0, weights=share)
                np.testing.assert_allclose(fit.value[position, number, 2:], size, atol=1e-4)
                if np.average((frame - mean_frame) ** 2, weights=share) < 0.45:
                    continue  # too short for a slope; just above, the two might disagree about that
                # polyfit squares its weights
                slope, offset = np.polyfit(frame - at, values[chosen], 1, w=np.sqrt(share))
                np.testing.assert_allclose(fit.slope[position, number], slope, atol=1e-2)
                np.testing.assert_allclose(fit.value[position, number, :2], offset, atol=3e-2)


def test_parts_of_a_second_look_remember_what_was_before_the_cut() -> None:
    detections = walkers(0)
    tracklets = cut(detections, 0, mean_length=30)
    overlap = overlap_features(detections)
    before = torch.from_numpy(np.random.default_rng(0).random(len(detections)) < 0.2)
    parts = split(detections, tracklets, before)
    starts, ends = clean_fits(detections, parts, overlap, (4, 1000))
    lost = from_members(detections, parts.member_of)  # the same parts, nothing remembered
    plain_starts, plain_ends = clean_fits(detections, lost, overlap, (4, 1000))
    assert bool((starts.weight >= plain_starts.weight - 1e-4).all())
    assert bool((ends.weight[1] > plain_ends.weight[1] + 1).any())
    # A part ends as its tracklet would, had it been cut short there, whatever else was cut; the same for its start.
    for number, own in enumerate(members(parts)):
        whole = members(tracklets)[int(tracklets.member_of[own[0]])]
        from_start, to_end = whole[whole.index(own[0]) :], whole[: whole.index(own[-1]) + 1]
        for end, (fits, rest) in enumerate([(starts, from_start), (ends, to_end)]):
            kept = torch.tensor(rest)
            alone = detections.select(kept)
            one = from_members(alone, torch.zeros(len(alone), dtype=torch.int64))
            expected = clean_fits(alone, one, overlap[kept], (4, 1000))[end]
            for key in ("value", "slope", "weight"):
                found, right = getattr(fits, key)[:, number], getattr(expected, key)[:, 0]
                torch.testing.assert_close(found, right, atol=2e-2, rtol=1e-4)


def test_a_box_cut_off_by_another_hardly_bends_its_line() -> None:
    frame = np.concatenate([np.arange(10), [8, 9]])
    left = np.concatenate([10.0 * np.arange(10), [82, 92]])
    boxes = np.stack([left, 0 * left, left + 20, 0 * left + 60], axis=1)
    boxes[8:10, 3] = 20  # the last two are cut off below, by somebody whose box covers what is left of them
    order = np.argsort(frame, kind="stable")
    detections = make(frame[order], boxes[order])
    tracklets = tracklets_of(detections, np.array([0] * 10 + [1] * 2)[order].tolist())
    overlap = overlap_features(detections)
    _, ends = clean_fits(detections, tracklets, overlap, (10,))
    assert float(ends.value[0, 0, 1]) == pytest.approx(60, abs=6)  # the last box alone says 20
    assert float(ends.value[0, 0, 2].exp()) == pytest.approx(60, abs=6)


def test_slopes_stay_exact_late_in_a_long_video() -> None:
    frame = np.arange(100_000, 100_020)
    left = 5000 + 3.25 * frame
    detections = make(frame, np.stack([left, 0 * left, left + 20, 0 * left + 50], axis=1))
    for state in end_states(detections, tracklets_of(detections, [0] * 20), (4,), (1,)):
        np.testing.assert_allclose(state.velocity[0, 0], [3.25, 0], atol=0.02)  # float32 boxes, 1/64 pixel apart


@pytest.mark.parametrize("at_end", [False, True])
def test_history_is_interpolated_and_ends_with_the_tracklet(at_end: bool) -> None:
    detections = walkers(4, clips=2, missing=0.4)
    tracklets = cut(detections, 4, mean_length=6)
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy).numpy()
    state = end_states(detections, tracklets, WINDOWS, OFFSETS)[at_end]
    for number, own in enumerate(members(tracklets)):
        frame = detections.frame[own].numpy()
        end = frame[-1] if at_end else frame[0]
        wanted = end - np.array(OFFSETS) if at_end else end + np.array(OFFSETS)
        inside = (wanted >= frame[0]) & (wanted <= frame[-1])
        assert state.history_valid[number].tolist() == inside.tolist()
        expected = np.stack([np.interp(np.where(inside, wanted, end), frame, boxes[own, c]) for c in range(4)], axis=1)
        np.testing.assert_allclose(state.history[number], expected, rtol=1e-5, atol=1e-3)
        np.testing.assert_array_equal(state.boxes[number], boxes[own[-1 if at_end else 0]])
    assert bool(state.history_valid.any()) and not bool(state.history_valid.all())


def test_boxes_at_any_frame_inside() -> None:
    detections = make([0, 2, 2, 5, 6], [[i, 0, i + 10, 20] for i in (0, 20, 500, 80, 520)])
    tracklets = tracklets_of(detections, [0, 0, 1, 0, 1])
    frame = torch.tensor([[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 6]])
    owner = torch.tensor([0, 1])[:, None].expand_as(frame)
    left = boxes_at(detections, tracklets, detections.boxes_xyxy, owner, frame)[..., 0]
    torch.testing.assert_close(left, torch.tensor([[0.0, 10, 20, 40, 60, 80], [500, 505, 510, 515, 520, 520]]))


def test_habits_look_at_thirty_detections() -> None:
    rng = np.random.default_rng(0)
    height, score = rng.uniform(50, 90, 40), rng.uniform(0, 1, 40)
    detections = make(np.arange(40), np.stack([0 * height, 0 * height, height / 2, height], axis=1), score=score)
    states = end_states(detections, tracklets_of(detections, [0] * 40), (3,), (1,))
    for own, state in zip((slice(0, 30), slice(10, 40)), states, strict=True):
        logs = [np.log(height[own]), np.log(height[own] / 2)]
        expected = [logs[0].mean(), logs[1].mean(), score[own].mean()]
        np.testing.assert_allclose(state.habit[0], expected, atol=1e-5)
        np.testing.assert_allclose(state.restlessness[0], [logs[0].std(), logs[1].std()], atol=1e-5)


def test_crowd_path_is_the_pan_that_all_share() -> None:
    detections = walkers(1, people=6, missing=0.0, trembling=0.0)
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy)
    still = boxes.clone()
    still[:, :2] = boxes[detections.identity, :2]  # everybody stays where the first frame (rows 0 .. 5) has them
    rng = np.random.default_rng(2)
    pan = torch.from_numpy(np.concatenate([[[0, 0]], rng.normal(0, 9, (39, 2))]).cumsum(axis=0)).float()
    moved = still.clone()
    moved[:, :2] += pan[detections.frame]
    tracklets = tracklets_of(detections, detections.identity.numpy())
    path = crowd_path(detections, tracklets, moved)
    assert path.shape == (1, 41, 2)
    torch.testing.assert_close(path[0, :40], pan, rtol=0, atol=1e-2)
    # Somebody who runs through the picture has hardly a vote: a plain mean would drift by 52 pixels.
    moved[detections.identity == 3, 0] += 8.0 * detections.frame[detections.identity == 3]
    torch.testing.assert_close(crowd_path(detections, tracklets, moved)[0, :40], pan, rtol=0, atol=8.0)


def test_crowd_path_needs_three_votes_and_knows_clips() -> None:
    detections = walkers(2, people=2, missing=0.0)
    tracklets = tracklets_of(detections, detections.identity.numpy())
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy)
    assert not crowd_path(detections, tracklets, boxes).any()
    assert not crowd_path(detections, singletons(detections), boxes).any()  # no steps at all
    both = walkers(2, people=4, clips=2, missing=0.0)
    path = crowd_path(both, tracklets_of(both, both.identity.numpy()), xyxy_to_cxcywh(both.boxes_xyxy))
    assert path.shape[0] == 2 and path[0].any() and not torch.equal(path[0], path[1])


def test_a_known_pan_is_gone_from_velocities() -> None:
    still = walkers(3, people=4)
    tracklets = cut(still, 3, mean_length=8)
    panned = seen_by(still, panning(still.frame, (5.0, -2.0)))
    for free, seen in zip(
        end_states(still, tracklets, WINDOWS, OFFSETS), end_states(panned, tracklets, WINDOWS, OFFSETS), strict=True
    ):
        torch.testing.assert_close(seen.velocity, free.velocity, rtol=0, atol=1e-3)
        torch.testing.assert_close(seen.boxes, free.boxes, rtol=0, atol=1e-3)
        torch.testing.assert_close(seen.history, free.history, rtol=0, atol=1e-3)


def test_nothing_at_all() -> None:
    detections = make([], np.zeros((0, 4)))
    for state in end_states(detections, singletons(detections), WINDOWS, OFFSETS):
        assert state.velocity.shape == (3, 0, 2) and state.history.shape == (0, 4, 4)
    assert crowd_path(detections, singletons(detections), torch.zeros(0, 4)).shape == (1, 1, 2)


@pytest.mark.parametrize("with_camera", [False, True])
def test_ends_of_singles_are_those_of_the_general_way(with_camera: bool) -> None:
    detections = walkers(2, people=6, clips=2, frames=20)
    if with_camera:
        turn = torch.eye(2, 3, dtype=torch.float64).repeat(len(detections), 1, 1)
        turn[:, 0, 2] = detections.frame.double()
        turn[:, 1, 1] = 1.1
        detections = replace(detections, camera=turn)
    overlap, alone = overlap_features(detections), singletons(detections)
    sizes = (3, 8), (1, 4, 9), (6, 20)
    state, fit = ends_of_singles(detections, overlap, *sizes)
    for expected in end_states(detections, alone, sizes[0], sizes[1]):
        for name, value in vars(expected).items():
            torch.testing.assert_close(getattr(state, name), value, rtol=1e-6, atol=1e-6)
    for expected in clean_fits(detections, alone, overlap, sizes[2]):
        for name, value in vars(expected).items():
            torch.testing.assert_close(getattr(fit, name), value, rtol=1e-6, atol=1e-6)
