"""Every act looks as it is called: on the ground, in the joints and in the pictures' boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sushi_lg.simulation.figure import JOINTS
from sushi_lg.simulation.social.acts import KINDS, Act
from sushi_lg.simulation.social.poses import REACH, hand_pixels
from sushi_lg.simulation.social.scripts import SCENARIOS
from sushi_lg.simulation.social.world import SocialClip, SocialDomain, simulate_social

_AT = {name: k for k, name in enumerate(JOINTS)}


class Seen:
    """An act and what can be measured of it; frames are those of the act."""

    def __init__(self, clip: SocialClip, act: Act) -> None:
        assert act.passive is not None
        self.clip, self.act, self.a, self.b = clip, act, act.active, act.passive
        self.frames = slice(act.first, act.last + 1)
        self.place_a, self.place_b = (clip.walks.place[k, self.frames] for k in (self.a, self.b))
        self.distance = np.linalg.norm(self.place_a - self.place_b, axis=1)
        self.joints_a = clip.staging.joints[self.a, self.frames]
        self.boxes_a, self.boxes_b = (clip.staging.boxes_xyxy[k, self.frames] for k in (self.a, self.b))
        build = np.array([person.build for person in clip.people])
        pixels = hand_pixels(clip.staging.joints, clip.staging.foot, clip.staging.up, build)
        self.hands_a, self.hands_b = (pixels[k, self.frames] for k in (self.a, self.b))
        self.tall = np.linalg.norm(clip.staging.up[self.b, self.frames], axis=-1)

    def facing(self, who: int, whom: int) -> NDArray[np.float64]:
        """Radians between where somebody looks and where the other is."""
        place, heading = self.clip.walks.place[:, self.frames], self.clip.walks.heading[who, self.frames]
        to = place[whom] - place[who]
        off = np.arctan2(to[:, 0], -to[:, 1]) - heading
        return np.asarray(np.abs((off + np.pi) % (2 * np.pi) - np.pi))

    def high(self) -> NDArray[np.float64]:
        """Height of the higher hand of who does it, in shares of the body."""
        return np.asarray(np.maximum(self.joints_a[:, _AT["hand_l"], 1], self.joints_a[:, _AT["hand_r"], 1]))

    def hand_gap(self) -> NDArray[np.float64]:
        """Least distance of a hand of each in the picture, in shares of a body."""
        gaps = np.linalg.norm(self.hands_a[:, :, None] - self.hands_b[:, None], axis=-1)
        return np.asarray(gaps.min(axis=(1, 2)) / self.tall)

    def touches(self, *, back: bool = False) -> NDArray[np.bool_]:
        """Whether a hand of who does it is inside the other's box; ``back`` asks for the other's hands."""
        hands, boxes = (self.hands_b, self.boxes_a) if back else (self.hands_a, self.boxes_b)
        inside = (hands >= boxes[:, None, :2]) & (hands <= boxes[:, None, 2:])
        return np.asarray(inside.all(axis=-1).any(axis=1))

    def looks(self) -> bool:
        """Whether who does it faces the other, after having turned."""
        off = self.facing(self.a, self.b)
        return float(np.median(off)) < 0.5


def _moved(place: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(place[-1] - place[0]))


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the smaller box that the larger one covers."""
    inner = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(axis=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    return np.asarray(inner / np.minimum(*areas))


def _follows(seen: Seen) -> bool:
    """Whether somebody is where the other was a moment before, nearer than to where the other is now."""
    rate, first = seen.clip.domain.frame_rate, seen.act.first
    off = []
    for frame in range(first, seen.act.last + 1):
        past = seen.clip.walks.place[seen.b, max(frame - round(3 * rate), 0) : frame + 1]
        off.append(np.linalg.norm(past - seen.clip.walks.place[seen.a, frame], axis=1).min())
    return float(np.mean(off)) < 0.6


def _hands_a_thing_over(seen: Seen) -> bool:
    holders = [thing.holder[seen.frames].tolist() for thing in seen.clip.things]
    return any(seen.a in holder and holder[-1] == seen.b for holder in holders)


def _swept(seen: Seen) -> float:
    to = seen.place_a - seen.place_b
    return abs(float(np.unwrap(np.arctan2(to[:, 1], to[:, 0]))[[0, -1]] @ [-1, 1]))


def _points(seen: Seen) -> bool:
    """Whether the stretched arm leads to the other in the picture, in half of the frames or more."""
    shoulder = seen.joints_a[:, _AT["shoulder_r"]]
    arm = seen.joints_a[:, _AT["hand_r"]] - shoulder
    stretched = np.linalg.norm(arm, axis=-1) > 0.95 * REACH
    to = seen.clip.staging.foot[seen.b, seen.frames, 0] - seen.clip.staging.foot[seen.a, seen.frames, 0]
    level = np.abs(arm[:, 1]) < 0.2
    return float(np.mean(stretched & level & ((arm[:, 0] * to > 0) | (np.abs(to) < 20)))) >= 0.5


def _speed(place: NDArray[np.float64], seen: Seen) -> float:
    steps = np.linalg.norm(np.diff(place, axis=0), axis=1) * seen.clip.domain.frame_rate
    return float(np.median(steps)) if len(steps) else 0.0


def _clap(seen: Seen) -> bool:
    gap = np.linalg.norm(seen.joints_a[:, _AT["hand_l"]] - seen.joints_a[:, _AT["hand_r"]], axis=-1)
    return bool((gap < 0.2).mean() > 0.5 and (seen.high() > 0.65).mean() > 0.5)


def _stretches_both_arms(seen: Seen) -> bool:
    arms = [seen.joints_a[:, _AT[f"hand_{side}"]] - seen.joints_a[:, _AT[f"shoulder_{side}"]] for side in "lr"]
    long = [np.linalg.norm(arm, axis=-1) > 0.22 for arm in arms]
    level = [np.abs(arm[:, 1]) < 0.15 for arm in arms]
    return float(np.mean(long[0] & long[1] & level[0] & level[1])) > 0.5


LOOKS: dict[str, Callable[[Seen], bool]] = {
    "applaud": lambda seen: seen.looks() and _clap(seen),
    "approach": lambda seen: bool(seen.distance[-1] < seen.distance[0] - 0.4 and _moved(seen.place_a) > 0.2),
    "beckon": lambda seen: seen.looks() and bool((seen.high() > 0.75).mean() >= 0.5),
    "chase": lambda seen: min(_speed(seen.place_a, seen), _speed(seen.place_b, seen)) > 1.0,
    "circle": lambda seen: _swept(seen) > np.pi * 0.6,
    "collide": lambda seen: bool(seen.distance.min() < 0.6),
    "dance": lambda seen: bool((seen.distance < 1.7).all() and seen.high().max() > 0.85),
    "embrace": lambda seen: bool(
        _overlap(seen.boxes_a, seen.boxes_b).max() > 0.3
        and (seen.touches() | seen.touches(back=True)).mean() > 0.5
        and seen.looks()
    ),
    "explain": lambda seen: bool(np.median(seen.facing(seen.b, seen.a)) < 0.5 and seen.high().max() > 0.6),
    "fight": lambda seen: bool((seen.distance < 1.2).all() and seen.touches().any() and seen.looks()),
    "follow": _follows,
    "give": lambda seen: bool(seen.hand_gap().min() < 0.06) and _hands_a_thing_over(seen),
    "hold_hands": lambda seen: bool(np.median(seen.hand_gap()) < 0.08),
    "leave": lambda seen: bool(seen.distance[-1] > seen.distance[0] + 0.3 and _moved(seen.place_a) > 0.3),
    "look": lambda seen: seen.looks(),
    "obstruct": lambda seen: seen.looks() and _stretches_both_arms(seen) and bool(seen.distance.min() < 2.0),
    "pass": lambda seen: bool(
        np.ptp(np.sign(seen.place_a[:, 0] - seen.place_b[:, 0])) == 2 and seen.distance.min() < 1.0
    ),
    "photograph": lambda seen: seen.looks() and bool((seen.high() > 0.8).mean() > 0.5),
    "point": lambda seen: seen.looks() and _points(seen),
    "pull": lambda seen: bool(np.median(seen.hand_gap()) < 0.08) and _moved(seen.place_b) > 0.3,
    "push": lambda seen: bool(seen.touches().any()) and bool(seen.distance.max() > seen.distance.min() + 0.15),
    "quarrel": lambda seen: seen.looks() and bool(seen.high().max() > 0.7),
    "shake_hands": lambda seen: bool(np.median(seen.hand_gap()) < 0.06),
    "talk": lambda seen: bool(seen.distance.max() < 3.5) and seen.looks(),
    "throw": _hands_a_thing_over,
    "touch": lambda seen: bool(seen.touches().mean() >= 0.5),
    "walk_together": lambda seen: bool(
        np.median(seen.distance) < 2.3 and min(_moved(seen.place_a), _moved(seen.place_b)) > 0.4
    ),
    "wave": lambda seen: seen.looks() and bool((seen.high() > 0.95).mean() >= 0.5),
}


@pytest.fixture(scope="module")
def clips() -> list[SocialClip]:
    """Some clips of every scenario, without pictures."""
    return [
        simulate_social(SocialDomain(scenarios=[name]), split="acts", number=number)
        for name in SCENARIOS
        for number in range(1, 9 if name == "passing_by" else 5)  # one passes by rather seldom
    ]


def test_every_kind_of_act_is_there_and_has_its_look(clips: list[SocialClip]) -> None:
    assert LOOKS.keys() == KINDS.keys()
    met = Counter(act.kind for clip in clips for act in clip.acts)
    assert set(KINDS) <= set(met), f"never seen: {set(KINDS) - set(met)}"


@pytest.mark.parametrize("kind", LOOKS)
def test_acts_are_what_they_are_called(clips: list[SocialClip], kind: str) -> None:
    wrong = [
        f"{clip.name} {act}"
        for clip in clips
        for act in clip.acts
        if act.kind == kind and not LOOKS[kind](Seen(clip, act))
    ]
    assert not wrong, "\n".join(wrong)
