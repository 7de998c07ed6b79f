"""``sushi-lg evaluate-semantics``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spoken import small_world

from semantic.records_io import result_path, write_semantics
from sushi_lg.cli.app import main


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR without synonyms: WordNet takes seconds to read."""
    monkeypatch.setattr("semantic.evaluation.meteor.find_wordnet", lambda: None)
    monkeypatch.setattr("semantic.evaluation.interactions.find_wordnet", lambda: None)


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return int(caught.value.code or 0)


def write(folder: Path, numbers: range) -> Path:
    for number in numbers:
        clip, semantics = small_world(number + 1)[number]
        write_semantics(result_path(folder, clip.name), clip, semantics)
    return folder


def test_two_profiles_stand_in_tables_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = write(tmp_path / "truth", range(3)), write(tmp_path / "run", range(1, 4))
    out = tmp_path / "scores"
    assert run("evaluate-semantics", results, truth, "--tracks", "gt", "--no-java", "--out", out) == 0
    text = capsys.readouterr().out
    first, second = text.index("bensmot-ref"), text.index("coco")
    assert "BLEU4c" in text[first:second] and "ROUGE-L" not in text[first:second]
    assert "ROUGE-L" in text[second:] and "BLEU4c" not in text[second:]
    assert text.count("no results, scored as empty: 1: street/clip_0") == 2
    assert text.count("no annotations, not scored: 1: street/clip_3") == 2
    content = json.loads((out / "semantics_coco_gt.json").read_text())
    assert content["coverage"]["clips_without_results"] == 1
    assert (out / "semantics_bensmot-ref_gt.json").is_file()


def test_json_alone_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write(tmp_path, range(3))
    words = ("--profile", "bensmot-ref", "--bootstrap", "0", "--json", "-")
    assert run("evaluate-semantics", truth, truth, *words) == 0
    content = json.loads(capsys.readouterr().out)
    assert list(content) == ["bensmot-ref"]
    assert content["bensmot-ref"]["scores"]["captions"]["CIDEr"] == pytest.approx(10.0)
    assert content["bensmot-ref"]["scores"]["oracle pairs"]["F1"] == 1.0
    assert content["bensmot-ref"]["scores"]["captions"]["intervals"] == {}


def test_nothing_in_common_is_an_error_of_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = write(tmp_path / "truth", range(1)), write(tmp_path / "run", range(1, 2))
    assert run("evaluate-semantics", results, truth) == 3
    assert "no clip is in both" in capsys.readouterr().err
    assert run("evaluate-semantics", tmp_path / "absent", truth) == 3


def test_files_of_the_released_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = write(tmp_path / "truth", range(3)), write(tmp_path / "run", range(1, 3))
    assert run("export-semantics", results, "--format", "reference", "--truth", truth, "--out", tmp_path / "x") == 0
    capsys.readouterr()
    assert run("evaluate-semantics", tmp_path / "x", "--json", "-") == 0
    files = json.loads(capsys.readouterr().out)["bensmot-ref"]
    assert run("evaluate-semantics", results, truth, "--profile", "bensmot-ref", "--bootstrap", "0", "--json", "-") == 0
    direct = json.loads(capsys.readouterr().out)["bensmot-ref"]["scores"]
    assert files == {title: direct[title] for title in ("captions", "summaries", "oracle pairs")}
    assert run("evaluate-semantics", tmp_path / "x") == 0
    assert "BLEU4c" in capsys.readouterr().out
    assert run("evaluate-semantics", tmp_path / "x", "--profile", "coco") == 4
    assert "or name TRUTH" in capsys.readouterr().err
    assert run("evaluate-semantics", results) == 3
    assert "caption_results.json: no such file" in capsys.readouterr().err
