"""How a text network is run: batches whose shape depends on nothing but the sentence itself.

Shapes: n texts, L tokens of one text, P tokens after padding, B texts of a batch, D width of a vector.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sushi_lg.language.text_encoder import checked_sentences

logger = logging.getLogger(__name__)

Network = Callable[[Tensor, Tensor], Tensor]  # (B, P) int64 tokens and mask -> (B, D)
_CPU_BATCH, _CUDA_BATCH = 16, 256
_STEP = 8  # lengths are filled up to a multiple of this


def encode_in_batches(
    sentences: Sequence[str],
    tokens: Callable[[list[str]], list[list[int]]],
    network: Network,
    *,
    dim: int,
    pad: int,
    limit: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return (n, D) vectors of length one; each sentence goes through the network once, however often it comes.

    Lengths are filled up to a multiple of eight and batches to their full size: libraries choose their algorithm by the
    shape, and a vector whose last bits depended on its neighbours would make a cache depend on them too.

    Args:
        sentences: n of them.
        tokens: Token numbers of each sentence, at most ``limit``.
        network: Takes (B, P) tokens and a mask, 1 at tokens and 0 at padding.
        dim: D.
        pad: Number of the token that fills up.
        limit: Longest text the network reads, in tokens.
        device: Where the network is.

    Raises:
        ValueError: a blank sentence.
    """
    texts = checked_sentences(sentences)
    if not texts:
        return np.zeros((0, dim), np.float32)
    numbers = tokens(texts)
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(numbers):
        groups.setdefault(min(-(-len(row) // _STEP) * _STEP, limit), []).append(index)
    vectors = np.zeros((len(texts), dim), np.float32)
    size = _CPU_BATCH if device.type == "cpu" else _CUDA_BATCH
    with torch.inference_mode():
        for length, members in groups.items():
            for start in range(0, len(members), size):
                batch = members[start : start + size]
                ids = torch.full((size, length), pad, dtype=torch.int64)
                mask = torch.zeros_like(ids)
                mask[len(batch) :, 0] = 1  # rows that only fill up; one token keeps their mean a number
                for place, index in enumerate(batch):
                    ids[place, : len(numbers[index])] = torch.tensor(numbers[index])
                    mask[place, : len(numbers[index])] = 1
                out = network(ids.to(device), mask.to(device)).float()
                vectors[batch] = nn.functional.normalize(out, dim=1)[: len(batch)].cpu().numpy()
    number_of = {text: number for number, text in enumerate(texts)}
    return vectors[[number_of[sentence] for sentence in sentences]]


def say_cut(sentences: Sequence[str], lengths: Sequence[int], limit: int) -> None:
    """Log how many sentences are longer than the network reads, and the first of them."""
    cut = [sentence for sentence, length in zip(sentences, lengths, strict=True) if length > limit]
    if cut:
        logger.warning("%d sentences have more than %d tokens and are cut, the first: %r", len(cut), limit, cut[0])


def frozen(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network on its device, in evaluation mode, with no parameter that wants a gradient."""
    return network.to(device).eval().requires_grad_(False)
