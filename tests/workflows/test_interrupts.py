"""The first interrupt asks, the second stops at once, and Python's own handler comes back."""

from __future__ import annotations

import signal
import threading

import pytest

from hubel.workflows.interrupts import graceful


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_asks_second_stops(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    asked: list[int] = []
    with pytest.raises(KeyboardInterrupt), graceful(lambda: asked.append(1)):
        signal.raise_signal(number)
        assert asked == [1]
        signal.raise_signal(number)
    assert asked == [1]
    assert signal.getsignal(number) is before


def test_outside_the_main_thread_nothing_is_caught() -> None:
    seen: list[object] = []

    def work() -> None:
        with graceful(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
