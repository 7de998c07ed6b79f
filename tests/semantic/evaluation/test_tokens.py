from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.evaluation.tokens import coco_tokens

# What pycocoevalcap 1.2 makes of these sentences with its Stanford tokenizer 3.4.1, recorded with Java 17.
RECORDED = json.loads((Path(__file__).parent / "data" / "ptb_tokens.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row["text"][:40])
def test_words_are_those_of_stanfords_tokenizer(row: dict[str, str]) -> None:
    assert " ".join(coco_tokens(row["text"])) == row["tokens"]


@given(st.text(max_size=80))
def test_any_text_has_words_without_blanks(text: str) -> None:
    words = coco_tokens(text)
    assert all(word and not any(letter.isspace() for letter in word) for word in words)


def test_line_breaks_are_blanks() -> None:
    assert coco_tokens("a man\nwaves\r\n") == ("a", "man", "waves")
