"""Memory of a GPU is planned before the work, above what the pretended GPU counts; what fails all the same says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pretend_gpu import GPU, PretendedGpu, pretend_gpu
from synthetic import write_world
from toy import make

from sushi_lg.benchmark.scenes import make_scene
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.errors import ConfigError, SushiError, is_out_of_memory
from sushi_lg.graph import candidates
from sushi_lg.structures import Detections
from sushi_lg.tracking import memory
from sushi_lg.tracking.memory import free_gpu_memory, gpu_need, plan_gpu_memory
from sushi_lg.tracking.recipe import SushiConfig, doubling_levels
from sushi_lg.tracking.run import track_sequences
from sushi_lg.tracking.sizes import parse_size
from sushi_lg.tracking.sushi import SushiTracker, batches_on_a_gpu
from sushi_lg.tracking.weights import load_tracker, weights_path

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="what a pretended GPU counts")
GIB = 1 << 30


@pytest.fixture
def gpu() -> Iterator[PretendedGpu]:
    with pretend_gpu() as found:
        yield found


def doubled() -> Detections:
    """Every box twice: nothing is joined at the lower levels."""
    detections = make_scene("150x12").detections
    return detections.select(torch.arange(len(detections)).repeat_interleave(2))


def in_halves(scene: str) -> Detections:
    detections = make_scene(scene).detections
    assert detections.embedding is not None
    return replace(detections, embedding=detections.embedding.half())


SCENES = {
    "few people": lambda: make_scene("400x10").detections,
    "crowd": lambda: make_scene("25x120").detections,
    "every box twice": doubled,
    "vectors": lambda: in_halves("150x20x64"),
    "wide vectors": lambda: in_halves("100x12x1024"),
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_plan_lies_above_what_is_counted(scene: str) -> None:
    detections = SCENES[scene]()
    with pretend_gpu() as gpu:
        tracker = load_tracker(weights_path("default")).to(GPU)
        gpu.peak_bytes = gpu.bytes
        before = gpu.bytes
        tracker.track(detections.to(GPU))
    needed = gpu_need(detections, tracker.config.min_score)
    assert gpu.peak_bytes - before < needed < 3 * (gpu.peak_bytes - before)


@pytest.mark.parametrize("scene", ["100x12", "64x12x128"])
def test_the_plan_of_the_published_recipe_lies_above_what_is_counted(scene: str) -> None:
    detections = in_halves(scene) if scene.count("x") > 1 else make_scene(scene).detections
    torch.manual_seed(1)
    config = SushiConfig(window=64, levels=doubling_levels([2, 4, 8, 16, 32, 64]), min_score=0.0)
    with pretend_gpu() as gpu:
        tracker = SushiTracker(config).eval().to(GPU)
        gpu.peak_bytes = gpu.bytes
        before = gpu.bytes
        tracker.track(detections.to(GPU))
    assert gpu.peak_bytes - before < gpu_need(detections, 0.0, config) < 4 * (gpu.peak_bytes - before)


def test_vectors_of_a_crowd_stand_side_by_side_for_few_pairs(gpu: PretendedGpu) -> None:
    """Vectors of both ends of all pairs of a block took gigabytes."""
    detections = in_halves("12x300x64")  # a million pairs of neighbouring frames
    tracker = load_tracker(weights_path("default")).to(GPU)
    gpu.peak_bytes = gpu.bytes
    tracker.track(detections.to(GPU))
    assert gpu.peak_bytes < 300 << 20  # 3 x 64 x 4 bytes for each of them would be 800


def test_pairs_of_a_crowd_are_measured_a_part_at_a_time(gpu: PretendedGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    detections = make_scene("20x200").detections.to(GPU)
    tracker = load_tracker(weights_path("default")).to(GPU)
    peaks = []
    for part in (1 << 15, 1 << 30):
        monkeypatch.setattr(candidates, "GPU_PART", part)
        gpu.peak_bytes = gpu.bytes
        tracker.track(detections)
        peaks.append(gpu.peak_bytes)
    assert peaks[0] < 0.8 * peaks[1]


def test_windows_that_run_together() -> None:
    config = SushiConfig(window=4, overlap=0.5, levels=doubling_levels([2, 4]))
    frames = torch.arange(100).repeat_interleave(3).numpy()
    batches = batches_on_a_gpu(frames, config)
    assert [len(batch) for batch in batches] == [8, 8, 8, 8, 8, 8, 1] and {
        count for batch in batches for count in batch
    } == {4 * 3}
    assert batches_on_a_gpu(frames[:12], config) == [[12]] and not sum(map(sum, batches_on_a_gpu(frames[:0], config)))


def sequences(rows: list[int]) -> list[tuple[str, Detections]]:
    return [
        (f"s{number}", make([i // 5 for i in range(count)], [[30 * i, 0, 30 * i + 5, 9] for i in range(count)]))
        for number, count in enumerate(rows)
    ]


@pytest.mark.parametrize(("at_once", "spare"), [(3, 0), (2, 0), (1, 0), (2, -1), (3, -1)])
def test_as_many_at_once_as_fit(at_once: int, spare: int, gpu: PretendedGpu) -> None:
    found = sequences([500, 9000, 4000])
    largest = sorted((gpu_need(one, 0.1) for _, one in found), reverse=True)
    gpu.memory = memory.CUDA_LATER + sum(largest[:at_once]) + spare
    plan = plan_gpu_memory(iter(found), 8, min_score=0.1)
    assert plan.workers == at_once + spare and plan.total <= gpu.memory
    assert ("instead of 3" in plan.explain()) == (plan.workers < 3) and "for CUDA itself" in plan.explain()


def test_a_sequence_that_does_not_fit_is_refused(gpu: PretendedGpu) -> None:
    gpu.memory = memory.CUDA_LATER + (10 << 20)
    with pytest.raises(
        ConfigError, match=r"^s1 needs about .* on the GPU, .* for CUDA; 210MB of cuda:0 are free"
    ) as no:
        plan_gpu_memory(sequences([500, 9000]), 1, min_score=0.1, device="cuda:0")
    assert "device=cpu, a higher min_score=" in str(no.value)
    (asked,) = re.findall(r"--gpu-memory (\S+) tries", str(no.value))
    assert plan_gpu_memory(sequences([500, 9000]), 1, min_score=0.1, budget=parse_size("1GB")).workers == 1 and asked
    assert plan_gpu_memory(sequences([500, 9000]), 1, min_score=0.1, budget=GIB).workers == 1


def test_what_the_message_asks_for_is_enough(gpu: PretendedGpu) -> None:
    with pytest.raises(ConfigError, match="--gpu-memory is below that") as refused:
        plan_gpu_memory(sequences([900]), 1, min_score=0.1, budget=1)
    asked = parse_size(str(refused.value).partition("give --gpu-memory ")[2].split()[0])
    assert plan_gpu_memory(sequences([900]), 1, min_score=0.1, budget=asked).total <= asked


def test_what_takes_no_part_needs_nothing() -> None:
    (_, detections), *_ = sequences([1000])
    weak = replace(detections, score=torch.full_like(detections.score, 0.05))
    assert gpu_need(weak, 0.1) == gpu_need(weak.select(torch.arange(0)), 0.1) == 0
    assert gpu_need(replace(weak, score=weak.score - 1), 0.1) == gpu_need(detections, 0.1)  # no probabilities


def test_what_the_allocator_keeps_can_be_had(gpu: PretendedGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *_: 5000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda *_: 2000)
    assert free_gpu_memory("cuda") == gpu.memory + 3000


def test_a_full_gpu_cannot_even_be_asked(gpu: PretendedGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> tuple[int, int]:
        raise RuntimeError(words)

    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    words = "CUDA error: out of memory\nCUDA kernel errors might be ..."
    with pytest.raises(ConfigError, match="no memory is left there"):
        free_gpu_memory("cuda")
    words = "CUDA error: invalid device ordinal"
    with pytest.raises(RuntimeError, match="ordinal"):
        free_gpu_memory("cuda")


def test_what_says_that_memory_is_out() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("anything"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))


@pytest.fixture
def world(tmp_path: Path) -> list[Sequence]:
    write_world(tmp_path, ("one", "two"))
    return [open_sequence(tmp_path / name) for name in ("one", "two")]


def test_a_gpu_that_runs_out_says_where(gpu: PretendedGpu, world: list[Sequence], tmp_path: Path) -> None:
    tracker = load_tracker(weights_path("default")).to(GPU)
    gpu.memory = gpu.bytes + 100_000  # detections fit, the work does not
    running = track_sequences(tracker, world, tmp_path / "out", device=GPU)
    with pytest.raises(SushiError, match=r"^one: cuda:0 ran out of memory; .* detections were read") as failed:
        next(running)
    assert isinstance(failed.value.__cause__, torch.OutOfMemoryError) and "device=cpu" in str(failed.value)
    assert not list((tmp_path / "out").rglob("*.txt"))


@pytest.mark.parametrize("error", [RuntimeError("anything else"), torch.OutOfMemoryError("CUDA out of memory")])
def test_fewer_at_once_are_named_where_several_run(error: RuntimeError, world: list[Sequence], tmp_path: Path) -> None:
    class Failing:
        def track(self, *_: object) -> None:
            raise error

    kind, words = (SushiError, "workers=1") if is_out_of_memory(error) else (RuntimeError, "anything else")
    with pytest.raises(kind, match=words):
        list(track_sequences(Failing(), world, tmp_path / "out", workers=2))  # type: ignore[arg-type]
