"""What language teaches in a training: sentences of all sequences as vectors of one teacher, and the losses they enter.

Descriptions are read and embedded once, before the first step; from then on a detection carries the number of its
person's sentence, a clip that of its scene. Nothing of this reaches the tracker but gradients.

Shapes: N detections, M tracklets, E edges, T sentences, C scenes, D width of the teacher.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from sushi_lg.data.clips import Clip
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.language.controls import OneHot, permuted, spelled_out
from sushi_lg.language.descriptions import Description, descriptions_path, read_descriptions
from sushi_lg.language.readers_lgmot import INSTANCE_FILE, has_lgmot, read_lgmot
from sushi_lg.language.structures import Taught
from sushi_lg.language.teaching import teach, teach_edges
from sushi_lg.language.text_encoder import TextEncoder, load_text_encoder
from sushi_lg.nn.guidance import KL_WIDTH, Guidance, instance_kl, scene_kl
from sushi_lg.structures import Record
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.tracker import Encoded, HierarchicalTracker
from sushi_lg.training.objective import JudgedEdges
from sushi_lg.training.sampling import Batch
from sushi_lg.training.settings import LGMOT, LanguageConfig
from sushi_lg.training.sources import Source, TrainingSequence

logger = logging.getLogger(__name__)

_NOTHING = 1e-4  # what is left of a unit vector when all sentences are equal


@dataclass(frozen=True)
class Lessons(Record):
    """Sentences of all training sequences, as a teacher puts them.

    For the contrastive form they are brought to few directions in which they differ equally (see ``_told_apart``).

    Attributes:
        sentences: (T, d) unit vectors, each sentence about a person once.
        scenes: (C, 2, e) unit vectors of scenes with one person and with two.
        sentences_as_published: (T, 128) for the kl form: a fixed orthogonal projection of the teacher's vectors.
        scenes_as_published: (C, D) for the kl form: the teacher's vectors of the scenes.
    """

    sentences: Tensor
    scenes: Tensor
    sentences_as_published: Tensor
    scenes_as_published: Tensor

    def digest(self) -> str:
        """Return a fingerprint of all that is taught."""
        found = hashlib.sha256()
        for field in fields(self):
            found.update(getattr(self, field.name).cpu().numpy().tobytes())
        return found.hexdigest()


def load_lessons(
    sources: Sequence[Source], config: LanguageConfig, seed: int, device: str = "cpu"
) -> tuple[Lessons, list[Source]]:
    """Return what the teacher says about the training sequences, and the sources with numbered sentences.

    Args:
        sources: what is learned from; those without descriptions are not guided.
        config: teacher and control.
        seed: by which the ``permuted`` control deals.
        device: where the teacher computes.

    Raises:
        ConfigError: no source has descriptions.
        DataError: absent or malformed descriptions, none about anybody, or the same about everybody.
        WeightsError: the teacher cannot be loaded.
    """
    everything = [sequence for source in sources for sequence in source.sequences]
    if config.teacher == LGMOT:
        found = {s.name: read_lgmot(s.opened) for s in everything if s.opened is not None and has_lgmot(s.opened)}
        if not found:
            raise ConfigError(
                f"language.teacher: no sequence has {INSTANCE_FILE}", "put LG-MOT's files into the sequence folders"
            )
        return _numbered(sources, found, {}, config.directions)
    read = {sequence.name: _read(sequence) for sequence in everything if sequence.descriptions is not None}
    if not read:
        raise ConfigError(
            "language.teacher: nobody has described the training data",
            "make descriptions with `sushi-lg annotate` and name their folder in sources.0.descriptions",
        )
    if config.control == "permuted":
        read = {name: permuted(rows, seed) for name, rows in read.items()}
    if config.control == "one_hot":
        if not any(row.attributes for rows in read.values() for row in rows):
            raise DataError("descriptions: no attributes, of which control=one_hot makes lists", "use another control")
        read = {name: spelled_out(rows) for name, rows in read.items()}
        encoder: TextEncoder = OneHot.of(row for rows in read.values() for row in rows)
    else:
        encoder = load_text_encoder(config.teacher, device)
    if config.scene != "none" and not any(row.track_id is None for rows in read.values() for row in rows):
        raise DataError(
            "descriptions: no scene is described, so nothing is said about edges",
            "describe scenes with `sushi-lg annotate`, or set language.scene=none",
        )
    folder = None if config.cache is None else Path(config.cache)
    taught = {name: teach(rows, encoder, folder) for name, rows in read.items()}
    edges = {name: teach_edges(read[name], encoder, folder) for name, each in taught.items() if each.scene is not None}
    lessons, numbered = _numbered(sources, taught, edges, config.directions)
    if config.instance == "contrast" and lessons.sentences.shape[1] == 0:
        raise DataError(
            "descriptions: the same is said about everybody, which tells nobody apart",
            "describe people by what differs between them, or set language.instance=none",
        )
    return lessons, numbered


def _read(sequence: TrainingSequence) -> list[Description]:
    """Read what is said about a sequence.

    Raises:
        DataError: nothing, or about another sequence, or about people whom nobody annotated here.
    """
    assert sequence.descriptions is not None
    path = descriptions_path(sequence.descriptions, sequence.sequence)
    rows = read_descriptions(path)
    again = "make it again with `sushi-lg annotate` from the ground truth of this sequence"
    others = sorted({row.seq for row in rows} - {sequence.sequence})
    if not rows or others:
        raise DataError(f"{path}: {f'is about {others[0]}' if others else 'empty'}, not {sequence.sequence}", again)
    described = {row.track_id for row in rows if row.track_id is not None}
    strange = described - set(np.unique(sequence.clip.identity).tolist())
    if described and strange == described:
        raise DataError(f"{path}: none of {len(described)} ids is an identity of {sequence.name}", again)
    if strange:
        logger.info("%s: %d of %d people are not detected in %s", path, len(strange), len(described), sequence.name)
    return rows


def _numbered(
    sources: Sequence[Source], taught: Mapping[str, Taught], edges: Mapping[str, Tensor], directions: int
) -> tuple[Lessons, list[Source]]:
    """Put what was said about all sequences into one table, and its row numbers on the detections."""
    table, rows = _distinct({name: each.instance for name, each in taught.items()})
    if len(table) == 0:
        raise DataError("descriptions: none is about a person", "make them again with `sushi-lg annotate`")
    pairs, scene_rows = _distinct({name: pair.flatten()[None] for name, pair in edges.items()})
    if not edges:
        of_scenes = {name: each.scene[None] for name, each in taught.items() if each.scene is not None}
        _, scene_rows = _distinct(of_scenes)
    scene_of = {name: int(row[0]) for name, row in scene_rows.items()}
    published = {number: taught[name].scene for name, number in scene_of.items()}
    scenes = [published[number] for number in sorted(published)]
    apart = _told_apart(pairs.reshape(2 * len(pairs), pairs.shape[1] // 2), directions)
    lessons = Lessons(
        # Of a few people no words are learned but names: directions are counted by what several can show.
        sentences=_told_apart(table, min(directions, max(2, len(table) // 4))),
        scenes=apart.view(len(pairs), 2, apart.shape[1]),
        sentences_as_published=table @ _projection(table.shape[1]),
        scenes_as_published=torch.stack([one for one in scenes if one is not None]) if scenes else table[:0],
    )
    logger.info(
        "language: %d sentences about people in %d directions, %d different scenes",
        len(table),
        lessons.sentences.shape[1],
        len(pairs),
    )

    def with_sentences(sequence: TrainingSequence) -> TrainingSequence:
        if sequence.name not in taught:
            return replace(
                sequence, clip=_numbered_clip(sequence.clip, np.empty(0, np.int64), np.empty(0, np.int64), -1)
            )
        ids, scene = taught[sequence.name].ids.numpy(), scene_of.get(sequence.name, -1)
        return replace(sequence, clip=_numbered_clip(sequence.clip, ids, rows[sequence.name], scene))

    return lessons, [
        replace(source, sequences=[with_sentences(sequence) for sequence in source.sequences]) for source in sources
    ]


def _distinct(parts: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, np.ndarray]]:
    """Return every vector once, and which of them the rows of each part are: what is said alike is taught alike."""
    number_of: dict[bytes, int] = {}
    vectors: list[Tensor] = []
    rows: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        rows[name] = np.empty(len(part), dtype=np.int64)
        for position, vector in enumerate(part):
            key = vector.numpy().tobytes()
            if key not in number_of:
                number_of[key] = len(vectors)
                vectors.append(vector)
            rows[name][position] = number_of[key]
    return torch.stack(vectors) if vectors else torch.zeros(0, 2), rows


def _numbered_clip(clip: Clip, ids: np.ndarray, rows: np.ndarray, scene: int) -> Clip:
    sentence = np.full(len(clip), -1)
    if len(ids):
        place = np.minimum(np.searchsorted(ids, clip.identity), len(ids) - 1)
        sentence = np.where(ids[place] == clip.identity, rows[place], -1)
    return replace(clip, sentence=sentence, scene=scene)


def _told_apart(vectors: Tensor, most: int) -> Tensor:
    """Return (T, d) unit vectors in which what differs between sentences counts equally.

    A sentence encoder is sure that every sentence here is about a person in clothes, and puts little weight on the
    colour of the trousers: sentences that differ in one word have a cosine of 0.99. What all share is taken away, and
    the ``most`` directions in which they differ most are brought to one length (whitening). With more directions than
    there are things to tell, every sentence would be a class of its own and teach nothing about another.
    """
    if len(vectors) == 0:
        return vectors.new_zeros(0, 2)
    apart = (vectors - vectors.mean(dim=0)).to(torch.float64)
    left, size, _ = torch.linalg.svd(apart, full_matrices=False)
    count = min(most, int((size > _NOTHING * size[0].clamp(min=1)).sum()))
    # A student of one number can only be right or wrong, and learns nothing in between: there are two at least.
    return normalize(pad(left[:, :count], (0, int(count == 1)))).to(torch.float32)


def _projection(width: int) -> Tensor:
    """Return (D, 128): the same orthogonal directions in every training."""
    noise = torch.randn(max(width, KL_WIDTH), KL_WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(noise).Q[:width].to(torch.float32)


@dataclass(frozen=True)
class LanguageGuide:
    """Adds the losses of language to those of a level, see ``objective.Guide``.

    Attributes:
        guidance: the projections, trained with the tracker.
        lessons: what they are held against.
    """

    guidance: Guidance
    lessons: Lessons

    def __call__(
        self,
        batch: Batch,
        encoded: Encoded | None,
        tracker: HierarchicalTracker,
        level: int,
        result: LevelResult,
        judged: JudgedEdges,
    ) -> dict[str, tuple[float, Tensor, int]]:
        """Return by name the weight, the loss and the number of items it supervised."""
        config = self.guidance.config
        if batch.sentence is None or batch.scene is None or not self.guidance.guides(level):
            return {}
        # The published losses are added up over levels; the mean of ours keeps weights apart from their number.
        share = 1 / (len(config.levels) if config.levels else len(tracker.config.levels))
        of_instance, of_scene = (1.0 if form == "kl" else share for form in (config.instance, config.scene))
        found = {}
        if config.instance != "none" and encoded is not None:
            taught = self._instance(batch, encoded, level, result, judged)
            if taught is not None:
                found["instance"] = (config.instance_weight * of_instance, *taught)
        if config.scene != "none":
            slot = tracker.config.levels[level].slot
            found["scene"] = (config.scene_weight * of_scene, *self._scene(batch, slot, result, judged))
        return found

    def _instance(
        self, batch: Batch, encoded: Encoded, level: int, result: LevelResult, judged: JudgedEdges
    ) -> tuple[Tensor, int] | None:
        assert batch.sentence is not None
        if self.guidance.config.instance == "kl":  # published: where every node is one detection
            if level > 0:
                return None
            assert encoded.hidden is not None
            return instance_kl(encoded.hidden, batch.sentence, self.lessons.sentences_as_published)
        tracklets, people = result.before, batch.detections.identity
        known, place = torch.unique(people, return_inverse=True)
        said = torch.full_like(known, -1).index_copy(0, place, batch.sentence)  # the same for all of a person
        # Who is somebody else at the end than at the start is nobody.
        owner = torch.where(judged.at_start == judged.at_end, judged.at_start, -1)
        sentence = torch.where(owner >= 0, said[torch.searchsorted(known, owner)], -1)
        total = encoded.embedding.new_zeros(len(tracklets), encoded.embedding.shape[1])
        mean = normalize(total.index_add(0, tracklets.member_of, encoded.embedding))
        return self.guidance.instance(mean, sentence, self.lessons.sentences)

    def _scene(self, batch: Batch, slot: str, result: LevelResult, judged: JudgedEdges) -> tuple[Tensor, int]:
        assert batch.scene is not None and result.scores.latents is not None
        scene = batch.scene[result.before.clip[result.graph.edge_index[0]]]
        if self.guidance.config.scene == "kl":
            return scene_kl(torch.stack(result.scores.latents).mean(dim=1), scene, self.lessons.scenes_as_published)
        scene = torch.where(judged.known_ends == 2, scene, -1)
        return self.guidance.scene(
            slot, result.scores.latents[-1].mean(dim=0), judged.label, scene, self.lessons.scenes
        )
