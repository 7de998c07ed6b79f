"""The training of the default recipe: one loop, whose whole state fits in a checkpoint.

A run folder holds ``config.yaml`` (written by the command), ``metrics.jsonl``, ``checkpoints/`` and at the end
``weights.safetensors``. With the schedule driven by iterations, a run that was interrupted and resumed ends with the
same bytes as one that was not (on the CPU with the same number of threads; on CUDA sums over edges come in no fixed
order). ``max_minutes`` gives that up for a promise about time.
"""

from __future__ import annotations

import copy
import logging
import math
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from sushi_lg.errors import ConfigError, DataError, SushiError, WeightsError
from sushi_lg.nn.guidance import KL_WIDTH, Guidance
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, load_state, read_weights, refuse_other_network, weights_path
from sushi_lg.training.checkpoint import (
    Checkpoint,
    code_revision,
    export_weights,
    flatten,
    latest_checkpoint,
    load_checkpoint,
    pack_optimizer,
    random_states,
    restore_random_states,
    save_checkpoint,
    unpack_optimizer,
)
from sushi_lg.training.lessons import LanguageGuide, Lessons, load_lessons
from sushi_lg.training.metrics import Meter, MetricsLog
from sushi_lg.training.objective import fit_feature_statistics, objective
from sushi_lg.training.parallel import World
from sushi_lg.training.sampling import BatchSampler
from sushi_lg.training.settings import TrainConfig
from sushi_lg.training.sources import Source, common_look, load_sources
from sushi_lg.training.validation import load_validation, validate

logger = logging.getLogger(__name__)

_ROWS = 8192  # vectors in full precision at once
_STATISTICS_STREAM = 2**31  # beside the ranks, so that the statistics do not depend on the number of processes
# Settings that may change when a training is resumed: they decide what is written, not what is learned.
_FREE = frozenset(
    {
        "data",
        "validation",
        "held_out",
        "log_every",
        "checkpoint_every",
        "keep_checkpoints",
        "validate_every",
        "tensorboard",
        "licence",
    }
)


class DivergedError(SushiError):
    """The gradient was not finite too many times in a row."""

    exit_code = 6


class Reporter(Protocol):
    """Shows a training to whoever watches it."""

    def progress(self, share: float, iteration: int) -> None:
        """Say how much is done."""

    def line(self, text: str) -> None:
        """Say something worth keeping."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        finished: whether it came to its end; otherwise ``signal`` interrupted it.
        iteration: finished steps.
        checkpoint: manifest of the last checkpoint (of the first process).
        weights: exported weights, where finished.
        scores: of the last validation, by set.
        signal: number of the signal, or None.
    """

    finished: bool
    iteration: int
    checkpoint: Path | None
    weights: Path | None
    scores: dict[str, dict[str, float]]
    signal: int | None = None


