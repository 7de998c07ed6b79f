from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic.bensmot.vocabulary import LABELS, surface
from semantic.config import DescribeConfig, TextConfig
from semantic.parsing import Parsed, clean_line, match_label, parse, propagate, without_thinking
from semantic.structures import Answer, Clip, Interaction, Request, Sentence, Track, View

CONFIG = DescribeConfig()
OPTIONS = ("hold.v.02", "look.v.01", "talk.v.01", "talk.v.02")


def _clip() -> Clip:
    def track(one: int, frames: list[int]) -> Track:
        count = len(frames)
        return Track(one, np.asarray(frames), np.ones((count, 4)), np.ones(count), np.zeros(count, dtype=bool))

    return Clip("c", 9, 2.0, np.tile([9, 9], (9, 1)), (track(1, [0, 1, 2]), track(2, [2, 3]), track(7, [8])))


def _request(kind: str, subjects: tuple[int, ...], options: tuple[str, ...] = OPTIONS) -> Request:
    views = tuple(View(frame, None, ()) for frame in (1, 3))
    return Request("id", "c", kind, subjects, views, "?", options if kind == "pair" else ())


def _pair(text: str, subjects: tuple[int, int] = (1, 2), config: DescribeConfig = CONFIG) -> Parsed:
    return parse(Answer("id", text), _request("pair", subjects), _clip(), config, "mllm")


def _text(text: str, kind: str = "instance", config: DescribeConfig = CONFIG) -> Parsed:
    subjects = (1,) if kind == "instance" else (1, 2, 7)
    return parse(Answer("id", text), _request(kind, subjects), _clip(), config, "mllm")


def _triples(parsed: Parsed) -> list[tuple[int, int, str]]:
    return [(one.active, one.passive, one.label) for one in parsed.interactions]


def test_a_clean_answer_about_a_pair_needs_no_repair() -> None:
    parsed = _pair("P1>P2: talk.v.01, look.v.01\nP2>P1: hold.v.02")
    assert _triples(parsed) == [(1, 2, "look.v.01"), (1, 2, "talk.v.01"), (2, 1, "hold.v.02")]
    assert parsed.counts == {}
    first = parsed.interactions[0]
    assert (first.first_frame, first.last_frame, first.source, first.request_id) == (1, 3, "mllm", "id")
    assert first.probability == 1.0 and first.raw == ""


@pytest.mark.parametrize("text", ["none", " None.", "P1>P2: none\nP2>P1: none", "P1>P2:"])
def test_nothing_is_an_answer(text: str) -> None:
    parsed = _pair(text)
    assert parsed.interactions == () and parsed.counts == {}


@pytest.mark.parametrize(
    ("text", "triples", "count"),
    [
        ("P1 -> P2 : Talk.v.01", [(1, 2, "talk.v.01")], "repaired: label by alias"),
        ("P1>P2: simle.v.01", [(1, 2, "smile.v.01")], "repaired: label by alias"),
        ("P1>P2: smile.v.01ook.v.01", [(1, 2, "look.v.01"), (1, 2, "smile.v.01")], "repaired: label by alias"),
        ("P1>P2: talks to", [(1, 2, "talk.v.01")], "repaired: label by phrase"),
        ("P1>P2: talking", [(1, 2, "talk.v.01")], "repaired: label by lemma"),
        ("P1>P2: hold", [(1, 2, "hold.v.02")], "repaired: label by lemma"),
        ("P1>P2: hands over somthing to", [(1, 2, "give.v.03")], "repaired: label by similar"),
        ("P1>P2: quantum", [], "dropped: unknown label"),
        ("P1>P2: talk.v.01, talk.v.01", [(1, 2, "talk.v.01")], "repaired: label twice"),
        ("P1>P2: kiss.v.02", [(1, 2, "kiss.v.02")], "repaired: label that was not offered"),
        ("P1>P1: talk.v.01", [], "dropped: with oneself"),
        ("P1>P7: talk.v.01", [], "dropped: about others"),
        ("P1>P99: talk.v.01", [], "dropped: about others"),
        ("Sure!\nP1>P2: talk.v.01", [(1, 2, "talk.v.01")], "dropped: line that is no answer"),
        ("<think>P2>P1: kiss.v.02</think>P1>P2: talk.v.01", [(1, 2, "talk.v.01")], "repaired: thinking removed"),
    ],
)
def test_what_can_be_understood_is_repaired_and_the_rest_dropped(
    text: str, triples: list[tuple[int, int, str]], count: str
) -> None:
    parsed = _pair(text)
    assert _triples(parsed) == triples
    assert parsed.counts[count] == 1
    assert not parsed.counts["unparsable: pair"]


def test_what_was_repaired_keeps_its_spelling() -> None:
    assert _pair("P1>P2: Talking , look.v.01").interactions[1].raw == "Talking"


