"""Language guides what a tracker learns, and leaves no trace in it.

Two losses, after LG-MOT (Li et al., 2024): instance sentences guide how people are embedded (ISG), scene sentences
guide edges (SPG). Two forms of each. ``kl`` is the published one: a divergence between softmaxes of student and
teacher, with nothing learned in between and nothing to tell apart. ``contrast`` projects the student into the teacher's
space and asks which sentence is the right one: for a tracklet, of all sentences of the training the one that describes
its person; for an edge, of those about the batch the one that says in which scene it lies and whether it joins one
person or two.

The projections live here, outside the tracker: they are trained with it and never exported.

Shapes: R rows (nodes or edges), T sentences, C scenes, W width of the student, D of the teacher, S classified steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import normalize

from sushi_lg.nn.precision import in_float32
from sushi_lg.nn.settings import GuidanceConfig

KL_WIDTH = 128
"""Width of the hidden layer of LG-MOT's node encoder, to which teachers are brought for its instance loss."""
_START_SCALE = math.log(1 / 0.07)  # CLIP's initial temperature
_LARGEST_SCALE = math.log(100.0)  # and its bound


class Guidance(nn.Module):
    """Projections into a teacher's space, and the losses there.

    Args:
        config: forms and weights.
        embedding_dim: width of a node's embedding.
        edge_dims: width of an edge by the name of the block that scores it.
        sentence_dim: D of sentences about people.
        scene_dim: D of sentences about edges.
    """

    def __init__(
        self,
        config: GuidanceConfig,
        embedding_dim: int,
        edge_dims: Mapping[str, int],
        sentence_dim: int,
        scene_dim: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.node_head = nn.Linear(embedding_dim, sentence_dim) if config.instance == "contrast" else None
        self.edge_heads = nn.ModuleDict(
            {name: nn.Linear(width, scene_dim) for name, width in edge_dims.items() if config.scene == "contrast"}
        )
        self.node_scale = nn.Parameter(torch.tensor(_START_SCALE)) if config.instance == "contrast" else None
        self.edge_scale = nn.Parameter(torch.tensor(_START_SCALE)) if config.scene == "contrast" else None

    def guides(self, level: int) -> bool:
        """Tell whether a level is guided."""
        return not self.config.levels or level in self.config.levels

    def instance(self, embedding: Tensor, sentence: Tensor, sentences: Tensor) -> tuple[Tensor, int]:
        """Return the contrastive instance loss and the number of nodes it supervised.

        Args:
            embedding: (R, W).
            sentence: (R,) int64, row of ``sentences``; -1 = unknown, not supervised.
            sentences: (T, D) unit vectors, all of the training.
        """
        assert self.node_head is not None and self.node_scale is not None
        rows = torch.nonzero((sentence >= 0) & (embedding.detach() != 0).any(dim=1)).squeeze(1)
        if len(rows) == 0:
            return embedding.sum() * 0.0, 0
        present, target = torch.unique(sentence[rows], return_inverse=True)
        with in_float32(embedding.device):
            student = normalize(self.node_head(embedding[rows].float()))
            all_logits = _scaled(self.node_scale) * student @ sentences.T
        logits = all_logits[:, present]
        # A batch shows a video or two; people of the others are what ties one light to another.
        of_node = F.cross_entropy(all_logits, sentence[rows], reduction="none")
        # A sentence counts once, however long people who fit it are in the picture.
        weight = 1 / torch.bincount(target, minlength=len(present)).to(logits.dtype)[target]
        to_sentence = (of_node * weight).sum() / len(present)
        # And the other way round: which of the nodes does a sentence describe?
        fits = target[:, None] == torch.arange(len(present), device=target.device)
        of_sentence = -(logits.log_softmax(dim=0) + fits.sum(dim=0).to(logits.dtype).log()).masked_fill(~fits, 0.0)
        to_node = (of_sentence.sum(dim=0) / fits.sum(dim=0)).mean()
        return (to_sentence + to_node) / 2, len(rows)

    def scene(self, slot: str, latents: Tensor, label: Tensor, scene: Tensor, sentences: Tensor) -> tuple[Tensor, int]:
        """Return the contrastive scene loss and the number of edges it supervised.

        Args:
            slot: name of the block that made the latents.
            latents: (R, W) edges.
            label: (R,) bool, the edge joins one person.
            scene: (R,) int64, row of ``sentences``; -1 = unknown, not supervised.
            sentences: (C, 2, D) unit vectors, of each scene with one person and with two.
        """
        assert self.edge_scale is not None
        rows = torch.nonzero(scene >= 0).squeeze(1)
        if len(rows) == 0:
            return latents.sum() * 0.0, 0
        present, target = torch.unique(scene[rows], return_inverse=True)
        target = 2 * target + (~label[rows]).long()
        with in_float32(latents.device):
            student = normalize(self.edge_heads[slot](latents[rows].float()))
            logits = _scaled(self.edge_scale) * student @ sentences[present].flatten(0, 1).T
        weight = 1 / torch.bincount(target, minlength=2 * len(present)).clamp(min=1).to(logits.dtype)[target]
        return (F.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum(), len(rows)


def _scaled(log_scale: Tensor) -> Tensor:
    return log_scale.clamp(max=_LARGEST_SCALE).exp()


def instance_kl(hidden: Tensor, sentence: Tensor, sentences: Tensor) -> tuple[Tensor, int]:
    """Return LG-MOT's instance loss and the number of nodes it supervised.

    KL(softmax(teacher) || softmax(student)) over channels at temperature 1, mean over nodes. Published, nodes without
    a person are taught a background vector; here nobody has described them, and they are left out.

    Args:
        hidden: (R, W) between the two layers of the node encoder.
        sentence: (R,) int64, row of ``sentences``; -1 = unknown.
        sentences: (T, W).
    """
    rows = torch.nonzero((sentence >= 0) & (hidden.detach() != 0).any(dim=1)).squeeze(1)
    if len(rows) == 0:
        return hidden.sum() * 0.0, 0
    return _divergence(hidden[rows], sentences[sentence[rows]]), len(rows)


def scene_kl(latents: Tensor, scene: Tensor, sentences: Tensor) -> tuple[Tensor, int]:
    """Return LG-MOT's scene loss and the number of edges it supervised.

    The scene vector is brought to the width of an edge by average pooling; KL(softmax(teacher) || softmax(edge)) at
    temperature 1, mean over edges. Published, it is added up over classified steps, as the loss of the edges is there;
    here both are means.

    Args:
        latents: (S, R, W) edges after each classified step.
        scene: (R,) int64, row of ``sentences``; -1 = unknown.
        sentences: (C, D).
    """
    rows = torch.nonzero(scene >= 0).squeeze(1)
    if len(rows) == 0:
        return latents.sum() * 0.0, 0
    pooled = F.adaptive_avg_pool1d(sentences[:, None], latents.shape[2])[:, 0]
    target = pooled[scene[rows]]
    return torch.stack([_divergence(step[rows], target) for step in latents]).mean(), len(rows)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Return KL(softmax(teacher) || softmax(student)), mean over rows."""
    return F.kl_div(student.float().log_softmax(dim=1), teacher.float().softmax(dim=1), reduction="batchmean")


def identity_contrast(
    embedding: Tensor,
    identity: Tensor,
    clip: Tensor,
    seconds: Tensor,
    *,
    temperature: float = 0.1,
    least_seconds: float = 1.0,
    most: int = 512,
) -> tuple[Tensor, int]:
    """Return how badly embeddings tell the people of a clip apart, and the number of detections that were asked.

    Supervised contrastive loss (Khosla et al., 2020) between detections of one clip: words play no part.

    Args:
        embedding: (R, W) of length 1, 0 where nothing is known.
        identity: (R,) int64, -1 = nobody.
        clip: (R,) int64.
        seconds: (R,), when each was seen.
        temperature: of the softmax.
        least_seconds: detections of one person that are nearer in time are not compared: they look alike anyway.
        most: so many detections are drawn at random, because every one is compared with every other.
    """
    rows = torch.nonzero((identity >= 0) & (embedding.detach() != 0).any(dim=1)).squeeze(1)
    rows = rows[torch.randperm(len(rows))[:most].to(rows.device)]
    vectors, person, when = embedding[rows], identity[rows], seconds[rows]
    same = person[:, None] == person
    far = (when[:, None] - when).abs() >= max(least_seconds, 1e-6)  # nothing is compared with itself
    comparable = (clip[rows][:, None] == clip[rows]) & (far | ~same)
    same = same & far & comparable
    # who has nobody to be compared with, or nothing of himself, asks no question
    asked = same.any(dim=1) & (comparable & ~same).any(dim=1)
    if not bool(asked.any()):
        return embedding.sum() * 0.0, 0
    with in_float32(vectors.device):
        logits = vectors.float() @ vectors.float().T / temperature
    logits = logits.masked_fill(~comparable, -torch.inf)[asked]
    same = same[asked]
    log_share = logits.log_softmax(dim=1).masked_fill(~same, 0.0)
    return (-log_share.sum(dim=1) / same.sum(dim=1)).mean(), len(logits)
