"""One pass over the pictures: each is decoded once for detection, crops and camera motion.

    decode, prepare ─► detect ─► crop, camera step ─► embed ─► parts
    (many threads)     (calls)    (many threads)       (calls)

Every arrow hands on results in the order of frames with a bounded number on the way, so a picture lives from its
decoding to its crops and no longer. Batches of the networks never span two parts: what a part holds does not depend on
where a run began.

Shapes: K boxes of a frame, D embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.protocol import Embedder
from sushi_lg.data.ahead import map_ahead, placed
from sushi_lg.data.frames import FrameSource, Picture, usable_cores
from sushi_lg.data.gallery import half_vectors
from sushi_lg.data.mot_format import MotTable, rounded_boxes
from sushi_lg.detection.protocol import Detector, FrameBoxes
from sushi_lg.errors import DataError
from sushi_lg.perception.structures import PART_FRAMES, Camera, Part

_NO_BOXES = np.zeros((0, 4))
_NO_SCORES = np.zeros(0, np.float32)
Found = tuple[NDArray[np.float64], NDArray[np.float32]]  # boxes_ltwh, 0-based, and scores of one frame


@dataclass(frozen=True)
class Task:
    """What to find in the pictures.

    Attributes:
        detector: Finds boxes; None when ``table`` has them.
        table: Detections of the whole sequence.
        embedder: Describes the boxes; None = no appearance.
        camera: Estimates its motion; None = not asked for.
        workers: Threads for decoding, preparing and cropping; 0 = as many as there are cores.
        detect_calls: Calls of the detector that run at once; more than one only when it stands that.
        embed_calls: The same of the embedder.
        progress: Called with the number of frames that are done.
        found: What this detector found in frames by an earlier run; frames before ``found_stop`` without an entry have
            no boxes.
        found_stop: The first frame where the detector has to look.
    """

    detector: Detector | None
    table: MotTable | None
    embedder: Embedder | None
    camera: Camera | None
    workers: int = 0
    detect_calls: int = 1
    embed_calls: int = 1
    progress: Callable[[int], None] | None = None
    found: Mapping[int, Found] = field(default_factory=dict)
    found_stop: int = 0


@dataclass
class _Frame:
    """A frame on its way; ``picture`` is given up when crops are cut."""

    number: int
    picture: Picture | None
    prepared: Any = None
    view: Any = None
    boxes_ltwh: NDArray[np.float64] = field(default_factory=lambda: _NO_BOXES)
    score: NDArray[np.float32] = field(default_factory=lambda: _NO_SCORES)
    dropped: int = 0
    crops: NDArray[np.uint8] | None = None
    visible: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    step: NDArray[np.float64] = field(default_factory=lambda: np.eye(2, 3))
    is_unknown: bool = False  # the camera could not tell its step

    @property
    def boxes_xyxy(self) -> NDArray[np.float32]:
        """(K, 4) as ``MotTable.boxes_xyxy`` gives them, in single precision."""
        return np.concatenate([self.boxes_ltwh[:, :2], self.boxes_ltwh[:, :2] + self.boxes_ltwh[:, 2:]], axis=1).astype(
            np.float32
        )


@dataclass(frozen=True)
class _View:
    """What the camera's estimate needs of a frame."""

    view: Any
    boxes_xyxy: NDArray[np.float32]


@dataclass(frozen=True)
class _Crops:
    """A batch of crops, and which frames they are from."""

    crops: NDArray[np.uint8]
    first: int
    last: int


