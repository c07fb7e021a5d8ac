"""Gradients that vanish or explode, and those that only look so."""

from __future__ import annotations

import pytest
from tests.diagnosis.dynamics_cases import case_of, fall, flat, layer, network, read, unit

from hubel.diagnosis.evidence.record import WeightRow
from hubel.diagnosis.symptom import Sign, Unknown, Well


def deep(falls: float, losses=None, **numbers):
    layers = [layer(f"conv{n}", gradient=0.01 * falls ** (3 - n), **numbers) for n in range(4)]
    return case_of(flat(100) if losses is None else losses, **network(*layers))


def test_a_gradient_lost_over_depth_names_the_starved_layers():
    sign = read("gradient/vanishing", deep(1e-2))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.where == ("conv0", "conv1")
    assert sign.measured["fall"] == pytest.approx(1e-6)


def test_a_lost_gradient_that_does_no_harm_is_an_observation():
    sign = read("gradient/vanishing", deep(1e-2, fall(100)))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_a_stuck_loss_with_gradients_everywhere_is_no_vanishing():
    assert isinstance(read("gradient/vanishing", deep(0.5)), Well)


def test_small_gradients_of_large_weights_do_not_vanish():
    """BatchNorm and scale: a gradient is as much smaller as the weights are larger."""
    first = layer("a", gradient=1e-5, weight=10.0)
    last = layer("b", gradient=1e-1, weight=1e-3)
    case = case_of(flat(100), **network(first, last))
    assert isinstance(read("gradient/vanishing", case), Well)


def test_one_sample_of_ten_is_not_enough():
    fact, rows = layer("a", gradient=1e-2)
    rows[3] = layer("a", gradient=1e-9)[1][3]
    case = case_of(flat(100), **network((fact, rows), layer("b")))
    assert isinstance(read("gradient/vanishing", case), Well)


def test_dead_layers_and_single_layers_are_unknown():
    assert isinstance(read("gradient/vanishing", deep(0.0)), Unknown)
    assert isinstance(
        read("gradient/vanishing", case_of(flat(100), **network(layer("a")))), Unknown
    )


def exploding(losses, ratio, growth):
    fact, rows = layer("a")
    rows = [
        WeightRow(step=row.step, name=row.name, weight=0.1, update=1, mean_ratio=ratio,
                  gradient=0.01 * growth**place)
        for place, row in enumerate(rows)
    ]  # fmt: skip
    return case_of(losses, **network((fact, rows), layer("b", ratio=ratio)))


def test_gradients_that_grow_over_time_explode_where_the_loss_does():
    sign = read("gradient/exploding", exploding([*fall(30), *flat(70, 50)], 2.0, 4.0))
    assert isinstance(sign, Sign)
    assert sign.confirmed


def test_gradients_that_grow_while_the_loss_falls_and_updates_stay_small_are_well():
    assert isinstance(read("gradient/exploding", exploding(fall(100), 0.01, 4.0)), Well)


def test_large_updates_without_growth_are_no_explosion():
    assert isinstance(read("gradient/exploding", exploding(flat(100), 2.0, 1.0)), Well)


def test_signals_that_grow_over_depth_explode():
    layers = [layer(f"c{n}", ratio=1.5) for n in range(3)]
    units = [unit(f"c{n}", 0, kind="Conv2d", std=20.0**n) for n in range(3)]
    sign = read("gradient/exploding", case_of([*flat(10, 90), *[float("nan")] * 90], units=units,
                                              **network(*layers)))  # fmt: skip
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.where == ("c2",)
    assert sign.measured["over-depth"] == pytest.approx(400)


def test_without_gradients_nothing_is_said_of_explosions():
    assert isinstance(read("gradient/exploding", case_of(fall(100))), Unknown)


@pytest.mark.parametrize(("first", "kind"), [(1e-9, Sign), (1e-5, Unknown)])
def test_two_samples_do_where_nothing_at_all_arrives(first, kind):
    layers = [
        layer(f"c{n}", gradient=size, ratio=1e-5, steps=(1, 2))
        for n, size in enumerate((first, 1e-2, 1e-1))
    ]
    assert isinstance(read("gradient/vanishing", case_of(flat(100), **network(*layers))), kind)
