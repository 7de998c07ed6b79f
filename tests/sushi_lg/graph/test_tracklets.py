"""Tracklets index detections; their ends, lengths and numbering follow from the map alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy import cut, make, members, tracklets_of, walkers

from sushi_lg.graph import tracklets as module
from sushi_lg.graph.tracklets import FRAME_SPAN, from_members, in_groups, merge, singletons, split
from sushi_lg.solver.components import chain_labels


def test_every_detection_begins_as_a_tracklet() -> None:
    detections = walkers(0, clips=2)
    tracklets = singletons(detections)
    assert len(tracklets) == len(detections)
    assert members(tracklets) == [[i] for i in range(len(detections))]
    assert torch.equal(tracklets.first_frame, detections.frame) and torch.equal(tracklets.last_frame, detections.frame)
    assert torch.equal(tracklets.clip, detections.clip)


@pytest.mark.parametrize("seed", range(5))
def test_columns_agree_with_the_map(seed: int) -> None:
    detections = walkers(seed, clips=2)
    tracklets = cut(detections, seed)
    for number, own in enumerate(members(tracklets)):
        assert own == np.flatnonzero(tracklets.member_of.numpy() == number).tolist()
        frames = detections.frame[own].tolist()
        assert frames == sorted(set(frames))
        assert (tracklets.first[number], tracklets.last[number]) == (own[0], own[-1])
        assert (tracklets.first_frame[number], tracklets.last_frame[number]) == (frames[0], frames[-1])
        assert tracklets.length[number] == len(own)
        assert tracklets.clip[number] == detections.clip[own[0]]


@pytest.mark.parametrize("seed", range(5))
def test_sorted_by_clip_and_first_frame(seed: int) -> None:
    detections = walkers(seed, clips=3)
    tracklets = cut(detections, seed)
    assert bool((tracklets.key.diff() >= 0).all())
    assert torch.equal(tracklets.key // FRAME_SPAN, tracklets.clip)
    assert torch.equal(tracklets.key % FRAME_SPAN, tracklets.first_frame)
    assert bool((tracklets.first.diff() > 0).all())


def test_merging_joins_all_detections_of_a_label() -> None:
    detections = make([0, 0, 1, 2, 2, 3], np.tile([0, 0, 10, 20], (6, 1)))
    tracklets = tracklets_of(detections, [0, 1, 0, 0, 1, 2])
    merged = merge(detections, tracklets, torch.tensor([0, 1, 1]))  # the third continues the second
    assert members(merged) == [[0, 2, 3], [1, 4, 5]]
    assert merged.last_frame.tolist() == [2, 3]


def test_merging_twice_is_merging_once() -> None:
    detections = walkers(3)
    fine = cut(detections, 3)
    coarse = tracklets_of(detections, detections.identity.numpy())
    label = coarse.member_of[fine.first]
    merged = merge(detections, fine, label)
    assert members(merged) == members(coarse)
    again = merge(detections, merged, torch.arange(len(merged)))
    assert members(again) == members(coarse)


def test_nothing_at_all() -> None:
    detections = make([], np.zeros((0, 4)))
    tracklets = singletons(detections)
    assert len(tracklets) == 0 and len(tracklets.length) == 0 and tracklets.start.tolist() == [0]
    assert len(merge(detections, tracklets, torch.zeros(0, dtype=torch.int64))) == 0


def test_moves_as_a_whole() -> None:
    detections = walkers(0)
    moved = from_members(detections, torch.arange(len(detections))).to("meta")
    assert moved.order.device.type == moved.clip.device.type == "meta"


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("seed", range(4))
def test_split_parts_know_what_came_next_and_join_to_what_they_were(seed: int) -> None:
    detections = walkers(seed, clips=2)
    tracklets = cut(detections, seed, mean_length=8)
    before = torch.from_numpy(np.random.default_rng(seed).random(len(detections)) < 0.3)
    parts = split(detections, tracklets, before)
    expected = []  # (part, the part that came next)
    for own in members(tracklets):
        pieces = [[own[0]]]
        for detection in own[1:]:
            if before[detection]:
                pieces.append([])
            pieces[-1].append(detection)
        expected += [(piece, following) for piece, following in zip(pieces, [*pieces[1:], None], strict=True)]
    expected.sort(key=lambda pair: pair[0][0])
    found = members(parts)
    assert found == [piece for piece, _ in expected]
    assert torch.equal(parts.uncut.member_of, tracklets.member_of)
    following = [None if number < 0 else found[number] for number in parts.successor.tolist()]
    assert following == [piece for _, piece in expected]
    continued = torch.nonzero(parts.successor >= 0).squeeze(1)
    chains = chain_labels(
        torch.stack([continued, parts.successor[continued]]), torch.ones(len(continued)) > 0, len(parts)
    )
    assert torch.equal(merge(detections, parts, chains).member_of, tracklets.member_of)


@pytest.mark.usefixtures("both_ways")
def test_splitting_nothing_changes_nothing() -> None:
    detections = walkers(0)
    tracklets = cut(detections, 0)
    parts = split(detections, tracklets, torch.zeros(len(detections), dtype=torch.bool))
    assert torch.equal(parts.member_of, tracklets.member_of) and int(parts.successor.max()) == -1


@pytest.mark.parametrize("group", [1, 7, 60])
def test_groups_hand_out_whole_tracklets(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    detections = walkers(3, clips=2, frames=25)
    whole = cut(detections, 3)
    monkeypatch.setattr(module, "GROUP", group)
    with torch.no_grad():
        parts = list(in_groups(detections, whole))
    assert len(parts) > 1
    rows = torch.cat([torch.as_tensor(rows) for _, _, rows in parts])
    assert rows.sort().values.tolist() == list(range(len(detections)))
    for part, tracklets, own in parts:
        assert torch.equal(part.frame, detections.frame[own])
        of_part = [tuple(own[tracklets.member_of == m].tolist()) for m in range(len(tracklets))]
        of_whole = [tuple(torch.nonzero(whole.member_of == m).flatten().tolist()) for m in range(len(whole))]
        assert set(of_part) <= set(of_whole)
    (everything,) = in_groups(detections, whole)  # with gradients
    assert everything[0] is detections
