"""What a study found: scores of every arm, learned domain and tested domain, and how arms differ from the baseline.

Values are means over seeds of scores combined over the sequences of a domain; the spread is the standard deviation over
seeds. Differences come with the intervals of ``bootstrap``.

Shapes: S sequences, F sums, K seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sushi_lg.errors import DataError
from sushi_lg.study.bootstrap import (
    CROSS_DOMAIN,
    DRAWS,
    DROP,
    IN_DOMAIN,
    Cell,
    Difference,
    Floats,
    aggregates,
    difference,
    draw,
    drawn_values,
    seed_values,
)
from sushi_lg.study.pieces import training_key
from sushi_lg.study.plan import Study
from sushi_lg.study.scores import METRICS, Scores, read_scores

MAIN_METRICS = ("IDF1", "AssA", "HOTA")
_UNIT = {DROP: " %"}
_ABSENT = "–"


@dataclass(frozen=True)
class Value:
    """One number of an arm.

    Attributes:
        mean: over seeds.
        per_seed: (K,).
        difference: to the baseline; None for the baseline.
    """

    mean: float
    per_seed: Floats
    difference: Difference | None = None

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds; None for one seed."""
        return _spread(self.per_seed)


@dataclass(frozen=True)
class ArmResult:
    """All numbers of an arm, in percent.

    Attributes:
        name: of the arm.
        overrides: what it changes.
        cells: by metric and cell.
        means: in-domain, cross-domain and relative drop by metric; what has no cell is left out.
    """

    name: str
    overrides: Sequence[str]
    cells: Mapping[str, Mapping[Cell, Value]]
    means: Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True)
class Report:
    """A whole study.

    Attributes:
        arms: the first is the baseline.
        trains: learned domains.
        tests: names of the sequences by tested domain.
        seeds: of the trainings.
        notes: what a reader of the numbers must know.
    """

    arms: list[ArmResult]
    trains: list[str]
    tests: Mapping[str, Sequence[str]]
    seeds: list[int]
    notes: list[str]


def make_report(study: Study) -> Report:
    """Read all scores of a study and compare its arms.

    Args:
        study: of which all scores are there.

    Raises:
        DataError: scores are absent, or not all made from the same test files and these settings.
    """
    sums, sequences = _read_all(study)
    drawn = draw({test: len(names) for test, names in sequences.items()}, study.trains, len(study.seeds))
    results: list[ArmResult] = []
    baseline: _Numbers | None = None
    for arm, overrides in study.arms.items():
        numbers = _Numbers(seed_values(sums[arm]), *drawn_values(sums[arm], drawn))
        baseline = baseline or numbers
        results.append(_arm_result(arm, overrides, numbers, None if baseline is numbers else baseline))
    return Report(results, study.trains, sequences, study.seeds, _notes(study, sequences))


def report_to_json(report: Report) -> dict[str, Any]:
    """Return everything as JSON values: means, spreads, single seeds, differences and intervals."""
    return {
        "baseline": report.arms[0].name,
        "seeds": report.seeds,
        "learned": report.trains,
        "tested": {test: list(names) for test, names in report.tests.items()},
        "bootstrap": {"draws": DRAWS, "interval": "middle 95 %, sequences and seeds drawn, paired over arms"},
        "notes": report.notes,
        "arms": {arm.name: {"overrides": list(arm.overrides), **_numbers_to_json(arm)} for arm in report.arms},
    }


def cross_domain_markdown(report: Report) -> str:
    """Return the study as Markdown: means and differences, then the matrix of every metric."""
    parts = ["# Cross-domain study", *_head(report), *_summaries(report), *_matrices(report), *_notes_text(report)]
    return "\n\n".join(parts) + "\n"


def ablation_markdown(report: Report) -> str:
    """Return the study as Markdown: one row an arm for every metric."""
    return "\n\n".join(["# Ablation", *_head(report), *_summaries(report), *_notes_text(report)]) + "\n"


