"""How far looks learned in one domain carry to another.

A small convolutional network learns from the crops of one domain which of them show one person: of every sequence a
batch is drawn, and crops of one identity are pulled together against the others of their sequence (supervised
contrastive loss; Khosla et al., NeurIPS 2020). What it learned is measured by the ROC AUC of telling pairs of one
person from pairs of two, inside a sequence, more than two seconds apart: what an appearance is needed for.

Shapes: K crops, D embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from sushi_lg.appearance.crops import Interpolation, cut
from sushi_lg.appearance.protocol import Embedder
from sushi_lg.simulation.world import SimulatedClip

SIZE: Final = (64, 32)
LEAST_SECONDS: Final = 2.0
_LEAST_VISIBILITY: Final = 0.5
_DIM: Final = 64
_PEOPLE, _EACH = 8, 8  # of a batch
_TEMPERATURE: Final = 0.1


@dataclass(frozen=True)
class Looks:
    """Crops of one sequence.

    Attributes:
        crops: (K, h, w, 3) uint8, blue first.
        identity: (K,) int64.
        seconds: (K,) float64, when they were seen.
        vectors: by name of an embedder, (K, D).
    """

    crops: NDArray[np.uint8]
    identity: NDArray[np.int64]
    seconds: NDArray[np.float64]
    vectors: dict[str, NDArray[np.float32]]


def collect_looks(clip: SimulatedClip, *, every: int = 5, embedders: Sequence[Embedder] = ()) -> Looks:
    """Cut out everybody of whom half or more is seen, with boxes as imprecise as a detector's.

    Args:
        clip: the sequence.
        every: look at one of so many frames.
        embedders: describe the same boxes with these, too.
    """
    rng = np.random.default_rng(clip.scene.seed)
    renderer, staging = clip.renderer(), clip.staging
    crops, identity, seconds = [], [], []
    vectors: dict[str, list[NDArray[np.float32]]] = {embedder.name: [] for embedder in embedders}
    for frame in range(0, clip.frames, every):
        shown = np.flatnonzero(staging.visibility[:, frame] >= _LEAST_VISIBILITY)
        if not len(shown):
            continue
        picture = renderer.picture(frame)
        boxes = staging.boxes_xyxy[shown, frame]
        size = boxes[:, 2:] - boxes[:, :2]
        boxes = (boxes + rng.normal(0, 0.03, boxes.shape) * np.concatenate([size, size], axis=1)).astype(np.float32)
        crops.append(cut(picture, boxes, SIZE, Interpolation.AREA))
        identity.append(shown)
        seconds.append(np.full(len(shown), frame / clip.domain.frame_rate))
        for embedder in embedders:
            vectors[embedder.name].append(embedder.embed(embedder.crop(picture, boxes)))
    return Looks(
        np.concatenate(crops),
        np.concatenate(identity),
        np.concatenate(seconds),
        {name: np.concatenate(parts) for name, parts in vectors.items()},
    )


class SmallNetwork(nn.Module):
    """Four convolutions, then the mean of each of four stripes from head to feet.

    Crops (K, 3, 64, 32) in 0 .. 1 become (K, 64) vectors of length one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(3, 24, kernel=5, stride=2),
            *_block(24, 48),
            nn.MaxPool2d(2),
            *_block(48, 64),
            nn.MaxPool2d(2),
            *_block(64, 96),
            nn.AdaptiveAvgPool2d((4, 1)),
        )
        self.head = nn.Linear(96 * 4, _DIM)

    def forward(self, crops: Tensor) -> Tensor:
        """Return (K, D) unit vectors."""
        return nn.functional.normalize(self.head(self.body(crops - 0.4).flatten(1)), dim=1)


def train_network(looks: Sequence[Looks], *, steps: int = 400, seed: int = 0) -> SmallNetwork:
    """Return a network that learned who is who in some sequences.

    Args:
        looks: one row a sequence; batches hold people of one sequence only.
        steps: of the optimiser.
        seed: of weights and batches.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = SmallNetwork().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        crops, label = _batch(rng, looks[step % len(looks)])
        loss = _contrastive(network(crops), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def embed_looks(network: SmallNetwork, looks: Looks) -> NDArray[np.float32]:
    """Return (K, D)."""
    with torch.inference_mode():
        parts = [network(_as_tensor(looks.crops[start : start + 256])) for start in range(0, len(looks.crops), 256)]
    return np.asarray(torch.cat(parts).numpy())


def same_person_auc(vectors: NDArray[np.float32], looks: Looks) -> float:
    """Return the ROC AUC of cosine similarity: pairs of one person against pairs of two, over two seconds apart."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    first, second = np.triu_indices(len(unit), 1)
    far = np.abs(looks.seconds[first] - looks.seconds[second]) > LEAST_SECONDS
    first, second = first[far], second[far]
    is_same = looks.identity[first] == looks.identity[second]
    if is_same.all() or not is_same.any():
        raise ValueError("pairs of one person and of two are needed; the sequence is too short or too empty")
    rank = rankdata((unit @ unit.T)[first, second])
    positives, negatives = int(is_same.sum()), int((~is_same).sum())
    return float((rank[is_same].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def measure_shift(
    train: dict[str, Sequence[Looks]],
    test: dict[str, Sequence[Looks]],
    *,
    steps: int = 400,
    seed: int = 0,
    told: Callable[[str], None] | None = None,
) -> dict[tuple[str, str], float]:
    """Return the mean AUC over test sequences for every (trained on, tested on).

    Args:
        train: looks by domain; a network is trained on each.
        test: looks by domain; their ``vectors`` are measured as well, under the embedder's name.
        steps: of each training.
        seed: of each training.
        told: is told what is finished.
    """
    result: dict[tuple[str, str], float] = {}
    for name in sorted({name for looks in test.values() for one in looks for name in one.vectors}):
        for domain, looks in test.items():
            result[name, domain] = float(np.mean([same_person_auc(one.vectors[name], one) for one in looks]))
    for source, seen in train.items():
        network = train_network(seen, steps=steps, seed=seed)
        for domain, looks in test.items():
            found = [same_person_auc(embed_looks(network, one), one) for one in looks]
            result[source, domain] = float(np.mean(found))
        if told is not None:
            told(source)
    return result


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _as_tensor(crops: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 255


def _batch(rng: np.random.Generator, looks: Looks) -> tuple[Tensor, Tensor]:
    names = rng.permutation(np.unique(looks.identity))[:_PEOPLE]
    rows = [rng.choice(np.flatnonzero(looks.identity == name), _EACH) for name in names]
    crops = _as_tensor(looks.crops[np.concatenate(rows)])
    flipped = torch.from_numpy(rng.random(len(crops)) < 0.5)
    crops[flipped] = crops[flipped].flip(3)
    return crops, torch.arange(len(names)).repeat_interleave(_EACH)


def _contrastive(vectors: Tensor, label: Tensor) -> Tensor:
    """Return the supervised contrastive loss of a batch."""
    logit = vectors @ vectors.T / _TEMPERATURE
    itself = torch.eye(len(label), dtype=torch.bool)
    same = (label[:, None] == label[None]) & ~itself
    log_probability = logit - logit.masked_fill(itself, float("-inf")).logsumexp(dim=1, keepdim=True)
    return -(log_probability * same).sum() / same.sum()
