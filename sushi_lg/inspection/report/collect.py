"""From a finished run to the records of its report: what is on disk, what a replay adds, what the ground truth says.

Everything here is made of tables and records; pixels come later (``pictures``), and how it looks is up to ``page``.

Shapes: R boxes of a result.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

import sushi_lg
from sushi_lg.data.models import file_sha256
from sushi_lg.data.mot_format import MotTable
from sushi_lg.data.sequence import Sequence
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import DataError, SushiError
from sushi_lg.evaluation.events import ClearEvents, EventKind, find_events
from sushi_lg.evaluation.links import LevelQuality, add_quality
from sushi_lg.evaluation.mot import EvaluationResult, evaluate_sequences
from sushi_lg.inspection.inline import region_around
from sushi_lg.inspection.replay import Replay, Run, replay
from sushi_lg.inspection.report.records import (
    Box,
    CeilingStage,
    Lack,
    Person,
    Report,
    Scene,
    SceneBox,
    Score,
    SequencePart,
    Span,
    Switch,
    Trajectory,
    WeakLink,
    Words,
)
from sushi_lg.study.bootstrap import draw
from sushi_lg.study.scores import METRICS, metrics, sums_of

_BINS = 80  # parts of a sequence over which mistakes are summed
_SHOWN_PEOPLE = 24
_SWITCH_MARGIN, _PERSON_MARGIN = 0.5, 0.15  # of a box, shown around it
_SWITCH_SHAPE = 0.9  # width by height of the pictures of a switch
_FAR = 3.0  # heights: a person who moved farther is shown in two places
_MOST_BOXES = 24  # of a scene
_MOSTLY_LOST = 0.2  # share of frames, as MOTChallenge counts it
_MIDDLE = (2.5, 97.5)  # percent


@dataclass(frozen=True)
class Limits:
    """What keeps a report of a large run small.

    Attributes:
        trajectories: rows of the timeline; the shortest are left out.
        switches: cards of the gallery.
        pictures: pictures inside the report.
    """

    trajectories: int = 6000
    switches: int = 200
    pictures: int = 300


def collect(
    run: Run,
    words: Mapping[str, Words] | None = None,
    *,
    with_replay: bool = True,
    weak_bound: float = 0.6,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Return what a report says about a run, without pixels.

    Args:
        run: what to report.
        words: what was said about its sequences, by name.
        with_replay: whether to track once more, for links and levels.
        weak_bound: joins below this probability are marked.
        limits: of its size.
        progress: takes the number of sequences that are done.

    Raises:
        DataError: a file of the run cannot be read.
    """
    limits = limits or Limits()
    lacks: dict[str, Lack] = {}
    notes: list[str] = []
    quality: list[list[LevelQuality]] = []
    scorable = [name for name in run.names if run.sequence(name).has_ground_truth]
    parts: list[SequencePart] = []
    switches: list[Switch] = []
    people: list[Person] = []
    if not with_replay:
        lacks["links"] = Lack("Left out by --no-replay.", f"sushi-lg report {run.folder}")
    for number, name in enumerate(run.names):
        again = None
        if "links" not in lacks:
            try:
                again = replay(run, name)
            except SushiError as error:
                lacks["links"] = Lack(f"The run cannot be tracked once more: {error.message}", error.remedy or "")
        part, found, missed = _sequence_part(run, name, again, (words or {}).get(name), weak_bound, quality, notes)
        parts.append(part)
        switches += found
        people += missed
        if progress is not None:
            progress(number + 1)
    if not scorable:
        nothing = Lack(
            "None of the sequences has ground truth (gt/gt.txt).",
            f"sushi-lg report {run.folder} --data FOLDER_WITH_GROUND_TRUTH",
        )
        lacks |= {key: nothing for key in ("scores", "switches", "mistakes")}
        lacks.setdefault("levels", nothing)
    scores, table, hota = (), (), {}
    if scorable:
        result = evaluate_sequences((run.sequence(name), run.folder / "tracks" / f"{name}.txt") for name in scorable)
        scores, table = scores_of(result), tuple(result.table())
        hota = {score.name: score.hota for score in result.sequences}
        if len(scorable) < 2:
            lacks["interval"] = Lack("Error bars are drawn over sequences, and there is one.", "sushi-lg track SPLIT")
        if len(scorable) < len(run.names):
            absent = [name for name in run.names if name not in scorable]
            notes.append(f"{len(absent)} of {len(run.names)} sequences have no ground truth: {', '.join(absent)}")
    if "links" in lacks:
        lacks.setdefault("levels", lacks["links"])
    ceilings = read_ceilings(run.folder / "ceilings.json")
    if not ceilings:
        lacks["ceilings"] = Lack(
            "What each part of the tracker costs was not computed for this run.",
            f"sushi-lg study ceilings {run.folder}",
        )
    if not words:
        lacks["words"] = Lack("Nothing was said about this run yet.", f"sushi-lg describe {run.folder}")
    people.sort(key=lambda person: (person.found - person.boxes, person.sequence, person.identity))
    total = len(switches)
    if total > limits.switches:
        chosen = np.unique(np.linspace(0, total - 1, limits.switches).astype(int))
        switches = [switches[place] for place in chosen]
        notes.append(f"The gallery shows {len(switches)} of {total} switches, spread evenly; --switches shows more.")
    return Report(
        name=run.folder.absolute().name,
        sequences=_limited(parts, limits.trajectories, notes),
        facts=_facts(run),
        settings=yaml.safe_dump(dict(run.settings), sort_keys=False, allow_unicode=True),
        files=_files(run),
        scores=scores,
        table=table,
        hota=hota,
        switches=tuple(switches),
        num_switches=total,
        people=tuple(people[:_SHOWN_PEOPLE]),
        num_people=len(people),
        mostly_lost=sum(person.share < _MOSTLY_LOST for person in people),
        levels=tuple(add_quality(quality)) if quality else (),
        weak_bound=weak_bound,
        ceilings=ceilings,
        words=tuple(_with_scenes(run, words[name]) for name in run.names if words and name in words),
        notes=tuple(notes),
        lacks=lacks,
    )


