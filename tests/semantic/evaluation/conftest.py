"""What tests of scores need besides files."""

from __future__ import annotations

from pathlib import Path

import nltk.data
import pytest

from semantic.evaluation import wordnet as place
from semantic.evaluation.wordnet import find_wordnet
from sushi_lg.data.files import warn_once


@pytest.fixture(scope="session")
def wordnet() -> object:
    """WordNet; skip without it."""
    found = find_wordnet()
    if found is None:
        pytest.skip(f"no WordNet; {place.HOW_TO}")
    return found


@pytest.fixture
def no_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look where no WordNet is."""
    monkeypatch.delenv(place.VARIABLE, raising=False)
    monkeypatch.setattr(place, "install_folder", lambda: tmp_path / "nowhere")
    monkeypatch.setattr(nltk.data, "path", [])
    warn_once.cache_clear()
