from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sushi_lg.errors import ConfigError
from sushi_lg.tracking.recipe import LevelConfig
from sushi_lg.tracking.weights import load_tracker, read_weights
from sushi_lg.training import trainer as trainer_module
from sushi_lg.training.checkpoint import latest_checkpoint, load_checkpoint
from sushi_lg.training.objective import Objective, objective
from sushi_lg.training.parallel import World
from sushi_lg.training.sampling import BatchSampler
from sushi_lg.training.settings import LossConfig, SamplingConfig, SetConfig, TrainConfig
from sushi_lg.training.trainer import DivergedError, Trainer, learning_rate

Settings = Callable[..., TrainConfig]
ALONE = World(0, 1, torch.device("cpu"))


class Watcher:
    """Keeps what is said, and does something at an iteration."""

    def __init__(self, at: int = -1, act: Callable[[], None] = lambda: None) -> None:
        self.at, self.act, self.lines = at, act, []

    def progress(self, share: float, iteration: int) -> None:
        if iteration == self.at:
            self.act()

    def line(self, text: str) -> None:
        self.lines.append(text)


def rows(folder: Path) -> list[dict[str, float]]:
    parsed = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "elapsed_seconds"} for row in parsed]


def crash() -> None:
    raise RuntimeError("the machine went away")


def test_killed_and_resumed_equals_straight_to_the_byte(settings: Settings, tmp_path: Path) -> None:
    straight = Trainer(settings(), tmp_path / "straight", ALONE, Watcher()).run()
    with pytest.raises(RuntimeError):
        Trainer(settings(), tmp_path / "cut", ALONE, Watcher(5, crash)).run()
    torch.manual_seed(99)  # what happens between does not matter
    resumed = Trainer(settings(), tmp_path / "cut", ALONE, Watcher(), resume=True)
    assert resumed.iteration == 3
    outcome = resumed.run()
    assert outcome.finished and outcome.iteration == straight.iteration == 6
    assert (tmp_path / "straight/weights.safetensors").read_bytes() == outcome.weights.read_bytes()
    last = "checkpoints/step_000006.safetensors"  # with optimiser and average
    assert (tmp_path / "straight" / last).read_bytes() == (tmp_path / "cut" / last).read_bytes()
    assert rows(tmp_path / "straight") == rows(tmp_path / "cut")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_rest_is_the_same(settings: Settings, tmp_path: Path, number: signal.Signals) -> None:
    config = settings(max_iterations=4, checkpoint_every=100)
    straight = Trainer(config, tmp_path / "straight", ALONE, Watcher()).run()
    usual = signal.getsignal(number)
    outcome = Trainer(config, tmp_path / "cut", ALONE, Watcher(2, lambda: os.kill(os.getpid(), number))).run()
    assert not outcome.finished and outcome.signal == number and outcome.weights is None
    assert outcome.checkpoint == tmp_path / "cut/checkpoints/step_000002.json"
    assert signal.getsignal(number) is usual
    resumed = Trainer(config, tmp_path / "cut", ALONE, Watcher(), resume=True).run()
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()


def test_learns_the_toy_world(settings: Settings, held_out: SetConfig, tmp_path: Path) -> None:
    config = settings(
        max_iterations=150,
        learning_rate=1e-2,
        validation=[held_out],
        log_every=100,
        random_strictness=False,
        sampling=SamplingConfig(budget=600, min_length=30, max_length=60, stride=[1.0], appearance=0.0),
        loss=LossConfig(edge_prior=2.0),  # batches here have few edges above the lowest level
        tracker=replace(
            settings().tracker,
            levels=[LevelConfig(1, 4, threshold=0.9), LevelConfig(8)],
            blocks={"tracklets": settings().tracker.blocks["tracklets"]},
        ),
    )
    outcome = Trainer(config, tmp_path, ALONE, Watcher()).run()
    (scores,) = outcome.scores.values()
    assert scores["precision/level0"] > 0.97 and scores["recall/level0"] > 0.9
    assert scores["precision/members"] > 0.97 and scores["recall/members"] > 0.97
    assert scores["precision/level1"] > 0.95 and scores["recall/level1"] > 0.9
    assert scores["IDF1"] > 93 and scores["HOTA"] > 90 and scores["MOTA"] > 95
    before, after = rows(tmp_path)[0], rows(tmp_path)[-1]
    assert before["kind"] == "train" and after["kind"].startswith("validation")
    tracker = load_tracker(outcome.weights)  # the file is what was validated
    trainer = Trainer(config, tmp_path, ALONE, Watcher(), resume=True)
    for name, value in trainer.average.state_dict().items():
        assert torch.equal(value, tracker.state_dict()[name]), name


