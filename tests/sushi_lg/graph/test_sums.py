"""Sums that come out the same in any order."""

from __future__ import annotations

import torch

from sushi_lg.graph.sums import fractions, in_steps, running_sums, segment_means


def test_means_are_those_of_the_rows() -> None:
    values, start = torch.rand(1000), torch.tensor([0, 1, 400, 1000])
    means = segment_means(values, start)
    wanted = torch.stack([part.double().mean() for part in values.split([1, 399, 600])]).to(torch.float32)
    assert torch.equal(means, wanted)


def test_order_does_not_matter() -> None:
    values = torch.rand(100_000)
    shuffled = values[torch.randperm(len(values))]
    assert running_sums(values)[-1] == running_sums(shuffled)[-1]


def test_a_sum_beyond_the_range_leaves_differences_right() -> None:
    steps = torch.full((12,), 2**62) + torch.arange(12)  # wraps around three times
    sums = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    assert fractions(sums[11] - sums[10]) == fractions(steps[10])


def test_fractions_survive() -> None:
    values = torch.tensor([0.0, 1.0, -0.25, 1023.5, 2.0**-30])
    assert torch.equal(fractions(in_steps(values)), values.double())


def test_nothing() -> None:
    assert segment_means(torch.zeros(0), torch.zeros(1, dtype=torch.int64)).shape == (0,)
