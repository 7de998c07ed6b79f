"""Sequences repeat, differ where they should, and look as their light says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sushi_lg.simulation.scenes import DOMAINS
from sushi_lg.simulation.world import SimulatedClip, simulate


def short(name: str, **settings: object) -> SimulatedClip:
    number = int(settings.pop("number", 1))  # type: ignore[call-overload]
    return simulate(replace(DOMAINS[name], frames=12), number=number, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DOMAINS)
def test_the_same_arguments_give_the_same_pixels(name: str) -> None:
    first, second = (np.stack(list(short(name).pictures())) for _ in range(2))
    assert first.shape == (12, 360, 640, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert first.std() > 8, "there is something to see"


def test_frames_may_be_drawn_in_any_order() -> None:
    clip = short("stage")
    all_frames = list(clip.pictures())
    np.testing.assert_array_equal(clip.renderer().picture(7), all_frames[7])


@pytest.mark.parametrize("other", [{"seed": 1}, {"split": "test"}, {"number": 2}])
def test_other_arguments_give_other_people_and_scenes(other: dict[str, object]) -> None:
    assert short("plaza").people != short("plaza", **other).people
    assert short("plaza").scene != short("plaza", **other).scene


def test_only_moving_cameras_have_motion() -> None:
    assert short("plaza").camera_steps is None
    steps = short("stage").camera_steps
    assert steps is not None and steps.shape == (12, 2, 3) and not np.allclose(steps[1:], np.eye(2, 3))


def test_background_moves_as_the_camera_says() -> None:
    clip = simulate(
        replace(
            DOMAINS["mall"],
            people=[1, 1],
            frames=8,
            noise=[0, 0],
            shake=[0, 0],
            flicker=[0, 0],
            pan=[90, 90],
            pan_seconds=[6, 6],
        )
    )
    steps = clip.camera_steps
    assert steps is not None
    shift = steps[1:, 0, 2]
    largest = int(np.argmax(np.abs(shift))) + 1
    before, after = (frame.astype(float) for frame in list(clip.pictures())[largest - 1 : largest + 1])
    by = round(shift[largest - 1])
    assert abs(by) >= 2

    def error(shifted: int) -> float:
        return float(np.abs(np.roll(before, shifted, axis=1)[:, 20:-20] - after[:, 20:-20]).mean())

    assert error(by) < 0.6 * error(0)
    assert error(by) < error(-by)


def chest_colours(name: str) -> np.ndarray:
    """Return the spread, over time, of the share of red in people's chests, one row a person."""
    clip = simulate(replace(DOMAINS[name], noise=[0, 0]), split="chest")
    renderer, staging, spread = clip.renderer(), clip.staging, []
    for k, person in enumerate(clip.people):
        if person.pattern != "plain" or person.upper.colour in ("black", "white"):
            continue
        share = []
        for t in np.flatnonzero(staging.visibility[k] > 0.98)[::10]:
            x, y = staging.foot[k, t] + 0.72 * staging.up[k, t]
            patch = renderer.picture(int(t))[int(y) - 1 : int(y) + 2, int(x) - 3 : int(x)].reshape(-1, 3).astype(float)
            if len(patch) and person.carried is None:
                share.append(patch.mean(axis=0) / patch.mean(axis=0).sum())
        if len(share) >= 4:
            spread.append(np.ptp(share, axis=0).max())
    return np.array(spread)


def test_clothes_keep_their_colour_by_day_and_change_it_on_stage() -> None:
    by_day, on_stage = chest_colours("plaza"), chest_colours("stage")
    assert len(by_day) >= 2 and len(on_stage) >= 2
    assert np.median(by_day) < 0.08
    assert np.median(on_stage) > 2 * np.median(by_day) and on_stage.max() > 0.3


def test_fewer_frames_a_second_are_some_of_the_same_frames() -> None:
    often = simulate(replace(DOMAINS["mall"], frames=20))
    seldom = simulate(replace(DOMAINS["mall"], frames=4, frame_rate=3.0, every=5))
    np.testing.assert_array_equal(seldom.walks.place, often.walks.place[:, ::5])
    np.testing.assert_array_equal(seldom.staging.boxes_xyxy, often.staging.boxes_xyxy[:, ::5])
    assert seldom.camera_steps is not None and often.camera_steps is not None
    whole = [np.vstack([step, [0, 0, 1]]) for step in often.camera_steps]
    np.testing.assert_allclose(seldom.camera_steps[1], np.linalg.multi_dot(whole[5:0:-1])[:2])
