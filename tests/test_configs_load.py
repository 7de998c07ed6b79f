"""Everything in ``configs/`` can be read, and says what it is for."""

from __future__ import annotations

import pytest

from semantic.describers.mllm import MllmConfig
from sushi_lg.config import load_config, load_yaml, recipe_names, recipe_path
from sushi_lg.data.models import model_card, model_names
from sushi_lg.data.resources import configs_path
from sushi_lg.data.splits import read_split, split_names
from sushi_lg.study.plan import StudyConfig
from sushi_lg.tracking.recipe import SushiConfig, TrackerConfig
from sushi_lg.training.settings import TrainConfig

# a key that tells of what a file holds the settings
SCHEMAS = {"arms": StudyConfig, "max_iterations": TrainConfig, "window": SushiConfig, "client": MllmConfig}


@pytest.mark.parametrize("name", split_names())
def test_split(name: str) -> None:
    assert read_split(name).sequences


@pytest.mark.parametrize("name", recipe_names())
def test_recipe(name: str) -> None:
    path = recipe_path(name)
    assert path.read_text(encoding="utf-8").startswith("#"), "head comment: purpose, command and expected numbers"
    schemas = [schema for key, schema in SCHEMAS.items() if key in load_yaml(path)]
    load_config(schemas[0] if schemas else TrackerConfig, name)


@pytest.mark.parametrize("name", model_names())
def test_model(name: str) -> None:
    text = (configs_path() / "models" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("#"), "head comment: what it is, and how it is used"
    card = model_card(name)
    assert card.url is None or card.url.endswith(f"/{card.file}")


def test_cards_are_no_recipes() -> None:
    assert not any(name.startswith("models") for name in recipe_names())


def test_nothing_else_travels_in_the_wheel() -> None:
    root = configs_path()
    known = {root / "splits" / f"{name}.txt" for name in split_names()} | {recipe_path(n) for n in recipe_names()}
    known |= {root / "twins.txt", *(root / "semantic" / f"rules_{name}.json" for name in ("interactions", "street"))}
    known |= {root / "models" / f"{name}.yaml" for name in model_names()}
    assert {path for path in root.rglob("*") if path.is_file()} == known
