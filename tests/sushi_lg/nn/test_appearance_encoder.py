from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from sushi_lg.errors import ConfigError
from sushi_lg.nn.appearance_encoder import AppearanceEncoder
from sushi_lg.nn.settings import AppearanceConfig


def encoder(width: int = 96) -> AppearanceEncoder:
    torch.manual_seed(0)
    return AppearanceEncoder(AppearanceConfig(dim=64, width=width))


def test_an_untrained_encoder_compares_as_the_vectors_themselves_do() -> None:
    vectors = normalize(torch.randn(200, 96))
    _, embedding = encoder()(vectors)
    before, after = (vectors @ vectors.T).flatten(), (embedding @ embedding.T).flatten()
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.75  # 64 of 96 dimensions are kept
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(200))


def test_what_is_not_known_stays_unknown_and_teaches_nothing() -> None:
    network = encoder()
    hidden, embedding = network(torch.zeros(3, 96))
    assert not hidden.any() and not embedding.any()
    (hidden.sum() + embedding.sum()).backward()
    assert all(not parameter.grad.any() for parameter in network.parameters() if parameter.grad is not None)


def test_an_empty_clip_has_no_embeddings() -> None:
    hidden, embedding = encoder()(torch.zeros(0, 96))
    assert hidden.shape == (0, 128) and embedding.shape == (0, 64)


@pytest.mark.parametrize("changes", [{"dim": 65}, {"dim": -1}, {"hidden_dim": 0}])
def test_sizes_are_checked(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"appearance.{next(iter(changes))}"):
        AppearanceConfig(**changes).validate()
