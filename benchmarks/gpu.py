"""What only a GPU can say, in one run of a few minutes: is it right there, how fast, and what is worth using.

    python benchmarks/gpu.py OUT.json [--data ROOT] [--only PART ...] [--device cuda]

ROOT holds speed/ (scenes A and B) and mot/ (MOT17 with yolox_x detections); what is absent is left out and named. Every
part is written as soon as it is done, and a part that fails says why and stops no other. Parts:

    agreement   trajectories of CPU and GPU, every difference with its margin
    rates       frames/s of association: MOT17, scenes A and B, long videos, a crowd
    memory      what each scene takes on the GPU against what was planned, and what the plan assumes about CUDA
    waits       operations that make the host wait, as CUDA itself reports them
    segments    sums over segments and fused messages: backends against each other, right and fast
    training    seconds of a training step
    compile     message passing under torch.compile
    profile     the kernels that take most of the time on scene B

``--device cpu`` rehearses all of it with small scenes where there is no GPU; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from training_step import default_step, sushi_step

from sushi_lg.benchmark.agreement import compare_ways
from sushi_lg.benchmark.measure import describe_machine
from sushi_lg.benchmark.roofline import fastest, measure_machine
from sushi_lg.benchmark.scenes import make_scene, simulate
from sushi_lg.data.splits import locate_split
from sushi_lg.nn import segment
from sushi_lg.nn.structures import Segments, make_segments
from sushi_lg.structures import Detections
from sushi_lg.tracking.memory import CUDA_ITSELF, gpu_need
from sushi_lg.tracking.weights import load_tracker, weights_path

SIMULATED = {"2,000 frames x 20": "2000x20", "crowd: 1,000 frames x 300": "1000x300"}
LARGE = {"20,000 frames x 20": "20000x20", "1 million detections: 7,250 frames x 150": "7250x150"}
MOST_LISTED = 50  # differences that are written one by one


class Bench:
    """What all parts share.

    Args:
        device: where the second of two ways computes.
        data: folder of real scenes, or None.
        small: rehearse.
    """

    def __init__(self, device: torch.device, data: Path | None, *, small: bool) -> None:
        self.device, self.data, self.small = device, data, small
        self.host = load_tracker(weights_path("default"))
        self.there = copy.deepcopy(self.host).to(device)

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def fastest(self, action: Callable[[], object], repeat: int = 3) -> float:
        """Return the seconds of the fastest of some runs, after one that warms up."""
        return fastest(action, 1 if self.small else repeat, self.wait)

    def scenes(self, *, large: bool) -> Iterator[tuple[str, list[Detections], int]]:
        """Yield title, clips and frames."""
        if self.small:
            yield "rehearsal", [simulate(40, 12, seed=1)], 40
            return
        if self.data is not None:
            found = locate_split("mot17-half-val", self.data / "mot")
            if found.missing:
                print(f"left out: MOT17 val halves, {', '.join(found.missing)} absent")
            else:
                clips = [sequence.load_detections("yolox_x") for sequence in found.sequences]
                yield "MOT17 val halves", clips, sum(sequence.length for sequence in found.sequences)
            for name, file in (("A", "synthetic_dets.txt"), ("B", "mot17_04_second_half_dets.txt")):
                path = self.data / "speed" / file
                if path.is_file():
                    scene = make_scene(str(path))
                    yield f"scene {name}", [scene.detections], scene.frames
        for title, name in {**SIMULATED, **(LARGE if large else {})}.items():
            scene = make_scene(name)
            yield title, [scene.detections], scene.frames
        scene = make_scene("1000x20x256")
        yield "1,000 frames x 20 with vectors", [scene.detections], scene.frames


def agreement(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Compare trajectories of CPU and GPU."""
    for title, clips, _ in bench.scenes(large=False):
        found = [compare_ways(bench.host, bench.there, clip, clip.to(bench.device)) for clip in clips]
        differences = [one for each in found for one in each.differences]
        yield (
            title,
            {
                "edges": sum(each.edges for each in found),
                "differences": len(differences),
                "largest_margin": max(each.largest_margin for each in found),
                "largest_probability_difference": max(each.largest_probability_difference for each in found),
                "videos": len(found),
                "videos_with_same_trajectories": sum(each.same_trajectories for each in found),
                "largest_box_difference": max(each.largest_box_difference for each in found),
                "listed": [vars(one) for one in sorted(differences, key=lambda one: -one.margin)[:MOST_LISTED]],
            },
        )


