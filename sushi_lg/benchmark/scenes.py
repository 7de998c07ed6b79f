"""What is tracked when speed is measured: simulated crowds of any size, and files.

Shapes: N detections, D embedding width, P persons.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sushi_lg.data.mot_format import read_table
from sushi_lg.data.splits import split_names
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.structures import Detections

_SIZE = (1920.0, 1080.0)
_SIMULATED = re.compile(r"([1-9]\d*)x([1-9]\d*)(?:x([1-9]\d*))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Scene:
    """Detections of one video.

    Attributes:
        name: as asked for.
        detections: N, with identities (-1 = none) and, where asked for, embeddings.
        frames: length of the video.
    """

    name: str
    detections: Detections
    frames: int


def make_scene(name: str, *, width: int = 0, seed: int = 0) -> Scene:
    """Return a scene by name.

    Args:
        name: ``FRAMESxPERSONS[xWIDTH]`` is simulated; otherwise a file of detections in MOT text. Beside a file
            ``*_dets.txt``, ``*_identity.txt`` may hold the identity of each of its rows.
        width: D of the embeddings that are drawn for the identities; 0 = none. WIDTH in the name takes precedence.
        seed: of everything random.

    Raises:
        ConfigError: neither a file nor of that form.
        DataError: the file is no MOT text, or the identities do not fit it.
    """
    simulated = _SIMULATED.match(name)
    if simulated:
        frames, persons = int(simulated[1]), int(simulated[2])
        width = int(simulated[3]) if simulated[3] else width
        detections = simulate(frames, persons, seed)
    elif Path(name).is_file():
        detections, frames = _read(Path(name))
    else:
        check_name(name)
        raise AssertionError(f"{name} is the name of a split, not of a scene")
    if width:
        detections = replace(detections, embedding=draw_embeddings(detections.identity, width, seed))
    return Scene(name, detections, frames)


def check_name(name: str) -> None:
    """Refuse what is neither a simulated scene, nor a file, nor a split.

    Raises:
        ConfigError: with the nearest name of a split.
    """
    if _SIMULATED.match(name) or Path(name).is_file() or name in split_names():
        return
    near = difflib.get_close_matches(name, split_names(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"no scene {name!r}",
        f"{hint}FRAMESxPERSONS[xWIDTH], for example 2000x20 (none of them 0), a file of detections, or a split",
    )


def simulate(frames: int, persons: int, seed: int = 0) -> Detections:
    """Return ``persons`` people who are in the picture at any time, walking, with misses and false boxes.

    Everybody walks at a speed of their own, is replaced after a while by somebody new, is missed now and then, and
    about two false boxes in a hundred appear. Work grows with frames and persons alone.

    Args:
        frames: length of the video.
        persons: seen in a frame, before misses.
        seed: two calls with one seed are equal.
    """
    rng = np.random.default_rng(seed)
    stay = 300  # frames a person stays, on average
    frame, slot = (axis.ravel() for axis in np.meshgrid(np.arange(frames), np.arange(persons), indexing="ij"))
    # A slot is taken over by somebody new at a fixed rhythm with a phase of its own.
    phase = rng.integers(0, stay, persons)
    term = (frame + phase[slot]) // stay
    identity = slot * (frames // stay + 2) + term
    count = int(identity.max(initial=-1)) + 1
    begin = rng.uniform((0, 0), _SIZE, (count, 2))
    velocity = rng.normal(0, 2.5, (count, 2))
    height = rng.lognormal(np.log(max(60.0, 300.0 / np.sqrt(max(persons, 1) / 10))), 0.25, count)
    age = (frame + phase[slot]) % stay
    # Folded at the borders of the picture: nobody leaves it.
    place = begin[identity] + velocity[identity] * age[:, None]
    place = np.abs((place + np.array(_SIZE)) % (2 * np.array(_SIZE)) - np.array(_SIZE))
    tall = height[identity] * np.exp(rng.normal(0, 0.015, len(frame)))
    centre = place + rng.normal(0, 0.01, (len(frame), 2)) * tall[:, None]
    size = np.stack([0.4 * tall, tall], axis=1)
    score = rng.beta(8, 2, len(frame))
    false = rng.random(len(frame)) < 0.02
    centre[false] = rng.uniform((0, 0), _SIZE, (int(false.sum()), 2))
    identity[false] = -1
    score[false] = rng.beta(2, 3, int(false.sum()))
    seen = rng.random(len(frame)) >= 0.08
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    return _clip(frame[seen], boxes[seen], score[seen], identity[seen], 25.0)


def draw_embeddings(identity: Tensor, width: int, seed: int = 0) -> Tensor:
    """Return (N, D) float32 10 (b + s z): one random unit vector b an identity, a fresh one a false box, s = 0.8/√D."""
    generator = torch.Generator().manual_seed(seed)
    owner = identity.clone()
    is_false = owner < 0
    owner[is_false] = owner.max() + 1 + torch.arange(int(is_false.sum()))
    known, row = torch.unique(owner, return_inverse=True)
    found = torch.empty(len(identity), width)
    # One block of identities after another: the table of all of them would be as large as the result.
    base = torch.randn(len(known), width, generator=generator)
    base /= base.norm(dim=1, keepdim=True)
    for rows in torch.split(torch.arange(len(row)), 4096):
        noise = torch.randn(len(rows), width, generator=generator)
        found[rows] = noise.mul_(0.8 / width**0.5).add_(base[row[rows]]).mul_(10)
    return found


def _read(path: Path) -> tuple[Detections, int]:
    table = read_table(path)
    identity = np.full(len(table), -1, dtype=np.int64)
    beside = path.with_name(path.name.replace("_dets.txt", "_identity.txt"))
    if beside != path and beside.is_file():
        identity = np.loadtxt(beside, dtype=np.int64, ndmin=1)
        if len(identity) != len(table):
            raise DataError(f"{beside}: {len(identity)} rows, {path.name} has {len(table)}", "take the files together")
    order = np.argsort(table.frame, kind="stable")
    frame = table.frame[order] - table.frame.min() if len(table) else table.frame
    boxes = table.boxes_xyxy[order]
    detections = _clip(frame, boxes, table.confidence[order], identity[order], 25.0)
    return detections, int(frame.max(initial=-1)) + 1


def _clip(
    frame: np.ndarray, boxes: np.ndarray, score: np.ndarray, identity: np.ndarray, frame_rate: float
) -> Detections:
    return Detections(
        frame=torch.from_numpy(frame.astype(np.int64)),
        boxes_xyxy=torch.from_numpy(boxes.astype(np.float32)),
        score=torch.from_numpy(score.astype(np.float32)),
        identity=torch.from_numpy(identity.astype(np.int64)),
        clip=torch.zeros(len(frame), dtype=torch.int64),
        frame_rate=torch.tensor([frame_rate]),
        image_size=torch.tensor([_SIZE]),
    )
