"""A report as one HTML file that opens from disk: nothing is fetched, and nothing that was read from a file can run.

Everything is escaped by the template. The page's own style and script are named by their hashes in its content policy,
so the browser refuses any other, and pictures come from inside the file.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from sushi_lg.data.files import atomic_path
from sushi_lg.evaluation.links import LevelQuality
from sushi_lg.inspection.inline import css_colour, page_template
from sushi_lg.inspection.overlay import PALETTE_SIZE
from sushi_lg.inspection.report.records import (
    FalseTrack,
    Lack,
    Report,
    Said,
    Scene,
    SequencePart,
    Span,
    Trajectory,
    Words,
)

PARTS: Final[tuple[tuple[str, str], ...]] = (
    ("scores", "Scores"),
    ("timeline", "Timeline"),
    ("switches", "Identity switches"),
    ("mistakes", "False tracks and misses"),
    ("levels", "Levels"),
    ("ceilings", "Ceilings"),
    ("words", "In words"),
    ("absent", "Not shown"),
    ("made", "How it was made"),
)
# letter in the page: what the box of the filter says
FLAGS: Final = (
    ("s", "identity switches"),
    ("w", "low-confidence links"),
    ("f", "filled boxes"),
    ("x", "mostly false boxes"),
    ("d", "a description"),
)
_SURE: Final = 2.0  # above any probability
_SHOWN_LINKS: Final = 8
_LARGE: Final = 1500  # rows; from here on those out of sight are not laid out


def write_report(path: str | Path, report: Report) -> Path:
    """Write a report as HTML.

    Args:
        path: Target, ``.html``.
        report: What it says.

    Returns:
        ``path``.
    """
    with atomic_path(path) as staged:
        staged.write_text(render(report), encoding="utf-8", errors="replace")  # half a surrogate pair is no UTF-8
    return Path(path)


def render(report: Report) -> str:
    """Return a report as HTML."""
    style, script = _source("report.css") + _hues(), _source("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    numbers = {part.name: number for number, part in enumerate(report.sequences)}
    rates = {part.name: part.frame_rate for part in report.sequences}
    heights = max(
        (count for part in report.sequences for count in (*part.false_counts, *part.missed_counts)), default=1
    )
    absent = absent_parts(report)
    return page_template("sushi_lg.inspection.report", "report.html.j2", hue=_hue).render(
        report=report,
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        parts=[(key, title) for key, title in PARTS if key not in report.lacks and (absent or key != "absent")],
        absent=[
            {
                "titles": titles,
                "them": "them" if "," in titles else "it",
                "reason": lack.reason,
                "command": lack.command,
            }
            for titles, lack in absent
        ],
        flags=_usable_flags(report),
        lead=_lead(report),
        tiles=[_tile(score.metric, score.value, score.interval) for score in report.scores],
        table=list(_table(report)),
        timeline=[_sequence(number, part, report) for number, part in enumerate(report.sequences)],
        switches=[
            {
                f: getattr(one, f)
                for f in ("sequence", "person", "before", "frame", "before_id", "after_id", "kind", "command")
            }
            | {"before_scene": one.before_scene, "after_scene": one.after_scene}
            | {"number": numbers[one.sequence], "place": f"t{numbers[one.sequence]}"}
            | {"find": f"{one.sequence} person {one.person} {one.kind}".lower()}
            | {"pause": _pause(one.frame - one.before, rates[one.sequence])}
            for one in report.switches
        ],
        mistakes=[
            _mirror(number, part, max(heights, 1)) for number, part in enumerate(report.sequences) if part.false_counts
        ],
        false_tracks=[_false_track(numbers[one.sequence], one) for one in report.false_tracks],
        on_page={
            f"t{number}-{one.track_id}" for number, part in enumerate(report.sequences) for one in part.trajectories
        },
        people=[
            {"identity": one.identity, "sequence": one.sequence, "boxes": one.boxes, "number": numbers[one.sequence]}
            | {"missed": one.boxes - one.found, "parts": _in_parts(one.trajectories)}
            | {"longest": _longest(one.missed)}
            for one in report.people
            if one.found < one.boxes
        ],
        levels=[_level(one) for one in report.levels],
        ceilings=list(_ceilings(report)),
        ceiling_range=_ceiling_range(report),
        is_large=sum(len(part.trajectories) for part in report.sequences) > _LARGE,
        words=[_words(numbers[one.sequence], one, rates[one.sequence]) for one in report.words],
        pictures=f"{report.num_pictures}" if report.num_pictures else "none",
    )


def absent_parts(report: Report) -> list[tuple[str, Lack]]:
    """Return the titles of the parts that a report does not have, those with the same reason together."""
    parts: dict[Lack, list[str]] = {}
    for key, title in PARTS:
        if key in report.lacks:
            parts.setdefault(report.lacks[key], []).append(title)
    return [(", ".join([titles[0], *(title.lower() for title in titles[1:])]), lack) for lack, titles in parts.items()]


def _hue(track_id: int) -> int:
    return (track_id - 1) % PALETTE_SIZE


@functools.cache
def _source(name: str) -> str:
    return (Path(__file__).parent / "html" / name).read_text(encoding="utf-8")


@functools.cache
def _hues() -> str:
    return "".join(f".c{k} {{ --hue: {css_colour(k + 1)}; }}\n" for k in range(PALETTE_SIZE))


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"


def _usable_flags(report: Report) -> list[tuple[str, str]]:
    """Return the filters that can find something in reports like this one."""
    absent = {"s": "switches", "w": "links", "x": "mistakes", "d": "words"}
    return [(flag, title) for flag, title in FLAGS if absent.get(flag) not in report.lacks]


def _lead(report: Report) -> str:
    frames = sum(part.length for part in report.sequences)
    boxes = sum(part.num_boxes for part in report.sequences)
    filled = sum(part.num_filled for part in report.sequences)
    tracks = sum(part.num_trajectories for part in report.sequences)
    count = len(report.sequences)
    sequences = report.sequences[0].name if count == 1 else f"{count} sequences"
    return (
        f"{sequences}, {frames:,} frames, {tracks:,} trajectories, {boxes:,} boxes of which {filled:,} were filled in."
    )


# -------------------------------------------------------------------------------------------------------------- scores


def _tile(metric: str, value: float, interval: Span | tuple[float, float] | None) -> dict[str, Any]:
    is_count = metric == "IDSW"
    digits = 0 if is_count else 1
    tile: dict[str, Any] = {"metric": metric, "value": f"{value:.{digits}f}", "interval": None}
    if interval is not None:
        scale = 100 / max(interval[1], value, 1) if is_count else 1.0
        tile |= {"interval": f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"}
        tile |= {"low": _short(interval[0] * scale), "high": _short(interval[1] * scale), "at": _short(value * scale)}
    return tile


def _table(report: Report) -> Iterator[dict[str, Any]]:
    hota = next((score for score in report.scores if score.metric == "HOTA"), None)
    for row in report.table:
        name = row["sequence"]
        ends = hota.interval if hota is not None and name not in report.hota else None
        yield {
            "cells": {
                key: value if "." not in value or key == "sequence" else f"{float(value):.1f}"
                for key, value in row.items()
            },
            "at": _short(float(row["HOTA"])),
            "low": None if ends is None else _short(ends[0]),
            "high": None if ends is None else _short(ends[1]),
        }


# ------------------------------------------------------------------------------------------------------------ timeline


def _sequence(number: int, part: SequencePart, report: Report) -> dict[str, Any]:
    rows = [_row(one, part, report) for one in part.trajectories]
    seconds = part.length / part.frame_rate
    hidden = part.num_trajectories - len(rows)
    about = f"{part.length} frames, {seconds:.1f} s, {part.num_trajectories} trajectories"
    return {
        "number": number,
        "name": part.name,
        "length": part.length,
        "about": about + (f", {hidden} short ones not shown" if hidden else ""),
        "ticks": list(_ticks(part.length)),
        "rows": rows,
    }


def _row(one: Trajectory, part: SequencePart, report: Report) -> dict[str, Any]:
    flags = {
        "s": bool(one.switches),
        "w": bool(one.weak_links),
        "f": bool(one.filled),
        "x": one.is_false,
        "d": bool(one.caption),
    }
    weakest = min((link.probability for link in one.weak_links), default=_SURE)
    label = f"Trajectory {one.track_id}, frames {one.first + 1} to {one.last + 1}, {one.boxes} boxes"
    label += f", {one.num_filled} filled" if one.num_filled else ""
    label += f", {len(one.weak_links)} low-confidence links" if one.weak_links else ""
    label += f", {len(one.switches)} identity switches" if one.switches else ""
    label += ", most boxes show nobody" if one.is_false else ""
    return {
        "id": one.track_id,
        "first": one.first,
        "boxes": one.boxes,
        "weakest": f"{weakest:.3f}",
        "switches": len(one.switches),
        "flags": "".join(flag for flag, is_set in flags.items() if is_set),
        "find": f"{part.name} {one.caption}".lower(),
        "label": label,
        "base": f"M{one.first} 6H{one.last + 1}",
        "seen_path": _bars(one.seen, 2, 8),
        "filled_path": _bars(one.filled, 4, 4),
        "switch_path": "".join(f"M{frame} 0v12" for frame in one.switches),
        "weak_path": "".join(f"M{link.frame} 6h0" for link in one.weak_links),
        "caption": one.caption,
        "facts": list(_row_facts(one, part.frame_rate)),
        "scene": one.scene if one.scene is not None and one.scene.picture else None,
    }


def _row_facts(one: Trajectory, frame_rate: float) -> Iterator[str]:
    yield (
        f"Frames {one.first + 1} to {one.last + 1} ({_when((one.first, one.last), frame_rate)}), {one.boxes} boxes, "
        f"mean score of the detections {one.confidence:.2f}."
    )
    if one.filled:
        places = ", ".join(_frames(span) for span in one.filled[:_SHOWN_LINKS])
        more = len(one.filled) - _SHOWN_LINKS
        yield f"{one.num_filled} boxes were filled in: frames {places}{f' and {more} gaps more' if more > 0 else ''}."
    for link in sorted(one.weak_links, key=lambda link: link.probability)[:_SHOWN_LINKS]:
        truth = {True: "; it was right", False: "; it was wrong", None: ""}[link.is_right]
        yield (
            f"Link from frame {link.before + 1} to {link.frame + 1}: {100 * link.probability:.1f} % sure, "
            f"made by level {link.level}{truth}."
        )
    if one.switches:
        yield f"A person came here from another trajectory in frame {', '.join(str(f + 1) for f in one.switches)}."
    if one.matched is not None:
        person = f", most of them person {one.person}" if one.person is not None else ""
        yield f"{one.matched} of {one.scored} boxes that count show somebody of the ground truth{person}."


def _bars(spans: Iterable[Span], top: int, height: int) -> str:
    return "".join(f"M{first} {top}h{last + 1 - first}v{height}h-{last + 1 - first}z" for first, last in spans)


def _ticks(length: int) -> Iterator[dict[str, Any]]:
    step = next((s * 10**e for e in range(9) for s in (1, 2, 5) if length / (s * 10**e) <= 8), length)
    for frame in range(0, length + 1, step):
        x = 100 * frame / length
        yield {
            "x": _short(x),
            "text": str(max(frame, 1)),
            "anchor": "start" if frame == 0 else "end" if x > 97 else "middle",
        }


# ------------------------------------------------------------------------------------------------------------ mistakes


def _mirror(number: int, part: SequencePart, most: int) -> dict[str, Any]:
    def steps(counts: tuple[int, ...], sign: int) -> str:
        heights = [_short(20 - sign * 19 * count / most) for count in counts]
        return "M0 20" + "".join(f"V{height}h1" for height in heights) + "V20z"

    false_total, missed_total = sum(part.false_counts), sum(part.missed_counts)
    return {
        "number": number,
        "name": part.name,
        "bins": len(part.false_counts),
        "false_path": steps(part.false_counts, 1),
        "missed_path": steps(part.missed_counts, -1),
        "false_total": f"{false_total:,}",
        "missed_total": f"{missed_total:,}",
        "label": f"{part.name}: {false_total} boxes that show nobody and {missed_total} misses over time",
    }


def _false_track(number: int, one: FalseTrack) -> dict[str, Any]:
    track = one.trajectory
    return {
        "id": track.track_id,
        "number": number,
        "place": f"t{number}",
        "sequence": one.sequence,
        "wrong": (track.scored or 0) - (track.matched or 0),
        "boxes": track.boxes,
        "when": f"frames {track.first + 1} to {track.last + 1}",
    }


def _longest(missed: tuple[Span, ...]) -> str:
    first, last = max(missed, key=lambda span: (span[1] - span[0], -span[0]))
    return f", longest from {first + 1} to {last + 1}" if len(missed) > 1 else ""


def _in_parts(trajectories: int) -> str:
    return "" if trajectories == 1 else ", never found" if not trajectories else f", in {trajectories} trajectories"


def _pause(frames: int, frame_rate: float) -> str:
    return "" if frames <= 1 else f", {frames} frames ({frames / frame_rate:.1f} s) later"


# -------------------------------------------------------------------------------------------------- levels and ceilings


def _level(one: LevelQuality) -> dict[str, Any]:
    shares = (
        (one.precision, one.right, one.right + one.wrong),
        (one.recall, one.found, one.wanted),
        (one.candidate_recall, one.reachable, one.wanted),
        (one.completeness, one.linked, one.neighbours),
    )
    return {
        "level": one.level,
        "max_gap": f"{one.max_gap} {'frame' if one.max_gap == 1 else 'frames'}",
        "edges": f"{one.edges:,}",
        "accepted": f"{one.accepted:,}",
        "shares": [
            {
                "value": None if value is None else _short(100 * value),
                "text": "" if value is None else f"{100 * value:.1f} %",
                "of": f"{part:,} of {whole:,}",
            }
            for value, part, whole in shares
        ],
    }


def _ceilings(report: Report) -> Iterator[dict[str, Any]]:
    least, most = _ceiling_range(report)

    def across(hota: float) -> str:
        return _short(100 * (hota - least) / (most - least))

    before: float | None = None
    for stage in report.ceilings:
        cost = None if before is None else before - stage.filled
        ends = sorted((stage.filled, stage.filled if before is None else before))
        between = "" if stage.interval is None else f"{stage.interval[0]:.1f} to {stage.interval[1]:.1f}"
        yield {
            "name": stage.name,
            "filled": round(stage.filled, 1),
            "plain": round(stage.plain, 1),
            "cost": "" if cost is None else f"{cost:.1f}",
            "between": between,
            "at": across(stage.filled),
            "from": across(ends[0]),
            "to": across(ends[1]),
            "is_loss": cost is not None and cost > 0,
        }
        before = stage.filled


def _ceiling_range(report: Report) -> tuple[int, int]:
    """Return the ends of the scale: tens around all stages."""
    values = [stage.filled for stage in report.ceilings] or [0.0, 100.0]
    return 10 * int(min(values) // 10), min(10 * int(max(values) // 10) + 10, 100)


# --------------------------------------------------------------------------------------------------------------- words


def _words(number: int, words: Words, frame_rate: float) -> dict[str, Any]:
    def shown(said: Said) -> dict[str, str]:
        return {"text": said.text, "when": _where(said.span, frame_rate)}

    def with_pictures(scenes: Iterable[Scene]) -> list[Scene]:
        return [one for one in scenes if one.picture]

    name = words.sequence.lower()
    return {
        "number": number,
        "place": f"t{number}",
        "sequence": words.sequence,
        "author": words.author,
        "find": f"{name} {' '.join(one.text for one in words.summary)}".lower(),
        "summary": [shown(one) for one in words.summary],
        "acts": [
            {"active": act.active, "passive": act.passive, "label": act.label, "phrase": act.phrase}
            | {"probability": act.probability, "is_mutual": act.is_mutual, "when": _where(act.span, frame_rate)}
            | {"scenes": with_pictures(act.scenes), "find": f"{name} {act.label} {act.phrase}".lower()}
            for act in words.acts
        ],
        "captions": [
            {"id": track_id, "sentences": [shown(one) for one in said]}
            | {"scenes": with_pictures(words.scenes.get(track_id, ()))}
            | {"find": f"{name} {' '.join(one.text for one in said)}".lower()}
            for track_id, said in words.captions.items()
            if said
        ],
    }


def _when(span: Span, frame_rate: float) -> str:
    return f"{span[0] / frame_rate:.1f} to {(span[1] + 1) / frame_rate:.1f} s"


def _where(span: Span, frame_rate: float) -> str:
    return f"frames {_frames(span)}, {_when(span, frame_rate)}"


def _frames(span: Span) -> str:
    return str(span[0] + 1) if span[0] == span[1] else f"{span[0] + 1}–{span[1] + 1}"


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
