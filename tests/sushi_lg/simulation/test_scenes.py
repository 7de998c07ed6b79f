"""Domains are valid and refuse nonsense; light depends on the place as each domain says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sushi_lg.errors import ConfigError
from sushi_lg.simulation.scenes import DOMAINS, draw_scene, scene_attributes, scene_sentence


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_are_valid_under_their_names(name: str) -> None:
    DOMAINS[name].validate()
    assert DOMAINS[name].name == name


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"people": [18, 12]}, "people"),
        ({"people": [0, 3]}, "people"),
        ({"blur": [1.0]}, "blur"),
        ({"noise": [-1.0, 2.0]}, "noise"),
        ({"ambient": [1.0, 1.0]}, "ambient"),
        ({"lamp_colours": []}, "lamp_colours"),
        ({"lamp_colours": [[1.0, -0.5, 0.0]]}, "lamp_colours"),
        ({"frames": 1}, "frames"),
        ({"far": [5.0, 6.0]}, "far"),
        ({"place": "moon"}, "place"),
    ],
)
def test_nonsense_is_refused_by_name(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        replace(DOMAINS["plaza"], **changes).validate()


def ground(scene: Any, count: int = 400) -> np.ndarray:  # noqa: ANN401
    rng = np.random.default_rng(0)
    z = rng.uniform(scene.near, scene.far, count)
    return np.stack([rng.uniform(-1, 1, count) * scene.reach(z), z])


def test_daylight_is_the_same_everywhere_and_differs_between_sequences() -> None:
    gains = []
    for seed in range(12):
        scene = draw_scene(np.random.default_rng(seed), DOMAINS["plaza"])
        light = scene.light.at(*ground(scene), 1.0)
        assert np.ptp(light, axis=0).max() == 0
        gains.append(light[0])
    share = np.array(gains) / np.mean(gains, axis=1, keepdims=True)
    assert np.ptp(share, axis=0).min() > 0.2, "white balance differs"


def test_on_stage_the_colour_changes_with_the_place() -> None:
    for seed in range(5):
        scene = draw_scene(np.random.default_rng(seed), DOMAINS["stage"])
        light = scene.light.at(*ground(scene), 0.0)
        share = light / light.sum(axis=1, keepdims=True)
        low, high = np.percentile(share, [5, 95], axis=0)
        assert (high / low > 2).all()


def test_at_night_the_brightness_changes_fourfold() -> None:
    ratios = []
    for seed in range(8):
        scene = draw_scene(np.random.default_rng(seed), DOMAINS["night"])
        light = scene.light.at(*ground(scene), 0.0).mean(axis=1)
        ratios.append(light.max() / light.min())
    assert np.median(ratios) > 3.5


def test_lamps_flicker_and_windows_do_not() -> None:
    scene = draw_scene(np.random.default_rng(2), DOMAINS["mall"])
    x, z = ground(scene)
    seconds = np.linspace(0, 8, 200)
    factor = scene.light.flickering(seconds)
    assert 0.14 < np.ptp(factor) < 0.34
    lit = scene.light.steady(x, z) + scene.light.of_lamps(x, z) * factor[7]
    np.testing.assert_allclose(scene.light.at(x, z, seconds[7]), lit)
    blue = scene.light.steady(x, z)[:, 2]
    assert np.corrcoef(blue, x * scene.light.window_side)[0, 1] < -0.6, "darker away from the windows"


def test_lengths_in_pixels_go_with_the_size() -> None:
    small = draw_scene(np.random.default_rng(5), DOMAINS["stage"])
    large = draw_scene(np.random.default_rng(5), replace(DOMAINS["stage"], width=1280, height=720))
    assert large.camera.focal == pytest.approx(2 * small.camera.focal)
    assert large.motion.pan == pytest.approx(2 * small.motion.pan)
    assert float(large.reach(9.0)) == pytest.approx(float(small.reach(9.0)))


def test_scene_sentence() -> None:
    scene = draw_scene(np.random.default_rng(0), DOMAINS["plaza"])
    assert scene_sentence(scene_attributes(scene, 5.0)) == (
        "A scene captured by a static camera from a high viewpoint in bright daylight, uncrowded, outdoor."
    )
    scene = draw_scene(np.random.default_rng(0), DOMAINS["stage"])
    words = scene_attributes(scene, 9.0)
    assert words["camera"] == "hand-held" and words["viewpoint"] == "low" and words["crowding"] == "crowded"
