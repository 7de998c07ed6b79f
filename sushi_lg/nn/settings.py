"""Settings of the networks; nothing here imports PyTorch, so that mistakes are answered at once.

Shapes: D width of appearance vectors, H hidden width, d width of embeddings, S steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from sushi_lg.errors import ConfigError
from sushi_lg.ranges import refuse_below

SHARING = ("all_but_first", "none", "all")
"""Which levels of the published network share a block."""
FORMS = ("contrast", "kl", "none")
"""Of the losses of language, see ``guidance.py``."""


@dataclass
class ScorerConfig:
    """Widths of one block of the default network.

    Attributes:
        node_dim: width of a node while messages pass.
        edge_dim: width of an edge.
        hidden_dim: width of hidden layers.
        num_steps: S.
    """

    node_dim: int = 32
    edge_dim: int = 32
    hidden_dim: int = 64
    num_steps: int = 4

    def validate(self, name: str) -> None:
        """Check ranges of the block ``name``.

        Raises:
            ConfigError: naming the key.
        """
        refuse_below(self, 2, "node_dim", "edge_dim", prefix=f"blocks.{name}.")
        refuse_below(self, 1, "hidden_dim", "num_steps", prefix=f"blocks.{name}.")


@dataclass
class AppearanceConfig:
    """The encoder of appearance vectors.

    Attributes:
        dim: d; 0 = no encoder, vectors are compared as the embedder made them.
        hidden_dim: H.
        width: D; training sets it to that of its galleries.
        embedder: name of the embedder the encoder was trained with; set by training.
        fingerprint: of that embedder's weights and settings; set by training.
    """

    dim: int = 0
    hidden_dim: int = 128
    width: int = 0
    embedder: str = ""
    fingerprint: str = ""

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        if not 0 <= self.dim <= 64:  # what is wider is reduced to that before it is compared
            raise ConfigError(f"appearance.dim: {self.dim} is not in 0 .. 64", "0 means no encoder")
        if self.hidden_dim < 1:
            raise ConfigError(f"appearance.hidden_dim: {self.hidden_dim} is below 1")


@dataclass
class EdgeScorerConfig:
    """Sizes of the published network.

    Attributes:
        node_input: width of the (zeroed) node input; fixes the shape of the node encoder only.
        num_steps: message-passing steps.
        num_classified: how many of the last steps are classified in training.
        sharing: which levels share a block: all_but_first, none, all.
        split_node_encoder: LG-MOT's node encoder in two parts with a 128-wide vector between them.
        level_embedding: add a learned row per level to the encoded edges.
    """

    node_input: int = 2048
    num_steps: int = 12
    num_classified: int = 11
    sharing: str = "all_but_first"
    split_node_encoder: bool = False
    level_embedding: bool = True

    def validate(self) -> None:
        """Check names and ranges.

        Raises:
            ConfigError: naming the key.
        """
        refuse_below(self, 1, "node_input", "num_steps", "num_classified", prefix="scorer.")
        if self.num_classified > self.num_steps:
            raise ConfigError(
                f"scorer.num_classified: {self.num_classified} is above num_steps={self.num_steps}",
                f"set scorer.num_classified={self.num_steps} or less",
            )
        if self.sharing not in SHARING:
            raise ConfigError(f"scorer.sharing: {self.sharing!r} is unknown", f"one of {', '.join(SHARING)}")


@dataclass
class GuidanceConfig:
    """Which losses guide, and how strongly.

    Attributes:
        instance: form of the instance loss (ISG): contrast, kl or none.
        instance_weight: its weight; contrast is a mean over the guided levels, kl is added up over them.
        scene: form of the scene loss (SPG).
        scene_weight: its weight, likewise.
        levels: levels that are guided, from 0; all when empty. The kl form of the instance loss is of level 0 only.
    """

    instance: str = "contrast"
    instance_weight: float = 1.0
    scene: str = "contrast"
    scene_weight: float = 1.0
    levels: list[int] | None = None

    def validate(self, num_levels: int) -> None:
        """Check names and ranges.

        Raises:
            ConfigError: naming the key.
        """
        for key in ("instance", "scene"):
            if getattr(self, key) not in FORMS:
                raise ConfigError(f"language.{key}: {getattr(self, key)!r} is unknown", f"one of {', '.join(FORMS)}")
            if getattr(self, f"{key}_weight") < 0:
                raise ConfigError(f"language.{key}_weight: {getattr(self, f'{key}_weight')} is below 0")
        for level in self.levels or []:
            if not 0 <= level < num_levels:
                raise ConfigError(f"language.levels: {level} is no level", f"there are 0 .. {num_levels - 1}")
