"""The pieces of a study on disk: which are there, what they were made from, and how one is made.

    OUT/runs/<arm>/<learned>/seed<k>/       run.json, then what ``sushi-lg train`` writes, and log.txt
    OUT/scores/<arm>/<learned>-seed<k>/<tested>.json

A training takes long, so one that was made from something else (other settings, other files) is never thrown away: it
is refused, with what has changed. Scores take seconds: those of other weights or other test files are made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sushi_lg.data.files import atomic_path
from sushi_lg.data.models import file_sha256
from sushi_lg.data.sequence import Sequence
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.evaluation.mot import evaluate_in_memory
from sushi_lg.language.descriptions import descriptions_path
from sushi_lg.study.plan import Run, Study
from sushi_lg.study.scores import Scores, metrics, read_scores, sums_of, write_scores
from sushi_lg.tracking.weights import check_gallery, load_tracker, weights_path
from sushi_lg.training.checkpoint import flatten, latest_checkpoint
from sushi_lg.training.parallel import join_world
from sushi_lg.training.settings import SetConfig, SourceConfig
from sushi_lg.training.sources import open_set
from sushi_lg.training.trainer import Reporter, Trainer

logger = logging.getLogger(__name__)

# Settings that decide what is refused or where files are, not what is learned. Fewer than those that a training may
# change when it goes on: a digest of all others stands in stored scores, and must stay what it is.
_FREE = ("data", "validation", "held_out")
_SHOWN_CHANGES = 5

Contents = dict[str, dict[str, str]]  # SHA-256 of every file of a sequence, by what it is, by sequence


@dataclass(frozen=True)
class Piece:
    """A run and what is there of it.

    Attributes:
        run: the training.
        made_from: what it is to be made from.
        refusal: why what is there cannot be used; None where it can.
        iterations: finished steps that were saved.
        is_trained: whether its weights are there.
        missing: domains whose scores have to be made.
        tests: contents of the test sets, by domain.
    """

    run: Run
    made_from: dict[str, Any]
    refusal: str | None
    iterations: int
    is_trained: bool
    missing: list[str]
    tests: Mapping[str, Contents]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.is_trained and not self.missing and self.refusal is None


@dataclass(frozen=True)
class Task:
    """What a worker needs to finish a run.

    Attributes:
        study: the study; its runs are left out.
        piece: what is there.
    """

    study: Study
    piece: Piece


class Stopped(Exception):
    """A training was asked to stop, and has saved what it had.

    Args:
        iteration: finished steps.
        signal: number of the signal.
    """

    def __init__(self, iteration: int, signal: int) -> None:
        self.iteration = iteration
        self.signal = signal
        super().__init__(f"stopped after {iteration} iterations")


def look(study: Study) -> list[Piece]:
    """Return what is there of every run.

    Raises:
        ConfigError: an unknown name in include or exclude.
        DataError: absent files; ground truth is one of them.
    """
    known: dict[str, Contents] = {}

    def contents(config: SetConfig, where: str) -> Contents:
        key = repr(config)
        if key not in known:  # seeds share their sources, arms their tests
            known[key] = set_contents(config, study.data, where)
        return known[key]

    pieces = []
    for run in study.runs:
        learned: Contents = {}
        for number, source in enumerate(run.config.sources):
            found = contents(source, f"domains.{run.train}.train.{number}")
            learned |= {f"{number}/{name}": files for name, files in found.items()}
        tests = {name: contents(study.test_of(run, name), f"domains.{name}.test") for name in study.tests}
        pieces.append(_look_at(study, run, learned, tests))
    return pieces


def set_contents(config: SetConfig, data: str, where: str) -> Contents:
    """Return digests of the files of every sequence of a set.

    Args:
        config: the set.
        data: folder of the data sets.
        where: its key in the settings.

    Raises:
        ConfigError: an unknown name in include or exclude.
        DataError: absent files; ground truth is one of them.
    """
    return {
        each.name: {kind: file_sha256(path) for kind, path in _files(each, config, where).items()}
        for each in open_set(config, data, where)
    }


def run_settings(run: Run) -> dict[str, Any]:
    """Return the settings that decide what a run learns."""
    return {key: value for key, value in asdict(run.config).items() if key not in _FREE}


def training_key(run: Run) -> str:
    """Return a digest of what ``run_settings`` says, which scores keep."""
    return hashlib.sha256(json.dumps(run_settings(run), sort_keys=True).encode()).hexdigest()


def refuse_changed(pieces: Iterable[Piece]) -> None:
    """Stop where a training that is there was made from something else.

    Raises:
        ConfigError: the first such run, with what has changed.
    """
    refused = [piece for piece in pieces if piece.refusal is not None]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise ConfigError(
            f"{refused[0].run.name}: {refused[0].refusal}{more}", "set it back, choose another --out, or remove the run"
        )


def finish(task: Task, reporter: Reporter, scored: Callable[[str, float], None]) -> None:
    """Train a run, or go on with it, then score it in every domain that is missing.

    Args:
        task: which run.
        reporter: told about the training.
        scored: told the domain and its combined HOTA.

    Raises:
        Stopped: a signal came during the training.
        SushiError: from training or reading.
    """
    study, run = task.study, task.piece.run
    folder = study.folder(run)
    weights = folder / "weights.safetensors"
    if not task.piece.is_trained:
        with atomic_path(folder / "run.json") as staged:
            staged.write_text(json.dumps(task.piece.made_from, indent=1) + "\n", encoding="utf-8")
        resume = latest_checkpoint(folder / "checkpoints") is not None
        outcome = Trainer(run.config, folder, join_world(run.config.device), reporter, resume).run()
        if outcome.signal is not None:
            raise Stopped(outcome.iteration, outcome.signal)
    for test in task.piece.missing:
        config = study.test_of(run, test)
        made_from = _scores_made_from(run, weights, config, task.piece.tests[test])
        scores = score(weights, config, study.data, run.config.device, made_from)
        write_scores(study.score_path(run, test), scores)
        scored(test, _hota(scores))


def score(weights: Path, test: SetConfig, data: str, device: str, made_from: Mapping[str, Any]) -> Scores:
    """Track the sequences of a test set as ``sushi-lg track`` does and score them.

    Args:
        weights: of the training.
        test: which sequences, their detections, and the galleries that go with these.
        data: folder of the data sets.
        device: auto, cpu or cuda.
        made_from: kept with the scores.

    Raises:
        SushiError: from reading.
    """
    chosen = join_world(device).device
    tracker = load_tracker(weights).to(chosen)
    results = []
    for sequence in open_set(test, data, "test"):
        layout = sequence.info.layout
        if test.appearance is not None:
            check_gallery(tracker.config.appearance, test.appearance, sequence.name)
        detections = sequence.load_detections(test.detections, test.min_score, galleries=test.appearance)
        table = tracker.track(detections.to(chosen), layout.conventions)
        truth = sequence.load_ground_truth()
        results.append(
            evaluate_in_memory(
                truth, layout, table.frame, table.track_id, table.boxes_ltwh, sequence.length, name=sequence.name
            )
        )
    return Scores(tuple(each.name for each in results), sums_of(results), made_from)


def _look_at(study: Study, run: Run, learned: Contents, tests: Mapping[str, Contents]) -> Piece:
    folder = study.folder(run)
    made_from: dict[str, Any] = {"settings": run_settings(run), "contents": learned}
    if run.config.initial is not None:
        made_from["contents"] = {**learned, "initial": {"weights": file_sha256(weights_path(run.config.initial))}}
    made_from = json.loads(json.dumps(made_from))  # as it will be read back
    weights = folder / "weights.safetensors"
    manifest = latest_checkpoint(folder / "checkpoints")
    iterations = 0 if manifest is None else int(manifest.stem.removeprefix("step_"))
    refusal = None
    if weights.is_file() or manifest is not None:
        refusal = _refusal(folder / "run.json", made_from)
    if not weights.is_file():
        return Piece(run, made_from, refusal, iterations, False, list(study.tests), tests)
    missing = [
        name
        for name, found in tests.items()
        if not _is_current(
            study.score_path(run, name), _scores_made_from(run, weights, study.test_of(run, name), found)
        )
    ]
    return Piece(run, made_from, refusal, iterations, True, missing, tests)


def _refusal(path: Path, now: Mapping[str, Any]) -> str | None:
    """Return what has changed since ``path`` was written; None where nothing has."""
    try:
        then = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{path.parent} holds a training, and no readable {path.name} says what it was made from"
    old, new = flatten(then), flatten(now)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if not changed:
        return None
    parts = [_change(key, old.get(key), new.get(key)) for key in changed[:_SHOWN_CHANGES]]
    more = f", and {len(changed) - _SHOWN_CHANGES} more" if len(changed) > _SHOWN_CHANGES else ""
    return f"{path.parent} was made from something else: {', '.join(parts)}{more}"


def _change(key: str, old: object, new: object) -> str:
    group, _, name = key.partition(".")
    if group == "contents":
        sequence, _, kind = name.rpartition(".")
        return f"{kind} of {sequence} {'came' if old is None else 'went' if new is None else 'changed'}"
    return f"{name} was {old!r}, is {new!r}"


def _is_current(path: Path, made_from: Mapping[str, Any]) -> bool:
    if not path.is_file():
        return False
    try:
        there = dict(read_scores(path).made_from)
    except DataError as error:
        logger.warning("%s; made again", error.message)
        return False
    return bool(there == json.loads(json.dumps(made_from)))  # both as JSON has them


def _scores_made_from(run: Run, weights: Path, test: SetConfig, contents: Contents) -> dict[str, Any]:
    return {
        "training": training_key(run),
        "weights_sha256": file_sha256(weights),
        "test": asdict(test),
        "contents": contents,
    }


def _files(sequence: Sequence, config: SetConfig, where: str) -> dict[str, Path]:
    """Return all files of a sequence that a result depends on, by a name that tells their kind."""
    if not sequence.has_ground_truth:
        raise DataError(
            f"{sequence.ground_truth_path}: absent or empty", f"a study needs it; leave it out by {where}.exclude"
        )
    root = sequence.info.root
    files = {"truth": sequence.ground_truth_path}
    known = {"description": root / "seqinfo.ini", "camera": root / "gmc.txt"}
    files |= {kind: path for kind, path in known.items() if path.is_file()}
    learned = config if isinstance(config, SourceConfig) else None
    if learned is None or not learned.imagined:
        files["detections"] = sequence.detections_path(config.detections)
    if config.appearance is not None:  # its manifest tells what the vectors were made from
        files["appearance"] = Path(config.appearance) / f"{sequence.name}.json"
    if learned is not None and learned.descriptions is not None:
        files["words"] = descriptions_path(learned.descriptions, sequence.name)
    absent = [path for path in files.values() if not path.is_file()]
    if absent:
        raise DataError(f"{absent[0]}: no such file", f"make it, or {where}.exclude={sequence.name}")
    return files


def _hota(scores: Scores) -> float:
    return float(metrics(scores.sums.sum(axis=0))["HOTA"])
