"""Validation: whole sequences tracked as a user would, scored as results are, and every level judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from sushi_lg.data.mot_format import MotTable
from sushi_lg.data.sequence import Sequence
from sushi_lg.data.splits import read_split
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.evaluation.mot import SequenceScores, combine, evaluate_in_memory
from sushi_lg.nn.settings import AppearanceConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import check_gallery
from sushi_lg.training.objective import Counts, judge, member_loss
from sushi_lg.training.parallel import World
from sushi_lg.training.sampling import Batch, to_batch
from sushi_lg.training.settings import SetConfig
from sushi_lg.training.sources import detection_clip, open_set

_SHOWN = ("HOTA", "DetA", "AssA", "IDF1", "MOTA")


@dataclass(frozen=True)
class ValidationSequence:
    """One sequence in memory.

    Attributes:
        sequence: where it came from.
        batch: all its detections with identities.
        truth: all rows of its ground truth.
    """

    sequence: Sequence
    batch: Batch
    truth: MotTable


@dataclass(frozen=True)
class ValidationSet:
    """The sequences of one entry of the settings."""

    name: str
    sequences: list[ValidationSequence]


@dataclass(frozen=True)
class _Judged:
    scores: SequenceScores
    levels: list[Counts]
    members: Counts


def load_validation(
    configs: Iterable[SetConfig],
    root: str | Path,
    learned: AppearanceConfig = AppearanceConfig(),  # noqa: B008
) -> list[ValidationSet]:
    """Read validation data.

    Args:
        configs: what to validate on.
        root: folder of the data sets.
        learned: the encoder that will read the galleries.

    Raises:
        ConfigError: two sets of one name, or an unknown name in include or exclude.
        DataError: absent or malformed files, a sequence that cannot be scored, or vectors by another embedder than
            the encoder's.
    """
    sets: list[ValidationSet] = []
    for number, config in enumerate(configs):
        name = read_split(config.split).name
        if any(name == other.name for other in sets):
            raise ConfigError(f"validation: {name} is listed twice", "one entry with include or exclude is enough")
        sequences = open_set(config, root, f"validation.{number}")
        for sequence in sequences:
            if not sequence.has_ground_truth:
                raise DataError(f"{sequence.ground_truth_path}: absent or empty", "validation needs ground truth")
            if config.appearance is not None:
                check_gallery(learned, config.appearance, sequence.name)
        loaded = [_load(sequence, config) for sequence in sequences]
        sets.append(ValidationSet(name, loaded))
    return sets


def validate(tracker: HierarchicalTracker, sets: Iterable[ValidationSet], world: World) -> dict[str, dict[str, float]]:
    """Track and score every set; processes share the sequences among them.

    Returns:
        for each set HOTA, DetA, AssA, IDF1 and MOTA in percent, ``precision/level<i>`` and ``recall/level<i>`` in
        [0, 1], and the same for keeping detections (``members``).
    """
    was_training = tracker.training
    tracker.eval()
    results = {}
    for each in sets:
        mine = [(i, _judge(tracker, s, world)) for i, s in enumerate(each.sequences) if i % world.size == world.rank]
        parts = sorted((pair for part in world.gather(mine) for pair in part), key=lambda pair: pair[0])
        results[each.name] = _summary([judged for _, judged in parts])
    tracker.train(was_training)
    return results


def _load(sequence: Sequence, config: SetConfig) -> ValidationSequence:
    clip = detection_clip(sequence, config.detections, config.min_score, config.appearance)
    return ValidationSequence(sequence, to_batch([clip]), sequence.load_ground_truth())


def _judge(tracker: HierarchicalTracker, each: ValidationSequence, world: World) -> _Judged:
    layout = each.sequence.info.layout
    batch = each.batch.to(world.device)
    table = tracker.track(batch.detections, layout.conventions)
    scores = evaluate_in_memory(
        each.truth,
        layout,
        table.frame,
        table.track_id,
        table.boxes_ltwh,
        each.sequence.length,
        name=each.sequence.name,
    )
    levels, members = _decisions(tracker, batch)
    return _Judged(scores, levels, members)


@torch.inference_mode()
def _decisions(tracker: HierarchicalTracker, batch: Batch) -> tuple[list[Counts], Counts]:
    """Run the hierarchy once more, for what ``track`` does not tell."""
    used = torch.nonzero(batch.detections.score >= tracker.config.min_score).squeeze(1)
    batch = Batch(batch.detections.select(used), batch.is_object[used], batch.truth_xyxy[used])
    if len(batch.detections) == 0:
        return [Counts() for _ in tracker.config.levels], Counts()
    levels, last = [], None
    for last in tracker.run(batch.detections):
        levels.append(judge(batch, last).counts)
    assert last is not None
    return levels, member_loss(tracker.verify(batch.detections, last), batch)[1]


def _summary(judged: list[_Judged]) -> dict[str, float]:
    combined = combine([each.scores for each in judged]).combined
    assert combined is not None
    numbers = combined.values()
    values = {key: float(numbers[key]) for key in _SHOWN}
    levels = [sum(counts, Counts()) for counts in zip(*(each.levels for each in judged), strict=True)]
    members = sum((each.members for each in judged), Counts())
    for name, counts in [*((f"level{i}", c) for i, c in enumerate(levels)), ("members", members)]:
        values[f"precision/{name}"], values[f"recall/{name}"] = counts.precision, counts.recall
    return values
