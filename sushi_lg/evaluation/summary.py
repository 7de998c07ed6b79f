"""Mean and spread over seeds, from the JSON files that ``sushi-lg evaluate`` writes.

A run writes ``scores.json`` somewhere in a folder ``<name>-seed<number>``; files whose paths differ only in the number
belong to one study.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sushi_lg.errors import DataError

SCORES = "scores.json"
METRICS = ("HOTA", "DetA", "AssA", "IDF1", "MOTA")
_SEED = re.compile(r"-seed\d+(?=/|$)")


@dataclass(frozen=True)
class Study:
    """Runs of one study that differ in their seeds.

    Attributes:
        name: folder of the runs, without seeds.
        num_runs: how many there are.
        values: for every metric one number a run, in percent.
        notes: what evaluation had to say, such as absent sequences.
    """

    name: str
    num_runs: int
    values: dict[str, list[float]]
    notes: list[str]

    def text(self, metric: str) -> str:
        """Return 'mean ± standard deviation (lowest – highest)', or the one number of a single run."""
        values = np.array(self.values[metric])
        if len(values) == 1:
            return f"{values[0]:.2f}"
        return f"{values.mean():.2f} ± {values.std(ddof=1):.2f} ({values.min():.2f} – {values.max():.2f})"


def find_scores(places: Iterable[str | Path]) -> list[tuple[str, Path]]:
    """Return the name of the study and the file of every run.

    Args:
        places: files, or folders that are searched for ``scores.json``.

    Raises:
        DataError: nothing there.
    """
    found: dict[Path, str] = {}
    for place in (Path(place).absolute() for place in places):
        files = [place] if place.is_file() else sorted(place.rglob(SCORES))
        if not files:
            raise DataError(f"{place}: no {SCORES}", "write them with `sushi-lg evaluate DIR --json DIR/scores.json`")
        for file in files:
            below = file.parent.relative_to(place.parent if place.is_dir() else file.parent.parent)
            found.setdefault(file, _SEED.sub("", below.as_posix()))
    return [(name, file) for file, name in found.items()]


def summarize(scores: Iterable[tuple[str, Path]]) -> list[Study]:
    """Read scores and group them by study, in the order of first appearance.

    Args:
        scores: name of the study and file of each run.

    Raises:
        DataError: a file that ``sushi-lg evaluate`` did not write, or one in which nothing was scored.
    """
    grouped: dict[str, Study] = {}
    for name, path in scores:
        combined, notes = _read(path)
        study = grouped.get(name) or Study(name, 0, {metric: [] for metric in METRICS}, [])
        values = {metric: [*study.values[metric], combined[metric]] for metric in METRICS}
        fresh = [note for note in notes if note not in study.notes]
        grouped[name] = Study(name, study.num_runs + 1, values, [*study.notes, *fresh])
    return list(grouped.values())


def markdown_table(studies: Sequence[Study]) -> str:
    """Return a table with one row a study, and the notes of evaluation below it."""
    lines = [f"| study | runs | {' | '.join(METRICS)} |", "|---" * (len(METRICS) + 2) + "|"]
    for study in studies:
        lines.append(f"| {study.name} | {study.num_runs} | {' | '.join(study.text(metric) for metric in METRICS)} |")
    lines += [f"\n{study.name}: {note}" for study in studies for note in study.notes]
    return "\n".join(lines)


def _read(path: Path) -> tuple[dict[str, float], list[str]]:
    remedy = "write it with `sushi-lg evaluate DIR --json FILE`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        combined, notes = content["combined"], content["notes"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the scores of a run ({error!r})", remedy) from error
    if combined is None:
        raise DataError(f"{path}: nothing was scored", "choose a split with ground truth")
    return {metric: float(combined[metric]) for metric in METRICS}, list(notes)
