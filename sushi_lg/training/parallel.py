"""Data-parallel training with ``torchrun``: what processes tell each other, and nothing for a single process.

Every process runs the hierarchy on batches of its own, whose graphs differ in size and may leave parameters unused.
Gradients are averaged after the backward pass in one flat buffer, missing ones counting as zero, so no process waits
for a parameter that another never touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sushi_lg.errors import SushiError


@dataclass(frozen=True)
class World:
    """The processes of a training.

    Attributes:
        rank: number of this process.
        size: number of processes.
        device: where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def largest(self, values: Iterable[float]) -> list[float]:
        """Return the element-wise maximum over processes."""
        tensor = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        if self.size > 1:
            dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor.tolist()

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401 - anything that can be sent
        """Return the value of every process, in rank order, to all of them."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def spread(self, module: nn.Module) -> None:
        """Overwrite parameters and buffers with those of the first process."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, src=0)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its mean over processes; a missing one is zero, also in a single process."""
        parameters = list(parameters)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def check_equal(self, module: nn.Module) -> None:
        """Check that all processes hold the same parameters.

        Raises:
            SushiError: they do not, so the training is worthless.
        """
        if self.size == 1:
            return
        total = sum(parameter.detach().double().sum().item() for parameter in module.parameters())
        low, high = self.largest([-total, total])
        if -low != high:
            raise SushiError(f"parameters differ between processes ({-low} .. {high})", "resume from the checkpoint")

    def leave(self) -> None:
        """End the connection to the other processes."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


def join_world(device: str = "auto") -> World:
    """Return this process's place, from the environment that ``torchrun`` sets; alone without it.

    Args:
        device: cpu, cuda, or auto for CUDA where there is one.

    Raises:
        SushiError: CUDA is asked for and absent.
    """
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "cuda" and not torch.cuda.is_available():
        raise SushiError("device: cuda is asked for, but torch sees none", "device=cpu, or install torch with CUDA")
    chosen = torch.device("cpu")
    if device != "cpu" and torch.cuda.is_available():
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(chosen)
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return World(rank, size, chosen)