def summary_rows(report: Report, metric: str) -> list[dict[str, str]]:
    """Return one row an arm: means with their spread, differences with their intervals."""
    rows = []
    for arm in report.arms:
        row = {"arm": arm.name}
        for key in (IN_DOMAIN, CROSS_DOMAIN, DROP):
            row[f"{key}{_UNIT.get(key, '')}"] = _value_text(arm.means[metric].get(key))
        for key in (IN_DOMAIN, CROSS_DOMAIN):
            row[f"Δ {key} [95 %]"] = _difference_text(arm.means[metric].get(key))
        rows.append(row)
    return rows


# ------------------------------------------------------------------------------------------------------- numbers


@dataclass(frozen=True)
class _Numbers:
    """Values by metric and cell: one a seed, and one a draw with sequences and seeds drawn, or sequences alone."""

    seeds: Mapping[str, Mapping[Cell, Floats]]
    both: Mapping[str, Mapping[Cell, Floats]]
    alone: Mapping[str, Mapping[Cell, Floats]]


def _read_all(study: Study) -> tuple[dict[str, dict[Cell, Floats]], dict[str, Sequence[str]]]:
    """Return (K, S, F) sums by arm and cell, and the sequences by test."""
    paths = [(run, test, study.score_path(run, test)) for run in study.runs for test in study.tests]
    absent = [path for _, _, path in paths if not path.is_file()]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(paths)} scores are not there, the first is {absent[0]}",
            "finish the study: the same command without --report-only",
        )
    first: dict[str, Scores] = {}
    rows: dict[str, dict[Cell, list[Floats]]] = {}
    for run, test, path in paths:
        scores = read_scores(path)
        known = first.setdefault(test, scores)
        expected = {
            "test": asdict(study.test_of(run, test)),
            "training": training_key(run),
        }
        differ = [key for key, value in expected.items() if scores.made_from.get(key) != value]
        if _shared_files(scores) != _shared_files(known):
            differ.append("test data")
        if differ or scores.sequences != known.sequences:
            raise DataError(
                f"{path}: made from another {' and '.join(differ) or 'list of sequences'}",
                "finish the study: the same command without --report-only",
            )
        rows.setdefault(run.arm, {}).setdefault((run.train, test), []).append(scores.sums)
    sums = {arm: {cell: np.stack(each) for cell, each in cells.items()} for arm, cells in rows.items()}
    return sums, {test: first[test].sequences for test in study.tests}


def _shared_files(scores: Scores) -> dict[str, dict[str, str]]:
    """Return the files that all arms are tested on; galleries may be their own."""
    contents = scores.made_from.get("contents", {})
    return {name: {k: v for k, v in files.items() if k != "appearance"} for name, files in contents.items()}


def _arm_result(arm: str, overrides: Sequence[str], numbers: _Numbers, baseline: _Numbers | None) -> ArmResult:
    cells: dict[str, dict[Cell, Value]] = {}
    means: dict[str, dict[str, Value]] = {}
    for metric in METRICS:
        mine = _All.of(numbers, metric)
        other = None if baseline is None else _All.of(baseline, metric)
        cells[metric] = {cell: _value(mine.cells, other.cells if other else None, cell) for cell in mine.cells[0]}
        means[metric] = {key: _value(mine.means, other.means if other else None, key) for key in mine.means[0]}
    return ArmResult(arm, overrides, cells, means)


Versions = tuple[Mapping[Any, Floats], Mapping[Any, Floats], Mapping[Any, Floats], Mapping[Any, Floats]]


@dataclass(frozen=True)
class _All:
    """Numbers of one metric in four versions: mean over seeds, per seed, both drawn, sequences alone drawn."""

    cells: Versions
    means: Versions

    @classmethod
    def of(cls, numbers: _Numbers, metric: str) -> _All:
        seeds = numbers.seeds[metric]
        averaged = {cell: values.mean() for cell, values in seeds.items()}
        versions = (averaged, seeds, numbers.both[metric], numbers.alone[metric])
        averages = aggregates(averaged), aggregates(seeds), aggregates(versions[2]), aggregates(versions[3])
        return cls(versions, averages)


def _value(mine: Versions, other: Versions | None, key: Any) -> Value:  # noqa: ANN401 - a cell or the name of a mean
    mean, per_seed, both, alone = (version[key] for version in mine)
    if other is None:
        return Value(float(mean), per_seed)
    base_mean, base_per_seed, base_both, base_alone = (version[key] for version in other)
    change = difference(float(mean - base_mean), per_seed - base_per_seed, both - base_both, alone - base_alone)
    return Value(float(mean), per_seed, change)


