"""HOTA, CLEAR and Identity of trajectories against ground truth, computed by TrackEval.

In: boxes of a tracker and the ground truth of a sequence (or a view of one). Out: TrackEval's own numbers per sequence
and over all of them. TrackEval's classes are fed from memory, so that renumbered halves need no copied files, result
names do not matter, and training can call this often.

What a ground-truth row means is read from the data set's ``Layout`` and told to TrackEval in its own vocabulary:
scored classes become 'pedestrian', distractors 'distractor', all others a class that is neither. TrackEval then applies
the distractor rule: result boxes matched to a distractor at IoU 0.5 count neither for nor against the tracker.

Shapes: R boxes of a tracker, T frames.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from trackeval.datasets import MotChallenge2DBox
from trackeval.metrics import CLEAR, HOTA, Count, Identity

from sushi_lg.data.layouts import Layout
from sushi_lg.data.mot_format import MotTable, read_table
from sushi_lg.data.sequence import Sequence
from sushi_lg.errors import DataError

COMBINED = "COMBINED"
# heading of the table: TrackEval's name
TABLE_COLUMNS: dict[str, str] = {
    "HOTA": "HOTA",
    "DetA": "DetA",
    "AssA": "AssA",
    "LocA": "LocA",
    "MOTA": "MOTA",
    "IDF1": "IDF1",
    "IDR": "IDR",
    "IDP": "IDP",
    "IDSW": "IDSW",
    "FP": "CLR_FP",
    "FN": "CLR_FN",
    "Frag": "Frag",
    "MT": "MT",
    "ML": "ML",
    "IDs": "IDs",
    "GT_IDs": "GT_IDs",
}
_PEDESTRIAN, _DISTRACTOR, _OTHER = 1, 8, 3  # TrackEval's numbers of 'pedestrian', 'distractor', 'car'
# counts with a fraction; every other number that is not a whole one is a share
_NOT_PERCENT = frozenset({"FP_per_frame", "MOTP_sum"})


@dataclass(frozen=True)
class SequenceScores:
    """Metrics of one sequence, or of several combined.

    Attributes:
        name: Sequence, or ``COMBINED``.
        raw: TrackEval's results by metric family; fractions, and arrays over the 19 thresholds of HOTA.
        ignored_truth: Ground-truth rows that are not scored (flag 0 or another class).
        removed_results: Result boxes that the distractor rule took out before scoring.
    """

    name: str
    raw: Mapping[str, Mapping[str, Any]]
    ignored_truth: int = 0
    removed_results: int = 0

    def values(self) -> dict[str, float | int]:
        """Return all numbers by TrackEval's names: shares in percent, HOTA's averaged over thresholds, and counts."""
        flat: dict[str, float | int] = {}
        for family, metric in _metrics().items():
            for key, value in self.raw[family].items():
                if key in getattr(metric, "integer_array_fields", ()):
                    continue  # matches at each threshold, which have no meaningful average
                if key in metric.integer_fields or key == "Frames":
                    flat[key] = int(value)
                else:
                    flat[key] = float(np.mean(value)) * (1.0 if key in _NOT_PERCENT else 100.0)
        flat["ignored_truth"] = self.ignored_truth
        flat["removed_results"] = self.removed_results
        return flat

    @property
    def hota(self) -> float:
        """HOTA in percent."""
        return 100.0 * float(np.mean(self.raw["HOTA"]["HOTA"]))


@dataclass(frozen=True)
class Prepared:
    """What is scored of a sequence, after TrackEval's rules.

    Attributes:
        data: TrackEval's own dictionary, the input of its metrics: ids, boxes and similarities by frame.
        truth_rows: T arrays, the rows of the ground truth that its ``gt_ids`` of each frame came from.
        result_rows: T arrays, the same of ``tracker_ids``.
        ignored_truth: Rows of the ground truth that are not scored.
        removed_results: Boxes of the tracker that are not scored.
    """

    data: dict[str, Any]
    truth_rows: list[NDArray[np.int64]]
    result_rows: list[NDArray[np.int64]]
    ignored_truth: int
    removed_results: int


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of a set of sequences.

    Attributes:
        sequences: One entry a scored sequence, in the order given.
        combined: Over all of them; None where nothing was scored.
        without_ground_truth: Sequences that cannot be scored; their result files were read and are well formed.
        notes: What a reader of the numbers must know, such as absent sequences.
    """

    sequences: list[SequenceScores]
    combined: SequenceScores | None
    without_ground_truth: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self) -> list[dict[str, str]]:
        """Return one row a sequence and a last one of all, as text: percentages with three decimals, counts whole."""
        scores = [*self.sequences, *([self.combined] if self.combined else [])]
        rows: list[dict[str, str]] = []
        for score in scores:
            values = score.values()
            cells = {title: _text(values[key]) for title, key in TABLE_COLUMNS.items()}
            rows.append({"sequence": score.name, **cells})
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values: all numbers by TrackEval's names, percentages in full precision."""
        return {
            "combined": self.combined.values() if self.combined else None,
            "sequences": {score.name: score.values() for score in self.sequences},
            "without_ground_truth": self.without_ground_truth,
            "notes": self.notes,
        }


