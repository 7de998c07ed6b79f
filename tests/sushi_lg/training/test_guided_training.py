"""A training with words from its settings to its weights, in which no word is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from guided import WIDTH, Said, write_galleries
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from sushi_lg.errors import ConfigError, WeightsError
from sushi_lg.nn.settings import AppearanceConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, load_tracker, read_weights, save_weights
from sushi_lg.training import trainer as trainer_module
from sushi_lg.training.parallel import World
from sushi_lg.training.settings import LanguageConfig, SetConfig, SourceConfig, TrainConfig
from sushi_lg.training.sources import detection_clip, open_set
from sushi_lg.training.trainer import Trainer

Settings = Callable[..., TrainConfig]
ALONE = World(0, 1, torch.device("cpu"))


class Watcher:
    """Says nothing, and fails at an iteration."""

    def __init__(self, crash_at: int = -1) -> None:
        self.crash_at = crash_at

    def progress(self, share: float, iteration: int) -> None:
        if iteration == self.crash_at:
            raise RuntimeError("the machine went away")

    def line(self, text: str) -> None: ...


def rows(folder: Path) -> list[dict[str, Any]]:
    parsed = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "elapsed_seconds"} for row in parsed]


@pytest.mark.parametrize("form", ["contrast", "kl"])
def test_words_guide_and_are_counted(guided_settings: Settings, tmp_path: Path, form: str) -> None:
    config = guided_settings(language={"instance": form, "scene": form}, max_iterations=7, level_warm_up=3)
    outcome = Trainer(config, tmp_path, ALONE, Watcher()).run()
    assert outcome.finished
    first, *_, last = logged = rows(tmp_path)
    for row in logged:
        for name in ("instance.0", "scene.0"):
            assert row[f"loss/{name}"] > 0 and row[f"supervised/{name}"] > 0
        assert row["supervised/instance.0"] < row["detections"]  # not everybody is described
    assert "loss/scene.2" not in first and last["loss/scene.2"] > 0  # levels join in one by one
    assert ("loss/instance.2" in last) == (form == "contrast")


def test_learning_makes_words_and_people_agree(guided_settings: Settings, tmp_path: Path) -> None:
    config = guided_settings(max_iterations=30, learning_rate=2e-2, level_warm_up=100, log_every=5)
    Trainer(config, tmp_path, ALONE, Watcher()).run()
    first, *_, last = rows(tmp_path)
    assert last["loss/instance.0"] < 0.7 * first["loss/instance.0"]
    assert last["loss/scene.0"] < 0.7 * first["loss/scene.0"]


def test_no_word_is_left_in_the_weights(guided_settings: Settings, tmp_path: Path) -> None:
    config = guided_settings(max_iterations=2)
    trainer = Trainer(config, tmp_path, ALONE, Watcher())
    outcome = trainer.run()
    assert outcome.weights is not None and trainer.guide is not None
    with safe_open(outcome.weights, framework="pt") as file:
        header = json.loads(file.metadata()["sushi_lg"])
    assert not any("language" in key or "guid" in key for key in [*header, *header["config"]])
    tensors = load_file(outcome.weights)
    assert tensors.keys() == trainer.tracker.state_dict().keys() and "appearance.first.weight" in tensors
    beside = [value for value in trainer.guide.guidance.state_dict().values()]
    assert beside and not any(torch.equal(one, other) for one in beside for other in tensors.values())
    learned = load_tracker(outcome.weights).config.appearance
    assert learned == AppearanceConfig(8, 128, WIDTH, "toy", "weights-of-toy")
    assert config.tracker.appearance.width == 0  # what was found in galleries is not noted in the caller's settings


def test_the_same_tracker_with_and_without_words(guided_settings: Settings, tmp_path: Path) -> None:
    """Words change what is learned, not what there is."""
    guided = Trainer(guided_settings(max_iterations=2), tmp_path / "guided", ALONE, Watcher())
    plain = Trainer(guided_settings(language={"teacher": ""}, max_iterations=2), tmp_path / "plain", ALONE, Watcher())
    start = {name: value.clone() for name, value in guided.tracker.state_dict().items()}
    assert all(torch.equal(value, start[name]) for name, value in plain.tracker.state_dict().items())
    first, second = (load_file(trainer.run().weights) for trainer in (guided, plain))  # type: ignore[arg-type]
    assert first.keys() == second.keys() and rows(tmp_path / "plain")[0].keys() < rows(tmp_path / "guided")[0].keys()
    assert not torch.equal(first["appearance.first.weight"], second["appearance.first.weight"])


@pytest.mark.parametrize("cache", [False, True])
def test_killed_and_resumed_equals_straight_to_the_byte(guided_settings: Settings, tmp_path: Path, cache: bool) -> None:
    kept = {"cache": str(tmp_path / "said")} if cache else {}
    config = guided_settings(language=kept, level_warm_up=2)
    straight = Trainer(config, tmp_path / "straight", ALONE, Watcher()).run()
    with pytest.raises(RuntimeError):
        Trainer(config, tmp_path / "cut", ALONE, Watcher(5)).run()
    torch.manual_seed(99)  # what happens between does not matter
    resumed = Trainer(config, tmp_path / "cut", ALONE, Watcher(), resume=True)
    assert resumed.iteration == 3
    outcome = resumed.run()
    assert straight.weights is not None and outcome.weights is not None
    assert straight.weights.read_bytes() == outcome.weights.read_bytes()
    last = "checkpoints/step_000006.safetensors"
    assert (tmp_path / "straight" / last).read_bytes() == (tmp_path / "cut" / last).read_bytes()
    saved = load_file(tmp_path / "cut" / last)
    for part in ("model:guidance.node_head.weight", "optimizer:guidance.node_head.weight|exp_avg"):
        assert part in saved  # the projections go on too
    assert rows(tmp_path / "straight") == rows(tmp_path / "cut")
    assert any((tmp_path / "said").rglob("learn-1-*.safetensors")) is cache


def test_resuming_with_other_words_is_refused(guided_settings: Settings, tmp_path: Path) -> None:
    Trainer(guided_settings(max_iterations=1), tmp_path, ALONE, Watcher()).run()
    changed = guided_settings(max_iterations=1, language={"control": "permuted"})
    with pytest.raises(ConfigError, match=r"language\.control was 'none', is 'permuted'"):
        Trainer(changed, tmp_path, ALONE, Watcher(), resume=True)


def test_the_encoder_takes_the_mean_of_all_galleries_away(
    guided_settings: Settings, world: Path, said: Said, tmp_path: Path
) -> None:
    split = str(world / "split-learn-1.txt")
    chosen = SourceConfig(split, include=["learn-1", "learn-3"], appearance=said.looks, descriptions=said.descriptions)
    boxes = SourceConfig(split, include=["learn-2"])  # has none to add
    config = replace(guided_settings(), sources=[chosen, boxes])
    appearance = Trainer(config, tmp_path, ALONE, Watcher()).tracker.appearance
    clips = [detection_clip(one, None, 0.1, said.looks) for one in open_set(chosen, world, "sources.0")]
    vectors = torch.cat([torch.from_numpy(clip.embedding).float() for clip in clips])
    seen = vectors[vectors.any(dim=1)]
    assert appearance is not None and 0 < len(seen) < len(vectors)
    torch.testing.assert_close(appearance.mean, normalize(seen).mean(dim=0))
    assert float(appearance.mean.norm()) > 0.3


# --------------------------------------------------------------------------------------------------- initial weights


def some_weights(path: Path, config: TrainConfig, appearance: AppearanceConfig) -> dict[str, Tensor]:
    """Write weights of a tracker that learned nothing, and return them."""
    torch.manual_seed(5)
    recipe = replace(config.tracker, appearance=appearance)
    tracker = HierarchicalTracker(recipe)
    for _, buffer in tracker.named_buffers():
        buffer.uniform_(0.5, 1)
    save_weights(path, tracker.state_dict(), WeightsInfo(recipe))
    return tracker.state_dict()


def test_initial_weights_without_an_encoder_get_one(guided_settings: Settings, tmp_path: Path) -> None:
    config = guided_settings()
    initial = some_weights(tmp_path / "initial.safetensors", config, AppearanceConfig())
    begun = Trainer(replace(config, initial=str(tmp_path / "initial.safetensors")), tmp_path, ALONE, Watcher()).tracker
    fresh = Trainer(config, tmp_path, ALONE, Watcher()).tracker
    state, other = begun.state_dict(), fresh.state_dict()
    assert all(torch.equal(state[name], value) for name, value in initial.items())
    assert not torch.equal(other["verifier_norm.mean"], initial["verifier_norm.mean"])  # measured where nothing is
    assert state.keys() - initial.keys() == {name for name in state if name.startswith("appearance.")} != set()
    assert all(torch.equal(state[name], other[name]) for name in state.keys() - initial.keys())
    assert begun.appearance is not None and bool(begun.appearance.mean.any())


def test_initial_weights_with_an_encoder_are_taken_whole(guided_settings: Settings, tmp_path: Path) -> None:
    config = guided_settings()
    learned = AppearanceConfig(8, 128, WIDTH, "toy", "weights-of-toy")
    initial = some_weights(tmp_path / "initial.safetensors", config, learned)
    config = replace(config, initial=str(tmp_path / "initial.safetensors"), max_iterations=1)
    trainer = Trainer(config, tmp_path, ALONE, Watcher())
    assert trainer.tracker.state_dict().keys() == initial.keys()
    assert all(torch.equal(value, initial[name]) for name, value in trainer.tracker.state_dict().items())
    outcome = trainer.run()
    assert outcome.weights is not None
    info, tensors = read_weights(outcome.weights)
    assert info.config.appearance == learned
    assert torch.equal(tensors["appearance.mean"], initial["appearance.mean"])
    assert not torch.equal(tensors["appearance.first.weight"], initial["appearance.first.weight"])


def test_initial_weights_of_another_network_are_refused(guided_settings: Settings, tmp_path: Path) -> None:
    config = guided_settings()
    no_encoder = guided_settings(appearance=AppearanceConfig(), language={"instance": "none"})
    for appearance, settings, words in [
        (AppearanceConfig(8, 128, WIDTH + 1), config, "trained with appearance"),
        (AppearanceConfig(8, 128, WIDTH), no_encoder, "trained with appearance"),
    ]:
        some_weights(tmp_path / "initial.safetensors", config, appearance)
        with pytest.raises(WeightsError, match=words):
            Trainer(replace(settings, initial=str(tmp_path / "initial.safetensors")), tmp_path, ALONE, Watcher())


# ---------------------------------------------------------------------------------------------------------- mistakes


def test_settings_that_cannot_be_are_named(guided_settings: Settings, tmp_path: Path) -> None:
    nothing = {"source": {"appearance": None}}
    for config, words in [
        (guided_settings(**nothing), r"tracker\.appearance\.dim: an encoder, but no source has vectors"),
        (guided_settings(**nothing, language={"teacher": ""}), r"tracker\.appearance\.dim"),
        (guided_settings(appearance=AppearanceConfig()), r"language\.instance: .*there is no encoder"),
        (
            guided_settings(appearance=AppearanceConfig(dim=8, hidden_dim=64), language={"instance": "kl"}),
            r"tracker\.appearance\.hidden_dim is 64",
        ),
        (guided_settings(source={"descriptions": None}), r"language\.teacher: nobody has described"),
    ]:
        with pytest.raises(ConfigError, match=words):
            Trainer(config, tmp_path / "run", ALONE, Watcher())
    # what the same settings need is enough for them
    for config in (
        guided_settings(appearance=AppearanceConfig(), language={"instance": "none"}),
        guided_settings(appearance=AppearanceConfig(dim=8, hidden_dim=64)),
    ):
        assert Trainer(config, tmp_path / "run", ALONE, Watcher()).guide is not None


def test_galleries_by_two_embedders_are_refused(
    guided_settings: Settings, world: Path, said: Said, tmp_path: Path
) -> None:
    other = str(write_galleries(tmp_path / "looks", world, ["learn-2"], "other"))
    split = str(world / "split-learn-1.txt")
    mixed = [
        SourceConfig(split, include=["learn-1"], appearance=said.looks, descriptions=said.descriptions),
        SourceConfig(split, include=["learn-2"], appearance=other),
    ]
    for appearance in (AppearanceConfig(dim=8), AppearanceConfig()):  # without an encoder it would be no better
        config = replace(guided_settings(appearance=appearance), sources=mixed)
        with pytest.raises(ConfigError, match=r"sources: galleries by several embedders: .*learn-1.*learn-2"):
            Trainer(config, tmp_path / "run", ALONE, Watcher())


def test_without_a_teacher_nobody_is_asked(
    guided_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "load_lessons", lambda *_: pytest.fail("descriptions were read"))
    config = replace(guided_settings(max_iterations=1), language=LanguageConfig())
    Trainer(config, tmp_path, ALONE, Watcher()).run()
    assert not any(key.startswith("supervised/") for key in rows(tmp_path)[0])


def test_validation_sees_what_people_look_like(
    guided_settings: Settings, world: Path, said: Said, tmp_path: Path, held_out: SetConfig
) -> None:
    """Scores come from vectors as the encoder reads them, and no words: those sequences have none."""
    seen = replace(held_out, appearance=said.looks)
    config = guided_settings(max_iterations=2, validation=[seen])
    trainer = Trainer(config, tmp_path, ALONE, Watcher())
    ((each, *_),) = (one.sequences for one in trainer.validation)
    assert each.batch.detections.embedding is not None and each.batch.sentence is None
    assert trainer.exported.encode(each.batch.detections) is not None
    (scores,) = trainer.run().scores.values()
    assert 0 <= scores["HOTA"] <= 100
