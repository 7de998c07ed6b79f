"""Weights that words have guided, at work: no word is read, no package of language is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from guided import WIDTH, save_teacher, write_galleries, write_said
from synthetic import write_world

from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.trajectory_io import read_trajectories
from sushi_lg.errors import DataError, WeightsError
from sushi_lg.nn.settings import AppearanceConfig
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, check_look, load_tracker, read_weights, save_weights
from sushi_lg.training.parallel import World
from sushi_lg.training.settings import LanguageConfig, SamplingConfig, SourceConfig, TrainConfig
from sushi_lg.training.trainer import Trainer

LEARNED = AppearanceConfig(8, 128, WIDTH, "toy", "weights-of-toy")


class Silent:
    def progress(self, share: float, iteration: int) -> None: ...

    def line(self, text: str) -> None: ...


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a world, its galleries, what is said about it, and ``weights.safetensors`` of a guided training."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    root = tmp_path_factory.mktemp("guided")
    split = write_world(root / "world", ("learn-1", "learn-2"))
    write_world(root / "world", ("test-1",), seed=9)
    looks = write_galleries(root / "looks", root / "world", ("learn-1", "learn-2", "test-1"))
    descriptions = write_said(root / "said", ("learn-1", "learn-2"))
    torch.set_num_threads(1)
    config = TrainConfig(
        data=str(root / "world"),
        tracker=TrackerConfig(appearance=AppearanceConfig(dim=8)),
        sources=[SourceConfig(str(split), appearance=str(looks), descriptions=str(descriptions))],
        sampling=SamplingConfig(budget=200, min_length=20, max_length=40, stride=[1.0], appearance=1.0),
        language=LanguageConfig(teacher=save_teacher(root / "teacher")),
        initial="default",
        max_iterations=2,
        level_warm_up=0,
        tensorboard=False,
        device="cpu",
    )
    config.validate()
    outcome = Trainer(config, root / "run", World(0, 1, torch.device("cpu")), Silent()).run()
    assert outcome.weights is not None
    assert json.loads((root / "run" / "metrics.jsonl").read_text())["supervised/instance.0"] > 0
    outcome.weights.rename(root / "weights.safetensors")
    return root


# -------------------------------------------------------------------------------------------------------- no words

TRACK = """
import os, sys
folder, blocked, words = sys.argv[1], sys.argv[2] == "blocked", sys.argv[3:]
packages = ["sushi_lg.language", "transformers", "tokenizers", "open_clip", "sentence_transformers", "huggingface_hub"]
if blocked:
    for package in packages:
        sys.modules[package] = None
    for module in ("sushi_lg.language.text_encoder", "transformers"):
        try:
            __import__(module)
        except ImportError:
            continue
        raise SystemExit(f"{module} is not blocked")
opened = []
sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" else None)
from sushi_lg.cli.app import main
try:
    main(words)
except SystemExit as done:
    assert not done.code, done.code
assert any(path.endswith("test-1.npy") for path in opened) and any(path.endswith(".safetensors") for path in opened)
for part in ("said", "teacher", "run"):
    read = [path for path in opened if path.startswith(os.path.join(folder, part))]
    assert not read, read
