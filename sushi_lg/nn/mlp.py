"""Multi-layer perceptrons, and their first layer split over several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them, as in MPNTrack and SUSHI.

    Args:
        widths: input width, hidden widths …, output width.
        activate_last: whether ReLU also follows the last layer.

    Shapes:
        input (..., widths[0]), output (..., widths[-1]).
    """

    def __init__(self, widths: Sequence[int], *, activate_last: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activate_last = activate_last

    @property
    def in_features(self) -> int:
        """Width of the input."""
        return int(self.layers[0].in_features)

    @property
    def out_features(self) -> int:
        """Width of the output."""
        return int(self.layers[-1].out_features)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply all layers."""
        return self.after_first(self.layers[0](inputs))

    def first_weights(self, widths: Sequence[int]) -> tuple[Tensor, ...]:
        """Return the columns of the first weight matrix that belong to inputs of these widths.

        With them ``W [a, b]`` becomes ``W_a a + W_b b``: what is known per node is multiplied once per node, not once
        per edge.
        """
        assert sum(widths) == self.in_features, (widths, self.in_features)
        return self.layers[0].weight.split(list(widths), dim=1)

    def after_first(self, pre_activation: Tensor) -> Tensor:
        """Continue from the output of the first linear layer, before its activation; overwrites it.

        Gradients are right all the same, because no layer reads its own output on the way back.

        Args:
            pre_activation: (..., width of the first layer).
        """
        hidden = pre_activation
        for position, layer in enumerate(self.layers):
            if position > 0:
                hidden = layer(hidden)
            if self.activate_last or position < len(self.layers) - 1:
                hidden = hidden.relu_()
        return hidden
