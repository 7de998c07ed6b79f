"""What the ground truth says about a sequence: each identity switch, who was missed, and when mistakes happen.

Shapes: R boxes of a result.
"""

from __future__ import annotations

import numpy as np

from sushi_lg.data.mot_format import MotTable
from sushi_lg.data.sequence import Sequence
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.evaluation.events import ClearEvents, EventKind
from sushi_lg.inspection.report.records import Person, Switch
from sushi_lg.inspection.report.scenes import SceneMaker
from sushi_lg.inspection.report.timeline import spans_of

_BINS = 80  # parts of a sequence over which mistakes are summed


def switches_of(sequence: Sequence, table: TrajectoryTable, truth: MotTable, events: ClearEvents) -> list[Switch]:
    """Return the identity switches of a sequence with a scene before and one after each."""
    scenes = SceneMaker(table, (sequence.info.width, sequence.info.height))
    first_person: dict[int, int] = {}
    for row in np.argsort(table.frame, kind="stable").tolist():
        if events.match[row] >= 0:
            first_person.setdefault(int(table.track_id[row]), int(truth.track_id[events.match[row]]))
    began = {int(i): int(table.frame[table.track_id == i].min()) for i in np.unique(events.track_id) if i >= 0}
    truth_boxes = truth.pixels_ltwh
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


def counts_of(events: ClearEvents, kind: EventKind, length: int) -> tuple[int, ...]:
    """Return how often something happened in each of some equal parts of ``length`` frames."""
    bins = min(_BINS, length)
    place = events.of(kind).frame * bins // length
    return tuple(np.bincount(place, minlength=bins).tolist())
