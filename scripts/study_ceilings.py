"""The ceiling of every stage, from perfect association of the detections down to the tracker as it is.

    python scripts/study_ceilings.py DATA OUT mot17-half-val=default
    python scripts/study_ceilings.py DATA OUT \
        dancetrack-fold-odd=runs/folds/even-0/weights.safetensors \
        dancetrack-fold-even=runs/folds/odd-0/weights.safetensors

Each SPLIT=WEIGHTS names sequences and the weights they are tracked with; all of them go into one table, so the two
folds of DanceTrack make the numbers of its 13 sequences. Writes OUT/ceilings.txt and OUT/ceilings.json. The hierarchy
runs once a level: expect 5 minutes for the MOT17 halves and 10 for DanceTrack on one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sushi_lg.cli.common import format_table
from sushi_lg.data.files import atomic_path
from sushi_lg.data.splits import load_split
from sushi_lg.evaluation.ceilings import ceiling_table, ceilings, ceilings_to_json
from sushi_lg.tracking.weights import load_tracker, weights_path


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds the data sets")
    parser.add_argument("out", type=Path, help="folder of the tables")
    parser.add_argument("sets", nargs="+", metavar="SPLIT=WEIGHTS", help="what to track with what")
    parser.add_argument("--detections", default="yolox_x", metavar="STEM", help="file in det/ (default: %(default)s)")
    arguments = parser.parse_args()
    pairs = []
    for entry in arguments.sets:
        split, _, weights = entry.rpartition("=")
        tracker = load_tracker(weights_path(weights))
        pairs += [(tracker, sequence) for sequence in load_split(split, arguments.data)]
    stages = ceilings(pairs, arguments.detections)
    text = f"{' '.join(arguments.sets)}: {len(pairs)} sequences\n\n{format_table(ceiling_table(stages))}\n"
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("ceilings.txt", text),
        ("ceilings.json", json.dumps({"sets": arguments.sets, "stages": ceilings_to_json(stages)}, indent=2) + "\n"),
    ):
        with atomic_path(arguments.out / name) as staged:
            staged.write_text(content, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