def evaluate_in_memory(
    truth: MotTable,
    layout: Layout,
    frame: ArrayLike,
    track_id: ArrayLike,
    boxes_ltwh: ArrayLike,
    num_frames: int,
    *,
    name: str = "sequence",
) -> SequenceScores:
    """Score trajectories that are in memory, in the conventions of the package.

    Args:
        truth: All rows of the ground truth, frames 1 .. num_frames, boxes as in the file (1-based).
        layout: What the rows of ``truth`` mean.
        frame: (R,) integers, 0-based.
        track_id: (R,) integers, any numbers, each at most once in a frame.
        boxes_ltwh: (R, 4) left, top (0-based), width, height.
        num_frames: T.
        name: Shown in messages and in the result.

    Raises:
        DataError: an id twice in a frame, or a frame outside the sequence.
    """
    columns = as_in_files(frame, track_id, boxes_ltwh, num_frames, name=name)
    return _score(name, prepare(name, truth, layout, *columns, num_frames))


def evaluate_sequences(pairs: Iterable[tuple[Sequence, str | Path]]) -> EvaluationResult:
    """Score result files.

    Args:
        pairs: A sequence (or a view of one, with results numbered as in the view) and its result file in MOT format.

    Returns:
        Scores per sequence and combined. Sequences without ground truth are listed, never an error.

    Raises:
        DataError: a malformed row by ``file:line``; the same id twice in a frame is one.
    """
    scores: list[SequenceScores] = []
    without: list[str] = []
    for sequence, path in pairs:
        table = read_table(path, "results", sequence_length=sequence.info.length)
        beyond = np.flatnonzero(table.frame > sequence.length)
        if len(beyond):
            raise DataError(
                f"{path}:{table.line[beyond[0]]}: frame {table.frame[beyond[0]]}, but the view has {sequence.length} "
                f"frames (from frame {sequence.first} of the video)",
                "results of a part of a video are numbered from 1; track the split that is evaluated",
            )
        if not sequence.has_ground_truth:
            without.append(sequence.name)
            continue
        truth = sequence.load_ground_truth()
        columns = (table.frame, table.track_id, table.boxes_ltwh)
        prepared = prepare(sequence.name, truth, sequence.info.layout, *columns, sequence.length)
        scores.append(_score(sequence.name, prepared))
    return combine(scores, without_ground_truth=without)


def combine(
    scores: list[SequenceScores],
    *,
    without_ground_truth: list[str] | None = None,
    notes: list[str] | None = None,
) -> EvaluationResult:
    """Combine sequences as TrackEval does: sums of counts, averages weighted by detections; not a mean of sequences."""
    combined = None
    if scores:
        raw = {
            family: metric.combine_sequences({str(i): s.raw[family] for i, s in enumerate(scores)})
            for family, metric in _metrics().items()
        }
        ignored, removed = (sum(getattr(s, key) for s in scores) for key in ("ignored_truth", "removed_results"))
        combined = SequenceScores(COMBINED, raw, ignored, removed)
    return EvaluationResult(scores, combined, without_ground_truth or [], notes or [])


# ----------------------------------------------------------------------------------------------------- TrackEval


class _InMemory(MotChallenge2DBox):  # type: ignore[misc]  # TrackEval has no types
    """TrackEval's MOTChallenge rules over columns instead of files."""

    def __init__(self) -> None:
        # The constructor insists on a ground-truth file although nothing is read from it here.
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "gt.txt").touch()
            super().__init__(
                {
                    "GT_FOLDER": folder,
                    "TRACKERS_FOLDER": folder,
                    "TRACKERS_TO_EVAL": [],
                    "SEQ_INFO": {"sequence": 1},
                    "GT_LOC_FORMAT": "{gt_folder}/gt.txt",
                    "SKIP_SPLIT_FOL": True,
                    "PRINT_CONFIG": False,
                }
            )
        self.columns: dict[bool, dict[str, list[NDArray[Any]]]] = {}

    def _load_raw_file(self, tracker: str, seq: str, is_gt: bool) -> dict[str, Any]:
        columns: dict[str, Any] = dict(self.columns[is_gt])
        return {**columns, "num_timesteps": len(next(iter(columns.values()))), "seq": seq}


@cache
def _dataset() -> _InMemory:
    return _InMemory()


@cache
def _metrics() -> dict[str, Any]:
    quiet = {"PRINT_CONFIG": False}
    return {"HOTA": HOTA(), "CLEAR": CLEAR(dict(quiet)), "Identity": Identity(dict(quiet)), "Count": Count()}


