"""What pixels add to trajectories: what people wear, and how the camera moves.

Clothes are named by ``sushi_lg.language``: colours by rule, or what its attribute network sees. Views in which a person
is cut off by the border of the picture, or whose box is too wide for somebody upright, are not looked at: colours are
read where clothes are on a standing person.

Shapes: K samples of the clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
_AT_ONCE = 16  # pictures held in memory
_LIGHT_PICTURES = 12
_STILL_WINDOW = 6  # steps: three seconds in which a camera that does not stand still gets somewhere


def see_clothes(clip: Clip, pictures: Pictures, describer: AttributeDescriber) -> dict[int, Mapping[str, str]]:
    """Return attributes of people (``sushi_lg.language.descriptions``) by track id, where something is clear.

    Args:
        clip: the trajectories.
        pictures: the pixels.
        describer: of ``sushi_lg.language.attributes``.

    Raises:
        DataError: a picture that cannot be had.
    """
    from sushi_lg.language.scene import light_gain, measure_light
    from sushi_lg.language.views import BestViews, ViewSettings, find_candidates, look_at

    if not clip.tracks:
        return {}
    settings = ViewSettings()
    width, height = (int(one) for one in clip.sizes.max(axis=0))
    wanted: dict[int, list[Candidate]] = {}
    for candidate in find_candidates(_table(clip), width, height, settings):
        wanted.setdefault(candidate.frame, []).append(candidate)
    lit = set(list(sorted(wanted))[:: max(1, len(wanted) // _LIGHT_PICTURES)])
    best, light = BestViews(), []
    for number, picture in _frames(pictures, sorted(wanted)):
        for candidate in wanted[number]:
            look = look_at(picture, candidate, settings)
            if look is not None:
                best.offer(candidate, *look)
        if number in lit:
            light.append(measure_light(picture))
    gain = light_gain(light)
    found: dict[int, Mapping[str, str]] = {}
    for track in clip.tracks:
        description = describer.describe(replace(best.of(clip.name, track.track_id), gain=gain))
        if description is not None:
            found[track.track_id] = description.attributes
    return found


def see_camera(clip: Clip, pictures: Pictures) -> NDArray[np.float64] | None:
    """Return (K, 2, 3) affine from the picture at each sample to the first; NaN from where it cannot be followed.

    A camera that stands still gives the identity, exactly, also where somebody in front hides what stands still.

    Returns:
        The affines; None where no two pictures can be compared, so that pixels do not tell.

    Raises:
        DataError: a picture that cannot be had.
    """
    from sushi_lg.appearance.camera_motion import CameraMotion, CameraMotionSettings, is_static

    numbers = [frame_at(clip, sample) for sample in range(len(sample_times(clip)))]
    motion = CameraMotion(CameraMotionSettings(still_window=_STILL_WINDOW))
    steps = np.tile(np.eye(2, 3), (len(numbers), 1, 1))
    known = np.zeros(len(numbers), dtype=bool)
    before: SmallPicture | None = None
    for sample, (_, picture) in enumerate(_frames(pictures, numbers)):
        after = motion.prepare(picture)
        if before is not None:
            step = motion.step(before, after, _boxes_at(clip, numbers[sample - 1]))
            if step is not None:
                steps[sample], known[sample] = step, True
        before = after
    if not known.any():
        return None
    width, height = (int(one) for one in clip.sizes.max(axis=0))
    steps = motion.settle(steps, width, height)
    back = np.tile(np.eye(3), (len(numbers), 1, 1))
    for sample in range(1, len(numbers)):
        back[sample] = back[sample - 1] @ np.linalg.inv(np.concatenate([steps[sample], [[0.0, 0.0, 1.0]]]))
    if not is_static(steps):
        lost = np.flatnonzero(~known[1:]) + 1
        back[lost[0] if len(lost) else len(back) :] = np.nan
    return back[:, :2]


def _frames(pictures: Pictures, numbers: list[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield number and picture, a few at a time."""
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        there = pictures.frames(some)
        yield from ((number, there[number]) for number in some)


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
