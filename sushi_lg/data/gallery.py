"""Appearance vectors of a sequence on disk: half precision, memory-mapped, refused when they belong to other boxes.

``FOLDER/<sequence>.npy`` holds one vector a detection, and ``FOLDER/<sequence>.json`` says what they were made from.
Row n belongs to row n of the detection file as ``read_table`` returns it: file order, whole video.

Vectors are as the embedder gave them, lengths included: recipe `default` compares directions, the published networks
learned from distances. **A vector of zeros means that there was nothing to look at**: the box lies outside the picture,
or the picture could not be read.

Shapes: N detections, D embedding width.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.data.mot_format import MotTable
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

FORMAT = 1  # raised when old files can no longer be read
_ROWS_AT_ONCE = 65536
_EMBED_AGAIN = "run `sushi-lg embed` again with these detections and this --out"


@dataclass(frozen=True)
class GalleryAbout:
    """What vectors were made from; equal values mean equal vectors.

    Attributes:
        embedder: Name of the embedder.
        fingerprint: Its ``fingerprint()``: weights and settings.
        boxes: ``detections_key`` of the detection file.
        frames: ``FrameSource.content_key()`` of the pictures.
    """

    embedder: str
    fingerprint: str
    boxes: str
    frames: str


@dataclass(frozen=True)
class Gallery:
    """Vectors of one sequence.

    Attributes:
        path: The ``.npy`` file.
        about: What they were made from.
        vectors: (N, D) float16, read-only and memory-mapped; zeros where nothing was to be seen.
        skipped: Reason by number (0-based) of the frames that could not be read; their boxes have zeros.
    """

    path: Path
    about: GalleryAbout
    vectors: NDArray[np.float16]
    skipped: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """D."""
        return self.vectors.shape[1]

    def check(self, table: MotTable) -> None:
        """Make sure that row n of the vectors is row n of ``table``, the whole detection file.

        Raises:
            DataError: the vectors were made from other boxes.
        """
        if len(table) != len(self):
            raise DataError(f"{self.path}: {len(self)} vectors, but {table.path} has {len(table)} boxes", _EMBED_AGAIN)
        if detections_key(table) != self.about.boxes:
            raise DataError(f"{self.path}: made from other boxes than those of {table.path}", _EMBED_AGAIN)


def detections_key(table: MotTable) -> str:
    """Return a digest of the boxes in their order: frame, left, top, width and height, whatever the file looks like."""
    digest = hashlib.sha256(b"boxes 1")
    digest.update(np.ascontiguousarray(table.frame, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(table.boxes_ltwh, dtype="<f8").tobytes())
    return digest.hexdigest()


def half_vectors(vectors: NDArray[np.floating]) -> NDArray[np.float16]:
    """Return (N, D) vectors in half precision.

    Raises:
        DataError: NaN, infinity, or numbers that half precision cannot hold (above 65504, or all so small that
            nothing is left of a vector); says in which row.
    """
    with np.errstate(over="ignore"):
        half = np.asarray(vectors).astype(np.float16)
    lost = ~half.any(axis=1) & np.asarray(vectors).any(axis=1)
    bad = ~np.isfinite(half).all(axis=1) | lost
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        what = "not finite numbers" if not np.isfinite(vectors[row]).all() else "too large or too small for float16"
        raise DataError(f"vector {row}: {what} ({int(bad.sum())} such rows)", "check the embedder's weights")
    return half


def write_gallery(
    folder: str | Path,
    name: str,
    vectors: NDArray[np.floating] | Iterable[NDArray[np.floating]],
    about: GalleryAbout,
    skipped: Mapping[int, str] | None = None,
) -> Path:
    """Write ``folder/<name>.npy`` and then ``folder/<name>.json``; a killed job leaves no pair that does not fit.

    Args:
        folder: Where; made if needed.
        name: Name of the sequence.
        vectors: (N, D), or blocks of rows that together are that, of which one at a time is held.
        about: What they were made from.
        skipped: Reason by number (0-based) of the frames that could not be read.

    Returns:
        The path of the ``.npy`` file.

    Raises:
        DataError: see ``half_vectors``.
        ValueError: no block, or blocks of different width.
    """
    path, manifest = _paths(folder, name)
    rows, dim = 0, None
    with atomic_path(path) as staged, staged.open("wb") as file:
        for block in [vectors] if isinstance(vectors, np.ndarray) else vectors:
            if dim is None:
                dim = block.shape[1]
                start = _write_header(file, 0, dim)
            if block.shape[1] != dim:
                raise ValueError(f"blocks have widths {sorted((dim, block.shape[1]))}; they must agree")
            for begin in range(0, len(block), _ROWS_AT_ONCE):
                file.write(half_vectors(block[begin : begin + _ROWS_AT_ONCE]).astype("<f2", copy=False).tobytes())
            rows += len(block)
        if dim is None:
            raise ValueError("no block of vectors; give one of no rows")
        file.seek(0)
        assert _write_header(file, rows, dim) == start, "numpy leaves room in the header for any number of rows"
        manifest.unlink(missing_ok=True)  # the old manifest must never stand beside new vectors
    content = {"format": FORMAT, "sequence": name, "rows": rows, "dim": dim, "dtype": "float16"}
    content["skipped"] = {str(number): reason for number, reason in sorted((skipped or {}).items())}
    with atomic_path(manifest) as staged:
        staged.write_text(json.dumps({**content, **asdict(about)}, indent=2) + "\n", encoding="utf-8")
    return path


def find_gallery(folder: str | Path, name: str, about: GalleryAbout) -> Gallery | None:
    """Return the gallery made from just this, if it is there; the log says why one that is there is of no use."""
    if not all(path.is_file() for path in _paths(folder, name)):
        return None
    try:
        there = open_gallery(folder, name)
    except DataError as error:
        logger.warning("%s; made again", error.message)
        return None
    if there.about == about:
        return there
    differ = [key for key, value in asdict(about).items() if asdict(there.about)[key] != value]
    logger.warning("%s: by %s, of other %s; made again", there.path, there.about.embedder, " and ".join(differ))
    return None


def open_gallery(folder: str | Path, name: str) -> Gallery:
    """Open the vectors of sequence ``name``; nothing is read before it is used.

    Raises:
        DataError: no gallery, an unfinished one, or files that do not fit each other; never loads pickled objects.
    """
    path, manifest = _paths(folder, name)
    if not path.is_file():
        raise DataError(f"{path}: no such file", "make it with `sushi-lg embed`, or name the folder that holds it")
    if not manifest.is_file():
        raise DataError(f"{manifest}: no such file, so {path.name} is unfinished or a copy without it", _EMBED_AGAIN)
    about, rows, dim, skipped = _read_manifest(manifest)
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error})", _EMBED_AGAIN) from error
    if vectors.shape != (rows, dim) or vectors.dtype != np.dtype("<f2"):
        raise DataError(
            f"{path}: {vectors.dtype} {vectors.shape}, but {manifest.name} says float16 {(rows, dim)}", _EMBED_AGAIN
        )
    return Gallery(path, about, vectors, skipped)


def _paths(folder: str | Path, name: str) -> tuple[Path, Path]:
    # not with_suffix: names of sequences may have dots
    return Path(folder) / f"{name}.npy", Path(folder) / f"{name}.json"


def _write_header(file: BinaryIO, rows: int, dim: int) -> int:
    """Write the header of a ``.npy`` file and return its length."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (rows, dim)})
    return file.tell()


def _read_manifest(path: Path) -> tuple[GalleryAbout, int, int, dict[int, str]]:
    """Return what the manifest says: origin, rows, width and frames left out."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise DataError(f"{path}: format {content['format']}, this version reads {FORMAT}", _EMBED_AGAIN)
        about = GalleryAbout(*(str(content[key]) for key in ("embedder", "fingerprint", "boxes", "frames")))
        skipped = {int(number): str(reason) for number, reason in content.get("skipped", {}).items()}
        return about, int(content["rows"]), int(content["dim"]), skipped
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a manifest of a gallery ({error!r})", _EMBED_AGAIN) from error
