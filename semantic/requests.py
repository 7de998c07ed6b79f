"""The questions about a clip: one for a summary, one for each person, one for each pair that may have to do something.

The summary is asked for first; what it says is given to the other requests as background ("macro first"). The id of a
request is a digest of everything that can change its answer, and of nothing else: the describer, the trajectories, the
files of the pictures, how views look, and the request itself. The name of the clip is not part of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from semantic import templates
from semantic.bensmot.vocabulary import surface
from semantic.boxes import BoxTable, box_table
from semantic.config import DescribeConfig
from semantic.overlays import Outline, assign_outlines
from semantic.pairs import PairCandidate, candidate_pairs
from semantic.shortlist import Shortlist
from semantic.structures import Clip, Request, View
from semantic.views import instance_views, leading_people, pair_views, summary_views

_FORMAT = "request 2"  # changes when equal requests would be drawn or read otherwise


@dataclass(frozen=True)
class Plan:
    """All that is asked about one clip, before anything is known of it.

    Attributes:
        clip: The trajectories.
        people: Track ids that get a caption; shorter tracks do not.
        pairs: Whom to ask about together.
        leading: Track ids named in the summary.
        outlines: By track id.
        summary_views: What the summary shows.
        instance_views: What is shown of each of ``people``.
        pair_views: What is shown of each of ``pairs``.
        options: Labels offered.
    """

    clip: Clip
    people: tuple[int, ...]
    pairs: tuple[PairCandidate, ...]
    leading: tuple[int, ...]
    outlines: dict[int, Outline]
    summary_views: tuple[View, ...]
    instance_views: tuple[tuple[View, ...], ...]
    pair_views: tuple[tuple[View, ...], ...]
    options: tuple[str, ...]

    @property
    def frames(self) -> frozenset[int]:
        """All frames that are shown."""
        every = [self.summary_views, *self.instance_views, *self.pair_views]
        return frozenset(view.frame for views in every for view in views)


@dataclass(frozen=True)
class Origin:
    """What an answer depends on besides the request.

    Attributes:
        describer: Fingerprint.
        clip: Digest of the trajectories.
        pictures: Digest of the files; empty without pictures.
        drawing: Digest of how views are drawn.
    """

    describer: str
    clip: str
    pictures: str
    drawing: str


def make_plan(
    clip: Clip, config: DescribeConfig, shortlist: Shortlist | None = None, excluded: Collection[int] = ()
) -> Plan:
    """Return what to ask about a clip.

    Args:
        clip: Trajectories.
        config: Settings.
        shortlist: Labels to offer; the built-in ones when left out.
        excluded: Frames that cannot be shown.
    """
    table: BoxTable = box_table(clip)
    pairs = candidate_pairs(clip, config.pairs, frames=config.views.observations, table=table)
    leading = leading_people(clip, config.views.people, table)
    people = tuple(track.track_id for track in clip.tracks if len(track) >= config.text.least_frames)
    partners: dict[int, set[int]] = {track.track_id: set() for track in clip.tracks}
    for pair in pairs:
        if pair.triggers:
            partners[pair.a].add(pair.b)
            partners[pair.b].add(pair.a)
    return Plan(
        clip=clip,
        people=people,
        pairs=pairs,
        leading=leading,
        outlines=assign_outlines(clip, [(pair.a, pair.b) for pair in pairs] + [leading]),
        summary_views=summary_views(clip, config.views, leading, table=table, excluded=excluded),
        instance_views=tuple(
            instance_views(clip, one, config.views, partners=partners[one], table=table, excluded=excluded)
            for one in people
        ),
        pair_views=tuple(
            pair_views(clip, pair.a, pair.b, [f for f in pair.frames if f not in excluded], config.views, table)
            for pair in pairs
        ),
        options=(shortlist or Shortlist()).labels(clip.name, config.text.options),
    )


def origin_of(describer: str, clip: Clip, pictures: str, config: DescribeConfig) -> Origin:
    """Return what answers about a clip depend on.

    Args:
        describer: Fingerprint.
        clip: Trajectories.
        pictures: ``Pictures.content_key``; empty without pictures.
        config: Of which the sizes of views count.
    """
    drawing = {
        "longest_side": config.views.longest_side,
        "least_side": config.views.least_side,
        "outline": config.views.outline,
    }
    return Origin(describer, clip_digest(clip), pictures, _digest(drawing) if pictures else "")


def summary_request(plan: Plan, origin: Origin, config: DescribeConfig) -> Request:
    """Return the request for the summary of a clip."""
    named = [_named(plan, one) for one in plan.leading]
    more = len(plan.clip.tracks) - len(named)
    if more:
        named.append(f"and {more} more without outline")
    prompt = templates.fill("summary", frames=len(plan.summary_views), people=", ".join(named) or "none")
    subjects = tuple(track.track_id for track in plan.clip.tracks)
    return _request(plan, origin, "summary", subjects, plan.summary_views, prompt, (), config.text.summary_tokens)


def subject_requests(plan: Plan, origin: Origin, config: DescribeConfig, summary: str) -> tuple[Request, ...]:
    """Return the requests about people, then those about pairs.

    Args:
        plan: Of the clip.
        origin: What answers depend on.
        config: Lengths.
        summary: Text of the summary, not trusted; empty where there is none.
    """
    told = templates.quoted(summary, config.text.context_words)
    context = "\n" + templates.fill("context", summary=told) if told else ""
    requests = []
    for one, views in zip(plan.people, plan.instance_views, strict=True):
        prompt = templates.fill("instance", frames=len(views), person=_named(plan, one), context=context)
        requests.append(_request(plan, origin, "instance", (one,), views, prompt, (), config.text.instance_tokens))
    options = "\n".join(f"{label}: {surface(label)}" for label in plan.options)
    for pair, views in zip(plan.pairs, plan.pair_views, strict=True):
        prompt = templates.fill(
            "pair",
            frames=len(views),
            first=_named(plan, pair.a),
            second=_named(plan, pair.b),
            context=context,
            options=options,
            a=pair.a,
            b=pair.b,
            most=config.text.labels,
        )
        subjects = (pair.a, pair.b)
        requests.append(_request(plan, origin, "pair", subjects, views, prompt, plan.options, config.text.pair_tokens))
    return tuple(requests)


def clip_digest(clip: Clip) -> str:
    """Return a digest of the trajectories, sizes and times of a clip; not of its name, nor of names of files."""
    digest = hashlib.sha256(f"clip 1 {clip.length} {float(clip.frame_rate)!r}".encode())
    digest.update(clip.sizes.astype("<i8").tobytes())
    for track in clip.tracks:
        digest.update(f"track {track.track_id} {len(track)}".encode())
        digest.update(track.frame.astype("<i8").tobytes())
        digest.update(track.boxes_xyxy.astype("<f8").tobytes())
        digest.update(track.confidence.astype("<f8").tobytes())
        digest.update(track.is_interpolated.astype("u1").tobytes())
    return digest.hexdigest()


def _request(
    plan: Plan,
    origin: Origin,
    kind: str,
    subjects: tuple[int, ...],
    views: tuple[View, ...],
    prompt: str,
    options: Sequence[str],
    max_new_tokens: int,
) -> Request:
    shown = {one for view in views for one in view.outlined}
    request_id = _digest(
        {
            "format": _FORMAT,
            "origin": dataclasses.asdict(origin),
            "system": templates.template("system"),
            "kind": kind,
            "subjects": subjects,
            "views": [dataclasses.astuple(view) for view in views],
            "outlines": sorted((one, plan.outlines[one].name) for one in shown),
            "prompt": prompt,
            "options": tuple(options),
            "max_new_tokens": max_new_tokens,
        }
    )
    return Request(request_id, plan.clip.name, kind, subjects, views, prompt, tuple(options), max_new_tokens)


def _named(plan: Plan, track_id: int) -> str:
    return f"P{track_id} ({plan.outlines[track_id].name})"


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
