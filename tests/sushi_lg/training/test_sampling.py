from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sushi_lg.data.settings import AugmentConfig
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.training.sampling import Batch, BatchSampler
from sushi_lg.training.settings import SamplingConfig, SourceConfig
from sushi_lg.training.sources import Source, load_sources

SMALL = SamplingConfig(budget=300, min_length=20, max_length=40, stride=[0.5, 0.5])


@pytest.fixture
def sources(world: Path) -> list[Source]:
    path = str(world / "split-learn-1.txt")
    return load_sources([SourceConfig(path), SourceConfig(path, imagined=True, weight=3)], [], world)


def equal(first: Batch, second: Batch) -> bool:
    return torch.equal(first.detections.boxes_xyxy, second.detections.boxes_xyxy)


def test_a_stream_is_repeatable_and_goes_on_from_its_state(sources: list[Source]) -> None:
    first, second = (BatchSampler(sources, SMALL, AugmentConfig(), (0, 0)) for _ in range(2))
    assert equal(first.sample(), second.sample())
    state = json.loads(json.dumps(first.state()))
    after = first.sample()
    other = BatchSampler(sources, SMALL, AugmentConfig(), (5, 5))
    assert not equal(after, other.sample())
    other.restore(state)
    assert equal(after, other.sample())


def test_streams_of_processes_differ(sources: list[Source]) -> None:
    first, second = (BatchSampler(sources, SMALL, AugmentConfig(), (0, rank)) for rank in (0, 1))
    assert not equal(first.sample(), second.sample())


def test_batches_fill_the_budget_with_clips_of_the_right_length(sources: list[Source]) -> None:
    sampler = BatchSampler(sources, SMALL, AugmentConfig(), (1,))
    for _ in range(5):
        batch = sampler.sample()
        detections = batch.detections
        assert SMALL.budget <= len(detections) == len(batch.is_object) == len(batch.truth_xyxy)
        assert int((detections.clip < detections.num_clips - 1).sum()) < SMALL.budget  # the last one filled it
        assert int(detections.frame.max()) < SMALL.max_length
        assert set(detections.frame_rate.tolist()) <= {25.0, 12.5}
        for clip in range(detections.num_clips):
            frame = detections.frame[detections.clip == clip]
            assert bool((frame.diff() >= 0).all())


def test_sources_are_drawn_by_weight(sources: list[Source]) -> None:
    plain = AugmentConfig(harder=0.0)
    sampler = BatchSampler(sources, SMALL, plain, (2,))
    imagined = total = 0
    for _ in range(60):
        batch = sampler.sample()
        for clip in range(batch.detections.num_clips):
            total += 1
            # false detections come only with real detections here
            imagined += not bool((batch.is_object[batch.detections.clip == clip] != 1).any())
    assert abs(imagined / total - 0.75) < 4 * np.sqrt(0.75 * 0.25 / total)


def test_imagined_detections_are_new_each_time(sources: list[Source]) -> None:
    whole = SamplingConfig(budget=2, min_length=60, max_length=60, stride=[1.0])
    calm = AugmentConfig(harder=0.0, mirror=0.0, reverse=0.0)
    one = Source(1.0, sources[1].sequences[:1])
    sampler = BatchSampler([one], whole, calm, (0,))
    assert not equal(sampler.sample(), sampler.sample())
    real = BatchSampler([Source(1.0, sources[0].sequences[:1])], whole, calm, (0,))
    assert equal(real.sample(), real.sample())


def test_a_crowd_gets_shorter_clips(sources: list[Source]) -> None:
    sequence = sources[0].sequences[0]
    per_frame = len(sequence.clip) / sequence.clip.length
    long = SamplingConfig(budget=round(30 * per_frame), min_length=10, max_length=60, stride=[1.0])
    sampler = BatchSampler([Source(1.0, [sequence])], long, AugmentConfig(harder=0.0), (3,))
    lengths = []
    for _ in range(30):
        detections = sampler.sample().detections
        lengths += [int(detections.frame[detections.clip == clip].max()) + 1 for clip in range(detections.num_clips)]
    assert 28 <= max(lengths) <= 30 and min(lengths) < 20


