"""Detectors by name or file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.models import FoundModel, Progress, find_model
from sushi_lg.data.plugins import Finish, as_text, is_plugin, load_plugin
from sushi_lg.detection.boxes import BoxSettings
from sushi_lg.detection.protocol import Detector, FrameBoxes
from sushi_lg.errors import ConfigError, WeightsError

logger = logging.getLogger(__name__)

FAMILIES = ("yolox", "nanodet", "grounding_dino")


def load_detector(
    name_or_path: str | Path,
    *,
    prompt: str | None = None,
    device: str = "cpu",
    min_score: float | None = None,
    threads: int = 1,
    allow_download: bool | None = None,
    progress: Progress | None = None,
) -> Detector:
    """Return a detector ready to run.

    Args:
        name_or_path: Name of a card, path of a file or folder, ``NAME=PATH`` or a card of one's own; see
            ``sushi_lg.data.models.find_model``. An ONNX file with inputs and outputs of the YOLOX family is taken as
            one; a folder with a transformers configuration is read as Grounding DINO. ``FILE.py:NAME`` or
            ``package.module:NAME`` is a detector of the user's own, see ``sushi_lg.data.plugins``.
        prompt: What to look for: any text for Grounding DINO, a class by name or number for the others; None for
            persons.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        min_score: Boxes below are left out; None for the default of the family, low because a tracker uses weak boxes.
        threads: Of onnxruntime inside one network; torch has its own setting.
        allow_download: See ``find_model``.
        progress: See ``find_model``.

    Raises:
        WeightsError: no such model, file or class, or a file that does not fit; says what to do.
        ConfigError: an impossible threshold or prompt, or a detector of the user's own that is none.
    """
    if is_plugin(str(name_or_path)):
        asked = {"prompt": prompt, "min_score": None if min_score is None else _checked(min_score, min_score)}
        given = {key: value for key, value in asked.items() if value is not None}
        offered = {"device": device, "threads": threads}
        own: Detector = load_plugin(str(name_or_path), "detector", _MEMBERS, offered, given, _METHODS)
        return own
    found = find_model(name_or_path, "detector", allow_download=allow_download, recognise=_recognise, progress=progress)
    family = found.card.family
    if family == "grounding_dino":
        from sushi_lg.detection.grounding_dino import GroundingDino, GroundingDinoSettings

        dino = GroundingDinoSettings()
        dino = replace(dino, prompt=prompt or dino.prompt, min_score=_checked(min_score, dino.min_score))
        return GroundingDino(found, dino, device=device)
    settings = BoxSettings(wanted=prompt)
    settings = replace(settings, min_score=_checked(min_score, settings.min_score))
    if family == "yolox":
        from sushi_lg.detection.yolox import Yolox

        return Yolox(found.card, _file(found), settings, device=device, threads=threads)
    if family == "nanodet":
        from sushi_lg.detection.nanodet import Nanodet

        return Nanodet(found.card, _file(found), settings, device=device, threads=threads)
    raise WeightsError(f"{found.card.name}: no detector of family {family!r}", f"families: {', '.join(FAMILIES)}")


def _recognise(path: Path) -> str | None:
    """Return the name of the card for a file or folder that none knows."""
    if path.is_dir():
        return "grounding_dino_tiny" if (path / "config.json").is_file() else None
    if path.suffix == ".onnx":
        from sushi_lg.detection.yolox import looks_like_yolox

        if looks_like_yolox(path):
            logger.warning("%s: read as yolox_custom; of YOLOX 0.1.0 or ByteTrack write yolox_imagenet=%s", path, path)
            return "yolox_custom"
    return None


def _file(found: FoundModel) -> Path:
    if found.path is None or not found.path.is_file():
        raise WeightsError(f"{found.path}: a folder; {found.card.name} is one file", "give the .onnx file")
    return found.path


def _checked(min_score: float | None, default: float) -> float:
    if min_score is None:
        return default
    if not 0 <= min_score <= 1:
        raise ConfigError(f"min_score {min_score} is not in 0 .. 1", "give a probability")
    return min_score


def _as_boxes(_: Detector, results: Iterable[FrameBoxes], prepared: Sequence[object]) -> list[FrameBoxes]:
    """Return what a detector of the user's own found, a list.

    Raises:
        ValueError: not one FrameBoxes a picture, or one that holds what no FrameBoxes may; names the first such box.
    """
    listed = list(results)
    if len(listed) != len(prepared):
        raise ValueError(f"{len(listed)} results for {len(prepared)} pictures")
    for number, one in enumerate(listed):
        if not (hasattr(one, "boxes_xyxy") and hasattr(one, "score")):
            raise ValueError(f"it returned a {type(one).__name__}, not a FrameBoxes, for a picture")
        boxes, score = np.asarray(one.boxes_xyxy, np.float64), np.asarray(one.score, np.float64)
        if score.ndim != 1 or (boxes.shape != (len(score), 4) and (boxes.size or score.size)):
            raise ValueError(f"boxes_xyxy of shape {boxes.shape}, not (K, 4), with a score of shape {score.shape}")
        _refuse_impossible(boxes.reshape(-1, 4), score, f"picture {number} of {len(listed)}")
    return listed


def _refuse_impossible(boxes: NDArray[np.float64], score: NDArray[np.float64], where: str) -> None:
    """Stop at the first (K, 4) box or (K,) score that no picture can have; a tracker would go on with it."""
    left, top, right, bottom = boxes.T
    for wrong, said in (
        (~np.isfinite(boxes).all(axis=1), "has numbers that are not finite"),
        (~((left < right) & (top < bottom)), "is not left, top, right, bottom with left < right and top < bottom"),
    ):
        if wrong.any():
            first = int(wrong.argmax())
            numbers = ", ".join(f"{value:g}" for value in boxes[first])
            raise ValueError(f"{where}: box {first} ({numbers}) {said}")
    wrong = ~((score >= 0) & (score <= 1))  # so that what is no number is wrong too
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(f"{where}: the score of box {first} is {score[first]:g}, not in 0 .. 1")


_MEMBERS = ("name", "batch_size", "parallel")
_METHODS: dict[str, Finish | None] = {"fingerprint": as_text, "prepare": None, "detect": _as_boxes}
