"""People keep moving as people do, and do what makes tracking hard."""

from __future__ import annotations

import numpy as np
import pytest

from sushi_lg.simulation.crowd import walk
from sushi_lg.simulation.scenes import DOMAINS, draw_scene
from sushi_lg.simulation.world import simulate


@pytest.mark.parametrize("name", ["plaza", "stage"])
def test_nobody_jumps(name: str) -> None:
    rng = np.random.default_rng(0)
    scene = draw_scene(rng, DOMAINS[name])
    walks = walk(rng, scene, 12, 200, 15)
    assert walks.place.shape == (12, 200, 2) and walks.heading.shape == (12, 200)
    speed = np.linalg.norm(np.diff(walks.place, axis=1), axis=2) * 15
    assert speed.max() < 5 and 0.2 < speed.mean() < 1.5
    assert (speed < 0.2).mean() > 0.05, "some stand"
    turn = np.abs(np.angle(np.exp(1j * np.diff(walks.heading, axis=1))))
    assert turn.max() <= 5.0 / 15 + 1e-9
    assert (walks.place[..., 1] > 1).all(), "nobody is behind the camera"


def test_people_hide_leave_and_come_back() -> None:
    hidden = away = 0
    for number in range(1, 4):
        staging = simulate(DOMAINS["plaza"], split="crowd", number=number).staging
        for inside, visibility in zip(staging.is_inside, staging.visibility, strict=True):
            hidden += lasting(inside & (visibility < 0.25), least=15)
            away += lasting(~inside, least=15)
    assert hidden >= 9, "of a second or more, in three sequences"
    assert away >= 6


def lasting(state: np.ndarray, least: int) -> int:
    """Return how often a state begins and ends, and lasts."""
    edges = np.diff(state.astype(int))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return sum(any(least <= stop - start for stop in stops[stops > start][:1]) for start in starts)


def test_one_person_alone_walks_too() -> None:
    rng = np.random.default_rng(0)
    walks = walk(rng, draw_scene(rng, DOMAINS["plaza"]), 1, 100, 15)
    assert np.ptp(walks.place[0], axis=0).max() > 1
