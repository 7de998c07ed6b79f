from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.layouts import LAYOUTS
from sushi_lg.data.mot_format import read_table
from sushi_lg.errors import DataError
from sushi_lg.evaluation.mot import SequenceScores, combine, evaluate_in_memory
from sushi_lg.study.scores import Scores, metrics, read_scores, sums_of, write_scores


def scored(folder: Path, seed: int, kept: float) -> SequenceScores:
    """Score five walkers of whom a share of boxes is kept, off by some pixels, and who swap identities half way."""
    rng = np.random.default_rng(seed)
    frames, people = 30, 5
    frame, person = (axis.ravel() for axis in np.meshgrid(np.arange(frames), np.arange(people), indexing="ij"))
    boxes = np.stack([10 + 90.0 * person + 2 * frame, 20.0 + 0 * frame, 40.0 + 0 * frame, 90.0 + 0 * frame], axis=1)
    rows = (f"{f + 1},{p + 1},{','.join(map(str, box))},1,1,1" for f, p, box in zip(frame, person, boxes, strict=True))
    path = folder / f"truth-{seed}.txt"
    path.write_text("\n".join(rows) + "\n")
    chosen = rng.random(len(frame)) < kept
    swapped = np.where((frame > 15) & (person < 2), 1 - person, person)
    return evaluate_in_memory(
        read_table(path, "ground_truth", sequence_length=frames),
        replace(LAYOUTS["MOT17"]),
        frame[chosen],
        swapped[chosen],
        (boxes + rng.normal(0, 6, boxes.shape))[chosen],
        frames,
        name=f"walk-{seed}",
    )


@pytest.fixture
def three(tmp_path: Path) -> list[SequenceScores]:
    """One good, one bad, one where nothing was found."""
    return [scored(tmp_path, 1, 0.95), scored(tmp_path, 2, 0.4), scored(tmp_path, 3, 0.0)]


@pytest.mark.parametrize("chosen", [[0, 1, 2], [0], [1, 2], [2], [0, 0, 1]], ids=str)
def test_added_sums_are_trackevals_combined_numbers(three: list[SequenceScores], chosen: list[int]) -> None:
    drawn = [three[i] for i in chosen]
    combined = combine(drawn).combined
    assert combined is not None
    expected = combined.values()
    found = metrics(sums_of(drawn).sum(axis=0))
    for key in ("HOTA", "AssA", "DetA", "IDF1", "MOTA", "IDSW"):
        assert found[key] == pytest.approx(expected[key], abs=1e-9), key


def test_combined_is_no_mean_of_sequences(three: list[SequenceScores]) -> None:
    sums = sums_of(three[:2])
    assert abs(metrics(sums).get("HOTA").mean() - metrics(sums.sum(axis=0))["HOTA"]) > 0.1  # or the test above is idle


def test_metrics_of_many_draws_at_once_are_those_of_each(three: list[SequenceScores]) -> None:
    sums = sums_of(three)
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 2, 1]], dtype=float)
    together = metrics(weights @ sums)
    for row, weight in enumerate(weights):
        alone = metrics((weight[:, None] * sums).sum(axis=0))
        for key, values in together.items():
            assert values[row] == pytest.approx(alone[key])


def test_written_scores_are_read_back_to_the_bit(three: list[SequenceScores], tmp_path: Path) -> None:
    scores = Scores(
        tuple(s.name for s in three), sums_of(three), {"weights_sha256": "ab", "contents": {"a": {"truth": "cd"}}}
    )
    write_scores(tmp_path / "deep" / "a.json", scores)
    again = read_scores(tmp_path / "deep" / "a.json")
    assert again.sequences == scores.sequences and again.made_from == scores.made_from
    assert np.array_equal(again.sums, scores.sums)


@pytest.mark.parametrize("text", ["", "[]", '{"sequences": {}, "made_from": {}}', '{"sequences": {"a": {"sums": {}}}}'])
def test_other_files_are_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"a\.json: not scores of a study"):
        read_scores(tmp_path / "a.json")
