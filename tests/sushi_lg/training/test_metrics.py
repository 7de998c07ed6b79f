from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from sushi_lg.training.metrics import Meter, MetricsLog
from sushi_lg.training.objective import Counts, Objective


def result(loss: float, counts: Counts) -> Objective:
    parts, supervised = {"edges.0": torch.tensor(loss / 2)}, {"instance.0": int(10 * loss)}
    return Objective(torch.tensor(loss), parts, [counts], Counts(), torch.tensor(0.1), supervised)


def test_means_and_shares_over_iterations_and_processes() -> None:
    first, second = Meter(), Meter()
    first.add(result(1.0, Counts(8, 10, 20)), 100, 2.0)
    second.add(result(3.0, Counts(1, 10, 20)), 200, 4.0)
    first.include(second.sums)
    means = first.means()
    assert means["loss"] == 2.0 and means["loss/edges.0"] == 1.0 and means["detections"] == 150
    assert means["supervised/instance.0"] == 20
    assert means["precision/level0"] == 0.45 and means["recall/level0"] == 0.225
    first.clear()
    assert first.means() == {}


def test_rows_behind_the_checkpoint_are_removed_on_resume(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, tensorboard=False)
    for iteration in (1, 2, 3):
        log.write("train", iteration, {"loss": 1 / iteration})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tra')  # killed while writing
    MetricsLog(tmp_path, 2, tensorboard=False).close()
    kept = [json.loads(line)["iteration"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert kept == [1, 2]


def test_tensorboard_is_optional(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    log = MetricsLog(tmp_path, 0, tensorboard=True)
    log.write("train", 1, {"loss": 1.0})
    log.close()
    assert "sushi-lg[train]" in caplog.text and (tmp_path / "metrics.jsonl").read_text().count("\n") == 1


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path, 0, tensorboard=True)
    log.write("train", 5, {"loss": 0.25})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(5, 0.25)]
