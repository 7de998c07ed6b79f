from __future__ import annotations

import logging
from pathlib import Path

import nltk.data
import pytest

from semantic.evaluation import wordnet as place
from semantic.evaluation.wordnet import find_wordnet, read_wordnet
from sushi_lg.errors import DataError


def test_senses_are_those_of_wordnet_3(wordnet: object) -> None:
    assert wordnet.synset("hold.v.01").definition().startswith("keep in a certain state")  # type: ignore[attr-defined]
    assert wordnet.synset("hold.v.01") == wordnet.synset("keep.v.01")  # type: ignore[attr-defined]
    assert wordnet.synset("talk.v.01").lexname() == "verb.communication"  # type: ignore[attr-defined]
    assert wordnet.get_version() == "3.0"  # type: ignore[attr-defined]


def test_a_stated_folder_without_wordnet_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=r"SUSHI_LG_WORDNET names .* which has no corpora/wordnet"):
        find_wordnet()


def test_a_folder_that_lacks_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpora" / "wordnet").mkdir(parents=True)
    with pytest.raises(DataError, match="no lexnames"):
        read_wordnet(tmp_path)


def test_files_that_are_not_wordnet_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", list(nltk.data.path))
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in place._NEEDED:
        (folder / name).write_text("nonsense\n")
    with pytest.raises(DataError, match="not WordNet as NLTK reads it"):
        read_wordnet(tmp_path)


def test_wordnet_is_found_where_it_is_stated(wordnet: object, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = (place.install_folder(), *map(Path, nltk.data.path))
    root = next(root for root in roots if (root / "corpora" / "wordnet").is_dir())
    monkeypatch.setenv(place.VARIABLE, str(root))
    monkeypatch.setattr(place, "install_folder", lambda: root / "nowhere")
    monkeypatch.setattr(nltk.data, "path", [])
    found = find_wordnet()
    assert found is not None and found.synset("smile.v.01").lexname() == "verb.body"


def test_without_wordnet_the_command_that_gets_it_is_named_once(
    no_wordnet: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert find_wordnet() is None and find_wordnet() is None
    [record] = caplog.records
    assert "METEOR-es" in record.getMessage() and "`make wordnet`" in record.getMessage()
