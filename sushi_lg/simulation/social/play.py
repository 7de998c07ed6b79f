"""Scripts come to life: people walk, turn and use their hands as generators tell them, and acts are written down.

A script is a generator that is resumed once a step; what people do in between follows from what it has set: a goal on
the ground, somebody to face, what each hand is for. Scripts call each other with ``yield from`` and run side by side
with ``Play.together``. The methods of ``Play`` that are generators are the acts; each writes down what it was.

Shapes: P people, T steps. Places are metres on the ground, as in ``crowd``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.scenes import Scene
from sushi_lg.simulation.social.cast import Actor
from sushi_lg.simulation.social.poses import GESTURE, NOTHING, POINT, Hands

Script = Generator[None, None, None]
Place = NDArray[np.float64]
HandGoal = Callable[[float], tuple[int, tuple[float, float, float]]]  # seconds -> aim, goal

LEFT, RIGHT = 0, 1
TALKATIVE: Final = 1.6  # talks last so much longer than scripts say: clips of BenSMOT last 23 seconds in the mean
_SETTLE: Final = 0.3  # seconds in which a walk takes up a new direction
_RAISE: Final = 0.35  # seconds in which an arm comes up
_PERSONAL: Final = 0.6  # metres within which people give way
_ARRIVED: Final = 0.12
_STRIDE: Final = 1.45  # metres of two steps, of a grown-up
_TURN: Final = 5.0  # radians a second


@dataclass
class Record:
    """An act as it goes on; ``last`` grows until it ends. Steps, not frames."""

    kind: str
    active: int
    passive: int | None
    first: int
    last: int
    thing: str = ""
    side: str = ""


@dataclass
class Prop:
    """A thing that somebody holds, or that flies.

    Attributes:
        kind: such as "box".
        colour: word.
        holder: (T,) whose hand it is in; -1 flies, -2 is not to be seen.
        hand: (T,) LEFT, RIGHT, or 2 between both.
        at: (T, 3) x, up, z in metres where it flies.
    """

    kind: str
    colour: str
    holder: list[int] = field(default_factory=list)
    hand: list[int] = field(default_factory=list)
    at: list[tuple[float, float, float]] = field(default_factory=list)
    holder_now: int = -2
    hand_now: int = RIGHT
    at_now: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def words(self) -> str:
        """What it is called."""
        return f"{self.colour} {self.kind}" if self.colour else self.kind


class Play:
    """The state of everybody; ``run`` lets a script play.

    Args:
        rng: of everything random.
        scene: where.
        cast: P.
        seconds: of a step.
    """

    def __init__(self, rng: np.random.Generator, scene: Scene, cast: list[Actor], seconds: float) -> None:
        count = len(cast)
        self.rng, self.scene, self.cast, self.seconds = rng, scene, cast, seconds
        self.height = [actor.person.height for actor in cast]
        # far away to the left is who has not come on yet
        self.place = np.stack([-1000.0 * (1 + np.arange(count)), np.full(count, scene.near)], axis=1)
        self.velocity = np.zeros((count, 2))
        self.heading = np.zeros(count)
        self.goal: list[Place | None] = [None] * count
        self.speed = [1.2] * count
        self.face: list[int | Place | None] = [None] * count
        self.backwards = [False] * count
        self.hands: list[list[HandGoal | None]] = [[None, None] for _ in cast]
        self.touching: set[frozenset[int]] = set()
        self.props: list[Prop] = []
        self.records: list[Record] = []
        self.step = 0
        self._weight = np.zeros((count, 2))
        self._last_goal: list[list[tuple[int, tuple[float, float, float]]]] = [
            [(NOTHING, (0.0, 0.0, 0.0))] * 2 for _ in cast
        ]
        self._since = np.zeros((count, 2))
        self._trace: list[tuple[Place, NDArray[np.float64], NDArray[np.float64]]] = []
        self._hand_trace: list[tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]] = []

    # ------------------------------------------------------------------------------------------------------ the clock

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.step * self.seconds

    def run(self, script: Script, others: list[Script], *, shortest: float, longest: float, tail: float) -> None:
        """Play until the script has ended and ``tail`` seconds have passed, but not longer than ``longest``."""
        end = math.inf
        running: list[Script] = list(others)
        while self.step < round(longest / self.seconds):
            if end == math.inf and next(script, self) is self:
                end = max(self.now + tail, shortest)
            running = [one for one in running if next(one, self) is not self]
            if self.now >= end:
                break
            self._move()
        script.close()
        for one in running:
            one.close()

    def walks(self) -> Walks:
        """Return where everybody was in all steps."""
        place, heading, speed = (np.stack([row[k] for row in self._trace], axis=1) for k in range(3))
        legs = np.array(self.height)[:, None] / 1.72  # short legs make more steps
        phase = np.cumsum(speed, axis=1) * self.seconds / (_STRIDE * legs) * 2 * math.pi
        return Walks(place, heading, phase, np.clip(speed / 1.4, 0, 1.4))

    def hand_goals(self) -> Hands:
        """Return what everybody's hands wanted in all steps."""
        aim, goal, weight = zip(*self._hand_trace, strict=True)
        return Hands(np.stack(aim, axis=1), np.stack(goal, axis=1), np.stack(weight, axis=1))

    def _move(self) -> None:
        """Go on by one step and write it down."""
        wanted = np.zeros_like(self.velocity)
        for k, goal in enumerate(self.goal):
            if goal is None:
                continue
            to_goal = goal - self.place[k]
            distance = float(np.linalg.norm(to_goal))
            if distance > 1e-6:
                wanted[k] = to_goal / distance * min(self.speed[k], distance / 0.3)
        blend = min(1.0, self.seconds / _SETTLE)
        self.velocity += (wanted + self._give_way() - self.velocity) * blend
        self.place += self.velocity * self.seconds
        speed = np.linalg.norm(self.velocity, axis=1)
        for k in range(len(self.cast)):
            self._turn(k, float(speed[k]))
        self._trace.append((self.place.copy(), self.heading.copy(), speed))
        self._move_hands()
        for prop in self.props:
            prop.holder.append(prop.holder_now)
            prop.hand.append(prop.hand_now)
            prop.at.append(prop.at_now)
        self.step += 1

    def _give_way(self) -> NDArray[np.float64]:
        between = self.place[:, None] - self.place[None]
        distance = np.linalg.norm(between, axis=2)
        np.fill_diagonal(distance, np.inf)
        for pair in self.touching:
            a, b = tuple(pair)
            distance[a, b] = distance[b, a] = np.inf
        push = np.clip(1 - distance / _PERSONAL, 0, None) * 1.2
        return np.asarray((between / np.maximum(distance, 1e-3)[..., None] * push[..., None]).sum(axis=1))

    def _turn(self, k: int, speed: float) -> None:
        face = self.face[k]
        if speed > 0.3 and not self.backwards[k]:
            wanted = math.atan2(self.velocity[k, 0], -self.velocity[k, 1])
        elif face is not None:
            to = (self.place[face] if isinstance(face, int) else face) - self.place[k]
            wanted = math.atan2(to[0], -to[1])
        else:
            return
        turn = (wanted - self.heading[k] + math.pi) % (2 * math.pi) - math.pi
        most = _TURN * self.seconds
        self.heading[k] += min(max(turn, -most), most)

    def _move_hands(self) -> None:
        count = len(self.cast)
        aim, goal = np.zeros((count, 2), np.int8), np.zeros((count, 2, 3))
        step = self.seconds / _RAISE
        for k in range(count):
            for hand in (LEFT, RIGHT):
                wish = self.hands[k][hand]
                if wish is not None:
                    self._last_goal[k][hand] = wish(self.now)
                self._weight[k, hand] = np.clip(self._weight[k, hand] + (step if wish else -step), 0, 1)
                aim[k, hand], goal[k, hand] = self._last_goal[k][hand]
        self._hand_trace.append((aim, goal, self._weight.copy()))

    # ------------------------------------------------------------------------------------------------ for every script

    def wait(self, seconds: float) -> Script:
        """Let time pass."""
        for _ in range(max(round(seconds / self.seconds), 1)):
            yield

    def together(self, *scripts: Script) -> Script:
        """Play scripts side by side until all have ended."""
        running = list(scripts)
        try:
            while running := [one for one in running if next(one, self) is not self]:
                yield
        finally:
            for one in running:
                one.close()

    def during(self, main: Script, *others: Script) -> Script:
        """Play scripts side by side until the first of them has ended; the others stop then."""
        running = list(others)
        try:
            while next(main, self) is not self:
                running = [one for one in running if next(one, self) is not self]
                yield
        finally:
            for one in (main, *running):
                one.close()

    def uniform(self, low: float, high: float) -> float:
        """Draw a number."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Draw yes or no."""
        return bool(self.rng.random() < probability)

    @contextmanager
    def act(
        self, kind: str, active: int, passive: int | None = None, thing: str = "", side: str = ""
    ) -> Iterator[None]:
        """Write an act down that lasts as long as the block."""
        record = Record(kind, active, passive, self.step, self.step, thing, side)
        self.records.append(record)
        try:
            yield
        finally:
            record.last = max(self.step - 1, record.first)

    @contextmanager
    def using(self, k: int, left: HandGoal | None = None, right: HandGoal | None = None) -> Iterator[None]:
        """Give hands something to do for a block; a hand that is not named goes on as before."""
        before = list(self.hands[k])
        if left is not None:
            self.hands[k][LEFT] = left
        if right is not None:
            self.hands[k][RIGHT] = right
        try:
            yield
        finally:
            self.hands[k] = before

    @contextmanager
    def close_to(self, a: int, b: int) -> Iterator[None]:
        """Let two come nearer than strangers do."""
        with self._close([(a, b)]):
            yield

    # ---------------------------------------------------------------------------------------------------------- places

    def spot(self, share: float, z: float) -> Place:
        """Return a place by its share (-1 .. 1) of what is seen to the side at a depth."""
        return np.array([share * 0.86 * float(self.scene.camera.half_width(z, self.scene.camera.width / 2)), z])

    def outside(self, side: int, z: float) -> Place:
        """Return a place beyond the left (-1) or right (1) side of the picture."""
        return np.array([side * (float(self.scene.reach(z)) + 0.9), z])

    def depth(self, low: float = 0.2, high: float = 0.6) -> float:
        """Draw a depth from a share of near .. far."""
        return self.scene.near + (self.scene.far - self.scene.near) * self.uniform(low, high)

    def somewhere(self, k: int, least: float) -> Place:
        """Draw a place in the picture that somebody has to walk to for some metres."""
        for _ in range(20):
            place = self.spot(self.uniform(-0.85, 0.85), self.depth(0.05, 0.9))
            if float(np.linalg.norm(place - self.place[k])) > least:
                break
        return place

    def put(self, k: int, place: ArrayLike, face: int | Place | None = None, heading: float | None = None) -> None:
        """Set somebody somewhere at the beginning."""
        self.place[k] = np.asarray(place, np.float64)
        self.goal[k], self.face[k] = None, face
        if heading is not None:
            self.heading[k] = heading
        elif face is not None:
            to = (self.place[face] if isinstance(face, int) else face) - self.place[k]
            self.heading[k] = math.atan2(to[0], -to[1])

    def side_of(self, k: int, other: int) -> float:
        """Return -1 or 1: on which side of ``other`` somebody is in the picture."""
        return -1.0 if self.place[k, 0] < self.place[other, 0] else 1.0

    def distance(self, a: int, b: int) -> float:
        """Return metres between two people."""
        return float(np.linalg.norm(self.place[a] - self.place[b]))

    def is_on(self, k: int) -> bool:
        """Tell whether somebody is not beyond the sides of the picture."""
        x, z = self.place[k]
        return bool(abs(x) < float(self.scene.camera.half_width(z, self.scene.camera.width / 2)))

    # ------------------------------------------------------------------------------------------------ walking about

    def go(self, k: int, to: Place, speed: float = 1.25, patience: float = 14.0) -> Script:
        """Walk to a place."""
        self.goal[k], self.speed[k] = np.asarray(to, np.float64), speed * self._legs(k)
        end = self.now + patience
        while self.now < end and float(np.linalg.norm(self.place[k] - to)) > _ARRIVED:
            yield
        self.goal[k] = None

    def walk_up(self, a: int, b: int, gap: float, speed: float = 1.3) -> Script:
        """Walk to ``gap`` metres beside somebody, in the picture, until both face each other."""
        side = self.side_of(a, b)
        self.speed[a] = speed * self._legs(a)
        end = self.now + 12
        with self.close_to(a, b):
            while self.now < end:
                to = self.place[b] + np.array([side * gap, -0.04])
                self.goal[a] = to
                if float(np.linalg.norm(self.place[a] - to)) < _ARRIVED:
                    break
                yield
        self.goal[a], self.face[a] = None, b

    def arms_length(self, a: int, b: int) -> float:
        """Return metres at which hands of two people meet comfortably."""
        tall, small = max(self.height[a], self.height[b]), min(self.height[a], self.height[b])
        return 0.2 * (tall + small) - 0.3 * (tall - small)

    def _reach(self, k: int, up: float) -> float:
        """Return how far in front, in metres, somebody's hand comes at a height."""
        down = 0.78 * self.height[k] - up
        return math.sqrt(max((0.3 * self.height[k]) ** 2 - down**2, 0.05))

    def turn_to(self, a: int, b: int) -> Script:
        """Turn until somebody is faced."""
        self.face[a] = b
        end = self.now + 1.6
        while self.now < end and not self._faces(a, b):
            yield

    def settle(self, a: int, b: int, gap: float) -> Script:
        """Let two face each other at a distance, side by side in the picture; nobody moves who stands there."""
        if abs(self.distance(a, b) - gap) > 0.08 or abs(self.place[a, 1] - self.place[b, 1]) > 0.35:
            yield from self.walk_up(a, b, gap, 1.0)
        self.face[a], self.face[b] = b, a
        end = self.now + 2
        while self.now < end and not (self._faces(a, b) and self._faces(b, a)):
            yield
        self.velocity[[a, b]] *= 0.5

    def _faces(self, a: int, b: int) -> bool:
        to = self.place[b] - self.place[a]
        off = math.atan2(to[0], -to[1]) - self.heading[a]
        return bool(abs((off + math.pi) % (2 * math.pi) - math.pi) < 0.25)

    def _legs(self, k: int) -> float:
        return 0.45 + 0.55 * self.height[k] / 1.72

    # ------------------------------------------------------------------------------------------------------------ acts

    def approach(self, a: int, b: int, gap: float = 0.85, speed: float = 1.3) -> Script:
        """Walk up to somebody who waits."""
        if self.face[b] is None:
            self.face[b] = a
        if self.distance(a, b) > gap + 1.0:
            with self.act("approach", a, b):
                yield from self.walk_up(a, b, gap, speed)
        else:
            yield from self.walk_up(a, b, gap, speed)

    def approach_each_other(self, a: int, b: int, gap: float = 0.85) -> Script:
        """Walk up to each other."""
        middle = (self.place[a] + self.place[b]) / 2
        side = self.side_of(a, b)
        self.face[a], self.face[b] = b, a
        with self.act("approach", a, b), self.act("approach", b, a), self.close_to(a, b):
            yield from self.together(
                self.go(a, middle + np.array([side * gap / 2, -0.02])),
                self.go(b, middle - np.array([side * gap / 2, -0.02])),
            )

    def leave(self, a: int, b: int | None, *, away: bool = True, speed: float = 1.3, side: int = 0) -> Script:
        """Walk away from somebody, beyond a side of the picture, or to another place in it."""
        if away or b is None:
            side = side or int(self.side_of(a, b) if b is not None else np.sign(self.place[a, 0]) or 1)
            z = float(np.clip(self.place[a, 1] + self.uniform(-0.5, 1.0), self.scene.near, self.scene.far))
            to = self.outside(side, z)
        else:
            # the farthest from the other of some places
            places = [self.somewhere(a, 1.4) for _ in range(6)]
            to = max(places, key=lambda place: float(np.linalg.norm(place - self.place[b])))
            side = -1 if to[0] < self.place[a, 0] else 1
        with self.act("leave" if b is not None else "exit", a, b, side=_side(side)):
            yield from self.go(a, to, speed)

    def talk(self, a: int, b: int, seconds: float, kind: str = "talk") -> Script:
        """Talk, one after the other, with the hands; ``quarrel`` does it with both."""
        self.face[a], self.face[b] = b, a
        end = self.now + seconds * TALKATIVE
        speaker, listener = a, b
        with self.act(kind, a, b):
            while self.now < end:
                turn = min(self.uniform(1.6, 3.2), max(end - self.now, self.seconds))
                if kind == "quarrel":
                    with (
                        self.using(speaker, raging(self, LEFT), raging(self, RIGHT)),
                        self.using(listener, right=speaking(self, RIGHT)),
                    ):
                        yield from self.wait(turn)
                else:
                    left = speaking(self, LEFT) if self.chance(0.5) else None
                    with self.using(speaker, left, speaking(self, RIGHT)):
                        yield from self.wait(turn)
                speaker, listener = listener, speaker

    def explain(self, a: int, listeners: list[int], seconds: float) -> Script:
        """Explain something to people who listen."""
        for b in listeners:
            self.face[b] = a
        end = self.now + seconds * TALKATIVE
        with self._acts("explain", [(a, b) for b in listeners]):
            while self.now < end:
                self.face[a] = listeners[int(self.rng.integers(len(listeners)))]
                with self.using(a, speaking(self, LEFT), speaking(self, RIGHT)):
                    yield from self.wait(min(self.uniform(1.5, 3.0), max(end - self.now, self.seconds)))

    @contextmanager
    def _acts(self, kind: str, pairs: list[tuple[int, int]]) -> Iterator[None]:
        """Write the same act down of several pairs."""
        if not pairs:
            yield
            return
        with self.act(kind, *pairs[0]), self._acts(kind, pairs[1:]):
            yield

    def shake_hands(self, a: int, b: int, seconds: float = 1.8) -> Script:
        """Shake right hands."""
        yield from self.settle(a, b, self.arms_length(a, b))
        with (
            self.close_to(a, b),
            self.act("shake_hands", a, b),
            self.using(a, right=meeting(self, a, b, shake=0.03)),
            self.using(b, right=meeting(self, a, b, shake=0.03)),
        ):
            yield from self.wait(seconds)

    def embrace(self, a: int, b: int, seconds: float = 2.4) -> Script:
        """Put the arms around each other."""
        self.face[a], self.face[b] = b, a
        with self.close_to(a, b):
            yield from self.walk_up(a, b, 0.3, 0.9)
            with self.act("embrace", a, b):
                with (
                    self.using(a, around(self, a, b, 0.02), around(self, a, b, -0.06)),
                    self.using(b, around(self, b, a, 0.02), around(self, b, a, -0.06)),
                ):
                    yield from self.wait(seconds)
            yield from self.part(a, b, 0.85)

    def part(self, a: int, b: int, gap: float) -> Script:
        """Step back from each other, face to face."""
        side = self.side_of(a, b)
        middle = (self.place[a] + self.place[b]) / 2
        self.backwards[a] = self.backwards[b] = True
        yield from self.together(
            self.go(a, middle + np.array([side * gap / 2, 0]), 0.8, 2.0),
            self.go(b, middle - np.array([side * gap / 2, 0]), 0.8, 2.0),
        )
        self.backwards[a] = self.backwards[b] = False

    def give(self, a: int, b: int, prop: Prop, seconds: float = 2.4) -> Script:
        """Hand a thing over; its giver holds it before, its taker after."""
        yield from self.settle(a, b, self.arms_length(a, b))
        with self.close_to(a, b), self.act("give", a, b, thing=prop.words):
            with self.using(a, right=meeting(self, a, b)), self.using(b, right=meeting(self, a, b)):
                yield from self.wait(seconds / 2)
                prop.holder_now = b
                yield from self.wait(seconds / 2)
        self.carry(a, None)
        self.carry(b, prop)

    def carry(self, k: int, prop: Prop | None) -> None:
        """Hold a thing in front from now on, or hold nothing."""
        self.hands[k] = [None, None]
        if prop is None:
            return
        prop.holder_now = k
        both = prop.kind in BOTH_HANDS
        prop.hand_now = 2 if both else RIGHT
        self.hands[k][RIGHT] = fixed(0.07 if both else 0.12, 0.17, 0.6)
        if both:
            self.hands[k][LEFT] = fixed(-0.07, 0.17, 0.6)

    def drop(self, k: int) -> None:
        """Hold nothing any more; things of this hand go out of sight."""
        for prop in self.props:
            if prop.holder_now == k:
                prop.holder_now = -2
        self.carry(k, None)

    def wave(self, a: int, b: int, seconds: float = 2.0) -> Script:
        """Wave to somebody."""
        yield from self.turn_to(a, b)
        with self.act("wave", a, b), self.using(a, right=waving(self)):
            yield from self.wait(seconds)

    def beckon(self, a: int, b: int, seconds: float = 2.0) -> Script:
        """Call somebody with the hand."""
        yield from self.turn_to(a, b)
        with self.act("beckon", a, b), self.using(a, right=beckoning(self)):
            yield from self.wait(seconds)

    def point(self, a: int, b: int, seconds: float = 2.2) -> Script:
        """Point at somebody with the arm stretched out."""
        yield from self.turn_to(a, b)
        with self.act("point", a, b), self.using(a, right=pointing(self, a, b)):
            yield from self.wait(seconds)

    def look(self, a: int, b: int, seconds: float) -> Script:
        """Stand and look at somebody."""
        yield from self.turn_to(a, b)
        with self.act("look", a, b):
            yield from self.wait(seconds)

    def watch(self, a: int, b: int) -> Script:
        """Look at somebody as long as the script around it lets."""
        yield from self.turn_to(a, b)
        with self.act("look", a, b):
            while True:
                yield

    def applaud(self, a: int, b: int, seconds: float = 2.6) -> Script:
        """Clap the hands towards somebody."""
        yield from self.turn_to(a, b)
        with self.act("applaud", a, b), self.using(a, clapping(self, LEFT), clapping(self, RIGHT)):
            yield from self.wait(seconds)

    def push(self, a: int, b: int) -> Script:
        """Push somebody, who stumbles back."""
        chest = min(0.72 * self.height[b], 0.85 * self.height[a])
        yield from self.settle(a, b, min(0.15 * (self.height[a] + self.height[b]), self._reach(a, chest) + 0.02))
        away = self.place[b] - self.place[a]
        away /= max(float(np.linalg.norm(away)), 1e-6)
        with self.close_to(a, b), self.act("push", a, b):
            with self.using(a, on_chest(self, b, a, -0.03), on_chest(self, b, a, 0.03)):
                yield from self.wait(1.0)
                self.backwards[b] = True
                yield from self.during(self.wait(0.55), self.go(b, self.place[b] + away * 0.9, 2.2))
            self.goal[b] = self.place[b] + away * 0.3
            yield from self.wait(0.5)
            self.goal[b], self.backwards[b] = None, False

    def fight(self, a: int, b: int, seconds: float = 4.0) -> Script:
        """Hit at each other."""
        yield from self.settle(a, b, 0.75)
        with (
            self.close_to(a, b),
            self.act("fight", a, b),
            self.using(a, hitting(self, b, a, 0.0), hitting(self, b, a, 0.5)),
            self.using(b, hitting(self, a, b, 0.35), hitting(self, a, b, 0.85)),
        ):
            yield from self.wait(seconds)

    def touch(self, a: int, b: int, seconds: float = 2.2) -> Script:
        """Lay a hand on somebody's shoulder."""
        shoulder = min(0.79 * self.height[b], 0.98 * self.height[a])
        yield from self.walk_up(
            a, b, min(0.17 * (self.height[a] + self.height[b]), self._reach(a, shoulder) - 0.02), 0.9
        )
        with self.close_to(a, b), self.act("touch", a, b), self.using(a, right=on_shoulder(self, b, a)):
            yield from self.wait(seconds)

    def collide(self, a: int, b: int) -> Script:
        """Run into each other on the way, and stop."""
        middle = (self.place[a] + self.place[b]) / 2
        side = self.side_of(a, b)
        with self.close_to(a, b):
            yield from self.together(
                self.go(a, middle + np.array([side * 0.14, 0.0]), 1.5, 6),
                self.go(b, middle - np.array([side * 0.14, 0.0]), 1.5, 6),
            )
            with self.act("collide", a, b):
                yield from self.wait(0.6)
                yield from self.part(a, b, 0.9)
        self.face[a], self.face[b] = b, a

    def pass_by(self, a: int, b: int, to: Place, speed: float = 1.3) -> Script:
        """Walk past somebody closely, in front."""
        with self.close_to(a, b):
            beside = np.array([self.place[b, 0], self.place[b, 1] - 0.5])
            start = self.side_of(a, b)
            self.speed[a] = speed * self._legs(a)
            while abs(self.place[a, 0] - self.place[b, 0]) > 1.2:
                self.goal[a] = beside + np.array([start * 0.6, 0.0])
                yield
            with self.act("pass", a, b):
                while (self.place[a, 0] - self.place[b, 0]) * start > -1.0:
                    self.goal[a] = np.array([self.place[b, 0] - start * 2.0, self.place[b, 1] - 0.5])
                    yield
        yield from self.go(a, to, speed)

    def obstruct(self, a: int, b: int, seconds: float = 2.5) -> Script:
        """Stand in somebody's way with the arms out."""
        self.face[b] = a
        yield from self.turn_to(a, b)
        with self.act("obstruct", a, b), self.using(a, fixed(-0.24, 0.22, 0.76), fixed(0.12, 0.29, 0.84)):
            yield from self.wait(seconds)

    def circle(self, a: int, b: int, turns: float = 1.2, radius: float = 1.15) -> Script:
        """Walk around somebody."""
        to = self.place[a] - self.place[b]
        angle = math.atan2(to[1], to[0])
        direction = 1 if self.chance(0.5) else -1
        end = turns * 2 * math.pi
        self.speed[a] = 1.7 * self._legs(a)
        yield from self.go(a, self.place[b] + radius * np.array([math.cos(angle), math.sin(angle)]), 1.2, 3)
        self.speed[a] = 1.7 * self._legs(a)
        with self.act("circle", a, b):
            walked, limit = 0.0, self.now + 12
            while walked < end and self.now < limit:
                to = self.place[a] - self.place[b]
                now = math.atan2(to[1], to[0])
                ahead = now + direction * 0.6
                self.goal[a] = self.place[b] + radius * np.array([math.cos(ahead), math.sin(ahead)])
                yield
                to = self.place[a] - self.place[b]
                gone = (math.atan2(to[1], to[0]) - now + math.pi) % (2 * math.pi) - math.pi
                walked += gone * direction
        self.goal[a] = None

    def follow(self, a: int, b: int, delay: float = 1.5, kind: str = "follow") -> Script:
        """Go where somebody went, a little later; ends from outside."""
        past: list[Place] = []
        steps = max(round(delay / self.seconds), 1)
        record = None
        try:
            while True:
                past.append(self.place[b].copy())
                goal = past[-min(steps, len(past))]
                self.goal[a] = goal if self.distance(a, b) > 0.9 else None
                # faster when far behind
                self.speed[a] = min(1.0 + 0.9 * float(np.linalg.norm(goal - self.place[a])), 2.6)
                if record is None and len(past) > steps:
                    record = Record(kind, a, b, self.step, self.step)
                    self.records.append(record)
                yield
        finally:
            self.goal[a] = None
            if record is not None:
                record.last = max(self.step - 1, record.first)

    def chase(self, a: int, b: int, ways: list[Place], speed: float = 2.3) -> Script:
        """Run after somebody who runs from place to place."""

        def flee() -> Script:
            for place in ways:
                yield from self.go(b, place, speed, 5)

        def run_after() -> Script:
            while True:
                behind = self.place[b] - self.velocity[b] * 0.45
                self.goal[a], self.speed[a] = behind, speed * 1.05 * self._legs(a)
                if self.distance(a, b) < 0.7:
                    self.goal[a] = None
                yield

        with self.act("chase", a, b):
            yield from self.during(flee(), run_after())
        self.goal[a] = self.goal[b] = None

    def walk_together(self, leader: int, others: list[int], to: Place, *, hand_in_hand: bool = False) -> Script:
        """Walk side by side; the first two may hold hands."""
        everybody = [leader, *others]
        pairs = [(a, b) for k, a in enumerate(everybody) for b in everybody[k + 1 :]]
        pace = min(self._legs(k) for k in everybody) * 1.2 / self._legs(leader)

        def keep_beside(k: int, offset: float) -> Script:
            while True:
                heading = self.heading[leader]
                right = np.array([-math.cos(heading), -math.sin(heading)])
                ahead = np.array([math.sin(heading), -math.cos(heading)])
                # a little behind, so that the camera sees both when they cross the picture
                lag = 0.12 + 0.3 * abs(ahead[0])
                want = self.place[leader] + right * offset - ahead * lag + self.velocity[leader] * 0.35
                self.goal[k], self.speed[k] = want, 2.2
                yield

        yield from self._fall_in(leader, others, to)
        gap = 0.5 if hand_in_hand else 0.66
        sides = [self._offset(leader, k, to) for k in others]
        offsets = [side * gap * (1 + n // 2) if n < 2 else side * gap * 2 for n, side in enumerate(sides)]
        held = []
        if hand_in_hand:
            held = self._hold(leader, others[0], offsets[0])
        before = [list(hands) for hands in self.hands]
        for k, hand in held:
            self.hands[k][hand] = between(self, leader, others[0])
        try:
            with self._close(pairs), self._acts("walk_together", pairs):
                with self._acts("hold_hands", [(leader, others[0])] if hand_in_hand else []):
                    yield from self.during(
                        self.go(leader, to, pace),
                        *(keep_beside(k, offset) for k, offset in zip(others, offsets, strict=True)),
                    )
        finally:
            for k in everybody:
                self.goal[k] = None
            for k, _ in held:
                self.hands[k] = before[k]

    def _fall_in(self, leader: int, others: list[int], to: Place) -> Script:
        """Wait until the others are beside the leader."""
        for n, k in enumerate(others):
            if self.distance(k, leader) > 1.6:
                yield from self.walk_up(k, leader, 0.8 + 0.6 * n)

    def _offset(self, leader: int, k: int, to: Place) -> float:
        """Return 1 or -1: whether somebody is to the right of who is about to walk to ``to``."""
        way = to - self.place[leader]
        heading = math.atan2(way[0], -way[1])
        right = np.array([-math.cos(heading), -math.sin(heading)])
        return 1.0 if float((self.place[k] - self.place[leader]) @ right) >= 0 else -1.0

    def _hold(self, leader: int, other: int, offset: float) -> list[tuple[int, int]]:
        return [(leader, RIGHT if offset > 0 else LEFT), (other, LEFT if offset > 0 else RIGHT)]

    @contextmanager
    def _close(self, pairs: list[tuple[int, int]]) -> Iterator[None]:
        added = {frozenset(pair) for pair in pairs} - self.touching
        self.touching |= added
        try:
            yield
        finally:
            self.touching -= added

    def pull(self, a: int, b: int, to: Place) -> Script:
        """Take somebody by the hand and pull him or her along."""
        gap = self.arms_length(a, b)
        yield from self.settle(a, b, gap)

        def dragged() -> Script:
            while True:
                way = self.place[a] - self.place[b]
                ahead = self.velocity[a] * 0.3
                self.goal[b] = self.place[a] + ahead - way / max(float(np.linalg.norm(way)), 1e-6) * 0.85 * gap
                self.speed[b] = 2.0
                yield

        with (
            self.close_to(a, b),
            self.act("pull", a, b),
            self.using(a, right=meeting(self, a, b)),
            self.using(b, right=meeting(self, a, b)),
        ):
            yield from self.wait(0.6)
            yield from self.during(self.go(a, to, 0.9), dragged())
        self.goal[b] = None

    def dance(self, a: int, b: int, seconds: float) -> Script:
        """Dance with somebody."""
        yield from self.settle(a, b, 1.05)
        middle = (self.place[a] + self.place[b]) / 2
        start, side = self.now, self.side_of(a, b)

        def sway(k: int, sign: float) -> Script:
            while True:
                beat = 2 * math.pi * 0.45 * (self.now - start)
                self.goal[k] = middle + np.array([sign * 0.52 + 0.22 * math.sin(beat), 0.14 * sign * math.cos(beat)])
                self.speed[k], self.backwards[k] = 1.3, True
                yield

        with (
            self.close_to(a, b),
            self.act("dance", a, b),
            self.using(a, dancing(self, LEFT, 0.0), dancing(self, RIGHT, 0.5)),
            self.using(b, dancing(self, LEFT, 0.5), dancing(self, RIGHT, 0.0)),
        ):
            yield from self.during(self.wait(seconds), sway(a, side), sway(b, -side))
        for k in (a, b):
            self.goal[k], self.backwards[k] = None, False

    def photograph(self, a: int, b: int, prop: Prop, seconds: float) -> Script:
        """Take pictures of somebody who poses."""
        self.face[b] = a
        yield from self.turn_to(a, b)
        with (
            self.act("photograph", a, b, thing=prop.words),
            self.using(a, fixed(-0.035, 0.15, 0.9), fixed(0.035, 0.15, 0.9)),
            self.using(b, *posing(self)),
        ):
            prop.holder_now, prop.hand_now = a, 2
            yield from self.wait(seconds)

    def throw(self, a: int, b: int, prop: Prop) -> Script:
        """Throw a thing that the other catches."""
        self.face[a], self.face[b] = b, a
        with self.act("throw", a, b, thing=prop.words):
            prop.hand_now = RIGHT
            with self.using(a, right=fixed(0.16, -0.06, 0.96)):
                yield from self.wait(0.6)
            with (
                self.using(a, right=fixed(0.1, 0.24, 0.9)),
                self.using(b, fixed(-0.06, 0.24, 0.72), fixed(0.06, 0.24, 0.72)),
            ):
                prop.holder_now = -1
                start, end = self._hand_place(a, 0.9), self._hand_place(b, 0.72)
                seconds = 0.35 + 0.16 * self.distance(a, b)
                steps = max(round(seconds / self.seconds), 2)
                for k in range(steps):
                    share = k / (steps - 1)
                    x, up, z = (1 - share) * start + share * end
                    prop.at_now = (float(x), float(up + 2.4 * share * (1 - share) * seconds), float(z))
                    yield
                prop.holder_now, prop.hand_now = b, 2
                yield from self.wait(0.5)

    def _hand_place(self, k: int, up: float) -> NDArray[np.float64]:
        ahead = np.array([math.sin(self.heading[k]), -math.cos(self.heading[k])]) * 0.24 * self.height[k]
        x, z = self.place[k] + ahead
        return np.array([x, up * self.height[k], z])

    def stand(self, k: int, seconds: float) -> Script:
        """Stand about, now and then with a hand on the hip."""
        with self.act("stand", k):
            pose = self.rng.integers(4)
            left = fixed(-0.17, 0.02, 0.53) if pose == 1 else None
            right = fixed(0.17, 0.02, 0.53) if pose in (1, 2) else None
            with self.using(k, left, right):
                yield from self.wait(seconds)

    def enter(self, k: int, side: int, to: Place, speed: float = 1.25) -> Script:
        """Come into the picture from a side."""
        self.put(k, self.outside(side, float(to[1])), np.asarray(to, np.float64))
        with self.act("enter", k, side=_side(side)):
            yield from self.go(k, to, speed)

    def cross(self, k: int, z: float, side: int, delay: float, speed: float = 1.25) -> Script:
        """Walk through the picture from a side, minding nobody."""
        yield from self.wait(delay)
        self.put(k, self.outside(side, z), self.outside(-side, z))
        with self.act("stroll", k, side=_side(-side)):
            yield from self.go(k, self.outside(-side, z), speed, 30)


BOTH_HANDS: Final = ("box", "ball", "camera")


def _side(side: float) -> str:
    return "left" if side < 0 else "right"


# ------------------------------------------------------------------------------------------------------ what hands do


def fixed(right: float, forward: float, up: float) -> HandGoal:
    """Keep a hand at a place beside the body."""
    return lambda _: (GESTURE, (right, forward, up))


def speaking(play: Play, hand: int) -> HandGoal:
    """Move a forearm as people do when they speak."""
    sign, phase, rate = (-1 if hand == LEFT else 1), play.uniform(0, 6.28), play.uniform(0.5, 0.8)

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        angle = 2 * math.pi * rate * seconds + phase
        return GESTURE, (sign * (0.13 + 0.04 * math.cos(angle)), 0.17, 0.66 + 0.06 * math.sin(angle))

    return goal


def raging(play: Play, hand: int) -> HandGoal:
    """Throw an arm about as people do who are angry."""
    sign, phase, rate = (-1 if hand == LEFT else 1), play.uniform(0, 6.28), play.uniform(0.9, 1.3)

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        angle = 2 * math.pi * rate * seconds + phase
        return GESTURE, (sign * (0.2 + 0.05 * math.cos(angle)), 0.2, 0.8 + 0.1 * math.sin(angle))

    return goal


def waving(play: Play) -> HandGoal:
    """Swing a hand above the head."""
    phase = play.uniform(0, 6.28)

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        return GESTURE, (0.2 + 0.09 * math.sin(2 * math.pi * 1.1 * seconds + phase), 0.05, 1.03)

    return goal


def beckoning(play: Play) -> HandGoal:
    """Move a stretched hand to and fro at the height of the shoulder."""
    phase = play.uniform(0, 6.28)

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        swing = math.sin(2 * math.pi * 0.9 * seconds + phase)
        return GESTURE, (0.1, 0.22 + 0.07 * swing, 0.88 + 0.05 * swing)

    return goal


def clapping(play: Play, hand: int) -> HandGoal:
    """Clap in front of the chest."""
    sign = -1 if hand == LEFT else 1

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        return GESTURE, (sign * (0.045 + 0.04 * math.sin(2 * math.pi * 1.7 * seconds)), 0.22, 0.72)

    return goal


def dancing(play: Play, hand: int, phase: float) -> HandGoal:
    """Swing an arm up and down beside the body."""
    sign = -1 if hand == LEFT else 1

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        angle = 2 * math.pi * (0.45 * seconds + phase)
        return GESTURE, (sign * 0.25, 0.08, 0.85 + 0.17 * math.sin(angle))

    return goal


def posing(play: Play) -> tuple[HandGoal, HandGoal]:
    """Stand for a picture: hands on the hips, or one up."""
    hip = fixed(-0.18, 0.02, 0.53)
    return (hip, fixed(0.18, 0.02, 0.53)) if play.chance(0.6) else (hip, fixed(0.2, 0.08, 0.98))


def pointing(play: Play, a: int, b: int) -> HandGoal:
    """Stretch an arm towards somebody's chest."""

    def goal(_: float) -> tuple[int, tuple[float, float, float]]:
        x, z = play.place[b]
        shoulder = np.array([play.place[a, 0], 0.78 * play.height[a], play.place[a, 1]])
        way = np.array([x, 0.72 * play.height[b], z]) - shoulder
        far = shoulder + way / max(float(np.linalg.norm(way)), 1e-6) * play.height[a]
        return POINT, (float(far[0]), float(far[1]), float(far[2]))

    return goal


def meeting(play: Play, a: int, b: int, shake: float = 0.0) -> HandGoal:
    """Bring a hand to the middle between two people."""

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        share = play.height[a] / (play.height[a] + play.height[b])
        x, z = play.place[a] + (play.place[b] - play.place[a]) * share
        up = 0.32 * (play.height[a] + play.height[b])
        return POINT, (float(x), up + shake * math.sin(2 * math.pi * 1.6 * seconds), float(z))

    return goal


def between(play: Play, a: int, b: int) -> HandGoal:
    """Hold hands low, between two who walk side by side."""

    def goal(_: float) -> tuple[int, tuple[float, float, float]]:
        x, z = (play.place[a] + play.place[b]) / 2
        return POINT, (float(x), 0.51 * max(play.height[a], play.height[b]), float(z))

    return goal


def around(play: Play, a: int, b: int, lower: float) -> HandGoal:
    """Lay a hand on somebody's back, from the front."""

    def goal(_: float) -> tuple[int, tuple[float, float, float]]:
        way = play.place[b] - play.place[a]
        x, z = play.place[b] + way / max(float(np.linalg.norm(way)), 1e-6) * 0.08
        up = min(max((0.72 + lower) * play.height[a], 0.5 * play.height[b]), 0.85 * play.height[b])
        return POINT, (float(x), up, float(z))

    return goal


def on_chest(play: Play, b: int, a: int, across: float) -> HandGoal:
    """Lay a hand on somebody's chest."""

    def goal(_: float) -> tuple[int, tuple[float, float, float]]:
        way = play.place[b] - play.place[a]
        x, z = play.place[b] - way / max(float(np.linalg.norm(way)), 1e-6) * 0.04
        up = min(0.72 * play.height[b], 0.85 * play.height[a]) + across
        return POINT, (float(x), up, float(z))

    return goal


def on_shoulder(play: Play, b: int, a: int) -> HandGoal:
    """Lay a hand on somebody's shoulder."""

    def goal(_: float) -> tuple[int, tuple[float, float, float]]:
        way = play.place[b] - play.place[a]
        x, z = play.place[b] - way / max(float(np.linalg.norm(way)), 1e-6) * 0.03
        return POINT, (float(x), min(0.79 * play.height[b], 0.98 * play.height[a]), float(z))

    return goal


def hitting(play: Play, b: int, a: int, phase: float) -> HandGoal:
    """Hit towards somebody's chest, and draw the fist back."""
    chest = on_chest(play, b, a, 0.05)

    def goal(seconds: float) -> tuple[int, tuple[float, float, float]]:
        _, (x, up, z) = chest(seconds)
        out = 0.5 + 0.5 * math.sin(2 * math.pi * (0.8 * seconds + phase))
        own = np.array([play.place[a, 0], 0.78 * play.height[a], play.place[a, 1]])
        at = own + (np.array([x, up, z]) - own) * (0.45 + 0.55 * out)
        return POINT, (float(at[0]), float(at[1]), float(at[2]))

    return goal
