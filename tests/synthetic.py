"""A toy world: a few boxes that walk across a picture, cross, are missed for a while, and have false company."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FRAMES = 60
PERSONS = 6
SIZE = (640, 480)


def write_world(root: Path, names: tuple[str, ...], seed: int = 0) -> Path:
    """Write sequences in MOTChallenge layout with det/toy.txt, and a split file; return the split file."""
    for number, name in enumerate(names):
        _write_sequence(root / name, np.random.default_rng([seed, number]))
    split = root / f"split-{names[0]}.txt"
    split.write_text("# dataset: custom\n# view: full\n" + "".join(f"{name}\n" for name in names))
    return split


def walk(rng: np.random.Generator) -> np.ndarray:
    """Return (PERSONS, FRAMES, 4) left, top, width, height of persons on straight paths through the middle."""
    frame = np.arange(FRAMES)
    paths = []
    for person in range(PERSONS):
        speed = rng.uniform(3, 6) * (1 if person % 2 else -1)
        height = rng.uniform(70, 90)
        x = SIZE[0] / 2 + speed * (frame - rng.uniform(20, 40))
        y = 60 + 55 * person + rng.normal(0, 5) + 0.3 * frame * rng.normal()
        paths.append(np.stack([x, y, np.full(FRAMES, 0.4 * height), np.full(FRAMES, height)], axis=1))
    # Two of them meet in the middle of the picture.
    paths[1][:, 1] = paths[0][:, 1] + rng.uniform(25, 35)
    return np.stack(paths)


def _write_sequence(folder: Path, rng: np.random.Generator) -> None:
    truth, detections = [], []
    for person, path in enumerate(walk(rng), start=1):
        hidden = rng.integers(10, 45)
        for frame, box in enumerate(path, start=1):
            truth.append([frame, person, *box, 1, 1, 1])
            if rng.random() < 0.05 or hidden <= frame < hidden + 4:
                continue
            noisy = box + rng.normal(0, 0.01, 4) * box[3]
            detections.append([frame, -1, *noisy, rng.uniform(0.7, 0.95), -1, -1, -1])
    for frame in range(1, FRAMES + 1):
        if rng.random() < 0.3:
            corner = rng.uniform((0, 0), (SIZE[0] - 40, SIZE[1] - 80))
            detections.append([frame, -1, *corner, 32, 80, rng.uniform(0.1, 0.5), -1, -1, -1])
    for part, name, rows in (("gt", "gt", truth), ("det", "toy", sorted(detections))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        lines = (",".join(f"{value:.6g}" for value in row) for row in rows)
        (folder / part / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=25\nseqLength={FRAMES}\n"
        f"imWidth={SIZE[0]}\nimHeight={SIZE[1]}\nimExt=.jpg\n"
    )
