from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sushi_lg.errors import WeightsError
from sushi_lg.nn.settings import ScorerConfig
from sushi_lg.tracking.recipe import LevelConfig, OutputConfig, TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, from_json, load_tracker, read_weights, save_weights, weights_path

CONFIG = TrackerConfig(
    levels=[LevelConfig(1, 4, slot="detections"), LevelConfig(8)],
    blocks=dict.fromkeys(("detections", "tracklets"), ScorerConfig(node_dim=8, edge_dim=8, hidden_dim=8, num_steps=1)),
    output=OutputConfig(decimals=None),
)
INFO = WeightsInfo(CONFIG, licence="tests", data=["a 1-9"], seed=3, iterations=7, revision="abc")


@pytest.fixture
def tracker() -> HierarchicalTracker:
    torch.manual_seed(0)
    return HierarchicalTracker(CONFIG)


@pytest.fixture
def file(tracker: HierarchicalTracker, tmp_path: Path) -> Path:
    save_weights(tmp_path / "w.safetensors", tracker.state_dict(), INFO)
    return tmp_path / "w.safetensors"


def test_comes_back_equal(tracker: HierarchicalTracker, file: Path) -> None:
    loaded = load_tracker(file)
    assert not loaded.training and loaded.config == CONFIG and read_weights(file)[0] == INFO
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in tracker.state_dict().items())


def test_same_content_same_bytes(tracker: HierarchicalTracker, file: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "again.safetensors", tracker.state_dict(), INFO)
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_runs_with_other_settings_but_not_with_another_network(file: Path) -> None:
    looser = replace(
        CONFIG, output=OutputConfig(min_length=9), levels=[LevelConfig(1, 9, slot="detections"), LevelConfig(4)]
    )
    assert load_tracker(file, looser).config == looser
    wider = replace(CONFIG, blocks={**CONFIG.blocks, "tracklets": ScorerConfig(node_dim=16)})
    with pytest.raises(WeightsError, match="trained with blocks"):
        load_tracker(file, wider)
    with pytest.raises(WeightsError, match="slots of the levels"):
        load_tracker(file, replace(CONFIG, levels=[LevelConfig(1)]))


def test_wrong_files_are_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        load_tracker(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_tracker(broken)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(WeightsError, match="no header of this package"):
        load_tracker(foreign)
    for header, message in [
        ("{", "not JSON"),
        ('{"format_version": 2}', "format version 2"),
        ('{"format_version": 1, "recipe": "sushi"}', "recipe 'sushi'"),
        ('{"format_version": 1, "recipe": "default", "config": {"levles": []}}', r"unknown config\.levles"),
        ('{"format_version": 1, "recipe": "default", "seed": "x"}', "seed is 'x', not int"),
    ]:
        save_file({"a": torch.zeros(1)}, foreign, metadata={"sushi_lg": header})
        with pytest.raises(WeightsError, match=message):
            load_tracker(foreign)


def test_tensors_that_do_not_fit_are_named(tracker: HierarchicalTracker, file: Path) -> None:
    state = dict(tracker.state_dict())
    names = list(state)
    del state[names[0]]
    state["surplus"] = torch.zeros(1)
    state[names[1]] = torch.zeros(99)
    state[names[2]] = torch.full_like(state[names[2]], torch.nan)
    save_weights(file, state, INFO)
    with pytest.raises(WeightsError) as caught:
        load_tracker(file)
    for part in (f"{names[0]}: missing", "surplus: unknown", f"{names[1]}: shape [99]", f"{names[2]}: not finite"):
        assert part in str(caught.value)


def test_names_of_shipped_weights_and_paths(file: Path) -> None:
    assert weights_path(file) == file
    with pytest.raises(WeightsError, match="no such weights"):
        weights_path("nothing-like-it")


def test_json_converts_strictly_and_fills_in_defaults() -> None:
    assert from_json(LevelConfig, {"max_gap": 4}) == LevelConfig(4)
    assert from_json(OutputConfig, {"decimals": None, "min_probability": 1}).min_probability == 1.0
    with pytest.raises(ValueError, match=r"levels\.0\.max_gap is 'a'"):
        from_json(TrackerConfig, {"levels": [{"max_gap": "a"}]})


def test_a_header_that_cannot_be_used_is_named(tracker: HierarchicalTracker, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    broken = replace(CONFIG, levels=[LevelConfig(1, 4, slot="elsewhere")])
    save_weights(path, tracker.state_dict(), replace(INFO, config=broken))
    for config in (None, CONFIG):
        with pytest.raises(WeightsError, match=r"w\.safetensors: header: levels\.0\.slot: no block 'elsewhere'"):
            load_tracker(path, config)
