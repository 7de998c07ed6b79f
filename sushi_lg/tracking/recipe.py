"""Settings of the default recipe: which levels there are, what they measure, how the result is finished."""

from __future__ import annotations

from dataclasses import dataclass, field

from sushi_lg.errors import ConfigError
from sushi_lg.graph.evidence import EvidenceConfig
from sushi_lg.graph.second_look import SecondLookConfig
from sushi_lg.nn.appearance_encoder import AppearanceConfig
from sushi_lg.nn.tracklet_scorer import ScorerConfig


@dataclass
class LevelConfig:
    """One level of the hierarchy.

    Attributes:
        max_gap: largest number of frames between the end of one tracklet and the start of the next.
        num_neighbours: K cheapest successors and predecessors a node keeps; an edge must be among both.
        min_length: detections a tracklet must have to take part, unless a second look cut it at this level.
        min_longer: detections the longer of two tracklets must have.
        threshold: probability above which an edge may be accepted. Low levels are strict: what stays open there is
            asked again with more context.
        slot: name of the network block that scores this level; levels with one name share weights.
        second_look: cut the tracklets of lower levels where people met, and ask again.
    """

    max_gap: int = 1
    num_neighbours: int = 8
    min_length: int = 1
    min_longer: int = 1
    threshold: float = 0.5
    slot: str = "tracklets"
    second_look: bool = False


@dataclass
class OutputConfig:
    """What happens to trajectories before they are written.

    Attributes:
        min_length: shortest trajectory, in kept detections.
        min_probability: detections the network believes in less are left out of their trajectory ...
        min_mean_probability: ... and trajectories whose mean is below this altogether.
        max_gap_filled: longest gap that is filled by interpolation, in frames between two detections.
        max_gap_filled_unannotated: the same where a data set does not annotate people while they are hidden.
        return_is_new_identity: whether people who left the picture and come back are others; None = as in the data
            set, and for anybody's own videos they are the same.
        max_seconds_outside: where they are others, how long somebody at the border of the picture may go unseen
            without having left it.
        smooth: whether boxes are smoothed along their trajectories by the network.
        decimals: digits after the point in result files; None = all.
    """

    min_length: int = 5
    min_probability: float = 0.5
    min_mean_probability: float = 0.5
    max_gap_filled: int = 60
    max_gap_filled_unannotated: int = 10
    return_is_new_identity: bool | None = None
    max_seconds_outside: float = 1.0
    smooth: bool = True
    decimals: int | None = 2

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        for key, least in (
            ("min_length", 1),
            ("max_gap_filled", 0),
            ("max_gap_filled_unannotated", 0),
            ("max_seconds_outside", 0),
        ):
            if getattr(self, key) < least:
                raise ConfigError(f"output.{key}: {getattr(self, key)} is below {least}")
        for key in ("min_probability", "min_mean_probability"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"output.{key}: {getattr(self, key)} is not in 0 .. 1")
        if self.decimals is not None and self.decimals < 0:
            raise ConfigError(f"output.decimals: {self.decimals} is below 0", "null writes all digits")


def default_levels() -> list[LevelConfig]:
    """Return the shipped hierarchy: gaps double from 1 to 128 frames, thresholds fall from 0.98 to 0.3."""
    return [
        LevelConfig(1, 4, 1, 1, 0.98, "detections"),
        LevelConfig(2, 6, 1, 1, 0.95),
        LevelConfig(4, 6, 1, 1, 0.9),
        LevelConfig(8, 8, 1, 2, 0.8),
        LevelConfig(16, 8, 2, 4, 0.6, "trajectories", second_look=True),
        LevelConfig(32, 8, 2, 6, 0.5, "trajectories"),
        LevelConfig(64, 8, 3, 6, 0.4, "trajectories", second_look=True),
        LevelConfig(128, 8, 3, 8, 0.3, "trajectories"),
    ]


def default_blocks() -> dict[str, ScorerConfig]:
    """Return the widths of the shipped network: upper levels have few edges and hard questions, so a wide block."""
    return {"detections": ScorerConfig(), "tracklets": ScorerConfig(), "trajectories": ScorerConfig(64, 64, 128, 5)}


@dataclass
class TrackerConfig:
    """The default recipe.

    Attributes:
        min_score: detections below this confidence are left out before anything else.
        levels: the hierarchy, lowest first.
        evidence: what nodes and edges know.
        second_look: where levels with a second look cut.
        appearance: what the tracker has learned about how people look.
        blocks: widths of the network blocks, by the names that ``slot`` of the levels uses.
        output: finishing.
    """

    min_score: float = 0.1
    levels: list[LevelConfig] = field(default_factory=default_levels)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    second_look: SecondLookConfig = field(default_factory=SecondLookConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    blocks: dict[str, ScorerConfig] = field(default_factory=default_blocks)
    output: OutputConfig = field(default_factory=OutputConfig)

    def validate(self) -> None:
        """Check what no single field can.

        Raises:
            ConfigError: naming the key.
        """
        if not self.levels:
            raise ConfigError("levels: empty", "give at least one level")
        for number, level in enumerate(self.levels):
            if level.max_gap < 1:
                raise ConfigError(f"levels.{number}.max_gap: {level.max_gap} is below 1")
            if not 0 < level.threshold < 1:
                raise ConfigError(f"levels.{number}.threshold: {level.threshold} is not between 0 and 1")
            if level.slot not in self.blocks:
                raise ConfigError(f"levels.{number}.slot: no block {level.slot!r}", f"one of {', '.join(self.blocks)}")
        slots = {level.slot for level in self.levels}
        for name, widths in self.blocks.items():
            if "." in name:
                raise ConfigError(f"blocks: {name!r} has a dot in it", "name blocks without dots")
            if name not in slots and widths != default_blocks().get(name):
                raise ConfigError(f"blocks.{name}: no level has this slot", f"slots are {', '.join(sorted(slots))}")
            widths.validate(name)
        self.evidence.validate()
        self.second_look.validate()
        self.appearance.validate()
        self.output.validate()
        gaps = [level.max_gap for level in self.levels]
        if gaps != sorted(gaps):
            raise ConfigError(f"levels: max_gap must not shrink from level to level, got {gaps}")
