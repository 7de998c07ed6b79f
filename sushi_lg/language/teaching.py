"""What teachers say: descriptions through a frozen text encoder, kept by content.

``FOLDER/<encoder>@<fingerprint>/<sequence>-<digest>.safetensors`` holds what is said about identities and scene, the
folder ``<encoder>@<fingerprint>-edges`` beside it what is said about edges. The digest is that of the sentences, so
that trainings that are told other things about the same sequence do not take each other's files away.

Shapes: K identities, D width of the teacher.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import Description, descriptions_path
from sushi_lg.language.hub import digest
from sushi_lg.language.structures import Taught
from sushi_lg.language.text_encoder import TextEncoder

logger = logging.getLogger(__name__)

SAME, DIFFERENT = "The same person.", "Two different people."
_FORMAT = 1  # raised when old files can no longer be read
_KEY = "sushi_lg"  # the one entry of the header; several would come in random order


def teach(rows: Sequence[Description], encoder: TextEncoder, folder: Path | None) -> Taught:
    """Return what a teacher says about one sequence.

    Args:
        rows: Descriptions of one sequence; those whose sentence is blank are unknown and get no row.
        encoder: The teacher.
        folder: Where vectors are kept from one run to the next; None keeps none.

    Returns:
        Tensors on the CPU that want no gradient; the scene is None where it has no sentence.

    Raises:
        ValueError: no rows, rows of several sequences, or an identity or the scene twice.
        DataError: ``folder`` cannot be written to.
    """
    sequence = _sequence(rows)
    known = sorted((row.track_id, row.sentence) for row in rows if row.track_id is not None and row.sentence.strip())
    scenes = [row.sentence for row in rows if row.track_id is None and row.sentence.strip()]
    sentences = [sentence for _, sentence in known] + scenes
    ids = torch.tensor([track_id for track_id, _ in known], dtype=torch.int64)
    key = digest(encoder.name, encoder.fingerprint(), known, scenes)
    path = None if folder is None else _path(folder, encoder, sequence, key)
    shapes = {
        "instance": (len(known), encoder.dim),
        "ids": (len(known),),
        **({"scene": (encoder.dim,)} if scenes else {}),
    }
    tensors = None if path is None else _read(path, key, shapes)
    if tensors is None:
        vectors = torch.from_numpy(encoder.encode(sentences)) if sentences else torch.zeros(0, encoder.dim)
        tensors = {"instance": vectors[: len(known)], "ids": ids, **({"scene": vectors[-1]} if scenes else {})}
        if path is not None:
            _write(path, key, tensors)
    return Taught(tensors["instance"], tensors["ids"], tensors.get("scene"))


def teach_edges(rows: Sequence[Description], encoder: TextEncoder, folder: Path | None) -> Tensor:
    """Return (2, D) float32, what a teacher says about an edge of one sequence: row 0 of a true one, row 1 of a false.

    Args:
        rows: Descriptions of one sequence, of which only the scene's is read; without one the edges are spoken of
            without a scene.
        encoder: The teacher.
        folder: As in ``teach``.

    Raises:
        ValueError, DataError: see ``teach``.
    """
    sequence = _sequence(rows)
    sentences = scene_sentences(next((row.sentence for row in rows if row.track_id is None), ""))
    key = digest(encoder.name, encoder.fingerprint(), sentences)
    path = None if folder is None else _path(folder, encoder, sequence, key, "-edges")
    tensors = None if path is None else _read(path, key, {"edges": (2, encoder.dim)})
    if tensors is None:
        tensors = {"edges": torch.from_numpy(encoder.encode(sentences))}
        if path is not None:
            _write(path, key, tensors)
    return tensors["edges"]


def scene_sentences(scene: str) -> tuple[str, str]:
    """Return what is said about a true edge of a scene, and what about a false one."""
    return f"{scene.strip()} {SAME}".strip(), f"{scene.strip()} {DIFFERENT}".strip()


def _sequence(rows: Sequence[Description]) -> str:
    """Return the one sequence the rows are about."""
    names = {row.seq for row in rows}
    if len(names) != 1:
        raise ValueError(f"descriptions of {len(names)} sequences {sorted(names)}; give those of one")
    seen: set[int | None] = set()
    for row in rows:
        if row.track_id in seen:
            what = "its scene" if row.track_id is None else f"track {row.track_id}"
            raise ValueError(f"{row.seq}: {what} is described twice")
        seen.add(row.track_id)
    return names.pop()


def _path(folder: Path, encoder: TextEncoder, sequence: str, key: str, kind: str = "") -> Path:
    of_rows = descriptions_path(folder / f"{encoder.name}@{encoder.fingerprint()[:12]}{kind}", sequence)
    return of_rows.with_name(f"{of_rows.name.removesuffix('.jsonl')}-{key[:12]}.safetensors")


def _read(path: Path, key: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor] | None:
    """Return the tensors of a file made from just this; the log says why one that is there is of no use."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        logger.warning("%s: cannot be read (%s); made again", path, error)
        return None
    if header.get("format") != _FORMAT or header.get("key") != key:
        logger.info("%s: made from other sentences; made again", path)
        return None
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != dict(shapes):
        logger.warning("%s: holds other tensors than its header says; made again", path)
        return None
    return tensors


def _write(path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    header = json.dumps({"format": _FORMAT, "key": key}, sort_keys=True)
    try:
        with atomic_path(path) as staged:
            save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, staged, {_KEY: header})
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error})", "name another folder for what teachers say") from error