def look(
    source: FrameSource, task: Task, begin: int = 0, before: tuple[int, NDArray[np.float64]] | None = None
) -> Generator[Part]:
    """Yield the parts of a sequence from frame ``begin`` on.

    Args:
        source: The pictures.
        task: What to find.
        begin: First frame, a multiple of ``PART_FRAMES``.
        before: Number of the last frame before it that could be read, and its (K, 4) boxes, left, top, width, height;
            the camera starts from there. None = none.

    Raises:
        DataError: a picture that cannot be read (with ``on_bad_image='error'``), or results that are no numbers.
        RuntimeError: a stage raised something else; names the frame.
    """
    workers = task.workers or usable_cores()
    lead = before if task.camera is not None else None
    known = {n: (boxes, _NO_SCORES) for n, boxes in _boxes_by_frame(task.table).items()} | {**task.found}
    seek = max(begin, task.found_stop)

    def prepare(number: int, picture: Picture) -> _Frame:
        frame = _Frame(number, picture)
        if task.camera is not None:
            frame.view = task.camera.prepare(picture)
        if task.detector is not None and number >= seek:
            frame.prepared = task.detector.prepare(picture)
        return frame

    def find(batch: list[_Frame]) -> list[_Frame]:
        for frame in batch:
            frame.boxes_ltwh, frame.score = known.get(frame.number, (_NO_BOXES, _NO_SCORES))
        if task.detector is not None:
            _detect(task.detector, [f for f in batch if f.picture is not None and f.number >= seek], source)
        if lead is not None and batch[0].number == lead[0]:
            batch[0].boxes_ltwh = lead[1]
        return batch

    def follow(pair: tuple[_View | None, _View | None, _Frame]) -> _Frame:
        try:
            return _follow(task, *pair, source)
        except Exception as error:
            raise placed(error, f"{source.path}: frame {pair[2].number}") from error

    def embed(item: _Crops | list[_Frame]) -> NDArray[np.float16] | list[_Frame]:
        if isinstance(item, list):
            return item
        try:
            return _embed(task.embedder, item.crops)  # type: ignore[arg-type]
        except Exception as error:
            raise placed(error, f"{source.path}: {_named(item.first, item.last)}") from error

    batch_size = task.detector.batch_size if task.detector is not None else 1
    seen = source.read_ahead(
        prepare, begin if lead is None else lead[0], workers=workers, in_flight=2 * workers + 2 + batch_size
    )
    batches = _batches((frame or _Frame(number, None) for number, frame in seen), begin, batch_size)
    if task.detector is not None:
        found: Iterable[list[_Frame]] = map_ahead(
            find, batches, workers=task.detect_calls, ahead=task.detect_calls + 1, name="detect"
        )
    else:
        found = map(find, batches)
    followed = map_ahead(follow, _pairs(found, begin), workers=workers, ahead=workers + 2, name="crops")
    chunks = _chunks(followed, source.length, task)
    embedded: Iterable[NDArray[np.float16] | list[_Frame]] = map(embed, chunks)
    if task.embedder is not None:
        embedded = map_ahead(embed, chunks, workers=task.embed_calls, ahead=2 * task.embed_calls + 1, name="embed")
    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # there are threads for several pictures; more for each would only wait for each other
    try:
        yield from _parts(embedded, task, source)
    finally:
        cv2.setNumThreads(opencv_threads)
        # by hand, because a traceback keeps generators alive, and with them their threads
        for stage in (embedded, followed, found, seen):
            if isinstance(stage, Generator):
                stage.close()


def _boxes_by_frame(table: MotTable | None) -> dict[int, NDArray[np.float64]]:
    """Return the 0-based boxes of each 0-based frame, in file order."""
    if table is None:
        return {}
    order = np.argsort(table.frame, kind="stable")
    frames, begins = np.unique(table.frame[order], return_index=True)
    boxes = table.pixels_ltwh[order]
    return dict(zip((frames - 1).tolist(), np.split(boxes, begins[1:]), strict=True)) if len(frames) else {}


