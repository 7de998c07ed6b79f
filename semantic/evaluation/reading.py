"""Results and annotations from folders, as records."""

from __future__ import annotations

import logging
from pathlib import Path

from semantic.bensmot.annotations import held_out, read_annotations
from semantic.evaluation.lists import Record
from semantic.records_io import SCHEMA, read_semantics
from sushi_lg.data.files import visible_children
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

_FOLDER = "semantics"
_BEGINNING = 64  # bytes; the schema stands first in a result


def read_results(folder: str | Path) -> list[Record]:
    """Read the results of `sushi-lg describe`.

    Args:
        folder: holds ``semantics/*.json``, or the files themselves.

    Raises:
        DataError: no such folder, no result in it, or a file that is none.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "give the folder that `sushi-lg describe --out` wrote")
    paths = _result_paths(root)
    if not paths:
        raise DataError(f"{root}: no results", f"it must hold {_FOLDER}/*.json; `sushi-lg describe` writes them")
    return [read_semantics(path) for path in paths]


def read_truth(folder: str | Path, split: str | None = None) -> list[Record]:
    """Read annotations: a data set in the layout of BenSMOT, or files like those of results.

    Args:
        folder: of either.
        split: part of a data set: ``train``, ``test``, ``held-out`` (the tenth of ``train`` to choose settings on), or
            ``all`` that is there; None takes the test set where there is one, else all.

    Raises:
        DataError: nothing of either kind there, or a file that cannot be read.
    """
    root = Path(folder)
    if root.is_dir() and _result_paths(root):
        return read_results(root)
    if split is None:
        split = "test" if (root / "test").is_dir() else "all"
    if split == "held-out":
        pairs = read_annotations(root, "train").pairs
        chosen = held_out(clip.name for clip, _ in pairs)
        return [pair for pair in pairs if pair[0].name in chosen]
    return list(read_annotations(root, None if split == "all" else split).pairs)


def _result_paths(root: Path) -> list[Path]:
    """Return files of results: all in ``semantics``, or those beside others that begin as results do."""
    inner = root / _FOLDER
    children = visible_children(inner if inner.is_dir() else root, logger)
    files = [path for path in children if path.suffix == ".json" and path.is_file()]
    return [path for path in files if inner.is_dir() or _begins_as_result(path)]


def _begins_as_result(path: Path) -> bool:
    with path.open("rb") as handle:
        return SCHEMA.encode() in handle.read(_BEGINNING)
