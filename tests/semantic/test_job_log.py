"""Answers are found again on disk, whoever wrote them, and only their places are in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from semantic.job_log import JobLog
from semantic.structures import Answer, Request, Sentence


def request(number: int) -> Request:
    return Request(f"request {number}", "street/0", "instance", (1,), "", (), ())


def full(number: int, text: str = "A man waits.") -> Answer:
    """Return an answer that has everything."""
    sentence = Sentence(f"{text} {number}", (1, 2), 3, 4)
    scores = (((1, 2, "talk.v.01"), 0.25), ((2, 1, "talk.v.01"), 0.5))
    return Answer(f"request {number}", text, (sentence,), scores, prompt_tokens=5, new_tokens=6)


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    with JobLog(tmp_path / "jobs.jsonl") as log:
        for number in range(5):
            log.add(request(number), full(number))
            assert log.answer(f"request {number // 2}") == full(number // 2), "read between two that are written"
        log.add(request(7), Answer("request 7", "", error="it failed"))
        failed = log.answer("request 7")
        assert failed is not None and failed.error == "it failed" and not log.is_settled("request 7", 2)
        log.add(request(7), full(7))
        assert log.answer("request 7") == full(7) and log.is_settled("request 7", 2)
        assert log.answer("request 9") is None
    with JobLog(tmp_path / "jobs-2of2.jsonl", [tmp_path / "jobs.jsonl", tmp_path / "gone.jsonl"]) as log:
        log.add(request(9), full(9))
        log.add(request(3), full(3, "A woman waits."))
        assert [log.answer(f"request {number}") for number in (4, 9, 7)] == [full(4), full(9), full(7)]
        assert log.answer("request 3") == full(3, "A woman waits."), "what is newer wins"
    rows = (tmp_path / "jobs.jsonl").read_bytes()
    (tmp_path / "jobs.jsonl").write_bytes(rows + rows.splitlines()[0][:40])  # as a kill leaves it
    with JobLog(tmp_path / "jobs.jsonl") as log:
        log.add(request(8), full(8))
        assert [log.answer(f"request {number}") for number in (0, 8)] == [full(0), full(8)]
    with JobLog(tmp_path / "jobs.jsonl") as log:
        assert [log.answer(f"request {number}") for number in (0, 8)] == [full(0), full(8)]


def test_what_was_said_is_not_kept_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with JobLog(tmp_path / "jobs.jsonl") as log:
            for number in range(300):
                log.add(request(number), full(number, "word " * 2000))
            kept = tracemalloc.get_traced_memory()[0]
        assert (tmp_path / "jobs.jsonl").stat().st_size > 5e6 and kept < 1e6
    finally:
        tracemalloc.stop()