assert not [path for path in opened if path.endswith(".jsonl")]
assert not [name for name in packages if sys.modules.get(name) is not None]
"""


def track(guided: Path, out: Path, how: str) -> dict[str, bytes]:
    """Run ``sushi-lg track`` in a process of its own and return the files it wrote."""
    words = ["track", guided / "world" / "test-1", "--weights", guided / "weights.safetensors"]
    words += ["--appearance", guided / "looks", "--out", out, "device=cpu"]
    done = subprocess.run(
        [sys.executable, "-c", TRACK, str(guided), how, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "appearance (toy)" in done.stdout
    return {path.name: path.read_bytes() for path in sorted((out / "tracks").iterdir())}


def test_tracking_reads_no_text_and_needs_no_package_of_language(guided: Path, tmp_path: Path) -> None:
    free, blocked = (track(guided, tmp_path / how, how) for how in ("free", "blocked"))
    assert free == blocked and {"test-1.txt", "test-1.parquet"} <= free.keys()
    assert len(read_trajectories(tmp_path / "free" / "tracks" / "test-1.parquet")) > 200


def test_the_file_holds_the_tracker_and_nothing_else(guided: Path) -> None:
    info, tensors = read_weights(guided / "weights.safetensors")
    assert info.config.appearance == LEARNED
    assert tensors.keys() == HierarchicalTracker(info.config).state_dict().keys()
    assert not any(word in name for name in tensors for word in ("guid", "head", "language", "sentence", "scale_"))
    content = (guided / "weights.safetensors").read_bytes()
    assert b"wearing" not in content and str(guided / "teacher").encode() not in content


# ----------------------------------------------------------------------------------------------------- the encoder


@pytest.fixture
def seen(guided: Path) -> Detections:
    return open_sequence(guided / "world" / "test-1").load_detections(galleries=guided / "looks")


@pytest.fixture
def tracker(guided: Path) -> Iterator[HierarchicalTracker]:
    yield load_tracker(guided / "weights.safetensors", TrackerConfig())


def test_settings_without_an_encoder_take_that_of_the_weights(tracker: HierarchicalTracker, guided: Path) -> None:
    assert tracker.config.appearance == LEARNED and tracker.appearance is not None
    assert load_tracker(guided / "weights.safetensors", TrackerConfig(appearance=LEARNED)).config.appearance == LEARNED
    with pytest.raises(WeightsError, match=r"trained with appearance .*'dim': 8.*the settings say .*'dim': 4"):
        load_tracker(guided / "weights.safetensors", TrackerConfig(appearance=replace(LEARNED, dim=4)))


@torch.inference_mode()
def test_people_are_compared_as_the_encoder_sees_them(tracker: HierarchicalTracker, seen: Detections) -> None:
    encoded = tracker.encode(seen)
    assert encoded is not None and encoded.hidden is None and encoded.embedding.shape == (len(seen), 8)
    assert seen.embedding is not None and tracker.appearance is not None
    nothing = ~seen.embedding.any(dim=1)
    assert 0 < int(nothing.sum()) < len(seen)
    assert torch.equal(encoded.embedding.norm(dim=1) < 0.5, nothing)
    torch.testing.assert_close(encoded.embedding[~nothing].norm(dim=1), torch.ones(int((~nothing).sum())))
    given = [result.graph.edge_likeness[:] for result in tracker.run(seen)]  # type: ignore[index]
    again = [result.graph.edge_likeness[:] for result in tracker.run(seen, encoded=encoded)]  # type: ignore[index]
    with_others = replace(encoded, embedding=encoded.embedding.roll(1, dims=0))
    other = next(tracker.run(seen, encoded=with_others)).graph.edge_likeness[:]  # type: ignore[index]
    assert all(torch.equal(one, two) for one, two in zip(given, again, strict=True))
    assert not torch.equal(given[0], other)


@torch.inference_mode()
def test_the_length_of_vectors_says_nothing(tracker: HierarchicalTracker, seen: Detections) -> None:
    assert seen.embedding is not None
    longer = replace(seen, embedding=4 * seen.embedding)  # exact in half precision
    first, second = tracker.encode(seen), tracker.encode(longer)
    assert first is not None and second is not None
    torch.testing.assert_close(first.embedding, second.embedding)


def test_boxes_alone_are_tracked_as_without_an_encoder(tracker: HierarchicalTracker, seen: Detections) -> None:
    boxes = replace(seen, embedding=None)
    assert tracker.encode(boxes) is None
    table = tracker.track(boxes)
    without = HierarchicalTracker(replace(tracker.config, appearance=AppearanceConfig())).eval()
    without.load_state_dict({k: v for k, v in tracker.state_dict().items() if not k.startswith("appearance.")})
    expected = without.track(boxes)
    assert len(table) > 200 and np.array_equal(table.track_id, expected.track_id)
    assert np.array_equal(table.boxes_ltwh, expected.boxes_ltwh)


def test_vectors_of_another_width_are_refused(tracker: HierarchicalTracker, seen: Detections) -> None:
    assert seen.embedding is not None
    with pytest.raises(WeightsError, match=f"width {WIDTH - 1}, .* those of toy \\({WIDTH}\\)"):
        tracker.track(replace(seen, embedding=seen.embedding[:, 1:]))


def test_vectors_that_are_no_numbers_are_refused(tracker: HierarchicalTracker, seen: Detections) -> None:
    assert seen.embedding is not None
    broken = seen.embedding.clone()
    broken[3, 2] = torch.nan
    with pytest.raises(DataError, match="NaN"):
        tracker.track(replace(seen, embedding=broken))


@pytest.mark.parametrize(
    ("embedder", "fingerprint"), [("other", "weights-of-toy"), ("toy", "other-weights"), ("toy", "")]
)
def test_vectors_by_another_embedder_are_refused(embedder: str, fingerprint: str) -> None:
    with pytest.raises(DataError, match=f"here: vectors by {embedder}.*trained with those of toy") as caught:
        check_look(LEARNED, embedder, fingerprint, "here")
    assert "--embedder toy" in str(caught.value.remedy)
    check_look(LEARNED, "toy", "weights-of-toy", "here")
    check_look(AppearanceConfig(), embedder, fingerprint, "here")  # without an encoder any will do


def test_an_encoder_is_kept_through_a_file(tmp_path: Path, tracker: HierarchicalTracker) -> None:
    save_weights(tmp_path / "again.safetensors", tracker.state_dict(), WeightsInfo(tracker.config))
    again = load_tracker(tmp_path / "again.safetensors")
    assert again.config == tracker.config
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in tracker.state_dict().items())
    assert tracker.appearance is not None and bool(tracker.appearance.mean.any())
