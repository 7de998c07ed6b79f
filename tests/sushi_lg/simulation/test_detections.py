"""A detector's errors grow with occlusion, and nothing tells whose a detection is."""

from __future__ import annotations

import numpy as np
import pytest

from sushi_lg.data.identities import match_identities
from sushi_lg.simulation.detections import NEVER_SEEN
from sushi_lg.simulation.scenes import DOMAINS
from sushi_lg.simulation.world import SimulatedClip, simulate


@pytest.fixture(scope="module")
def matched() -> list[tuple[SimulatedClip, np.ndarray, np.ndarray]]:
    """Clips, the person of each detection (-1 = none), and the detections' visibility."""
    result = []
    for number in (1, 2, 3):
        clip = simulate(DOMAINS["plaza"], split="detections", number=number)
        people, frames = np.nonzero(clip.staging.visibility > 0)
        found = clip.detections
        boxes = clip.staging.boxes_xyxy[people, frames]
        who = match_identities(found.boxes_xyxy, found.frame, boxes, frames, people)
        result.append((clip, who, clip.staging.visibility[np.maximum(who, 0), found.frame]))
    return result


def test_most_people_in_sight_are_found_and_hidden_ones_are_not(matched: list) -> None:
    found, there = np.zeros(2), np.zeros(2)
    for clip, who, _ in matched:
        visibility = clip.staging.visibility
        seen = np.zeros(visibility.shape, bool)
        seen[who[who >= 0], clip.detections.frame[who >= 0]] = True
        for k, band in enumerate((visibility > 0.9, (visibility > NEVER_SEEN) & (visibility < 0.5))):
            found[k] += (seen & band).sum()
            there[k] += band.sum()
    clear, covered = found / there
    assert 0.9 < clear < 0.995
    assert 0.1 < covered < 0.75


def test_scores_tell_how_well_somebody_is_seen(matched: list) -> None:
    score = np.concatenate([clip.detections.score[who >= 0] for clip, who, _ in matched])
    visibility = np.concatenate([visible[who >= 0] for _, who, visible in matched])
    assert np.corrcoef(score, visibility)[0, 1] > 0.6
    false = np.concatenate([clip.detections.score[who < 0] for clip, who, _ in matched])
    assert false.mean() < 0.5 < score.mean()
    assert 0 <= min(score.min(), false.min()) and max(score.max(), false.max()) <= 1


def test_there_are_false_detections(matched: list) -> None:
    for clip, who, _ in matched:
        a_frame = (who < 0).sum() / clip.frames
        assert 0.05 < a_frame < 1.5


def test_the_order_inside_a_frame_tells_nothing(matched: list) -> None:
    followed = total = 0
    for clip, who, _ in matched:
        last: np.ndarray | None = None
        for frame in range(clip.frames):
            now = who[clip.detections.frame == frame]
            if last is not None and len(last) and len(now):
                followed += last[0] == now[0]
                total += 1
            last = now
    assert followed / total < 0.35


def test_boxes_lie_in_the_picture_and_frames_are_in_order(matched: list) -> None:
    for clip, _, _ in matched:
        boxes, frame = clip.detections.boxes_xyxy, clip.detections.frame
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [640, 360]).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 4).all()
        assert (np.diff(frame) >= 0).all() and frame.max() < clip.frames
