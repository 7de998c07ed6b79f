from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sushi_lg.data.augment import AugmentConfig
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.training.sampling import Batch, BatchSampler, SamplingConfig
from sushi_lg.training.sources import Source, SourceConfig, load_sources

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
