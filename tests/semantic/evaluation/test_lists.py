from __future__ import annotations

from dataclasses import replace

import pytest
from spoken import clip_of, interaction, said, small_world, standing

from semantic.evaluation.lists import Lists, Record, collect
from semantic.evaluation.matching import Rule
from sushi_lg.errors import DataError

NAME = "street/clip"


def truth() -> Record:
    people = [standing(1, 10), standing(2, 200), standing(3, 400)]
    relations = [interaction(1, 2, "talk.v.01"), interaction(2, 3, "look.v.01")]
    return clip_of(NAME, people), said(NAME, {1: "A man talks.", 2: "A woman listens."}, relations, "They meet.")


def prediction(*tracks: tuple[int, float], texts: bool = True) -> Record:
    people = [standing(number, left) for number, left in tracks]
    captions = {number: f"track {number}" for number, _ in tracks} if texts else {}
    relations = [interaction(a, b, "talk.v.01", source="mllm") for a, _ in tracks for b, _ in tracks if a < b]
    return clip_of(NAME, people), said(NAME, captions, relations, "Something happens." if texts else "")


def texts(lists: Lists) -> list[tuple[str, str]]:
    return [(pair.candidate, pair.reference) for pair in lists.captions]


def test_argmax_compares_predictions_and_forgets_people_nobody_found() -> None:
    lists = collect([prediction((7, 12), (8, 14))], [truth()], Rule.argmax)
    assert texts(lists) == [("track 7", "A man talks."), ("track 8", "A man talks.")]
    assert lists.pairs == ()
    seen = lists.coverage
    assert (seen.found_tracks, seen.annotated_tracks, seen.matched_tracks, seen.predicted_tracks) == (1, 3, 2, 2)
    assert (seen.annotated_pairs, seen.reached_pairs, seen.captions) == (2, 0, 2)
    assert seen.found_share == pytest.approx(1 / 3)


def test_one_to_one_compares_people_and_those_nobody_found_have_an_empty_caption() -> None:
    lists = collect([prediction((7, 12), (8, 14))], [truth()], Rule.hungarian)
    assert texts(lists) == [("track 7", "A man talks."), ("", "A woman listens.")]
    assert lists.coverage.empty_captions == 1
    assert [(pair.candidate, pair.reference) for pair in lists.summaries] == [("Something happens.", "They meet.")]


def test_oracle_pairs_are_ordered_pairs_with_annotations() -> None:
    lists = collect([prediction((7, 12), (8, 201), (9, 401))], [truth()], Rule.argmax)
    rows = [([each.label for each in pair.predicted], [each.label for each in pair.annotated]) for pair in lists.pairs]
    assert rows == [(["talk.v.01"], ["talk.v.01"]), (["talk.v.01"], ["look.v.01"])]
    [labels] = lists.labels
    assert [people for _, people in labels.predicted] == [(1, 2), (1, 3), (2, 3)]


def test_a_person_found_twice_gives_two_oracle_rows() -> None:
    lists = collect([prediction((6, 11), (7, 12), (8, 201))], [truth()], Rule.argmax)
    assert (lists.coverage.scored_pairs, lists.coverage.reached_pairs) == (2, 1)


def test_as_released_people_without_a_caption_are_left_out() -> None:
    results = prediction((7, 12), (8, 201), (9, 401))
    lists = collect([results], [truth()], Rule.argmax, as_released=True)
    assert lists.coverage.matched_tracks == 2 and lists.coverage.annotated_tracks == 2
    assert lists.coverage.scored_pairs == 1  # what happens to person 3 is not asked
    assert lists.coverage.annotated_pairs == 2 and len(lists.labels[0].annotated) == 2  # but counts as missed


def test_as_released_a_prediction_may_belong_to_the_next_best_person_with_a_caption() -> None:
    clip, semantics = truth()
    people = (standing(1, 10), standing(2, 200), standing(3, 215))
    results = prediction((7, 215))
    record = replace(clip, tracks=people), semantics
    assert texts(collect([results], [record], Rule.argmax)) == []
    assert texts(collect([results], [record], Rule.argmax, as_released=True)) == [("track 7", "A woman listens.")]


def test_clips_that_lack_a_kind_of_annotation_are_left_out_as_released_and_counted() -> None:
    clip, semantics = truth()
    lacking = semantics.provenance | {"describer": "annotation", "annotated": "captions summary"}  # type: ignore[operator]
    bare = replace(semantics, interactions=(), provenance=lacking)
    whole = clip_of("street/other", clip.tracks), replace(semantics, clip="street/other")
    results = prediction((7, 12), (8, 201))
    lists = collect([results], [(clip, bare), whole], Rule.argmax, as_released=True)
    assert lists.clips == ("street/other",) and lists.coverage.incomplete_clips == 1
    with pytest.raises(DataError, match="coco"):
        collect([results], [(clip, bare)], Rule.argmax, as_released=True)
    kept = collect([results], [(clip, bare)], Rule.argmax)
    assert len(kept.captions) == 2
    assert kept.labels[0].predicted == ()  # nobody said whether they talk


def test_a_clip_without_results_counts_as_one_of_which_nothing_is_said() -> None:
    records = small_world(3)
    lists = collect(records[:1], records, Rule.hungarian)
    assert lists.without_results == ("street/clip_1", "street/clip_2")
    assert lists.coverage.clips == 3 and lists.coverage.clips_without_results == 2
    assert lists.coverage.empty_captions == 4 and lists.coverage.empty_summaries == 2
    assert [clip.predicted for clip in lists.labels[1:]] == [(), ()]


def test_results_without_annotations_are_named() -> None:
    records = small_world(3)
    lists = collect(records, records[1:], Rule.gt)
    assert lists.without_annotations == ("street/clip_0",)
    assert lists.coverage.clips == 2 and lists.coverage.clips_without_annotations == 1


def test_what_cannot_be_compared_is_refused() -> None:
    records = small_world(2)
    with pytest.raises(DataError, match=r"street/clip_0.*no clip|no clip is in both"):
        collect(records[:1], records[1:], Rule.argmax)
    with pytest.raises(DataError, match="twice in the results"):
        collect([records[0], records[0]], records, Rule.argmax)
    with pytest.raises(DataError, match="no annotated clips"):
        collect(records, [], Rule.argmax)
    clip, semantics = records[0]
    strange = replace(semantics, interactions=(interaction(1, 2, "levitate.v.01"),))
    with pytest.raises(DataError, match=r"clip_0: 'levitate\.v\.01' in the results"):
        collect([(clip, strange)], records, Rule.argmax)


def test_the_order_of_clips_does_not_matter() -> None:
    records = small_world(4)
    one, other = collect(records, records, Rule.argmax), collect(records[::-1], records[::-1], Rule.argmax)
    assert one.captions == other.captions and one.pairs == other.pairs and one.coverage == other.coverage


@pytest.mark.parametrize("left", [0, 5, 30, 190])
def test_one_to_one_finds_no_more_than_argmax_matches(left: float) -> None:
    results = prediction((7, left), (8, left + 5), (9, 401))
    many, single = (collect([results], [truth()], rule).coverage for rule in (Rule.argmax, Rule.hungarian))
    assert single.matched_tracks <= many.matched_tracks
    assert single.found_tracks == single.matched_tracks
    assert single.scored_pairs <= single.annotated_pairs