def rates(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Measure association: detections are on the device, trajectories come back to the host."""
    yield "yardsticks", vars(measure_machine(bench.device))
    for title, clips, frames in bench.scenes(large=True):
        given = [clip.to(bench.device) for clip in clips]
        for precision in (torch.float32, torch.bfloat16):
            bench.there.precision = precision
            seconds = bench.fastest(lambda given=given: [bench.there.track(clip) for clip in given])
            yield f"{title}, {precision}".replace("torch.", ""), _rate(clips, frames, seconds)
        bench.there.precision = torch.float32
        if "triton" in segment.available_backends(bench.device):
            with _backend("triton"):
                seconds = bench.fastest(lambda given=given: [bench.there.track(clip) for clip in given])
            yield f"{title}, triton", _rate(clips, frames, seconds)
        if len(given) > 1:
            for workers in (2, 4):
                with ThreadPoolExecutor(workers) as pool:
                    seconds = bench.fastest(lambda given=given, pool=pool: list(pool.map(bench.there.track, given)))
                yield f"{title}, {workers} at once", _rate(clips, frames, seconds)


def memory(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Compare what scenes take with what ``tracking/memory.py`` plans and assumes."""
    is_there = bench.device.type == "cuda"
    if is_there:
        bench.there.track(simulate(20, 5, seed=1).to(bench.device))  # libraries are loaded by their first use
        bench.wait()
        free, total = torch.cuda.mem_get_info(bench.device)
        held = torch.cuda.memory_reserved(bench.device)
        yield "CUDA itself", {"bytes": total - free - held, "assumed": CUDA_ITSELF}
    for title, clips, _ in bench.scenes(large=True):
        clip = max(clips, key=len)
        counted: dict[str, int] = {}
        if is_there:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(bench.device)
        bench.there.track(clip.to(bench.device))
        if is_there:
            tensors, held = (
                ask(bench.device) for ask in (torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved)
            )
            counted = {"tensors": tensors, "held": held}
        yield title, {"detections": len(clip), "planned": gpu_need(clip, bench.there.config.min_score), **counted}


@contextmanager
def _backend(name: str) -> Iterator[None]:
    before = os.environ.get(segment.VARIABLE)
    os.environ[segment.VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(segment.VARIABLE)
        os.environ.update({} if before is None else {segment.VARIABLE: before})


def _rate(clips: list[Detections], frames: int, seconds: float) -> dict[str, float]:
    count = sum(map(len, clips))
    return {"seconds": seconds, "frames_per_second": frames / seconds, "detections_per_second": count / seconds}


def waits(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Count what CUDA reports as waiting."""
    for title, clips, _ in bench.scenes(large=False):
        given = clips[0].to(bench.device)
        bench.there.track(given)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            _report_waits(bench, "warn")
            try:
                bench.there.track(given)
            finally:
                _report_waits(bench, "default")
        found = [one for one in said if "synchroniz" in str(one.message)]
        places = Counter(f"{Path(one.filename).name}:{one.lineno}" for one in found)
        yield (
            title,
            {"waits": len(found), "levels": len(bench.there.config.levels), "places": dict(places.most_common())},
        )


def _report_waits(bench: Bench, mode: str) -> None:
    if bench.device.type == "cuda":
        torch.cuda.set_sync_debug_mode(mode)


def segments(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Compare backends: sums over segments, and messages that are computed and summed."""
    backends = segment.available_backends(bench.device)
    for edges in (1000,) if bench.small else (100_000, 1_000_000):
        for width in (32, 64):
            torch.manual_seed(0)
            nodes = max(edges // 8, 1)
            for is_sorted in (True, False):
                index = torch.randint(nodes, (edges,))
                index = index.sort().values if is_sorted else index
                rows = make_segments(index.to(bench.device), nodes, is_sorted=is_sorted)
                values = torch.randn(edges, width).to(bench.device)
                exact = torch.zeros(nodes, width, dtype=torch.float64, device=bench.device)
                exact = exact.index_add(0, rows.index, values.double())
                for backend in backends:
                    total = segment.segment_sum(values, rows, backend)
                    again = segment.segment_sum(values, rows, backend)
                    seconds = bench.fastest(lambda v=values, r=rows, b=backend: segment.segment_sum(v, r, b), 20)
                    order = "sorted" if is_sorted else "unsorted"
                    yield (
                        f"sum, {edges} x {width}, {order}, {backend}",
                        {
                            "seconds": seconds,
                            "largest_error": float((total - exact).abs().max()),
                            "same_bits_twice": bool(torch.equal(total, again)),
                        },
                    )
            yield from _messages(bench, edges, nodes, width, "triton" in backends)


def _messages(bench: Bench, edges: int, nodes: int, width: int, with_triton: bool) -> Iterator[tuple[str, Any]]:
    hidden = 2 * width
    ends = torch.stack([torch.randint(nodes, (edges,)), torch.randint(nodes, (edges,)).sort().values])
    sender = make_segments(ends[0].to(bench.device), nodes, is_sorted=False)
    receiver = make_segments(ends[1].to(bench.device), nodes, is_sorted=True)
    sizes = [(nodes, hidden), (edges, width), (hidden, width), (width, hidden), (width,)]
    # Scaled so that layers neither fade nor grow.
    tensors = [torch.randn(size) / max(size[-1], 1) ** 0.5 for size in sizes]
    ways: dict[str, Callable[..., Tensor]] = {"plain": _plain_messages}
    if with_triton:
        from sushi_lg.nn.triton_kernels import message_sum

        ways["fused"] = message_sum
    doubles: list[Any] = [one.double().to(bench.device) for one in tensors]
    exact = _plain_messages(*doubles, sender, receiver)
    for dtype in (torch.float32, torch.bfloat16):
        given = [one.to(bench.device, dtype).requires_grad_() for one in tensors]
        for name, way in ways.items():

            def forward(way: Callable[..., Tensor] = way, given: list[Tensor] = given) -> Tensor:
                with torch.no_grad():
                    return way(*given, sender, receiver)

            def both(way: Callable[..., Tensor] = way, given: list[Tensor] = given) -> None:
                torch.autograd.grad(way(*given, sender, receiver).sum(), given)

            away = (forward().double() - exact).abs().max() / exact.abs().max()
            yield (
                f"messages, {edges} x {width}, {str(dtype).removeprefix('torch.')}, {name}",
                {
                    "seconds_forward": bench.fastest(forward, 10),
                    "seconds_with_gradients": bench.fastest(both, 5),
                    "largest_relative_error": float(away),
                },
            )


def _plain_messages(
    projected: Tensor,
    latent: Tensor,
    weight_edge: Tensor,
    weight_out: Tensor,
    bias: Tensor,
    sender: Segments,
    receiver: Segments,
) -> Tensor:
    hidden = (segment.gather(projected, sender) + linear(latent, weight_edge)).relu()
    return segment.segment_sum(linear(hidden, weight_out, bias).relu(), receiver)


def training(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Measure forward, backward and optimiser on 8 clips of 64 frames."""
    frames, clips, people = (8, 2, 6) if bench.small else (64, 8, 30)
    detections = Detections.concatenate([simulate(frames, people, seed) for seed in range(clips)]).to(bench.device)
    for recipe, make in (("default", default_step), ("sushi", sushi_step)):
        yield recipe, {"seconds": bench.fastest(make(detections)), "detections": len(detections)}


def compile(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Measure message passing with and without torch.compile; shapes change from level to level."""
    _, clips, _ = next(bench.scenes(large=False))
    given = clips[0].to(bench.device)
    with torch.inference_mode():
        graphs = [result.graph for result in bench.there.run(bench.there.choose(given)[0])]
    scorer: Any = bench.there.scorer

    def score() -> None:
        with torch.inference_mode():
            for level, graph in enumerate(graphs):
                scorer(graph, level)

    yield "plain", {"seconds": bench.fastest(score, 5)}
    before = {name: block.passing.forward for name, block in scorer.blocks.items()}
    try:
        for block in scorer.blocks.values():
            block.passing.forward = torch.compile(block.passing.forward, dynamic=True)
        began = time.perf_counter()
        score()
        first = time.perf_counter() - began
        yield "compiled", {"seconds": bench.fastest(score, 5), "first_run_seconds": first}
    finally:
        for name, block in scorer.blocks.items():
            block.passing.forward = before[name]


def profile(bench: Bench) -> Iterator[tuple[str, Any]]:
    """List the operations that take most of the time."""
    scenes = {title: clips for title, clips, _ in bench.scenes(large=False)}
    title = "scene B" if "scene B" in scenes else next(iter(scenes))
    given = scenes[title][0].to(bench.device)
    bench.there.track(given)
    with torch.profiler.profile() as found:
        bench.there.track(given)
        bench.wait()
    rows = sorted(found.key_averages(), key=lambda row: -(row.self_device_time_total or row.self_cpu_time_total))[:25]
    yield (
        title,
        [
            {
                "name": row.key[:90],
                "calls": row.count,
                "device_ms": row.self_device_time_total / 1e3,
                "host_ms": row.self_cpu_time_total / 1e3,
            }
            for row in rows
        ],
    )


PARTS: dict[str, Callable[[Bench], Iterator[tuple[str, Any]]]] = {
    part.__name__: part for part in (agreement, rates, memory, waits, segments, training, compile, profile)
}


def main() -> int:
    """Run the parts, write after every line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="rehearse with small scenes; implied by --device cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU; --device cpu rehearses")
    bench = Bench(device, options.data, small=options.small or device.type == "cpu")
    found: dict[str, Any] = {"machine": describe_machine(), "rehearsal": bench.small}
    failed = 0
    for name in options.only:
        part = found.setdefault(name, {})
        began = time.perf_counter()
        try:
            for title, value in PARTS[name](bench):
                part[title] = value
                brief = (
                    {key: one for key, one in value.items() if key != "listed"} if isinstance(value, dict) else "..."
                )
                print(f"{name}: {title}: {brief}", flush=True)
                _write(options.out, found)
        except Exception as error:
            failed += 1
            part["failed"] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        _write(options.out, found)
    return 1 if failed else 0


def _write(path: Path, found: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
