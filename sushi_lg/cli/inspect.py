"""``sushi-lg inspect``: why two tracklets of a run were, or were not, joined."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sushi_lg.cli.common import JsonOption, OptionalDataOption, write_json
from sushi_lg.errors import DataError

if TYPE_CHECKING:
    from sushi_lg.inspection.microscope import Cost, LevelView, Pair, Rival, Side
    from sushi_lg.inspection.replay import Replay, Run

_REASONS = 4  # that are told of every level


def inspect(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `sushi-lg track` has written.")],
    pair: Annotated[
        tuple[int, int], typer.Option("--pair", metavar="A B", help="Ids of two trajectories; A A = a link of one.")
    ],
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame",
            metavar="N",
            min=1,
            max=10**9,
            help="Ask about the last box of A up to here and the first of B after.",
        ),
    ] = None,
    sequence: Annotated[
        str | None, typer.Option("--sequence", metavar="NAME", help="Of the run; may be left out where there is one.")
    ] = None,
    data: OptionalDataOption = None,
    json_file: JsonOption = None,
) -> None:
    """Say why two tracklets were or were not joined, level by level.

    The run is tracked once more and its levels are asked about one pair of boxes: was it a candidate, by which cost,
    and who was cheaper; how likely the network found it, and what that rests on; whom it lost to in the matching.
    Without --frame: the end of A and the start of B, or the least likely link of A A. Frames are those of result
    files. Costs are in box heights; a probability "without" something is what the network says when that evidence is
    replaced by the mean of its training data.
    """
    from sushi_lg.inspection.stored import run_settings

    run_settings(folder)  # what is no run is refused before PyTorch is imported

    from sushi_lg.inspection.microscope import Microscope, choose_pair
    from sushi_lg.inspection.replay import open_run, replay

    run = open_run(folder, data)
    again = replay(run, _name(run, sequence))
    asked = choose_pair(again, *pair, None if frame is None else frame - 1)
    views = Microscope(again).look(asked)
    facts = _facts(again, asked, views)
    if str(json_file) != "-":
        _tell(facts, again, views)
    if json_file is not None:
        write_json(json_file, facts)


def _name(run: Run, sequence: str | None) -> str:
    if sequence is None and len(run.names) > 1:
        raise DataError(f"{run.folder}: {len(run.names)} sequences", f"choose --sequence {'|'.join(run.names)}")
    return sequence or run.names[0]


def _facts(again: Replay, asked: Pair, views: list[LevelView]) -> dict[str, Any]:
    """Return everything as JSON values; frames as in files."""
    from sushi_lg.inspection.microscope import owner_of

    owner = owner_of(again)
    ends = {}
    for name, row in (("earlier", asked.earlier), ("later", asked.later)):
        left, top, right, bottom = again.detections.boxes_xyxy[row].tolist()
        identity = int(again.detections.identity[row])
        ends[name] = {
            "frame": int(again.detections.frame[row]) + 1,
            "track_id": owner.get(row),
            "box": [left + 1, top + 1, right - left, bottom - top],
            "confidence": float(again.detections.score[row]),
            "true_object": float(again.membership[row]),
            "identity": identity if identity >= 0 else None,
        }
    last = again.results[-1].after.member_of
    return {
        "sequence": again.sequence.name,
        "same_as_stored": again.is_same,
        "pair": ends,
        "levels": [_level(view) for view in views],
        "one_tracklet_in_the_end": bool(last[asked.earlier] == last[asked.later]),
    }


def _level(view: LevelView) -> dict[str, Any]:
    found = asdict(view)
    found["fate"] = view.fate.name
    for side in (found["earlier"], found["later"], *(rival["side"] for rival in found["rivals"])):
        side["first_frame"] += 1
        side["last_frame"] += 1
    return found


def _tell(facts: dict[str, Any], again: Replay, views: list[LevelView]) -> None:
    earlier, later = facts["pair"]["earlier"], facts["pair"]["later"]
    gap = later["frame"] - earlier["frame"]
    typer.echo(f"{facts['sequence']}: may {_end(earlier)}")
    typer.echo(f"  go on as {_end(later)}, {gap} frame{'s' if gap > 1 else ''} later?")
    if earlier["identity"] is not None and later["identity"] is not None:
        same = earlier["identity"] == later["identity"]
        typer.echo(f"ground truth: {'yes, the same person' if same else 'no, two persons'}")
    elif again.has_truth:
        typer.echo("ground truth: at least one of the two boxes is nobody it knows")
    if not facts["same_as_stored"]:
        typer.echo(
            "note: the stored trajectories did not come out again (other code or files); this is about the new ones"
        )
    told: list[tuple[list[LevelView], str, list[str]]] = []
    for view in views:
        outcome, details = _outcome(view), _details(view)
        if told and not details and told[-1][1:] == (outcome, details):
            told[-1][0].append(view)
        else:
            told.append(([view], outcome, details))
    for together, outcome, details in told:
        typer.echo(f"\n{_levels(together)}: {outcome}")
        for line in details:
            typer.echo(f"  {line}")
    typer.echo("")
    typer.echo(_end_of_story(facts))


def _levels(views: list[LevelView]) -> str:
    first, last = views[0], views[-1]
    if first is not last:
        return f"levels {first.level} to {last.level} (gaps up to {last.max_gap})"
    return f"level {first.level} (gaps up to {first.max_gap}{', second look' if first.second_look else ''})"


def _end(end: dict[str, Any]) -> str:
    left, top, width, height = end["box"]
    whose = f"trajectory {end['track_id']}" if end["track_id"] is not None else "a box that is in no trajectory"
    return (
        f"{whose} of frame {end['frame']} (at {left:.0f}, {top:.0f}, {width:.0f} x {height:.0f}, "
        f"confidence {end['confidence']:.2f})"
    )


def _outcome(view: LevelView) -> str:
    from sushi_lg.inspection.microscope import Fate

    if view.fate in (Fate.not_ends, Fate.overlap, Fate.aside, Fate.too_short):
        return f"{view.fate.value}: {_span(view.earlier)} and {_span(view.later)}"
    if view.fate is Fate.too_late:
        return f"{view.later.first_frame - view.earlier.last_frame} frames between them are too many"
    if view.cost is not None and view.fate is Fate.too_far:
        return (
            f"too far apart: {view.cost.distance:.2f} box heights, {view.cost.gate:.2f} allowed "
            f"(even if somebody {view.cost.hypothesis})"
        )
    if view.cost is not None and view.fate is Fate.other_size:
        return f"{view.cost.size:.2f} times the height, {view.cost.size_gate:.2f} allowed"
    if view.probability is None:
        return view.fate.value
    return f"{view.fate.value}: probability {view.probability:.3f}, {view.threshold:g} asked for"


def _span(side: Side) -> str:
    if side.detections == 1:
        return f"frame {side.first_frame + 1} alone"
    return f"frames {side.first_frame + 1} to {side.last_frame + 1} ({side.detections} detections)"


def _details(view: LevelView) -> list[str]:
    from sushi_lg.inspection.microscope import Fate

    lines = []
    if view.cost is not None and view.fate not in (Fate.too_far, Fate.other_size, Fate.too_short):
        lines.append(_cost_line(view.cost))
    for reason in view.reasons[:_REASONS]:
        lines.append(f"without {reason.without}: {reason.probability:.3f}")
    lines += [_rival_line(rival) for rival in view.rivals]
    return lines


def _cost_line(cost: Cost) -> str:
    ranks = [
        f"{_ordinal(rank)} of those {what}"
        for rank, what in ((cost.rank_from, "after the first"), (cost.rank_to, "before the second"))
        if rank is not None
    ]
    looks = "" if cost.likeness is None else f", likeness {cost.likeness:.2f}"
    return (
        f"cost {cost.value:.2f} (misses by {cost.distance:.2f} box heights if somebody {cost.hypothesis}{looks}): "
        f"{' and '.join(ranks)}; {cost.places} are kept"
    )


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _rival_line(rival: Rival) -> str:
    side = "the first could go on as" if rival.of_earlier else "the second could come from"
    whose = "a dropped box" if rival.track_id is None else f"trajectory {rival.track_id}"
    scored = "not a candidate" if rival.probability is None else f"probability {rival.probability:.3f}"
    ended = ", joined" if rival.accepted else ""
    return f"{side} {whose}, {_span(rival.side)}: cost {rival.cost:.2f}, {scored}{ended}"


def _end_of_story(facts: dict[str, Any]) -> str:
    ids = [facts["pair"][name]["track_id"] for name in ("earlier", "later")]
    if not facts["one_tracklet_in_the_end"]:
        return "in the end: two trajectories"
    if None in ids:
        return "in the end: one tracklet, but a box of it was not believed and left out of the result"
    if ids[0] != ids[1]:
        return "in the end: one tracklet, cut in the result because somebody left the picture and came back"
    return f"in the end: one trajectory, {ids[0]}"
