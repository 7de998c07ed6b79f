"""From a finished run to the records of its report: what is on disk, what a replay adds, what the ground truth says.

Everything here is made of tables and records; pixels come later (``pictures``), and how it looks is up to ``page``.
"""

from __future__ import annotations

import functools
import json
import platform
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import yaml

import sushi_lg
from sushi_lg.data.files import visible_files
from sushi_lg.data.frames import sequence_frames
from sushi_lg.data.models import file_sha256
from sushi_lg.data.sequence import Sequence
from sushi_lg.errors import DataError, SushiError
from sushi_lg.evaluation.draws import draw_times, interval
from sushi_lg.evaluation.events import EventKind, find_events
from sushi_lg.evaluation.links import LevelQuality, add_quality
from sushi_lg.evaluation.mot import EvaluationResult, evaluate_sequences
from sushi_lg.inspection.replay import Replay, Run, replay
from sushi_lg.inspection.report.mistakes import counts_of, people_of, switches_of
from sushi_lg.inspection.report.records import (
    CeilingStage,
    FalseTrack,
    Lack,
    Person,
    Report,
    Scene,
    Score,
    SequencePart,
    Switch,
    WeakLink,
    Words,
)
from sushi_lg.inspection.report.scenes import SceneMaker
from sushi_lg.inspection.report.timeline import trajectories_of, weak_links_of
from sushi_lg.inspection.stored import scored_boxes
from sushi_lg.study.bootstrap import DRAWS
from sushi_lg.study.ceilings import fingerprint_of
from sushi_lg.study.scores import METRICS, metrics, sums_of

