"""What is drawn lies in the box that is stated, and is albedo times light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import person

from sushi_lg.simulation.figure import Pose, box_of, draw_figure, skeleton
from sushi_lg.simulation.people import Garment

HEIGHT = 150.0


def drawn(who: object, view: float, phase: float = 0.9, light: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a (220, 200, 3) picture with a black background, and the box in it."""
    joints = skeleton(np.array(view), np.array(phase), np.array(1.0))
    canvas = np.zeros((220, 200, 3), np.uint8)
    draw_figure(canvas, who, Pose((100.0, 200.0), (0.0, -HEIGHT), view, joints), np.full(3, light))  # type: ignore[arg-type]
    left, bottom, right, top = box_of(joints, who.build) * HEIGHT  # type: ignore[attr-defined]
    return canvas, np.array([100 + left, 200 - top, 100 + right, 200 - bottom])


@pytest.mark.parametrize("view", [0.0, np.pi / 2, np.pi, -np.pi / 2, 2.4])
@pytest.mark.parametrize("phase", [0.0, 1.5])
def test_the_box_fits_the_figure(view: float, phase: float) -> None:
    canvas, box = drawn(person(carried=None), view, phase)
    rows, columns = np.nonzero(canvas.max(axis=2) > 20)
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    np.testing.assert_allclose(found, box, atol=0.055 * HEIGHT)


def test_light_multiplies_what_is_drawn() -> None:
    bright, _ = drawn(person(), 0.3)
    dim, _ = drawn(person(), 0.3, light=0.5)
    np.testing.assert_allclose(dim.astype(float), bright / 2, atol=3.5)  # edges are blended, in whole numbers


def test_a_person_is_seen_to_turn() -> None:
    who = person(hair_style="short", pattern="plain")
    front, back = drawn(who, 0.0)[0], drawn(who, np.pi)[0]
    skin = np.array(who.skin[::-1]) * 255

    def amount(canvas: np.ndarray, colour: np.ndarray) -> int:
        return int((np.abs(canvas.astype(float) - colour).max(axis=2) < 12).sum())

    assert amount(front, skin) > 2 * amount(back, skin), "a face in front, hair behind"
    bag = np.array(who.carried.albedo[::-1]) * 255  # type: ignore[union-attr]
    assert amount(back, bag) > 500, "a backpack is seen from behind"


@pytest.mark.parametrize(
    "changes",
    [
        {"pattern": "plain"},
        {"pattern": "two-tone"},
        {"pattern": "logo"},
        {"upper": Garment("T-shirt", "red", (0.75, 0.12, 0.12))},
        {"upper": Garment("coat", "red", (0.75, 0.12, 0.12))},
        {"lower": Garment("shorts", "black", (0.1, 0.1, 0.1))},
        {"lower": Garment("skirt", "black", (0.1, 0.1, 0.1))},
        {"hair_style": "bald"},
        {"hair_style": "short"},
        {"hat": Garment("hat", "green", (0.1, 0.5, 0.2))},
        {"carried": None},
        {"carried": Garment("handbag", "red", (0.7, 0.1, 0.1))},
        {"carried": Garment("suitcase", "red", (0.7, 0.1, 0.1))},
        {"carried": Garment("umbrella", "red", (0.7, 0.1, 0.1))},
    ],
    ids=lambda changes: "-".join(f"{key}-{getattr(value, 'kind', value)}" for key, value in changes.items()),
)
def test_every_attribute_is_drawn(changes: dict[str, object]) -> None:
    for view in (0.0, np.pi / 2, np.pi):
        plain, _ = drawn(person(), view)
        other, _ = drawn(replace(person(), **changes), view)  # type: ignore[arg-type]
        differ = (np.abs(plain.astype(int) - other.astype(int)).max(axis=2) > 20).sum()
        assert differ > 60 or (view == np.pi / 2 and differ > 20), f"view {view:.1f}: {differ} pixels"


def test_figures_outside_and_tiny_ones_are_no_error() -> None:
    joints = skeleton(np.array(0.0), np.array(0.0), np.array(0.0))
    canvas = np.zeros((20, 20, 3), np.uint8)
    draw_figure(canvas, person(), Pose((-500.0, -500.0), (0.0, -90.0), 0.0, joints), np.ones(3))
    assert not canvas.any()
    draw_figure(canvas, person(), Pose((10.0, 12.0), (0.0, -2.0), 0.0, joints), np.ones(3))
    assert canvas.any()
