"""Measure how often the encounters of the describer ``rules`` mean what they look like: makes its table.

    python scripts/calibrate_rules.py DATA... [--out TABLE]

DATA is a train split in the layout of BenSMOT, annotated tracks and pictures; TABLE is
``configs/semantic/rules_interactions.json`` when left out. Distances, widths and times that make an encounter were
chosen on the train split of seed 0 (those of ``reach`` on seeds 0, 11 and 12), and there encounters mean more often
what they were made for than anywhere else. So the table is measured on clips of other seeds:

    for seed in 13 14 15 16 17; do
        sushi-lg simulate social --layout bensmot --out seed$seed --split train --sequences 100 --seed $seed
    done
    python scripts/calibrate_rules.py seed{13,14,15,16,17}/train

Each row says how often an ordered pair of people with an encounter of that kind is annotated with that label; a row
that was seen seldom stays near the guess it began with. The labels of a kind are those that its geometry can mean: what
merely goes with it in one data set is not learnt.

100 clips take a minute on one core.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from semantic.bensmot.annotations import annotated, read_annotations
from semantic.describers.rules import RulesDescriber, TableRow, meanings
from semantic.pictures import ClipPictures
from semantic.sources import bensmot_truth_sources
from sushi_lg.data.files import atomic_path
from sushi_lg.data.resources import configs_path

LEAST_PRECISION = 0.5
WORTH = 4  # encounters that the guess counts for
# kind, role, label, guess
MEANT = (
    ("approach", "active", "approach.v.01", 0.6),
    ("leave", "active", "leave.v.01", 0.6),
    ("pass", "active", "pass.v.01", 0.5),
    ("follow", "active", "follow.v.01", 0.5),
    ("chase", "active", "chase.v.01", 0.5),
    ("chase", "passive", "flee.v.01", 0.4),
    ("together", "either", "walk.v.01", 0.6),
    ("together", "either", "accompany.v.02", 0.3),
    ("together", "either", "hold.v.01", 0.2),
    ("stand", "either", "talk.v.01", 0.4),
    ("stand", "either", "stand.v.01", 0.3),
    ("linger", "either", "talk.v.01", 0.5),
    ("linger", "either", "quarrel.v.01", 0.1),
    ("reach", "either", "handshake.n.01", 0.4),
    ("clasp", "either", "embrace.v.02", 0.4),
    ("tangle", "either", "fight.v.02", 0.3),
    ("tangle", "either", "embrace.v.02", 0.3),
)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=configs_path() / "semantic" / "rules_interactions.json")
    arguments = parser.parse_args()
    rows = tuple(TableRow(kind, role, label, 0.0, 0, 0) for kind, role, label, _ in MEANT)  # type: ignore[arg-type]
    describer = RulesDescriber((), "look", False, None, None)
    seen, right, there = Counts(), Counts(), Counter[str]()
    for data in arguments.data:
        some_seen, some_right, some_there = count(describer, rows, data)
        seen, right, there = seen + some_seen, right + some_right, there + some_there
    table = []
    for row, (*_, guess) in zip(rows, MEANT, strict=True):
        key = row.kind, row.role, row.label
        probability = round((right[key] + WORTH * guess) / (seen[key] + WORTH), 3)
        table.append(
            {"kind": row.kind, "role": row.role, "label": row.label, "probability": probability}
            | {"seen": seen[key], "right": right[key]}
        )
        told = "" if probability >= LEAST_PRECISION else "  not told"
        share = right[key] / max(seen[key], 1)
        recall = right[key] / max(there[row.label], 1)
        print(f"{row.kind:9} {row.role:8} {row.label:15} {right[key]:4}/{seen[key]:<4} {share:.2f}  {recall:.2f}{told}")
    lines = ",\n".join(f"    {json.dumps(row)}" for row in table)
    names = ", ".join("/".join(data.resolve().parts[-2:]) for data in arguments.data)
    with atomic_path(arguments.out) as staged:
        staged.write_text(
            f'{{\n  "schema": "rules-interactions/1",\n  "measured_on": {json.dumps(names)},\n'
            f'  "least_precision": {LEAST_PRECISION},\n  "rows": [\n{lines}\n  ]\n}}\n',
            encoding="utf-8",
        )


Counts = Counter[tuple[str, str, str]]


def count(describer: RulesDescriber, rows: tuple[TableRow, ...], data: Path) -> tuple[Counts, Counts, Counter[str]]:
    """Return how often each row is seen and right, in ordered pairs, and how often each label is annotated."""
    truth = {clip.name: semantics for clip, semantics in read_annotations(data).pairs}
    seen, right, there = Counts(), Counts(), Counter[str]()
    for source in bensmot_truth_sources(data):
        clip, reader = source.open()
        if "interactions" not in annotated(truth[clip.name]):
            continue
        true = {(one.active, one.passive, one.label) for one in truth[clip.name].interactions}
        for _, _, label in true:
            there[label] += 1
        analysis = describer.analyse(clip, None if reader is None else ClipPictures(clip, reader))
        found = {
            (active, passive, row)
            for encounter in analysis.encounters
            for active, passive, row in meanings(encounter, rows)
        }
        for active, passive, row in found:
            seen[row.kind, row.role, row.label] += 1
            right[row.kind, row.role, row.label] += (active, passive, row.label) in true
    return seen, right, there


if __name__ == "__main__":
    main()
