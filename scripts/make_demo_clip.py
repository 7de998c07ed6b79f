"""Make the bundled demo: 200 frames of OpenCV's sample ``vtest.avi`` and their detections.

    python scripts/make_demo_clip.py vtest.avi yolox_nano_416x416.onnx

``vtest.avi`` comes with Debian's package ``opencv-doc`` (/usr/share/doc/opencv-doc/examples/data) and lies in
``samples/data`` of OpenCV's sources; it is PETS 2009, S2L1, view 1 (see NOTICE). The network is YOLOX-nano, trained on
COCO.

The video is small for a network of 416 x 416 pixels: people are 30 to 130 pixels high. Each picture is therefore cut
into four overlapping tiles of the network's own size, plain and mirrored, and a box gets the mean of its two
confidences. Against the ground truth of MOT15 (every second frame of the clip, IoU 0.5, each scheme at its best
threshold) this finds 92 % of the boxes at a precision of 94 %; one pass over the whole picture finds 89 % at 95 %, and
takes a black post on the lawn for a person in every frame, at 0.55 where the mirrored tiles say 0.2.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sushi_lg
from sushi_lg.data.files import atomic_path
from sushi_lg.data.video import probe_video, read_frames, write_video
from sushi_lg.detection.protocol import Detector
from sushi_lg.detection.registry import load_detector

FIRST, LENGTH = 570, 200  # eight people: pairs cross on the road, others pass behind the sign and in front
CRF = 22
INPUT_SIZE = 416
MIN_SCORE = 0.1  # kept low: the tracker also uses what the detector is unsure of
MAX_IOU = 0.5
BORDER = 6.0  # pixels; a box that ends at an inner border of a tile is a cut person, whole in the next tile

Boxes = NDArray[np.float64]  # (K, 5): left, top, width, height, confidence


def main() -> None:
    """Write the sequence folder ``vtest`` with its video into ``sushi_lg/demo``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, help="vtest.avi")
    parser.add_argument("network", type=Path, help="yolox_nano_416x416.onnx")
    parser.add_argument("--out", type=Path, default=Path(sushi_lg.__file__).parent / "demo")
    arguments = parser.parse_args()
    info = probe_video(arguments.video)
    pictures = [picture for _, picture in read_frames(arguments.video, FIRST, FIRST + LENGTH)]
    write_video(arguments.out / "vtest" / "vtest.mp4", pictures, info.frame_rate, crf=CRF, preset="veryslow")

    detector = load_detector(str(arguments.network), min_score=MIN_SCORE)
    rows = []
    for frame, picture in enumerate(pictures, start=1):
        for box in detect(detector, picture):
            # files count pixels from 1
            rows.append(f"{frame},-1,{box[0] + 1:.1f},{box[1] + 1:.1f},{box[2]:.1f},{box[3]:.1f},{box[4]:.3f},-1,-1,-1")
    with atomic_path(arguments.out / "vtest" / "det" / "yolox_nano.txt") as staged:
        staged.write_text("\n".join(rows) + "\n", encoding="utf-8")
    with atomic_path(arguments.out / "vtest" / "seqinfo.ini") as staged:
        staged.write_text(
            f"[Sequence]\nname=vtest\nimDir=img1\nframeRate={info.frame_rate:g}\nseqLength={LENGTH}\n"
            f"imWidth={info.width}\nimHeight={info.height}\nimExt=.jpg\n",
            encoding="utf-8",
        )
    size = (arguments.out / "vtest" / "vtest.mp4").stat().st_size
    print(f"{arguments.out}: {LENGTH} frames ({size / 1e6:.2f} MB), {len(rows)} boxes")


def detect(detector: Detector, picture: NDArray[np.uint8]) -> Boxes:
    """Return the people of a picture: tiles, plain and mirrored, joined."""
    plain = detect_in_tiles(detector, picture)
    mirrored = detect_in_tiles(detector, np.ascontiguousarray(picture[:, ::-1]))
    mirrored[:, 0] = picture.shape[1] - mirrored[:, 0] - mirrored[:, 2]
    joined = suppress(np.concatenate([plain, mirrored]))
    total = np.zeros(len(joined))
    for part in (plain, mirrored):
        overlap = iou(joined, part)
        if part.size:
            best = overlap.argmax(axis=1)
            total += np.where(overlap.max(axis=1) >= MAX_IOU, part[best, 4], 0.0)
    joined[:, 4] = total / 2
    return joined[joined[:, 4] >= MIN_SCORE]


def detect_in_tiles(detector: Detector, picture: NDArray[np.uint8]) -> Boxes:
    """Return the people of overlapping tiles of the network's size, in pixels of the picture."""
    height, width = picture.shape[:2]
    found = []
    for top in {0, max(height - INPUT_SIZE, 0)}:
        for left in {0, max(width - INPUT_SIZE, 0)}:
            tile = picture[top : top + INPUT_SIZE, left : left + INPUT_SIZE]
            boxes = detect_in_tile(detector, tile)
            right, bottom = boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]
            cut = (left > 0) & (boxes[:, 0] < BORDER) | (top > 0) & (boxes[:, 1] < BORDER)
            cut |= (left + tile.shape[1] < width) & (right > tile.shape[1] - BORDER)
            cut |= (top + tile.shape[0] < height) & (bottom > tile.shape[0] - BORDER)
            boxes = boxes[~cut]
            boxes[:, :2] += (left, top)
            found.append(boxes)
    return suppress(np.concatenate(found))


def detect_in_tile(detector: Detector, tile: NDArray[np.uint8]) -> Boxes:
    """Return people above ``MIN_SCORE``."""
    (found,) = detector.detect([detector.prepare(tile)])
    corners = found.boxes_xyxy.astype(np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2], found.score[:, None]], axis=1)


def suppress(boxes: Boxes) -> Boxes:
    """Return ``boxes`` without those that overlap a more confident one by more than ``MAX_IOU``."""
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    kept: list[int] = []
    overlap = iou(boxes, boxes)
    for row in range(len(boxes)):
        if not (overlap[row, kept] > MAX_IOU).any():
            kept.append(row)
    return boxes[kept]


def iou(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Return (K, L) intersection over union."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum((first[:, :2] + first[:, 2:4])[:, None], (second[:, :2] + second[:, 2:4])[None])
    common = np.clip(bottom_right - top_left, 0, None).prod(axis=-1)
    area = first[:, 2:4].prod(axis=1)[:, None] + second[:, 2:4].prod(axis=1)[None]
    return common / (area - common)


if __name__ == "__main__":
    main()
