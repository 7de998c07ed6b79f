"""Settings of this room; nothing here imports PyTorch, so that mistakes are answered at once.

Shapes: H velocity windows, K history offsets, W clean windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sushi_lg.errors import ConfigError
from sushi_lg.ranges import refuse_below

EDGE_FEATURES = ("gap_seconds", "offset_x", "offset_y", "log_height_ratio", "log_width_ratio", "appearance", "motion")
"""Names of the published edge features, see ``features.py``."""
OVERLAP_FEATURES = 3
"""Numbers that tell how a detection overlaps others, see ``occlusion.py``."""


@dataclass
class EvidenceConfig:
    """What the default recipe measures; shared by all levels, because it fixes the widths of the network.

    Attributes:
        windows: H numbers of detections for velocities.
        clean_windows: W numbers of detections for lines through the undisturbed ones.
        offsets: K offsets in frames of the box history at each end.
        gate_base: largest distance of a candidate in box heights at gap 0, after motion.
        gate_growth: by how many box heights the gate opens, times the square root of the gap in frames.
        gate_size: largest difference of log heights.
        appearance_weight: by how much a candidate that looks like another person costs more than one that looks the
            same; without appearance vectors it has no meaning.
    """

    windows: list[int] = field(default_factory=lambda: [3, 8, 20])
    clean_windows: list[int] = field(default_factory=lambda: [6, 20, 60, 200])
    offsets: list[int] = field(default_factory=lambda: [1, 2, 4, 7, 11, 16])
    gate_base: float = 1.0
    gate_growth: float = 0.5
    gate_size: float = 0.8
    appearance_weight: float = 0.5

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        for key in ("windows", "clean_windows", "offsets"):
            values = getattr(self, key)
            if not values or min(values) < 1:
                raise ConfigError(f"evidence.{key}: {list(values)}", "give at least one number, none below 1")

    @property
    def edge_width(self) -> int:
        """F, number of edge features."""
        return 23 + 11 * len(self.windows) + 10 * len(self.clean_windows)

    @property
    def node_width(self) -> int:
        """G, number of node features."""
        return 12 + 2 * (6 + OVERLAP_FEATURES + 3 * len(self.windows) + 4 * len(self.offsets) + len(self.clean_windows))


@dataclass
class SecondLookConfig:
    """Where tracklets are cut.

    Attributes:
        min_length: detections a tracklet must have to be cut, or to cut others.
        touch_iou: overlap with somebody who appears or vanishes from which on a tracklet is cut there.
        peak_iou: overlap from which on two tracklets are cut where they overlap most.
        encounter_gap: frames without such an overlap after which the next one of the same two is another encounter.
    """

    min_length: int = 4
    touch_iou: float = 0.1
    peak_iou: float = 0.5
    encounter_gap: int = 10

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        for key in ("touch_iou", "peak_iou"):
            if not 0 < getattr(self, key) <= 1:
                raise ConfigError(f"second_look.{key}: {getattr(self, key)} is not above 0 and at most 1")
        refuse_below(self, 1, "min_length", "encounter_gap", prefix="second_look.")

    @property
    def least_iou(self) -> float:
        """Overlap below which two detections have nothing to do with each other."""
        return min(self.touch_iou, self.peak_iou)
