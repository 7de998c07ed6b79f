"""How torch computes embeddings: device, threads, precision, batches.

Shapes: K crops, h rows and w columns of pixels, D embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.errors import WeightsError

_CPU_BATCH, _CUDA_BATCH = 16, 256


def batch_size(device: torch.device) -> int:
    """Return how many crops a network gets at once."""
    return _CUDA_BATCH if device.type == "cuda" else _CPU_BATCH


def embed_in_batches(
    network: Callable[[Tensor], Tensor], crops: NDArray[np.uint8], device: torch.device, threads: int
) -> NDArray[np.float32]:
    """Return the vectors of crops; on CUDA computed in bfloat16.

    Every batch has the same size, the last one filled up with black crops: libraries choose their algorithm by it, and
    a vector whose last bits depended on how many others came along would make a resumed run differ from a whole one.

    Args:
        network: (B, 3, h, w) pixels of 0 .. 255, red first, to (B, D).
        crops: (K, h, w, 3), blue first, K at least 1.
        device: where the network is.
        threads: of the CPU.

    Returns:
        (K, D).
    """
    size = batch_size(device)
    parts = []
    with torch.inference_mode(), limited_threads(threads):
        for start in range(0, len(crops), size):
            batch = torch.from_numpy(crops[start : start + size])
            real = len(batch)
            if real < size:
                batch = torch.cat([batch, batch.new_zeros(size - real, *batch.shape[1:])])
            pixels = batch.to(device).permute(0, 3, 1, 2).flip(1).float().contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                vectors = network(pixels)
            parts.append(vectors[:real].float().cpu().numpy())
    return np.concatenate(parts)


def checked_device(text: str) -> torch.device:
    """Return the device of this name.

    Raises:
        WeightsError: unknown, of a kind that is not used here, or not there.
    """
    try:
        device = torch.device(text)
    except RuntimeError as error:
        raise WeightsError(f"device {text!r} is unknown", "cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise WeightsError(f"device {text!r} is not supported", "cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise WeightsError(f"device {text!r}: torch sees {torch.cuda.device_count()} CUDA devices", "use device cpu")
    return device


@contextmanager
def limited_threads(number: int) -> Iterator[None]:
    """Let torch use ``number`` threads of the CPU inside the block; the setting belongs to the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