def test_guests_come_with_the_given_probability(sources: list[Source]) -> None:
    sequence = sources[0].sequences[0]
    whole = SamplingConfig(budget=2, min_length=60, max_length=60, stride=[1.0])
    calm = AugmentConfig(harder=0.0, mirror=0.0, reverse=0.0)
    count = []
    for share in (0.0, 0.5):
        sampler = BatchSampler([Source(1.0, [sequence], overlay=share)], whole, calm, (0,))
        count.append(sum(len(sampler.sample().detections.identity.unique()) > 8 for _ in range(40)))
    assert count[0] == 0 and 5 < count[1] < 30


def test_settings_are_checked(sources: list[Source]) -> None:
    for config, key in [
        (SamplingConfig(budget=0), "budget"),
        (SamplingConfig(min_length=9, max_length=8), "min_length"),
        (SamplingConfig(stride=[]), "stride"),
    ]:
        with pytest.raises(ConfigError, match=f"sampling.{key}"):
            BatchSampler(sources, config, AugmentConfig(), (0,))


def test_sequences_without_detections_do_not_hang(sources: list[Source]) -> None:
    sequence = sources[0].sequences[0]
    sparse = sequence.clip.select(np.array([0, len(sequence.clip) - 1]))  # first and last frame
    empty = Source(1.0, [type(sequence)("empty", sparse, False)])
    with pytest.raises(DataError, match="clips in a row"):
        BatchSampler([empty], SMALL, AugmentConfig(harder=0.0), (0,)).sample()


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 12), (0.5, None)])
def test_some_batches_show_how_people_look(sources: list[Source], share: float, expected: int | None) -> None:
    sampler = BatchSampler(sources, replace(SMALL, appearance=share), AugmentConfig(), (0, 0))
    batches = [sampler.sample() for _ in range(12)]
    seen = [batch.detections.embedding for batch in batches if batch.detections.embedding is not None]
    assert len(seen) == expected if expected is not None else 0 < len(seen) < 12
    assert all(bool((vectors.square().sum(dim=1) - 1 < 1e-4).all()) for vectors in seen)


# --------------------------------------------------------------------------------------- what goes with detections


def coded(source: Source, width: int = 10) -> Source:
    """Return a source whose vectors say whose box it is and in which frame, and whose sentences say whose."""
    sequences = []
    for sequence in source.sequences:
        clip = sequence.clip
        vectors = np.zeros((len(clip), width), dtype=np.float16)
        vectors[np.arange(len(clip)), clip.identity + 1] = 1
        vectors[:, -2], vectors[:, -1] = clip.frame, 1
        sentence = np.where(clip.identity < 0, -1, 100 + clip.identity)
        sequences.append(replace(sequence, clip=replace(clip, embedding=vectors, sentence=sentence, scene=7)))
    return replace(source, sequences=sequences)


ONE_CLIP = SamplingConfig(budget=2, min_length=20, max_length=40, stride=[0.5, 0.5], appearance=1.0)
HARD = AugmentConfig(harder=1.0, spurious=2.0, drop=0.3, drop_runs=0.9, jitter=0.1)


@pytest.mark.parametrize("augmentation", [AugmentConfig(harder=0.0, mirror=0.0, reverse=0.0), HARD])
def test_vectors_and_sentences_stay_with_their_detections(sources: list[Source], augmentation: AugmentConfig) -> None:
    sampler = BatchSampler([coded(sources[0])], ONE_CLIP, augmentation, (4,))
    strange = backwards = skipping = 0
    for _ in range(40):
        batch = sampler.sample()
        detections, person = batch.detections, batch.detections.identity
        assert detections.num_clips == 1 and detections.embedding is not None
        assert batch.sentence is not None and batch.scene is not None
        vectors, known = detections.embedding.float(), person >= 0
        assert len(vectors) == len(batch.sentence) == len(detections) and batch.scene.tolist() == [7]
        assert torch.equal(vectors[known, 1:-2].argmax(dim=1), person[known])
        assert bool((vectors[known, 1:-2].sum(dim=1) == 1).all() and (vectors[known, -1] == 1).all())
        assert torch.equal(batch.sentence, torch.where(known, 100 + person, -1))
        # frames as they were: one step of the clip is always the same number of them, and the first lies anywhere
        then, now = vectors[known, -2], detections.frame[known].float()
        far = now > now.min()
        steps = (then - then[now == now.min()][0])[far] / (now - now.min())[far]
        assert torch.equal(steps, steps[:1].expand_as(steps)) and abs(int(steps[0])) in (1, 2)
        backwards += int(steps[0] < 0)
        skipping += int(abs(int(steps[0])) == 2)
        strange += int((~known).sum())
    assert 10 < skipping < 30 and strange > 40
    assert (10 < backwards < 30) if augmentation is HARD else backwards == 0