def _batches(frames: Iterable[_Frame], begin: int, size: int) -> Iterator[list[_Frame]]:
    batch: list[_Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == size or frame.number < begin or (frame.number + 1) % PART_FRAMES == 0:
            yield batch
            batch = []
    if batch:
        yield batch


def _detect(detector: Detector, frames: list[_Frame], source: FrameSource) -> None:
    """Put boxes into frames, as they will be read from the file."""
    if not frames:
        return
    try:
        results = detector.detect([frame.prepared for frame in frames])
        for frame, result in zip(frames, results, strict=True):
            frame.prepared = None
            _take(frame, result)
    except Exception as error:
        numbers = _named(frames[0].number, frames[-1].number)
        raise placed(error, f"{source.path}: {numbers}: {detector.name}") from error


def _take(frame: _Frame, result: FrameBoxes) -> None:
    boxes = np.asarray(result.boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    score = np.asarray(result.score, dtype=np.float32)
    if len(score) != len(boxes):
        raise ValueError(f"{len(boxes)} boxes with {len(score)} scores")
    if not (np.isfinite(boxes).all() and np.isfinite(score).all()):
        raise DataError("boxes or scores that are not finite numbers", "check the weights and their precision")
    ltwh = rounded_boxes(np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1))
    sound = (ltwh[:, 2:] > 0).all(axis=1)
    frame.boxes_ltwh, frame.score, frame.dropped = ltwh[sound], score[sound], int((~sound).sum())


def _pairs(batches: Iterable[list[_Frame]], begin: int) -> Iterator[tuple[_View | None, _View | None, _Frame]]:
    """Yield what the camera saw before, what it sees, and the frame; a frame left out does not count as before."""
    previous: _View | None = None
    for batch in batches:
        for frame in batch:
            # the frame gives its view up here: it waits for the rest of its part, and views are large
            current = None if frame.view is None else _View(frame.view, frame.boxes_xyxy)
            frame.view = None
            if frame.number >= begin:
                yield previous, current, frame
            previous = current or previous


def _follow(task: Task, previous: _View | None, current: _View | None, frame: _Frame, source: FrameSource) -> _Frame:
    """Do what needs the boxes of a frame: its crops, and the camera's step to it."""
    if task.camera is not None and previous is not None and current is not None:
        step = task.camera.step(previous.view, current.view, previous.boxes_xyxy)
        frame.is_unknown = step is None
        frame.step = np.eye(2, 3) if step is None else np.asarray(step, dtype=np.float64).reshape(2, 3)
        if not np.isfinite(frame.step).all():
            raise DataError(f"{task.camera.name} gave {frame.step.tolist()}", "switch the camera's estimate off")
    if task.embedder is not None:
        boxes = frame.boxes_xyxy
        inside = (boxes[:, :2] < [source.width, source.height]) & (boxes[:, 2:] > 0) & (boxes[:, 2:] > boxes[:, :2])
        frame.visible = np.asarray(inside.all(axis=1))
        if frame.picture is None:
            frame.visible[:] = False
        elif frame.visible.any():
            frame.crops = task.embedder.crop(frame.picture, boxes[frame.visible])
            if len(frame.crops) != frame.visible.sum():
                raise ValueError(f"{task.embedder.name}: {len(frame.crops)} crops of {frame.visible.sum()} boxes")
    frame.picture = None
    return frame


def _embed(embedder: Embedder, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
    vectors = embedder.embed(crops)
    if vectors.shape != (len(crops), embedder.dim):
        raise ValueError(f"{embedder.name} gave {vectors.shape}, not {(len(crops), embedder.dim)}")
    return half_vectors(vectors)


def _named(first: int, last: int) -> str:
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _chunks(frames: Iterable[_Frame], length: int, task: Task) -> Iterator[_Crops | list[_Frame]]:
    """Yield crops in batches, and after those of a part the frames of the part."""
    size = task.embedder.batch_size if task.embedder is not None else 1
    part: list[_Frame] = []
    held, first = np.zeros((0, 0, 0, 3), np.uint8), 0
    for frame in frames:
        part.append(frame)
        if frame.crops is not None:
            held, first = (np.concatenate([held, frame.crops]), first) if len(held) else (frame.crops, frame.number)
            frame.crops = None
            while len(held) >= size:
                yield _Crops(held[:size], first, frame.number)
                held, first = held[size:], frame.number
        if task.progress is not None:
            task.progress(frame.number + 1)
        if (frame.number + 1) % PART_FRAMES == 0 or frame.number + 1 == length:
            if len(held):
                yield _Crops(held, first, frame.number)
            yield part
            part, held = [], held[:0]


def _parts(items: Iterable[NDArray[np.float16] | list[_Frame]], task: Task, source: FrameSource) -> Iterator[Part]:
    vectors: list[NDArray[np.float16]] = []
    for item in items:
        if not isinstance(item, list):
            vectors.append(item)
            continue
        numbers = {frame.number for frame in item}
        yield Part(
            begin=item[0].number,
            count=np.array([len(frame.boxes_ltwh) for frame in item], dtype=np.int64),
            boxes_ltwh=None if task.detector is None else np.concatenate([frame.boxes_ltwh for frame in item]),
            score=None if task.detector is None else np.concatenate([frame.score for frame in item]),
            vectors=None if task.embedder is None else _placed_vectors(item, vectors, task.embedder.dim),
            steps=None if task.camera is None else np.stack([frame.step for frame in item]),
            skipped={number: source.skipped[number] for number in sorted(source.skipped) if number in numbers},
            dropped=sum(frame.dropped for frame in item),
            unknown=sum(frame.is_unknown for frame in item),
        )
        vectors = []


def _placed_vectors(frames: list[_Frame], vectors: list[NDArray[np.float16]], dim: int) -> NDArray[np.float16]:
    """Return (K, D) with zeros where no crop could be cut."""
    visible = np.concatenate([frame.visible for frame in frames])
    placed_ = np.zeros((len(visible), dim), np.float16)
    if vectors:
        placed_[visible] = np.concatenate(vectors)
    return placed_
