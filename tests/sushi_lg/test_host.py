"""What the host asks, and the two ways that give the same."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from sushi_lg.host import free_to_look, like_on_a_gpu, rows_of, send, thinned


def test_looking_is_free_on_a_cpu_unless_told_otherwise() -> None:
    values = torch.zeros(1)
    assert free_to_look(values) and not free_to_look(values.to("meta"))
    with like_on_a_gpu():
        assert not free_to_look(values)
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(free_to_look(values)))
        thread.start()
        thread.join()
        assert seen == [True]
    assert free_to_look(values)


@pytest.mark.parametrize("count", [0, 2, 3, 5, 9])
@pytest.mark.parametrize("true", [[], [0], [1, 4, 6], [0, 1, 2, 3, 4, 5, 6]])
def test_rows_of_a_mask(true: list[int], count: int) -> None:
    mask = torch.zeros(7, dtype=torch.bool)
    mask[true] = True
    assert rows_of(mask, count).tolist() == (true + [7] * count)[:count]


def test_rows_of_nothing() -> None:
    assert rows_of(torch.zeros(0, dtype=torch.bool), 2).tolist() == [0, 0]


def test_thinned_keeps_what_counts() -> None:
    mask, column = torch.tensor([True, False, True]), torch.tensor([[1], [2], [3]])
    kept, rows = thinned(mask, column)
    assert kept.tolist() == [True, True] and rows.tolist() == [[1], [3]]
    with like_on_a_gpu():
        kept, rows = thinned(mask, column)
    assert kept is mask and rows is column


def test_numbers_arrive() -> None:
    assert send(np.array([3, 1]), torch.device("cpu")).tolist() == [3, 1]
