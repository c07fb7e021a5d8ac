"""Dead and saturated units, and those that only look so."""

from __future__ import annotations

import pytest
from tests.diagnosis.dynamics_cases import (
    case_of,
    fall,
    flat,
    layer,
    network,
    read,
    unit,
)

from hubel.diagnosis.evidence.setting import ModuleFact
from hubel.diagnosis.symptom import Sign, Unknown, Well


def probed(losses, *, at=(0, 30, 60, 90), **shares):
    units = [unit("act", step, **shares) for step in at]
    return case_of(losses, units=[*units, *(unit("fc", step, kind="Linear") for step in at)])


def test_channels_that_stay_dead_do_harm():
    sign = read("unit/dead", probed(flat(100), dead=0.8))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.where == ("act",)
    assert "80%" in sign.evidence


def test_dead_channels_of_a_net_that_learns_are_an_observation():
    sign = read("unit/dead", probed(fall(100), dead=0.8))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


@pytest.mark.parametrize(
    ("ratio", "gradient", "confirmed"),
    [(1e-6, 0.01, False), (1e-6, 0.0, True), (0.01, 0.01, True)],
)
def test_units_that_were_dead_at_first_are_not_blamed_for_a_rate_that_is_too_low(
    ratio, gradient, confirmed
):
    units = [unit("act", step, dead=0.8) for step in (0, 30, 60, 90)]
    layers = [layer(name, ratio=ratio, gradient=gradient) for name in ("one", "two", "three")]
    sign = read("unit/dead", case_of(flat(100), units=units, **network(*layers)))
    assert isinstance(sign, Sign)
    assert (sign.confirmed, sign.confidence) == (confirmed, 0.5)


def test_zeros_of_relu_are_never_a_symptom():
    assert isinstance(read("unit/dead", probed(flat(100), zeros=0.95)), Well)


def test_dead_at_the_start_or_once_is_not_dead():
    units = [unit("act", 0, dead=1.0), unit("act", 30, dead=1.0), unit("act", 60)]
    assert isinstance(read("unit/dead", case_of(flat(100), units=units)), Well)


def test_one_probe_after_the_start_says_nothing():
    assert isinstance(read("unit/dead", probed(flat(100), at=(0, 30), dead=1.0)), Unknown)
    assert isinstance(read("unit/saturated", case_of(flat(100))), Unknown)


def test_units_at_their_ends_do_harm():
    sign = read("unit/saturated", probed(flat(100), kind="Tanh", saturated=0.9))
    assert isinstance(sign, Sign)
    assert sign.confirmed


def test_saturation_that_does_no_harm_is_an_observation():
    sign = read("unit/saturated", probed(fall(100), kind="Tanh", saturated=0.9))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_relu6_gates_and_the_last_sigmoid_may_hold_at_their_ends():
    for kind in ("ReLU6", "Hardsigmoid"):
        assert isinstance(read("unit/saturated", probed(flat(100), kind=kind, saturated=1.0)), Well)
    units = [unit("out", step, kind="Sigmoid", saturated=1.0) for step in (0, 30, 60)]
    modules = (ModuleFact(path="fc", kind="Linear"), ModuleFact(path="out", kind="Sigmoid"))
    case = case_of(flat(100), units=units, modules=modules)
    assert isinstance(read("unit/saturated", case), Well)
