"""``environment.yml`` and ``pyproject.toml`` name the same direct dependencies."""

from __future__ import annotations

import tomllib
from pathlib import Path

from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[1]


def test_environment_lists_the_dependencies_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    # torch-scatter builds from source and is never required, so conda users are not made to build it either
    wanted = {*project["dependencies"], *extras["graph"], *extras["train"], *extras["pixels"], *extras["dev"]}
    environment = OmegaConf.to_container(OmegaConf.load(ROOT / "environment.yml"))
    assert isinstance(environment, dict)
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert len(pip) == len(set(pip))
    assert set(pip) == wanted
    assert f"python{project['requires-python']}" in environment["dependencies"]
