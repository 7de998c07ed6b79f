"""Records of the language room.

Shapes: K identities, D width of the teacher, S width of the scene vector: D unless the vectors come from two sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.structures import Record


@dataclass(frozen=True)
class Taught(Record):
    """What a teacher says about one sequence.

    Attributes:
        instance: (K, D) float32, one vector an identity.
        ids: (K,) int64, strictly rising: the identity (track id of the ground-truth file) of each row.
        scene: (S,) float32, of the whole sequence; None where nothing is known. A text encoder gives S = D; the two
            tensor files of LG-MOT may differ in width.
    """

    instance: Tensor
    ids: Tensor
    scene: Tensor | None = None

    def __post_init__(self) -> None:
        if self.instance.ndim != 2 or self.instance.dtype != torch.float32:
            raise ValueError(f"instance must be (K, D) float32, got {self.instance.dtype} {tuple(self.instance.shape)}")
        if self.ids.shape != self.instance.shape[:1] or self.ids.dtype != torch.int64:
            raise ValueError(f"ids must be ({len(self.instance)},) int64, got {self.ids.dtype} {tuple(self.ids.shape)}")
        # checked where it was read; on a GPU the answer would have to be waited for
        if self.ids.device.type == "cpu" and bool((self.ids[1:] <= self.ids[:-1]).any()):
            raise ValueError("ids must be sorted, each once")
        if self.scene is not None and (self.scene.ndim != 1 or self.scene.dtype != torch.float32):
            raise ValueError(f"scene must be (S,) float32, got {self.scene.dtype} {tuple(self.scene.shape)}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.instance.shape[1])
