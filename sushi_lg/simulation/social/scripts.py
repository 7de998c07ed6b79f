"""Scenarios: who comes together where, and what they do there.

A scenario names the folder of its clips, how many play the main parts, what they can be, the places it can be in, and
its script. Scripts draw their own course: no two clips of a scenario go alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sushi_lg.simulation.social.play import Play, Prop, Script

OUTDOOR: Final = ("park", "street", "square", "beach", "schoolyard")
INDOOR: Final = ("living_room", "office", "hall", "shop")
ANYWHERE: Final = OUTDOOR + INDOOR
GROWN: Final = (("man", 0.5), ("woman", 0.5))
CHILDREN: Final = (("boy", 0.5), ("girl", 0.5))
ANYBODY: Final = (("man", 0.36), ("woman", 0.36), ("boy", 0.14), ("girl", 0.14))
_COLOURS: Final = ("red", "yellow", "green", "blue", "brown", "white", "orange", "purple")

Parts = list[int]


@dataclass(frozen=True)
class Scenario:
    """A kind of clip.

    Attributes:
        name: folder of its clips.
        script: plays it; told which of the cast have the main parts.
        parts: fewest and most main parts.
        nouns: what they can be, part by part with how often; the last row holds for all further parts.
        places: where it can be.
        activity: words for a summary, after "people ...".
        weight: how often it is drawn.
    """

    name: str
    script: Callable[[Play, Parts], Script]
    parts: tuple[int, int]
    nouns: tuple[tuple[tuple[str, float], ...], ...]
    places: tuple[str, ...]
    weight: float = 1.0


def meeting(play: Play, parts: Parts) -> Script:
    """Two come from two sides, greet each other, talk, and part or go on together."""
    a, b = parts[:2]
    z = play.depth()
    side = -1 if play.chance(0.5) else 1
    if play.chance(0.6):
        play.put(a, play.spot(side * play.uniform(0.75, 1.0), z + play.uniform(-0.4, 0.4)))
        play.put(b, play.spot(-side * play.uniform(0.5, 0.9), z), a)
        play.face[a] = b
        if play.chance(0.5):
            yield from play.wave(a, b, play.uniform(1.2, 2.0))
        yield from play.approach_each_other(a, b)
    else:
        play.put(b, play.spot(-side * play.uniform(0.1, 0.5), z), np.array([0.0, 0.0]))
        yield from play.wait(0.5)
        yield from play.enter(a, side, play.spot(side * 0.85, z))
        yield from play.approach(a, b)
    yield from play.settle(a, b, 0.85)
    yield from _greet(play, a, b)
    yield from play.talk(a, b, play.uniform(3, 8))
    if len(parts) > 2:
        c = parts[2]
        yield from play.enter(c, side, play.spot(side * 0.8, z))
        yield from play.approach(c, a, 0.9)
        yield from play.shake_hands(c, a)
        yield from play.talk(c, a, play.uniform(3, 5))
    yield from _end(play, a, b)


def _greet(play: Play, a: int, b: int) -> Script:
    way = play.rng.choice(3, p=[0.5, 0.3, 0.2])
    if way == 0:
        yield from play.shake_hands(a, b, play.uniform(1.6, 2.4))
    elif way == 1:
        yield from play.embrace(a, b, play.uniform(1.8, 3.0))


def _end(play: Play, a: int, b: int) -> Script:
    way = play.rng.choice(4, p=[0.3, 0.25, 0.25, 0.2])
    side = int(play.side_of(a, b))
    if way == 0:
        yield from play.leave(a, b, away=play.chance(0.6))
    elif way == 1:
        yield from play.together(play.leave(a, b), play.leave(b, a))
    elif way == 2:
        yield from play.walk_together(a, [b], play.outside(side, play.depth(0.3, 0.8)))
    else:
        yield from play.wait(1.0)


def farewell(play: Play, parts: Parts) -> Script:
    """Two stand together, embrace, one goes away, both wave."""
    a, b, *others = parts
    _pair(play, a, b, 0.85)
    for n, c in enumerate(others):
        play.put(c, play.place[b] + np.array([play.side_of(b, a) * (0.9 + 0.7 * n), 0.3]), a)
    yield from play.talk(a, b, play.uniform(2.5, 5.5))
    if play.chance(0.75):
        yield from play.embrace(a, b, play.uniform(2, 3.4))
    else:
        yield from play.shake_hands(a, b)
    for c in others:
        yield from play.shake_hands(c, a)
    yield from play.leave(a, b, away=False)
    yield from play.together(play.wave(a, b, 2.0), *(play.wave(c, a, play.uniform(1.8, 2.6)) for c in (b, *others)))
    yield from play.leave(a, b, side=int(play.side_of(a, b)))


def _pair(play: Play, a: int, b: int, gap: float, low: float = 0.15, high: float = 0.55) -> None:
    """Set two face to face somewhere."""
    z, middle = play.depth(low, high), play.uniform(-0.45, 0.45)
    side = -1 if play.chance(0.5) else 1
    at = play.spot(middle, z)
    play.put(a, at + np.array([side * gap / 2, -0.02]))
    play.put(b, at - np.array([side * gap / 2, 0]), a)
    play.put(a, play.place[a], b)


def walking_together(play: Play, parts: Parts) -> Script:
    """Two or more walk side by side, stop to talk or look, and walk on."""
    a, *others = parts
    side = -1 if play.chance(0.5) else 1
    hand_in_hand = play.chance(0.45)
    z = play.depth(0.75, 1.0)
    play.put(a, play.spot(side * play.uniform(0.6, 0.9), z))
    for n, k in enumerate(others):
        play.put(k, play.place[a] + np.array([side * 0.55 * (n + 1), 0.1 * n]))
    stop = play.spot(-side * play.uniform(0.0, 0.4), play.depth(0.1, 0.4))
    for k in parts:
        play.put(k, play.place[k], stop)
    yield from play.walk_together(a, others, stop, hand_in_hand=hand_in_hand)
    b = others[0]
    yield from play.settle(b, a, 0.8)
    yield from play.talk(a, b, play.uniform(2.5, 6))
    if play.chance(0.35):
        yield from play.embrace(a, b)
    if play.chance(0.8):
        yield from play.walk_together(
            a, others, play.outside(-side, play.depth(0.2, 0.8)), hand_in_hand=hand_in_hand and play.chance(0.7)
        )
    else:
        yield from play.leave(a, b, away=play.chance(0.5))


def handing_over(play: Play, parts: Parts) -> Script:
    """Somebody brings a thing and hands it over."""
    a, b = parts[:2]
    prop = _thing(play, ("box", "bag", "book", "bottle", "bunch of flowers"))
    side = -1 if play.chance(0.5) else 1
    z = play.depth()
    play.put(b, play.spot(-side * play.uniform(0.0, 0.5), z))
    if play.chance(0.5):
        play.put(a, play.spot(side * play.uniform(0.7, 0.95), z + 0.2), b)
        play.carry(a, prop)
    else:
        play.carry(a, prop)
        yield from play.enter(a, side, play.spot(side * 0.8, z))
    play.face[b] = a
    yield from play.approach(a, b)
    yield from play.settle(a, b, 0.85)
    if play.chance(0.5):
        yield from play.talk(a, b, play.uniform(2, 4))
        play.carry(a, prop)
    yield from play.give(a, b, prop, play.uniform(2.2, 3.0))
    if len(parts) > 2 and play.chance(0.7):  # it goes on to a third
        c = parts[2]
        yield from play.enter(c, -side, play.spot(-side * 0.9, z))
        yield from play.approach(c, b)
        yield from play.give(b, c, prop, 2.4)
        yield from play.leave(c, b)
    elif play.chance(0.4):
        yield from play.touch(a, b)
    if play.chance(0.6):
        yield from play.leave(a, b)
    else:
        yield from play.leave(b, a)


def _thing(play: Play, kinds: tuple[str, ...]) -> Prop:
    kind = str(play.rng.choice(kinds))
    colour = "black" if kind == "camera" else "" if kind == "bunch of flowers" else str(play.rng.choice(_COLOURS))
    prop = Prop(kind, colour)
    play.props.append(prop)
    return prop


def quarrel(play: Play, parts: Parts) -> Script:
    """Two shout at each other; one may push the other; one goes."""
    a, b, *others = parts
    _pair(play, a, b, 0.95)
    for n, c in enumerate(others):
        play.put(c, play.spot(-0.8 if n % 2 else 0.8, play.depth(0.6, 0.8)), a)
    watching = [play.watch(c, a) for c in others]

    def quarrelling() -> Script:
        if play.chance(0.4):
            yield from play.talk(a, b, play.uniform(1.8, 3.5))
        yield from play.talk(a, b, play.uniform(4, 7.5), "quarrel")
        if play.chance(0.35):
            yield from play.point(a, b)
        if play.chance(0.7):
            yield from play.push(a, b)
            play.face[b] = a
            if play.chance(0.3):
                yield from play.wait(0.6)
                yield from play.push(b, a)
        if play.chance(0.5):
            yield from play.talk(b, a, play.uniform(2, 4), "quarrel")

    yield from play.during(quarrelling(), *watching)
    if others and play.chance(0.6):
        c = others[0]
        yield from play.approach(c, b, 0.75)
        yield from play.touch(c, b)
    yield from play.leave(a, b, speed=1.6)


def fighting(play: Play, parts: Parts) -> Script:
    """Two box; somebody may look on and come between them."""
    a, b, *others = parts
    _pair(play, a, b, play.uniform(1.6, 2.4))
    for n, c in enumerate(others):
        play.put(c, play.spot(-0.85 if n % 2 else 0.85, play.depth(0.5, 0.7)), a)

    def boxing() -> Script:
        for _ in range(int(play.rng.integers(1, 3))):
            yield from play.approach_each_other(a, b, 0.8)
            yield from play.fight(a, b, play.uniform(3, 5))
            yield from play.part(a, b, 1.6)
            yield from play.wait(play.uniform(0.5, 1.2))

    yield from play.during(boxing(), *(play.watch(c, a) for c in others))
    if others and play.chance(0.5):
        yield from play.applaud(others[0], a)
    if play.chance(0.5):
        yield from play.shake_hands(a, b)
    else:
        yield from play.leave(b, a)


def playing_catch(play: Play, parts: Parts) -> Script:
    """People throw a ball to each other."""
    a, b, *others = parts
    ball = _thing(play, ("ball",))
    _pair(play, a, b, play.uniform(2.2, 3.2))
    ring = [a, b]
    if others:
        c = others[0]
        middle = (play.place[a] + play.place[b]) / 2
        play.put(c, middle + np.array([0.0, 1.3]), middle)
        ring.append(c)
    for d in others[1:]:
        play.put(d, play.spot(0.85, play.depth(0.7, 0.9)), a)
    play.carry(a, ball)
    yield from play.wait(0.8)
    holder = a
    for _ in range(int(play.rng.integers(3, 6))):
        to = ring[(ring.index(holder) + 1) % len(ring)]
        play.hands[holder] = [None, None]
        yield from play.throw(holder, to, ball)
        play.carry(to, ball)
        yield from play.wait(play.uniform(0.5, 1.4))
        holder = to
    if play.chance(0.5):
        other = ring[(ring.index(holder) + 1) % len(ring)]
        yield from play.walk_up(holder, other, 0.85)
        yield from play.give(holder, other, ball)


def chasing(play: Play, parts: Parts) -> Script:
    """One runs after another; they may stop and embrace."""
    a, b = parts[:2]
    z = play.depth(0.3, 0.6)
    side = -1 if play.chance(0.5) else 1
    play.put(a, play.spot(side * 0.7, z))
    play.put(b, play.spot(side * 0.1, z), a)
    play.put(a, play.place[a], b)
    if play.chance(0.4):
        yield from play.point(a, b, 1.6)
    else:
        yield from play.wait(0.8)
    ways = [
        play.spot((-side if n % 2 == 0 else side) * play.uniform(0.5, 0.9), play.depth(0.1, 0.95))
        for n in range(int(play.rng.integers(3, 6)))
    ]
    yield from play.chase(a, b, ways)
    if play.chance(0.5):
        yield from play.embrace(a, b)
        if play.chance(0.5):
            yield from play.talk(a, b, 3)
    else:
        yield from play.circle(a, b, 1.0)
        yield from play.leave(b, a, speed=2.0)


def taking_photos(play: Play, parts: Parts) -> Script:
    """Somebody takes pictures of somebody who poses."""
    a, b, *others = parts
    camera = _thing(play, ("camera",))
    camera.holder_now = -2
    _pair(play, a, b, play.uniform(1.8, 2.6))
    for n, c in enumerate(others):
        play.put(c, play.place[b] + np.array([play.side_of(b, a) * 0.75 * (n + 1), 0.3]), a)
    play.carry(a, camera)
    if play.chance(0.5):
        yield from play.beckon(b, a, 1.8)
    yield from play.wait(0.8)
    yield from play.photograph(a, b, camera, play.uniform(3, 5))
    if play.chance(0.5):
        yield from play.circle(a, b, play.uniform(0.5, 0.9), 1.7)
        yield from play.settle(a, b, 1.7)
        yield from play.photograph(a, b, camera, play.uniform(2, 4))
    play.carry(a, camera)
    if play.chance(0.6):
        yield from play.approach(a, b)
        yield from play.look(b, a, 2.0)
    else:
        yield from play.leave(b, a)


def asking_the_way(play: Play, parts: Parts) -> Script:
    """A stranger comes, asks, and is shown to somebody else, or goes on."""
    a, b, *others = parts
    side = -1 if play.chance(0.5) else 1
    z = play.depth()
    play.put(b, play.spot(-side * play.uniform(0.0, 0.4), z), np.array([0.0, 0.0]))
    for n, c in enumerate(others):
        play.put(c, play.spot(-side * (0.85 - 0.2 * n), play.depth(0.45, 0.75)), np.array([0.0, 0.0]))
    if play.chance(0.3):
        play.put(a, play.spot(side * 0.9, z + 0.3), b)
        yield from play.wave(a, b, 1.6)
    else:
        yield from play.enter(a, side, play.spot(side * 0.85, z))
    yield from play.approach(a, b)
    yield from play.talk(a, b, play.uniform(3, 6))
    if others:
        c = others[0]
        yield from play.during(play.point(b, c, play.uniform(2.0, 3.0)), play.watch(a, c))
        yield from play.approach(a, c)
        yield from play.talk(a, c, play.uniform(2.5, 4.5))
        yield from play.leave(a, c)
    else:
        if play.chance(0.5):
            yield from play.shake_hands(a, b)
        yield from play.leave(a, b, side=-side if play.chance(0.3) else side)


def dancing(play: Play, parts: Parts) -> Script:
    """Two dance; others look on and applaud."""
    a, b, *others = parts
    _pair(play, a, b, 1.2, 0.2, 0.5)
    for n, c in enumerate(others):
        play.put(c, play.spot((-0.85, 0.85, -0.6, 0.6)[n % 4], play.depth(0.6, 0.8)), a)
    if play.chance(0.5):
        yield from play.beckon(a, b, 1.8)
        yield from play.approach(b, a, 1.05)
    yield from play.during(play.dance(a, b, play.uniform(6, 12)), *(play.watch(c, a) for c in others))
    if others:
        yield from play.together(*(play.applaud(c, a, play.uniform(2.2, 3.4)) for c in others))
    elif play.chance(0.5):
        yield from play.embrace(a, b)
    else:
        yield from play.talk(a, b, play.uniform(2, 4))


def following(play: Play, parts: Parts) -> Script:
    """Somebody walks about and another follows."""
    a, b, *others = parts  # a is followed by b
    side = -1 if play.chance(0.5) else 1
    play.put(a, play.spot(side * play.uniform(0.3, 0.6), play.depth(0.2, 0.9)))
    play.put(b, play.place[a] + np.array([side * 1.4, 0.15]), a)
    for n, c in enumerate(others):
        play.put(c, play.spot((-0.8, 0.8)[n % 2], play.depth(0.7, 0.9)), a)
    ways = [
        play.spot((-side if n % 2 == 0 else side) * play.uniform(0.4, 0.9), play.depth(0.05, 0.95))
        for n in range(int(play.rng.integers(2, 4)))
    ]
    if play.chance(0.4):
        yield from play.beckon(a, b, 1.7)

    def lead() -> Script:
        for place in ways:
            yield from play.go(a, place, 1.25)

    yield from play.during(lead(), play.follow(b, a), *(play.watch(c, a) for c in others))
    way = play.rng.integers(3)
    if way == 0:
        play.face[a] = b
        yield from play.settle(b, a, 0.9)
        yield from play.talk(a, b, play.uniform(2.5, 5))
    elif way == 1:
        yield from play.during(play.leave(a, None), play.follow(b, a))
    else:
        play.face[a] = b
        yield from play.walk_up(b, a, 1.1)
        yield from play.obstruct(a, b)
        yield from play.leave(b, a)


def giving_talk(play: Play, parts: Parts) -> Script:
    """Somebody explains something to others, who applaud in the end."""
    a, *listeners = parts
    side = -1 if play.chance(0.5) else 1
    z = play.depth(0.2, 0.45)
    middle = play.spot(-side * 0.15, z)
    play.put(a, middle + np.array([side * 1.1, 0.1]))
    for n, b in enumerate(listeners):
        play.put(b, middle + np.array([-side * (0.25 + 0.75 * n), (0.25, -0.15, 0.4)[n % 3]]), a)
    play.put(a, play.place[a], listeners[0])
    yield from play.explain(a, listeners, play.uniform(5, 9))
    if play.chance(0.5):
        b = listeners[int(play.rng.integers(len(listeners)))]
        yield from play.point(a, b)
        yield from play.talk(b, a, play.uniform(2.5, 4))
    if play.chance(0.6):
        yield from play.together(*(play.applaud(b, a, play.uniform(2.2, 3.2)) for b in listeners))
    if play.chance(0.5):
        yield from play.leave(a, listeners[0], side=side)


def passing_by(play: Play, parts: Parts) -> Script:
    """People pass each other; two may run into each other."""
    a, b, *others = parts
    side = -1 if play.chance(0.5) else 1
    z = play.depth(0.25, 0.55)
    for n, c in enumerate(others):
        play.put(c, play.spot((-0.75, 0.75)[n % 2], play.depth(0.7, 0.9)), np.array([0.0, 0.0]))
    if play.chance(0.6):
        play.put(b, play.spot(-side * play.uniform(0.0, 0.4), z), np.array([0.0, 0.0]))
        yield from play.wait(0.6)
        play.put(a, play.outside(side, z), b)
        yield from play.pass_by(a, b, play.spot(-side * 0.9, z))
        if play.chance(0.5):
            yield from play.look(b, a, 2.0)
        yield from play.leave(a, None, side=-side)
        yield from play.wait(1.0)
        return
    play.put(a, play.spot(side * 0.9, z))
    play.put(b, play.spot(-side * 0.9, z), a)
    play.put(a, play.place[a], b)
    yield from play.collide(a, b)
    if play.chance(0.5):
        yield from play.talk(a, b, play.uniform(3, 5), "quarrel")
    else:
        yield from play.talk(a, b, play.uniform(2, 4))
        if play.chance(0.5):
            yield from play.touch(a, b)
    yield from play.together(play.leave(a, b), play.leave(b, a))


def leading_child(play: Play, parts: Parts) -> Script:
    """A grown-up takes a child along by the hand, or pulls it."""
    a, b, *others = parts
    _pair(play, a, b, play.uniform(1.0, 2.6))
    for n, c in enumerate(others):
        play.put(c, play.spot((-0.85, 0.85)[n % 2], play.depth(0.6, 0.9)), np.array([0.0, 0.0]))
    if play.chance(0.4):
        yield from play.beckon(a, b, 1.8)
        yield from play.approach(b, a)
    else:
        yield from play.approach(a, b)
    side = int(play.side_of(a, b))
    if play.chance(0.4):
        yield from play.talk(a, b, play.uniform(2, 3.5))
    if play.chance(0.55):
        yield from play.pull(a, b, play.somewhere(a, 1.6))
        yield from play.embrace(a, b)
    else:
        yield from play.walk_together(
            a, [b], play.spot(side * 0.8, play.depth(0.1, 0.9)), hand_in_hand=play.chance(0.8)
        )
        yield from play.touch(a, b)
    if play.chance(0.5):
        yield from play.walk_together(a, [b], play.outside(side, play.depth(0.3, 0.8)), hand_in_hand=True)


def picking_up(play: Play, parts: Parts) -> Script:
    """Somebody waits, another comes, and they go together."""
    a, b = parts[:2]
    side = -1 if play.chance(0.5) else 1
    z = play.depth()
    play.put(a, play.spot(-side * play.uniform(0.1, 0.5), z), np.array([0.0, 0.0]))
    yield from play.stand(a, play.uniform(2.0, 4.0))
    yield from play.during(play.enter(b, side, play.spot(side * 0.8, z)), play.wait(0.5))
    yield from play.together(play.wave(a, b), play.wait(0.4))
    yield from play.approach(b, a)
    yield from _greet(play, a, b)
    if play.chance(0.5):
        yield from play.talk(a, b, play.uniform(2, 4))
    for c in parts[2:]:
        yield from play.enter(c, side, play.spot(side * 0.7, z + 0.3))
        yield from play.approach(c, a, 1.0)
    yield from play.walk_together(
        a,
        parts[1:],
        play.outside(-side if play.chance(0.5) else side, play.depth(0.3, 0.9)),
        hand_in_hand=play.chance(0.3),
    )


def blocking_the_way(play: Play, parts: Parts) -> Script:
    """Somebody wants to pass and is not let through."""
    a, b, *others = parts  # a does not let b pass
    side = -1 if play.chance(0.5) else 1
    z = play.depth(0.2, 0.5)
    play.put(a, play.spot(-side * 0.1, z), play.outside(side, z))
    for n, c in enumerate(others):
        play.put(c, play.spot(-side * (0.75 - 0.25 * n), play.depth(0.4, 0.6)), play.outside(side, z))
    yield from play.enter(b, side, play.spot(side * 0.85, z))
    yield from play.approach(b, a, 1.05)
    yield from play.obstruct(a, b, play.uniform(2.2, 3.4))
    if play.chance(0.5):
        yield from play.talk(a, b, play.uniform(3, 5), "quarrel" if play.chance(0.6) else "talk")
    if play.chance(0.5):
        yield from play.push(a, b)
    elif play.chance(0.5):
        yield from play.point(a, b)
    yield from play.leave(b, a, side=side)


def comforting(play: Play, parts: Parts) -> Script:
    """Somebody comes to one who stands alone, and comforts him or her."""
    a, b, *others = parts
    side = -1 if play.chance(0.5) else 1
    z = play.depth()
    play.put(b, play.spot(-side * play.uniform(0.1, 0.5), z), np.array([0.0, 0.0]))
    play.put(a, play.spot(side * 0.85, z + 0.2), b)
    for n, c in enumerate(others):
        play.put(c, play.spot(-side * (0.95 - 0.2 * n), play.depth(0.5, 0.7)), b)

    def caring() -> Script:
        yield from play.look(a, b, play.uniform(1.5, 2.5))
        yield from play.approach(a, b, 0.7)
        yield from play.touch(a, b, play.uniform(2.0, 3.0))
        yield from play.talk(a, b, play.uniform(2.5, 4))
        if play.chance(0.8):
            yield from play.embrace(a, b, play.uniform(2, 3.5))

    yield from play.during(caring(), *(play.watch(c, b) for c in others))
    if play.chance(0.5):
        yield from play.walk_together(a, [b], play.outside(side, play.depth(0.3, 0.8)))


def street_performance(play: Play, parts: Parts) -> Script:
    """Somebody walks about before people who look on and applaud."""
    a, *others = parts
    z = play.depth(0.1, 0.3)
    play.put(a, play.spot(0, z))
    for n, c in enumerate(others):
        play.put(c, play.spot((-0.55, 0.5, 0.0, -0.3, 0.3)[n % 5], play.depth(0.5, 0.7)), a)
    play.put(a, play.place[a], np.array([0.0, 0.0]))
    end = play.now + play.uniform(5, 9)

    def perform() -> Script:
        from sushi_lg.simulation.social.play import dancing as swing

        with play.using(a, swing(play, 0, 0.0), swing(play, 1, 0.5)), play.act("stand", a):
            while play.now < end:
                yield from play.go(a, play.spot(play.uniform(-0.3, 0.3), z), 0.9, 3)
                yield from play.wait(0.4)

    yield from play.during(perform(), *(play.watch(c, a) for c in others))
    play.face[a] = others[0]
    yield from play.together(*(play.applaud(c, a, play.uniform(2.4, 3.6)) for c in others))
    if play.chance(0.5):
        yield from play.approach(a, others[0])
        yield from play.shake_hands(a, others[0])
    else:
        yield from play.wave(a, others[0])


def alone(play: Play, parts: Parts) -> Script:
    """Somebody walks about and stands, with nobody to do anything with."""
    a = parts[0]
    side = -1 if play.chance(0.5) else 1
    z = play.depth(0.1, 0.7)
    if play.chance(0.5):
        yield from play.enter(a, side, play.spot(play.uniform(-0.3, 0.3), z))
    else:
        play.put(a, play.spot(play.uniform(-0.6, 0.6), z), np.array([0.0, 0.0]))
    play.face[a] = np.array([0.0, 0.0])
    yield from play.stand(a, play.uniform(3, 6))
    to = play.spot(side * play.uniform(0.2, 0.8), play.depth(0.1, 0.9))
    with play.act("stroll", a, side="left" if to[0] < play.place[a, 0] else "right"):
        yield from play.go(a, to)
    play.face[a] = np.array([0.0, 0.0])
    yield from play.stand(a, play.uniform(2, 5))
    if play.chance(0.5):
        yield from play.leave(a, None)


SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario("asking_the_way", asking_the_way, (2, 3), (GROWN, GROWN), ("street", "square", "park", "shop")),
        Scenario("being_alone", alone, (1, 1), (ANYBODY,), ANYWHERE, 0.9),
        Scenario("blocking_the_way", blocking_the_way, (2, 3), (GROWN, GROWN), ("street", "office", "hall", "shop")),
        Scenario("chasing_each_other", chasing, (2, 2), (ANYBODY, CHILDREN), ("park", "beach", "schoolyard", "hall")),
        Scenario("comforting_someone", comforting, (2, 3), (GROWN, ANYBODY), ANYWHERE),
        Scenario("dancing_together", dancing, (2, 4), (ANYBODY,), ("square", "hall", "living_room", "beach")),
        Scenario("fighting", fighting, (2, 3), ((("man", 0.7), ("woman", 0.3)),), ("street", "hall", "schoolyard")),
        Scenario("following_someone", following, (2, 3), (GROWN, ANYBODY), ANYWHERE),
        Scenario("giving_a_talk", giving_talk, (2, 5), (GROWN, ANYBODY), ("office", "hall", "schoolyard", "square")),
        Scenario("handing_over", handing_over, (2, 3), (ANYBODY,), ANYWHERE, 1.3),
        Scenario("leading_child", leading_child, (2, 3), (GROWN, CHILDREN, GROWN), ANYWHERE),
        Scenario("meeting_in_park", meeting, (2, 3), (GROWN,), ("park",)),
        Scenario(
            "meeting_friends", meeting, (2, 3), (ANYBODY,), ("street", "square", "office", "living_room", "beach")
        ),
        Scenario("passing_by", passing_by, (2, 3), (GROWN,), ("street", "square", "shop", "hall")),
        Scenario("picking_up", picking_up, (2, 3), (ANYBODY,), ("street", "schoolyard", "hall", "square")),
        Scenario("playing_catch", playing_catch, (2, 4), (ANYBODY, CHILDREN), ("park", "beach", "schoolyard"), 1.2),
        Scenario("quarrel", quarrel, (2, 3), (GROWN, GROWN, ANYBODY), ANYWHERE, 1.2),
        Scenario("saying_goodbye", farewell, (2, 3), (ANYBODY,), ANYWHERE),
        Scenario("street_performance", street_performance, (2, 5), (ANYBODY,), ("street", "square", "beach"), 0.7),
        Scenario("taking_photos", taking_photos, (2, 3), (ANYBODY,), ("park", "square", "beach", "living_room")),
        Scenario("walking_together", walking_together, (2, 3), (ANYBODY,), ANYWHERE, 1.3),
    )
}
