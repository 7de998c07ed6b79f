"""From pixels to scores: videos with ground truth, boxes only against every way of seeing how people look.

    python scripts/study_videos.py VIDEOS DATA OUT
    python scripts/study_videos.py VIDEOS DATA OUT --other ByteTrack=out/bytetrack

VIDEOS holds PETS09-S2L1.mp4, TUD-Campus.mp4, TUD-Stadtmitte.mp4 and MOT17-09.mp4; DATA the data sets MOT15 and MOT17
with their ground truth. Of MOT17-09 only the second half is tracked and scored: the shipped weights learned from the
boxes of the first. --other scores results of another tracker too, one <video>.txt each, numbered as the frames that are
scored; scripts/public_trackers.py makes some on the same detections. Detections and vectors are kept in OUT and used
again. Writes OUT/videos.txt and OUT/videos.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from sushi_lg.appearance.camera_motion import CameraMotion
from sushi_lg.appearance.registry import load_embedder
from sushi_lg.cli.common import format_table
from sushi_lg.data.files import atomic_path
from sushi_lg.data.frames import open_frames, usable_cores
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.detection.registry import load_detector
from sushi_lg.evaluation.mot import evaluate_sequences
from sushi_lg.perception.perceive import perceive
from sushi_lg.tracking.run import track_sequences
from sushi_lg.tracking.weights import load_tracker, weights_path

TRUTH = {
    "PETS09-S2L1": "MOT15/train/PETS09-S2L1",
    "TUD-Campus": "MOT15/train/TUD-Campus",
    "TUD-Stadtmitte": "MOT15/train/TUD-Stadtmitte",
    "MOT17-09": "MOT17/train/MOT17-09",
}
SECOND_HALF_ONLY = ("MOT17-09",)
METRICS = ("HOTA", "AssA", "IDF1", "MOTA")


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, help="folder of the videos")
    parser.add_argument("data", type=Path, help="folder that holds the data sets")
    parser.add_argument("out", type=Path, help="folder of results")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--detector", default="yolox_nano")
    parser.add_argument("--embedders", nargs="*", default=["hsv", "reid_0248"])
    parser.add_argument("--other", nargs="*", default=[], metavar="NAME=FOLDER")
    arguments = parser.parse_args()
    truths = {name: _truth(arguments.data, path) for name, path in TRUTH.items()}
    folder = arguments.out / "seen"
    detector = load_detector(arguments.detector)
    embedders = {name: load_embedder(name) for name in arguments.embedders}
    for name in TRUTH:
        for embedder in [None, *embedders.values()]:
            source = open_frames(arguments.videos / f"{name}.mp4")
            calls = usable_cores()
            perceive(
                source,
                folder / name,
                detector=detector,
                embedder=embedder,
                camera=CameraMotion(),
                detect_calls=calls if detector.parallel else 1,
                embed_calls=calls if embedder is not None and embedder.parallel else 1,
            )
    tracker = load_tracker(weights_path(arguments.weights))
    results = {other.partition("=")[0]: Path(other.partition("=")[2]) for other in arguments.other}
    for way in ["boxes", *embedders]:
        results[way] = arguments.out / way / "tracks"
        for name, truth in truths.items():
            sequence = _view(open_sequence(folder / name, truth.info.layout), name)
            galleries = None if way == "boxes" else folder / name / "appearance" / embedders[way].name
            list(track_sequences(tracker, [sequence], arguments.out / way, stem=detector.name, galleries=galleries))
    rows, scores = [], {}
    for way, tracks in results.items():
        values = {}
        for name, truth in truths.items():
            (scored,) = evaluate_sequences([(_view(truth, name), tracks / f"{name}.txt")]).sequences
            values[name] = scored.values()
            rows.append({"tracker": way, "video": name, **_shown(values[name])})
        mean = {metric: float(np.mean([value[metric] for value in values.values()])) for metric in METRICS}
        rows.append({"tracker": way, "video": "mean", **_shown(mean)})
        scores[way] = {**values, "mean": mean}
    text = format_table(rows) + "\n"
    for file, content in (("videos.txt", text), ("videos.json", json.dumps(scores, indent=2) + "\n")):
        with atomic_path(arguments.out / file) as staged:
            staged.write_text(content, encoding="utf-8")
    print(text)


def _truth(data: Path, path: str) -> Sequence:
    """Open the ground truth; MOT17 sequences occur with and without the suffix of a public detector."""
    return open_sequence(data / path if (data / path).is_dir() else data / f"{path}-FRCNN")


def _view(sequence: Sequence, name: str) -> Sequence:
    return sequence.second_half() if name in SECOND_HALF_ONLY else sequence


def _shown(values: dict[str, float]) -> dict[str, str]:
    return {metric: f"{values[metric]:.1f}" for metric in METRICS}


if __name__ == "__main__":
    main()
