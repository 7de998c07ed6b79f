"""Descriptions of a sequence from its pictures and its identities, resumable and reused.

One pass over the pictures cuts the views of everybody, follows the camera and measures the light; a describer then says
what it sees in the views of each person. What is finished stays in ``DIR/<sequence>.jsonl``, every row with the digest
of what it was made from; rows of a run that was stopped wait in a hidden file beside it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.camera_motion import CameraMotion, SmallPicture, is_static
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.language.attributes import Describer, discriminability
from sushi_lg.language.descriptions import Description, descriptions_path, read_descriptions, write_descriptions
from sushi_lg.language.scene import PLACES, Light, light_gain, measure_light, scene_attributes, scene_sentence
from sushi_lg.language.views import (
    BestViews,
    Candidate,
    Picture,
    View,
    ViewSettings,
    find_candidates,
    look_at,
)

if TYPE_CHECKING:
    from sushi_lg.data.frames import FrameSource
    from sushi_lg.data.mot_format import MotTable
    from sushi_lg.data.sequence import Sequence

logger = logging.getLogger(__name__)

FORMAT = 1  # raised when descriptions of the same pictures would differ
_LIGHT_EVERY = 10  # frames
_SAVE_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """What to describe.

    Attributes:
        source: Pictures of the whole video.
        table: Boxes of everybody with an identity; frames 1-based in the video.
        described: (K,) int64, the identities to describe; the others only hide them.
        first: First frame that is looked at, 0-based.
        length: Number of frames from there on.
        dataset: Name of the data set, or empty.
        split: Name of the split, or empty.
        static: Whether the camera stands still; None = find out from the pictures.
        place: indoor, outdoor, or empty.
    """

    source: FrameSource
    table: MotTable
    described: NDArray[np.int64]
    first: int
    length: int
    dataset: str = ""
    split: str = ""
    static: bool | None = None
    place: str = ""

    def __post_init__(self) -> None:
        if self.place and self.place not in PLACES:
            raise ConfigError(f"scene.place: {self.place!r} is unknown", f"{', '.join(PLACES)}, or leave it out")


@dataclass(frozen=True)
class Annotated:
    """What was done.

    Attributes:
        path: The file.
        rows: Its descriptions.
        reused: The file was there already and fits.
        resumed: Number of people described by a run that stopped.
        unseen: Identities that got no row: never seen well enough, or nothing clear about them.
        skipped: Reason by number (0-based) of frames left out.
    """

    path: Path
    rows: list[Description]
    reused: bool = False
    resumed: int = 0
    unseen: tuple[int, ...] = ()
    skipped: dict[int, str] = field(default_factory=dict)


def task_of(sequence: Sequence, source: FrameSource, table: MotTable, *, split: str = "", place: str = "") -> Task:
    """Return the task of a sequence, or of a view of one: only the frames of the view are looked at.

    Args:
        sequence: Says which frames, and whether the camera moved if there is a ``gmc.txt``.
        source: Pictures of the whole video.
        table: Ground truth or results with frames 1-based in the view. People of classes that metrics do not count
            (reflections, say) hide others, and are not described.
        split: Name of the split.
        place: indoor, outdoor, or empty.
    """
    layout = sequence.info.layout
    described = np.unique(table.track_id[layout.scored_rows(table)])
    everybody = table.select(layout.identity_rows(table))
    return Task(
        source,
        replace(everybody, frame=everybody.frame + sequence.first - 1),
        described,
        sequence.first - 1,
        sequence.length,
        dataset="" if layout.name == "custom" else layout.name,
        split=split,
        static=_known_camera(sequence),
        place=place,
    )


def annotate(
    task: Task,
    out: str | Path,
    describer: Describer,
    *,
    views: ViewSettings | None = None,
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Annotated:
    """Write ``out/<sequence>.jsonl``: one row an identity, and one of the scene.

    A file made from the same pictures, boxes and settings is kept, sentences corrected by hand included; after a run
    that was stopped only people without a row are described.

    Args:
        task: What to describe.
        out: Folder; made if needed.
        describer: Says what it sees.
        views: How views are chosen.
        workers: Threads that cut; 0 = as many as there are cores.
        progress: Called with the number of frames done.

    Raises:
        DataError: pictures that cannot be read, or a file in the way that was not made here.
    """
    views = views or ViewSettings()
    path = descriptions_path(out, task.source.name)
    part = path.with_name(f".{path.name}.part.jsonl")
    key = _content_key(task, describer, views)
    there = read_descriptions(path) if path.is_file() else []
    if there and all(row.sha256 == key for row in there):
        said = {row.track_id for row in there}
        return Annotated(path, there, reused=True, unseen=tuple(i for i in task.described.tolist() if i not in said))
    if any(not row.sha256 for row in there):
        raise DataError(f"{path}: descriptions that were not made by annotate would be lost", "choose another --out")
    if there:
        logger.warning("%s: made from other pictures, boxes or settings; made again", path)
    rows = [row for row in _unfinished(part) if row.sha256 == key]
    resumed = {row.track_id for row in rows}

    def stamped(row: Description) -> Description:
        return replace(row, dataset=task.dataset, split=task.split, sha256=key)

    missing = [one for one in task.described.tolist() if one not in resumed]
    best, light, static = _look(task, views, set(missing), None not in resumed, workers, progress)
    if None not in resumed:
        rows.append(stamped(_scene(task, light, static)))
    saved = time.monotonic()
    gain = light_gain(light)
    for track_id in missing:
        row = describer.describe(replace(best.of(task.source.name, track_id), gain=gain))
        if row is None:
            continue
        rows.append(stamped(row))
        if time.monotonic() - saved > _SAVE_SECONDS:
            write_descriptions(part, rows)
            saved = time.monotonic()
    write_descriptions(path, _measured(rows))
    part.unlink(missing_ok=True)
    done = read_descriptions(path)
    said = {row.track_id for row in done}
    unseen = tuple(one for one in task.described.tolist() if one not in said)
    return Annotated(path, done, resumed=len(resumed - {None}), unseen=unseen, skipped=dict(task.source.skipped))


@dataclass(frozen=True)
class _Frame:
    """What is taken from one picture."""

    views: list[tuple[Candidate, View, float]]
    light: Light | None
    small: SmallPicture | None


def _look(
    task: Task,
    settings: ViewSettings,
    wanted: set[int],
    scene: bool,
    workers: int,
    progress: Callable[[int], None] | None,
) -> tuple[BestViews, list[Light], bool | None]:
    """Go through the pictures once; return views, light, and whether the camera stands still."""
    source = task.source
    by_frame: dict[int, list[Candidate]] = {}
    for candidate in find_candidates(task.table, source.width, source.height, settings):
        if candidate.track_id in wanted:
            by_frame.setdefault(candidate.frame, []).append(candidate)
    boxes = task.table.boxes_xyxy.astype(np.float32)
    order = np.argsort(task.table.frame, kind="stable")
    borders = np.searchsorted(task.table.frame[order], np.arange(task.first + 1, task.first + task.length + 2))
    camera = CameraMotion() if scene and task.static is None else None

    def take(number: int, picture: Picture) -> _Frame:
        looks = [(one, look_at(picture, one, settings)) for one in by_frame.get(number, [])]
        return _Frame(
            [(one, *look) for one, look in looks if look is not None],
            measure_light(picture) if (number - task.first) % _LIGHT_EVERY == 0 else None,
            camera.prepare(picture) if camera is not None else None,
        )

    best, light, steps = BestViews(), list[Light](), [np.eye(2, 3)]
    before: SmallPicture | None = None
    for number, frame in source.read_ahead(take, task.first, task.first + task.length, workers=workers):
        if frame is not None:
            for candidate, view, sharpness in frame.views:
                best.offer(candidate, view, sharpness)
            light += [frame.light] if frame.light is not None else []
        after = None if frame is None else frame.small
        if camera is not None and number > task.first:
            at = number - task.first - 1
            step = None
            if before is not None and after is not None:
                step = camera.step(before, after, boxes[order[borders[at] : borders[at + 1]]])
            steps.append(np.eye(2, 3) if step is None else step)
        before = after
        if progress is not None:
            progress(number - task.first + 1)
    if camera is None:
        return best, light, task.static
    return best, light, is_static(camera.settle(np.stack(steps), source.width, source.height))


def _scene(task: Task, light: list[Light], static: bool | None) -> Description:
    shown = task.table.select(np.isin(task.table.track_id, task.described))
    size = task.source.width, task.source.height
    attributes = scene_attributes(shown, task.length, size, light, static, task.place)
    return Description(
        seq=task.source.name,
        track_id=None,
        sentence=scene_sentence(attributes),
        attributes=attributes,
        models={"scene": "measured"},
    )


def _measured(rows: list[Description]) -> list[Description]:
    """Return the rows with the discriminability of those that have attributes and do not state one."""
    people = [row for row in rows if row.track_id is not None]
    done = [row for row in rows if row.track_id is None]
    for row in people:
        if row.attributes and row.discriminability is None:
            others = [other.attributes for other in people if other is not row]
            row = replace(row, discriminability=round(discriminability(row.attributes, others), 4))
        done.append(row)
    return done


def _unfinished(part: Path) -> list[Description]:
    """Return the rows that a stopped run left behind."""
    if not part.is_file():
        return []
    try:
        return read_descriptions(part)
    except DataError as error:
        logger.warning("%s; begun again", error.message)
        return []


def _known_camera(sequence: Sequence) -> bool | None:
    """Return what ``gmc.txt`` says, freed of its noise; None without one."""
    to_first = sequence.load_camera()
    if to_first is None:
        return None
    whole = np.concatenate([to_first, np.tile([[[0.0, 0.0, 1.0]]], (len(to_first), 1, 1))], axis=1)
    steps = np.concatenate([np.eye(3)[None], np.linalg.inv(whole[1:]) @ whole[:-1]])[:, :2]
    return is_static(CameraMotion().settle(steps, sequence.info.width, sequence.info.height))


def _content_key(task: Task, describer: Describer, views: ViewSettings) -> str:
    """Return a digest of everything the descriptions depend on."""
    table = task.table
    boxes = hashlib.sha256()
    for column in (table.frame, table.track_id, task.described):
        boxes.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    for values in (table.boxes_ltwh, table.visibility):
        boxes.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    content = {
        "format": FORMAT,
        "frames": task.source.content_key(),
        "boxes": boxes.hexdigest(),
        "range": [task.first, task.length],
        "describer": [describer.name, describer.fingerprint()],
        "views": views.fingerprint(),
        "scene": [task.static, task.place, CameraMotion().fingerprint()],
        "labels": [task.source.name, task.dataset, task.split],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
