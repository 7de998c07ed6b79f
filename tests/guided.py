"""What a guided training needs beside the toy world: galleries of random vectors, descriptions, a teacher of kilobytes.

Every person of ``synthetic.write_world`` has a direction, around which the vectors of its boxes lie. Nobody describes
the last person of a sequence, and the first and the last but one are described in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthetic import PERSONS

from sushi_lg.data.gallery import GalleryAbout, detections_key, write_gallery
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.language.descriptions import Description, descriptions_path, write_descriptions
from sushi_lg.training.sources import detection_clip

WIDTH = 12
COLOURS = ("red", "blue", "black", "green")
PLACES = ("street", "night", "street, night", "night, street")  # words that the teacher knows
MEAN = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


@dataclass(frozen=True)
class Said:
    """What guides a training on the toy world.

    Attributes:
        looks: folder of the galleries.
        descriptions: folder of the descriptions.
        teacher: name of a text encoder.
    """

    looks: str
    descriptions: str
    teacher: str


def write_galleries(folder: Path, world: Path, names: Iterable[str], embedder: str = "toy") -> Path:
    """Write vectors of all detections of sequences; every seventeenth shows nothing."""
    for name in names:
        rng = np.random.default_rng(sum(name.encode()))
        sequence = open_sequence(world / name)
        table = read_table(sequence.detections_path())
        identity = detection_clip(sequence, None, None).identity
        assert len(identity) == len(table)
        own = rng.normal(size=(PERSONS + 1, WIDTH))[identity]
        own[identity < 0] = rng.normal(size=(int((identity < 0).sum()), WIDTH))
        vectors = 1 + own + 0.3 * rng.normal(size=own.shape)
        vectors[::17] = 0
        about = GalleryAbout(embedder, f"weights-of-{embedder}", detections_key(table), "pictures")
        write_gallery(folder, name, vectors, about)
    return folder


def rows_of(name: str) -> list[Description]:
    """Return what is said about a sequence and its people, who are numbered from 1."""
    shift = sum(name.encode())
    place = PLACES[shift % 4]
    rows = [Description(name, None, f"a {place}", attributes={"place": place})]
    for person in range(1, PERSONS):
        number = 0 if person == PERSONS - 1 else person - 1
        upper, lower = f"{COLOURS[(number + shift) % 4]} shirt", f"{COLOURS[(number // 2 + shift) % 4]} trousers"
        sentence = f"a person wearing a {upper}, {lower}"
        rows.append(Description(name, person, sentence, attributes={"upper": upper, "lower": lower}))
    return rows


def write_said(folder: Path, names: Iterable[str]) -> Path:
    """Write ``rows_of`` of sequences."""
    for name in names:
        write_descriptions(descriptions_path(folder, name), rows_of(name))
    return folder


def save_teacher(folder: Path) -> str:
    """Write a sentence encoder with random weights, which needs transformers, and return its name."""
    from tiny_text_models import save_sentence_encoder

    folder.mkdir(parents=True, exist_ok=True)
    save_sentence_encoder(folder, MEAN)
    return f"sentence:{folder}"
