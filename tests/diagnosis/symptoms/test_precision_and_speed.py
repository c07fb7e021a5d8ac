"""Half precision and waiting, and what only looks like them."""

from __future__ import annotations

import dataclasses

import pytest
from tests.diagnosis.dynamics_cases import case_of, fall, flat, layer, network, read

from hubel.diagnosis.symptom import Sign, Unknown, Well


def half(losses, zero: float = 0.9, **arguments):
    return case_of(losses, **network(layer("a", zero=zero), layer("b", zero=zero)), **arguments)


def test_gradients_lost_in_float16():
    sign = read("precision/underflow", half(flat(100), precision="float16"))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.where == ("a", "b")


@pytest.mark.parametrize(
    "arguments",
    [
        {"precision": "bfloat16"},
        {"precision": "float32"},
        {"precision": "float16", "loss_scaling": True},
        {"precision": "float16", "zero": 0.2},
    ],
    ids=str,
)
def test_zeros_of_other_reasons_are_well(arguments):
    assert isinstance(read("precision/underflow", half(flat(100), **arguments)), Well)


def test_lost_gradients_of_a_net_that_learns_are_an_observation():
    sign = read("precision/underflow", half(fall(100), precision="float16"))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_without_gradients_float16_is_unknown():
    assert isinstance(read("precision/underflow", case_of(flat(100), precision="float16")), Unknown)


def waiting(share, *, took=0.1, first_pass=None, updates=100):
    case = case_of(fall(updates))
    case.record.steps[:] = [
        dataclasses.replace(
            row,
            took_s=took,
            waited_s=took * (first_pass if first_pass and row.pass_number == 1 else share),
        )
        for row in case.record.steps
    ]
    return case


def test_a_network_that_waits_most_of_the_time():
    sign = read("speed/loader-bound", waiting(0.7))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["share"] == pytest.approx(0.7)


def test_some_waiting_and_short_waiting_are_observations():
    for case in (waiting(0.3), waiting(0.7, took=0.005)):
        sign = read("speed/loader-bound", case)
        assert isinstance(sign, Sign)
        assert not sign.confirmed


def test_a_first_pass_that_fills_a_cache_is_well_when_the_next_ones_are():
    assert isinstance(read("speed/loader-bound", waiting(0.05, first_pass=0.9)), Well)
    only = waiting(0.9, updates=25)
    only.record.steps += only.record.steps[5:]
    sign = read("speed/loader-bound", only)
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_a_slow_start_of_the_device_is_left_out():
    case = waiting(0.01)
    case.record.steps[0] = dataclasses.replace(case.record.steps[0], took_s=60, waited_s=60)
    assert isinstance(read("speed/loader-bound", case), Well)


def test_without_times_nothing_is_said():
    assert isinstance(read("speed/loader-bound", case_of(fall(100))), Unknown)
    assert isinstance(read("speed/loader-bound", waiting(0.0)), Unknown)
