"""One picture of a study: how every arm does in every pair of domains, and how arms differ from the baseline.

Colours are told apart by people of any colour vision (cividis; blue and vermilion of Okabe and Ito, 2008), and every
number that a colour stands for is written in its cell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import ConfigError
from sushi_lg.study.bootstrap import CROSS_DOMAIN, IN_DOMAIN
from sushi_lg.study.report import MAIN_METRICS, ArmResult, Report

_LOOKS = {IN_DOMAIN: ("#0072B2", "s"), CROSS_DOMAIN: ("#D55E00", "o")}  # colour and marker
_HEAT_METRIC = MAIN_METRICS[0]
_DPI = 160
_PER_ROW = 5  # heat maps beside each other


def save_figure(report: Report, paths: list[Path], with_matrices: bool) -> None:
    """Draw a study and write it to every path, in the format of its suffix.

    Args:
        report: of the study.
        paths: files to write.
        with_matrices: whether to draw the matrices of learned and tested domains above the differences.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("the figure of a study needs matplotlib", "pip install 'sushi-lg[study]'") from error
    others = [arm for arm in report.arms[1:] if set(arm.means[_HEAT_METRIC]) & set(_LOOKS)]
    heat_rows = -(-len(report.arms) // _PER_ROW) if with_matrices or not others else 0
    heat_height = 1.2 + 0.45 * len(report.trains)
    dot_height = 1.3 + 0.5 * len(others) if others else 0.0
    columns = -(-len(report.arms) // max(1, heat_rows))
    width = max(9.0, 1.4 + columns * (0.8 + 0.75 * len(report.tests))) if heat_rows else 9.0
    style: dict[Any, Any] = {"font.size": 9, "svg.hashsalt": "sushi-lg", "svg.fonttype": "none"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, heat_rows * heat_height + dot_height), dpi=_DPI, layout="constrained")
        ratios = [heat_rows * heat_height] * bool(heat_rows) + [dot_height] * bool(others)
        parts = figure.subfigures(len(ratios), 1, height_ratios=ratios, squeeze=False)[:, 0]
        if heat_rows:
            _heat_maps(parts[0], report, heat_rows, columns)
        if others:
            _differences(parts[-1], report, others)
        for path in paths:
            with atomic_path(path) as staged:
                # without a date the same study gives the same bytes
                metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
                figure.savefig(staged, format=path.suffix[1:], metadata=metadata)


def _heat_maps(part: Any, report: Report, rows: int, columns: int) -> None:  # noqa: ANN401 - matplotlib's SubFigure
    """Draw a matrix of learned and tested domains for every arm, with one scale of colours."""
    grids = [_matrix(report, arm) for arm in report.arms]
    low, high = min(grid.min() for grid in grids), max(grid.max() for grid in grids)
    high = max(high, low + 1e-6)
    axes = part.subplots(rows, columns, squeeze=False)
    for number, place in enumerate(axes.flat):
        if number >= len(grids):
            place.set_axis_off()
            continue
        image = place.imshow(grids[number], vmin=low, vmax=high, cmap="cividis", aspect="auto")
        place.set_title(report.arms[number].name, fontsize=10)
        place.set_xticks(range(len(report.tests)), list(report.tests), rotation=20, ha="right")
        first = number % columns == 0
        place.set_yticks(range(len(report.trains)), report.trains if first else [""] * len(report.trains))
        if first:
            place.set_ylabel("learned")
        place.set_xlabel("tested")
        for (row, column), value in np.ndenumerate(grids[number]):
            light = (value - low) / (high - low) < 0.55
            own = report.trains[row] == list(report.tests)[column]
            place.text(
                column,
                row,
                f"{value:.1f}",
                ha="center",
                va="center",
                color="white" if light else "black",
                weight="bold" if own else "normal",
            )
    bar = part.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label(f"{_HEAT_METRIC} (%)")


def _matrix(report: Report, arm: ArmResult) -> np.ndarray:
    cells = arm.cells[_HEAT_METRIC]
    return np.array([[cells[train, test].mean for test in report.tests] for train in report.trains])


def _differences(part: Any, report: Report, others: list[ArmResult]) -> None:  # noqa: ANN401 - matplotlib's SubFigure
    """Draw the difference of every arm to the baseline with its interval, and single seeds as small points."""
    axes = part.subplots(1, len(MAIN_METRICS), sharey=True)
    rows = np.arange(len(others))
    for place, metric in zip(axes, MAIN_METRICS, strict=True):
        place.axvline(0, color="0.4", linewidth=1)
        for key, shift in ((IN_DOMAIN, -0.17), (CROSS_DOMAIN, 0.17)):
            colour, marker = _LOOKS[key]
            for row, arm in zip(rows, others, strict=True):
                value = arm.means[metric].get(key)
                if value is None or value.difference is None:
                    continue
                change = value.difference
                height = row + shift
                place.hlines(height, change.interval.low, change.interval.high, color=colour, linewidth=2)
                place.plot(change.value, height, marker, color=colour, markersize=6, label=key if row == 0 else None)
                if len(change.per_seed) > 1:
                    level = np.full(len(change.per_seed), height + 0.12)
                    place.plot(change.per_seed, level, ".", color=colour, markersize=3, alpha=0.7)
        place.set_yticks(rows, [arm.name for arm in others])
        place.set_ylim(len(others) - 0.5, -0.5)
        place.set_xlabel(f"Δ {metric} (points)")
        place.grid(axis="x", color="0.9")
        place.set_axisbelow(True)
        for side in ("top", "right"):
            place.spines[side].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    part.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    part.suptitle(
        f"difference to {report.arms[0].name}, 95 % intervals; points: single seeds", x=0.01, ha="left", fontsize=9
    )