# -------------------------------------------------------------------------------------------------------------- scores


def scores_of(result: EvaluationResult) -> tuple[Score, ...]:
    """Return the combined scores, with the middle 95 % of draws of the sequences where there are at least two."""
    sums = sums_of(result.sequences)
    whole = metrics(sums.sum(axis=0))
    names = (*METRICS, "IDSW")
    if len(sums) < 2:
        return tuple(Score(name, float(whole[name]), None) for name in names)
    drawn = metrics(draw({"": len(sums)}, [], 1).sequences[""] @ sums)
    found = []
    for name in names:
        low, high = np.percentile(drawn[name], _MIDDLE)
        found.append(Score(name, float(whole[name]), (float(low), float(high))))
    return tuple(found)


def read_ceilings(path: Path) -> tuple[CeilingStage, ...]:
    """Read what ``sushi-lg study ceilings`` wrote; no file is no stages.

    Raises:
        DataError: it is there, and not such a file.
    """
    if not path.is_file():
        return ()
    try:
        stages = json.loads(path.read_text(encoding="utf-8"))["stages"]
        return tuple(
            CeilingStage(
                str(one["stage"]), float(one["plain"]["combined"]["HOTA"]), float(one["filled"]["combined"]["HOTA"])
            )
            for one in stages
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not what `sushi-lg study ceilings` writes ({type(error).__name__}: {error})",
            "remove it, or run that again",
        ) from error


# -------------------------------------------------------------------------------------------------------- trajectories


def spans_of(frames: NDArray[np.int64]) -> tuple[Span, ...]:
    """Return the runs of neighbouring frames in rising ``frames``."""
    if not len(frames):
        return ()
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return tuple((int(part[0]), int(part[-1])) for part in parts)


def trajectories_of(
    table: TrajectoryTable,
    weak_links: Mapping[int, Iterable[WeakLink]],
    events: ClearEvents | None,
    truth: MotTable | None,
) -> tuple[Trajectory, ...]:
    """Return the rows of the timeline of one sequence, by first frame, then id.

    Args:
        table: R boxes.
        weak_links: by trajectory.
        events: what is wrong with the R boxes; None without ground truth.
        truth: the ground truth that ``events`` are about.
    """
    wrong = np.zeros(len(table), dtype=bool)
    arrivals: dict[int, list[int]] = {}
    if events is not None:
        wrong[events.of(EventKind.FALSE_POSITIVE).track_row] = True
        came = events.of(EventKind.SWITCH)
        for track_id, frame in zip(came.track_id.tolist(), came.frame.tolist(), strict=True):
            arrivals.setdefault(track_id, []).append(frame)
    order = np.lexsort((table.frame, table.track_id))
    ids, starts = np.unique(table.track_id[order], return_index=True)
    found = []
    for track_id, rows in zip(ids.tolist(), np.split(order, starts[1:]) if len(ids) else [], strict=True):
        filled = table.is_interpolated[rows]
        detected = rows[~filled]
        facts: dict[str, Any] = {}
        if events is not None and truth is not None:
            match = events.match[rows]
            shown = truth.track_id[match[match >= 0]]
            values, counts = np.unique(shown, return_counts=True)
            facts = {
                "matched": len(shown),
                "scored": len(shown) + int(wrong[rows].sum()),
                "person": int(values[counts.argmax()]) if len(values) else None,
            }
        found.append(
            Trajectory(
                track_id=track_id,
                boxes=len(rows),
                seen=spans_of(table.frame[detected]),
                filled=spans_of(table.frame[rows[filled]]),
                confidence=float(table.confidence[detected].mean()) if len(detected) else 0.0,
                weak_links=tuple(sorted(weak_links.get(track_id, ()), key=lambda link: link.frame)),
                switches=tuple(sorted(arrivals.get(track_id, ()))),
                **facts,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.first, one.track_id)))


