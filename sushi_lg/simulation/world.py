"""One sequence of a world in memory: people, scene, motion, detections, and pictures on demand.

Shapes: P people, T frames.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.camera import move_camera, steps_of
from sushi_lg.simulation.crowd import Walks, walk
from sushi_lg.simulation.detections import SimulatedDetections, detect
from sushi_lg.simulation.people import Person, dress_crowd
from sushi_lg.simulation.render import Renderer
from sushi_lg.simulation.scenes import Domain, Scene, draw_scene, scene_attributes
from sushi_lg.simulation.staging import Staging, stage

VERSION = 2  # of everything drawn; raise it when a sequence of the same settings comes out different


class Filmed(ABC):
    """What sequences of all worlds can show, made of what their classes hold."""

    scene: Scene
    staging: Staging
    affines: NDArray[np.float64]

    @abstractmethod
    def renderer(self) -> Renderer:
        """Return what draws any of its frames."""

    @property
    def frames(self) -> int:
        """T."""
        return len(self.affines)

    @property
    def camera_steps(self) -> NDArray[np.float64] | None:
        """(T, 2, 3) true camera motion from frame to frame, or None where it stands still."""
        return None if self.scene.motion.is_static else steps_of(self.affines)

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the (H, W, 3) pictures of all frames, blue first."""
        renderer = self.renderer()
        for frame in range(self.frames):
            yield renderer.picture(frame)

    def scene_attributes(self) -> dict[str, str]:
        """Return the words about the scene."""
        return scene_attributes(self.scene, float((self.staging.visibility > 0.1).sum(axis=0).mean()))


@dataclass(frozen=True)
class SimulatedClip(Filmed):
    """A sequence. Identities of the ground truth are 1 .. P in the order of ``people``.

    Attributes:
        name: of the sequence.
        domain: it was drawn from, with the length and size it has.
        scene: what was drawn.
        people: P.
        walks: where they are on the ground.
        affines: (T, 2, 3) from the whole picture to each frame.
        staging: where they are in the pictures.
        detections: what a detector finds.
    """

    name: str
    domain: Domain
    scene: Scene
    people: list[Person]
    walks: Walks
    affines: NDArray[np.float64]
    staging: Staging
    detections: SimulatedDetections

    def renderer(self) -> Renderer:
        """Return what draws any of its frames."""
        return Renderer(self.scene, self.people, self.walks, self.staging, self.affines)


def simulate(domain: Domain, *, split: str = "train", number: int = 1, seed: int = 0) -> SimulatedClip:
    """Draw one sequence; equal arguments give equal sequences.

    Args:
        domain: where.
        split: part of the name and of what is random: sequences of two splits differ.
        number: of the sequence in its split, from 1.
        seed: of the world.

    Raises:
        ConfigError: the domain's numbers make no sense.
    """
    domain.validate()
    words = [zlib.crc32(word.encode()) for word in (domain.name, split)]
    parts = np.random.SeedSequence([seed, *words, number]).spawn(5)
    of_scene, of_people, of_walks, of_camera, of_detector = (np.random.default_rng(part) for part in parts)
    scene = draw_scene(of_scene, domain)
    count = int(of_people.integers(round(domain.people[0]), round(domain.people[1]), endpoint=True))
    people = dress_crowd(of_people, count)
    steps, rate = domain.frames * domain.every, domain.frame_rate * domain.every
    walks = walk(of_walks, scene, count, steps, rate).every(domain.every)
    affines = move_camera(of_camera, scene.camera, scene.motion, steps, rate)[:: domain.every]
    staging = stage(scene, people, walks, affines)
    name = f"{domain.name}-{split}-{number:04d}"
    found = detect(of_detector, scene, staging)
    return SimulatedClip(name, replace(domain), scene, people, walks, affines, staging, found)
