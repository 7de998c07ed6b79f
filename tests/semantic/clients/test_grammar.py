"""No token that leaves the grammar is ever allowed, and every answer of it can be written."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.clients.grammar import MOST_LABELS, PairGrammar, pair_pattern
from sushi_lg.errors import ConfigError

STOP = 0
# pieces of text as tokens, in which one label begins another and pieces are cut in several ways
PIECES = ["P", "1", "2", ">", ":", " ", ",", "\n", "none", "talk", ".v.", "0", "look", "hold", "_out", "x", " talk"]
NUMBER = {piece: place for place, piece in enumerate(PIECES, start=1)}
OPTIONS = ("talk.v.0", "talk.v.01", "look.v.1", "hold", "hold_out")


def encode(text: str) -> list[int]:
    """Longest piece first."""
    found = []
    while text:
        piece = max((one for one in PIECES if text.startswith(one)), key=len)
        found.append(NUMBER[piece])
        text = text[len(piece) :]
    return found


def decode(tokens: list[int]) -> str:
    return "".join(PIECES[token - 1] for token in tokens)


def grammar(limit: int = 60, options: tuple[str, ...] = OPTIONS) -> PairGrammar:
    return PairGrammar((1, 2), options, encode, decode, [STOP], limit)


def is_answer(text: str, options: tuple[str, ...] = OPTIONS) -> bool:
    if text == "none":
        return True
    heads = []
    for line in text.split("\n"):
        found = re.fullmatch(r"(P1>P2|P2>P1): (.+)", line)
        if not found:
            return False
        labels = found[2].split(", ")
        if not set(labels) <= set(options) or len(set(labels)) < len(labels) or len(labels) > MOST_LABELS:
            return False
        heads.append(found[1])
    return len(set(heads)) == len(heads)


@given(st.integers(0, 2**32), st.sampled_from([12, 14, 20, 33, 60]))
def test_whatever_is_chosen_ends_in_an_answer_within_the_limit(seed: int, limit: int) -> None:
    chance, tokens, rules = random.Random(seed), [], grammar(limit)
    for _ in range(limit):
        token = chance.choice(rules.allowed(tokens))
        if token == STOP:
            break
        tokens.append(token)
    assert is_answer(decode(tokens)), decode(tokens)


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "P1>P2: talk.v.0",
        "P1>P2: talk.v.01, talk.v.0",
        "P2>P1: hold_out, hold\nP1>P2: look.v.1, talk.v.01, talk.v.0, hold, hold_out",
    ],
)
def test_every_answer_can_be_written(text: str) -> None:
    rules, tokens = grammar(), encode(text)
    for place, token in enumerate(tokens):
        assert token in rules.allowed(tokens[:place]), decode(tokens[:place])
    assert STOP in rules.allowed(tokens)
    assert re.fullmatch(pair_pattern((1, 2), OPTIONS), text)


def test_labels_are_not_repeated_and_lines_not_either() -> None:
    rules = grammar(options=("hold", "look"))
    assert rules.allowed(encode("P1>P2: hold, look")) == sorted([STOP, NUMBER["\n"]])
    assert rules.allowed(encode("P1>P2: hold,")) == [NUMBER[" "]]
    assert rules.allowed(encode("P1>P2: hold, ")) == [NUMBER["look"]]
    assert STOP not in rules.allowed(encode("P1>P2: hold\n"))
    assert rules.allowed(encode("P1>P2: hold, look\nP2>P1: look, hold")) == [STOP]


def test_five_labels_are_the_most() -> None:
    many = tuple(f"x{number}" for number in ("0", "1", "2", "00", "11", "22"))
    tokens = encode(f"P1>P2: {', '.join(many[:MOST_LABELS])}")
    assert NUMBER[","] not in grammar(options=many).allowed(tokens)


def test_a_limit_without_room_for_one_label_is_refused() -> None:
    with pytest.raises(ConfigError, match="not enough for one label"):
        grammar(7)


def test_a_tokenizer_whose_pieces_do_not_add_up_is_refused() -> None:
    with pytest.raises(ConfigError, match="sum of its pieces"):
        PairGrammar((1, 2), OPTIONS, encode, lambda tokens: decode(tokens).replace(" ", ""), [STOP], 60)


@pytest.mark.parametrize("text", ["", "None", "P1>P2:", "P1>P2: walk", "P1>P3: hold", "P1>P2: hold\nP1>P2: look.v.1"])
def test_the_pattern_for_servers_refuses_the_rest(text: str) -> None:
    assert not re.fullmatch(pair_pattern((1, 2), OPTIONS), text)
