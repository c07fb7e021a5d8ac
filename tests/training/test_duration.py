"""Times as people write them."""

from __future__ import annotations

import pytest

from hubel.errors import UsageError
from hubel.training.duration import parse_duration, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("1h30m", 5400), ("1m5s", 65)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--budget") == seconds


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "5 m", "-5m", "5mm", "m", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="--budget takes a time such as 90s"):
        parse_duration(text, "--budget")


def test_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="a time above zero"):
        parse_duration("0s", "--budget")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.44, "8.4 s"), (125, "2 min 5 s"), (3780, "1 h 3 min"), (59.9, "59.9 s")],
)
def test_spoken(seconds: float, text: str) -> None:
    assert spoken(seconds) == text
