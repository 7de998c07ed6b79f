"""All scores of a set of results, in one of two profiles that never stand in one table.

``bensmot-ref`` gives the numbers of the evaluation script released with BenSMOT, to the digit, its ways included:

* BLEU compares letters (``BLEU4c``); BLEU of words stands beside it.
* METEOR is NLTK's; ROUGE and CIDEr see capitals and punctuation.
* Labels are vectors of 360 slots, a slot for every spelling of the annotations, faulty ones too.
* Clips that lack one kind of annotation, and people without a caption, are left out.
* With ``argmax``, several predictions may be compared with one person, and people nobody found vanish: the shares of
  people found and of pairs reached belong to the numbers.

``coco`` gives what papers on captions report, and labels by their names: on everything that is annotated, with F1 also
where names of one WordNet entry, of one lemma and of one group of meaning count as the same.

Known differences to the released code: overlaps are taken in pixels of the filmed picture, where that code compares
boxes of two scales; and it knows no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from semantic.evaluation.bootstrap import DRAWS, measure_interval
from semantic.evaluation.captions import TextPair, coco_measures, raw_measures
from semantic.evaluation.chota import chota_measures
from semantic.evaluation.interactions import (
    THRESHOLD,
    Classes,
    LabelScore,
    average_precisions,
    direction_accuracy,
    group_classes,
    label_class,
    lemma_class,
    macro_f1,
    mean_average_precision,
    open_measures,
    oracle_measures,
    slot_class,
    synset_class,
)
from semantic.evaluation.lists import Coverage, Lists, Record, collect
from semantic.evaluation.matching import Rule
from semantic.evaluation.measures import Measure
from semantic.evaluation.tokens import coco_tokens
from sushi_lg.errors import ConfigError
from sushi_lg.evaluation.draws import Interval, draw_times

CAPTIONS, SUMMARIES, ORACLE, OPEN = "captions", "summaries", "oracle pairs", "open pairs"
CHOTA = "tracks and captions"
_SHOWN = 5  # names of clips in a note
TextMeasures = Callable[[Sequence[TextPair], int, bool | None], list[Measure]]


@dataclass(frozen=True)
class Profile:
    """How texts and labels are compared.

    Attributes:
        name: as users write it.
        as_released: whether is left out what the released code leaves out.
        texts: measures of pairs of texts, of a number of clips, with or without METEOR of Java.
        words: parts a caption into words, for CHOTA2.
        classes: what counts as the same label.
        by_label: whether scores of single labels, of directions and of coarser labels belong to it.
    """

    name: str
    as_released: bool
    texts: TextMeasures
    words: Callable[[str], Sequence[str]]
    classes: Classes
    by_label: bool


def _raw_texts(pairs: Sequence[TextPair], num_clips: int, java: bool | None) -> list[Measure]:
    return raw_measures(pairs, num_clips)  # has no METEOR of Java


def _coco_texts(pairs: Sequence[TextPair], num_clips: int, java: bool | None) -> list[Measure]:
    return coco_measures(pairs, num_clips, java=java)


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("bensmot-ref", True, _raw_texts, str.split, slot_class, by_label=False),
        Profile("coco", False, _coco_texts, coco_tokens, label_class, by_label=True),
    )
}


@dataclass(frozen=True)
class Block:
    """Scores of one thing.

    Attributes:
        title: what is scored.
        items: how many pairs of texts, rows of labels, annotated labels or boxes with captions were compared.
        measures: the numbers.
        intervals: of the numbers, by name; those that have one.
    """

    title: str
    items: int
    measures: tuple[Measure, ...]
    intervals: Mapping[str, Interval] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """Return a number by its name.

        Raises:
            KeyError: no such number.
        """
        return {measure.name: measure.value for measure in self.measures}[name]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; null for numbers that there are none of."""
        content: dict[str, Any] = {"compared": self.items}
        for each in self.measures:
            content[each.name] = _number(each.value)
        content["intervals"] = {name: [one.low, one.high] for name, one in self.intervals.items()}
        return content


