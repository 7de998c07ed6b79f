from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.functional import normalize

from sushi_lg.errors import ConfigError
from sushi_lg.nn.guidance import Guidance, identity_contrast, instance_kl, scene_kl
from sushi_lg.nn.settings import GuidanceConfig


def guidance(instance: str = "contrast", scene: str = "contrast") -> Guidance:
    torch.manual_seed(0)
    return Guidance(GuidanceConfig(instance, scene=scene), 6, {"low": 5, "high": 7}, 4, 3)


def unit(*shape: int, seed: int = 1) -> Tensor:
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_the_instance_loss_is_the_mean_of_both_directions_with_equal_weight_for_sentences() -> None:
    module, embedding, sentences = guidance(), unit(4, 6), unit(3, 4)
    sentence = torch.tensor([2, 0, -1, 2])
    loss, count = module.instance(embedding, sentence, sentences)
    assert count == 3
    # by hand: rows 0, 1 and 3; every sentence of the training competes, also one that nobody of the batch fits
    assert module.node_head is not None
    logits = normalize(module.node_head(embedding[[0, 1, 3]])) @ sentences.T / 0.07
    first = F.cross_entropy(logits[[1]], torch.tensor([0]))
    second = F.cross_entropy(logits[[0, 2]], torch.tensor([2, 2]))
    to_sentence = (first + second) / 2
    share = logits.softmax(dim=0)
    to_node = (-share[1, 0].log() - (share[0, 2].log() + share[2, 2].log()) / 2) / 2
    # with two rows that fit, the best share of each is a half: that is what the constant takes away
    to_node = to_node - math.log(2) / 2
    torch.testing.assert_close(loss, (to_sentence + to_node) / 2)


def test_people_nobody_described_are_neither_taught_nor_counted() -> None:
    module = guidance()
    embedding = unit(3, 6).requires_grad_()
    loss, count = module.instance(embedding, torch.tensor([-1, -1, -1]), unit(2, 4))
    assert float(loss.detach()) == 0 and count == 0
    known = torch.cat([unit(2, 6), torch.zeros(1, 6)])  # the last was not seen
    assert module.instance(known, torch.tensor([0, 1, 1]), unit(2, 4))[1] == 2


def test_learning_brings_people_to_their_sentences() -> None:
    module, sentences = guidance(), unit(3, 4)
    embedding = torch.nn.Parameter(unit(6, 6))
    sentence = torch.tensor([0, 1, 2, 0, 1, 2])
    optimizer = torch.optim.Adam([embedding, *module.parameters()], lr=0.05)
    start = float(module.instance(embedding, sentence, sentences)[0].detach())
    for _ in range(150):
        optimizer.zero_grad()
        loss, _ = module.instance(embedding, sentence, sentences)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1 * start
    alike = normalize(embedding.detach()) @ normalize(embedding.detach()).T
    assert alike[0, 3] > alike[0, 1] and alike[0, 3] > alike[0, 2]  # two people of one sentence became alike


def test_the_scene_loss_asks_for_scene_and_for_truth_with_equal_weight() -> None:
    module, latents, sentences = guidance(), torch.randn(5, 5), unit(2, 2, 3)
    label = torch.tensor([True, False, False, False, True])
    scene = torch.tensor([0, 0, 0, 1, -1])
    loss, count = module.scene("low", latents, label, scene, sentences)
    assert count == 4
    student = normalize(module.edge_heads["low"](latents))
    logits = student @ sentences.flatten(0, 1).T / 0.07
    each = F.cross_entropy(logits[:4], torch.tensor([0, 1, 1, 3]), reduction="none")  # 2 * scene, plus one if false
    torch.testing.assert_close(loss, (each[0] + (each[1] + each[2]) / 2 + each[3]) / 3)


def test_the_published_instance_loss_is_the_divergence_of_softmaxes() -> None:
    hidden, sentences = torch.randn(3, 128), torch.randn(2, 128)
    loss, count = instance_kl(hidden, torch.tensor([1, -1, 0]), sentences)
    teacher, student = sentences[[1, 0]].softmax(dim=1), hidden[[0, 2]].softmax(dim=1)
    torch.testing.assert_close(loss, (teacher * (teacher.log() - student.log())).sum() / 2)
    assert count == 2
    assert instance_kl(hidden, torch.full((3,), -1), sentences) == (pytest.approx(0.0), 0)


def test_the_published_scene_loss_pools_the_scene_at_every_step() -> None:
    latents, scenes = torch.randn(3, 4, 2), torch.randn(2, 6)
    loss, count = scene_kl(latents, torch.tensor([0, 1, -1, 0]), scenes)
    pooled = scenes.view(2, 2, 3).mean(dim=2).softmax(dim=1)[[0, 1, 0]]
    expected = sum(
        (pooled * (pooled.log() - step[[0, 1, 3]].log_softmax(dim=1))).sum() / 3 for step in latents.unbind(0)
    )
    torch.testing.assert_close(loss, expected / 3)
    assert count == 3


def test_identities_are_told_apart_inside_clips_and_across_time() -> None:
    # Two people of clip 0 seen twice; one person of clip 1, with nobody to be told from; one box of nobody.
    vectors = normalize(torch.tensor([[1.0, 0], [0.8, 0.6], [0, 1.0], [0.6, 0.8], [1, 0], [1, 0], [1, 1]]))
    identity = torch.tensor([0, 0, 1, 1, 2, 2, -1])
    clip = torch.tensor([0, 0, 0, 0, 1, 1, 0])
    seconds = torch.tensor([0.0, 2, 0, 2, 0, 2, 0])
    loss, count = identity_contrast(vectors, identity, clip, seconds, temperature=0.5)
    assert count == 4
    cosine = vectors @ vectors.T / 0.5
    by_hand = [
        -cosine[a, b] + torch.logsumexp(cosine[a, [b, *others]], 0)
        for a, b, others in [(0, 1, [2, 3]), (1, 0, [2, 3]), (2, 3, [0, 1]), (3, 2, [0, 1])]
    ]
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())
    near = identity_contrast(vectors, identity, clip, seconds / 4)  # half a second apart: nothing to ask
    assert float(near[0]) == 0 and near[1] == 0


def test_levels_are_chosen() -> None:
    module = Guidance(GuidanceConfig(levels=[0, 2]), 6, {}, 4, 3)
    assert [module.guides(level) for level in range(3)] == [True, False, True]
    assert guidance().guides(7)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (GuidanceConfig(instance="cosine"), "language.instance: 'cosine'"),
        (GuidanceConfig(scene="klx"), "language.scene: 'klx'"),
        (GuidanceConfig(scene_weight=-1), "language.scene_weight"),
        (GuidanceConfig(levels=[3]), "language.levels: 3 is no level"),
    ],
)
def test_settings_are_checked(config: GuidanceConfig, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config.validate(num_levels=3)