def prepare(
    name: str,
    truth: MotTable,
    layout: Layout,
    frame: NDArray[np.int64],
    track_id: NDArray[np.int64],
    boxes_ltwh: NDArray[np.float64],
    num_frames: int,
) -> Prepared:
    """Apply TrackEval's rules about what counts, before any metric.

    Args:
        name: Shown in messages.
        truth: All rows of the ground truth.
        layout: What its rows mean.
        frame: (R,) int64, 1-based as in files.
        track_id: (R,) int64, each at most once in a frame.
        boxes_ltwh: (R, 4) float64, 1-based as in files.
        num_frames: T.
    """
    scored = layout.scored_rows(truth)
    category = np.full(len(truth), _OTHER)
    category[np.isin(truth.category, layout.distractor_classes)] = _DISTRACTOR
    is_pedestrian = np.ones(len(truth), dtype=bool)
    if layout.scored_classes is not None:
        is_pedestrian = np.isin(truth.category, layout.scored_classes) | (truth.category == -1)
    category[is_pedestrian] = _PEDESTRIAN
    dataset = _dataset()
    gt_flags = _by_frame(truth.frame, (truth.confidence != 0).astype(np.int64), num_frames)
    columns: dict[bool, dict[str, list[Any]]] = {
        True: {
            "gt_ids": _by_frame(truth.frame, _dense(truth.track_id), num_frames),
            "gt_dets": _by_frame(truth.frame, truth.boxes_ltwh, num_frames),
            "gt_classes": _by_frame(truth.frame, category, num_frames),
            "gt_extras": [{"zero_marked": flags} for flags in gt_flags],
        },
        False: {
            "tracker_ids": _by_frame(frame, _dense(track_id), num_frames),
            "tracker_dets": _by_frame(frame, boxes_ltwh, num_frames),
            "tracker_classes": _by_frame(frame, np.full(len(frame), _PEDESTRIAN), num_frames),
            # no metric here reads confidences; as row numbers they tell which rows were kept
            "tracker_confidences": _by_frame(frame, np.arange(len(frame)), num_frames),
        },
    }
    dataset.columns = columns
    try:
        data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("tracker", name), "pedestrian")
    finally:
        dataset.columns = {}
    rows = np.arange(len(truth))[scored]
    return Prepared(
        data,
        _by_frame(truth.frame[scored], rows, num_frames),
        data["tracker_confidences"],
        ignored_truth=len(truth) - len(rows),
        removed_results=len(frame) - int(data["num_tracker_dets"]),
    )


def _score(name: str, prepared: Prepared) -> SequenceScores:
    raw = {family: metric.eval_sequence(prepared.data) for family, metric in _metrics().items()}
    return SequenceScores(name, raw, ignored_truth=prepared.ignored_truth, removed_results=prepared.removed_results)


def as_in_files(
    frame: ArrayLike, track_id: ArrayLike, boxes_ltwh: ArrayLike, num_frames: int, *, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return frames, ids and boxes of R rows in memory as files have them, frames and pixels counted from 1.

    Args:
        frame: (R,) integers, 0-based.
        track_id: (R,) integers.
        boxes_ltwh: (R, 4) left, top (0-based), width, height.
        num_frames: T.
        name: Shown in messages.

    Raises:
        DataError: an id twice in a frame, or a frame outside the sequence; names the first such row.
    """
    boxes = np.asarray(boxes_ltwh, dtype=np.float64).reshape(-1, 4) + np.array([1.0, 1.0, 0.0, 0.0])
    frames = np.asarray(frame, dtype=np.int64).reshape(-1) + 1
    ids = np.asarray(track_id, dtype=np.int64).reshape(-1)
    if len(frames) and (frames.min() < 1 or frames.max() > num_frames):
        bad = int(frames[(frames < 1) | (frames > num_frames)][0])
        raise DataError(f"{name}: result in frame {bad} of {num_frames}", "number frames as in the sequence or view")
    order = np.lexsort((ids, frames))
    twice = np.flatnonzero((np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0))
    if len(twice):
        at = order[twice[0]]
        raise DataError(f"{name}: frame {frames[at]}: id {ids[at]} occurs twice", "keep one box an id and frame")
    return frames, ids, boxes


def _dense(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber ids from 0; TrackEval allocates a row for every number up to the largest id."""
    return np.unique(ids, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _by_frame(frame: NDArray[np.int64], values: NDArray[Any], num_frames: int) -> list[NDArray[Any]]:
    """Return the rows of ``values`` of each frame 1 .. T, in file order."""
    order = np.argsort(frame, kind="stable")
    bounds = np.searchsorted(frame[order], np.arange(2, num_frames + 1))
    return np.split(values[order], bounds)


def _text(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
