"""What every stage of a tracker costs, with intervals, as a table and as a picture.

Sequences are drawn with replacement, the same ones for all stages, and scores made anew from the sums of the drawn
ones; the interval holds the middle 95 % of the draws. With one sequence there is nothing to draw from.

Shapes: S sequences, B draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sushi_lg.data.files import atomic_path
from sushi_lg.data.models import file_sha256
from sushi_lg.errors import ConfigError
from sushi_lg.evaluation.ceilings import Stage, ceiling_table, ceilings_to_json
from sushi_lg.evaluation.draws import Interval, draw_times, interval
from sushi_lg.inspection.replay import Run
from sushi_lg.study.bootstrap import DRAWS, SEED
from sushi_lg.study.scores import metrics, sums_of

_LOST, _LEFT = "#D55E00", "#0072B2"  # vermilion and blue of Okabe and Ito, 2008
_DPI = 160


@dataclass(frozen=True)
class Cost:
    """What a stage costs.

    Attributes:
        stage: its name.
        hota: that is left, in percent, gaps filled as in the recipe.
        lost: HOTA points against the stage before; None for the first.
        interval: of ``lost``; None for the first, and with one sequence.
    """

    stage: str
    hota: float
    lost: float | None
    interval: Interval | None


def costs(stages: Sequence[Stage], draws: int = DRAWS, seed: int = SEED) -> list[Cost]:
    """Return one entry a stage, gaps filled as in the recipe."""
    sums = np.stack([sums_of(stage.filled.sequences) for stage in stages])  # (stages, S, F)
    count = sums.shape[1]
    hota = metrics(sums.sum(axis=1))["HOTA"]
    intervals: list[Interval | None] = [None] * len(stages)
    if count > 1:
        times = draw_times(count, draws, seed)
        drawn = np.stack([metrics(times @ of_stage)["HOTA"] for of_stage in sums])  # (stages, B)
        intervals[1:] = [interval(lost) for lost in drawn[:-1] - drawn[1:]]
    lost = [None, *(float(a - b) for a, b in pairwise(hota))]
    return [
        Cost(stage.name, float(left), value, interval)
        for stage, left, value, interval in zip(stages, hota, lost, intervals, strict=True)
    ]


def costs_markdown(stages: Sequence[Stage], title: str) -> str:
    """Return a page: what is left after every stage, what it costs, and the metrics with gaps open and filled."""
    each = costs(stages)
    lines = [
        f"# Ceilings: {title}",
        "",
        "Every row replaces one more perfect part by ours; lost: HOTA points against the row before, gaps filled, with",
        "the middle 95 % of draws of sequences. Metrics: gaps open / filled as in the recipe.",
        "",
        "| stage | lost | HOTA | DetA | AssA | IDF1 | MOTA |",
        "|---|---|---|---|---|---|---|",
    ]
    for cost, row in zip(each, ceiling_table(stages), strict=True):
        shown = " | ".join(f"{row[key]} / {row[f'{key} filled']}" for key in ("HOTA", "DetA", "AssA", "IDF1", "MOTA"))
        lines.append(f"| {cost.stage} | {lost_text(cost)} | {shown} |")
    count = len(stages[0].filled.sequences)
    lines += ["", f"{count} sequence{'s' if count > 1 else ': no intervals'}."]
    return "\n".join(lines) + "\n"


def fingerprint_of(run: Run) -> dict[str, Any]:
    """Return what tells whether a run is still the one that ceilings were computed of: digests of its files."""
    texts = {name: run.folder / "tracks" / f"{name}.txt" for name in run.names}
    return {
        "config": file_sha256(run.folder / "config.yaml"),
        "tracks": {name: file_sha256(path) if path.is_file() else None for name, path in texts.items()},
    }


def costs_to_json(stages: Sequence[Stage], runs: Sequence[Run]) -> dict[str, Any]:
    """Return everything as JSON values.

    Args:
        stages: of ``ceilings``.
        runs: they are of.
    """
    return {
        "of": [fingerprint_of(run) for run in runs],
        "costs": [
            {
                "stage": cost.stage,
                "HOTA": cost.hota,
                "lost": cost.lost,
                "interval": None if cost.interval is None else [cost.interval.low, cost.interval.high],
            }
            for cost in costs(stages)
        ],
        "stages": ceilings_to_json(stages),
    }


def lost_text(cost: Cost) -> str:
    """Return what a stage costs, with its interval, in digits."""
    if cost.lost is None:
        return ""
    interval = "" if cost.interval is None else f" [{cost.interval.low:.1f}, {cost.interval.high:.1f}]"
    return f"{cost.lost:.1f}{interval}".replace("-0.0", "0.0")


def save_cost_figure(stages: Sequence[Stage], paths: Sequence[Path], title: str) -> None:
    """Draw what is left of HOTA after every stage and what it took; write it in the format of each suffix.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("the figure needs matplotlib", "pip install 'sushi-lg[study]'") from error
    each = costs(stages)
    style: dict[Any, Any] = {"font.size": 9, "svg.hashsalt": "sushi-lg", "svg.fonttype": "none"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(8.5, 1.2 + 0.34 * len(each)), dpi=_DPI, layout="constrained")
        axes = figure.subplots()
        for place, cost in enumerate(each):
            lost = cost.lost or 0.0
            axes.barh(place, cost.hota, color=_LEFT, height=0.62)
            if lost > 0:
                axes.barh(place, lost, left=cost.hota, color=_LOST, height=0.62, hatch="////", edgecolor="white")
            if cost.interval is not None:
                before = cost.hota + lost
                axes.plot(
                    [before - cost.interval.high, before - cost.interval.low], [place] * 2, color="black", linewidth=1.2
                )
            note = f"{cost.hota:.1f}" if cost.lost is None else f"{cost.hota:.1f}   lost {lost_text(cost)}"
            note = note.replace("-", "−")
            right = max(
                cost.hota + max(lost, 0.0), 0 if cost.interval is None else cost.hota + lost - cost.interval.low
            )
            axes.text(right + 0.6, place, note, va="center")
        axes.set_yticks(range(len(each)), [cost.stage for cost in each])
        axes.invert_yaxis()
        lowest = min(cost.hota for cost in each)
        axes.set_xlim(max(0.0, 10 * np.floor((lowest - 8) / 10)), 112)
        axes.set_xticks([tick for tick in range(0, 101, 10) if tick >= axes.get_xlim()[0]])
        axes.set_xlabel("HOTA, gaps filled as in the recipe; hatched: what the stage takes")
        axes.set_title(title, fontsize=10)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for path in paths:
            with atomic_path(path) as staged:
                # without a date the same study gives the same bytes
                metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
                figure.savefig(staged, format=path.suffix[1:], metadata=metadata)
