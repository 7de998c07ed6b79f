from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import PERSONS, write_world

from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.errors import DataError
from sushi_lg.evaluation.ceilings import (
    ceiling_table,
    ceilings,
    ceilings_to_json,
    stage_names,
    stage_tables,
)
from sushi_lg.evaluation.labelled import load_labelled
from sushi_lg.nn.settings import ScorerConfig
from sushi_lg.tracking.recipe import LevelConfig, OutputConfig, TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker

LEVELS = [LevelConfig(1, 4), LevelConfig(4), LevelConfig(16)]


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    write_world(tmp_path, ("one",))
    return open_sequence(tmp_path / "one")


@pytest.fixture
def tracker() -> HierarchicalTracker:
    """Untrained; keeps every detection, so that what it writes depends on its joins alone."""
    torch.manual_seed(0)
    output = OutputConfig(min_length=1, min_probability=0.0, min_mean_probability=0.0)
    blocks = {level.slot: ScorerConfig(node_dim=8, edge_dim=8, hidden_dim=8, num_steps=1) for level in LEVELS}
    return HierarchicalTracker(TrackerConfig(levels=LEVELS, blocks=blocks, output=output)).eval()


def test_from_perfect_to_the_tracker_itself(tracker: HierarchicalTracker, sequence: Sequence) -> None:
    stages = ceilings([(tracker, load_labelled(sequence, tracker))])
    assert [stage.name for stage in stages] == stage_names(3)
    perfect, graphs, *_, last = stages
    assert perfect.plain.combined is not None and graphs.plain.combined is not None
    assert perfect.plain.combined.values()["AssA"] > 75  # misses cost association, too
    # Every gap of the toy world is within the reach of the levels.
    assert graphs.plain.combined.hota == perfect.plain.combined.hota
    assert perfect.filled.combined is not None and perfect.filled.combined.hota > perfect.plain.combined.hota
    assert last.filled.combined is not None and last.filled.combined.hota < perfect.filled.combined.hota

    rows = ceiling_table(stages)
    assert [row["stage"] for row in rows] == stage_names(3) and rows[0]["cost"] == ""
    total = sum(float(row["cost"]) for row in rows[1:])
    assert total == pytest.approx(perfect.filled.combined.hota - last.filled.combined.hota, abs=0.4)
    assert ceilings_to_json(stages)[0]["plain"]["sequences"]["one"]["HOTA"] == perfect.plain.combined.hota


def test_last_stage_is_the_tracker(tracker: HierarchicalTracker, sequence: Sequence) -> None:
    labelled = load_labelled(sequence, tracker)
    *_, (_, _, ours) = stage_tables(tracker, labelled)
    theirs = tracker.track(sequence.load_detections())
    np.testing.assert_array_equal(ours.frame, theirs.frame)
    np.testing.assert_array_equal(ours.track_id, theirs.track_id)
    np.testing.assert_array_equal(ours.boxes_ltwh, theirs.boxes_ltwh)


def test_labels_decide_where_the_network_does_not(tracker: HierarchicalTracker, sequence: Sequence) -> None:
    tables = {n: plain for n, plain, _ in stage_tables(tracker, load_labelled(sequence, tracker))}
    perfect, graphs, kept = list(tables.values())[:3]
    assert len(set(perfect.track_id)) == len(set(graphs.track_id)) == PERSONS
    assert len(kept) == len(load_labelled(sequence, tracker).detections)  # this network keeps false ones
    assert not any(table.is_interpolated.any() for table in tables.values())


def test_sequences_of_several_trackers_make_one_table(tracker: HierarchicalTracker, tmp_path: Path) -> None:
    write_world(tmp_path, ("one", "two"))
    pairs = [(tracker, load_labelled(open_sequence(tmp_path / name), tracker)) for name in ("one", "two")]
    both, alone = ceilings(pairs)[0].plain, ceilings(pairs[1:])[0].plain
    assert [scores.name for scores in both.sequences] == ["one", "two"]
    assert both.sequences[1].hota == alone.sequences[0].hota


def test_nothing_detected_is_a_score_of_zero(tracker: HierarchicalTracker, sequence: Sequence) -> None:
    sequence.detections_path().write_text("")
    stages = ceilings([(tracker, load_labelled(sequence, tracker))])
    assert len(stages) == len(stage_names(3))
    assert all(s.filled.combined is not None and s.filled.combined.hota == 0 for s in stages)


def test_needs_ground_truth(tracker: HierarchicalTracker, sequence: Sequence) -> None:
    sequence.ground_truth_path.unlink()
    with pytest.raises(DataError, match=r"gt\.txt: absent"):
        ceilings([(tracker, load_labelled(sequence, tracker))])
