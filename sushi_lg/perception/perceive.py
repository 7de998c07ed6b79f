"""From pictures to a sequence folder: detections, camera motion and appearance, resumable and reused.

What is there already and was made from the same pictures with the same settings is kept; what is missing is made in one
pass over the pictures. A killed run goes on at the last finished part and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.camera_motion import is_static, write_camera
from sushi_lg.appearance.protocol import Embedder
from sushi_lg.data.files import atomic_path
from sushi_lg.data.frames import FrameSource
from sushi_lg.data.gallery import GalleryAbout, detections_key, has_gallery, write_gallery
from sushi_lg.data.mot_format import MotTable, read_table, write_detections
from sushi_lg.detection.protocol import Detector
from sushi_lg.errors import DataError
from sushi_lg.perception.looking import Task, look
from sushi_lg.perception.parts import Parts
from sushi_lg.perception.structures import PART_FRAMES, Camera

logger = logging.getLogger(__name__)

MANIFEST = "frames.json"
_FORMAT = 1


@dataclass(frozen=True)
class Perceived:
    """What was found in the pictures of one sequence.

    Attributes:
        folder: Sequence folder, for ``open_sequence``.
        detections: Name of the detection file, for ``load_detections``.
        galleries: Folder with ``<sequence>.npy``; None without an embedder.
        frames: Number of frames.
        boxes: Number of detections.
        camera: 'moving' or 'static'; None when nobody asked.
        skipped: Reason by number (0-based) of the frames that could not be had.
        reused: What was there already: 'detections', 'camera', 'appearance'.
        resumed: Number of frames whose results were left by an unfinished run.
        seconds: Time it took.
    """

    folder: Path
    detections: str
    galleries: Path | None
    frames: int
    boxes: int
    camera: str | None
    skipped: Mapping[int, str]
    reused: tuple[str, ...]
    resumed: int
    seconds: float


def perceive(
    source: FrameSource,
    folder: str | Path,
    *,
    detector: Detector,
    embedder: Embedder | None = None,
    camera: Camera | None = None,
    galleries: str | Path | None = None,
    workers: int = 0,
    detect_calls: int = 1,
    embed_calls: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Perceived:
    """Make a sequence folder of pictures: each is decoded once for everything that is asked for.

    Writes ``seqinfo.ini``, ``det/<detector>.txt``, ``gmc.txt`` (of a camera that moves; a row a frame, the identity
    where a frame was left out), ``appearance/<embedder>/<sequence>.npy`` (with an embedder; see ``data/gallery``) and
    last ``frames.json``, which says what the rest was made from.

    Args:
        source: The pictures; its ``on_bad_image`` says what happens at broken ones.
        folder: The sequence folder; its name is that of the sequence.
        detector: Finds boxes.
        embedder: Describes them; None = no appearance.
        camera: Estimates camera motion; None = a static camera.
        galleries: Where the gallery goes, so that those of several sequences lie together; None = inside ``folder``.
        workers: Threads that prepare and crop; 0 = as many as there are cores.
        detect_calls: Calls of the detector that run at once; more than one only when it stands that.
        embed_calls: The same of the embedder.
        progress: Called with the number of frames done.

    Raises:
        DataError: a broken picture, a folder that holds something else, or a detection file that was changed.
    """
    began = time.perf_counter()
    folder = Path(folder)
    name = folder.absolute().name
    content = source.content_key()
    before = _read_manifest(folder)
    _refuse_others(folder, before, content, source)
    path = folder / "det" / f"{detector.name}.txt"
    table = _reusable_table(path, before, detector, source.length)
    if embedder is None:
        galleries = None
    else:
        galleries = Path(galleries) if galleries is not None else folder / "appearance" / embedder.name
    reused = []
    todo_embedder, todo_camera, camera_note = embedder, camera, None
    if table is not None:
        reused.append("detections")
        key = detections_key(table)
        if embedder is not None and has_gallery(str(galleries), name, _about(embedder, key, content)):
            reused.append("appearance")
            todo_embedder = None
        if camera is not None and _has_camera(folder, before["camera"], camera, key):
            reused.append("camera")
            todo_camera, camera_note = None, before["camera"]
    task = Task(
        detector=None if table is not None else detector,
        table=table,
        embedder=todo_embedder,
        camera=todo_camera,
        workers=workers,
        detect_calls=detect_calls,
        embed_calls=embed_calls,
        progress=progress,
    )
    skipped = {int(number): str(reason) for number, reason in before["skipped"].items()}
    resumed = 0
    parts: Parts | None = None
    if task.detector or task.embedder or task.camera:
        parts = Parts(folder, "pass", _key(task, content, source.length), source.length)
        resumed = _make_parts(source, task, parts)
        for staged in (p for p in folder.rglob(".staging-*") if p.is_file()):
            staged.unlink()  # of a killed run; its name would never be used again
        skipped = {}
        for part in parts.read_all(only=()):
            skipped.update(part.skipped)
    if task.detector is not None and parts is not None:
        _forget(folder, before, detector.name)
        _write_boxes(path, parts)
        table = _read_detections(path, source.length)
    assert table is not None
    key = detections_key(table)
    if task.camera is not None and parts is not None:
        moves = _write_steps(folder / "gmc.txt", parts, task.camera, source)
        camera_note = {**_camera_note(task.camera, key), "moves": moves}
    elif camera is None:
        (folder / "gmc.txt").unlink(missing_ok=True)
    if task.embedder is not None and parts is not None:
        write_gallery(str(galleries), name, _vectors(parts, table), _about(task.embedder, key, content))
    _write_seqinfo(folder, name, source)
    detections = dict(before["detections"]) if before["content"] == content else {}
    detections[detector.name] = {"fingerprint": detector.fingerprint(), "boxes": key}
    manifest = {
        "format": _FORMAT,
        "source": str(source.path.absolute()),
        "content": content,
        "length": source.length,
        "frame_rate": source.frame_rate,
        "size": [source.width, source.height],
        "skipped": {str(number): reason for number, reason in sorted(skipped.items())},
        "detections": detections,
        "camera": camera_note,
    }
    _write_json(folder / MANIFEST, manifest)
    for left in [parts] if parts is not None else []:
        left.remove()
    if progress is not None:
        progress(source.length)
    return Perceived(
        folder=folder,
        detections=detector.name,
        galleries=galleries,
        frames=source.length,
        boxes=len(table),
        camera=None if camera_note is None else "moving" if camera_note["moves"] else "static",
        skipped=dict(sorted(skipped.items())),
        reused=tuple(reused),
        resumed=resumed,
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class Embedded:
    """A gallery that was made or found.

    Attributes:
        path: The ``.npy`` file.
        boxes: Number of vectors.
        skipped: Reason by number (0-based) of the frames that could not be had.
        reused: Whether it was there already.
        resumed: Number of frames whose results were left by an unfinished run.
        seconds: Time it took.
    """

    path: Path
    boxes: int
    skipped: Mapping[int, str]
    reused: bool
    resumed: int
    seconds: float


def embed_boxes(
    source: FrameSource,
    table: MotTable,
    embedder: Embedder,
    folder: str | Path,
    *,
    workers: int = 0,
    calls: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Embedded:
    """Make the gallery ``folder/<sequence>.npy`` of detections that exist, or keep the one that fits.

    Args:
        source: The pictures of the whole sequence.
        table: Its detections, whole file.
        embedder: Describes them.
        folder: Where.
        workers: See ``perceive``.
        calls: Of the embedder at once; see ``perceive``.
        progress: Called with the number of frames done.

    Raises:
        DataError: a broken picture, or detections beyond the last frame.
    """
    began = time.perf_counter()
    folder = Path(folder)
    last = int(table.frame.max(initial=0))
    if last > source.length:
        raise DataError(
            f"{table.path}: a box in frame {last}, but {source.path} has {source.length} frames",
            "give the pictures and the detections of one sequence",
        )
    content = source.content_key()
    about = _about(embedder, detections_key(table), content)
    path = folder / f"{source.name}.npy"
    reused = has_gallery(folder, source.name, about)
    resumed = 0
    skipped: dict[int, str] = {}
    if not reused:
        task = Task(None, table, embedder, None, workers=workers, embed_calls=calls, progress=progress)
        parts = Parts(folder, source.name, _key(task, content, source.length), source.length)
        resumed = _make_parts(source, task, parts)
        for part in parts.read_all(only=()):
            skipped.update(part.skipped)
        write_gallery(folder, source.name, _vectors(parts, table), about)
        parts.remove()
    if progress is not None:
        progress(source.length)
    return Embedded(path, len(table), skipped, reused, resumed, time.perf_counter() - began)


def source_of(folder: str | Path) -> Path | None:
    """Return what a folder of ``perceive`` was made from; None for other folders, or when it is gone."""
    path = Path(folder) / MANIFEST
    source = Path(str(_read_manifest(Path(folder)).get("source"))) if path.is_file() else None
    return source if source is not None and source.exists() else None


def _make_parts(source: FrameSource, task: Task, parts: Parts) -> int:
    """Make the parts that are missing; return how many frames were there."""
    parts.remove_others()
    done = parts.finished()
    begins = parts.begins()
    if done == len(begins):
        return source.length
    begin = begins[done]
    if done:
        logger.info("%s: frames before %d are there already", parts.folder, begin)
    for part in look(source, task, begin, _last_seen(task, parts, begin)):
        if part.dropped:
            logger.warning(
                "%s: %d boxes without a size in frames %d to %d, left out",
                source.path,
                part.dropped,
                part.begin,
                part.begin + len(part.count) - 1,
            )
        parts.write(part)
    return begin


def _last_seen(task: Task, parts: Parts, begin: int) -> tuple[int, NDArray[np.float64]] | None:
    """Return the last frame before ``begin`` that could be read, and its boxes: the camera goes on from there."""
    if task.camera is None:
        return None
    for first in reversed(range(0, begin, PART_FRAMES)):
        part = parts.read(first, only=("count", "boxes_ltwh"))
        for number in reversed(range(first, first + len(part.count))):
            if number not in part.skipped:
                ends = np.concatenate([[0], np.cumsum(part.count)])
                if part.boxes_ltwh is not None:
                    return number, part.boxes_ltwh[ends[number - first] : ends[number - first + 1]]
                assert task.table is not None
                there = task.table.select(task.table.frame == number + 1)
                return number, there.boxes_ltwh - [1.0, 1.0, 0.0, 0.0]
    return None


def _key(task: Task, content: str, length: int) -> str:
    """Return a digest of everything parts depend on."""
    settings: dict[str, Any] = {
        "format": _FORMAT,
        "frames a part": PART_FRAMES,
        "content": content,
        "length": length,
        "detector": task.detector and [task.detector.name, task.detector.fingerprint(), task.detector.batch_size],
        "boxes": task.table and detections_key(task.table),
        "embedder": task.embedder
        and [task.embedder.name, task.embedder.fingerprint(), task.embedder.dim, task.embedder.batch_size],
        "camera": task.camera and [task.camera.name, task.camera.fingerprint()],
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _about(embedder: Embedder, boxes: str, content: str) -> GalleryAbout:
    return GalleryAbout(embedder.name, embedder.fingerprint(), boxes, content)


def _camera_note(camera: Camera, boxes: str) -> dict[str, str]:
    return {"name": camera.name, "fingerprint": camera.fingerprint(), "boxes": boxes}


def _has_camera(folder: Path, note: Mapping[str, Any] | None, camera: Camera, boxes: str) -> bool:
    """Tell whether the motion of the camera is known already."""
    if note is None or note != {**_camera_note(camera, boxes), "moves": note.get("moves")}:
        return False
    return (folder / "gmc.txt").is_file() == bool(note["moves"])


def _vectors(parts: Parts, table: MotTable) -> Iterator[NDArray[np.float16]]:
    """Yield vectors in the order of the file, block by block where frames are in order in it."""
    blocks = (part.vectors for part in parts.read_all(only=("vectors",)))
    if (np.diff(table.frame) >= 0).all():
        yield from (block for block in blocks if block is not None)
        return
    by_frame = np.concatenate([block for block in blocks if block is not None])
    in_file = np.empty_like(by_frame)
    in_file[np.argsort(table.frame, kind="stable")] = by_frame
    yield in_file


def _write_boxes(path: Path, parts: Parts) -> None:
    frames, boxes, scores = [], [], []
    for part in parts.read_all(only=("count", "boxes_ltwh", "score")):
        assert part.boxes_ltwh is not None and part.score is not None
        frames.append(np.repeat(part.begin + np.arange(len(part.count)), part.count))
        boxes.append(part.boxes_ltwh)
        scores.append(part.score)
    write_detections(path, np.concatenate(frames), np.concatenate(boxes), np.concatenate(scores))


def _write_steps(path: Path, parts: Parts, camera: Camera, source: FrameSource) -> bool:
    """Write ``gmc.txt``, or none for a camera that stands still; return whether it moves."""
    steps = np.concatenate([part.steps for part in parts.read_all(only=("steps",)) if part.steps is not None])
    steps = camera.settle(steps, source.width, source.height)
    if is_static(steps):
        path.unlink(missing_ok=True)
        return False
    write_camera(path, steps)
    return True


def _write_seqinfo(folder: Path, name: str, source: FrameSource) -> None:
    lines = {
        "name": name,
        "imDir": "img1",
        "frameRate": f"{source.frame_rate!r}".removesuffix(".0"),
        "seqLength": source.length,
        "imWidth": source.width,
        "imHeight": source.height,
        "imExt": ".jpg",
    }
    with atomic_path(folder / "seqinfo.ini") as staged:
        text = "\n".join(["[Sequence]", *(f"{key}={value}" for key, value in lines.items())])
        staged.write_text(text + "\n", encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return ``frames.json``, or that of a folder where nothing is finished."""
    path = folder / MANIFEST
    if not path.is_file():
        return {"content": None, "skipped": {}, "detections": {}, "camera": None}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] == _FORMAT and manifest.keys() >= {"content", "skipped", "detections", "camera"}:
            return dict(manifest)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path}: not written by this version", f"remove {folder}, or choose another place")