@pytest.mark.parametrize("text", ["", "they talk", "<think>P1>P2: talk.v.01", "P1: talk.v.01"])
def test_what_cannot_be_understood_is_counted(text: str) -> None:
    parsed = _pair(text)
    assert parsed.interactions == () and parsed.counts["unparsable: pair"] == 1


def test_people_never_seen_together_do_nothing_to_each_other() -> None:
    parsed = _pair("P1>P7: talk.v.01", (1, 7))
    assert parsed.interactions == () and parsed.counts == {"dropped: never seen together": 1}


def test_no_more_labels_than_allowed() -> None:
    config = DescribeConfig(text=TextConfig(labels=2))
    parsed = _pair("P1>P2: talk.v.01, hold.v.02, look.v.01\nP2>P1: look.v.01", config=config)
    assert _triples(parsed) == [(1, 2, "hold.v.02"), (1, 2, "talk.v.01"), (2, 1, "look.v.01")]
    assert parsed.counts == {"repaired: too many labels": 1}


def _scored(
    scores: list[tuple[tuple[int, int, str], float]], source: str, sentences: tuple[Sentence, ...] | None = None
) -> Parsed:
    answer = Answer("id", "none", scores=tuple(scores), sentences=sentences)
    return parse(answer, _request("pair", (1, 2)), _clip(), CONFIG, source)


def test_scores_hold_from_the_threshold_on() -> None:
    parsed = _scored(
        [((1, 2, "talk.v.01"), 0.4), ((1, 2, "look.v.01"), 0.39), ((2, 1, "bogus"), 0.9), ((2, 1, "hold.v.02"), 2.0)],
        "mllm",
    )
    assert [(one.label, one.probability, one.source) for one in parsed.interactions] == [("talk.v.01", 0.4, "scores")]
    assert parsed.counts == {"dropped: unknown label": 1, "dropped: no probability": 1}


def test_rules_have_their_own_threshold_and_frames() -> None:
    scores = [((1, 2, "talk.v.01"), 0.1), ((2, 1, "look.v.01"), 0.2)]
    parsed = _scored(scores, "rules", (Sentence("a", (1, 2), 2, 2), Sentence("b", (1, 2), 5, 99)))
    spans = [(one.label, one.first_frame, one.last_frame, one.source) for one in parsed.interactions]
    assert spans == [("talk.v.01", 2, 2, "rules"), ("look.v.01", 1, 3, "rules")]


def test_every_name_and_every_whole_phrase_comes_back() -> None:
    for label in LABELS:
        assert match_label(label) == ((label,), "")
        assert match_label(f"{label}: {surface(label)}")[0] == (label,)
        (found,), how = match_label(surface(label))
        assert surface(found) == surface(label) and how == "phrase"


def test_round_trip_of_labels_of_both_directions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        there = sorted(rng.choice(LABELS, 3, replace=False).tolist())
        back = sorted(rng.choice(LABELS, 2, replace=False).tolist())
        parsed = _pair(f"P1>P2: {', '.join(there)}\nP2>P1: {', '.join(back)}")
        assert _triples(parsed) == [(1, 2, label) for label in there] + [(2, 1, label) for label in back]


# free text


def test_a_clean_caption_needs_no_repair() -> None:
    text = "A man in a red coat walks to the left, then he waits beside P2."
    parsed = _text(text)
    assert parsed.sentences == (Sentence(text, (1, 2), 1, 3),)
    assert parsed.counts == {}


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ('Caption: "A man walks."', "A man walks.", "repaired: prefix or quotes"),
        ("A man\x00 walks.\x1b", "A man walks.", "repaired: control characters"),
        ("A m\u202ean walks.", "A man walks.", "repaired: control characters"),
        ("A man\ufffd walks.", "A man walks.", "repaired: control characters"),
        ("**A man** walks.", "A man walks.", "repaired: markup"),
        ("A man walks.<|im_end|>", "A man walks.", "repaired: markup"),
        ("A man walks", "A man walks.", "repaired: unfinished sentence"),
        ("A man walks. Then he is", "A man walks.", "repaired: unfinished sentence"),
        ("A man walks. A man walks. A man walks.", "A man walks.", "repaired: repeated sentence"),
        ("A man walks. He stops. He sits.", "A man walks. He stops.", "repaired: too many sentences"),
        ("A man walks. P99 looks at him.", "A man walks.", "dropped: sentence about nobody"),
        ("<think>Is it a man?</think>\nA man walks.", "A man walks.", "repaired: thinking removed"),
        ("Is it a man?</think>A man walks.", "A man walks.", "repaired: thinking removed"),
        ("A man walks. <think>or not", "A man walks.", "repaired: thinking that does not end removed"),
        ("A " + "x" * 99 + " walks.", "A " + "x" * 40 + " walks.", "repaired: overlong words"),
        ("A man\nwalks.", "A man walks.", None),
    ],
)
def test_free_text_is_repaired_and_counted(text: str, expected: str, count: str | None) -> None:
    parsed = _text(text)
    assert " ".join(one.text for one in parsed.sentences) == expected
    assert dict(parsed.counts) == ({} if count is None else {count: 1})


