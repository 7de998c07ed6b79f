"""Where boxes cannot tell two people apart, a network that learned from imagined vectors can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from sushi_lg.data.clips import OBJECT, Clip
from sushi_lg.data.imagined_appearance import imagine_appearance
from sushi_lg.tracking.recipe import LevelConfig, TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.training.objective import fit_feature_statistics, objective
from sushi_lg.training.sampling import Batch, to_batch
from sushi_lg.training.settings import LossConfig, TrainConfig

FRAMES, HIDDEN = 40, (18, 22)


def meeting(rng: np.random.Generator) -> Clip:
    """Two people meet, cannot be seen for four frames, and go on or turn back: boxes look the same either way."""
    frame = np.repeat(np.arange(FRAMES), 2)
    side = np.tile([-1, 1], FRAMES)
    offset = 4.0 * np.abs(frame - FRAMES / 2 + 0.5) * side
    place = rng.uniform((200, 100), (440, 300)) + rng.normal(0, 0.3, (len(frame), 2))
    left = place[:, 0] + offset
    boxes = np.stack([left - 15, place[:, 1], left + 15, place[:, 1] + 80], axis=1).astype(np.float32)
    went_on = rng.random() < 0.5
    who = np.where((frame >= HIDDEN[0]) & went_on, -side, side)
    clip = Clip(
        frame=frame,
        boxes_xyxy=boxes,
        score=np.full(len(frame), 0.9, dtype=np.float32),
        identity=(who + 1) // 2,
        is_object=np.full(len(frame), OBJECT, dtype=np.int8),
        truth_xyxy=boxes.copy(),
        camera=None,
        frame_rate=25.0,
        image_size=(640.0, 480.0),
        length=FRAMES,
    )
    return clip.select((frame < HIDDEN[0]) | (frame >= HIDDEN[1]))


def batch_of(clips: int, seed: int, *, seen: bool) -> Batch:
    rng = np.random.default_rng(seed)
    made = [meeting(rng) for _ in range(clips)]
    return to_batch([imagine_appearance(clip, rng) for clip in made] if seen else made)


def share_right(tracker: HierarchicalTracker, batch: Batch) -> float:
    """Return the share of joins across the hidden frames that are right."""
    *_, last = tracker.run(batch.detections)
    member_of, frame = last.after.member_of, batch.detections.frame
    right = []
    for clip in range(batch.detections.num_clips):
        own = batch.detections.clip == clip
        before = torch.nonzero(own & (frame == HIDDEN[0] - 1)).squeeze(1)
        after = torch.nonzero(own & (frame == HIDDEN[1])).squeeze(1)
        joined = [(a, b) for a in before for b in after if member_of[a] == member_of[b]]
        right += [bool(batch.detections.identity[a] == batch.detections.identity[b]) for a, b in joined]
    assert len(right) > batch.detections.num_clips  # of two a clip
    return float(np.mean(right))


def test_looks_decide_where_boxes_cannot(settings: Callable[..., TrainConfig]) -> None:
    torch.manual_seed(0)
    widths = settings().tracker.blocks["tracklets"]
    levels = [LevelConfig(1, 4, threshold=0.5, slot="tracklets"), LevelConfig(8, threshold=0.5, slot="tracklets")]
    tracker = HierarchicalTracker(TrackerConfig(levels=levels, blocks={"tracklets": widths})).train()
    fit_feature_statistics(tracker, [batch_of(20, 1, seen=False)])
    optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-2)
    for step in range(120):
        loss = objective(tracker, batch_of(10, 100 + step, seen=step % 4 > 0), LossConfig(edge_prior=2.0)).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tracker.parameters(), 1.0)
        optimizer.step()
    tracker.eval()
    with torch.inference_mode():
        seen = batch_of(60, 7, seen=True)
        boxes = replace(seen, detections=replace(seen.detections, embedding=None))
        assert 0.3 < share_right(tracker, boxes) < 0.7  # chance
        assert share_right(tracker, seen) > 0.8
