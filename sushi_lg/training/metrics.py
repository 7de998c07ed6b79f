"""Numbers of a training: added up between two log lines, then written as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sushi_lg.data.files import atomic_path
from sushi_lg.training.objective import Counts, Objective

logger = logging.getLogger(__name__)


class Meter:
    """Sums over the iterations since the last log line."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)

    def add(self, result: Objective, num_detections: int, gradient_norm: float) -> None:
        """Add one iteration."""
        self.sums["iterations"] += 1
        self.sums["detections"] += num_detections
        self.sums["gradient_norm"] += gradient_norm
        self.sums["loss"] += float(result.total.detach())
        self.sums["iou_gain"] += float(result.iou_gain)
        for name, part in result.parts.items():
            self.sums[f"loss/{name}"] += float(part)
        for name, number in result.supervised.items():
            self.sums[f"supervised/{name}"] += number
        for name, counts in [*((f"level{i}", c) for i, c in enumerate(result.levels)), ("members", result.members)]:
            for key in ("correct", "accepted", "positives"):
                self.sums[f"count/{name}/{key}"] += getattr(counts, key)

    def include(self, other: Mapping[str, float]) -> None:
        """Add the sums of another process."""
        for key, value in other.items():
            self.sums[key] += value

    def means(self) -> dict[str, float]:
        """Return means of losses, and precision and recall of decisions."""
        iterations = max(self.sums["iterations"], 1.0)
        values = {
            key: value / iterations
            for key, value in self.sums.items()
            if not key.startswith("count/") and key != "iterations"
        }
        names = dict.fromkeys(key.split("/")[1] for key in self.sums if key.startswith("count/"))
        for name in names:
            counts = Counts(*(int(self.sums[f"count/{name}/{key}"]) for key in ("correct", "accepted", "positives")))
            values[f"precision/{name}"], values[f"recall/{name}"] = counts.precision, counts.recall
        return values

    def clear(self) -> None:
        """Start again."""
        self.sums.clear()


class MetricsLog:
    """Writes ``metrics.jsonl`` and, where it is installed, TensorBoard events.

    Args:
        folder: of the run.
        iteration: rows after it stem from a run that was cut off later than the checkpoint now resumed; they are
            removed.
        tensorboard: whether to write events.
    """

    def __init__(self, folder: Path, iteration: int, tensorboard: bool) -> None:
        self._path = folder / "metrics.jsonl"
        kept: list[str] = []
        if self._path.is_file():
            rows = self._path.read_text(encoding="utf-8").splitlines()
            kept = [row for row in rows if _iteration(row) <= iteration]
        with atomic_path(self._path) as staged:
            staged.write_text("".join(f"{row}\n" for row in kept), encoding="utf-8")
        self._file = self._path.open("a", encoding="utf-8")
        self._events = _event_writer(folder / "tensorboard", iteration) if tensorboard else None

    def write(self, kind: str, iteration: int, values: Mapping[str, float]) -> None:
        """Write one row.

        Args:
            kind: train, or validation and the name of a set.
            iteration: finished steps.
            values: numbers.
        """
        self._file.write(json.dumps({"kind": kind, "iteration": iteration, **values}) + "\n")
        self._file.flush()
        if self._events is not None:
            for key, value in values.items():
                self._events.add_scalar(f"{kind}/{key}", value, iteration)

    def close(self) -> None:
        """Flush and close."""
        self._file.close()
        if self._events is not None:
            self._events.close()


def _iteration(row: str) -> float:
    try:
        return float(json.loads(row)["iteration"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line cut in half by a kill


def _event_writer(folder: Path, iteration: int) -> Any:  # noqa: ANN401 - a type of an optional package
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning("TensorBoard is not installed, so no events are written; pip install 'sushi-lg[train]'")
        return None
    return SummaryWriter(str(folder), purge_step=iteration + 1)
