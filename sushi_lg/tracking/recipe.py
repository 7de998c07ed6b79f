"""Settings of the recipes: which levels there are, what they measure, how the result is finished.

Nothing here imports PyTorch, so that mistakes are answered at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from sushi_lg.errors import ConfigError
from sushi_lg.graph.settings import EDGE_FEATURES, EvidenceConfig, SecondLookConfig
from sushi_lg.nn.settings import AppearanceConfig, EdgeScorerConfig, ScorerConfig
from sushi_lg.ranges import refuse_below


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
        refuse_below(self, 1, "min_length", prefix="output.")
        gaps = ("max_gap_filled", "max_gap_filled_unannotated", "max_seconds_outside")
        refuse_below(self, 0, *gaps, prefix="output.")
        for key in ("min_probability", "min_mean_probability"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"output.{key}: {getattr(self, key)} is not in 0 .. 1")
        refuse_below(self, 0, "decimals", prefix="output.", remedy="null writes all digits")


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
            counted = ("max_gap", "num_neighbours", "min_length", "min_longer")
            refuse_below(level, 1, *counted, prefix=f"levels.{number}.")
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


@dataclass
class SushiLevelConfig:
    """One level.

    Attributes:
        frames: frames a chunk covers.
        num_neighbours: K, shared by predecessors and successors; an edge must be among the K of both ends.
        motion_weight: None prunes by feet distance; otherwise the weight of motion against appearance.
        motion_frames: window of velocities and horizon of predictions; 0 where motion is not used.
        features: names of edge features.
    """

    frames: int = 2
    num_neighbours: int = 10
    motion_weight: float | None = 0.05
    motion_frames: int = 1
    features: list[str] = field(default_factory=lambda: list(EDGE_FEATURES))


def doubling_levels(frames: list[int], motion_weight: float = 0.05) -> list[SushiLevelConfig]:
    """Return the published levels for these chunk lengths."""
    without_motion = [name for name in EDGE_FEATURES if name != "motion"]
    first = SushiLevelConfig(frames[0], 10, None, 1, without_motion)
    return [first, *(SushiLevelConfig(c, 10, motion_weight, before) for before, c in pairwise(frames))]


@dataclass
class SushiConfig:
    """The published recipe.

    Attributes:
        window: frames a window covers.
        overlap: share of a window that the next one repeats.
        min_score: detections below are left out (the released code: 0.65 for ByteTrack's detections).
        levels: lowest first; each chunk length divides the next.
        scorer: network.
        min_length: shortest trajectory, in detections.
        interpolate: fill every gap.
        decimals: digits in result files; None = all.
    """

    window: int = 512
    overlap: float = 0.5
    min_score: float = 0.65
    levels: list[SushiLevelConfig] = field(default_factory=lambda: doubling_levels([2**n for n in range(1, 10)]))
    scorer: EdgeScorerConfig = field(default_factory=EdgeScorerConfig)
    min_length: int = 2
    interpolate: bool = True
    decimals: int | None = None

    def validate(self) -> None:
        """Check what no single field can.

        Raises:
            ConfigError: naming the key.
        """
        self.scorer.validate()
        if not 0 <= self.overlap < 1:
            raise ConfigError(f"overlap: {self.overlap} is not in [0, 1)", "the published one is 0.5")
        refuse_below(self, 1, "min_length")
        refuse_below(self, 0, "decimals", remedy="null writes all digits")
        if not self.levels:
            raise ConfigError("levels: empty", "give at least one level")
        for number, level in enumerate(self.levels):
            for key, least in (("frames", 2), ("num_neighbours", 1), ("motion_frames", 0)):
                refuse_below(level, least, key, prefix=f"levels.{number}.")
            if level.motion_weight is not None and not 0 <= level.motion_weight <= 1:
                raise ConfigError(f"levels.{number}.motion_weight: {level.motion_weight} is not in 0 .. 1")
            unknown = [name for name in level.features if name not in EDGE_FEATURES]
            if unknown:
                known = ", ".join(EDGE_FEATURES)
                raise ConfigError(f"levels.{number}.features: {', '.join(unknown)} unknown", f"known: {known}")
            if number and level.frames % self.levels[number - 1].frames:
                raise ConfigError(f"levels.{number}.frames: {level.frames} is no multiple of the level below")
        if self.levels[-1].frames != self.window:
            raise ConfigError(f"window: {self.window}, but the last level covers {self.levels[-1].frames} frames")