def _notes(study: Study, sequences: Mapping[str, Sequence[str]]) -> list[str]:
    notes = []
    single = [test for test, names in sequences.items() if len(names) == 1]
    if single:
        notes.append(f"one sequence in {', '.join(single)}: intervals there know the spread over seeds only")
    if len(study.seeds) == 1:
        notes.append("one seed: intervals know the spread over sequences only")
    blind = [test for test, config in study.tests.items() if config.appearance is None]
    if blind and any(source.appearance is not None for run in study.runs for source in run.config.sources):
        notes.append(f"learned with appearance, tested by boxes only: {', '.join(blind)}")
    only = [test for test in study.tests if test not in study.trains]
    if only:
        notes.append(f"tested only: {', '.join(only)}; in cross-domain means, not in relative drops")
    return notes


# ---------------------------------------------------------------------------------------------------------- text


def _head(report: Report) -> Iterator[str]:
    tests = ", ".join(f"{test} ({len(names)} sequences)" for test, names in report.tests.items())
    yield (
        f"Learned: {', '.join(report.trains)}. Tested: {tests}. Seeds: {', '.join(map(str, report.seeds))}.\n"
        f"Values in percent: mean over seeds ± standard deviation over seeds, sequences of a domain combined. "
        f"Δ: difference to `{report.arms[0].name}`, [95 % interval from {DRAWS} paired draws of sequences and seeds], "
        f"± standard deviation over seeds."
    )
    yield "\n".join(f"- `{arm.name}`: {' '.join(f'`{o}`' for o in arm.overrides) or 'as it is'}" for arm in report.arms)


def _summaries(report: Report) -> Iterator[str]:
    for metric in MAIN_METRICS:
        yield f"## {metric}\n\n{_markdown_table(summary_rows(report, metric))}"


def _matrices(report: Report) -> Iterator[str]:
    for metric in MAIN_METRICS:
        rows = []
        for arm in report.arms:
            for train in report.trains:
                cells = {}
                for test in report.tests:
                    text = _value_text(arm.cells[metric][train, test])
                    cells[test] = f"**{text}**" if train == test else text
                rows.append({"arm": arm.name, "learned \\ tested": train, **cells})
        yield f"## {metric} of every pair of domains\n\n{_markdown_table(rows)}"


def _notes_text(report: Report) -> list[str]:
    return ["\n".join(f"- {note}" for note in report.notes)] if report.notes else []


def _markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    titles = list(rows[0])
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row.values())} |" for row in rows)])


def _value_text(value: Value | None) -> str:
    if value is None:
        return _ABSENT
    return f"{value.mean:.2f}" if value.spread is None else f"{value.mean:.2f} ± {value.spread:.2f}"


def _difference_text(value: Value | None) -> str:
    if value is None or value.difference is None:
        return _ABSENT
    change = value.difference
    spread = _spread(change.per_seed)
    text = f"{change.value:+.2f} [{change.interval.low:+.2f}, {change.interval.high:+.2f}]"
    return text if spread is None else f"{text} ± {spread:.2f}"


def _spread(values: Floats) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _numbers_to_json(arm: ArmResult) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for metric in METRICS:
        cells: dict[str, dict[str, Any]] = {}
        for (train, test), value in arm.cells[metric].items():
            cells.setdefault(train, {})[test] = _value_to_json(value)
        found[metric] = {"cells": cells, **{key: _value_to_json(value) for key, value in arm.means[metric].items()}}
    return found


def _value_to_json(value: Value) -> dict[str, Any]:
    content: dict[str, Any] = {"mean": value.mean, "spread": value.spread, "seeds": value.per_seed.tolist()}
    change = value.difference
    if change is not None:
        content["difference"] = {
            "value": change.value,
            "spread": _spread(change.per_seed),
            "seeds": change.per_seed.tolist(),
            "interval": [change.interval.low, change.interval.high],
            "interval_sequences_only": [change.sequences_only.low, change.sequences_only.high],
        }
    return content
