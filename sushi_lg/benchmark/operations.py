"""Sees every primitive operation that torch runs, also inside inference mode."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class PrimitiveOperations(TorchDispatchMode):
    """Hands every primitive operation to ``run``; subclasses count something there."""

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Take composite operations apart: inference mode hands them over whole, and their parts are what counts."""
        kwargs = kwargs or {}
        if func is not torch.ops.prim.device.default:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        return self.run(func, args, kwargs)

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run one operation and return its result; a place to count."""
        return func(*args, **kwargs)