def weak_links_of(again: Replay, bound: float) -> dict[int, list[WeakLink]]:
    """Return the joins below ``bound``, by trajectory of the stored table; joins it does not hold are left out."""
    links, stored = again.links, again.stored
    place = {int(index): row for row, index in enumerate(stored.detection_index.tolist()) if index >= 0}
    found: dict[int, list[WeakLink]] = {}
    for j in np.flatnonzero(links.probability < bound).tolist():
        before, after = (place.get(int(again.rows[row])) for row in (links.earlier[j], links.later[j]))
        if before is None or after is None or stored.track_id[before] != stored.track_id[after]:
            continue
        link = WeakLink(
            before=int(stored.frame[before]),
            frame=int(stored.frame[after]),
            level=int(links.level[j]),
            probability=float(links.probability[j]),
            is_right=bool(links.is_right[j]) if links.is_judged[j] else None,
        )
        found.setdefault(int(stored.track_id[after]), []).append(link)
    return found


def _limited(parts: Iterable[SequencePart], most: int, notes: list[str]) -> tuple[SequencePart, ...]:
    """Leave the shortest trajectories out where there are too many of them."""
    parts = tuple(parts)
    lengths = np.array([one.boxes for part in parts for one in part.trajectories])
    if len(lengths) <= most:
        return parts
    keep = np.zeros(len(lengths), dtype=bool)
    keep[np.argsort(-lengths, kind="stable")[:most]] = True
    notes.append(
        f"The timeline shows the {most} longest of {len(lengths)} trajectories; all numbers are of all of them, and "
        "--rows shows more."
    )
    limited, begin = [], 0
    for part in parts:
        chosen = keep[begin : begin + len(part.trajectories)]
        begin += len(part.trajectories)
        kept = tuple(one for one, wanted in zip(part.trajectories, chosen, strict=True) if wanted)
        limited.append(replace(part, trajectories=kept))
    return tuple(limited)


# ------------------------------------------------------------------------------------------------------ ground truth


def _sequence_part(
    run: Run,
    name: str,
    again: Replay | None,
    words: Words | None,
    weak_bound: float,
    quality: list[list[LevelQuality]],
    notes: list[str],
) -> tuple[SequencePart, list[Switch], list[Person]]:
    sequence, table = run.sequence(name), run.table(name)
    captions = {} if words is None else {k: " ".join(one.text for one in said) for k, said in words.captions.items()}
    weak: dict[int, list[WeakLink]] = {}
    if again is not None:
        if not again.is_same:
            notes.append(f"{name}: tracking again gave other trajectories; links and levels are of those.")
        weak = weak_links_of(again, weak_bound)
        judged = again.quality()
        if judged is not None:
            quality.append(judged)
    events, truth = None, None
    switches: list[Switch] = []
    people: list[Person] = []
    if sequence.has_ground_truth:
        truth = sequence.load_ground_truth()
        events = find_events(
            truth, sequence.info.layout, table.frame, table.track_id, table.boxes_ltwh, sequence.length, name=name
        )
        switches = switches_of(sequence, table, truth, events)
        people = people_of(name, table, truth, events)
    size = (sequence.info.width, sequence.info.height)
    part = SequencePart(
        name=name,
        length=sequence.length,
        frame_rate=sequence.info.frame_rate,
        size=size,
        trajectories=trajectories_of(table, weak, events, truth),
        num_trajectories=len(np.unique(table.track_id)),
        num_boxes=len(table),
        num_filled=int(table.is_interpolated.sum()),
        false_counts=() if events is None else _binned(events, EventKind.FALSE_POSITIVE, sequence.length),
        missed_counts=() if events is None else _binned(events, EventKind.MISS, sequence.length),
    )
    scenes = SceneMaker(table, size)
    shown = tuple(
        replace(one, caption=captions.get(one.track_id, ""), scene=scenes.of_trajectory(one))
        for one in part.trajectories
    )
    return replace(part, trajectories=shown), switches, people


