"""Stages add up, work is counted, and a process of its own answers."""

from __future__ import annotations

import time

import pytest
import torch

from sushi_lg.benchmark.measure import Task, measure, measure_apart
from sushi_lg.benchmark.roofline import Machine, Work, WorkCounter
from sushi_lg.errors import SushiError
from sushi_lg.nn.structures import make_segments
from sushi_lg.timing import measure_stages, stage


def test_a_stage_inside_another_stops_its_clock() -> None:
    with measure_stages() as clock:
        began = time.perf_counter()
        with stage("outer"):
            time.sleep(0.02)
            with stage("inner"):
                time.sleep(0.03)
            time.sleep(0.02)
        total = time.perf_counter() - began
    assert set(clock.seconds) == {"outer", "inner"}
    assert clock.seconds["outer"] >= 0.04 and clock.seconds["inner"] >= 0.03
    assert sum(clock.seconds.values()) <= total


def test_an_error_leaves_the_stage() -> None:
    with measure_stages() as clock:
        with pytest.raises(ValueError, match="x"), stage("a"):
            raise ValueError("x")
        assert clock.current == ""


def test_nobody_listens() -> None:
    with stage("a"):
        pass


def test_work_of_products_copies_and_gathers() -> None:
    first, second, rows = torch.zeros(10, 20), torch.zeros(20, 30), torch.tensor([1, 2, 3])
    with measure_stages() as clock, WorkCounter(clock) as counter:
        with stage("product"):
            first @ second
        with stage("sum"):
            first + first
        with stage("gather"):
            first.index_select(0, rows)
        with stage("view"):
            first.t()
        with stage("sparse"):
            make_segments(torch.tensor([0, 1, 1]), 2).summing_matrix(torch.float32) @ torch.zeros(3, 5)
    work = counter.work
    assert work["product"] == Work(2 * 10 * 20 * 30, 4 * (200 + 600 + 300))
    assert work["sum"] == Work(200, 4 * 3 * 200)
    assert work["gather"].bytes == 2 * 4 * 60 + 8 * 3  # three rows and their numbers, not the table
    assert work["view"] == Work()
    assert work["sparse"].operations >= 2 * 3 * 5


def test_work_in_inference_mode_and_into_given_memory() -> None:
    layer, rows, out = torch.nn.Linear(32, 64), torch.zeros(1000, 32), torch.empty(1000, 64)
    with torch.inference_mode(), measure_stages() as clock, WorkCounter(clock) as counter:
        with stage("linear"):
            layer(rows)
        with stage("out"):
            torch.addmm(layer.bias, rows, layer.weight.t(), out=out)
        with stage("copy"):
            out.copy_(out.clone())
        with stage("zero"):
            out.zero_()
    product, table = 2 * 1000 * 32 * 64, 4 * 1000 * 64
    work = counter.work
    assert work["linear"].operations == work["out"].operations == product
    assert work["linear"].bytes == work["out"].bytes == table + 4 * (64 + 1000 * 32 + 32 * 64)
    assert work["copy"].bytes == 4 * table  # the clone and the copy, each read and written once
    assert work["zero"].bytes == table


def test_the_larger_need_is_the_bound() -> None:
    machine = Machine(operations_per_second=100.0, bytes_per_second=10.0)
    assert machine.bound(Work(operations=200, bytes=10)) == (2.0, "arithmetic")
    assert machine.bound(Work(operations=100, bytes=50)) == (5.0, "memory")


def test_a_scene_with_perfect_decisions() -> None:
    found = measure(Task("40x6", decisions="labels", repeat=1, roofline=False))
    assert found["frames"] == 40 and found["trajectories"] == 6
    assert {"load", "candidates", "features", "message passing", "matching", "merge", "post-process", "write"} <= set(
        found["stages"]
    )
    assert sum(stage["seconds"] for stage in found["stages"].values()) <= found["seconds"]
    assert found["frames_per_second"] == pytest.approx(40 / found["seconds"])


def test_a_process_of_its_own() -> None:
    found = measure_apart(Task("20x3", repeat=1, threads=1))
    message_passing = found["stages"]["message passing"]
    assert 0 < message_passing["share_of_bound"] and message_passing["bound_by"] in ("memory", "arithmetic")
    assert found["peak_memory_mb"] > found["memory_before_mb"] / 2
    with pytest.raises(SushiError, match="no scene 'nowhere'"):
        measure_apart(Task("nowhere"))