@pytest.mark.parametrize("text", ["", " \n", "...", "<think>a man", "123 456", "P99 walks."])
def test_text_that_says_nothing_is_no_answer(text: str) -> None:
    parsed = _text(text)
    assert parsed.sentences == () and sum(parsed.counts.values()) >= 1


def test_long_text_ends_with_a_sentence_or_is_cut() -> None:
    config = DescribeConfig(text=TextConfig(words=8))
    two = _text("A man walks to the left. He then waits for a very long time.", config=config)
    assert [one.text for one in two.sentences] == ["A man walks to the left."]
    one = _text("A man walks to the left, then right, then left again.", config=config)
    assert [s.text for s in one.sentences] == ["A man walks to the left, then right."]
    assert two.counts == one.counts == {"repaired: too long": 1}


def test_a_summary_is_about_those_it_names_or_about_all() -> None:
    parsed = _text("Three people walk. P2 waits for P7.", "summary")
    assert [one.track_ids for one in parsed.sentences] == [(1, 2, 7), (2, 7)]


def test_sentences_with_sources_are_checked() -> None:
    told = (
        Sentence("A man\x07 walks.", (1,), 0, 8),
        Sentence("Nobody.", (5,), 0, 1),
        Sentence("Late.", (1,), 0, 9),
        Sentence(" ", (1,), 0, 1),
    )
    answer = Answer("id", "raw", sentences=told)
    parsed = parse(answer, _request("instance", (1,)), _clip(), CONFIG, "rules")
    assert parsed.sentences == (Sentence("A man walks.", (1,), 0, 8),)
    assert parsed.counts == {
        "repaired: control characters": 1,
        "dropped: sentence about nobody": 1,
        "dropped: sentence about frames that are not there": 1,
        "dropped: empty sentence": 1,
    }


def test_thoughts_are_told_from_answers() -> None:
    assert without_thinking("a <b> c") == ("a <b> c", {})
    assert without_thinking("<Thinking>a</thinking> b</think>c")[0] == "c"


# whatever comes


LINES = st.one_of(
    st.text(max_size=60),
    st.builds(
        lambda a, b, label: f"P{a}>P{b}: {label}",
        st.integers(0, 9),
        st.integers(0, 9),
        st.one_of(st.sampled_from(LABELS), st.text(max_size=30)),
    ),
    st.sampled_from(["<think>", "</think>", "none", "P1>P2: " + "talk.v.01," * 50, "P1 P99", "\ud800", "A man walks."]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=6), st.sampled_from(["pair", "instance", "summary"]))
def test_no_text_makes_it_raise_or_leave_vocabulary_people_and_lengths(lines: list[str], kind: str) -> None:
    text = "\n".join(lines)
    parsed = _pair(text) if kind == "pair" else _text(text, kind)
    for one in parsed.interactions:
        assert one.label in LABELS and {one.active, one.passive} == {1, 2}
        assert one.first_frame <= one.last_frame < 9
    directions = [(one.active, one.passive) for one in parsed.interactions]
    assert all(directions.count(one) <= CONFIG.text.labels for one in directions)
    for sentence in parsed.sentences:
        assert set(sentence.track_ids) <= {1, 2, 7}
        assert len(sentence.text.split()) <= CONFIG.text.words and sentence.text == sentence.text.strip() != ""
        assert not any(unicodedata.category(letter)[0] == "C" for letter in sentence.text)
        assert "<" not in sentence.text and ">" not in sentence.text
    assert sum(len(one.text.split()) for one in parsed.sentences) <= CONFIG.text.words


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_a_label_is_one_of_the_vocabulary_or_none(text: str) -> None:
    labels, how = match_label(text, OPTIONS)
    assert set(labels) <= set(LABELS) and (how == "unknown") == (not labels)


@given(st.text(max_size=300))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once, _ = clean_line(text)
    assert clean_line(once)[0] == once


def test_what_two_do_to_each_other_holds_both_ways() -> None:
    def one(active: int, passive: int, label: str, probability: float = 1.0) -> Interaction:
        return Interaction(active, passive, label, probability, 0, 1, "mllm", "id", "raw")

    talk, give = one(1, 2, "talk.v.01", 0.5), one(1, 2, "give.v.03")
    found = propagate([talk, give], 0.9)
    assert [(x.active, x.passive, x.label, x.probability, x.source) for x in found] == [
        (1, 2, "give.v.03", 1.0, "mllm"),
        (1, 2, "talk.v.01", 0.5, "mllm"),
        (2, 1, "talk.v.01", 0.45, "symmetry"),
    ]
    assert found[2].request_id == "id" and found[2].raw == ""
    assert propagate([talk, one(2, 1, "talk.v.01", 0.7)], 0.9)[1].probability == 0.7
    assert propagate([talk], 0.0) == (talk,)
