"""The rows of the timeline: when each trajectory was seen or filled in, where it is doubtful, and whom it shows.

Shapes: R boxes of a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.mot_format import MotTable
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.evaluation.events import ClearEvents, EventKind
from sushi_lg.inspection.replay import Replay
from sushi_lg.inspection.report.records import Span, Trajectory, WeakLink


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
