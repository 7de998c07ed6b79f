"""What a study consists of: every arm trained on every domain with every seed, and each of these tested everywhere.

A domain is a place with its own look: what is learned there, what is tested there, or only one of the two. An arm is
one way to train, written as overrides of one base training; the first arm is what the others are compared with. All
arms learn from the same data with the same seeds, so what differs between them is the arm.

Settings come from one YAML file (``configs/studies``); the command line loads the trainings, this room runs them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sushi_lg.errors import ConfigError
from sushi_lg.training.settings import SetConfig, SourceConfig, TrainConfig

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")  # names become folders
# What a study decides itself; an arm that sets one of these would not be compared with the others.
_OWN = ("data", "sources", "held_out", "seed", "threads")


@dataclass
class BaseConfig:
    """The training that all arms start from.

    Attributes:
        config: settings of ``sushi-lg train``: a name from configs/ or a YAML file. Their sources and held_out are not
            used: domains say what is learned, and what is tested is held out.
        overrides: ``key=value`` for all arms.
    """

    config: str
    overrides: list[str] = field(default_factory=list)


@dataclass
class DomainConfig:
    """A domain.

    Attributes:
        train: what to learn from; empty = nobody trains here.
        test: what to test on; None = nobody is tested here. In ``test.appearance``, ``{learned}`` stands for the domain
            and ``{arm}`` for the arm that is tested, where every one has galleries by an embedder of its own.
    """

    train: list[SourceConfig] = field(default_factory=list)
    test: SetConfig | None = None


@dataclass
class StudyConfig:
    """A study.

    Attributes:
        base: the training that all arms start from.
        domains: by name.
        arms: ``key=value`` overrides of the base by name of the arm; the first arm is the baseline. ``sources.0.key``
            changes the first source of every domain, other keys of ``sources`` are refused.
        seeds: of the trainings; every arm uses the same ones.
        data: folder of the data sets.
        workers: trainings at once, a process with one thread each.
    """

    base: BaseConfig
    domains: dict[str, DomainConfig] = field(default_factory=dict)
    arms: dict[str, list[str]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    data: str = "data"
    workers: int = 1

    def validate(self) -> None:
        """Check what no single field can.

        Raises:
            ConfigError: naming the key.
        """
        for key, names in (("domains", self.domains), ("arms", self.arms)):
            for name in names:
                if not _NAME.fullmatch(name):
                    raise ConfigError(f"{key}: {name!r} cannot name a folder", "letters, digits and _ . + - after one")
        if not self.arms:
            raise ConfigError("arms: empty", "give one with no overrides at least, `baseline: []`")
        for name, domain in self.domains.items():
            if not domain.train and domain.test is None:
                raise ConfigError(f"domains.{name}: neither train nor test", "give one of them, or remove the domain")
        if not any(domain.train for domain in self.domains.values()):
            raise ConfigError("domains: none has train", "one to learn from is needed")
        if all(domain.test is None for domain in self.domains.values()):
            raise ConfigError("domains: none has test", "one to test on is needed")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError(f"seeds: {self.seeds} are not different numbers from 0 on", "seeds: [0, 1, 2]")
        if self.workers < 1:
            raise ConfigError(f"workers: {self.workers} is below 1")
        for name, overrides in self.arms.items():
            for entry in overrides:
                key = entry.partition("=")[0].strip()
                if key.partition(".")[0] in _OWN and not re.match(r"sources\.\d+\.", key):
                    raise ConfigError(f"arms.{name}: {key} is the same for all arms", "remove it")


@dataclass(frozen=True)
class Run:
    """One training of a study.

    Attributes:
        arm: name of the arm.
        train: name of the domain that is learned.
        seed: of the training.
        config: its settings.
    """

    arm: str
    train: str
    seed: int
    config: TrainConfig

    @property
    def name(self) -> str:
        """Arm, domain and seed, as its folder below ``runs``."""
        return f"{self.arm}/{self.train}/seed{self.seed}"


@dataclass(frozen=True)
class Study:
    """All runs of a study, and where they go.

    Attributes:
        runs: every arm x domain x seed, seeds innermost, so that a study that is cut short has whole cells.
        tests: what to test on, by domain.
        arms: overrides by arm; the first is the baseline.
        data: folder of the data sets.
        out: folder of the study.
    """

    runs: list[Run]
    tests: Mapping[str, SetConfig]
    arms: Mapping[str, list[str]]
    data: str
    out: Path

    @property
    def trains(self) -> list[str]:
        """Domains that are learned, in the order of the settings."""
        return list(dict.fromkeys(run.train for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        """Seeds, in the order of the settings."""
        return list(dict.fromkeys(run.seed for run in self.runs))

    def folder(self, run: Run) -> Path:
        """Return the folder of a training."""
        return self.out / "runs" / run.name

    def score_path(self, run: Run, test: str) -> Path:
        """Return the file with the scores of a run in a domain."""
        return self.out / "scores" / run.arm / f"{run.train}-seed{run.seed}" / f"{test}.json"

    def test_of(self, run: Run, test: str) -> SetConfig:
        """Return the test set of a domain as a run sees it."""
        config = self.tests[test]
        if config.appearance is None:
            return config
        return replace(config, appearance=config.appearance.replace("{learned}", run.train).replace("{arm}", run.arm))


def make_study(config: StudyConfig, trainings: Mapping[tuple[str, str, int], TrainConfig], out: str | Path) -> Study:
    """Return the runs of a study.

    Args:
        config: checked settings.
        trainings: settings of every training by arm, domain and seed.
        out: folder of the study.
    """
    runs = [Run(arm, train, seed, training) for (arm, train, seed), training in trainings.items()]
    tests = {name: domain.test for name, domain in config.domains.items() if domain.test is not None}
    return Study(runs, tests, config.arms, config.data, Path(out))
