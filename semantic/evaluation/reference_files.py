"""Scores of result files in the format of the code released with BenSMOT, as its script gives them.

That code writes ``summary_results.json``, ``caption_results.json`` and ``relation_results.json``, each
``{"preds": [...], "gts": [...]}``: texts, or vectors of 360 probabilities and 360 zeros and ones. Nothing in them says
which clip a row is from, so there are no intervals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from semantic.bensmot.vocabulary import NUM_SLOTS
from semantic.evaluation.captions import TextPair, raw_measures
from semantic.evaluation.interactions import THRESHOLD, oracle_measures_of_vectors
from semantic.evaluation.profiles import CAPTIONS, ORACLE, SUMMARIES, Block
from sushi_lg.errors import DataError

FILES = {SUMMARIES: "summary_results.json", CAPTIONS: "caption_results.json", ORACLE: "relation_results.json"}
_REMEDY = "write the files again; they hold {preds: [...], gts: [...]} of equal length"


def score_reference_files(folder: str | Path) -> Mapping[str, Block]:
    """Return scores of captions, summaries and oracle pairs, by title, as the profile ``bensmot-ref`` has them.

    Args:
        folder: holds the three files.

    Raises:
        DataError: a file is missing, or not of that format; names the file and the row.
    """
    blocks = {}
    for title in (CAPTIONS, SUMMARIES):
        path = Path(folder, FILES[title])
        candidates, references = _read(path)
        for row, text in enumerate((*candidates, *references)):
            if not isinstance(text, str):
                raise DataError(f"{path}: row {row % len(candidates)} is no text", _REMEDY)
        pairs = [TextPair(0, *texts) for texts in zip(candidates, references, strict=True)]
        blocks[title] = Block(title, len(pairs), tuple(raw_measures(pairs, 1)))
    path = Path(folder, FILES[ORACLE])
    said, true = (_vectors(path, rows) for rows in _read(path))
    measures = oracle_measures_of_vectors(said > THRESHOLD, true != 0, [0] * len(said), 1)
    return {**blocks, ORACLE: Block(ORACLE, len(said), tuple(measures))}


def _read(path: Path) -> tuple[list[Any], list[Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", f"the folder must hold {', '.join(FILES.values())}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON ({error})", _REMEDY) from error
    said, true = (content.get(key) for key in ("preds", "gts")) if isinstance(content, dict) else (None, None)
    if not isinstance(said, list) or not isinstance(true, list):
        raise DataError(f"{path}: preds or gts is missing, or no list", _REMEDY)
    if len(said) != len(true):
        raise DataError(f"{path}: {len(said)} preds, {len(true)} gts", _REMEDY)
    return said, true


def _vectors(path: Path, rows: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        vectors = np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else NUM_SLOTS)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: rows are not vectors of numbers ({error})", _REMEDY) from error
    if vectors.shape[1] != NUM_SLOTS:
        raise DataError(f"{path}: vectors have {vectors.shape[1]} numbers, not {NUM_SLOTS}", _REMEDY)
    return vectors
