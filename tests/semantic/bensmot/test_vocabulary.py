from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.bensmot.vocabulary import (
    ALIASES,
    LABELS,
    NUM_SLOTS,
    RAW_LABELS,
    SAME_SYNSET,
    canonical,
    fingerprint,
    is_symmetric,
    label_of,
    lemma,
    merged,
    raw_slot,
    slots,
    surface,
)
from sushi_lg.errors import DataError


def test_sizes_are_those_of_the_release() -> None:
    assert (len(LABELS), len(set(LABELS)), len(ALIASES), len(RAW_LABELS), NUM_SLOTS) == (335, 335, 28, 359, 360)
    kinds = Counter(label.split(".")[1] if "." in label else "bare" for label in LABELS)
    assert kinds == {"v": 320, "n": 8, "bare": 7}


@pytest.mark.parametrize(
    ("raw", "slot"),
    [("hold.v.02", 152), ("listen.v.01", 185), ("look.v.01", 189), ("smile.v.01", 294), ("talk.v.01", 325)],
)
def test_slots_agree_with_the_released_script(raw: str, slot: int) -> None:
    assert raw_slot(raw) == slots(raw)[0] == slot
    assert RAW_LABELS[slot - 1] == raw


def test_every_spelling_has_names_and_a_slot() -> None:
    assert [raw_slot(raw) for raw in RAW_LABELS] == list(range(1, NUM_SLOTS))
    for raw in RAW_LABELS:
        assert set(canonical(raw)) <= set(LABELS)
    two = {raw: canonical(raw) for raw in RAW_LABELS if len(canonical(raw)) > 1}
    assert two == {
        "clap.v.04.take.v.04": ("clap.v.04", "take.v.04"),
        "handshake.n.01.talk.v.01": ("handshake.n.01", "talk.v.01"),
        "smile.v.01ook.v.01": ("smile.v.01", "look.v.01"),
    }


def test_every_name_has_a_slot_and_no_slot_two_names() -> None:
    of_slot = [slot for label in LABELS for slot in slots(label)]
    joined = {raw_slot(raw) for raw in RAW_LABELS if len(canonical(raw)) > 1}
    assert sorted(of_slot) == sorted(set(range(1, NUM_SLOTS)) - joined)
    assert slots("accept.v.01") == (raw_slot("accept.v.0"),)  # never spelt right
    assert slots("stride.v.01") == (raw_slot("stride.v.0"), raw_slot("strife.v.01"))
    assert slots("smile.v.01")[1:] == tuple(
        raw_slot(raw) for raw in ("simle.v.01", "smile.0.01", "smile.01", "smlie.v.01")
    )


@given(
    st.sampled_from(RAW_LABELS),
    st.sampled_from(["", " ", ".", ". ", " ."]),
    st.sampled_from(["", " ", ".", "\t"]),
    st.booleans(),
)
def test_what_surrounds_a_spelling_does_not_matter(raw: str, before: str, after: str, shout: bool) -> None:
    assert canonical(before + (raw.upper() if shout else raw) + after) == canonical(raw)


@pytest.mark.parametrize(
    ("raw", "near"), [("tlak.v.01", "talk.v.01"), ("embrace", "embrace.v.02"), ("x" * 10_000, "335 names"), ("", "335")]
)
def test_unknown_spellings_are_refused_with_the_nearest(raw: str, near: str) -> None:
    with pytest.raises(DataError, match=near) as caught:
        canonical(raw)
    assert len(str(caught.value)) < 300


def test_the_released_script_forgives_one_character_only() -> None:
    assert raw_slot(" Talk.v.01") == raw_slot(".talk.v.01") == 325
    for raw in ("  talk.v.01", "talk.v.01 ", "stride.v.01", ""):
        with pytest.raises(DataError, match="359 spellings"):
            raw_slot(raw)
    assert raw_slot("accept.v.02 ") != raw_slot("accept.v.02")


def test_phrases() -> None:
    assert (surface("talk.v.01"), surface("look.v.01"), surface("hit.v.03")) == ("talks to", "looks at", "hits")
    for label in LABELS:
        phrase = surface(label)
        assert (
            phrase == " ".join(phrase.split()).lower() and 0 < len(phrase) <= 40 and phrase.replace(" ", "").isalpha()
        )
        if label.rpartition(".")[2] not in ("0", "1"):
            assert label_of(phrase) == label, f"{label_of(phrase)} and {label} have one phrase"
    assert label_of(surface("look.v.1")) == "look.v.01" and label_of("  Talks  to ") == "talk.v.01"
    assert label_of("sings the blues to") is None


def test_both_do_it() -> None:
    for label in ("talk.v.01", "converse.v.01", "dance.v.01", "handshake.n.01", "compete.v.01"):
        assert is_symmetric(label)
    for label in ("look.v.01", "give.v.03", "feed.v.02", "lift.v.02", "wash.v.03", "teach.v.01"):
        assert not is_symmetric(label)


def test_pairs_of_one_synset() -> None:
    assert len({merged(label) for label in LABELS}) == 335 - 6
    for first, second in SAME_SYNSET:
        assert merged(first) == merged(second) == first
    assert lemma("let_go_of.v.01") == "let_go_of" and lemma("through") == "through"
    assert len(fingerprint()) == 64


@pytest.mark.parametrize("ask", [slots, surface, is_symmetric, merged, lemma])
def test_questions_are_about_names_only(ask) -> None:  # noqa: ANN001
    with pytest.raises(DataError, match="no canonical name"):
        ask("smlie.v.01")
