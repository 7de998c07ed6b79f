"""Ground truth of BenSMOT in the records of the stage, so that it can be compared with what is said about tracks.

``sushi_lg.data.bensmot`` reads the files; here spellings of interactions become names of the vocabulary, and what is
known about a clip becomes a ``Clip`` and its ``Semantics``. The way back serves writers of data sets and exporters.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semantic.bensmot.vocabulary import canonical, fingerprint
from semantic.structures import Caption, Clip, Interaction, Semantics, Sentence, Track
from sushi_lg.data.bensmot import BensmotClip, BensmotTrack, Relation, read_bensmot
from sushi_lg.data.layouts import LAYOUTS
from sushi_lg.errors import DataError

SOURCE = "annotation"
HELD_OUT_SHARE = 0.1
HELD_OUT_SEED = 0
_KINDS = "annotated"  # key of the provenance: which kinds of annotation a clip has
_VIDEO = re.compile(r"(.+)_[0-9]+")


@dataclass(frozen=True)
class Annotations:
    """Ground truth of many clips.

    Attributes:
        pairs: ``(clip, semantics)`` by name of the clip.
        faults: how often each kind of fault was met, those of the files included.
    """

    pairs: tuple[tuple[Clip, Semantics], ...]
    faults: Counter[str]


def read_annotations(folder: str | Path, split: str | None = None) -> Annotations:
    """Read the ground truth of a data set in the layout of BenSMOT.

    Args:
        folder: The data set, a part of it, a scenario or one clip.
        split: ``train`` or ``test``; None takes what is there.

    Raises:
        DataError: no such folder, no clip in it, or a combined file that is not what it should be.
    """
    pairs = tuple(annotation_of(clip) for clip in read_bensmot(folder, split).clips)
    faults: Counter[str] = Counter()
    for _, semantics in pairs:
        faults.update(semantics.counts)
    return Annotations(pairs, faults)


def annotation_of(clip: BensmotClip) -> tuple[Clip, Semantics]:
    """Return a clip of the data set in the records of the stage.

    A caption is one sentence about the frames of its track. An interaction has the frames in which both people are
    seen, or the whole clip, as nothing says when it happens. Spellings outside the vocabulary are left out and counted.
    ``annotated`` tells which kinds of annotation the clip has.
    """
    rate = clip.frame_rate or LAYOUTS["BenSMOT"].frame_rate or 1.0
    tracks = tuple(
        Track(
            track_id=track.track_id,
            frame=track.frame,
            boxes_xyxy=track.boxes_xyxy,
            confidence=np.ones(len(track.frame)),
            is_interpolated=np.zeros(len(track.frame), dtype=bool),
        )
        for track in clip.tracks
    )
    frames = {track.track_id: track.frame for track in tracks}
    captions = tuple(
        Caption(one, (Sentence(text, (one,), int(frames[one][0]), int(frames[one][-1])),))
        for one, text in sorted(clip.captions.items())
    )
    last = max(clip.length - 1, 0)
    summary = (Sentence(clip.summary, tuple(sorted(frames)), 0, last),) if clip.summary else ()
    counts = Counter(clip.faults)
    interactions: dict[tuple[int, int, str], Interaction] = {}
    for relation in clip.relations or ():
        shared = np.intersect1d(frames[relation.active], frames[relation.passive])
        span = (int(shared[0]), int(shared[-1])) if len(shared) else (0, last)
        if not len(shared):
            counts["interactions of people never seen together"] += 1
        for raw in relation.labels:
            try:
                labels = canonical(raw)
            except DataError:
                counts["labels outside the vocabulary, left out"] += 1
                continue
            if labels != (raw,):
                counts["labels spelt otherwise than the vocabulary"] += 1
            for label in labels:
                key = (relation.active, relation.passive, label)
                if key in interactions:
                    counts["labels that a pair has in two spellings"] += 1
                    continue
                spelt = "" if raw == label else raw
                interactions[key] = Interaction(*key, 1.0, *span, source=SOURCE, raw=spelt)
    has = {"captions": bool(captions), "interactions": clip.relations is not None, "summary": bool(summary)}
    semantics = Semantics(
        clip=clip.name,
        captions=captions,
        interactions=tuple(interactions[key] for key in sorted(interactions)),
        summary=summary,
        counts=dict(counts),
        provenance={
            "describer": SOURCE,
            "split": clip.split,
            "vocabulary": fingerprint(),
            _KINDS: " ".join(kind for kind, there in has.items() if there),
        },
    )
    return Clip(clip.name, clip.length, rate, clip.sizes, tracks, clip.stems), semantics


def annotated(semantics: Semantics) -> frozenset[str]:
    """Return what of ``captions``, ``interactions`` and ``summary`` somebody annotated in a clip of ground truth.

    A clip without interactions is one of which nobody said whether there are any, not one in which there are none.
    """
    return frozenset(semantics.provenance.get(_KINDS, "").split())


def bensmot_clip_of(clip: Clip, semantics: Semantics, *, split: str = "") -> BensmotClip:
    """Return records of the stage as a clip of the data set, annotated labels in the spelling they were read in.

    Predictions have the names of the vocabulary: how a model spelt them is its own text, and no label.
    Interactions count as annotated, also if there are none, unless the semantics are annotations that lack them.
    """
    by_pair: dict[tuple[int, int], dict[str, None]] = defaultdict(dict)
    for one in semantics.interactions:
        spelt = one.raw if one.source == SOURCE and one.raw else one.label
        by_pair[one.active, one.passive][spelt] = None
    lacks = _KINDS in semantics.provenance and "interactions" not in annotated(semantics)
    return BensmotClip(
        name=clip.name,
        split=split,
        stems=clip.stems,
        sizes=clip.sizes,
        tracks=tuple(BensmotTrack(track.track_id, track.frame, track.boxes_xyxy) for track in clip.tracks),
        captions={caption.track_id: caption.text for caption in semantics.captions if caption.text},
        names={},
        summary=semantics.summary_text,
        relations=None if lacks else tuple(Relation(*pair, tuple(labels)) for pair, labels in sorted(by_pair.items())),
        frame_rate=clip.frame_rate,
    )


def held_out(names: Iterable[str], share: float = HELD_OUT_SHARE, seed: int = HELD_OUT_SEED) -> frozenset[str]:
    """Return the clips of a training set that are kept for thresholds and early stopping: the release has none.

    In every scenario whole videos are taken, by rising hash of their name, until they hold the share of its clips,
    rounded; clips cut from one video (``<video>_0``, ``<video>_1``) are never on both sides. So the choice depends on
    nothing but the names and the seed.

    Args:
        names: ``<scenario>/<clip>``.
        share: Of the clips of a scenario, in [0, 1].
        seed: Another one makes another choice.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}, not in [0, 1]")
    by_scenario: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(set(names)):
        scenario, _, clip = name.rpartition("/")
        by_scenario[scenario][_video_of(clip)].append(name)
    chosen: set[str] = set()
    for videos in by_scenario.values():
        wanted = int(share * sum(map(len, videos.values())) + 0.5)
        taken = 0
        for video in sorted(videos, key=lambda video: hashlib.sha256(f"{seed}:{video}".encode()).hexdigest()):
            if taken >= wanted:
                break
            chosen.add(video)
            taken += len(videos[video])
    # A video cut up over several scenarios is held out in all of them.
    return frozenset(
        name for videos in by_scenario.values() for video in videos if video in chosen for name in videos[video]
    )


def _video_of(clip: str) -> str:
    match = _VIDEO.fullmatch(clip)
    return match[1] if match else clip
