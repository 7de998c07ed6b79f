"""A finished run once more, with everything its levels saw: what reports and the microscope look at.

Tracking is quick and its result does not depend on the machine's load, so graphs are not stored; the settings are, and
the same settings give the same trajectories. Where they do not (other code, other files), the replay says so.

Shapes: N detections that take part, R result boxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.data.files import visible_files
from sushi_lg.data.models import file_sha256
from sushi_lg.data.mot_format import OnBadRow
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.data.splits import load_split
from sushi_lg.data.trajectory_io import TrajectoryTable, read_trajectories
from sushi_lg.errors import ConfigError, DataError, WeightsError
from sushi_lg.evaluation.labelled import LabelledSequence, load_labelled
from sushi_lg.evaluation.links import LevelQuality, Links, final_links, level_quality
from sushi_lg.evaluation.results import named_sequences
from sushi_lg.host import one_thread
from sushi_lg.inspection.stored import CONFIG, run_settings
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import Level, LevelResult
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import from_json, load_tracker, weights_path


@dataclass(frozen=True)
class Run:
    """A folder that ``sushi-lg track`` has written.

    Attributes:
        folder: of the run.
        settings: its ``config.yaml``.
        sequences: what was tracked, by name: those with results.
    """

    folder: Path
    settings: Mapping[str, Any]
    sequences: Mapping[str, Sequence]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sequences, in the order of tracking."""
        return tuple(self.sequences)

    @property
    def is_published_recipe(self) -> bool:
        """Whether it is a run of ``sushi`` or ``lgmot``, which cannot be replayed."""
        return bool(self.settings.get("is_published", False)) or "window" in (self.settings.get("settings") or {})

    def sequence(self, name: str) -> Sequence:
        """Return a sequence of the run.

        Raises:
            DataError: no such sequence.
        """
        if name not in self.sequences:
            raise DataError(f"{self.folder}: no sequence {name!r}", f"there are {', '.join(self.names)}")
        return self.sequences[name]

    def table(self, name: str) -> TrajectoryTable:
        """Return the trajectories as they are stored.

        Raises:
            DataError: see ``read_trajectories``.
        """
        return read_trajectories(self.folder / "tracks" / f"{self.sequence(name).name}.parquet")

    @cached_property
    def tracker(self) -> HierarchicalTracker:
        """The tracker of the run.

        Raises:
            ConfigError: the run is of a published recipe, or its settings are those of another version.
            WeightsError: its weights are not there any more, or are others.
        """
        if self.is_published_recipe:
            raise ConfigError(
                f"{self.folder}: recipe {self.settings.get('recipe')} cannot be replayed", "track with --recipe default"
            )
        weights = str(self.settings.get("weights", "default"))
        path = weights_path(weights)
        stated = self.settings.get("weights_sha256")
        if stated is not None and file_sha256(path) != stated:
            raise WeightsError(
                f"{path}: not the weights that {self.folder} was tracked with (sha256 {str(stated)[:12]}…)",
                "track again, or put those weights back",
            )
        try:
            stated_settings = self.settings.get("settings")
            config = from_json(TrackerConfig, stated_settings) if stated_settings else None
        except ValueError as error:
            raise ConfigError(f"{self.folder / 'config.yaml'}: settings: {error}", "track again") from error
        return load_tracker(path, config)


@dataclass(frozen=True)
class Replay:
    """One sequence of a run, with everything its levels saw.

    Attributes:
        sequence: which.
        tracker: that did it.
        labelled: the detections, and what the ground truth says about them.
        levels: parts of every level, lowest first.
        results: what every level saw and decided; its graphs are labelled where there is ground truth.
        membership: (N,) float32 probability that a detection, as a member of its trajectory, is a true object.
        table: the trajectories as they came out now.
        stored: the trajectories as they were written.
    """

    sequence: Sequence
    tracker: HierarchicalTracker
    labelled: LabelledSequence
    levels: tuple[Level, ...]
    results: tuple[LevelResult, ...]
    membership: Tensor
    table: TrajectoryTable
    stored: TrajectoryTable

    @property
    def detections(self) -> Detections:
        """N detections that take part."""
        return self.labelled.detections

    @property
    def rows(self) -> NDArray[np.int64]:
        """(N,) their numbers as ``TrajectoryTable.detection_index`` counts them."""
        return self.labelled.rows.numpy()

    @property
    def has_truth(self) -> bool:
        """Whether there is ground truth."""
        return self.labelled.truth is not None

    @cached_property
    def is_same(self) -> bool:
        """Whether the stored trajectories came out again, ids included."""
        now, then = (np.lexsort((table.track_id, table.frame)) for table in (self.table, self.stored))
        names = ("frame", "track_id", "detection_index")
        return (
            len(self.table) == len(self.stored)
            and all(np.array_equal(getattr(self.table, name)[now], getattr(self.stored, name)[then]) for name in names)
            and np.allclose(self.table.boxes_ltwh[now], self.stored.boxes_ltwh[then], atol=0.01)
        )

    @cached_property
    def links(self) -> Links:
        """Links of the trajectories of the last level."""
        return final_links(self.results, self.detections)

    def quality(self) -> list[LevelQuality] | None:
        """Return how well each level decided; None without ground truth."""
        if not self.has_truth:
            return None
        return level_quality(self.results, self.detections, self.tracker.config.levels)