def test_untrained_is_bad_on_the_toy_world(settings: Settings, held_out: SetConfig, tmp_path: Path) -> None:
    outcome = Trainer(settings(max_iterations=1, validation=[held_out]), tmp_path, ALONE, Watcher()).run()
    (scores,) = outcome.scores.values()
    assert scores["HOTA"] < 60  # otherwise the test above shows nothing


def test_watching_changes_nothing(settings: Settings, held_out: SetConfig, tmp_path: Path) -> None:
    plain = Trainer(settings(max_iterations=4), tmp_path / "plain", ALONE, Watcher()).run()
    watched = settings(max_iterations=4, validation=[held_out], validate_every=2, checkpoint_every=1, log_every=3)
    outcome = Trainer(watched, tmp_path / "watched", ALONE, Watcher()).run()
    assert outcome.weights.read_bytes() == plain.weights.read_bytes()
    kinds = [(row["kind"].split()[0], row["iteration"]) for row in rows(tmp_path / "watched")]
    assert kinds == [("validation", 2), ("train", 3), ("validation", 4), ("train", 4)]


def test_refuses_to_learn_from_its_validation_set(settings: Settings, world: Path, tmp_path: Path) -> None:
    own = SetConfig(str(world / "split-learn-1.txt"), include=["learn-3"])
    for change in ({"validation": [own]}, {"held_out": [own]}):
        with pytest.raises(ConfigError, match="learn-3"):
            Trainer(settings(**change), tmp_path, ALONE, Watcher())


def test_weights_file_says_where_it_comes_from(settings: Settings, tmp_path: Path) -> None:
    config = settings(max_iterations=1, seed=7, licence="only for tests")
    info, _ = read_weights(Trainer(config, tmp_path, ALONE, Watcher()).run().weights)
    assert info.seed == 7 and info.iterations == 1 and info.licence == "only for tests"
    assert info.data == [f"custom/learn-{i} 1-60 (detections)" for i in (1, 2, 3, 4)]
    assert info.config == config.tracker


def test_without_average_the_weights_themselves_are_exported(settings: Settings, tmp_path: Path) -> None:
    trainer = Trainer(settings(max_iterations=2, ema_decay=0.0), tmp_path, ALONE, Watcher())
    weights = load_file(trainer.run().weights)
    assert all(torch.equal(weights[name], value) for name, value in trainer.tracker.state_dict().items())


def test_time_limit_ends_the_training_properly(settings: Settings, tmp_path: Path) -> None:
    config = settings(max_iterations=10_000, max_minutes=0.3 / 60)
    outcome = Trainer(config, tmp_path, ALONE, Watcher()).run()
    assert outcome.finished and outcome.weights is not None and 0 < outcome.iteration < 1000


def test_learning_rate_warms_up_and_comes_down() -> None:
    config = TrainConfig(learning_rate=1.0, warm_up=10, final_learning_rate=0.01)
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 9, 0.0) == pytest.approx(1.0)
    assert learning_rate(config, 500, 0.5) == pytest.approx(0.505)
    assert learning_rate(config, 999, 1.0) == pytest.approx(0.01)


def poisoned(bad: Callable[[int], bool]) -> Callable[..., Objective]:
    calls = iter(range(10_000))

    def replacement(*arguments: object, **keywords: object) -> Objective:
        result = objective(*arguments, **keywords)  # type: ignore[arg-type]
        return replace(result, total=result.total * float("nan")) if bad(next(calls)) else result

    return replacement


