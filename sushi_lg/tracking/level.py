"""One level of the hierarchy, and the hierarchy: build, score, solve, merge.

The same lines serve tracking, training (which reads the scores of every level) and the oracle (a solver that reads
labels).

Shapes: N detections, M tracklets, E edges, S classified steps, D edge directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.graph.tracklets import Tracklets, merge, singletons
from sushi_lg.solver.components import number_chains
from sushi_lg.solver.structures import Accepted
from sushi_lg.structures import Detections
from sushi_lg.timing import stage


class GraphBuilder(Protocol):
    """Makes the graph of one level."""

    def __call__(self, detections: Detections, tracklets: Tracklets) -> LevelGraph:
        """Return candidate edges with their features."""


class Reopener(Protocol):
    """Cuts tracklets apart where joins shall be asked for once more."""

    def __call__(self, detections: Detections, tracklets: Tracklets) -> Tracklets:
        """Return the parts."""


class Scorer(Protocol):
    """Scores the edges of a graph, usually a network."""

    def __call__(self, graph: LevelGraph) -> LevelScores:
        """Return logits and probabilities in edge order."""


class Labeller(Protocol):
    """Says which edges are right, from the identities of the detections."""

    def __call__(self, detections: Detections, tracklets: Tracklets, edge_index: Tensor) -> Tensor:
        """Return (E,) bool."""


class Solver(Protocol):
    """Accepts edges so that every node keeps at most one edge to the past and one to the future."""

    def __call__(self, graph: LevelGraph, scores: LevelScores) -> Accepted:
        """Return the edges."""


@dataclass(frozen=True)
class Level:
    """The parts of one level.

    Attributes:
        build: makes the graph.
        score: scores its edges.
        solve: accepts some of them.
        label: fills ``label`` of the graph, for solvers that read it; None in tracking.
        reopen: cuts tracklets of lower levels before the graph is made; None = they are taken as they are.
    """

    build: GraphBuilder
    score: Scorer
    solve: Solver
    label: Labeller | None = None
    reopen: Reopener | None = None


@dataclass(frozen=True)
class LevelResult:
    """Everything one level saw and decided.

    Attributes:
        before: tracklets the level started from, cut where it takes a second look; the nodes of ``graph``.
        graph: candidate edges.
        scores: what the scorer said.
        accepted: (E,) bool.
        after: tracklets the level hands on.
    """

    before: Tracklets
    graph: LevelGraph
    scores: LevelScores
    accepted: Tensor
    after: Tracklets


def run_level(level: Level, detections: Detections, tracklets: Tracklets) -> LevelResult:
    """Take tracklets up one level."""
    if level.reopen is not None:
        with stage("second look"):
            tracklets = level.reopen(detections, tracklets)
    graph = level.build(detections, tracklets)
    if level.label is not None:
        graph = replace(graph, label=level.label(detections, tracklets, graph.edge_index))
    scores = level.score(graph)
    with stage("matching"):
        accepted = level.solve(graph, scores)
    with stage("merge"):
        after = merge(detections, tracklets, *number_chains(graph.edge_index, accepted, graph.num_nodes))
    return LevelResult(before=tracklets, graph=graph, scores=scores, accepted=accepted.edges, after=after)


def run_hierarchy(levels: Iterable[Level], detections: Detections) -> Iterator[LevelResult]:
    """Yield the result of every level, from single detections upwards."""
    tracklets = singletons(detections)
    for level in levels:
        result = run_level(level, detections, tracklets)
        yield result
        tracklets = result.after
