"""How people walk about on the ground: they stroll, stop, meet, hide, go away and come back.

Everybody follows intentions drawn one after the other, with a walk that takes time to change speed and direction and
gives way to others. What a tracker must not rely on: people change direction while they are hidden or outside the
picture, several wait behind one thing, and companies walk side by side.

Shapes: P people, T frames. Places are metres on the ground: x to the right, z away from the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.scenes import Scene

_INTENTIONS: Final = {"stroll": 0.26, "stop": 0.1, "meet": 0.17, "hide": 0.22, "leave": 0.25}
_WHIM: Final = 0.12  # how often a second somebody on the way thinks of something else
_SETTLE: Final = 0.35  # seconds in which a walk takes up a new direction
_PERSONAL: Final = 0.75  # metres within which people give way
_ARRIVED: Final = 0.35  # metres
_PATIENCE: Final = 12.0  # seconds after which somebody gives up a goal that cannot be reached
_STRIDE: Final = 1.45  # metres of two steps


@dataclass(frozen=True)
class Walks:
    """Where everybody is.

    Attributes:
        place: (P, T, 2) metres.
        heading: (P, T) radians on the ground: 0 towards the camera, pi/2 to the right.
        phase: (P, T) radians of the walk.
        stride: (P, T) how far legs swing; 0 stands, 1 walks at 1.4 m/s.
    """

    place: NDArray[np.float64]
    heading: NDArray[np.float64]
    phase: NDArray[np.float64]
    stride: NDArray[np.float64]

    def every(self, step: int) -> Walks:
        """Keep the first of every ``step`` frames."""
        return Walks(*(values[:, ::step] for values in (self.place, self.heading, self.phase, self.stride)))


@dataclass
class _Walker:
    """What somebody is about to do."""

    goal: NDArray[np.float64]
    speed: float
    wait: float = 0.0  # seconds to stay once there
    hurry: float = _PATIENCE  # seconds left to get there
    face: int | None = None  # whom to look at while waiting
    leader: int | None = None
    beside: float = 0.0  # metres to the right of the leader


def walk(rng: np.random.Generator, scene: Scene, people: int, frames: int, frame_rate: float) -> Walks:
    """Let ``people`` walk through ``scene`` for ``frames`` frames."""
    crowd = _Crowd(rng, scene, people, 1 / frame_rate)
    steps = [crowd.step() for _ in range(frames)]
    place, heading, speed = (np.stack([step[k] for step in steps], axis=1) for k in range(3))
    start = rng.uniform(0, 2 * math.pi, (people, 1))
    phase = start + np.cumsum(speed, axis=1) / frame_rate / _STRIDE * 2 * math.pi
    return Walks(place, heading, phase, np.clip(speed / 1.4, 0, 1.3))


class _Crowd:
    """The state of all walkers; ``step`` moves them on by one frame."""

    def __init__(self, rng: np.random.Generator, scene: Scene, people: int, seconds: float) -> None:
        self.rng, self.scene, self.seconds = rng, scene, seconds
        self.place = np.stack([self._anywhere() for _ in range(people)])
        self.velocity = np.zeros((people, 2))
        self.heading = rng.uniform(-math.pi, math.pi, people)
        self.walkers = [_Walker(place.copy(), 1.0, wait=float(rng.uniform(0, 1.5))) for place in self.place]
        self._form_companies()

    def step(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return (P, 2) places, (P,) headings and (P,) speeds after one more frame."""
        wanted = np.stack([self._wanted(k) for k in range(len(self.walkers))])
        blend = min(1.0, self.seconds / _SETTLE)
        self.velocity += (wanted + self._give_way() - self.velocity) * blend
        self.place += self.velocity * self.seconds
        self.place[:, 1] = np.maximum(self.place[:, 1], 0.55 * self.scene.near)  # never behind the camera
        speed = np.linalg.norm(self.velocity, axis=1)
        for k, walker in enumerate(self.walkers):
            self._turn(k, walker, float(speed[k]))
        return self.place.copy(), self.heading.copy(), speed

    def _wanted(self, k: int) -> NDArray[np.float64]:
        """Return the velocity somebody wants, and find something new to do when nothing is left."""
        walker = self.walkers[k]
        if walker.leader is not None:
            return self._follow(k, walker, walker.leader)
        to_goal = walker.goal - self.place[k]
        distance = float(np.linalg.norm(to_goal))
        if distance > _ARRIVED and walker.hurry > 0:
            walker.hurry -= self.seconds
            if walker.face is None and self.rng.random() < _WHIM * self.seconds:
                self._decide(k)
            return to_goal / distance * min(walker.speed, distance / 0.4)
        walker.wait -= self.seconds
        if walker.wait <= 0:
            self._decide(k)
        return np.zeros(2)

    def _follow(self, k: int, walker: _Walker, leader: int) -> NDArray[np.float64]:
        heading = self.heading[leader]
        right = np.array([-math.cos(heading), -math.sin(heading)])  # of somebody who faces ``heading``
        error = self.place[leader] + right * walker.beside - self.place[k]
        wanted = self.velocity[leader] + error * 1.2
        speed = float(np.linalg.norm(wanted))
        return wanted if speed < 2.0 else wanted / speed * 2.0

    def _decide(self, k: int) -> None:
        intention = str(self.rng.choice(list(_INTENTIONS), p=list(_INTENTIONS.values())))
        if self._is_hidden(self.place[k]) and intention != "leave":
            intention = "stroll"  # nobody lives behind a pillar
        if intention == "meet" and self._meet(k):
            return
        walker = self.walkers[k]
        walker.face, walker.hurry = None, _PATIENCE
        walker.speed = float(np.clip(self.rng.normal(1.25, 0.3), 0.6, 2.0))
        if intention == "hide" and self.scene.obstacles:
            walker.goal, walker.wait = self._behind_something(k), float(self.rng.uniform(0.2, 2.5))
            walker.hurry = _PATIENCE / 2
        elif intention == "leave":
            walker.goal, walker.wait = self._outside(k), float(self.rng.uniform(0.4, 3.0))
        elif intention == "stop":
            walker.goal = self.place[k] + self.rng.normal(0, 0.8, 2)
            walker.wait = float(self.rng.uniform(1.0, 3.5))
        else:
            walker.goal, walker.wait = self._anywhere(), float(self.rng.uniform(0, 0.8))

    def _meet(self, k: int) -> bool:
        """Send somebody and the nearest free person towards each other; tell whether there was one."""
        distance = np.linalg.norm(self.place - self.place[k], axis=1)
        others = [j for j in np.argsort(distance) if j != k and self.walkers[j].leader is None]
        partner = next((int(j) for j in others if self.walkers[j].face is None and distance[j] < 6), None)
        if partner is None:
            return False
        middle = (self.place[k] + self.place[partner]) / 2
        reach = float(self.scene.reach(middle[1])) * 0.9
        middle[0] = np.clip(middle[0], -reach, reach)
        if self._is_hidden(middle):
            return False
        side = np.array([0.35 + 0.1 * self.rng.random(), self.rng.normal(0, 0.12)])
        if self.place[k, 0] < self.place[partner, 0]:
            side = -side
        talk = float(self.rng.uniform(1.5, 4.0))
        for walker, goal, other in (
            (self.walkers[k], middle + side, partner),
            (self.walkers[partner], middle - side, k),
        ):
            walker.goal, walker.wait, walker.face, walker.hurry = goal, talk, other, _PATIENCE / 2
        return True

    def _give_way(self) -> NDArray[np.float64]:
        """Return (P, 2) velocities that keep people from walking through each other and through things."""
        between = self.place[:, None] - self.place[None]
        distance = np.linalg.norm(between, axis=2)
        np.fill_diagonal(distance, np.inf)
        push = np.clip(1 - distance / _PERSONAL, 0, None) * 1.6
        away = (between / np.maximum(distance, 1e-3)[..., None] * push[..., None]).sum(axis=1)
        for thing in self.scene.obstacles:
            inside = np.abs(self.place[:, 0] - thing.x) < thing.width / 2 + 0.25
            depth = self.place[:, 1] - thing.z
            near = inside & (np.abs(depth) < 0.5)
            away[:, 1] += np.where(near, np.where(depth >= 0, 1.0, -1.0) * (0.5 - np.abs(depth)) * 5, 0)
        return away

    def _turn(self, k: int, walker: _Walker, speed: float) -> None:
        if speed > 0.25:
            wanted = math.atan2(self.velocity[k, 0], -self.velocity[k, 1])
        elif walker.face is not None:
            to = self.place[walker.face] - self.place[k]
            wanted = math.atan2(to[0], -to[1])
        else:
            return
        turn = (wanted - self.heading[k] + math.pi) % (2 * math.pi) - math.pi
        most = 5.0 * self.seconds  # radians
        self.heading[k] += min(max(turn, -most), most)

    def _form_companies(self) -> None:
        """Let some follow others side by side."""
        order = self.rng.permutation(len(self.walkers))
        companies = int(self.rng.integers(1, 3))
        for start in range(0, min(3 * companies, len(order) - 2), 3):
            leader, *followers = (int(k) for k in order[start : start + int(self.rng.integers(2, 4))])
            for k, sign in zip(followers, (1, -1), strict=False):
                self.walkers[k].leader, self.walkers[k].beside = leader, sign * float(self.rng.uniform(0.6, 0.8))
                self.place[k] = self.place[leader] + [sign * 0.7, 0.0]

    # -------------------------------------------------------------------------------------------------- places to go

    def _anywhere(self) -> NDArray[np.float64]:
        """Return a place in the picture, most often one that can be seen."""
        for _ in range(3):
            # even in the logarithm: as many people large as small in the picture
            z = float(np.exp(self.rng.uniform(math.log(self.scene.near), math.log(self.scene.far))))
            place = np.array([self.rng.uniform(-0.92, 0.92) * float(self.scene.reach(z)), z])
            if not self._is_hidden(place):
                break
        return place

    def _is_hidden(self, place: NDArray[np.float64]) -> bool:
        """Tell whether a thing stands between the camera and a place."""
        return any(
            place[1] > thing.z and abs(place[0] / place[1] - thing.x / thing.z) < (thing.width / 2 + 0.2) / thing.z
            for thing in self.scene.obstacles
        )

    def _outside(self, k: int) -> NDArray[np.float64]:
        """Return a place beyond the nearer side of the picture."""
        z = float(np.clip(self.place[k, 1] + self.rng.normal(0, 1.5), self.scene.near, self.scene.far))
        side = np.sign(self.place[k, 0]) or 1.0
        return np.array([side * (float(self.scene.reach(z)) + self.rng.uniform(0.6, 1.4)), z])

    def _behind_something(self, k: int) -> NDArray[np.float64]:
        """Return a place where the camera sees a thing instead; mostly the nearest of them."""
        things = self.scene.obstacles
        gaps = [math.hypot(thing.x - self.place[k, 0], thing.z - self.place[k, 1]) for thing in things]
        thing = things[int(np.argmin(gaps))] if self.rng.random() < 0.7 else things[int(self.rng.integers(len(things)))]
        farther = self.rng.uniform(0.6, 1.5)
        scale = (thing.z + farther) / thing.z
        within = max(thing.width / 2 - 0.35, 0.0)
        return np.array([(thing.x + self.rng.uniform(-1, 1) * within) * scale, thing.z + farther])
