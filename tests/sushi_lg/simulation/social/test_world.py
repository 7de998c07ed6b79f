"""Clips repeat, differ where they should, and are such as their settings say; the other worlds know nothing of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sushi_lg.errors import ConfigError
from sushi_lg.simulation import world as crowds
from sushi_lg.simulation.figure import skeleton
from sushi_lg.simulation.render import Renderer
from sushi_lg.simulation.scenes import DOMAINS
from sushi_lg.simulation.social.acts import ALONE, KINDS
from sushi_lg.simulation.social.places import PLACES
from sushi_lg.simulation.social.scripts import SCENARIOS
from sushi_lg.simulation.social.world import SocialClip, SocialDomain, clip_name, simulate_social


@pytest.fixture(scope="module")
def clips() -> list[SocialClip]:
    return [simulate_social(SocialDomain(), number=number) for number in range(1, 61)]


def test_the_same_arguments_give_the_same_clip() -> None:
    domain = SocialDomain(scenarios=["handing_over"])
    first, second = (simulate_social(domain, number=3) for _ in range(2))
    assert first.acts == second.acts and first.cast == second.cast
    np.testing.assert_array_equal(first.staging.boxes_xyxy, second.staging.boxes_xyxy)
    np.testing.assert_array_equal(first.detections.boxes_xyxy, second.detections.boxes_xyxy)
    pictures = [clip.renderer().picture(clip.frames // 2) for clip in (first, second)]
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].std() > 8, "there is something to see"


def test_frames_may_be_drawn_in_any_order() -> None:
    clip = simulate_social(SocialDomain(scenarios=["playing_catch"], seconds=[4, 6]))
    np.testing.assert_array_equal(list(clip.pictures())[5], clip.renderer().picture(5))


@pytest.mark.parametrize("other", [{"seed": 1}, {"split": "test"}, {"number": 2}])
def test_other_arguments_give_other_people_and_courses(other: dict[str, object]) -> None:
    domain = SocialDomain(scenarios=["quarrel"])
    first, second = simulate_social(domain), simulate_social(domain, **other)  # type: ignore[arg-type]
    assert first.cast != second.cast and first.acts != second.acts


def test_clips_are_such_as_annotators_of_bensmot_had(clips: list[SocialClip]) -> None:
    people = np.array([len(clip.cast) for clip in clips])
    assert people.min() >= 1 and people.max() <= 6 and 2.1 < people.mean() < 2.8
    seconds = np.array([clip.frames / clip.domain.frame_rate for clip in clips])
    assert seconds.min() >= 10 and seconds.max() <= 40.5 and 15 < seconds.mean() < 27
    assert len({clip.scenario.name for clip in clips}) > 12 and {clip.place for clip in clips} == set(PLACES)
    assert {clip_name(SocialDomain(), number=k + 1) for k in range(60)} == {clip.name for clip in clips}
    for clip in clips:
        for act in clip.acts:
            assert act.kind in (KINDS if act.passive is not None else ALONE)
            assert 0 <= act.first <= act.last < clip.frames
            inside = clip.staging.is_inside[[act.active, *([act.passive] if act.passive is not None else [])]]
            assert inside[:, act.first].all() and inside[:, act.last].all(), "what is told can be seen"


def test_some_only_pass_by_or_stand_near(clips: list[SocialClip]) -> None:
    idle = 0
    for clip in clips:
        busy = {k for act in clip.acts if act.passive is not None for k in (act.active, act.passive)}
        idle += sum(clip.staging.is_inside[k].any() and k not in busy for k in range(len(clip.cast)))
    assert idle >= 5


def test_boxes_hold_the_arms() -> None:
    clip = simulate_social(SocialDomain(scenarios=["saying_goodbye"]))
    wave = next(act for act in clip.acts if act.kind == "wave")
    frame = (wave.first + wave.last) // 2
    top = clip.staging.boxes_xyxy[wave.active, frame, 1]
    head = (clip.staging.foot + clip.staging.up)[wave.active, frame, 1]
    assert top < head - 2, "the hand is above the head"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"people": [3, 2]}, "people"),
        ({"seconds": [1, 5]}, "seconds"),
        ({"scenarios": ["quarel"]}, "quarel"),
        ({"every": 1}, "every"),
        ({"scenarios": ["quarrel"], "people": [1, 1]}, "people"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        simulate_social(SocialDomain(**settings))  # type: ignore[arg-type]


def test_settings_are_kept() -> None:
    clip = simulate_social(SocialDomain(people=[4, 4], seconds=[6, 8], frame_rate=4, every=4, scenarios=["quarrel"]))
    assert len(clip.cast) == 4 and 6 * 4 <= clip.frames <= 8 * 4 and clip.domain.frame_rate == 4


def test_every_scenario_can_be_in_each_of_its_places() -> None:
    for scenario in SCENARIOS.values():
        assert set(scenario.places) <= set(PLACES) and scenario.parts[0] <= scenario.parts[1]


# ------------------------------------------------------------------------------------------------- the other worlds


def test_the_other_worlds_are_as_they_were() -> None:
    assert set(DOMAINS) == {"plaza", "stage", "night", "mall"} and crowds.VERSION == 2
    for name in DOMAINS:
        clip = crowds.simulate(replace(DOMAINS[name], frames=4))
        assert type(clip.renderer()) is Renderer, "drawn by what always drew them"
        walks = clip.walks
        view = walks.heading + np.arctan2(walks.place[..., 0], walks.place[..., 1])
        np.testing.assert_array_equal(clip.staging.joints, skeleton(view, walks.phase, walks.stride))


# of the version a study rests on: numbers without OpenCV, so that they hold everywhere
FIRST_BOXES = {
    "plaza": ([192.1276, 158.3511, 227.185, 256.9891], 136076.492),
    "stage": ([618.8049, 146.4571, 630.7707, 211.7956], 64896.507),
    "night": ([464.9433, 121.0239, 503.2072, 236.3466], 110525.055),
    "mall": ([386.523, 133.142, 435.2739, 286.8499], 80434.015),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_boxes_and_detections_of_the_other_worlds_have_not_moved(name: str) -> None:
    clip = crowds.simulate(replace(DOMAINS[name], frames=8), number=3, seed=5)
    box, total = FIRST_BOXES[name]
    np.testing.assert_allclose(clip.staging.boxes_xyxy[2, 7], box, atol=1e-3)
    assert abs(float(clip.detections.boxes_xyxy.sum()) - total) < 0.01