def switches_of(sequence: Sequence, table: TrajectoryTable, truth: MotTable, events: ClearEvents) -> list[Switch]:
    """Return the identity switches of a sequence with a scene before and one after each."""
    scenes = SceneMaker(table, (sequence.info.width, sequence.info.height))
    first_person: dict[int, int] = {}
    for row in np.argsort(table.frame, kind="stable").tolist():
        if events.match[row] >= 0:
            first_person.setdefault(int(table.track_id[row]), int(truth.track_id[events.match[row]]))
    began = {int(i): int(table.frame[table.track_id == i].min()) for i in np.unique(events.track_id) if i >= 0}
    truth_boxes = truth.boxes_ltwh - np.array([1.0, 1.0, 0.0, 0.0])
    found, one = [], events.of(EventKind.SWITCH)
    for k in range(len(one)):
        before_box = truth_boxes[events.match[one.previous_track_row[k]]]
        after_box = truth_boxes[one.truth_row[k]]
        person, before, frame = int(one.truth_id[k]), int(one.previous_frame[k]), int(one.frame[k])
        before_id, after_id = int(one.previous_track_id[k]), int(one.track_id[k])
        if first_person.get(after_id) != person:
            kind = f"{after_id} followed another person before"
        elif began[after_id] >= before:
            kind = f"a new trajectory, {after_id}, began"
        else:
            kind = f"back to {after_id}"
        before_scene, after_scene = scenes.of_switch((before, before_box, before_id), (frame, after_box, after_id))
        found.append(Switch(sequence.name, person, before, frame, before_id, after_id, kind, before_scene, after_scene))
    return found


def people_of(name: str, table: TrajectoryTable, truth: MotTable, events: ClearEvents) -> list[Person]:
    """Return who was to be found in a sequence, and how much of each was."""
    missed = events.of(EventKind.MISS)
    matched = events.match >= 0
    identity, track_id = truth.track_id[events.match[matched]], table.track_id[matched]
    found = []
    for person in np.union1d(identity, missed.truth_id).tolist():
        frames = np.sort(missed.frame[missed.truth_id == person])
        mine = identity == person
        found.append(
            Person(
                sequence=name,
                identity=person,
                boxes=len(frames) + int(mine.sum()),
                found=int(mine.sum()),
                trajectories=len(np.unique(track_id[mine])),
                missed=spans_of(frames),
            )
        )
    return found


def _binned(events: ClearEvents, kind: EventKind, length: int) -> tuple[int, ...]:
    bins = min(_BINS, length)
    place = events.of(kind).frame * bins // length
    return tuple(np.bincount(place, minlength=bins).tolist())


# -------------------------------------------------------------------------------------------------------------- scenes


