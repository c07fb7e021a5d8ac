"""Work done ahead in threads: in order, with bounded memory, and closed cleanly."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, TypeVar

import cv2

from hubel.errors import HubelError

SMALL: Final = 80 * 80
"""Pixels of a decoded picture; what is done to one that has fewer is mostly Python's work."""
QUICK_S: Final = 1e-3
"""Time for one such picture; where it takes longer, the disk or a large file is waited for."""

Item = TypeVar("Item")
Done = TypeVar("Done")


def available_threads() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


class Turns:
    """Threads that take turns, as long as their pictures are small and quickly read.

    Short pieces of Python's work are done sooner one after the other: at a time, threads wait for
    one another at each call that gives Python's lock away.
    """

    def __init__(self) -> None:
        self._lock: AbstractContextManager[object] = threading.Lock()

    def taken(self) -> AbstractContextManager[object]:
        """Return the context in which a thread works: alone, as long as turns are taken."""
        return self._lock

    def worked(self, pictures: int, pixels: int, seconds: float) -> None:
        """Tell what a thread has done in its turn; from the first large or slow one on, none is."""
        if pixels > SMALL * pictures or seconds > QUICK_S * pictures:
            self._lock = nullcontext()


def _submitted(
    pool: ThreadPoolExecutor,
    function: Callable[[Item, threading.Event], Done],
    item: Item,
    stop: threading.Event,
) -> Future[Done]:
    try:
        return pool.submit(function, item, stop)
    except RuntimeError as error:
        raise HubelError(
            f"No thread could be started to decode pictures ({error}): allow more processes "
            "(ulimit -u), or close other programs."
        ) from error


def map_ahead(
    function: Callable[[Item, threading.Event], Done],
    items: Iterable[Item],
    *,
    threads: int,
    ahead: int,
) -> Generator[Done, None, None]:
    """Yield `function(item, stop)` for each item, in order, computed in threads.

    At most `ahead` items are begun and not yet taken, so memory is bounded. The first error is
    raised where its item would have come. When the generator is closed (also by an error or an
    interrupt of the consumer) `stop` is set, what waits is cancelled, and all threads end before
    it returns. OpenCV starts no threads of its own meanwhile: they would fight with these.
    """
    stop = threading.Event()
    waiting: deque[Future[Done]] = deque()
    source = iter(items)
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hubel-data")
    with _serial_opencv():
        try:
            for item in source:
                waiting.append(_submitted(pool, function, item, stop))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _serial_opencv() -> Generator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
