"""Pictures and prompts are what the real processors make, as recorded where torchvision is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_mllm import save_tiny

from semantic.clients.families import FAMILIES
from semantic.clients.local import LocalClient
from semantic.clients.protocol import Question
from sushi_lg.errors import WeightsError

ORACLES = Path(__file__).parents[2] / "oracles"


def load_recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processor_recipe", ORACLES / "processor_recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        save_tiny(folder / family, family)
    return {family: folder / family for family in FAMILIES}


def recorded(family: str) -> dict[str, Any]:
    with np.load(ORACLES / "processors.npz") as found:
        return {name.split("/")[1]: found[name] for name in found.files if name.startswith(f"{family}/")}


def family_of(folder: Path) -> Any:  # noqa: ANN401 - the families differ in what their pixels are
    config = transformers.AutoConfig.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return FAMILIES[config.model_type](folder, config, tokenizer.convert_tokens_to_ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_are_those_of_the_real_processor(folders: dict[str, Path], family: str) -> None:
    made = family_of(folders[family]).pixels(recipe.pictures())
    expected = recorded(family)
    if family == "qwen2_5_vl":
        made, grid = made
        assert grid.tolist() == expected["video_grid_thw"].tolist()
    shape = tuple(expected["shape"])
    assert tuple(made.shape) == (shape if family == "qwen2_5_vl" else shape[1:])
    np.testing.assert_allclose(made.flatten()[:: recipe.KEPT], expected["pixels"], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_are_those_of_the_real_processor(folders: dict[str, Path], family: str) -> None:
    client = LocalClient(str(folders[family]))
    question = Question("q", "instance", "m", recipe.SECONDS, recipe.pictures, recipe.SYSTEM, recipe.PROMPT, 8)
    expected = recorded(family)
    assert client.prompt_tokens(question) == expected["tokens"].tolist()
    if family == "qwen2_5_vl":
        tokens = torch.tensor(expected["tokens"])[None]
        found = family_of(folders[family])
        media = found.encode(
            transformers.AutoModelForImageTextToText.from_pretrained(folders[family]), recipe.pictures()
        )
        inputs = found.inputs(tokens, [media], [recipe.SECONDS])
        assert inputs["mm_token_type_ids"][0].tolist() == expected["mm_token_type_ids"].tolist()
        assert inputs["second_per_grid_ts"].tolist() == [pytest.approx(float(expected["second_per_grid_ts"]))]


def test_settings_of_newer_files_win(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_tiny(folder)
    (folder / "video_preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1] * 3}))
    assert family_of(folder).settings["image_mean"] == [0.1] * 3
    assert family_of(folder).settings["size"] == {"height": 384, "width": 384}, "what a file leaves open is the default"
    (folder / "processor_config.json").write_text(json.dumps({"video_processor": {"image_mean": [0.2] * 3}}))
    assert family_of(folder).settings["image_mean"] == [0.2] * 3


@pytest.mark.parametrize(
    ("text", "said"), [('{"do_rescale": false}', "do_rescale"), ("{", "cannot be read"), ("[1]", "not a JSON object")]
)
def test_settings_that_cannot_be_followed_are_refused(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "model"
    save_tiny(folder)
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(WeightsError, match=said):
        family_of(folder)


def test_pictures_of_any_size_fit(folders: dict[str, Path]) -> None:
    crops = [np.full((high, wide, 3), 90, dtype=np.uint8) for high, wide in ((9, 400), (300, 7), (28, 28))]
    assert family_of(folders["llava_onevision"]).pixels(crops).shape == (3, 3, 56, 56)
    assert family_of(folders["smolvlm"]).pixels(crops).shape == (3, 3, 56, 56)
    patches, grid = family_of(folders["qwen2_5_vl"]).pixels(crops)
    assert len(patches) == int(grid.prod()) and grid[0] == 2
    assert int(grid.prod()) // 4 <= family_of(folders["qwen2_5_vl"]).most_tokens(3)
