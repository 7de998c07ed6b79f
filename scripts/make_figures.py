"""The figures of docs/how_it_works.md, from a real run of the bundled clip.

    python scripts/make_figures.py [OUT]

Tracks the clip by boxes, keeps what every level saw, and draws four SVGs into OUT (docs/images): what levels join, the
same along time, the candidates of one tracklet, and what message passing makes of them. Seconds on one core. Prints the
numbers that the page quotes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

import sushi_lg
from sushi_lg.data.sequence import open_sequence
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path

ROOT = Path(__file__).resolve().parents[1]
CLIP = Path(sushi_lg.__file__).parent / "demo" / "vtest"
# Okabe and Ito's colours, but for black and yellow, the blue lighter: to be seen on white and on black
COLOURS = ("#2b8cd6", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
GREY = "#808080"
STYLE = {
    "svg.hashsalt": "sushi-lg",  # the same run gives the same file
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), GREY),
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Tracked:
    """A clip with what every level saw.

    Attributes:
        tracker: that did it.
        detections: N detections.
        results: of the levels, lowest first.
        is_kept: (N,) bool, detections of the trajectories that are written.
    """

    tracker: HierarchicalTracker
    detections: Detections
    results: list[LevelResult]
    is_kept: NDArray[np.bool_]

    @property
    def max_gaps(self) -> list[int]:
        """The longest gap of every level, in frames."""
        return [level.max_gap for level in self.tracker.config.levels]


@dataclass(frozen=True)
class Choice:
    """A tracklet and its possible successors.

    Attributes:
        level: number of the level.
        node: the tracklet.
        edges: (K,) int64, its edges, the most probable last.
        probability: (S, K) after every step of message passing.
    """

    level: int
    node: int
    edges: Tensor
    probability: NDArray[np.float64]


@torch.inference_mode()
def track_clip(frames: int | None = None) -> Tracked:
    """Track the bundled clip, or its first ``frames``."""
    sequence = open_sequence(CLIP)
    if frames is not None:
        sequence = sequence.view(1, frames)
    tracker = load_tracker(weights_path("default"))
    tracker.eval()
    given = sequence.load_detections()
    detections, used = tracker.choose(given)
    results = list(tracker.run(detections))
    table = tracker.write_up(given, detections, used, results[-1], sequence.info.layout.conventions)
    kept = np.isin(used.numpy(), table.detection_index[table.detection_index >= 0])
    return Tracked(tracker, detections, results, kept)


@torch.inference_mode()
def find_choice(tracked: Tracked) -> Choice:
    """Return the tracklet with at least three candidates of which message passing talked one down most."""
    best: tuple[float, Choice] | None = None
    blocks = tracked.tracker.scorer.train()  # in training every step is classified
    for number, result in enumerate(tracked.results):
        earlier = result.graph.edge_index[0]
        steps = blocks(result.graph, number).step_logits.mean(dim=1).sigmoid()
        for edge in torch.nonzero(result.accepted).squeeze(1).tolist():
            rivals = torch.nonzero(earlier == earlier[edge]).squeeze(1)
            fall = float((steps[0, rivals] - steps[-1, rivals]).max())
            if len(rivals) < 3 or (best is not None and fall <= best[0]):
                continue
            rivals = rivals[steps[-1, rivals].argsort()]
            best = fall, Choice(number, int(earlier[edge]), rivals, steps[:, rivals].double().numpy())
    tracked.tracker.eval()
    assert best is not None, "no tracklet of this clip has three possible successors"
    return best[1]


def draw_hierarchy(tracked: Tracked, path: Path, levels: Sequence[int] = (0, 2, 7)) -> None:
    """Draw where people are over time, a colour a tracklet: what the levels join."""
    figure, axes = plt.subplots(len(levels), 1, figsize=(8, 6.4), sharex=True, layout="constrained")
    frame, centre = tracked.detections.frame.numpy(), _centres(tracked.detections.boxes_xyxy)[:, 0]
    for axis, level in zip(axes, levels, strict=True):
        after = tracked.results[level].after
        for number in range(len(after)):
            rows = after.order[after.start[number] : after.start[number + 1]].numpy()
            rows = rows[tracked.is_kept[rows]]
            if len(rows):
                colour = COLOURS[number % len(COLOURS)]
                # a line of one point is not seen
                axis.plot(frame[rows], centre[rows], "-" if len(rows) > 1 else ".", color=colour, markersize=3)
        axis.set_title(_title(tracked, level), fontsize=10, loc="left", color=GREY)
        axis.set_ylabel("x, pixels")
    axes[-1].set_xlabel("frame")
    _save(figure, path)


def draw_timeline(tracked: Tracked, path: Path) -> None:
    """Draw the life of every trajectory as a row, after each level: bars are tracklets."""
    results = tracked.results
    final, frame = results[-1].after.member_of.numpy(), tracked.detections.frame.numpy()
    people = np.unique(final[tracked.is_kept])
    figure, axes = plt.subplots(len(results), 1, figsize=(8, 8.4), sharex=True, layout="constrained")
    for level, (axis, result) in enumerate(zip(axes, results, strict=True)):
        member = result.after.member_of.numpy()
        for row, person in enumerate(people):
            mine = tracked.is_kept & (final == person)
            spans = [
                (frame[mine & (member == one)].min(), frame[mine & (member == one)].max())
                for one in np.unique(member[mine])
            ]
            for count, (first, last) in enumerate(sorted(spans)):
                colour = COLOURS[row % len(COLOURS)]
                axis.barh(row, last - first + 1, left=first, height=0.75, color=colour, alpha=(1.0, 0.5)[count % 2])
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set_title(_title(tracked, level), fontsize=9, loc="left", color=GREY)
    axes[-1].set_xlabel("frame")
    _save(figure, path)


def draw_candidates(tracked: Tracked, choice: Choice, path: Path) -> None:
    """Draw the end of a tracklet and the beginnings of all its candidates, as boxes in the picture."""
    result, detections = tracked.results[choice.level], tracked.detections
    before, count = result.before, len(choice.edges)
    end = int(before.last[choice.node])
    shown = [detections.boxes_xyxy[end].numpy()]
    figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
    _draw_path(axis, tracked, before, choice.node, GREY)
    _draw_box(axis, shown[0], GREY, f"ends in frame {int(detections.frame[end]) + 1}")
    for place, edge in enumerate(choice.edges.tolist()):
        node = int(result.graph.edge_index[1, edge])
        start = int(before.first[node])
        colour, probability = _colour_of(place, count), choice.probability[-1, place]
        gap = int(detections.frame[start] - detections.frame[end])
        later = f"{gap} frame{'s' if gap > 1 else ''} later"
        label = f"{_letter(place, count)}: {later}, length {int(before.length[node])}: {probability:.2f}"
        shown.append(detections.boxes_xyxy[start].numpy())
        _draw_path(axis, tracked, before, node, colour)
        _draw_box(axis, shown[-1], colour, label, 1 + 2 * probability)
    corners = np.concatenate(shown).reshape(-1, 2)
    low, high = corners.min(axis=0) - 12, corners.max(axis=0) + 12
    axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal", xlabel="x, pixels", ylabel="y, pixels")
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(
        handles[:1] + handles[:0:-1],
        labels[:1] + labels[:0:-1],
        loc="upper left",
        bbox_to_anchor=(1.02, 1),
        frameon=False,
        labelcolor=GREY,
    )
    _save(figure, path)


def draw_steps(tracked: Tracked, choice: Choice, path: Path) -> None:
    """Draw what every step of message passing thinks of the candidates."""
    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    count = len(choice.edges)
    steps = np.arange(1, len(choice.probability) + 1)
    for place in range(count):
        line = choice.probability[:, place]
        colour = _colour_of(place, count)
        axis.plot(steps, line, "-o", color=colour, linewidth=2)
        if line[0] > 0.05:
            letter = _letter(place, count)
            axis.annotate(
                letter, (1, line[0]), (-8, 0), textcoords="offset points", color=colour, ha="right", va="center"
            )
    threshold = tracked.tracker.config.levels[choice.level].threshold
    axis.axhline(threshold, color=GREY, linestyle="--", linewidth=1)
    axis.annotate(f"accepted from {threshold:g}", (1, threshold), (0, 4), textcoords="offset points")
    axis.set_xticks(steps, [f"step {number}" for number in steps])
    axis.set_ylim(-0.04, 1.04)
    axis.set_ylabel("probability")
    _save(figure, path)


def _title(tracked: Tracked, level: int) -> str:
    count = len(tracked.results[level].after)
    gap = tracked.max_gaps[level]
    return f"after level {level} (up to {gap} frame{'s' if gap > 1 else ''} apart): {count} tracklets"


def _centres(boxes_xyxy: Any) -> NDArray[np.float64]:  # noqa: ANN401 - a tensor or an array
    boxes = np.asarray(boxes_xyxy, np.float64)
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _letter(place: int, count: int) -> str:
    """The most probable candidate, which is drawn last, is A."""
    return "ABCDEFGHIJKL"[count - 1 - place]


def _colour_of(place: int, count: int) -> str:
    return COLOURS[(count - 1 - place) % len(COLOURS)]


def _draw_path(axis: Any, tracked: Tracked, tracklets: Any, node: int, colour: str) -> None:  # noqa: ANN401
    rows = tracklets.order[tracklets.start[node] : tracklets.start[node + 1]]
    centre = _centres(tracked.detections.boxes_xyxy[rows])
    axis.plot(centre[:, 0], centre[:, 1], color=colour, linewidth=1.2, linestyle=":")


def _draw_box(axis: Any, box: NDArray[np.float32], colour: str, label: str, width: float = 1.6) -> None:  # noqa: ANN401
    left, top, right, bottom = box.tolist()
    frame = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width)
    axis.add_patch(frame).set_label(label)


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401 - of matplotlib
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
    print(f"wrote {path} ({path.stat().st_size / 1024:.0f} KB)")


def make_figures(out: Path, frames: int | None = None) -> None:
    """Draw all figures of the clip, or of its first ``frames``, into ``out``."""
    mpl.use("svg")
    tracked = track_clip(frames)
    counts = [len(result.after) for result in tracked.results]
    print(f"{len(tracked.detections)} detections; tracklets after each level: {', '.join(map(str, counts))}")
    choice = find_choice(tracked)
    graph = tracked.results[choice.level].graph
    print(f"level {choice.level}: {graph.num_nodes} nodes, {graph.num_candidates} pairs, {graph.num_edges} edges")
    with mpl.rc_context(STYLE):
        draw_hierarchy(tracked, out / "levels.svg")
        draw_timeline(tracked, out / "timeline.svg")
        draw_candidates(tracked, choice, out / "candidates.svg")
        draw_steps(tracked, choice, out / "steps.svg")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "docs" / "images", help="folder of the figures")
    parser.add_argument("--frames", type=int, help="only the first frames of the clip")
    arguments = parser.parse_args()
    make_figures(arguments.out, arguments.frames)
