"""Galleries of a tracker that is told: beside its pixels every box carries the true description of the person in it.

    python scripts/tell_attributes.py OUT

in the folder OUT that scripts/study_language.sh has filled. Descriptions are ones and zeros, one for each attribute
that occurs in OUT/descriptions; a box that shows nobody, or somebody of whom nothing is known, has zeros there. Both
parts weigh the same. Writes OUT/look/told; configs/studies/language_told.yaml says what it is for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sushi_lg.data.gallery import GalleryAbout, open_gallery, write_gallery
from sushi_lg.data.identities import match_identities
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.splits import load_split
from sushi_lg.language.controls import OneHot, spelled_out
from sushi_lg.language.descriptions import read_descriptions


def main() -> None:
    """Write the galleries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that scripts/study_language.sh has filled")
    root = parser.parse_args().out
    rows = [row for path in sorted((root / "descriptions").glob("*.jsonl")) for row in read_descriptions(path)]
    known = [row for row in spelled_out(rows) if row.track_id is not None and row.sentence.strip()]
    encoder = OneHot.of(known)
    vectors = encoder.encode([row.sentence for row in known])
    said = {(row.seq, row.track_id): vector for row, vector in zip(known, vectors, strict=True)}
    for split in sorted(root.glob("*-train.txt")) + sorted(root.glob("*-test.txt")):
        for sequence in load_split(str(split), root):
            table = read_table(sequence.detections_path("simulated"), "detections", sequence_length=sequence.length)
            truth = sequence.load_ground_truth("identities")
            identity = match_identities(table.boxes_xyxy, table.frame, truth.boxes_xyxy, truth.frame, truth.track_id)
            seen = open_gallery(root / "look" / "pixels", sequence.name)
            pixels = seen.vectors.astype(np.float32)
            pixels /= np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-6)
            nothing = np.zeros(encoder.dim, dtype=np.float32)
            told = np.stack([said.get((sequence.name, person), nothing) for person in identity.tolist()])
            about = GalleryAbout("told", f"pixels and {encoder.fingerprint()}", seen.about.boxes, seen.about.frames)
            write_gallery(root / "look" / "told", sequence.name, np.concatenate([pixels, told], axis=1), about)
        print(f"{split.stem}: done")


if __name__ == "__main__":
    main()
