"""The pixels of a report: the scenes that matter most, within a budget, every frame decoded once.

First come identity switches, then what people do together, then people with a description, then trajectories by length.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace

from sushi_lg.data.frames import FrameSource, Picture
from sushi_lg.data.sequence import Sequence
from sushi_lg.errors import SushiError
from sushi_lg.inspection.inline import at_height, data_url
from sushi_lg.inspection.replay import Run
from sushi_lg.inspection.report.records import Lack, Report, Scene

_HEIGHT = 224  # pixels of a picture inside the page, at most
_GENTLY = 1.5  # enlarged at most: beyond that a page grows and shows nothing more

_Key = tuple[str, int, tuple[float, ...]]


def with_pictures(report: Report, run: Run, open_pictures: Callable[[Sequence], FrameSource], budget: int) -> Report:
    """Return a report with the pixels of its most important scenes.

    Args:
        report: without pixels.
        run: that it is about.
        open_pictures: Returns the pictures of a whole sequence, or raises why there are none.
        budget: pictures at most.
    """
    sources: dict[str, FrameSource] = {}
    faults: dict[str, SushiError] = {}
    keys = list(dict.fromkeys(_by_importance(report))) if budget > 0 else []
    for name in dict.fromkeys(key[0] for key in keys):
        try:
            sources[name] = open_pictures(run.sequence(name))
        except SushiError as error:
            faults[name] = error
    # what has no pixels does not use up the budget
    wanted = [key for key in keys if key[0] in sources][: max(budget, 0)]
    urls: dict[_Key, str] = {}
    for name, source in sources.items():
        frames: dict[int, list[_Key]] = {}
        for key in wanted:
            if key[0] == name:
                frames.setdefault(key[1], []).append(key)
        try:
            for frame, picture in _read(source, run.sequence(name).first - 1, sorted(frames)):
                urls |= {key: _cut(picture, key[2]) for key in frames[frame]}
        except SushiError as error:
            faults[name] = error
    lacks = dict(report.lacks)
    if budget < 1:
        lacks["pictures"] = Lack("Pictures are left out by --pictures 0; boxes are drawn to scale.")
    elif faults:
        fault = next(iter(faults.values()))
        which = "" if len(faults) == len(report.sequences) else f" of {', '.join(faults)}"
        lacks["pictures"] = Lack(
            f"The pixels{which} are not at hand, so boxes are drawn to scale: {fault.message}",
            f"sushi-lg report {shlex.quote(str(run.folder))} --frames FOLDER_OF_PICTURES_OR_VIDEOS",
        )
    return replace(_placed(report, urls), lacks=lacks, num_pictures=len(urls))


def _by_importance(report: Report) -> Iterator[_Key]:
    for switch in report.switches:
        yield from _keys(switch.sequence, (switch.before_scene, switch.after_scene))
    for words in report.words:
        for act in words.acts:
            yield from _keys(words.sequence, act.scenes)
    for words in report.words:
        for scenes in words.scenes.values():
            yield from _keys(words.sequence, scenes)
    rows = [(part.name, one) for part in report.sequences for one in part.trajectories]
    for name, one in sorted(rows, key=lambda row: -row[1].boxes):
        yield from _keys(name, (one.scene,))


def _keys(sequence: str, scenes: tuple[Scene | None, ...]) -> Iterator[_Key]:
    yield from (_key(sequence, scene) for scene in scenes if scene is not None)


def _key(sequence: str, scene: Scene) -> _Key:
    return sequence, scene.frame, scene.region


def _read(source: FrameSource, first: int, frames: list[int]) -> Iterator[tuple[int, Picture]]:
    """Yield the pictures of some frames of a view that begins with frame ``first`` of the source."""
    waiting = iter(frames)
    target = next(waiting, None)
    if target is None:
        return
    for number, picture in source.read(first + frames[0], first + frames[-1] + 1):
        if number - first == target:
            if picture is not None:  # one that cannot be read, and the user wants such frames left out
                yield target, picture
            target = next(waiting, None)


def _cut(picture: Picture, region: tuple[float, ...]) -> str:
    left, top, width, height = (int(value) for value in region)
    part = picture[top : top + height, left : left + width]
    return data_url(at_height(part, max(min(_HEIGHT, round(_GENTLY * height)), 1)))


def _placed(report: Report, urls: dict[_Key, str]) -> Report:
    def filled(sequence: str, scene: Scene | None) -> Scene | None:
        url = None if scene is None else urls.get(_key(sequence, scene))
        return scene if scene is None or url is None else replace(scene, picture=url)

    def all_filled(sequence: str, scenes: tuple[Scene, ...]) -> tuple[Scene, ...]:
        return tuple(one for scene in scenes if (one := filled(sequence, scene)) is not None)

    return replace(
        report,
        sequences=tuple(
            replace(
                part, trajectories=tuple(replace(one, scene=filled(part.name, one.scene)) for one in part.trajectories)
            )
            for part in report.sequences
        ),
        switches=tuple(
            replace(
                one,
                before_scene=filled(one.sequence, one.before_scene),
                after_scene=filled(one.sequence, one.after_scene),
            )
            for one in report.switches
        ),
        words=tuple(
            replace(
                said,
                acts=tuple(replace(act, scenes=all_filled(said.sequence, act.scenes)) for act in said.acts),
                scenes={key: all_filled(said.sequence, scenes) for key, scenes in said.scenes.items()},
            )
            for said in report.words
        ),
    )