class SceneMaker:
    """Makes scenes of the boxes of a sequence.

    Args:
        table: R boxes.
        size: width and height of a picture.
    """

    def __init__(self, table: TrajectoryTable, size: tuple[int, int]) -> None:
        self._table, self._size = table, size
        self._order = np.argsort(table.frame, kind="stable")
        self._frames = table.frame[self._order]

    def of_trajectory(self, one: Trajectory) -> Scene | None:
        """Return how a trajectory looks in the middle of its detected boxes."""
        frames = np.concatenate([np.arange(first, last + 1) for first, last in one.seen or one.filled])
        return self.of_people(int(frames[len(frames) // 2]), (one.track_id,))

    def of_people(self, frame: int, track_ids: tuple[int, ...]) -> Scene | None:
        """Return some people in a frame; None where none of them is there, or all are outside the picture."""
        rows = [row for row in self._rows(frame) if int(self._table.track_id[row]) in track_ids]
        boxes = self._table.boxes_ltwh[rows]
        inside = [self._is_inside(box) for box in boxes]
        if not any(inside):
            return None
        region = region_around(boxes[inside], self._size, _PERSON_MARGIN)
        return self._scene(frame, region, track_ids, others=False)

    def of_switch(
        self, before: tuple[int, NDArray[np.float64], int], after: tuple[int, NDArray[np.float64], int]
    ) -> tuple[Scene, Scene]:
        """Return a person before and after a switch: the same place, unless the person went far.

        Args:
            before: frame, box of the ground truth, trajectory.
            after: the same.
        """
        both = np.stack([before[1], after[1]])
        moved = np.abs(before[1][:2] - after[1][:2]).max()
        whole = region_around(both, self._size, _SWITCH_MARGIN, _SWITCH_SHAPE)
        scenes = []
        for frame, truth, track_id in (before, after):
            far = moved > _FAR * both[:, 3].max()
            region = region_around(truth[None], self._size, _SWITCH_MARGIN, _SWITCH_SHAPE) if far else whole
            scene = self._scene(frame, region, (track_id,), others=True)
            scenes.append(replace(scene, boxes=(*scene.boxes, SceneBox(_box(truth), -1, True))))
        return scenes[0], scenes[1]

    def _rows(self, frame: int) -> list[int]:
        begin, end = np.searchsorted(self._frames, [frame, frame + 1])
        return self._order[begin:end].tolist()

    def _is_inside(self, box: NDArray[np.float64]) -> bool:
        return bool((box[:2] < self._size).all() and (box[:2] + box[2:] > 0).all())

    def _scene(self, frame: int, region: tuple[int, int, int, int], subjects: tuple[int, ...], others: bool) -> Scene:
        left, top, width, height = region
        shown = []
        for row in self._rows(frame):
            box, track_id = self._table.boxes_ltwh[row], int(self._table.track_id[row])
            reaches = (
                box[0] < left + width and box[1] < top + height and box[0] + box[2] > left and box[1] + box[3] > top
            )
            if track_id in subjects or (others and reaches):
                shown.append(SceneBox(_box(box), track_id, track_id in subjects))
        shown.sort(key=lambda one: one.is_subject)  # drawn last, and kept where there are too many
        return Scene(frame, (left, top, width, height), tuple(shown[-_MOST_BOXES:]))


def _box(values: NDArray[np.float64]) -> Box:
    left, top, width, height = (round(float(value), 1) for value in values)
    return left, top, width, height


def _with_scenes(run: Run, words: Words) -> Words:
    """Return words with how those look that they are about."""
    sequence, table = run.sequence(words.sequence), run.table(words.sequence)
    scenes = SceneMaker(table, (sequence.info.width, sequence.info.height))

    def looks(track_ids: tuple[int, ...], first: int, last: int) -> tuple[Scene, ...]:
        inside = (table.frame >= first) & (table.frame <= last)
        frames = [table.frame[inside & (table.track_id == one)] for one in track_ids]
        together = np.unique(frames[0])
        for other in frames[1:]:
            together = np.intersect1d(together, other)
        if not len(together):
            together = np.unique(np.concatenate(frames))
        # away from the ends of the time, where people are cut by the border
        chosen = sorted({int(together[int(share * len(together))]) for share in (0.25, 0.75)}) if len(together) else []
        return tuple(scene for frame in chosen if (scene := scenes.of_people(frame, track_ids)) is not None)

    acts = tuple(replace(act, scenes=looks((act.active, act.passive), *act.span)) for act in words.acts)
    people = {
        track_id: looks((track_id,), min(one.span[0] for one in said), max(one.span[1] for one in said))
        for track_id, said in words.captions.items()
        if said
    }
    return replace(words, acts=acts, scenes=people)


# ---------------------------------------------------------------------------------------------------------- provenance


def _facts(run: Run) -> dict[str, str]:
    settings = run.settings
    known = {
        "Recipe": settings.get("recipe"),
        "Weights": settings.get("weights"),
        "SHA-256 of the weights": settings.get("weights_sha256"),
        "Split": settings.get("split"),
        "Data": settings.get("data"),
        "Detections": settings.get("detections"),
        "Appearance": ", ".join(sorted({str(text) for text in (settings.get("appearance") or {}).values()})),
        "Camera motion": settings.get("camera"),
    }
    versions = [f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "trackeval")]
    known["Reported with"] = (
        f"sushi-lg {sushi_lg.__version__}, Python {platform.python_version()}, {', '.join(versions)}"
    )
    return {key: str(value) for key, value in known.items() if value}


def _files(run: Run) -> dict[str, str]:
    kinds = ("tracks/*.txt", "tracks/*.parquet", "semantics/*.json", "ceilings.json", "config.yaml")
    paths = [path for kind in kinds for path in sorted(run.folder.glob(kind))]
    return {path.relative_to(run.folder).as_posix(): file_sha256(path) for path in paths}
