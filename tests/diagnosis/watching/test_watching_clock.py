"""When to measure, and what is said while a training runs."""

import math
from types import SimpleNamespace

import pytest
from torch import nn, optim

import hubel
from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Sign, Symptom, Well
from hubel.diagnosis.watching import clock as clocks
from hubel.diagnosis.watching import saying
from hubel.diagnosis.watching.clock import Clock, Interval


@pytest.fixture
def clock(monkeypatch):
    """Return a clock for which no time is short."""
    clock = Clock()
    monkeypatch.setattr(clocks, "perf_counter", lambda: clock.started + 100.0)
    return clock


def dues(interval, updates):
    return [update for update in range(1, updates + 1) if interval.due(update)]


def test_measuring_is_dense_at_first_and_then_regular(clock):
    assert dues(Interval(clock, 16), 70) == [1, 2, 4, 8, 16, 32, 48, 64]
    assert dues(Interval(clock, 30, early=False), 100) == [30, 60, 90]


def test_what_costs_too_much_happens_ever_more_seldom(clock):
    interval = Interval(clock, 16)
    clock.spent = math.inf
    assert dues(interval, 100) == []
    assert interval.every > 64
    clock.spent = 0.0
    assert dues(interval, 10_000) != []


def test_a_long_record_stays_small(clock):
    found = dues(Interval(clock, 1), 10_000)
    assert len(found) < clocks.MANY * math.log2(10_000)
    assert found[-1] - found[-2] >= 8


def test_the_share_is_of_the_time_since_the_start(clock):
    clock.spent = 3.0
    assert clock.share() == pytest.approx(0.03)
    assert not clock.affords()
    clock.spent = 100 * clocks.SHARE
    assert clock.affords()


def symptom(name, tier, reading):
    return Symptom(
        id=name, meaning="", tier=tier, statistic="", threshold="", severity="error", remedy="",
        source="hubel", find=lambda case: reading,
    )  # fmt: skip


SICK = Sign(what="It is ill.", evidence="5 of 5", confidence=1.0, confirmed=True)


@pytest.mark.parametrize(
    ("tier", "reading", "expected"),
    [
        (0, SICK, ["hubel: It is ill. [loop/ill] 5 of 5"]),
        (1, SICK, ["hubel: It is ill. [loop/ill] 5 of 5"]),
        (2, SICK, []),
        (0, Well(evidence="fine"), []),
    ],
)
def test_a_root_cause_is_said_once(monkeypatch, tier, reading, expected):
    table = {"loop/ill": symptom("loop/ill", tier, reading)}
    for module in ("examination", "watching.saying", "causes"):
        monkeypatch.setattr(f"hubel.diagnosis.{module}.SYMPTOMS", table)
    said = []
    voice = saying.Voice(said.append)
    for _ in range(2):
        voice.examine(Case(Setting(origin="loop", task="unknown"), Record()))
    assert said == expected


def test_the_voice_looks_at_ends_of_passes_and_every_so_many_updates(clock):
    course = SimpleNamespace(passes=1, updates=1, clock=clock)
    voice = saying.Voice(print)
    looks = []
    for update in range(1, 13):
        course.updates, course.passes = update, 1 + update // 7
        if voice.due(course, 4):
            looks.append(update)
    assert looks == [1, 5, 7, 11]
    assert not saying.Voice(None).due(course, 1)


def test_nothing_is_said_of_a_loop_that_is_not_there(capsys):
    model = nn.Linear(2, 2)
    with hubel.watch(model, optim.SGD(model.parameters(), 0.1), []) as doctor:
        pass
    assert capsys.readouterr().out == ""
    assert doctor.diagnosis().step == 0
