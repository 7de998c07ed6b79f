"""Which part of a frame shows what a report speaks of, and the boxes in it; pixels come later.

Shapes: R boxes of a result.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.inspection.inline import region_around
from sushi_lg.inspection.report.records import Box, Scene, SceneBox, Trajectory

_SWITCH_MARGIN, _PERSON_MARGIN = 0.5, 0.15  # of a box, shown around it
_SWITCH_SHAPE, _ONE_SHAPE, _MANY_SHAPE = 0.9, 0.55, 1.25  # width by height of what is shown of a frame
_FAR = 3.0  # heights: a person who moved farther is shown in two places
_MOST_BOXES = 24  # of a scene


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
        shape = _ONE_SHAPE if len(track_ids) == 1 else _MANY_SHAPE
        region = region_around(boxes[inside], self._size, _PERSON_MARGIN, shape)
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
        return [int(row) for row in self._order[begin:end]]

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
