from __future__ import annotations

import pytest
import torch

from sushi_lg.language.structures import Taught


def test_a_record_knows_its_size_and_moves() -> None:
    taught = Taught(torch.zeros(2, 4), torch.tensor([1, 5]), torch.zeros(6))
    assert (len(taught), taught.dim) == (2, 4)
    assert taught.to("meta").ids.device.type == "meta"


@pytest.mark.parametrize(
    ("instance", "ids", "scene", "words"),
    [
        (torch.zeros(4), torch.tensor([1]), None, "instance must be"),
        (torch.zeros(2, 4).double(), torch.tensor([1, 2]), None, "float32"),
        (torch.zeros(2, 4), torch.tensor([1]), None, "ids must be"),
        (torch.zeros(2, 4), torch.tensor([1.0, 2.0]), None, "int64"),
        (torch.zeros(2, 4), torch.tensor([2, 1]), None, "sorted"),
        (torch.zeros(2, 4), torch.tensor([1, 1]), None, "sorted"),
        (torch.zeros(2, 4), torch.tensor([1, 2]), torch.zeros(1, 4), "scene must be"),
    ],
)
def test_what_does_not_fit_is_refused(
    instance: torch.Tensor, ids: torch.Tensor, scene: torch.Tensor | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Taught(instance, ids, scene)
