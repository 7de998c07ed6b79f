"""From pictures to a sequence folder: detections, camera motion and appearance, resumable and reused.

What is there already and was made from the same pictures with the same settings is kept; what is missing is made in one
pass over the pictures. A killed run goes on at the last finished part and ends with the same bytes. Files that this
module did not make are never replaced or removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.camera_motion import is_static, write_camera
from sushi_lg.appearance.protocol import Embedder
from sushi_lg.data.files import atomic_path, remove_abandoned
from sushi_lg.data.frames import SKIP_REMEDY, FrameSource
from sushi_lg.data.gallery import GalleryAbout, detections_key, find_gallery, write_gallery
from sushi_lg.data.models import file_sha256
from sushi_lg.data.mot_format import MotTable, read_table, write_detections
from sushi_lg.data.sequence import write_seqinfo
from sushi_lg.detection.protocol import Detector
from sushi_lg.errors import DataError
from sushi_lg.perception.lock import locked
from sushi_lg.perception.looking import Found, Task, look
from sushi_lg.perception.parts import Parts
from sushi_lg.perception.structures import PART_FRAMES, Camera

logger = logging.getLogger(__name__)

MANIFEST = "frames.json"
_FORMAT = 1
_PASS = "pass"


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
        unknown_steps: Number of steps between frames that the camera's estimate could not tell, and took for none.
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
    unknown_steps: int
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
        camera: Estimates camera motion; None leaves alone what is known about it.
        galleries: Where the gallery goes, so that those of several sequences lie together; None = inside ``folder``.
        workers: Threads that prepare and crop; 0 = as many as there are cores.
        detect_calls: Calls of the detector that run at once; more than one only when it stands that.
        embed_calls: The same of the embedder.
        progress: Called with the number of frames done.

    Raises:
        DataError: a broken picture (also one that an earlier run left out), a folder that holds something else or
            that another run writes into, or a file that was changed since it was made.
    """
    began = time.perf_counter()
    folder = Path(folder)
    name = folder.absolute().name
    if embedder is None:
        galleries = None
    else:
        galleries = Path(galleries) if galleries is not None else folder / "appearance" / embedder.name
    content = source.content_key()
    with ExitStack() as held:
        held.enter_context(locked(folder, _PASS))
        before = _read_manifest(folder)
        _refuse_others(folder, before, content, source)
        path = folder / "det" / f"{detector.name}.txt"
        table = _reusable_table(path, before, detector, source.length)
        if camera is not None:
            _refuse_camera_file(folder, before["camera"])
        if galleries is not None:
            held.enter_context(locked(galleries, name))
        about = None if embedder is None or table is None else _about(embedder, detections_key(table), content)
        has_gallery = about is not None and find_gallery(str(galleries), name, about) is not None
        has_camera = camera is not None and table is not None and _has_camera(folder, before["camera"], camera, table)
        there = {"detections": table is not None, "appearance": has_gallery, "camera": has_camera}
        task = Task(
            detector=None if table is not None else detector,
            table=table,
            embedder=None if has_gallery else embedder,
            camera=None if has_camera else camera,
            workers=workers,
            detect_calls=detect_calls,
            embed_calls=embed_calls,
            progress=progress,
        )
        parts = _parts_of(folder, _PASS, task, content, source.length)
        skipped = {int(number): str(reason) for number, reason in before["skipped"].items()}
        _refuse_skipped(source, skipped, folder)
        resumed = 0
        if task.detector or task.embedder or task.camera:
            resumed = _make_parts(source, task, parts)
            remove_abandoned(folder.rglob(".staging-*"))  # parts get other names, so nobody would write these again
            skipped = _skipped(parts)
        if task.detector is not None:
            _forget(path, folder, before)
            _write_boxes(_copy_in(parts, path), parts)
            _publish(parts, path)
            table = _read_detections(path, source.length)
        assert table is not None
        key = detections_key(table)
        camera_note = before["camera"]
        if task.camera is not None:
            camera_note = _camera_note(task.camera, key) | _write_steps(folder / "gmc.txt", parts, task.camera, source)
        if task.embedder is not None:
            about = _about(task.embedder, key, content)
            write_gallery(str(galleries), name, _vectors(parts, table), about, skipped)
        _write_seqinfo(folder, name, source)
        manifest = {
            "format": _FORMAT,
            "source": str(source.path.absolute()),
            "content": content,
            "length": source.length,
            "frame_rate": source.frame_rate,
            "size": [source.width, source.height],
            "skipped": {str(number): reason for number, reason in sorted(skipped.items())},
            "detections": before["detections"] | {detector.name: {"fingerprint": detector.fingerprint(), "boxes": key}},
            "camera": camera_note,
        }
        _write_json(folder / MANIFEST, manifest)
        if parts.finished():  # where nothing was to do, an unfinished run with other settings may still go on
            parts.remove()
            parts.remove_others()
    if progress is not None:
        progress(source.length)
    asked = camera_note if camera is not None else None
    return Perceived(
        folder=folder,
        detections=detector.name,
        galleries=galleries,
        frames=source.length,
        boxes=len(table),
        camera=None if asked is None else "moving" if asked["moves"] else "static",
        unknown_steps=0 if asked is None else asked["unknown"],
        skipped=dict(sorted(skipped.items())),
        reused=tuple(what for what, is_there in there.items() if is_there),
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
        DataError: a broken picture (also one that an earlier run left out), detections beyond the last frame, or
            another run that makes the same gallery.
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
    with locked(folder, source.name):
        there = find_gallery(folder, source.name, about)
        skipped = {} if there is None else dict(there.skipped)
        _refuse_skipped(source, skipped, path)
        resumed = 0
        if there is None:
            task = Task(None, table, embedder, None, workers=workers, embed_calls=calls, progress=progress)
            parts = _parts_of(folder, source.name, task, content, source.length)
            resumed = _make_parts(source, task, parts)
            skipped = _skipped(parts)
            write_gallery(folder, source.name, _vectors(parts, table), about, skipped)
            parts.remove()
            parts.remove_others()
    if progress is not None:
        progress(source.length)
    return Embedded(path, len(table), skipped, there is not None, resumed, time.perf_counter() - began)


@dataclass(frozen=True)
class Origin:
    """What a folder of ``perceive`` was made from.

    Attributes:
        source: Path of the pictures; may be gone.
        content: Their ``content_key()``.
        frame_rate: Frames per second.
    """

    source: Path
    content: str
    frame_rate: float


def origin_of(folder: str | Path) -> Origin | None:
    """Return what a folder of ``perceive`` was made from; None for other folders.

    Raises:
        DataError: a manifest that cannot be read.
    """
    if not (Path(folder) / MANIFEST).is_file():
        return None
    manifest = _read_manifest(Path(folder))
    return Origin(Path(manifest["source"]), manifest["content"], float(manifest["frame_rate"]))


def _make_parts(source: FrameSource, task: Task, parts: Parts) -> int:
    """Make the parts that are missing; return how many frames were there."""
    _refuse_skipped(source, _skipped(parts), parts.folder.parent)
    done = parts.finished()
    begins = parts.begins()
    if done == len(begins):
        return source.length
    begin = begins[done]
    if done:
        logger.info("%s: frames before %d are there already", parts.folder, begin)
    if task.detector is not None:
        task = _with_known_boxes(task, parts, begin)
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


def _with_known_boxes(task: Task, parts: Parts, begin: int) -> Task:
    """Return the task with the boxes that an unfinished run with another camera or embedder has found already."""
    other = parts.with_same_boxes()
    if other is None or other.finished() * PART_FRAMES <= begin:
        return task
    found: dict[int, Found] = {}
    stop = 0
    for part in other.read_all(only=("count", "boxes_ltwh", "score")):
        assert part.boxes_ltwh is not None and part.score is not None
        ends = np.cumsum(part.count)[:-1]
        each = zip(np.split(part.boxes_ltwh, ends), np.split(part.score, ends), strict=True)
        found.update(enumerate(each, start=part.begin))
        stop = part.begin + len(part.count)
    logger.info("%s: boxes of frames before %d are taken over", other.folder, stop)
    return replace(task, found=found, found_stop=stop)


def _skipped(parts: Parts) -> dict[int, str]:
    """Return the frames that finished parts leave out."""
    return {number: reason for part in parts.read_all(only=()) for number, reason in part.skipped.items()}


def _refuse_skipped(source: FrameSource, skipped: Mapping[int, str], place: Path) -> None:
    """Stop where an earlier run left frames out and this one must not."""
    if skipped and source.on_bad_image == "error":
        number, reason = min(skipped.items())
        more = f" ({len(skipped)} such frames)" if len(skipped) > 1 else ""
        raise DataError(
            f"{source.path}: frame {number}: {reason}{more}; an earlier run left it out of {place}", SKIP_REMEDY
        )


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
                return number, there.pixels_ltwh
    return None


def _parts_of(folder: Path, name: str, task: Task, content: str, length: int) -> Parts:
    """Return the parts of a pass, found by digests of everything they depend on."""
    detector, table, embedder, camera = task.detector, task.table, task.embedder, task.camera
    seen = {"format": _FORMAT, "frames a part": PART_FRAMES, "content": content, "length": length}
    boxes = _digest(
        {
            **seen,
            "detector": None if detector is None else [detector.name, detector.fingerprint(), detector.batch_size],
            "boxes": None if table is None else detections_key(table),
        }
    )
    described = None if embedder is None else [embedder.name, embedder.fingerprint(), embedder.dim, embedder.batch_size]
    followed = None if camera is None else [camera.name, camera.fingerprint()]
    return Parts(folder, name, _digest({"boxes": boxes, "embedder": described, "camera": followed}), boxes, length)


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _about(embedder: Embedder, boxes: str, content: str) -> GalleryAbout:
    return GalleryAbout(embedder.name, embedder.fingerprint(), boxes, content)


def _camera_note(camera: Camera, boxes: str) -> dict[str, str]:
    return {"name": camera.name, "fingerprint": camera.fingerprint(), "boxes": boxes}


def _has_camera(folder: Path, note: Mapping[str, Any] | None, camera: Camera, table: MotTable) -> bool:
    """Tell whether the motion of the camera is known already."""
    wanted = _camera_note(camera, detections_key(table))
    if note is None or any(note[key] != value for key, value in wanted.items()):
        return False
    return (folder / "gmc.txt").is_file() == note["moves"]


def _refuse_camera_file(folder: Path, note: Mapping[str, Any] | None) -> None:
    """Stop before somebody's camera motion is replaced."""
    path = folder / "gmc.txt"
    if not path.is_file() or _is_of_killed_run(path, folder):
        return
    if note is None or note["file"] is None:
        raise DataError(f"{path}: not made by us, and would be replaced", "rename it, or pass --camera none")
    if note["file"] != file_sha256(path):
        raise DataError(f"{path}: was changed since it was made", "remove it to make it again, or pass --camera none")


def _copy_in(parts: Parts, path: Path) -> Path:
    """Return where a result is written before it is put to its place, and stays until the manifest speaks of it."""
    return parts.folder / f"{path.parent.name}-{path.name}"


def _publish(parts: Parts, path: Path) -> None:
    with atomic_path(path) as staged:
        shutil.copyfile(_copy_in(parts, path), staged)


def _is_of_killed_run(path: Path, folder: Path) -> bool:
    """Tell whether a result is ours although no manifest speaks of it: its run was killed in between."""
    copies = [left / f"{path.parent.name}-{path.name}" for left in folder.glob(f".parts-{_PASS}-*")]
    return any(copy.is_file() and file_sha256(copy) == file_sha256(path) for copy in copies)


def _is_unfinished(folder: Path) -> bool:
    """Tell whether a run of ours was stopped in a folder."""
    return any(folder.glob(f".parts-{_PASS}-*"))


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


def _write_steps(path: Path, parts: Parts, camera: Camera, source: FrameSource) -> dict[str, Any]:
    """Write ``gmc.txt``, or none for a camera that stands still; return what to note about it."""
    found = list(parts.read_all(only=("steps",)))
    steps = np.concatenate([part.steps for part in found if part.steps is not None])
    steps = camera.settle(steps, source.width, source.height)
    note = {"unknown": sum(part.unknown for part in found)}
    if is_static(steps):
        path.unlink(missing_ok=True)
        return {**note, "moves": False, "file": None}
    write_camera(_copy_in(parts, path), steps)
    _publish(parts, path)
    return {**note, "moves": True, "file": file_sha256(path)}


def _write_seqinfo(folder: Path, name: str, source: FrameSource) -> None:
    write_seqinfo(
        folder / "seqinfo.ini",
        name=name,
        image_folder="img1",
        frame_rate=source.frame_rate,
        length=source.length,
        size=(source.width, source.height),
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return ``frames.json``, or that of a folder where nothing is finished."""
    path = folder / MANIFEST
    if not path.is_file():
        return {"content": None, "skipped": {}, "detections": {}, "camera": None}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] == _FORMAT and _is_whole(manifest):
            return dict(manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DataError(f"{path}: not written by this version, or damaged", f"remove {folder}, or choose another place")


def _is_whole(manifest: Mapping[str, Any]) -> bool:
    """Tell whether everything is there and of its type."""
    camera, detections = manifest["camera"], manifest["detections"].values()
    kinds = {"source": str, "content": str, "length": int, "frame_rate": int | float, "skipped": dict}
    notes = {"name": str, "fingerprint": str, "boxes": str, "moves": bool, "unknown": int, "file": str | None}
    return (
        all(isinstance(manifest[key], kind) for key, kind in kinds.items())
        and all(number.isdecimal() for number in manifest["skipped"])
        and all(isinstance(one[key], str) for one in detections for key in ("fingerprint", "boxes"))
        and (camera is None or all(isinstance(camera[key], kind) for key, kind in notes.items()))
    )


def _refuse_others(folder: Path, before: Mapping[str, Any], content: str, source: FrameSource) -> None:
    """Stop before somebody's files are replaced."""
    remedy = f"choose another --out, or remove {folder}"
    if before["content"] is None:
        mine = _is_unfinished(folder)  # it has no manifest yet
        taken = [n for n in ("seqinfo.ini", "det", "gt", "img1", "gmc.txt") if not mine and (folder / n).exists()]
        if taken:
            raise DataError(f"{folder}: holds {', '.join(taken)} of somebody else", "choose another --out")
    elif before["content"] != content:
        if Path(before["source"]) == source.path.absolute():
            raise DataError(f"{source.path}: changed since {folder} was made from it", remedy)
        raise DataError(f"{folder}: holds results of other pictures ({before['source']}) than {source.path}", remedy)
    elif before["frame_rate"] != source.frame_rate:
        raise DataError(
            f"{folder}: made with {before['frame_rate']:g} frames a second, now {source.frame_rate:g}", remedy
        )
    elif before["length"] != source.length:
        raise DataError(f"{folder}: made of {before['length']} frames, {source.path} has {source.length}", remedy)


def _reusable_table(path: Path, before: Mapping[str, Any], detector: Detector, length: int) -> MotTable | None:
    """Return the detections when this detector made them."""
    note = before["detections"].get(detector.name)
    if note is None or not path.is_file():
        if path.is_file() and not _is_of_killed_run(path, path.parents[1]):
            raise DataError(f"{path}: not made by us, and would be replaced", "rename it")
        return None
    if note["fingerprint"] != detector.fingerprint():
        logger.warning("%s: made with other settings or weights of %s, made again", path, detector.name)
        return None
    table = _read_detections(path, length)
    if detections_key(table) != note["boxes"]:
        raise DataError(f"{path}: was changed since it was made", "rename it, or remove it to make it again")
    return table


def _forget(path: Path, folder: Path, before: dict[str, Any]) -> None:
    """Take detections away, and then out of the manifest: a killed run leaves none that nobody knows."""
    if path.stem in before["detections"]:
        path.unlink(missing_ok=True)
        del before["detections"][path.stem]
        _write_json(folder / MANIFEST, before)


def _read_detections(path: Path, length: int) -> MotTable:
    return read_table(path, "detections", sequence_length=length)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(path) as staged:
        staged.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
