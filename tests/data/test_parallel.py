"""Work ahead in threads: ordered, bounded, closed."""

from __future__ import annotations

import threading
import time

import cv2
import pytest

from hubel.data.parallel import available_threads, map_ahead


def data_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("hubel-data")]


def test_in_order_and_bounded() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def work(item: int, stop: threading.Event) -> int:
        with lock:
            begun.append(item)
        time.sleep(0.002 * (item % 3))
        return item * item

    results = []
    for result in map_ahead(work, range(30), threads=4, ahead=6):
        results.append(result)
        assert len(begun) <= len(results) + 6
    assert results == [item * item for item in range(30)]
    assert data_threads() == []


def test_the_error_of_an_item_comes_in_its_place() -> None:
    def work(item: int, stop: threading.Event) -> int:
        if item == 3:
            raise KeyError(item)
        return item

    results = map_ahead(work, range(9), threads=3, ahead=5)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="3"):
        next(results)
    assert data_threads() == []


def test_closing_early_stops_what_runs_and_cancels_what_waits() -> None:
    stopped: list[int] = []

    def work(item: int, stop: threading.Event) -> int:
        if item and stop.wait(20):
            stopped.append(item)
        return item

    results = map_ahead(work, range(100), threads=2, ahead=8)
    assert next(results) == 0
    assert len(data_threads()) == 2
    results.close()
    assert data_threads() == []
    assert 0 < len(stopped) <= 2


def test_threads_of_this_machine() -> None:
    assert available_threads() >= 1


def test_opencv_starts_no_threads_meanwhile_and_then_as_before() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        seen = map_ahead(lambda item, stop: cv2.getNumThreads(), range(4), threads=2, ahead=2)
        assert next(seen) == 1
        seen.close()
        assert cv2.getNumThreads() == 3
        assert list(map_ahead(lambda item, stop: item, [1], threads=1, ahead=1)) == [1]
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
