"""Settings: who wins, and what a wrong one says."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sushi_lg import config as config_module
from sushi_lg.config import MISSING, load_config, recipe_names, recipe_path, save_config
from sushi_lg.errors import ConfigError


class Solver(enum.Enum):
    exact = "exact"
    greedy = "greedy"


@dataclass
class Level:
    max_gap: int = 1
    threshold: float = 0.5
    slot: str = "a"


@dataclass
class Extra:
    path: str = MISSING
    weights: list[float] = field(default_factory=list)


@dataclass
class Settings:
    min_score: float = 0.1
    name: str | None = None
    use_camera: bool = True
    solver: Solver = Solver.exact
    levels: list[Level] = field(default_factory=lambda: [Level(), Level(2), Level(4, slot="b")])
    single: Level = field(default_factory=Level)
    optional: Extra | None = None
    loss: dict[str, float] = field(default_factory=dict)
    named: dict[str, Level] = field(default_factory=lambda: {"low": Level(), "high": Level(8)})

    def validate(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_score: {self.min_score} is not in 0..1")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_later_wins(tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml", "min_score: 0.2\nsingle: {max_gap: 7, slot: r}\n")
    file = write(tmp_path / "config.yaml", "min_score: 0.3\nsingle: {slot: f}\n")
    settings = load_config(Settings, recipe, file, ["min_score=4e-1", "use_camera=false", "solver=greedy"])
    assert (settings.min_score, settings.use_camera, settings.solver) == (0.4, False, Solver.greedy)
    assert settings.single == Level(7, slot="f")
    assert load_config(Settings) == Settings()


@pytest.mark.parametrize("key", ["levels.1.max_gap", "levels[1].max_gap"])
def test_one_field_of_one_level(key: str) -> None:
    levels = load_config(Settings, dotlist=[f"{key}=50"]).levels
    assert levels == [Level(), Level(50), Level(4, slot="b")]


def test_lists_and_mappings(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "levels:\n- max_gap: 9\n- {}\nloss: {edges: 1}\noptional: {path: p}\n")
    settings = load_config(Settings, None, file, ["loss.nodes=0.5", "optional.weights=[1,2]", "name=null"])
    assert settings.levels == [Level(9), Level()]
    assert settings.loss == {"edges": 1.0, "nodes": 0.5}
    assert settings.optional == Extra("p", [1.0, 2.0]) and settings.name is None
    assert load_config(Settings, None, write(tmp_path / "d.yaml", "levels: {2: {slot: c}}\n")).levels[2].slot == "c"


def test_mappings_of_settings(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "named:\n  high: {threshold: 0.25}\n  top: {max_gap: 9}\n")
    settings = load_config(Settings, None, file, ["named.low.slot=z"])
    assert settings.named == {"low": Level(slot="z"), "high": Level(8, 0.25), "top": Level(9)}
    save_config(settings, tmp_path / "again.yaml")
    assert load_config(Settings, None, tmp_path / "again.yaml") == settings


@pytest.mark.parametrize(
    ("entry", "message", "remedy"),
    [
        ("min_scor=1", "min_scor: unknown key", "did you mean min_score?"),
        ("levels.1.max_gpa=1", "levels.1.max_gpa: unknown key", "did you mean levels.1.max_gap?"),
        ("max_gap=1", "max_gap: unknown key", "did you mean single.max_gap?"),
        ("zzz=1", "zzz: unknown key", "valid: min_score, "),
        ("levels.3.max_gap=1", "levels.3: no such entry", "levels has 3 entries"),
        ("levels.-1.max_gap=1", "levels.-1: no such entry", "levels has 3 entries"),
        ("levels.first.max_gap=1", "levels.first: no such entry", "levels has 3 entries"),
        ("levels.1.max_gap=many", "levels.1.max_gap: 'many' is refused", "of type int"),
        ("levels.1.max_gap=1.5", "levels.1.max_gap: 1.5 is refused", "of type int"),
        ("levels.1.threshold={}", "levels.1.threshold: {} is refused", "of type float"),
        ("levels=5", "levels: 5 is refused", ""),
        ("levels=[5]", "levels.0: 5 is not a mapping", ""),
        ("levels=[{slott: a}]", "levels.0.slott: unknown key", "did you mean levels.0.slot?"),
        ("single=5", "single: 5 is refused", ""),
        ("named.low=5", "named.low: 5 is not a mapping", ""),
        ("named.low.max_gpa=5", "named.low.max_gpa: unknown key", "did you mean named.low.max_gap?"),
        ("named.new.max_gap=x", "named.new.max_gap: 'x' is refused", "of type int"),
        ("solver=fast", "solver: 'fast' is refused: Invalid value 'fast', expected one of [exact, greedy]", ""),
        ("use_camera=", "use_camera: None is refused", "of type bool"),
        ("loss.edges=high", "loss.edges: 'high' is refused", ""),
        ("min_score=.nan", "min_score: nan is not a finite number", ""),
        ("min_score=2", "min_score: 2.0 is not in 0..1", ""),
        ("min_score", "'min_score' is not key=value", ""),
        ("=3", "'=3' is not key=value", ""),
        ("name={", "name: '{' is not a value", ""),
        ("name=${nowhere}", "name: Interpolation key 'nowhere' not found", ""),
        ("optional.weights=[1]", "optional.path: no value", "optional.path=VALUE"),
    ],
)
def test_faults_on_the_command_line(entry: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, dotlist=[entry])
    assert caught.value.message.startswith(message)
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: n\n\nlevels:\n- max_gap: 1\n- max_gap: 2\n  treshold: 0.4\n", "c.yaml:6: levels.1.treshold: unknown"),
        ("single:\n  max_gap: x\n", "c.yaml:2: single.max_gap: 'x' is refused"),
        ("min_score: 0.2\nmin_score: 0.3\n", "c.yaml:2: found duplicate key min_score"),
        ("min_score: [\n", "c.yaml:2: "),
        ("- min_score\n", "c.yaml: not a mapping"),
    ],
)
def test_faults_in_a_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, None, write(tmp_path / "c.yaml", text))
    assert caught.value.message.replace(f"{tmp_path}/", "").startswith(message)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(Settings, None, tmp_path / "none.yaml")


def test_saved_settings_are_read_back(tmp_path: Path) -> None:
    settings = load_config(Settings, dotlist=["levels.0.threshold=0.123456789012345", "optional={path: 'a: b'}"])
    save_config(settings, tmp_path / "run" / "config.yaml")
    assert load_config(Settings, None, tmp_path / "run" / "config.yaml") == settings


def test_short_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies").mkdir()
    write(tmp_path / "default.yaml", "min_score: 0.7\n")
    write(tmp_path / "studies" / "half.yaml", "")
    monkeypatch.setattr(config_module, "configs_path", lambda: tmp_path)
    assert recipe_names() == ["default", "studies/half"]
    assert load_config(Settings, "default").min_score == 0.7
    assert load_config(Settings, "studies/half") == Settings()
    assert recipe_path(tmp_path / "default.yaml") == tmp_path / "default.yaml"
    with pytest.raises(ConfigError, match="did you mean default"):
        load_config(Settings, "defualt")
