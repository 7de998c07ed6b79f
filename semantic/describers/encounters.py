"""What two people do with each other, as far as places and speeds tell.

An encounter is a stretch of time with a kind: what is seen in the geometry, not yet a word of the vocabulary. Facing,
hands and faces are not seen, so nobody talks here: two people stand near each other. Distances are in heights of people
(about 1.7 m), see ``kinematics``.

Shapes: K samples of the clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from semantic.describers.kinematics import STEP, Path, keeps_its_size

Kind = Literal[
    "approach",
    "leave",
    "pass",
    "follow",
    "chase",
    "together",
    "stand",
    "near",
    "linger",
    "reach",
    "clasp",
    "tangle",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
MUTUAL: tuple[Kind, ...] = ("together", "stand", "near", "linger", "reach", "clasp", "tangle")
"""Kinds that hold both ways; they are listed once, the smaller track id first.

``stand``: near each other, nobody walks. Within that: ``linger``: an arm's length apart and arms mostly down, for long;
``reach``: both boxes wide as with a stretched arm and overlapping, for a moment, as where hands meet (who gestures with
stretched arms stays apart, who hands something over takes longer); ``clasp``: at one place, both boxes wide, for a
moment; ``tangle``: the same, for longer. ``near`` is all that can be told where the camera moves and was not followed.
"""

_DEPTH_DOUBT = 2.0
_NEAR, _STILL_NEAR = 1.2, 1.6  # heights: who comes closer than the one is near until further away than the other
_SLOW = 0.3  # heights a second
_TALKING = 0.6  # heights between people who stand together rather than apart
_CLASP, _ARM = 0.27, 0.42  # heights between people at one place, and between those who can reach each other
_HAND, _STRETCHED = 0.19, 0.22  # heights: nearer than a handshake needs, and a box with a forearm stretched
_WIDE = (
    0.255,
    0.33,
    0.37,
)  # heights: a box with a stretched arm is wider than the first, one in an embrace than the next
_LEAST_NEAR = 2.0  # seconds
_LEAST_TOUCH = 1.0
_LONGEST_REACH, _LONGEST_CLASP, _LEAST_LINGER = 1.5, 2.3, 3.5
_LEAST_SHARED = 2.5  # seconds of walking together
_LEAST_BRIEF = 1.0
_APART = 1.5  # heights
_LEAST_FOLLOW = 3.0
_COURSE = 0.85  # cosine between two directions that are called one
_ABREAST = 0.8  # heights one may be ahead of the other and still walk beside
_BEHIND = 0.6  # heights between somebody and who follows
_LANE = 0.45  # heights a follower may be off the way of the one ahead
_LONGEST_LAG = 8  # samples between being at one place
_LEAST_TRAIL = 2.0  # heights
_CLOSING, _TIMES = 0.6, 1.6  # heights a distance has to change by, and how many times larger it has to be
_PAUSE = 4  # samples between two stretches of being together that are one
_OWN_SHARE = 0.4  # of the change, for it to be somebody's doing
_LOOK_AROUND = 6.0  # seconds before and after
_LONGEST_PASS = 5.0
_PASS_MARGIN = 3  # samples before and after being near that belong to walking past
_RUNNING = 1.3


@dataclass(frozen=True)
class Encounter:
    """Two people for a while.

    Attributes:
        kind: what they do.
        active: track id of who does it.
        passive: of the other.
        first: sample it begins with.
        last: sample it ends with.
        distance: median of the heights between them.
    """

    kind: Kind
    active: int
    passive: int
    first: int
    last: int
    distance: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.last - self.first) * STEP


def find_encounters(one: Path, other: Path) -> list[Encounter]:
    """Return what two people do with each other, sorted by time; swapping the arguments gives the same list.

    Args:
        one: path of a person.
        other: path of another one.
    """
    if one.track_id > other.track_id:
        one, other = other, one
    both = one.known & other.known
    if both.sum() < 3:
        return []
    pair = _Pair(one, other, both)
    if not (one.facing_known and other.facing_known):
        runs = _runs(pair.near, _LEAST_NEAR)
        return [pair.encounter("near", one, other, *run) for run in runs]
    found = _standing(pair) + _walking(pair)
    together = [(each.first, each.last) for each in found if each.kind in MUTUAL]
    found += _meeting(pair, together)
    return sorted(found, key=lambda each: (each.first, each.last, each.kind, each.active))


class _Pair:
    """Two paths and what is between them."""

    def __init__(self, one: Path, other: Path, both: NDArray[np.bool_]) -> None:
        self.one, self.other, self.both = one, other, both
        self.between = np.where(both[:, None], other.place - one.place, np.nan)  # (K, 2) from one to other
        # a long lens makes people look closer to each other in depth than they are
        self.distance = np.hypot(self.between[:, 0], _DEPTH_DOUBT * self.between[:, 1])
        self.near = _hysteresis(self.distance, _NEAR, _STILL_NEAR)

    def encounter(self, kind: Kind, active: Path, passive: Path, first: int, last: int) -> Encounter:
        distance = float(np.nanmedian(self.distance[first : last + 1]))
        return Encounter(kind, active.track_id, passive.track_id, first, last, round(distance, 3))


def _standing(pair: _Pair) -> list[Encounter]:
    still = pair.near & ~pair.one.moving & ~pair.other.moving
    runs = [
        run for run in _runs(still, _LEAST_NEAR) if keeps_its_size(pair.one, *run) and keeps_its_size(pair.other, *run)
    ]
    found = [pair.encounter("stand", pair.one, pair.other, *run) for run in runs]
    still = np.zeros_like(still)
    for begin, end in runs:
        still[begin : end + 1] = True
    distance = np.nan_to_num(pair.distance, nan=9.0)
    # boxes of two in each other's arms are not so steady
    slow = pair.near & (np.fmax(np.abs(pair.one.velocity[:, 0]), np.abs(pair.other.velocity[:, 0])) < _SLOW)
    with np.errstate(invalid="ignore"):
        narrow, wide = (bound(pair.one.width, pair.other.width) for bound in (np.minimum, np.maximum))
        clasped = slow & (distance < _CLASP) & (narrow > _WIDE[1])
        overlap = (pair.one.width + pair.other.width) / 2 > np.abs(pair.between[:, 0])
        reaching = still & overlap & (distance > _HAND) & (distance < _ARM) & (narrow > _STRETCHED) & (wide < _WIDE[2])
        lingering = still & (distance > _CLASP + 0.03) & (distance < _TALKING) & (narrow < _WIDE[0])
    for run in _runs(clasped, _LEAST_TOUCH):
        kind: Kind = "tangle" if (run[1] - run[0]) * STEP > _LONGEST_CLASP else "clasp"
        found.append(pair.encounter(kind, pair.one, pair.other, *run))
    for run in _runs(reaching, _LEAST_TOUCH):
        if (run[1] - run[0]) * STEP <= _LONGEST_REACH:
            found.append(pair.encounter("reach", pair.one, pair.other, *run))
    return found + [pair.encounter("linger", pair.one, pair.other, *run) for run in _runs(lingering, _LEAST_LINGER)]


def _walking(pair: _Pair) -> list[Encounter]:
    one, other = pair.one, pair.other
    speed = np.stack([np.hypot(*one.velocity.T), np.hypot(*other.velocity.T)])
    with np.errstate(invalid="ignore", divide="ignore"):
        course = (one.velocity * other.velocity).sum(axis=1) / speed.prod(axis=0)
        heading = one.velocity + other.velocity
        heading /= np.hypot(*heading.T)[:, None]
        along = (pair.between * heading).sum(axis=1)  # above 0: the other is ahead
        slower = speed.min(axis=0) > 0.5 * speed.max(axis=0)
        same = pair.both & one.moving & other.moving & (course > _COURSE) & slower
        abreast = same & (np.abs(along) < _ABREAST) & (pair.distance < _STILL_NEAR)
    found = []
    for begin, end in _runs(abreast, _LEAST_BRIEF):
        # two who were never apart before it, or never are behind it, need less time than two who happen to walk abreast
        apart = min(float(np.nanmax(pair.distance[: end + 1])), float(np.nanmax(pair.distance[begin:])))
        if (end - begin) * STEP >= _LEAST_SHARED or apart < _APART:
            found.append(pair.encounter("together", one, other, begin, end))
    for leader, follower in ((one, other), (other, one)):
        run = _trail(leader, follower, pair)
        if run is not None:
            fast = [float(np.nanpercentile(each[run[0] : run[1] + 1], 75)) for each in speed]
            kind: Kind = "chase" if min(fast) > _RUNNING else "follow"
            found.append(pair.encounter(kind, follower, leader, *run))
    return found


def _trail(leader: Path, follower: Path, pair: _Pair) -> tuple[int, int] | None:
    """Return the longest stretch in which one walks where the other has walked shortly before; None without one."""
    best: tuple[int, int] | None = None
    for lag in range(1, _LONGEST_LAG + 1):
        if len(leader.place) <= lag:
            break
        with np.errstate(invalid="ignore"):
            on_trail = np.hypot(*(follower.place[lag:] - leader.place[:-lag]).T) < _LANE
        for begin, end in _runs(on_trail, _LEAST_FOLLOW):
            trail = leader.place[begin : end + 1]
            way = float(np.nansum(np.hypot(*np.diff(trail, axis=0).T)))
            first, last = begin + lag, end + lag
            apart = pair.distance[first : last + 1]
            if way < _LEAST_TRAIL or not np.isfinite(apart).any() or np.nanmedian(apart) < _BEHIND:
                continue
            if follower.moving[first : last + 1].mean() < 0.7 or leader.moving[begin : end + 1].mean() < 0.7:
                continue
            if best is None or last - first > best[1] - best[0]:
                best = first, last
    return best


def _meeting(pair: _Pair, together: list[tuple[int, int]]) -> list[Encounter]:
    """Return who comes up to whom, who walks away from whom, and who walks past whom.

    Coming up to somebody ends in being together, and walking away begins there: who only walks by does neither.
    """
    found: list[Encounter] = []
    reach = round(_LOOK_AROUND / STEP)
    for begin, end in _united(together):
        nearest = float(np.nanmin(pair.distance[begin : end + 1]))
        before = _far_end(pair.distance, begin, -1, reach)
        after = _far_end(pair.distance, end, 1, reach)
        if before is not None and _widens(float(pair.distance[before]), nearest):
            found += [pair.encounter("approach", a, p, before, begin) for a, p in _doers(pair, before, begin, -1)]
        if after is not None and _widens(float(pair.distance[after]), nearest):
            found += [pair.encounter("leave", a, p, end, after) for a, p in _doers(pair, end, after, 1)]
    for begin, end in _runs(pair.near, 0.0):
        if not any(first <= end and last >= begin for first, last in together):
            before = _far_end(pair.distance, begin, -1, reach)
            after = _far_end(pair.distance, end, 1, reach)
            found += _passing(pair, before, begin, end, after)
    return found


def _united(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return stretches that overlap or nearly touch as one."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(runs):
        if found and begin - found[-1][1] <= _PAUSE:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def _widens(far: float, near: float) -> bool:
    return far - near > _CLOSING and far > _TIMES * near


def _far_end(distance: NDArray[np.float64], at: int, step: int, reach: int) -> int | None:
    """Return the sample, going one way from a near one, up to which the distance grows; None where it does not."""
    best, k = at, at
    for _ in range(reach):
        k += step
        if not 0 <= k < len(distance) or not np.isfinite(distance[k]) or distance[k] < distance[best] - 0.3:
            break
        if distance[k] > distance[best] + 0.1:  # where it stays the same, nothing happens yet
            best = k
    return best if best != at else None


def _doers(pair: _Pair, first: int, last: int, sign: int) -> list[tuple[Path, Path]]:
    """Return (who, to whom) for everybody whose own walk made the distance change; ``sign`` 1 where it grew."""
    change = sign * (pair.distance[last] - pair.distance[first])
    found = []
    for active, passive, towards in ((pair.one, pair.other, 1.0), (pair.other, pair.one, -1.0)):
        unit = towards * pair.between / np.maximum(pair.distance, 1e-6)[:, None]
        steps = np.diff(active.place[first : last + 1], axis=0)
        own = -sign * float(np.nansum(steps * (unit[first:last] + unit[first + 1 : last + 1]) / 2))
        if _same_way(active, passive, first, last):
            continue  # catching up with somebody, or falling behind
        if own > _OWN_SHARE * change and own > 0.5 * _CLOSING and active.moving[first : last + 1].any():
            found.append((active, passive))
    return found


def _same_way(one: Path, other: Path, first: int, last: int) -> bool:
    """Tell whether both walk, and one way."""
    ways = [path.place[last] - path.place[first] for path in (one, other)]
    lengths = [float(np.hypot(*way)) for way in ways]
    if min(lengths) < 0.3 * max(lengths):
        return False
    return float(ways[0] @ ways[1]) > 0.5 * lengths[0] * lengths[1]


def _passing(pair: _Pair, before: int | None, begin: int, end: int, after: int | None) -> list[Encounter]:
    """Return who walks past whom: the other is ahead first and behind then, and the walk goes on."""
    if before is None or after is None or (end - begin) * STEP > _LONGEST_PASS:
        return []
    nearest = float(np.nanmin(pair.distance[begin : end + 1]))
    if min(pair.distance[before], pair.distance[after]) - nearest < _APART / 2:
        return []
    one, other = pair.one, pair.other
    turn = float(pair.between[before] @ pair.between[after]) / float(pair.distance[before] * pair.distance[after])
    if turn > -0.3:
        return []
    inside = slice(begin, end + 1)
    moves = [bool(path.moving[inside].mean() > 0.8) for path in (one, other)]
    found = []
    for active, passive, towards, goes in ((one, other, 1.0, moves[0]), (other, one, -1.0, moves[1])):
        if not goes:
            continue
        way = active.place[after] - active.place[before]
        ahead = towards * float(pair.between[before] @ way)
        behind = towards * float(pair.between[after] @ way)
        if ahead > 0 > behind:
            span = max(before, begin - _PASS_MARGIN), min(after, end + _PASS_MARGIN)
            found.append(pair.encounter("pass", active, passive, *span))
    return found


def _hysteresis(distance: NDArray[np.float64], enter: float, stay: float) -> NDArray[np.bool_]:
    near = np.zeros(len(distance), dtype=bool)
    inside = False
    for k, value in enumerate(np.nan_to_num(distance, nan=np.inf)):
        inside = value < (stay if inside else enter)
        near[k] = inside
    return near


def _runs(mask: NDArray[np.bool_], least: float) -> list[tuple[int, int]]:
    """Return first and last sample of stretches of at least so many seconds; one sample amiss does not end one."""
    rows = np.flatnonzero(mask)
    if not len(rows):
        return []
    groups = np.split(rows, np.flatnonzero(np.diff(rows) > 2) + 1)
    return [(int(g[0]), int(g[-1])) for g in groups if (g[-1] - g[0]) * STEP >= least]
