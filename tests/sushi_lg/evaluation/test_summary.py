from __future__ import annotations

import json
from pathlib import Path

import pytest

from sushi_lg.errors import DataError
from sushi_lg.evaluation.summary import METRICS, find_scores, markdown_table, summarize


def write(folder: Path, number: float, notes: list[str] | None = None) -> Path:
    folder.mkdir(parents=True)
    combined = {metric: number + i for i, metric in enumerate(METRICS)}
    path = folder / "scores.json"
    path.write_text(json.dumps({"combined": combined, "sequences": {}, "notes": notes or []}))
    return path


def test_seeds_of_a_study_are_one_row(tmp_path: Path) -> None:
    write(tmp_path / "shipped" / "dancetrack-13", 72.0)
    for seed, number in ((0, 70.0), (1, 71.0), (2, 75.0)):
        write(tmp_path / f"folds-seed{seed}" / "dancetrack-13", number)
    studies = summarize(find_scores([tmp_path / name for name in ("shipped", "folds-seed0", "folds-seed1")]))
    assert [(s.name, s.num_runs) for s in studies] == [("shipped/dancetrack-13", 1), ("folds/dancetrack-13", 2)]
    assert studies[0].text("HOTA") == "72.00"

    (folds, _) = summarize(find_scores([tmp_path]))
    # deviations -2, -1 and 3 of the mean: variance 14 / 2
    assert folds.num_runs == 3 and folds.text("HOTA") == "72.00 ± 2.65 (70.00 – 75.00)"
    assert folds.text("DetA") == "73.00 ± 2.65 (71.00 – 76.00)"


def test_table_and_notes(tmp_path: Path) -> None:
    path = write(tmp_path / "run-seed4", 50.0, ["1 of 7 sequences have no data: X"])
    table = markdown_table(summarize(find_scores([path]))).splitlines()
    assert table[0] == "| study | runs | HOTA | DetA | AssA | IDF1 | MOTA |"
    assert table[2] == "| run | 1 | 50.00 | 51.00 | 52.00 | 53.00 | 54.00 |"
    assert table[4] == "run: 1 of 7 sequences have no data: X"


def test_a_file_given_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "run-seed4", 50.0)
    assert len(find_scores([path, tmp_path])) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not the scores"),
        ('{"a": 1}', "not the scores"),
        ('{"combined": null, "notes": []}', "nothing was scored"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(DataError, match=message):
        summarize(find_scores([tmp_path]))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="evaluate"):
        find_scores([tmp_path])
