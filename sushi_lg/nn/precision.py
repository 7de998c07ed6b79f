"""In which numbers the networks compute: float32, or products in bfloat16.

In bfloat16 the layers of encoders and of message passing multiply bfloat16 numbers; sums over the edges of a node, the
classifiers, features and everything outside the networks stay float32. Weights are stored in float32.
"""

from __future__ import annotations

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def products_in(precision: torch.dtype, device: torch.device) -> torch.autocast:
    """Return a context in which layers multiply numbers of this type; float32 changes nothing that is set already."""
    is_on = torch.is_autocast_enabled(device.type)  # by somebody further out, in training
    return torch.autocast(device.type, torch.bfloat16, enabled=is_on or precision == torch.bfloat16)


def in_float32(device: torch.device) -> torch.autocast:
    """Return a context in which nothing is narrowed, whatever is around it."""
    return torch.autocast(device.type, enabled=False)
