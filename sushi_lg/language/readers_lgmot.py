"""Vectors from the tensor files of LG-MOT (Li et al., 2024): what its training code reads, width and all from the file.

``<sequence>/gt/instance_language_prompts/seq_inst_prompts_embeddings_128.pt`` is indexed by the identity of the ground
truth; the first row (MOT17) or the last (DanceTrack) stands for detections without identity and is not used here.
``<sequence>/processed_data/embeddings/<sequence>_prompt_embedding_all.pt`` is one vector of the scene.

Shapes: K identities, D width of the instance vectors, S width of the scene vector, P rows of the file.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sushi_lg.errors import DataError
from sushi_lg.language.structures import Taught

if TYPE_CHECKING:
    from sushi_lg.data.sequence import Sequence

INSTANCE_FILE = Path("gt/instance_language_prompts/seq_inst_prompts_embeddings_128.pt")
SCENE_FOLDER = Path("processed_data/embeddings")
_AGAIN = "use the file that LG-MOT made for this sequence"


def has_lgmot(sequence: Sequence) -> bool:
    """Tell whether a sequence folder has LG-MOT's instance vectors."""
    return (sequence.info.root / INSTANCE_FILE).is_file()


def read_lgmot(sequence: Sequence) -> Taught:
    """Return the vectors of the identities of a sequence, and of its scene where there is a file.

    Args:
        sequence: With its ground truth; a view has the identities of its frames.

    Raises:
        DataError: no instance file, one that is not a tensor of vectors, an identity outside its rows, NaN or infinity;
            names the file.
    """
    root = sequence.info.root
    path = root / INSTANCE_FILE
    rows = _load(path)
    if isinstance(rows, list | tuple) and rows and all(isinstance(one, Tensor) for one in rows):
        shapes = sorted({tuple(one.shape) for one in rows})
        if len(shapes) > 1:
            raise DataError(f"{path}: vectors of shapes {', '.join(map(str, shapes))}; one is needed", _AGAIN)
        rows = (
            torch.stack(list(rows)).flatten(1) if rows[0].ndim == 2 and len(rows[0]) == 1 else torch.stack(list(rows))
        )
    vectors = _checked(path, rows, rank=2, expected="(rows, width)")  # (P, D)
    ids = np.unique(sequence.load_ground_truth("identities").track_id)
    outside = ids[(ids < 0) | (ids >= len(vectors))]
    if len(outside):
        raise DataError(
            f"{path}: {len(vectors)} rows, but the ground truth has identity {outside[0]} ({len(outside)} such ids)",
            _AGAIN,
        )
    index = torch.from_numpy(ids.astype(np.int64))
    return Taught(vectors[index], index, _scene(root / SCENE_FOLDER / f"{sequence.name}_prompt_embedding_all.pt"))


def _scene(path: Path) -> Tensor | None:
    """Return (S,) float32, or None without a file."""
    if not path.is_file():
        return None
    stored = _load(path)
    if isinstance(stored, Tensor) and stored.ndim == 2 and len(stored) == 1:
        stored = stored[0]
    return _checked(path, stored, rank=1, expected="(1, width) or (width,)")


def _checked(path: Path, stored: object, *, rank: int, expected: str) -> Tensor:
    if not isinstance(stored, Tensor):
        raise DataError(f"{path}: holds {type(stored).__name__}, not a tensor {expected}", _AGAIN)
    if stored.ndim != rank or 0 in stored.shape or not stored.is_floating_point():
        raise DataError(f"{path}: {stored.dtype} {tuple(stored.shape)}, expected numbers of shape {expected}", _AGAIN)
    vectors = stored.detach().to(torch.float32)
    if not bool(torch.isfinite(vectors).all()):
        raise DataError(f"{path}: NaN or infinity in it", _AGAIN)
    return vectors


def _load(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # a .pt file may run code otherwise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "put LG-MOT's tensor files there, or use descriptions") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise DataError(f"{path}: cannot be read as tensors ({reason})", _AGAIN) from error
