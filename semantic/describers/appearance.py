"""What pixels add to trajectories: what people wear, and how the camera moves.

Colours of clothes are found by ``clothes``; the attribute network of ``sushi_lg.language`` can add more. Views in which
a person is cut off by the border of the picture, or whose box is too wide for somebody upright, are not looked at:
colours are read where clothes are on a standing person.

Shapes: K samples of the clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semantic.describers.kinematics import EDGE, frame_at, sample_times
from semantic.describers.protocol import Pictures
from semantic.structures import Clip
from sushi_lg.data.mot_format import MotTable

if TYPE_CHECKING:
    from sushi_lg.appearance.camera_motion import SmallPicture
    from sushi_lg.language.attributes import Describer as AttributeDescriber
    from sushi_lg.language.views import Candidate

_WIDEST = 0.72  # columns over rows of the box of an upright person
_CLOTHES = ("upper", "lower")
_AT_ONCE = 2e8  # bytes of pictures asked for together
_LIGHT_PICTURES = 12
_STILL_WINDOW = 6  # steps: three seconds in which a camera that does not stand still gets somewhere


@dataclass(frozen=True)
class Seen:
    """What pixels of a clip show.

    Attributes:
        attributes: of people by track id, see ``sushi_lg.language.descriptions``; only who and what is clear.
        camera: (K, 2, 3) affine from the picture at each sample to the first, NaN from where it cannot be followed; the
            identity, exactly, for a camera that stands still. None where nobody looked, or pixels do not tell.
    """

    attributes: dict[int, Mapping[str, str]]
    camera: NDArray[np.float64] | None


def look(
    clip: Clip,
    pictures: Pictures,
    network: AttributeDescriber | None = None,
    *,
    clothes: bool = True,
    camera: bool = True,
) -> Seen:
    """Return what the pixels of a clip show; goes through the pictures once.

    Args:
        clip: the trajectories.
        pictures: the pixels.
        network: of ``sushi_lg.language.attributes``, for what colours do not tell: sex, hair, legs, things carried.
        clothes: whether to look at people.
        camera: whether to follow the camera.

    Raises:
        DataError: a picture that cannot be had.
    """
    from semantic.describers.clothes import clothes_of
    from sushi_lg.language.scene import light_gain, measure_light
    from sushi_lg.language.views import BestViews, ViewSettings, find_candidates, look_at

    if not clip.tracks:
        return Seen({}, None)
    settings = ViewSettings()
    width, height = (int(one) for one in clip.sizes.max(axis=0))
    wanted: dict[int, list[Candidate]] = {}
    if clothes:
        for candidate in find_candidates(_table(clip), width, height, settings):
            wanted.setdefault(candidate.frame, []).append(candidate)
    lit = set(sorted(wanted)[:: max(1, len(wanted) // _LIGHT_PICTURES)])
    follower = _Follower(clip) if camera else None
    best, light = BestViews(), []
    for number, picture in _frames(clip, pictures, sorted({*wanted, *(follower.numbers if follower else ())})):
        for candidate in wanted.get(number, ()):
            view = look_at(picture, candidate, settings)
            if view is not None:
                best.offer(candidate, *view)
        if number in lit:
            light.append(measure_light(picture))
        if follower is not None:
            follower.see(number, picture)
    gain = light_gain(light)
    found: dict[int, Mapping[str, str]] = {}
    for track in clip.tracks if clothes else ():
        person = replace(best.of(clip.name, track.track_id), gain=gain)
        told = network.describe(person) if network is not None else None
        attributes = {key: value for key, value in (told.attributes if told else {}).items() if key not in _CLOTHES}
        if attributes or person.views:
            found[track.track_id] = attributes | clothes_of(person)
    return Seen(found, None if follower is None else follower.camera(width, height))


class _Follower:
    """Follows the camera from sample to sample."""

    def __init__(self, clip: Clip) -> None:
        from sushi_lg.appearance.camera_motion import CameraMotion, CameraMotionSettings

        self._clip = clip
        self._motion = CameraMotion(CameraMotionSettings(still_window=_STILL_WINDOW))
        self.numbers = [frame_at(clip, sample) for sample in range(len(sample_times(clip)))]
        self._steps = np.tile(np.eye(2, 3), (len(self.numbers), 1, 1))
        self._known = np.zeros(len(self.numbers), dtype=bool)
        self._before: tuple[int, SmallPicture] | None = None

    def see(self, number: int, picture: NDArray[np.uint8]) -> None:
        """Take a picture; pictures come in the order of time."""
        if number not in self.numbers:
            return
        after = self._motion.prepare(picture)
        if self._before is not None:
            sample = self.numbers.index(number)
            step = self._motion.step(self._before[1], after, _boxes_at(self._clip, self._before[0]))
            if step is not None:
                self._steps[sample], self._known[sample] = step, True
        self._before = number, after

    def camera(self, width: int, height: int) -> NDArray[np.float64] | None:
        """Return ``Seen.camera``."""
        from sushi_lg.appearance.camera_motion import is_static

        if not self._known.any():
            return None
        steps = self._motion.settle(self._steps, width, height)
        back = np.tile(np.eye(3), (len(steps), 1, 1))
        for sample in range(1, len(steps)):
            back[sample] = back[sample - 1] @ np.linalg.inv(np.concatenate([steps[sample], [[0.0, 0.0, 1.0]]]))
        # somebody in front may hide what stands still for a while; a camera that moves has to be seen all the time
        if not is_static(steps):
            lost = np.flatnonzero(~self._known[1:]) + 1
            back[lost[0] if len(lost) else len(back) :] = np.nan
        return back[:, :2]


def _frames(clip: Clip, pictures: Pictures, numbers: list[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield number and picture, as many at a time as memory allows."""
    few = max(4, int(_AT_ONCE / (3 * float(clip.sizes.max(axis=0).prod()) + 1)))
    for start in range(0, len(numbers), few):
        some = numbers[start : start + few]
        there = pictures.frames(some)
        yield from ((number, there[number]) for number in some if number in there)


def _boxes_at(clip: Clip, frame: int) -> NDArray[np.float32]:
    rows = []
    for track in clip.tracks:
        at = int(np.searchsorted(track.frame, frame))
        if at < len(track) and track.frame[at] == frame:
            rows.append(track.boxes_xyxy[at])
    return np.asarray(rows, np.float32).reshape(-1, 4)


def _table(clip: Clip) -> MotTable:
    """Return all boxes as a table; those not to look at, because they say nothing of clothes, as not visible."""
    boxes = np.concatenate([track.boxes_xyxy for track in clip.tracks])
    frame = np.concatenate([track.frame for track in clip.tracks])
    ids = np.concatenate([np.full(len(track), track.track_id) for track in clip.tracks])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    size = clip.sizes[frame]
    usable = (boxes[:, :2] > 0).all(axis=1) & (boxes[:, 2:] < size * (1 - EDGE)).all(axis=1)
    usable &= ~np.concatenate([track.is_interpolated for track in clip.tracks]) & (width < _WIDEST * height)
    real = (width > 1) & (height > 1)
    ones = np.ones(len(frame))
    table = MotTable(
        path=Path(clip.name),
        frame=frame + 1,
        track_id=ids,
        left=boxes[:, 0] + 1,
        top=boxes[:, 1] + 1,
        width=width,
        height=height,
        confidence=ones,
        category=np.full(len(frame), -1),
        visibility=usable.astype(np.float64),
        line=np.arange(len(frame)) + 1,
    )
    return table.select(real)
