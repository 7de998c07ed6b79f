"""Scores that can be put together again: per sequence what TrackEval sums up.

A score over several sequences is no mean of scores: HOTA, IDF1 and MOTA are made from sums over all of them, AssA from
sums weighted with true positives, as TrackEval combines sequences (Luiten et al., HOTA, IJCV 2021). ``sums_of`` keeps
these per sequence; ``metrics`` of added rows are TrackEval's combined numbers, for any draw of sequences.

Shapes: S sequences, A = 19 thresholds of HOTA, F = 4 A + 7 sums.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError
from sushi_lg.evaluation.mot import SequenceScores

METRICS = ("HOTA", "IDF1", "AssA", "DetA", "MOTA")
_SHOWN = ("HOTA", "AssA", "DetA", "IDF1", "MOTA", "IDSW")
_THRESHOLDS = 19
_PER_THRESHOLD = ("HOTA_TP", "HOTA_FN", "HOTA_FP", "AssA_sum")
_COUNTS = {"Identity": ("IDTP", "IDFN", "IDFP"), "CLEAR": ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW")}
_FIELDS = (*_PER_THRESHOLD, *(name for names in _COUNTS.values() for name in names))
_AGAIN = "remove it, and the same study makes it again"


@dataclass(frozen=True)
class Scores:
    """Scores of one training in one domain.

    Attributes:
        sequences: names, S.
        sums: (S, F) float64.
        made_from: what they were made from; equal values mean equal scores. ``contents`` holds the digests of the files
            of every sequence, by what they are; the rest is up to who makes them.
    """

    sequences: tuple[str, ...]
    sums: NDArray[np.float64]
    made_from: Mapping[str, Any]


def sums_of(scores: Sequence[SequenceScores]) -> NDArray[np.float64]:
    """Return (S, F): what has to be summed over sequences."""
    rows = []
    for each in scores:
        hota = each.raw["HOTA"]
        parts = [np.asarray(hota[name], dtype=np.float64) for name in ("HOTA_TP", "HOTA_FN", "HOTA_FP")]
        parts.append(np.asarray(hota["AssA"], dtype=np.float64) * parts[0])
        parts += [np.array([each.raw[family][name] for name in names], float) for family, names in _COUNTS.items()]
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def metrics(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return every one of ``METRICS`` in percent, and IDSW as a number.

    Args:
        sums: (..., F), added up over the sequences of a score.

    Returns:
        Arrays of shape (...).
    """
    named = _named(sums)
    found, missed, wrong = (named[key] for key in ("HOTA_TP", "HOTA_FN", "HOTA_FP"))
    association = named["AssA_sum"] / np.maximum(1.0, found)
    detection = found / np.maximum(1.0, found + missed + wrong)
    identity = named["IDTP"] / np.maximum(1.0, named["IDTP"] + 0.5 * (named["IDFP"] + named["IDFN"]))
    right = named["CLR_TP"] - named["CLR_FP"] - named["IDSW"]
    return {
        "HOTA": 100 * np.sqrt(detection * association).mean(axis=-1),
        "IDF1": 100 * identity,
        "AssA": 100 * association.mean(axis=-1),
        "DetA": 100 * detection.mean(axis=-1),
        "MOTA": 100 * right / np.maximum(1.0, named["CLR_TP"] + named["CLR_FN"]),
        "IDSW": named["IDSW"],
    }


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write scores as JSON: numbers to read, per sequence and combined, and the sums they are made from."""
    each, together = metrics(scores.sums), metrics(scores.sums.sum(axis=0))
    named = _named(scores.sums)
    content = {
        "made_from": scores.made_from,
        "combined": {key: float(together[key]) for key in _SHOWN},
        "sequences": {
            name: {
                **{key: float(each[key][row]) for key in _SHOWN},
                "sums": {key: named[key][row].tolist() for key in _FIELDS},
            }
            for row, name in enumerate(scores.sequences)
        },
    }
    with atomic_path(path) as staged:
        staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_scores(path: str | Path) -> Scores:
    """Read what ``write_scores`` wrote.

    Raises:
        DataError: no such file, or not one of ours.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        sequences = content["sequences"]
        rows = [np.concatenate([np.atleast_1d(each["sums"][key]) for key in _FIELDS]) for each in sequences.values()]
        sums = np.stack(rows).astype(np.float64)
        if sums.shape[1] != _THRESHOLDS * len(_PER_THRESHOLD) + 7 or not np.isfinite(sums).all():
            raise ValueError(f"sums of shape {sums.shape}")
        made_from = dict(content["made_from"])
        if not all(isinstance(files, dict) for files in made_from["contents"].values()):
            raise ValueError("contents name no files")
        return Scores(tuple(sequences), sums, made_from)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "run the study without --report-only first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not scores of a study ({error!r})", _AGAIN) from error


def _named(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    named = {}
    for position, name in enumerate(_PER_THRESHOLD):
        named[name] = sums[..., position * _THRESHOLDS : (position + 1) * _THRESHOLDS]
    for position, name in enumerate(_FIELDS[len(_PER_THRESHOLD) :], start=_THRESHOLDS * len(_PER_THRESHOLD)):
        named[name] = sums[..., position]
    return named
