"""Where tracklets are cut again, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import cut, make, members, tracklets_of, walkers

from sushi_lg.geometry import paired_iou
from sushi_lg.graph.occlusion import find_overlaps
from sushi_lg.graph.second_look import places_to_cut
from sushi_lg.graph.settings import SecondLookConfig
from sushi_lg.graph.tracklets import Tracklets, singletons
from sushi_lg.structures import Detections

pytestmark = pytest.mark.usefixtures("both_ways")


def places(detections: Detections, tracklets: Tracklets, config: SecondLookConfig) -> list[int]:
    _, contacts = find_overlaps(detections, config.least_iou)
    return torch.nonzero(places_to_cut(detections, tracklets, contacts, config)).squeeze(1).tolist()


def expected_places(detections: Detections, tracklets: Tracklets, config: SecondLookConfig) -> list[int]:
    """The rules in words: visit every pair of tracklets, walk along the frames both have."""
    found = set()
    own = [members(tracklets)[number] for number in range(len(tracklets))]
    boxes = detections.boxes_xyxy
    for a, mine in enumerate(own):
        for b, other in enumerate(own):
            if a == b or min(len(mine), len(other)) < config.min_length:
                continue
            if int(tracklets.clip[a]) != int(tracklets.clip[b]):
                continue
            frame_of = {int(detections.frame[d]): int(d) for d in other}
            encounter: list[tuple[float, int, int]] = []
            encounters = [encounter]
            for step, detection in enumerate(mine):
                frame = int(detections.frame[detection])
                if frame not in frame_of:
                    continue
                partner = frame_of[frame]
                iou = float(paired_iou(boxes[[int(detection)]], boxes[[partner]])[0])
                if iou >= config.touch_iou and partner == int(other[0]):
                    found.add(int(detection))
                if iou >= config.touch_iou and partner == int(other[-1]) and step + 1 < len(mine):
                    found.add(int(mine[step + 1]))
                if iou >= config.peak_iou:
                    if encounter and frame - encounter[-1][1] > config.encounter_gap:
                        encounter = []
                        encounters.append(encounter)
                    encounter.append((iou, frame, int(detection)))
            for met in encounters:
                highest = max((iou for iou, _, _ in met), default=0)
                peak = next((detection for iou, _, detection in met if iou == highest), int(mine[-1]))
                if peak != int(mine[-1]):
                    found.add(peak)
    return sorted(found - {int(mine[0]) for mine in own})


@pytest.mark.parametrize("seed", range(4))
def test_places_are_those_of_plain_loops(seed: int) -> None:
    detections = walkers(seed, people=14, clips=2)
    tracklets = cut(detections, seed, mean_length=12)
    config = SecondLookConfig(min_length=3, touch_iou=0.05, peak_iou=0.15, encounter_gap=3)
    expected = expected_places(detections, tracklets, config)
    assert len(expected) > 3
    assert places(detections, tracklets, config) == expected


def crossing(lost: range) -> tuple[Detections, Tracklets]:
    """Two people cross; the second is not seen in the frames ``lost``."""
    rows = [(frame, 0, 5.0 * frame) for frame in range(20)]
    rows += [(frame, 1 + (frame >= lost.stop), 100 - 5.0 * frame) for frame in range(20) if frame not in lost]
    rows.sort()
    frame, label, left = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack([left, 0 * left, left + 30, 0 * left + 60], axis=1)
    detections = make(frame, boxes)
    _, number = np.unique(label, return_inverse=True)
    return detections, tracklets_of(detections, number.tolist())


def test_who_stays_visible_is_cut_where_the_other_vanishes_and_appears() -> None:
    detections, tracklets = crossing(range(9, 12))
    cut_frames = [int(detections.frame[place]) for place in places(detections, tracklets, SecondLookConfig())]
    assert cut_frames == [9, 12]


def test_two_who_stay_visible_are_cut_where_they_overlap_most() -> None:
    detections, tracklets = crossing(range(20, 20))
    found = places(detections, tracklets, SecondLookConfig())
    assert [int(detections.frame[place]) for place in found] == [10, 10]
    assert sorted(tracklets.member_of[found].tolist()) == [0, 1]


def test_who_stands_still_beside_somebody_is_cut_once() -> None:
    frame = np.repeat(np.arange(50), 2)
    boxes = np.tile([[100, 100, 140, 200], [110, 100, 150, 200]], (50, 1))
    detections = make(frame, boxes)
    tracklets = tracklets_of(detections, [0, 1] * 50)
    assert places(detections, tracklets, SecondLookConfig(touch_iou=0.9)) == []  # equal from the first frame on
    boxes[1:20:2, [0, 2]] += 4  # a little further apart at first
    detections = make(frame, boxes)
    found = places(detections, tracklets_of(detections, [0, 1] * 50), SecondLookConfig(touch_iou=0.9))
    assert [int(detections.frame[place]) for place in found] == [10, 10]


@pytest.mark.parametrize("seed", range(3))
def test_backwards_the_same_encounters_are_cut(seed: int) -> None:
    """Cuts lie on one or the other side of the box where two overlap most, and of nobody's first or last box."""
    detections = walkers(seed, people=14)
    tracklets = cut(detections, seed, mean_length=25)
    config = SecondLookConfig(min_length=3, touch_iou=0.99, peak_iou=0.15, encounter_gap=3)
    last = int(detections.frame.max())
    order = torch.argsort(last - detections.frame, stable=True)
    turned = replace(detections.select(order), frame=(last - detections.frame)[order])
    label = tracklets.member_of[order].tolist()
    renamed = {name: number for number, name in enumerate(dict.fromkeys(label))}
    backwards = order[places(turned, tracklets_of(turned, [renamed[name] for name in label]), config)]
    forwards = places(detections, tracklets, config)
    assert len(forwards) > 3 and sorted(backwards.tolist()) == forwards


def test_short_tracklets_neither_cut_nor_are_cut() -> None:
    detections, tracklets = crossing(range(9, 12))
    assert places(detections, tracklets, SecondLookConfig(min_length=10)) == []


def test_nothing_to_cut() -> None:
    apart = make(np.arange(6), np.tile([[0, 0, 10, 20]], (6, 1)))
    assert places(apart, tracklets_of(apart, [0] * 6), SecondLookConfig(min_length=1)) == []
    empty = apart.select(torch.zeros(0, dtype=torch.int64))
    assert places(empty, singletons(empty), SecondLookConfig()) == []