def _refuse_others(folder: Path, before: Mapping[str, Any], content: str, source: FrameSource) -> None:
    """Stop before somebody's files are replaced."""
    if before["content"] is None:
        mine = any(folder.glob(".parts-*"))  # an unfinished run of ours has no manifest yet
        taken = [n for n in ("seqinfo.ini", "det", "gt", "img1", "gmc.txt") if not mine and (folder / n).exists()]
        if taken:
            raise DataError(f"{folder}: holds {', '.join(taken)} of somebody else", "choose another --out")
    elif before["content"] != content:
        raise DataError(
            f"{folder}: holds results of other pictures ({before['source']}) than {source.path}",
            "choose another --out, or remove it",
        )
    elif (before["frame_rate"], before["length"]) != (source.frame_rate, source.length):
        raise DataError(
            f"{folder}: made with {before['frame_rate']:g} frames a second, now {source.frame_rate:g}",
            "choose another --out, or remove it",
        )


def _reusable_table(path: Path, before: Mapping[str, Any], detector: Detector, length: int) -> MotTable | None:
    """Return the detections when this detector made them."""
    note = before["detections"].get(detector.name)
    if note is None or not path.is_file():
        if path.is_file() and not any(path.parents[1].glob(".parts-*")):
            raise DataError(f"{path}: not made by us, and would be replaced", "rename it")
        return None
    if note["fingerprint"] != detector.fingerprint():
        logger.warning("%s: made with other settings or weights of %s, made again", path, detector.name)
        return None
    table = _read_detections(path, length)
    if detections_key(table) != note["boxes"]:
        raise DataError(f"{path}: was changed since it was made", "rename it, or remove it to make it again")
    return table


def _forget(folder: Path, before: dict[str, Any], detector: str) -> None:
    """Take detections out of the manifest before they are replaced: it must never speak of what is not there."""
    if detector in before["detections"]:
        del before["detections"][detector]
        _write_json(folder / MANIFEST, before)


def _read_detections(path: Path, length: int) -> MotTable:
    return read_table(path, "detections", sequence_length=length)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(path) as staged:
        staged.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
