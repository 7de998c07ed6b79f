"""A pass that a test starts and kills: SOURCE FOLDER SECONDS-A-BATCH APPEARANCE."""

from __future__ import annotations

import sys

from stages import ColourEmbedder, SquareDetector, SumCamera

from sushi_lg.data.frames import open_frames
from sushi_lg.perception.perceive import perceive

perceive(
    open_frames(sys.argv[1], frame_rate=25),
    sys.argv[2],
    detector=SquareDetector(seconds=float(sys.argv[3])),
    embedder=ColourEmbedder() if sys.argv[4] == "True" else None,
    camera=SumCamera(),
    workers=2,
    progress=lambda done: sys.stdout.write(f"{done}\n") and sys.stdout.flush(),
)