def test_batches_of_several_clips_keep_them_too(sources: list[Source]) -> None:
    sampler = BatchSampler([coded(sources[0])], replace(SMALL, appearance=1.0), HARD, (5,))
    batch = sampler.sample()
    detections = batch.detections
    assert detections.num_clips > 1 and detections.embedding is not None and batch.sentence is not None
    for clip in range(detections.num_clips):
        own = (detections.clip == clip) & (detections.identity >= 0)
        of_vector = detections.embedding[own, 1:-2].argmax(dim=1)
        assert torch.equal(batch.sentence[own], 100 + of_vector)
        pairs = torch.unique(torch.stack([detections.identity[own], of_vector]), dim=1)
        assert pairs.shape[1] == len(pairs[0].unique()) == len(pairs[1].unique())  # identities are numbered anew


def by_source(batch: Batch) -> Iterator[tuple[bool, torch.Tensor]]:
    """Yield for every clip whether it is of the slow video, and its rows."""
    for clip, rate in enumerate(batch.detections.frame_rate.tolist()):
        yield rate < 10, batch.detections.clip == clip


def test_clips_without_galleries_say_nothing_beside_those_with(sources: list[Source]) -> None:
    slow = [replace(one, clip=replace(one.clip, frame_rate=4.0)) for one in sources[0].sequences]
    both = [coded(sources[0]), replace(sources[0], sequences=slow)]
    sampler = BatchSampler(both, replace(SMALL, budget=1000, appearance=1.0), HARD, (6,))
    seen = {True: 0, False: 0}
    for _ in range(5):
        batch = sampler.sample()
        assert batch.detections.embedding is not None and batch.sentence is not None and batch.scene is not None
        for (is_slow, own), scene in zip(by_source(batch), batch.scene.tolist(), strict=True):
            vectors = batch.detections.embedding[own]
            assert vectors.shape[1] == 10 and bool(vectors.any(dim=1).all()) is not is_slow
            assert bool(vectors.any()) is not is_slow
            assert scene == (-1 if is_slow else 7)
            assert bool((batch.sentence[own] >= 0).any()) is not is_slow
            seen[is_slow] += 1
    assert min(seen.values()) > 3


def test_boxes_only_where_no_share_has_vectors(sources: list[Source]) -> None:
    for share, expected in ((0.0, 0), (1.0, 12)):
        sampler = BatchSampler([coded(sources[0])], replace(SMALL, appearance=share), HARD, (7,))
        batches = [sampler.sample() for _ in range(12)]
        assert sum(batch.detections.embedding is not None for batch in batches) == expected
        assert all(batch.sentence is not None for batch in batches)  # edges are guided all the same


def test_guests_bring_what_is_said_about_them(sources: list[Source]) -> None:
    whole = SamplingConfig(budget=2, min_length=60, max_length=60, stride=[1.0], appearance=1.0)
    source = replace(coded(sources[0]), overlay=1.0)
    sampler = BatchSampler([source], whole, AugmentConfig(harder=0.0), (8,))
    guests = 0
    for _ in range(10):
        batch = sampler.sample()
        assert batch.detections.embedding is not None and batch.sentence is not None
        known = batch.detections.identity >= 0
        of_vector = batch.detections.embedding[known, 1:-2].argmax(dim=1)
        assert torch.equal(batch.sentence[known], 100 + of_vector)
        guests += int((batch.detections.identity[known] != of_vector).sum())
    assert guests > 100


def test_without_language_nothing_is_said(sources: list[Source]) -> None:
    batch: Any = BatchSampler(sources, SMALL, HARD, (9,)).sample()
    assert batch.sentence is None and batch.scene is None