@dataclass(frozen=True)
class Evaluation:
    """All scores of a set of results in one profile.

    Attributes:
        profile: its name.
        rule: how predicted tracks found their annotated ones.
        draws: number of draws behind the intervals, 0 for none.
        blocks: scores, by title: captions, summaries, interactions, tracking with captions.
        labels: scores of single labels; empty where the profile has none.
        coverage: how much of the annotations was reached.
        without_results: annotated clips without results, scored as empty.
        without_annotations: results without annotations, not scored.
    """

    profile: str
    rule: Rule
    draws: int
    blocks: Mapping[str, Block]
    labels: tuple[LabelScore, ...]
    coverage: Coverage
    without_results: tuple[str, ...]
    without_annotations: tuple[str, ...]

    def tables(self) -> list[list[dict[str, str]]]:
        """Return tables of text, see ``tables_of``."""
        return tables_of(self.blocks.values(), self.profile)

    def notes(self) -> list[str]:
        """Return what a reader of the numbers must know, a sentence each."""
        seen = self.coverage
        notes = [
            f"{seen.clips} clips; {seen.found_tracks} of {seen.annotated_tracks} people found "
            f"({seen.found_share:.1%}); {seen.matched_tracks} of {seen.predicted_tracks} predicted tracks are one of "
            "them",
            f"{seen.captions} captions compared, {seen.empty_captions} of them empty; "
            f"{seen.captioned_tracks} people have one",
            f"{seen.reached_pairs} of {seen.annotated_pairs} annotated ordered pairs reached, "
            f"{seen.scored_pairs} rows compared",
        ]
        if self.without_results:
            notes.append(f"no results, scored as empty: {_named(self.without_results)}")
        if self.without_annotations:
            notes.append(f"no annotations, not scored: {_named(self.without_annotations)}")
        if seen.clips_of_other_length:
            notes.append(
                f"clips with another number of frames than are annotated: {seen.clips_of_other_length}; their tracks "
                "are compared frame by frame all the same: describe the pictures that were annotated"
            )
        if seen.incomplete_clips:
            released = PROFILES[self.profile].as_released
            how = "left out, as the released code does" if released else "scored on the rest"
            notes.append(f"clips that lack captions, interactions or a summary: {seen.incomplete_clips}, {how}")
        return notes

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; null for numbers that there are none of."""
        return {
            "profile": self.profile,
            "tracks": self.rule.value,
            "threshold": THRESHOLD,
            "bootstrap": self.draws,
            "scores": {title: block.to_json() for title, block in self.blocks.items()},
            "labels": {score.label: {"items": score.items, "AP": _number(score.precision)} for score in self.labels},
            "coverage": {**asdict(self.coverage), "found_share": _number(self.coverage.found_share)},
            "without_results": list(self.without_results),
            "without_annotations": list(self.without_annotations),
        }


def evaluate(
    predictions: Iterable[Record],
    annotations: Iterable[Record],
    profile: str,
    rule: Rule,
    *,
    draws: int = DRAWS,
    java: bool | None = None,
) -> Evaluation:
    """Score results against annotations.

    Args:
        predictions: clips and what is said about them.
        annotations: clips and what annotators said about them.
        profile: one of ``PROFILES``.
        rule: how predicted tracks find their annotated ones.
        draws: number of draws for intervals of 95 %; 0 for none.
        java: whether METEOR of ``coco`` is the one in Java; by default where there is Java.

    Raises:
        ConfigError: unknown profile.
        DataError: records that cannot be compared; see ``collect``.
    """
    if profile not in PROFILES:
        raise ConfigError(f"profile: {profile!r} is unknown", f"profiles: {', '.join(PROFILES)}")
    how = PROFILES[profile]
    lists = collect(predictions, annotations, rule, as_released=how.as_released)
    num_clips = len(lists.clips)
    labels = average_precisions(lists.labels) if how.by_label else []
    tracking, described = chota_measures(lists.records, how.words)
    scores = {
        CAPTIONS: (len(lists.captions), how.texts(lists.captions, num_clips, java)),
        SUMMARIES: (len(lists.summaries), how.texts(lists.summaries, num_clips, java)),
        ORACLE: (len(lists.pairs), _oracle(lists, how)),
        OPEN: (lists.coverage.annotated_labels, _open(lists, how, labels)),
        CHOTA: (described, tracking),
    }
    drawn = draw_times(num_clips, draws) if draws else None
    blocks = {}
    for title, (items, measures) in scores.items():
        found = {each.name: measure_interval(each, drawn) for each in measures} if drawn is not None else {}
        intervals = {name: one for name, one in found.items() if one is not None}
        blocks[title] = Block(title, items, tuple(measures), intervals)
    return Evaluation(
        profile,
        rule,
        draws,
        blocks,
        tuple(labels),
        lists.coverage,
        lists.without_results,
        lists.without_annotations,
    )


def _oracle(lists: Lists, how: Profile) -> list[Measure]:
    num_clips = len(lists.clips)
    measures = oracle_measures(lists.pairs, num_clips, how.classes)
    if how.by_label:
        for name, classes in _coarser():
            f1 = oracle_measures(lists.pairs, num_clips, classes)[2]
            measures.append(replace(f1, name=f"F1 {name}"))
        measures.append(macro_f1(lists.pairs, num_clips, how.classes))
    return measures


def _open(lists: Lists, how: Profile, labels: Sequence[LabelScore]) -> list[Measure]:
    measures = open_measures(lists.labels, how.classes)
    if how.by_label:
        for name, classes in _coarser():
            measures.append(replace(open_measures(lists.labels, classes)[2], name=f"F1 {name}"))
        measures += [mean_average_precision(labels), direction_accuracy(lists.labels)]
    return measures


def _coarser() -> list[tuple[str, Classes]]:
    """Return names and classes of coarser labels; groups of meaning only where there is WordNet."""
    group = group_classes()
    return [("synset", synset_class), ("lemma", lemma_class), *([("group", group)] if group else [])]


def tables_of(blocks: Iterable[Block], profile: str) -> list[list[dict[str, str]]]:
    """Return tables of text: blocks with the same numbers share one; the interval stands below its number."""
    tables: list[list[dict[str, str]]] = []
    for block in blocks:
        rows = _rows(block, profile)
        if tables and list(tables[-1][0]) == list(rows[0]):
            tables[-1] += rows
        else:
            tables.append(rows)
    return tables


def _rows(block: Block, heading: str) -> list[dict[str, str]]:
    values = {each.name: _text(each.value) for each in block.measures}
    rows = [{heading: block.title, "compared": str(block.items), **values}]
    if block.intervals:
        found = {each.name: block.intervals.get(each.name) for each in block.measures}
        ends = {name: f"{one.low:.3f}..{one.high:.3f}" if one else "" for name, one in found.items()}
        rows.append({heading: "  95 %", "compared": "", **ends})
    return rows


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN])}{more}"