_SHOWN_PEOPLE = _SHOWN_FALSE = 24
_MOSTLY_LOST = 0.2  # share of frames, as MOTChallenge counts it


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
    outdated: Collection[str] = (),
    with_replay: bool = True,
    weak_bound: float = 0.6,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Return what a report says about a run, without pixels.

    Args:
        run: what to report.
        words: what was said about its sequences, by name.
        outdated: sequences of which something was said, but about other trajectories.
        with_replay: whether to track once more, for links and levels.
        weak_bound: joins below this probability are marked.
        limits: of its size.
        progress: takes the number of sequences that are done.

    Raises:
        DataError: a file of the run cannot be read.
    """
    limits = limits or Limits()
    folder = shlex.quote(str(run.folder))  # readers copy commands, and folders may have any name
    lacks: dict[str, Lack] = {}
    notes: list[str] = []
    quality: list[list[LevelQuality]] = []
    scorable = [name for name in run.names if run.sequence(name).has_ground_truth]
    parts: list[SequencePart] = []
    switches: list[Switch] = []
    people: list[Person] = []
    unknown = None if with_replay else Lack("Left out by --no-replay.", f"sushi-lg report {folder}")
    unknown = unknown or _unknown_tracker(run)
    failed: dict[str, SushiError] = {}
    for number, name in enumerate(run.names):
        again = None
        if unknown is None:
            try:
                again = replay(run, name)
            except SushiError as error:
                failed[name] = error
        part, found, missed = _sequence_part(run, name, again, (words or {}).get(name), weak_bound, quality, notes)
        parts.append(part)
        switches += found
        people += missed
        if progress is not None:
            progress(number + 1)
    for name, fault in failed.items():
        notes.append(f"{name} cannot be tracked once more, so its links are unknown: {_with_remedy(fault)}")
    if len(failed) == len(run.names):
        first = next(iter(failed.values()))
        unknown = Lack(f"No sequence of the run can be tracked once more: {_with_remedy(first)}.")
    if unknown is not None:
        lacks |= {"links": unknown, "levels": unknown}
    if not scorable:
        nothing = Lack(
            "None of the sequences has ground truth (gt/gt.txt).",
            f"sushi-lg report {folder} --data FOLDER_WITH_GROUND_TRUTH",
        )
        lacks |= {key: nothing for key in ("scores", "switches", "mistakes", "levels")}
    scores: tuple[Score, ...] = ()
    table: tuple[dict[str, str], ...] = ()
    hota: dict[str, float] = {}
    if scorable:
        result = evaluate_sequences((run.sequence(name), run.folder / "tracks" / f"{name}.txt") for name in scorable)
        scores, table = scores_of(result), tuple(result.table())
        hota = {score.name: score.hota for score in result.sequences}
        if len(scorable) < 2:
            lacks["interval"] = Lack("Error bars are drawn over sequences, and there is one.", "sushi-lg track SPLIT")
        if len(scorable) < len(run.names):
            absent = [name for name in run.names if name not in scorable]
            notes.append(f"{len(absent)} of {len(run.names)} sequences have no ground truth: {', '.join(absent)}")
    if not quality:
        lacks.setdefault("levels", Lack("No sequence with ground truth can be tracked once more."))
    ceilings, reason = read_ceilings(run)
    if reason:
        # they need the ground truth of every sequence
        needed = "" if len(scorable) == len(run.names) else " --data FOLDER_WITH_GROUND_TRUTH"
        lacks["ceilings"] = Lack(reason, f"sushi-lg study ceilings {folder}{needed}")
    command = _describe_command(run, folder)
    files = ", ".join(f"semantics/{name}.json" for name in run.names if name in outdated)
    if not words:
        old = f"What was said is about other trajectories than those of today: remove {files}, then describe them."
        lacks["words"] = Lack(old if outdated else "Nothing was said about this run yet.", command)
    else:
        silent = [name for name in run.names if name not in words and name not in outdated]
        if silent:
            notes.append(f"Nothing was said yet about {', '.join(silent)}; `{command}` does.")
        if outdated:
            notes.append(
                "Some of what was said is about other trajectories than those of today, and is not shown: remove "
                f"{files}; then `{command}` says it anew."
            )
    false = [FalseTrack(part.name, one) for part in parts for one in part.trajectories if one.is_false]
    false.sort(key=lambda one: -one.trajectory.boxes)
    people.sort(key=lambda person: (person.found - person.boxes, person.sequence, person.identity))
    total = len(switches)
    if total > limits.switches:
        chosen = np.unique(np.linspace(0, total - 1, limits.switches).astype(int))
        switches = [switches[place] for place in chosen]
        spread = ", spread evenly" if switches else ""
        notes.append(f"The gallery shows {len(switches)} of {total} switches{spread}; --switches shows more.")
    if unknown is None:
        switches = [one if one.sequence in failed else _with_command(one, folder) for one in switches]
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
        false_tracks=tuple(false[:_SHOWN_FALSE]),
        num_false=len(false),
        num_people=len(people),
        mostly_lost=sum(person.share < _MOSTLY_LOST for person in people),
        levels=tuple(add_quality(quality)) if quality else (),
        weak_bound=weak_bound,
        ceilings=ceilings,
        words=tuple(_with_scenes(run, words[name]) for name in run.names if words and name in words),
        notes=tuple(notes),
        lacks=lacks,
    )


def _with_command(one: Switch, folder: str) -> Switch:
    """Add the command that asks why the earlier trajectory did not go on as the later one."""
    pair = f"--pair {one.before_id} {one.after_id} --frame {one.before + 1}"
    return replace(one, command=f"sushi-lg inspect {folder} --sequence {shlex.quote(one.sequence)} {pair}")


def _unknown_tracker(run: Run) -> Lack | None:
    """Return why a run cannot be tracked once more; None where it can."""
    try:
        run.tracker  # noqa: B018 - reads settings and weights
    except SushiError as error:
        return Lack(f"The run cannot be tracked once more: {_with_remedy(error)}.")
    return None


def _with_remedy(error: SushiError) -> str:
    return f"{error.message} ({error.remedy})" if error.remedy else error.message


def _describe_command(run: Run, folder: str) -> str:
    """Return the command that says something about a run, as a shell takes it.

    A run tells `describe` where sequences are that were named when it was made; those of a split are found by
    ``--frames``, and one folder can be said there.
    """
    command = f"sushi-lg describe {folder} --out {folder}"
    told = {place.name: place for place in (Path(str(entry)) for entry in run.settings.get("sequences") or [])}
    if all((run.folder / name).is_dir() or (name in told and told[name].is_dir()) for name in run.names):
        return command
    roots = [run.sequence(name).info.root for name in run.names]
    is_one_folder = len({root.parent for root in roots}) == 1 and [root.name for root in roots] == list(run.names)
    if is_one_folder and all(_has_pictures(run.sequence(name)) for name in run.names):
        return f"{command} --frames {shlex.quote(str(roots[0].parent))}"
    return f"{command} --frames FOLDER_OF_PICTURES"


def _has_pictures(sequence: Sequence) -> bool:
    try:
        sequence_frames(sequence)
    except SushiError:
        return False
    return True


# -------------------------------------------------------------------------------------------------------------- scores


def scores_of(result: EvaluationResult) -> tuple[Score, ...]:
    """Return the combined scores, with the middle 95 % of draws of the sequences where there are at least two."""
    sums = sums_of(result.sequences)
    whole = metrics(sums.sum(axis=0))
    names = (*METRICS, "IDSW")
    if len(sums) < 2:
        return tuple(Score(name, float(whole[name]), None) for name in names)
    drawn = metrics(draw_times(len(sums), DRAWS) @ sums)
    middle = {name: interval(drawn[name]) for name in names}
    return tuple(Score(name, float(whole[name]), (middle[name].low, middle[name].high)) for name in names)


def read_ceilings(run: Run) -> tuple[tuple[CeilingStage, ...], str]:
    """Read what ``sushi-lg study ceilings`` wrote beside a run.

    Returns:
        The stages, and why there are none; one of the two is empty.

    Raises:
        DataError: it is there, and not such a file.
    """
    path = run.folder / "ceilings.json"
    if not path.is_file():
        return (), "What each part of the tracker costs was not computed for this run."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = []
        for stage, cost in zip(content["stages"], content["costs"], strict=True):
            plain, filled = (float(stage[key]["combined"]["HOTA"]) for key in ("plain", "filled"))
            ends = cost["interval"]
            found.append(CeilingStage(str(stage["stage"]), plain, filled, ends and (float(ends[0]), float(ends[1]))))
        of = content.get("of")
        count = len(of or [])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path}: not what `sushi-lg study ceilings` writes ({type(error).__name__}: {error})",
            "remove it, or run that again",
        ) from error
    if not count:
        return (), "ceilings.json does not say which results it is of."
    if count > 1:
        return (), f"ceilings.json is of {count} runs together."
    if of != [fingerprint_of(run)]:
        return (), "ceilings.json is of other results or settings than those of today."
    return tuple(found), ""


# -------------------------------------------------------------------------------------------------------- trajectories


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
        scored = scored_boxes(run.folder / "tracks" / f"{name}.txt", table, sequence.length)
        events = find_events(
            truth, sequence.info.layout, table.frame, table.track_id, scored, sequence.length, name=name
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
        false_counts=() if events is None else counts_of(events, EventKind.FALSE_POSITIVE, sequence.length),
        missed_counts=() if events is None else counts_of(events, EventKind.MISS, sequence.length),
    )
    scenes = SceneMaker(table, size)
    shown = tuple(
        replace(one, caption=captions.get(one.track_id, ""), scene=scenes.of_trajectory(one))
        for one in part.trajectories
    )
    return replace(part, trajectories=shown), switches, people


def _with_scenes(run: Run, words: Words) -> Words:
    """Return words with how those look that they are about."""
    sequence, table = run.sequence(words.sequence), run.table(words.sequence)
    scenes = SceneMaker(table, (sequence.info.width, sequence.info.height))

    def looks(track_ids: tuple[int, ...], first: int, last: int) -> tuple[Scene, ...]:
        inside = (table.frame >= first) & (table.frame <= last)
        frames = [table.frame[inside & (table.track_id == one)] for one in track_ids]
        # a filled box may show nobody
        detected = [table.frame[inside & ~table.is_interpolated & (table.track_id == one)] for one in track_ids]
        choices = (
            functools.reduce(np.intersect1d, map(np.unique, detected)),
            functools.reduce(np.intersect1d, map(np.unique, frames)),
            np.unique(np.concatenate(frames)),
        )
        together = next((one for one in choices if len(one)), choices[-1])
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
    paths = [path for kind in kinds for path in visible_files(run.folder, kind)]
    return {path.relative_to(run.folder).as_posix(): file_sha256(path) for path in paths}
