"""Seconds a frame of every stage that looks at pictures, and how near the whole pass comes to their sum over the cores.

    python benchmarks/perception.py VIDEO... [--detector yolox_nano] [--embedder hsv] [--cores 2] [--out FILE.json]

Each stage runs alone on one thread and is charged its CPU seconds; the bound of the whole is cores / (sum of CPU
seconds a frame). The whole pass is ``perceive`` from the video to the sequence folder, once with as many calls of the
networks at once as there are cores, each on one thread, and once with one call at a time that uses all cores. Other
work on the machine lowers the share of the bound; ``busy`` is the share of the cores that the pass had.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.camera_motion import CameraMotion
from sushi_lg.appearance.registry import load_embedder
from sushi_lg.benchmark.measure import describe_machine
from sushi_lg.data.frames import open_frames, usable_cores
from sushi_lg.data.video import decode_frames, picture_of, probe_video
from sushi_lg.detection.registry import load_detector
from sushi_lg.perception.perceive import perceive
from sushi_lg.perception.structures import PART_FRAMES


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--detector", default="yolox_nano")
    parser.add_argument("--embedder", default="hsv")
    parser.add_argument("--cores", type=int, default=min(2, usable_cores()))
    parser.add_argument(
        "--frames",
        type=int,
        default=200,
        help="frames of the stages alone, in whole parts spread over the video; the pass takes all",
    )
    parser.add_argument("--repeat", type=int, default=3, help="passes of each kind; the best counts")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    cv2.setNumThreads(1)  # as in the pass
    found = {}
    for video in options.videos:
        stages = measure_stages(video, options)
        bound = options.cores / sum(stages.values())
        passes = {
            f"{calls} calls of {threads} threads": best_pass(video, options, calls, threads, bound)
            for calls, threads in ((options.cores, 1), (1, options.cores))
        }
        found[video.stem] = {"cpu_seconds_a_frame": stages, "bound_frames_a_second": bound, "passes": passes}
        print(f"{video.stem}: bound {bound:.1f} frames/s; ms a frame:", end=" ")
        print(", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in stages.items()))
        for name, one in passes.items():
            print(
                f"  {name}: {one['frames_a_second']:.1f} frames/s, {one['share_of_bound']:.0%} of the bound", end="; "
            )
            print(f"busy {one['busy']:.0%}", end="; ")
            print(f"{1e3 * one['cpu_seconds_a_frame']:.2f} ms CPU a frame")
    if options.out:
        content = {
            "machine": describe_machine(),
            "perception": {
                "cores": options.cores,
                "detector": options.detector,
                "embedder": options.embedder,
                "videos": found,
            },
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(content, indent=1) + "\n")


def measure_stages(video: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return CPU seconds a frame of each stage, alone and on one thread.

    Decoding is charged for the whole video; the other stages for whole parts spread over it, in batches as in the pass.
    """
    detector, embedder, camera = load_detector(options.detector), load_embedder(options.embedder), CameraMotion()
    info = probe_video(video)
    parts = range(0, info.indexed, PART_FRAMES)
    wanted = max(1, min(len(parts), round(options.frames / PART_FRAMES)))
    looked_at = {parts[len(parts) * (2 * number + 1) // (2 * wanted)] for number in range(wanted)}
    spent: dict[str, float] = {}
    frames = decode_frames(info)
    seen = 0

    def charge(stage: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the stage gives
        began = time.process_time()
        result = work()
        spent[stage] = spent.get(stage, 0.0) + time.process_time() - began
        return result

    for begin in parts:
        stop = min(begin + PART_FRAMES, info.indexed)
        before = None
        crops: list[NDArray[np.uint8]] = []
        for first in range(begin, stop, detector.batch_size):
            count = min(detector.batch_size, stop - first)
            decoded = charge("decode", lambda count=count: [next(frames)[1] for _ in range(count)])
            if begin not in looked_at:
                continue
            seen += count
            pictures = charge("convert", lambda batch=decoded: [picture_of(frame) for frame in batch])
            prepared = charge("prepare", lambda batch=pictures: [detector.prepare(picture) for picture in batch])
            for picture, found in zip(pictures, charge("detect", lambda p=prepared: detector.detect(p)), strict=True):
                crops.append(charge("crop", lambda p=picture, f=found: embedder.crop(p, f.boxes_xyxy)))
                view = charge("camera", lambda p=picture: camera.prepare(p))
                # the first frame of a part follows one that was not looked at: itself stands in for that
                earlier = before or (view, found.boxes_xyxy)
                charge("camera", lambda b=earlier, v=view: camera.step(b[0], v, b[1]))
                before = view, found.boxes_xyxy
        together = np.concatenate(crops) if crops else np.zeros((0, 1, 1, 3), np.uint8)
        for at in range(0, len(together), embedder.batch_size):
            charge("embed", lambda c=together[at : at + embedder.batch_size]: embedder.embed(c))
    return {stage: seconds / (info.indexed if stage == "decode" else seen) for stage, seconds in spent.items()}


def best_pass(video: Path, options: argparse.Namespace, calls: int, threads: int, bound: float) -> dict[str, float]:
    """Return speed and CPU seconds of the fastest of several whole passes."""
    passes = []
    for _ in range(options.repeat):
        detector = load_detector(options.detector, threads=threads)
        embedder = load_embedder(options.embedder, threads=threads)
        with tempfile.TemporaryDirectory() as folder:
            source = open_frames(video)
            source.content_key()  # reading the file once is no part of the pass
            began, cpu = time.perf_counter(), time.process_time()
            done = perceive(
                source,
                Path(folder) / "pass",
                detector=detector,
                embedder=embedder,
                camera=CameraMotion(),
                detect_calls=calls,
                embed_calls=calls,
            )
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        rate = done.frames / seconds
        passes.append(
            {
                "frames_a_second": rate,
                "share_of_bound": rate / bound,
                "cpu_seconds_a_frame": cpu / done.frames,
                "busy": cpu / seconds / options.cores,
            }
        )
    return max(passes, key=lambda one: one["frames_a_second"])


if __name__ == "__main__":
    main()
