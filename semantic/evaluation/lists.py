"""What is compared with what: predictions and annotations of many clips as lists of pairs.

Everything later steps need is decided here once: which clips count, which predicted track stands for which annotated
one, which texts and which labels face each other, and how much of the annotations is reached at all. A clip without
results counts as one about which nothing was said; a clip without annotations cannot be scored; both are counted.

Under ``gt`` and ``hungarian`` every annotated person has one caption to be compared, an empty one where nobody was
found. Under ``argmax`` only predictions are compared, as the released script does: people nobody found vanish, and a
person found twice counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from semantic.bensmot.annotations import SOURCE, annotated
from semantic.bensmot.vocabulary import LABELS
from semantic.evaluation.captions import TextPair
from semantic.evaluation.matching import Rule, match
from semantic.structures import Clip, Interaction, Semantics
from sushi_lg.errors import DataError

Record = tuple[Clip, Semantics]
_KINDS = frozenset(("captions", "interactions", "summary"))
_LABELS = frozenset(LABELS)


@dataclass(frozen=True)
class LabelPair:
    """The labels of one ordered pair of people that annotators said something about.

    Attributes:
        clip: number of the clip.
        predicted: what was predicted of the two, of any probability.
        annotated: what annotators said, at least one label.
    """

    clip: int
    predicted: tuple[Interaction, ...]
    annotated: tuple[Interaction, ...]


@dataclass(frozen=True)
class ClipLabels:
    """All interactions of a clip, whoever was found.

    Attributes:
        predicted: each with the annotated ids (active, passive) it is about; None where one of the two is nobody, or
            both are the same person.
        annotated: all of them.
    """

    predicted: tuple[tuple[Interaction, tuple[int, int] | None], ...]
    annotated: tuple[Interaction, ...]


@dataclass(frozen=True)
class Coverage:
    """How much of the annotations was reached; numbers of captions mean little without it.

    Attributes:
        clips: annotated ones, all of them scored.
        clips_without_results: scored as if nothing had been said.
        clips_without_annotations: left out.
        clips_of_other_length: those whose results have another number of frames: tracks are compared frame by frame.
        incomplete_clips: annotated ones that lack captions, interactions or summary; left out as the released script
            does, or scored on what they have.
        annotated_tracks: people who count: all, or those with a caption where others are left out.
        captioned_tracks: people with a caption.
        found_tracks: people some prediction stands for.
        predicted_tracks: tracks in the results.
        matched_tracks: predicted tracks that stand for somebody.
        captions: pairs of captions compared.
        empty_captions: those where nothing was said.
        summaries: pairs of summaries compared; clips without an annotated one have none.
        empty_summaries: those where nothing was said.
        annotated_pairs: ordered pairs of people with labels.
        scored_pairs: ordered pairs compared label by label; more than there are where people were found twice.
        reached_pairs: annotated pairs among them.
        annotated_labels: labels of all pairs.
        predicted_labels: labels in the results, of any probability.
    """

    clips: int = 0
    clips_without_results: int = 0
    clips_without_annotations: int = 0
    clips_of_other_length: int = 0
    incomplete_clips: int = 0
    annotated_tracks: int = 0
    captioned_tracks: int = 0
    found_tracks: int = 0
    predicted_tracks: int = 0
    matched_tracks: int = 0
    captions: int = 0
    empty_captions: int = 0
    summaries: int = 0
    empty_summaries: int = 0
    annotated_pairs: int = 0
    scored_pairs: int = 0
    reached_pairs: int = 0
    annotated_labels: int = 0
    predicted_labels: int = 0

    @property
    def found_share(self) -> float:
        """Share of people who count that some prediction stands for; nan without people."""
        return self.found_tracks / self.annotated_tracks if self.annotated_tracks else float("nan")


@dataclass(frozen=True)
class Lists:
    """What is compared with what.

    Attributes:
        clips: names of the annotated clips, sorted; other fields count them from 0.
        records: prediction (None where there is none) and annotation of every clip.
        captions: of single people.
        summaries: of clips.
        pairs: labels of pairs of people that annotators said something about ("oracle pairs").
        labels: all labels of every clip ("open pairs").
        coverage: of all that.
        without_results: names of annotated clips without results.
        without_annotations: names of results without annotations.
    """

    clips: tuple[str, ...]
    records: tuple[tuple[Record | None, Record], ...]
    captions: tuple[TextPair, ...]
    summaries: tuple[TextPair, ...]
    pairs: tuple[LabelPair, ...]
    labels: tuple[ClipLabels, ...]
    coverage: Coverage
    without_results: tuple[str, ...] = ()
    without_annotations: tuple[str, ...] = ()


def collect(
    predictions: Iterable[Record], annotations: Iterable[Record], rule: Rule, *, as_released: bool = False
) -> Lists:
    """Put predictions and annotations side by side.

    Args:
        predictions: any clips, in any order.
        annotations: clips to score, in any order.
        rule: how predicted tracks find their annotated ones.
        as_released: leave out what the released code leaves out: clips that lack captions, interactions or a summary,
            and before matching people without a caption, with their oracle pairs.

    Raises:
        DataError: no annotations, a clip twice, no clip in common, or results that are not on the annotated tracks as
            ``rule`` wants them.
    """
    ours, theirs = _by_name(predictions, "results"), _by_name(annotations, "annotations")
    if not theirs:
        raise DataError("no annotated clips", "give a folder with annotations, or another split")
    if not ours.keys() & theirs.keys():
        raise DataError(
            f"no clip is in both: results have {_some(ours)}, annotations {_some(theirs)}",
            "clips are compared by name, <scenario>/<clip> in BenSMOT; check folders and split",
        )
    whole = {name for name, (_, semantics) in theirs.items() if not _KINDS - _annotated_kinds(semantics)}
    names = tuple(sorted(whole if as_released else theirs))
    if not names:
        raise DataError(
            "no clip has captions, interactions and a summary", "--profile coco needs no more than one of them"
        )
    records = tuple((ours.get(name), theirs[name]) for name in names)
    parts = [
        _collect_clip(number, prediction, truth, rule, as_released)
        for number, (prediction, truth) in enumerate(records)
    ]
    unknown = tuple(sorted(ours.keys() - theirs.keys()))
    left_out = Coverage(clips_without_annotations=len(unknown), incomplete_clips=len(theirs) - len(whole))
    coverage = _total([left_out, *(part.coverage for part in parts)])
    return Lists(
        names,
        records,
        tuple(pair for part in parts for pair in part.captions),
        tuple(pair for part in parts for pair in part.summaries),
        tuple(pair for part in parts for pair in part.pairs),
        tuple(part.labels for part in parts),
        coverage,
        tuple(name for name in names if name not in ours),
        unknown,
    )


@dataclass(frozen=True)
class _Part:
    """What one clip adds to the lists."""

    captions: list[TextPair]
    summaries: list[TextPair]
    pairs: list[LabelPair]
    labels: ClipLabels
    coverage: Coverage


def _collect_clip(number: int, prediction: Record | None, truth: Record, rule: Rule, as_released: bool) -> _Part:
    clip, truths = truth
    references = {caption.track_id: caption.text for caption in truths.captions if caption.text.strip()}
    tracks = [track for track in clip.tracks if not as_released or track.track_id in references]
    people = {track.track_id for track in tracks}
    relations = tuple(each for each in truths.interactions if {each.active, each.passive} <= people)

    predicted = prediction[1] if prediction else Semantics(clip.name, (), (), ())
    predicted_tracks = prediction[0].tracks if prediction else ()
    matched = match(predicted_tracks, clip.tracks if rule is Rule.gt else tracks, rule, clip.name)
    found = {ours: theirs for ours, theirs in matched.items() if theirs in people}
    said = {caption.track_id: caption.text for caption in predicted.captions}

    if rule is Rule.argmax:
        compared = [(said.get(ours, ""), references.get(theirs)) for ours, theirs in found.items()]
    else:
        ours_of = {theirs: ours for ours, theirs in found.items()}
        compared = [
            (said.get(ours_of[person], "") if person in ours_of else "", references.get(person))
            for person in sorted(people)
        ]
    captions = [TextPair(number, text, reference) for text, reference in compared if reference is not None]
    summary = truths.summary_text
    summaries = [TextPair(number, predicted.summary_text, summary)] if summary.strip() else []

    # without annotated interactions nobody knows whether there are any
    labels = predicted.interactions if "interactions" in _annotated_kinds(truths) else ()
    pairs = _oracle_pairs(number, labels, relations, found)
    keyed = tuple((each, _annotated_ids(each, found)) for each in labels)
    annotated_pairs = {(each.active, each.passive) for each in truths.interactions}
    coverage = Coverage(
        clips=1,
        clips_without_results=int(prediction is None),
        clips_of_other_length=int(prediction is not None and _is_other_length(prediction[0], clip)),
        annotated_tracks=len(tracks),
        captioned_tracks=len(references),
        found_tracks=len(set(found.values())),
        predicted_tracks=len(predicted_tracks),
        matched_tracks=len(found),
        captions=len(captions),
        empty_captions=sum(not pair.candidate.strip() for pair in captions),
        summaries=len(summaries),
        empty_summaries=sum(not pair.candidate.strip() for pair in summaries),
        annotated_pairs=len(annotated_pairs),
        scored_pairs=len(pairs),
        reached_pairs=len({(pair.annotated[0].active, pair.annotated[0].passive) for pair in pairs}),
        annotated_labels=len(truths.interactions),
        predicted_labels=len(labels),
    )
    return _Part(captions, summaries, pairs, ClipLabels(keyed, truths.interactions), coverage)


def _is_other_length(ours: Clip, theirs: Clip) -> bool:
    """Tell whether two clips are not the same pictures; annotations without pictures end with their last box."""
    return ours.length != theirs.length if theirs.stems else ours.length < theirs.length


def _oracle_pairs(
    number: int, predicted: Sequence[Interaction], annotated: Sequence[Interaction], found: Mapping[int, int]
) -> list[LabelPair]:
    """Return a row for every ordered pair of matched tracks whose people have annotated labels."""
    said, truth = _by_pair(predicted), _by_pair(annotated)
    return [
        LabelPair(number, tuple(said.get((active, passive), ())), tuple(labels))
        for active, active_person in found.items()
        for passive, passive_person in found.items()
        if (labels := truth.get((active_person, passive_person)))
    ]


def _by_pair(interactions: Sequence[Interaction]) -> dict[tuple[int, int], list[Interaction]]:
    pairs: dict[tuple[int, int], list[Interaction]] = {}
    for each in interactions:
        pairs.setdefault((each.active, each.passive), []).append(each)
    return pairs


def _annotated_ids(interaction: Interaction, found: Mapping[int, int]) -> tuple[int, int] | None:
    active, passive = found.get(interaction.active), found.get(interaction.passive)
    if active is None or passive is None or active == passive:
        return None
    return active, passive


def _by_name(records: Iterable[Record], what: str) -> dict[str, Record]:
    named: dict[str, Record] = {}
    for clip, semantics in records:
        if clip.name in named:
            raise DataError(f"{clip.name}: twice in the {what}", "keep one of the two")
        for each in semantics.interactions:
            if each.label not in _LABELS:
                raise DataError(
                    f"{clip.name}: {each.label[:60]!r} in the {what} is no name of the vocabulary",
                    "semantic/bensmot/labels.tsv lists the names",
                )
        named[clip.name] = clip, semantics
    return named


def _annotated_kinds(semantics: Semantics) -> frozenset[str]:
    """Return which kinds of annotation a clip has; those of files without that note are what is in them."""
    if semantics.provenance.get("describer") == SOURCE:
        return annotated(semantics)
    kinds = {"captions": semantics.captions, "interactions": True, "summary": semantics.summary}
    return frozenset(kind for kind, there in kinds.items() if there)


def _total(parts: Sequence[Coverage]) -> Coverage:
    return Coverage(**{each.name: sum(getattr(part, each.name) for part in parts) for each in fields(Coverage)})


def _some(named: Mapping[str, Record]) -> str:
    return f"{len(named)} clips such as {min(named)}" if named else "none"
