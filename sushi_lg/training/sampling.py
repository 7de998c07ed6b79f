"""Batches: stretches of training sequences, disturbed and put together until a budget of detections is full.

All chance comes from one ``numpy.random.Generator``, whose state is plain numbers that a checkpoint can keep. Every
process of a data-parallel training has a stream of its own, derived from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sushi_lg.data.augment import augment, imagine_detections, mirror, overlay, reverse, subsample
from sushi_lg.data.clips import Clip
from sushi_lg.data.imagined_appearance import imagine_appearance
from sushi_lg.data.settings import AugmentConfig
from sushi_lg.errors import DataError
from sushi_lg.structures import Detections, Record
from sushi_lg.training.settings import SamplingConfig
from sushi_lg.training.sources import Source

_MANY_DRAWS = 1000  # so many empty stretches in a row mean that the data cannot fill a batch


@dataclass(frozen=True)
class Batch(Record):
    """Clips with what is known about their detections.

    Attributes:
        detections: N detections of all clips.
        is_object: (N,) int64, see ``Clip``.
        truth_xyxy: (N, 4) float32, NaN where no ground-truth box matches.
        sentence: (N,) int64, number of the sentence that describes each detection's person, -1 = none; None where no
            language guides the training.
        scene: (C,) int64, the same of each clip's scene.
    """

    detections: Detections
    is_object: Tensor
    truth_xyxy: Tensor
    sentence: Tensor | None = None
    scene: Tensor | None = None


class BatchSampler:
    """Draws batches for ever.

    Args:
        sources: drawn by weight, then one of their sequences with equal chance.
        config: size and shape of batches.
        augmentation: disturbances.
        stream: integers that name the stream of random numbers, such as seed and rank.
    """

    def __init__(
        self, sources: Sequence[Source], config: SamplingConfig, augmentation: AugmentConfig, stream: Sequence[int]
    ) -> None:
        config.validate()
        self.sources = list(sources)
        self.config = config
        self.augmentation = augmentation
        self._weights = _shares([source.weight for source in self.sources])
        self._strides = _shares(config.stride)
        self._rng = np.random.default_rng(list(stream))
        widths = {
            one.clip.embedding.shape[1] for s in self.sources for one in s.sequences if one.clip.embedding is not None
        }
        assert len(widths) <= 1, "see common_look"
        self._width = max(widths, default=0)

    def sample(self) -> Batch:
        """Return the next batch.

        Raises:
            DataError: if the sequences hold next to no detections.
        """
        clips: list[Clip] = []
        total = empty = 0
        while total < self.config.budget:
            clip = self._clip()
            if len(clip) < 2:
                empty += 1
                if empty == _MANY_DRAWS:
                    raise DataError(f"{empty} clips in a row without two detections", "lower min_score of the sources")
                continue
            clips.append(clip)
            total += len(clip)
            empty = 0
        if self._rng.random() >= self.config.appearance:
            clips = [replace(clip, embedding=None) for clip in clips]
        elif self._width:
            nothing = np.zeros((1, self._width), dtype=np.float16)
            clips = [
                clip if clip.embedding is not None else replace(clip, embedding=nothing.repeat(len(clip), axis=0))
                for clip in clips
            ]
        else:
            clips = [imagine_appearance(clip, self._rng) for clip in clips]
        return to_batch(clips)

    def state(self) -> dict[str, Any]:
        """Return the state of the random stream, as JSON values."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._rng.bit_generator.state = state

    def _clip(self) -> Clip:
        rng, config = self._rng, self.config
        source = self.sources[rng.choice(len(self.sources), p=self._weights)]
        stride = int(rng.choice(len(self._strides), p=self._strides)) + 1
        wanted = int(rng.integers(config.min_length, config.max_length + 1)) * stride
        clip = self._stretch(source, wanted, stride)
        if source.overlay and rng.random() < source.overlay:
            guests = mirror(self._stretch(source, wanted, stride))  # so that nobody meets himself
            clip = overlay(clip, reverse(guests) if rng.random() < 0.5 else guests, rng)
        return augment(subsample(clip, stride), self.augmentation, rng)

    def _stretch(self, source: Source, wanted: int, stride: int) -> Clip:
        """Return a stretch of about ``wanted`` frames of one of the sequences."""
        rng, config = self._rng, self.config
        sequence = source.sequences[rng.integers(len(source.sequences))]
        affordable = round(config.budget * sequence.clip.length / max(len(sequence.clip), 1))
        most = stride * max(config.min_length, affordable)
        length = min(wanted, most, sequence.clip.length)
        clip = sequence.clip.cut(int(rng.integers(sequence.clip.length - length + 1)), length)
        if sequence.imagined:  # before frames are left out, because detectors err smoothly in time
            clip = imagine_detections(clip, rng)
        return clip


def to_batch(clips: Sequence[Clip]) -> Batch:
    """Return clips as one record."""
    guided = any(clip.sentence is not None for clip in clips)
    sentences = [np.full(len(clip), -1) if clip.sentence is None else clip.sentence for clip in clips]
    return Batch(
        detections=Detections.concatenate([clip.to_detections() for clip in clips]),
        is_object=torch.from_numpy(np.concatenate([clip.is_object for clip in clips]).astype(np.int64)),
        truth_xyxy=torch.from_numpy(np.concatenate([clip.truth_xyxy for clip in clips]).astype(np.float32)),
        sentence=torch.from_numpy(np.concatenate(sentences).astype(np.int64)) if guided else None,
        scene=torch.tensor([clip.scene for clip in clips]) if guided else None,
    )


def _shares(weights: Sequence[float]) -> np.ndarray:
    values = np.asarray(weights, dtype=np.float64)
    return values / values.sum()
