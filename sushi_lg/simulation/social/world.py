"""One clip of the social world in memory: who is there, what they do, what is true to say, and pictures on demand.

Shapes: P people, T frames.
"""

# ruff: noqa: RUF009 - the helpers called for defaults return dataclass fields

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.errors import ConfigError
from sushi_lg.simulation.camera import move_camera
from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.detections import SimulatedDetections, detect
from sushi_lg.simulation.figure import box_of
from sushi_lg.simulation.people import Person
from sushi_lg.simulation.scenes import Domain, Scene, draw_scene
from sushi_lg.simulation.social.acts import Act
from sushi_lg.simulation.social.cast import Actor, draw_cast
from sushi_lg.simulation.social.places import PLACES, Setting
from sushi_lg.simulation.social.play import Play, Record, Script
from sushi_lg.simulation.social.poses import with_hands
from sushi_lg.simulation.social.render import SocialRenderer, Thing
from sushi_lg.simulation.social.scripts import SCENARIOS, Scenario
from sushi_lg.simulation.staging import Staging, stage
from sushi_lg.simulation.world import Filmed

VERSION: Final = 1  # of everything drawn and said; raise it when a clip of the same settings comes out different
NAME: Final = "social"
_SIZES: Final = ((640, 360), (640, 360), (640, 360), (480, 360), (640, 480))
_LEAST_BOTH: Final = 2  # frames in which both must be in the picture for an act to count


def _range(low: float, high: float) -> list[float]:
    return field(default_factory=lambda: [low, high])


