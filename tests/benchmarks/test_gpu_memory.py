"""Planned and measured memory of a GPU stand side by side."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_memory.py"


@pytest.mark.skipif(torch.cuda.is_available(), reason="of a pretended GPU")
@pytest.mark.parametrize(("recipe", "scene"), [("default", "60x5x16"), ("sushi", "20x4")])
def test_a_row_a_scene(recipe: str, scene: str, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("gpu_memory", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main([scene, "--recipe", recipe])
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[2].split("|")]
    assert row[1] == scene and int(row[2]) > 50 and int(row[3]) > 0 and int(row[4]) > 0
