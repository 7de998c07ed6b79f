"""How sure a comparison of arms is: paired draws of test sequences and of trainings.

**What is drawn.** A difference between arms would come out otherwise with other test videos and with other random
starts, so both are drawn with replacement, crossed (the pigeonhole bootstrap, Owen, Annals of Applied Statistics 2007):
the sequences of every test domain, and for every domain that is learned the seeds. Draws are paired: in one draw all
arms have the same sequences and the same seeds, because arms share both. A score is made anew from the sums of the
drawn sequences, then averaged over the drawn seeds. Domains are not drawn: the statement is about these domains.

The interval holds the middle 95 % of the draws. A second one draws sequences only, seeds averaged: how sure the
difference is for just these trainings. With one sequence in a domain the first interval knows its seeds alone, and with
one seed there is nothing to draw from: reports say so. Drawing K things K times makes intervals too narrow by about
1 / (2 K), which five seeds feel.

Shapes: S sequences, F sums, K seeds, B draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sushi_lg.evaluation.draws import Floats, Interval, draw_times, interval
from sushi_lg.study.scores import METRICS, metrics

DRAWS, SEED = 10_000, 0

Cell = tuple[str, str]  # domain that is learned, domain that is tested
IN_DOMAIN, CROSS_DOMAIN, DROP = "in-domain", "cross-domain", "relative drop"


@dataclass(frozen=True)
class Draws:
    """How often everything is drawn, the same for all arms.

    Attributes:
        sequences: (B, S) float64 per test domain, each row sums to S.
        seeds: (B, K) float64 per learned domain, each row sums to 1.
    """

    sequences: Mapping[str, Floats]
    seeds: Mapping[str, Floats]


@dataclass(frozen=True)
class Difference:
    """An arm minus the baseline.

    Attributes:
        value: difference of the means over seeds.
        per_seed: (K,) differences of runs with the same seed.
        interval: sequences and seeds drawn.
        sequences_only: sequences drawn, seeds averaged.
    """

    value: float
    per_seed: Floats
    interval: Interval
    sequences_only: Interval


def draw(
    num_sequences: Mapping[str, int], trains: list[str], num_seeds: int, draws: int = DRAWS, seed: int = SEED
) -> Draws:
    """Return draws of the sequences of every test domain, and of the seeds of every learned one."""
    random = np.random.default_rng(seed)
    sequences = {test: draw_times(count, draws, random) for test, count in num_sequences.items()}
    return Draws(sequences, {train: draw_times(num_seeds, draws, random) / num_seeds for train in trains})


def seed_values(cells: Mapping[Cell, Floats]) -> dict[str, dict[Cell, Floats]]:
    """Return (K,) values of every metric and cell: one a training, all sequences combined.

    Args:
        cells: (K, S, F) sums.
    """
    values = {cell: metrics(sums.sum(axis=1)) for cell, sums in cells.items()}
    return {metric: {cell: each[metric] for cell, each in values.items()} for metric in METRICS}


def drawn_values(cells: Mapping[Cell, Floats], draws: Draws) -> tuple[dict[str, dict[Cell, Floats]], ...]:
    """Return (B,) values of every metric and cell: with sequences and seeds drawn, and with sequences alone drawn.

    Args:
        cells: (K, S, F) sums.
        draws: B of them.
    """
    both: dict[str, dict[Cell, Floats]] = {metric: {} for metric in METRICS}
    alone: dict[str, dict[Cell, Floats]] = {metric: {} for metric in METRICS}
    for (train, test), sums in cells.items():
        each = [metrics(draws.sequences[test] @ of_seed) for of_seed in sums]  # one seed at a time: (B, F)
        for metric in METRICS:
            values = np.stack([one[metric] for one in each], axis=1)  # (B, K)
            both[metric][train, test] = (values * draws.seeds[train]).sum(axis=1)
            alone[metric][train, test] = values.mean(axis=1)
    return both, alone


def aggregates(values: Mapping[Cell, Floats]) -> dict[str, Floats]:
    """Return means of cells of one metric, of whatever shape these are; what has no cell is left out.

    - in-domain: over the domains that are learned and tested;
    - cross-domain: over all pairs of different domains;
    - relative drop, in percent: 1 - cross / in, over the tests that have an in-domain number too, so that a test domain
      that is harder than the others does not pass for a drop.
    """
    within = {cell: value for cell, value in values.items() if cell[0] == cell[1]}
    across = {cell: value for cell, value in values.items() if cell[0] != cell[1]}
    found = {}
    if within:
        found[IN_DOMAIN] = _mean(within)
    if across:
        found[CROSS_DOMAIN] = _mean(across)
    compared = {cell: value for cell, value in across.items() if (cell[1], cell[1]) in within}
    if compared:
        found[DROP] = 100 * (1 - _mean(compared) / np.maximum(found[IN_DOMAIN], 1e-9))
    return found


def difference(value: float, per_seed: Floats, both: Floats, alone: Floats) -> Difference:
    """Return a difference of arms with its intervals.

    Args:
        value: of the means over seeds.
        per_seed: (K,) differences of runs with the same seed.
        both: (B,) differences with sequences and seeds drawn.
        alone: (B,) differences with sequences drawn.
    """
    return Difference(value, per_seed, interval(both), interval(alone))


def _mean(values: Mapping[Cell, Floats]) -> Floats:
    mean: Floats = np.mean(np.stack(list(values.values())), axis=0)
    return mean