class Trainer:
    """One training run.

    Args:
        config: checked settings.
        out: run folder.
        world: the processes.
        reporter: told about progress by the first process.
        resume: go on from the newest checkpoint in ``out``.

    Raises:
        ConfigError: the folder holds a training that is not to be resumed, or one with other settings.
        DataError: from reading data or the checkpoint.
    """

    def __init__(
        self, config: TrainConfig, out: str | Path, world: World, reporter: Reporter, resume: bool = False
    ) -> None:
        self.config = config = copy.deepcopy(config)  # what is learned from data is noted in it
        self.out = Path(out)
        self.world = world
        self.reporter = reporter
        manifest = latest_checkpoint(self._checkpoints)
        if manifest is not None and not resume:
            raise ConfigError(f"{self.out}: holds a training already", "go on with --resume, or choose another --out")
        if manifest is None and resume:
            raise ConfigError(f"{self._checkpoints}: no checkpoint to resume", "start without --resume")
        if config.threads:
            torch.set_num_threads(config.threads)
        sources = load_sources(config.sources, [*config.validation, *config.held_out], config.data)
        self.data_names = [sequence.name for source in sources for sequence in source.sequences]
        _note_look(config.tracker, sources)
        self.validation = load_validation(config.validation, config.data, config.tracker.appearance)
        torch.manual_seed(config.seed)
        random.seed(config.seed)
        self.tracker = HierarchicalTracker(config.tracker)
        if self.tracker.appearance is not None:
            self.tracker.appearance.mean.copy_(_mean_vector(sources))
        self.guide = None
        if config.language.teacher:
            lessons, sources = load_lessons(sources, config.language, config.seed, world.device.type)
            self.guide = LanguageGuide(_guidance(config, lessons), lessons.to(world.device))
        self.learner = _Learner(self.tracker, None if self.guide is None else self.guide.guidance)
        self.sampler = BatchSampler(sources, config.sampling, config.augment, (config.seed, world.rank))
        self.iteration = 0
        self.skipped = self.bad_in_a_row = 0
        self.meter = Meter()
        self._elapsed_before = 0.0
        learned_before: list[str] = []
        if config.initial is not None:
            learned_before = _begin_with(self.tracker, config.initial)
        elif manifest is None:
            measuring = BatchSampler(sources, config.sampling, config.augment, (config.seed, _STATISTICS_STREAM))
            batches = [measuring.sample()]
            while sum(len(batch.detections) for batch in batches) < config.statistics_detections:
                batches.append(measuring.sample())
            fit_feature_statistics(self.tracker, batches)
        # What a model card says: all that the weights have seen, before this training too.
        self.learned_from = [*dict.fromkeys([*learned_before, *self.data_names])]
        self.learner.to(world.device)
        world.spread(self.learner)
        self.average = copy.deepcopy(self.tracker)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.learner, config), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if manifest is not None:
            self._restore(load_checkpoint(manifest), manifest)
        self._started = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """Time spent in training, over all resumptions."""
        return self._elapsed_before + time.monotonic() - self._started

    @property
    def exported(self) -> HierarchicalTracker:
        """The tracker that is validated and shipped."""
        return self.average if self.config.ema_decay else self.tracker

    @property
    def _lessons(self) -> str:
        return "" if self.guide is None else self.guide.lessons.digest()

    @property
    def _checkpoints(self) -> Path:
        return self.out / "checkpoints"

    def run(self) -> Outcome:
        """Train to the end, or until a signal asks to stop; either way the last state is saved.

        Raises:
            DivergedError: gradients are not finite.
        """
        config = self.config
        log = MetricsLog(self.out, self.iteration, config.tensorboard) if self.world.is_first else None
        self._started = time.monotonic()
        scores: dict[str, dict[str, float]] = {}
        validated = saved = -1
        try:
            with _stop_signals() as received:
                while True:
                    progress, stop = self.world.largest([self._progress(), max(received, default=0)])
                    if progress >= 1 or stop:
                        break
                    self.step(progress)
                    self.reporter.progress(self._progress(), self.iteration)
                    if self.iteration % config.log_every == 0:
                        self._log(log)
                    if config.validate_every and self.iteration % config.validate_every == 0:
                        scores, validated = self._validate(log), self.iteration
                    if self.iteration % config.checkpoint_every == 0:
                        self.save()
                        saved = self.iteration
                if saved != self.iteration:
                    self.save()
                manifest = latest_checkpoint(self._checkpoints) if self.world.is_first else None
                if stop:
                    return Outcome(False, self.iteration, manifest, None, scores, int(stop))
                if self.iteration % config.log_every:
                    self._log(log)  # what has come since the last line
                if validated != self.iteration:
                    scores = self._validate(log)
                return Outcome(True, self.iteration, manifest, self._export(), scores)
        finally:
            if log is not None:
                log.close()

    def step(self, progress: float) -> None:
        """Take one optimiser step.

        Args:
            progress: share of the training that is done, which decides the learning rate.

        Raises:
            DivergedError: the gradient was not finite ``max_bad_steps`` times in a row.
        """
        config, world = self.config, self.world
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(config, self.iteration, progress)
        self.tracker.train()
        batch = self.sampler.sample().to(world.device)
        with torch.autocast(world.device.type, torch.bfloat16, enabled=config.amp and world.device.type == "cuda"):
            result = objective(
                self.tracker,
                batch,
                config.loss,
                strictness=float(torch.rand(())) if config.random_strictness else 1.0,
                active_levels=1 + self.iteration // config.level_warm_up if config.level_warm_up else None,
                guide=self.guide,
            )
        self.optimizer.zero_grad(set_to_none=True)
        result.total.backward()
        world.average_gradients(self.learner.parameters())
        norm = float(nn.utils.clip_grad_norm_(self.tracker.parameters(), config.clip_gradient))
        heads = [] if self.learner.guidance is None else list(self.learner.guidance.parameters())
        if heads:  # by themselves: their steep temperatures must not slow the tracker down
            nn.utils.clip_grad_norm_(heads, config.clip_gradient)
        self.iteration += 1
        if not math.isfinite(norm):
            self._skip(norm)
            return
        self.bad_in_a_row = 0
        self.optimizer.step()
        if config.ema_decay:
            self._update_average()
        self.meter.add(result, len(batch.detections), norm)

    def save(self) -> None:
        """Write a checkpoint; every process takes part, the first one writes."""
        self.world.check_equal(self.learner)
        mine = {"sampler": self.sampler.state(), "random": random_states(), "meter": dict(self.meter.sums)}
        ranks = self.world.gather(mine)
        if not self.world.is_first:
            return
        tensors = {f"model:{name}": value for name, value in self.learner.state_dict().items()}
        tensors |= {f"average:{name}": value for name, value in self.average.state_dict().items()}
        packed = pack_optimizer(self.optimizer, self.learner)
        tensors |= {f"optimizer:{name}": value for name, value in packed.items()}
        state = {
            "elapsed_seconds": self.elapsed_seconds,
            "skipped": self.skipped,
            "bad_in_a_row": self.bad_in_a_row,
            "config": asdict(self.config),
            "data": self.data_names,
            "lessons": self._lessons,
            "ranks": ranks,
        }
        save_checkpoint(self._checkpoints, Checkpoint(self.iteration, tensors, state), self.config.keep_checkpoints)

    def _restore(self, checkpoint: Checkpoint, manifest: Path) -> None:
        state = checkpoint.state
        self._check_same(state, manifest)
        groups: dict[str, dict[str, torch.Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
        for key, value in checkpoint.tensors.items():
            group, _, name = key.partition(":")
            groups[group][name] = value
        load_state(self.learner, groups["model"], manifest)
        load_state(self.average, groups["average"], manifest)
        unpack_optimizer(self.optimizer, self.learner, groups["optimizer"])
        self.iteration = checkpoint.iteration
        self.skipped, self.bad_in_a_row = int(state["skipped"]), int(state["bad_in_a_row"])
        self._elapsed_before = float(state["elapsed_seconds"])
        mine = state["ranks"][self.world.rank]
        self.sampler.restore(mine["sampler"])
        self.meter.include(mine["meter"])
        restore_random_states(mine["random"])

    def _check_same(self, state: Any, manifest: Path) -> None:  # noqa: ANN401 - JSON
        now, then = flatten(asdict(self.config)), flatten(state["config"])
        changed = [key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)]
        changed = [key for key in changed if key.split(".")[0] not in _FREE]
        if changed:
            listed = ", ".join(f"{key} was {then.get(key)!r}, is {now.get(key)!r}" for key in changed[:5])
            raise ConfigError(
                f"{manifest}: made with other settings: {listed}", "set them back, or start again in another --out"
            )
        if state["data"] != self.data_names:
            lost = sorted(set(state["data"]) ^ set(self.data_names)) or ["another order"]
            raise ConfigError(f"{manifest}: made with other data: {', '.join(lost[:5])}", "use the same --data")
        if state["lessons"] != self._lessons:
            raise ConfigError(
                f"{manifest}: language said something else then", "use the same descriptions, or start again elsewhere"
            )
        if len(state["ranks"]) != self.world.size:
            raise ConfigError(
                f"{manifest}: made by {len(state['ranks'])} processes, now there are {self.world.size}",
                f"torchrun --nproc-per-node {len(state['ranks'])}",
            )

    def _progress(self) -> float:
        """Return the share of the training that is done, by iterations or by the first process's clock."""
        done = self.iteration / self.config.max_iterations
        if self.config.max_minutes is None or not self.world.is_first:
            return done
        return max(done, self.elapsed_seconds / (60 * self.config.max_minutes))

    def _skip(self, norm: float) -> None:
        self.skipped += 1
        self.bad_in_a_row += 1
        logger.warning("iteration %d: gradient norm %s, step skipped (%d so far)", self.iteration, norm, self.skipped)
        if self.bad_in_a_row >= self.config.max_bad_steps:
            raise DivergedError(
                f"iteration {self.iteration}: no finite gradient {self.bad_in_a_row} times in a row",
                "lower learning_rate or clip_gradient and resume an earlier checkpoint, or set amp=false",
            )

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on a short memory, so that the random start is forgotten.
        decay = min(self.config.ema_decay, self.iteration / (self.iteration + 20))
        for average, current in zip(self.average.parameters(), self.tracker.parameters(), strict=True):
            average.lerp_(current, 1 - decay)

    def _log(self, log: MetricsLog | None) -> None:
        sums = self.world.gather(dict(self.meter.sums))
        self.meter.clear()
        if log is None:
            return
        together = Meter()
        for part in sums:
            together.include(part)
        values = {
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "skipped_steps": self.skipped,
            **together.means(),
        }
        log.write("train", self.iteration, values)
        self.reporter.line(_training_line(self.iteration, values))

    def _validate(self, log: MetricsLog | None) -> dict[str, dict[str, float]]:
        if not self.validation:
            return {}
        scores = validate(self.exported, self.validation, self.world)
        for name, values in scores.items():
            if log is not None:
                log.write(f"validation {name}", self.iteration, values)
                shown = "  ".join(f"{key} {value:.2f}" for key, value in values.items() if "/" not in key)
                self.reporter.line(f"validation {name} after {self.iteration}: {shown}; {_level_text(values)}")
        return scores

    def _export(self) -> Path | None:
        if not self.world.is_first:
            return None
        path = self.out / "weights.safetensors"
        info = WeightsInfo(
            config=self.config.tracker,
            licence=self.config.licence,
            data=self.learned_from,
            seed=self.config.seed,
            iterations=self.iteration,
            revision=code_revision(),
        )
        export_weights(path, self.exported, info)
        return path


class _Learner(nn.Module):
    """All that is trained together: the tracker, and what language needs beside it."""

    def __init__(self, tracker: HierarchicalTracker, guidance: Guidance | None) -> None:
        super().__init__()
        self.tracker = tracker
        self.guidance = guidance


def _note_look(config: TrackerConfig, sources: list[Source]) -> None:
    """Set what the encoder's vectors are, from the galleries.

    Raises:
        ConfigError: an encoder without galleries.
    """
    look = common_look(sources)
    if config.appearance.dim and look is None:
        raise ConfigError(
            "tracker.appearance.dim: an encoder, but no source has vectors",
            "make galleries with `sushi-lg embed` and name their folder in sources.0.appearance",
        )
    if config.appearance.dim and look is not None:
        about, config.appearance.width = look
        config.appearance.embedder, config.appearance.fingerprint = about.embedder, about.fingerprint


def _mean_vector(sources: list[Source]) -> torch.Tensor:
    """Return (D,) the mean of the vectors of all training sequences, each of length 1.

    Raises:
        DataError: none of them says anything.
    """
    total, count = torch.zeros(()), 0
    for clip in (sequence.clip for source in sources for sequence in source.sequences):
        for rows in [] if clip.embedding is None else torch.from_numpy(clip.embedding).split(_ROWS):
            known = rows[(rows != 0).any(dim=1)].double()
            total, count = total + nn.functional.normalize(known).sum(dim=0), count + len(known)
    if count == 0:
        raise DataError("sources: the galleries hold nothing but zeros", "make them again with `sushi-lg embed`")
    return (total / count).float()


def _guidance(config: TrainConfig, lessons: Lessons) -> Guidance:
    """Return language's projections.

    Raises:
        ConfigError: sentences about people, and nothing that sees them.
    """
    appearance, language = config.tracker.appearance, config.language
    if language.instance != "none" and not appearance.dim:
        raise ConfigError(
            "language.instance: sentences about people guide how they are embedded, and there is no encoder",
            "set tracker.appearance.dim=64 and give the sources galleries, or language.instance=none",
        )
    if language.instance == "kl" and appearance.hidden_dim != KL_WIDTH:
        raise ConfigError(
            f"language.instance: kl compares {KL_WIDTH} channels, tracker.appearance.hidden_dim is "
            f"{appearance.hidden_dim}",
            f"set it to {KL_WIDTH}",
        )
    edge_dims = {level.slot: config.tracker.blocks[level.slot].edge_dim for level in config.tracker.levels}
    return Guidance(language, appearance.dim, edge_dims, lessons.sentences.shape[1], lessons.scenes.shape[2])


def _begin_with(tracker: HierarchicalTracker, name: str) -> list[str]:
    """Copy weights into a tracker and return what they have learned from; an encoder that they lack keeps its start.

    Raises:
        WeightsError: weights of another network.
    """
    path = weights_path(name)
    info, tensors = read_weights(path)
    refuse_other_network(info.config, tracker.config, path)
    own = {key: value for key, value in tracker.state_dict().items() if key.startswith("appearance.")}
    if not info.config.appearance.dim:
        tensors = {**tensors, **own}
    elif info.config.appearance != tracker.config.appearance:
        raise WeightsError(
            f"{path}: trained with appearance {asdict(info.config.appearance)}, the settings and galleries say "
            f"{asdict(tracker.config.appearance)}",
            f"make galleries with `sushi-lg embed --embedder {info.config.appearance.embedder}`, or begin with others",
        )
    load_state(tracker, tensors, path)
    return info.data


def _parameter_groups(learner: _Learner, config: TrainConfig) -> list[dict[str, Any]]:
    """Return the parameters of the tracker without its encoder, and the others, with their shares of the rate."""
    apart = config.appearance_learning_rate
    share = 1.0 if apart is None else apart / config.learning_rate
    groups: list[dict[str, Any]] = [{"params": [], "share": 1.0}, {"params": [], "share": share}]
    for name, parameter in learner.named_parameters():
        groups[name.startswith(("tracker.appearance.", "guidance."))]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def learning_rate(config: TrainConfig, iteration: int, progress: float) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine over the progress of the training."""
    warm = min(1.0, (iteration + 1) / config.warm_up) if config.warm_up else 1.0
    low = config.final_learning_rate
    return config.learning_rate * warm * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Yield a list that SIGINT and SIGTERM append to, once; a second one acts as usual."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def _training_line(iteration: int, values: dict[str, float]) -> str:
    skipped = f"  skipped {values['skipped_steps']:.0f}" if values["skipped_steps"] else ""
    minutes = values["elapsed_seconds"] / 60
    return f"{iteration}: {minutes:.1f} min  loss {values.get('loss', math.nan):.4f}{skipped}  {_level_text(values)}"


def _level_text(values: dict[str, float]) -> str:
    """Return precision/recall of each level in percent, lowest level first, then of keeping detections."""
    names = [key.removeprefix("precision/") for key in values if key.startswith("precision/")]
    return "  ".join(f"{n} {100 * values[f'precision/{n}']:.1f}/{100 * values[f'recall/{n}']:.1f}" for n in names)