def open_run(folder: str | Path, data: str | Path | None = None) -> Run:
    """Open a run.

    Args:
        folder: that ``sushi-lg track`` has written.
        data: folder of the data sets, where it is not the one the run was made with.

    Raises:
        DataError: no run, no results in it, or its sequences are not there.
    """
    folder = Path(folder)
    path, settings = folder / CONFIG, run_settings(folder)
    stored = {file.stem for file in visible_files(folder / "tracks", "*.parquet")}
    found = {s.name: s for s in _sequences(path, settings, data) if s.name in stored}
    if not found:
        raise DataError(f"{folder / 'tracks'}: no results", "run `sushi-lg track` first")
    return Run(folder, settings, found)


@torch.inference_mode()
def replay(run: Run, name: str) -> Replay:
    """Track a sequence of a run again, on the CPU, and keep what its levels saw.

    Raises:
        DataError: from reading; no detections take part.
        ConfigError: see ``Run.tracker``.
        WeightsError: likewise.
    """
    tracker, sequence = run.tracker, run.sequence(name)
    labelled = load_labelled_run(run, name, need_truth=False)
    if len(labelled.detections) == 0:
        raise DataError(f"{sequence.info.root}: no detections take part", "there is nothing to look at")
    seen, levels, results = labelled.detections, [], []
    with one_thread():
        overlaps = tracker.overlaps(seen)
        for level, result in tracker.steps(seen, with_labels=sequence.has_ground_truth, overlaps=overlaps):
            levels.append(level)
            results.append(result)
        membership = tracker.verify(seen, results[-1], overlaps[0]).sigmoid()
        conventions = sequence.info.layout.conventions
        table = tracker.write_up(labelled.given, seen, labelled.rows, results[-1], conventions, overlaps[0])
    return Replay(sequence, tracker, labelled, tuple(levels), tuple(results), membership, table, run.table(name))


def load_labelled_run(run: Run, name: str, *, need_truth: bool, scored_as: str | None = None) -> LabelledSequence:
    """Read a sequence as the run did; ``scored_as`` gives it another name in scores.

    Raises:
        DataError: from reading; no ground truth although it is needed.
        ConfigError: see ``Run.tracker``.
        WeightsError: likewise.
    """
    on_bad_row: OnBadRow = "skip" if run.settings.get("on_bad_row") == "skip" else "error"
    return load_labelled(
        run.sequence(name),
        run.tracker,
        run.settings.get("detections"),
        galleries=_galleries(run, name),
        use_camera=run.settings.get("camera", "auto") == "auto",
        on_bad_row=on_bad_row,
        need_truth=need_truth,
        name=scored_as,
    )


def _sequences(path: Path, settings: Mapping[str, Any], data: str | Path | None) -> list[Sequence]:
    root = data or settings.get("data")
    if settings.get("split"):
        if root is None:
            raise DataError(f"{path}: names no data folder", "give it with --data")
        return load_split(_split(path, str(settings["split"]), Path(root)), root, missing="skip")
    places = [Path(str(entry)) for entry in settings.get("sequences") or []]
    if not places:
        raise DataError(f"{path}: names no sequences", "track again")
    if data is not None:
        return named_sequences(map(str, places), Path(data))
    here = [place if place.is_dir() else path.parent / place.name for place in places]  # runs on videos hold their own
    gone = [place for place, now in zip(places, here, strict=True) if not now.is_dir()]
    if gone:
        raise DataError(f"{gone[0]}: no such folder, but {path} says it was tracked", "pass --data FOLDER if it moved")
    return [open_sequence(place) for place in here]


def _split(path: Path, stated: str, root: Path) -> str:
    """Return a split as ``read_split`` takes it; a file that was moved with the data is found there."""
    if not stated.endswith(".txt") or Path(stated).is_file():
        return stated
    for folder in (root, root.parent):
        if (folder / Path(stated).name).is_file():
            return str(folder / Path(stated).name)
    raise DataError(
        f"{stated}: no such split file, but {path} names it",
        f"put it into the folder that you give with --data ({root})",
    )


def _galleries(run: Run, name: str) -> Path | None:
    """Return the folder of the appearance vectors the run was made with, or None for boxes only."""
    if name not in (run.settings.get("appearance") or {}):
        return None
    stated = run.settings.get("galleries")
    if stated is None:
        raise DataError(f"{run.folder / 'config.yaml'}: does not say where the appearance vectors are", "track again")
    # a run on videos that was moved has them inside
    folder = next(
        (f for f in (Path(str(stated)), run.folder / "appearance" / Path(str(stated)).name) if f.is_dir()), None
    )
    if folder is None:
        path = run.folder / "config.yaml"
        raise DataError(
            f"{stated}: no such folder, but {path} says that the appearance vectors are there",
            f"put it back, or write where it is into {path} as `galleries: FOLDER`",
        )
    return folder
