"""Training data: sequences named by settings become clips with identities.

In: splits below a data folder. Out: one ``Clip`` a sequence, real detections matched to the ground truth, or the ground
truth itself, from which detections are imagined each time a stretch of it is sampled.

The other half of the job is what must not be in there: frames that validation uses, or that are held out for a
reported number, also under another name (``configs/twins.txt``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sushi_lg.data.clips import BACKGROUND, IGNORED, OBJECT, Clip
from sushi_lg.data.gallery import GalleryAbout, open_gallery
from sushi_lg.data.identities import match_identities
from sushi_lg.data.resources import configs_path
from sushi_lg.data.sequence import Sequence
from sushi_lg.data.splits import Split, load_split, read_split
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.training.settings import SetConfig, SourceConfig


@dataclass(frozen=True)
class TrainingSequence:
    """One sequence ready to be sampled.

    Attributes:
        name: what it is, with its frames: what a model card says.
        clip: the whole view.
        imagined: whether its boxes are ground truth, to be turned into detections at sampling.
        sequence: its bare name.
        descriptions: folder that holds what language says about it, or None.
        look: what its appearance vectors were made from, or None where it has none.
        opened: where it was read from; None in memory.
    """

    name: str
    clip: Clip
    imagined: bool
    sequence: str = ""
    descriptions: str | None = None
    look: GalleryAbout | None = None
    opened: Sequence | None = None


@dataclass(frozen=True)
class Source:
    """The sequences of one entry of the settings, drawn with equal chance."""

    weight: float
    sequences: list[TrainingSequence]
    overlay: float = 0.0


def load_sources(configs: Iterable[SourceConfig], reserved: Iterable[SetConfig], root: str | Path) -> list[Source]:
    """Read all training data.

    Args:
        configs: what to learn from.
        reserved: validation sets and held-out sets, of which no frame may be read.
        root: folder of the data sets.

    Raises:
        ConfigError: an unknown name in include or exclude, weights that cannot be drawn from, or an overlap with a
            reserved set; names both.
        DataError: absent or malformed files; a sequence with fewer than two boxes.
    """
    configs, reserved = list(configs), list(reserved)
    if not configs:
        raise ConfigError("sources: empty", "name at least one split to learn from")
    opened = []
    for number, config in enumerate(configs):
        config.validate(f"sources.{number}")
        opened.append(open_set(config, root, f"sources.{number}"))
        for sequence in opened[-1]:
            for other in reserved:
                _refuse_overlap(sequence, config.split, other)
    return [
        Source(config.weight, [_training_sequence(sequence, config) for sequence in sequences], config.overlay)
        for config, sequences in zip(configs, opened, strict=True)
    ]


def open_set(config: SetConfig, root: str | Path, where: str) -> list[Sequence]:
    """Return the sequences of a set in the order of the split.

    Raises:
        ConfigError: a name in include or exclude that the split does not have, by its key below ``where``.
        DataError: absent sequences.
    """
    split = read_split(config.split)
    chosen = _chosen(split, config, where)
    sequences = load_split(config.split, root, missing="skip" if config.include or config.exclude else "error")
    found = [s for s in sequences if split.layout.canonical_name(s.name) in chosen]
    absent = sorted(chosen - {split.layout.canonical_name(s.name) for s in found})
    if absent:
        raise DataError(f"{root}: {config.split}: absent: {', '.join(absent)}", f"add them, or {where}.exclude them")
    return found


def detection_clip(
    sequence: Sequence, stem: str | None, min_score: float | None, galleries: str | Path | None = None
) -> Clip:
    """Return the detections of a sequence with identities, what they are, and their true boxes.

    Detections that match a person whom metrics do not count (a reflection, someone on a vehicle) keep the identity,
    because they can be followed, and are IGNORED when the network learns what to keep.

    Args:
        sequence: the view.
        stem: of the detection file; None where there is just one.
        min_score: detections below are left out.
        galleries: folder with the appearance vectors of these detections.

    Raises:
        DataError: from reading.
    """
    detections = sequence.load_detections(stem, min_score, galleries=galleries)
    truth = sequence.load_ground_truth("identities")
    frame, boxes = detections.frame.numpy(), detections.boxes_xyxy.numpy()
    row = match_identities(boxes, frame, truth.boxes_xyxy, truth.frame - 1, np.arange(len(truth)))
    matched = row >= 0
    scored = sequence.info.layout.scored_rows(truth)
    identity = np.full(len(frame), -1, dtype=np.int64)
    identity[matched] = truth.track_id[row[matched]]
    is_object = np.full(len(frame), BACKGROUND, dtype=np.int8)
    is_object[matched] = np.where(scored[row[matched]], OBJECT, IGNORED)
    truth_xyxy = np.full((len(frame), 4), np.nan, dtype=np.float32)
    truth_xyxy[matched] = truth.boxes_xyxy[row[matched]]
    return Clip(
        frame=frame,
        boxes_xyxy=boxes,
        score=detections.score.numpy(),
        identity=identity,
        is_object=is_object,
        truth_xyxy=truth_xyxy,
        camera=None if detections.camera is None else detections.camera.numpy(),
        frame_rate=sequence.info.frame_rate,
        image_size=(float(sequence.info.width), float(sequence.info.height)),
        length=sequence.length,
        embedding=None if detections.embedding is None else detections.embedding.numpy(),
    )


def truth_clip(sequence: Sequence) -> Clip:
    """Return the scored ground truth of a sequence as a clip, score 1 everywhere.

    Raises:
        DataError: from reading.
    """
    truth = sequence.load_ground_truth("scored")
    truth = truth.select(np.argsort(truth.frame, kind="stable"))
    boxes = truth.boxes_xyxy.astype(np.float32)
    camera = sequence.load_camera()
    return Clip(
        frame=truth.frame - 1,
        boxes_xyxy=boxes,
        score=np.ones(len(truth), dtype=np.float32),
        identity=truth.track_id,
        is_object=np.full(len(truth), OBJECT, dtype=np.int8),
        truth_xyxy=boxes.copy(),
        camera=None if camera is None else camera[truth.frame - 1],
        frame_rate=sequence.info.frame_rate,
        image_size=(float(sequence.info.width), float(sequence.info.height)),
        length=sequence.length,
    )


def read_twins(path: str | Path | None = None) -> list[frozenset[str]]:
    """Return pairs of names of one video.

    Raises:
        DataError: a malformed line, by ``file:line``.
    """
    path = configs_path() / "twins.txt" if path is None else Path(path)
    pairs = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        names = [name.strip() for name in line.split("=")]
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise DataError(f"{path}:{number}: {line!r} is not a pair of names", "write: name = name")
        pairs.append(frozenset(names))
    return pairs


def _training_sequence(sequence: Sequence, config: SourceConfig) -> TrainingSequence:
    if config.imagined:
        clip, kind = truth_clip(sequence), "imagined"
    else:
        clip = detection_clip(sequence, config.detections, config.min_score, config.appearance)
        kind = config.detections or "detections"
    if len(clip) < 2:
        raise DataError(f"{sequence.info.root}: {len(clip)} boxes to learn from", "exclude it, or lower min_score")
    last = sequence.first + sequence.length - 1
    layout = sequence.info.layout.name
    look = None if config.appearance is None else open_gallery(config.appearance, sequence.name).about
    return TrainingSequence(
        f"{layout}/{sequence.name} {sequence.first}-{last} ({kind}{f', {look.embedder}' if look else ''})",
        clip,
        config.imagined,
        sequence.name,
        config.descriptions,
        look,
        sequence,
    )


def common_look(sources: Iterable[Source]) -> tuple[GalleryAbout, int] | None:
    """Return what all galleries were made from, and the width of their vectors; None where there is no gallery.

    Raises:
        ConfigError: galleries by several embedders; names one sequence of each.
    """
    found: dict[tuple[str, str], TrainingSequence] = {}
    for source in sources:
        for sequence in source.sequences:
            if sequence.look is not None:
                found.setdefault((sequence.look.embedder, sequence.look.fingerprint), sequence)
    if len(found) > 1:
        told = "; ".join(f"{one.name}: {name} {mark[:12]}" for (name, mark), one in found.items())
        raise ConfigError(f"sources: galleries by several embedders: {told}", "make all with one `sushi-lg embed`")
    for sequence in found.values():
        assert sequence.look is not None and sequence.clip.embedding is not None
        return sequence.look, sequence.clip.embedding.shape[1]
    return None


def _chosen(split: Split, config: SetConfig, where: str) -> set[str]:
    names = {split.layout.canonical_name(name) for name in split.sequences}
    for key in ("include", "exclude"):
        stated = {split.layout.canonical_name(name) for name in getattr(config, key)}
        unknown = sorted(stated - names)
        if unknown:
            known = ", ".join(sorted(split.sequences))
            raise ConfigError(f"{where}.{key}: {', '.join(unknown)} not in {split.name}", f"it has {known}")
    included = {split.layout.canonical_name(name) for name in config.include} or names
    chosen = included - {split.layout.canonical_name(name) for name in config.exclude}
    if not chosen:
        raise ConfigError(f"{where}: include and exclude leave no sequence of {split.name}")
    return chosen


def _refuse_overlap(sequence: Sequence, source: str, reserved: SetConfig) -> None:
    """Stop if a sequence shares frames with a reserved set.

    Needs no files of the reserved set: its frames follow from its view and the length of the training sequence.
    """
    split = read_split(reserved.split)
    name = sequence.info.layout.canonical_name(sequence.name)
    twins = {other for pair in read_twins() if name in pair for other in pair - {name}}
    remedy = "take the sequence out of sources, or out of validation and held_out"
    for other in sorted(_chosen(split, reserved, reserved.split)):
        if other in twins:
            what = f"{source} teaches {name}, which is the same video as {other} of {split.name}"
            raise ConfigError(f"sources: {what}", remedy)
        if other != name:
            continue
        whole = sequence.view(2 - sequence.first, sequence.info.length)
        kept = whole
        if split.view != "full":
            kept = whole.first_half() if split.view == "first-half" else whole.second_half()
        first = max(kept.first, sequence.first)
        last = min(kept.first + kept.length, sequence.first + sequence.length) - 1
        if first <= last:
            what = f"{source} teaches frames {first} to {last} of {name}, which {split.name} keeps for itself"
            raise ConfigError(f"sources: {what}", remedy)