@dataclass
class SocialDomain:
    """What clips are like; a range is [lowest, highest].

    Attributes:
        name: of the domain.
        frame_rate: frames a second.
        every: steps that people make between two frames.
        seconds: length of a clip. Scripts end by themselves; they are cut at the longest.
        people: fewest and most people in a clip.
        scenarios: names to choose from; none = all.
        bystanders: mean number of people who have nothing to do with the others.
        detector_error: factor on all errors of the detector.
    """

    name: str = NAME
    frame_rate: float = 2.0
    every: int = 8
    seconds: list[float] = _range(10, 40)
    people: list[float] = _range(1, 6)
    scenarios: list[str] = field(default_factory=list)
    bystanders: float = 0.25
    detector_error: float = 1.0

    def __post_init__(self) -> None:
        self.seconds = [float(value) for value in self.seconds]
        self.people = [float(value) for value in self.people]

    def validate(self) -> None:
        """Check what is written.

        Raises:
            ConfigError: a range that is none, a number too small, an unknown scenario, or none that fits the people.
        """
        for name, least in (("seconds", 2.0), ("people", 1.0)):
            value = getattr(self, name)
            if not (len(value) == 2 and least <= value[0] <= value[1]):
                raise ConfigError(f"{name}: {value} is no range", f"write {name}=[lowest,highest], from {least:g} on")
        for name, least in (("frame_rate", 0.5), ("every", 1), ("bystanders", 0), ("detector_error", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: {getattr(self, name)} is too small", f"at least {least}")
        steps = self.frame_rate * self.every
        if not 8 <= steps <= 60:
            raise ConfigError(
                f"frame_rate={self.frame_rate:g} every={self.every}: {steps:g} steps a second",
                "choose every so that there are 8 to 60",
            )
        unknown = sorted(set(self.scenarios) - set(SCENARIOS))
        if unknown:
            raise ConfigError(f"scenarios: unknown {', '.join(unknown)}", f"known: {', '.join(SCENARIOS)}")
        if not self._fitting():
            raise ConfigError(f"people: no scenario has {self.people[0]:g} to {self.people[1]:g}", "widen the range")

    def _fitting(self) -> list[Scenario]:
        low, high = self.people
        chosen = [SCENARIOS[name] for name in self.scenarios or SCENARIOS]
        return [one for one in chosen if one.parts[0] <= high and (one.parts[0] > 1 or low <= 2 or self.bystanders > 0)]

    def draw_scenario(self, rng: np.random.Generator) -> Scenario:
        """Draw one of the scenarios that can have so many people."""
        fitting = self._fitting()
        weight = np.array([one.weight for one in fitting])
        return fitting[int(rng.choice(len(fitting), p=weight / weight.sum()))]


@dataclass(frozen=True)
class SocialClip(Filmed):
    """A clip. Identities of the ground truth are 1 .. P in the order of ``cast``.

    Attributes:
        name: ``<scenario>/<clip>``.
        settings: it was drawn from.
        scenario: what is played.
        place: key of ``PLACES``.
        scene: light and camera.
        cast: P.
        walks: where they are on the ground.
        affines: (T, 2, 3) from the whole picture to each frame.
        staging: where they are in the pictures.
        things: what they hold and throw.
        acts: what they do, by first frame; acts between people are those that can be seen.
        detections: what a detector finds.
        text_seed: of the choice of words.
    """

    name: str
    settings: SocialDomain
    scenario: Scenario
    place: str
    scene: Scene
    cast: list[Actor]
    walks: Walks
    affines: NDArray[np.float64]
    staging: Staging
    things: list[Thing]
    acts: list[Act]
    detections: SimulatedDetections
    text_seed: int

    @property
    def domain(self) -> Domain:
        """Size, rate and light, as the other worlds state them."""
        return self.scene.domain

    @property
    def people(self) -> list[Person]:
        """Looks of the cast."""
        return [actor.person for actor in self.cast]

    @property
    def setting(self) -> Setting:
        """The place."""
        return PLACES[self.place]

    def renderer(self) -> SocialRenderer:
        """Return what draws any of its frames."""
        return SocialRenderer(
            self.scene, self.setting, self.people, self.walks, self.staging, self.affines, self.things
        )


def clip_name(domain: SocialDomain, *, split: str = "train", number: int = 1, seed: int = 0) -> str:
    """Return ``<scenario>/<clip>`` of what ``simulate_social`` makes of the same arguments."""
    rng = np.random.default_rng(_parts(split, number, seed)[0])
    return f"{domain.draw_scenario(rng).name}/{NAME}-{split}-{number:04d}"


def simulate_social(domain: SocialDomain, *, split: str = "train", number: int = 1, seed: int = 0) -> SocialClip:
    """Draw one clip; equal arguments give equal clips.

    Args:
        domain: what clips are like.
        split: part of what is random: clips of two splits differ.
        number: of the clip in its split, from 1.
        seed: of the world.

    Raises:
        ConfigError: the domain's numbers make no sense.
    """
    domain.validate()
    of_scenario, of_cast, of_scene, of_play, of_camera, of_detector, of_text = (
        np.random.default_rng(part) for part in _parts(split, number, seed)
    )
    scenario = domain.draw_scenario(of_scenario)
    place = str(of_scenario.choice(scenario.places))
    parts = _draw_parts(of_cast, domain, scenario)
    others = _draw_bystanders(of_cast, domain, parts)
    nouns = [_draw_noun(of_cast, scenario, k) for k in range(parts)]
    nouns += [str(of_cast.choice(["man", "woman"])) for _ in range(others)]
    cast = draw_cast(of_cast, nouns)
    width, height = _SIZES[int(of_scene.integers(len(_SIZES)))]
    rate = domain.frame_rate * domain.every
    of_place = PLACES[place].domain
    scene = draw_scene(
        of_scene,
        replace(
            of_place,
            name=domain.name,
            width=width,
            height=height,
            frame_rate=domain.frame_rate,
            every=domain.every,
            focal=[value * min(width / 640 * 360 / height, 1.0) for value in of_place.focal],
            detector_error=[value * domain.detector_error for value in of_place.detector_error],
        ),
    )
    play = Play(of_play, scene, cast, 1 / rate)
    extras = [_bystander(play, parts + k) for k in range(others)]
    play.run(
        scenario.script(play, list(range(parts))),
        extras,
        shortest=domain.seconds[0],
        longest=domain.seconds[1],
        tail=play.uniform(1.0, 5.0),
    )
    walks = play.walks()
    steps = walks.place.shape[1]
    affines = move_camera(of_camera, scene.camera, scene.motion, steps, rate)[:: domain.every]
    hands = play.hand_goals().every(domain.every)
    walks = walks.every(domain.every)
    people = [actor.person for actor in cast]
    plain = stage(scene, people, walks, affines)
    joints = with_hands(plain.joints, hands, scene, people, walks, plain.view)
    staging = replace(plain, joints=joints, boxes_xyxy=_boxes(joints, people, plain))
    acts = _acts(play.records, domain.every, staging)
    things = [
        Thing(
            prop.kind,
            prop.colour,
            np.array(prop.holder[:: domain.every], np.int64),
            np.array(prop.hand[:: domain.every], np.int64),
            np.array(prop.at[:: domain.every], np.float64),
        )
        for prop in play.props
    ]
    name = clip_name(domain, split=split, number=number, seed=seed)
    found = detect(of_detector, scene, staging)
    seed_of_text = int(of_text.integers(2**31))
    return SocialClip(
        name, domain, scenario, place, scene, cast, walks, affines, staging, things, acts, found, seed_of_text
    )


def _parts(split: str, number: int, seed: int) -> list[np.random.SeedSequence]:
    words = [zlib.crc32(word.encode()) for word in (NAME, split)]
    return np.random.SeedSequence([seed, *words, number]).spawn(7)


def _draw_parts(rng: np.random.Generator, domain: SocialDomain, scenario: Scenario) -> int:
    low, high = scenario.parts
    high = min(high, round(domain.people[1]))
    extra = 0
    while low + extra < high and rng.random() < 0.33:
        extra += 1
    return low + extra


def _draw_bystanders(rng: np.random.Generator, domain: SocialDomain, parts: int) -> int:
    count = int(rng.poisson(domain.bystanders))
    least, most = round(domain.people[0]), round(domain.people[1])
    return int(np.clip(count, max(least - parts, 0), max(most - parts, 0)))


def _draw_noun(rng: np.random.Generator, scenario: Scenario, part: int) -> str:
    table = scenario.nouns[min(part, len(scenario.nouns) - 1)]
    return str(rng.choice([noun for noun, _ in table], p=[weight for _, weight in table]))


def _bystander(play: Play, k: int) -> Script:
    """Somebody behind the others: walks through, or stands about and goes in the end."""
    z = play.scene.far + play.uniform(-0.6, 0.6)
    side = -1 if play.chance(0.5) else 1
    if play.chance(0.6):
        return play.cross(k, z, side, play.uniform(0, 6), play.uniform(0.9, 1.5))

    def stay() -> Script:
        away = play.outside(side, z * 3)
        play.put(k, play.spot(side * play.uniform(0.5, 0.9), z), away)
        yield from play.stand(k, play.uniform(6, 14))
        yield from play.leave(k, None)

    return stay()


def _boxes(joints: NDArray[np.float64], people: list[Person], staging: Staging) -> NDArray[np.float64]:
    """Return (P, T, 4) boxes around bodies and arms."""
    build = np.array([person.build for person in people])[:, None]
    left, _, right, _ = np.moveaxis(box_of(joints, build), -1, 0)
    high = np.maximum(joints[..., 1].max(axis=-1) + 0.03, 1.0)
    low = np.zeros_like(high)
    corners = np.stack(
        [
            staging.foot + up[..., None] * staging.up + x[..., None] * _across(staging.up)
            for x in (left, right)
            for up in (low, high)
        ]
    )
    # as for bodies without arms: the sides lean with the camera, top and bottom are those of the middle
    top = np.minimum(staging.foot[..., 1], (staging.foot + high[..., None] * staging.up)[..., 1])
    return np.stack([corners[..., 0].min(axis=0), top, corners[..., 0].max(axis=0), staging.foot[..., 1]], axis=-1)


def _across(up: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([-up[..., 1], up[..., 0]], axis=-1)


def _acts(records: list[Record], every: int, staging: Staging) -> list[Act]:
    """Return the acts in frames: as far as whoever takes part is in the picture."""
    frames = staging.is_inside.shape[1]
    acts = []
    for record in records:
        first = min(-(-record.first // every), frames - 1)
        last = max(min(record.last // every, frames - 1), first)
        inside = staging.is_inside[record.active, first : last + 1].copy()
        if record.passive is not None:
            inside &= staging.is_inside[record.passive, first : last + 1]
        seen = np.flatnonzero(inside)
        if len(seen) < _LEAST_BOTH:
            continue
        acts.append(
            Act(
                record.kind,
                record.active,
                record.passive,
                first + int(seen[0]),
                first + int(seen[-1]),
                record.thing,
                record.side,
            )
        )
    return sorted(acts, key=lambda act: (act.first, act.last, act.active, -1 if act.passive is None else act.passive))
