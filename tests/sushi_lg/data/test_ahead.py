"""Results in order, few items on the way, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from sushi_lg.data.ahead import in_background, map_ahead, placed
from sushi_lg.errors import DataError, SushiError


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("test-")}


def test_results_come_in_order_whoever_is_first() -> None:
    def slow_when_even(item: int) -> int:
        time.sleep(0.003 * (item % 2 == 0))
        return item * item

    assert list(map_ahead(slow_when_even, range(40), workers=4, ahead=8)) == [item * item for item in range(40)]
    assert list(in_background(iter("abcdef"), ahead=2)) == list("abcdef")
    assert list(map_ahead(slow_when_even, [], workers=4, ahead=8)) == []
    assert list(in_background([], ahead=2)) == []


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_no_more_items_are_taken_than_allowed(ahead: int) -> None:
    taken = 0

    def count() -> Iterator[int]:
        nonlocal taken
        for item in range(60):
            taken += 1
            yield item

    for given, _ in enumerate(map_ahead(lambda item: item, count(), workers=3, ahead=ahead)):
        assert taken - given <= ahead
    taken = 0
    for given, _ in enumerate(in_background(count(), ahead=ahead)):
        time.sleep(0.002)
        # one in the reader's hand, `ahead` waiting, one handed out
        assert taken - given <= ahead + 2


def test_what_is_ready_is_handed_out_before_more_is_taken() -> None:
    taken = []

    def count() -> Iterator[int]:
        for item in range(9):
            time.sleep(0.02)  # longer than a result takes
            taken.append(item)
            yield item

    for item in map_ahead(lambda item: item, count(), workers=1, ahead=5):
        assert len(taken) - item <= 2


def test_a_lack_of_memory_is_told_from_a_bug() -> None:
    for error in (MemoryError(), RuntimeError("CUDA out of memory."), Exception("Failed to allocate memory for x")):
        found = placed(error, "frame 3")
        assert isinstance(found, SushiError) and found.message.startswith("frame 3: not enough memory")
    assert isinstance(placed(ValueError("x"), "frame 3"), RuntimeError)
    assert isinstance(placed(DataError("x"), "frame 3"), DataError)


def test_errors_come_after_what_was_before_them() -> None:
    def breaks() -> Iterator[int]:
        yield from range(5)
        raise ValueError("after 4")

    def stops_at_7(item: int) -> int:
        if item == 7:
            raise ValueError("at 7")
        return item

    for items in (
        in_background(breaks(), ahead=2, name="test-reader"),
        map_ahead(lambda item: item, breaks(), workers=2, ahead=4, name="test-pool"),
        map_ahead(
            lambda item: item, in_background(breaks(), ahead=2, name="test-r"), workers=2, ahead=4, name="test-p"
        ),
    ):
        seen = []
        with pytest.raises(ValueError, match="after 4"):
            for item in items:
                seen.append(item)
        assert seen == [0, 1, 2, 3, 4]
    seen = []
    with pytest.raises(ValueError, match="at 7"):
        for item in map_ahead(stops_at_7, range(100), workers=3, ahead=6, name="test-pool"):
            seen.append(item)
    assert seen == list(range(7))
    assert not threads()


def test_whoever_stops_reading_leaves_no_thread_and_no_open_source() -> None:
    closed = []

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.append(threading.current_thread().name)

    reading = map_ahead(
        lambda item: item, in_background(endless(), ahead=2, name="test-r"), workers=3, ahead=4, name="test-p"
    )
    assert [next(reading) for _ in range(3)] == [0, 1, 2]
    assert threads()
    reading.close()
    assert not threads()
    assert closed == ["test-r"]
    for item in in_background(endless(), ahead=1, name="test-r"):  # dropped, not closed
        if item == 2:
            break
    del item
    assert not threads()