def test_step_without_finite_gradient_is_skipped(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = Trainer(settings(max_bad_steps=2), tmp_path, ALONE, Watcher())
    monkeypatch.setattr(trainer_module, "objective", poisoned(lambda call: call == 1))
    trainer.step(0.0)
    before = {name: value.clone() for name, value in trainer.tracker.state_dict().items()}
    trainer.step(0.0)
    assert all(torch.equal(before[name], value) for name, value in trainer.tracker.state_dict().items())
    assert trainer.skipped == 1 and "step skipped" in caplog.text
    trainer.step(0.0)
    assert trainer.bad_in_a_row == 0
    assert not all(torch.equal(before[name], value) for name, value in trainer.tracker.state_dict().items())


def test_many_bad_steps_stop_the_training(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "objective", poisoned(lambda call: call >= 1))
    with pytest.raises(DivergedError, match="3 times in a row"):
        Trainer(settings(max_bad_steps=3), tmp_path, ALONE, Watcher()).run()


def test_resuming_checks_settings_data_and_processes(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint"):
        Trainer(settings(), tmp_path, ALONE, Watcher(), resume=True)
    Trainer(settings(max_iterations=1), tmp_path, ALONE, Watcher()).run()
    with pytest.raises(ConfigError, match="holds a training"):
        Trainer(settings(max_iterations=1), tmp_path, ALONE, Watcher())
    with pytest.raises(ConfigError, match=r"learning_rate was 0.005, is 0.1"):
        Trainer(settings(max_iterations=1, learning_rate=0.1), tmp_path, ALONE, Watcher(), resume=True)
    with pytest.raises(ConfigError, match="1 processes, now there are 2"):
        two = World(0, 2, torch.device("cpu"))
        Trainer(settings(max_iterations=1), tmp_path, _mute(two), Watcher(), resume=True)
    changed = settings(max_iterations=1, log_every=7, keep_checkpoints=1)
    assert Trainer(changed, tmp_path, ALONE, Watcher(), resume=True).iteration == 1


def _mute(world: World) -> World:
    class Mute(World):
        def spread(self, module: nn.Module) -> None:
            """Say nothing: there is nobody."""

    return Mute(world.rank, world.size, world.device)


WORKER = """
import json, sys, torch
from pathlib import Path
from sushi_lg.tracking.weights import from_json
from sushi_lg.training.parallel import join_world
from sushi_lg.training.trainer import TrainConfig, Trainer
from safetensors.torch import save_file
class Silent:
    def progress(self, share, iteration): pass
    def line(self, text): pass
torch.set_num_threads(1)
folder = Path(sys.argv[1])
config = from_json(TrainConfig, json.loads((folder / "config.json").read_text()))
world = join_world(config.device)
trainer = Trainer(config, folder / "run", world, Silent())
outcome = trainer.run()
save_file(trainer.tracker.state_dict(), folder / f"rank{world.rank}.safetensors")
(folder / f"rank{world.rank}.json").write_text(json.dumps(outcome.scores))
world.leave()
"""


def test_two_processes_take_the_mean_of_both_gradients(
    settings: Settings, held_out: SetConfig, tmp_path: Path, free_port: int
) -> None:
    config = settings(max_iterations=2, validation=[held_out], random_strictness=False)
    (tmp_path / "config.json").write_text(json.dumps(asdict(config)))
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port)}
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    processes = [subprocess.Popen(command, env={**environment, "RANK": str(rank)}) for rank in (0, 1)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    ranks = [load_file(tmp_path / f"rank{rank}.safetensors") for rank in (0, 1)]
    assert ranks[0].keys() == ranks[1].keys()
    assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in ranks[0])
    assert (tmp_path / "rank0.json").read_text() == (tmp_path / "rank1.json").read_text()

    alone = Trainer(config, tmp_path / "alone", ALONE, Watcher())
    other = BatchSampler(alone.sampler.sources, config.sampling, config.augment, (config.seed, 1))
    for iteration in range(2):
        for group in alone.optimizer.param_groups:
            group["lr"] = learning_rate(config, iteration, iteration / 2)
        alone.optimizer.zero_grad()
        alone.tracker.train()
        for sampler in (alone.sampler, other):
            (objective(alone.tracker, sampler.sample(), config.loss, active_levels=1).total / 2).backward()
        ALONE.average_gradients(alone.tracker.parameters())
        nn.utils.clip_grad_norm_(alone.tracker.parameters(), config.clip_gradient)
        alone.optimizer.step()
    for name, value in alone.tracker.state_dict().items():
        torch.testing.assert_close(value, ranks[0][name], rtol=1e-4, atol=1e-5, msg=name)

    run = tmp_path / "run"
    assert rows(run)[-1]["kind"].startswith("validation")
    manifest = latest_checkpoint(run / "checkpoints")
    assert manifest is not None
    states = load_checkpoint(manifest).state["ranks"]
    assert len(states) == 2 and states[0]["sampler"] != states[1]["sampler"]
