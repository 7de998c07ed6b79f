"""Results of the public `trackers` package on the detections of study_videos.py, for its --other.

    python -m venv runs/public && runs/public/bin/pip install trackers
    runs/public/bin/python scripts/public_trackers.py OUT/seen OUT/public

Needs none of this project: reads <video>/seqinfo.ini and <video>/det/<name>.txt, runs every tracker with its default
settings and the video's frame rate on all detections of a confidence of at least 0.1 (what our tracker gets), and
writes OUT/public/<tracker>/<video>.txt. Of MOT17-09 only the second half is tracked, as there.
"""

from __future__ import annotations

import argparse
import configparser
from pathlib import Path

import numpy as np
import supervision
from trackers import ByteTrackTracker, OCSORTTracker, SORTTracker

TRACKERS = {"SORT": SORTTracker, "ByteTrack": ByteTrackTracker, "OC-SORT": OCSORTTracker}
SECOND_HALF_ONLY = ("MOT17-09",)
MIN_SCORE = 0.1


def main() -> None:
    """Run all trackers on all videos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seen", type=Path, help="folder of sequence folders with detections")
    parser.add_argument("out", type=Path, help="folder of results")
    parser.add_argument("--detections", default="yolox_nano", metavar="STEM")
    arguments = parser.parse_args()
    for folder in sorted(path.parent for path in arguments.seen.glob("*/seqinfo.ini")):
        info = configparser.ConfigParser()
        info.read(folder / "seqinfo.ini")
        length, rate = info.getint("Sequence", "seqLength"), info.getfloat("Sequence", "frameRate")
        rows = np.loadtxt(folder / "det" / f"{arguments.detections}.txt", delimiter=",", ndmin=2)
        rows = rows[rows[:, 6] >= MIN_SCORE]
        before = length // 2 + 1 if folder.name in SECOND_HALF_ONLY else 0
        for name, make in TRACKERS.items():
            tracker = make(frame_rate=rate)
            target = arguments.out / name / f"{folder.name}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            lines = [line for frame in range(before + 1, length + 1) for line in step(tracker, rows, frame, before)]
            target.write_text("".join(lines), encoding="utf-8")
            print(f"wrote {target}")


def step(
    tracker: SORTTracker | ByteTrackTracker | OCSORTTracker, rows: np.ndarray, frame: int, before: int
) -> list[str]:
    """Show a tracker one frame and return its boxes as lines of MOT text, frames counted after ``before``."""
    here = rows[rows[:, 0] == frame]
    corners = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1)
    seen = tracker.update(
        supervision.Detections(
            xyxy=corners.astype(np.float32),
            confidence=here[:, 6].astype(np.float32),
            class_id=np.zeros(len(here), dtype=int),
        )
    )
    return [
        f"{frame - before},{number + 1},{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f},1,-1,-1,-1\n"
        for (x0, y0, x1, y1), number in zip(seen.xyxy, seen.tracker_id, strict=True)
        if number >= 0
    ]


if __name__ == "__main__":
    main()
