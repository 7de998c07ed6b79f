"""What a tracker learns about how people look: vectors of any embedder become embeddings made for telling people apart.

The two layers are LG-MOT's node encoder (f1: D -> 128, f2: 128 -> d; see Li et al., "LG-MOT", 2024), which language can
guide. A straight projection runs beside them, orthogonal at the start, so that an untrained encoder compares people as
the embedder itself does.

Shapes: N detections, D width of the vectors, H hidden width, d width of the embeddings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sushi_lg.nn.settings import AppearanceConfig


class AppearanceEncoder(nn.Module):
    """Encode appearance vectors.

    ``mean``, that of the training's vectors, is most of what an embedder says about anybody and is taken away first.

    Args:
        config: with ``dim`` and ``width`` above 0.
    """

    def __init__(self, config: AppearanceConfig) -> None:
        super().__init__()
        assert config.dim > 0 and config.width > 0, "the trainer sets the width from the galleries"
        self.width = config.width
        self.register_buffer("mean", torch.zeros(config.width))
        self.first = nn.Linear(config.width, config.hidden_dim)
        self.second = nn.Linear(config.hidden_dim, config.dim, bias=False)
        self.straight = nn.Linear(config.width, config.dim, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as a projection that keeps angles."""
        nn.init.orthogonal_(self.straight.weight)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.zeros_(self.first.bias)
        nn.init.normal_(self.second.weight, std=0.1 / self.second.in_features**0.5)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden vectors (N, H) and embeddings (N, d) of length 1.

        Args:
            vectors: (N, D) of length 1, or 0 where nothing is known; such rows stay 0.
        """
        # Coordinates of unit vectors are small; layers like numbers around 1.
        scaled = (vectors - self.mean) * self.width**0.5
        hidden = self.first(scaled).relu()
        embedding = normalize(self.second(hidden) + self.straight(scaled))
        known = (vectors != 0).any(dim=1, keepdim=True)
        return hidden * known, embedding * known
