"""Initial weights that do harm, and unusual ones that do not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.diagnosis.dynamics_cases import case_of, fall, flat, layer, network, read, unit

from hubel.diagnosis.evidence.record import WeightRow
from hubel.diagnosis.evidence.setting import ModuleFact, ParameterFact
from hubel.diagnosis.symptom import Sign, Unknown, Well

HE = math.sqrt(2 / (16 * 9))


def scaled(factor: float, losses, **arguments):
    layers = [layer(f"c{n}", weight=factor * HE) for n in range(4)]
    return case_of(losses, **(network(*layers) | arguments))


@pytest.mark.parametrize(("factor", "word"), [(0.04, "small"), (4.0, "large")])
def test_weights_far_from_hes_do_harm(factor, word):
    sign = read("initialisation/scale", scaled(factor, flat(100)))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert word in sign.what
    assert sign.where == ("c0", "c1", "c2")
    assert sign.measured["least"] == pytest.approx(factor)


def test_torchs_own_scale_is_well_where_nothing_is_learnt():
    assert isinstance(read("initialisation/scale", scaled(1 / math.sqrt(6), flat(100))), Well)


def test_unusual_weights_that_learn_are_an_observation():
    sign = read("initialisation/scale", scaled(4.0, fall(100), val=0.95))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_before_a_normalisation_the_scale_does_not_matter():
    modules = []
    for n in range(4):
        modules.append(ModuleFact(path=f"c{n}", kind="Conv2d"))
        modules.append(ModuleFact(path=f"n{n}", kind="BatchNorm2d"))
    sign = read("initialisation/scale", scaled(4.0, flat(100), modules=modules))
    assert isinstance(sign, Sign)
    assert not sign.confirmed
    assert sign.severity == "note"


def test_weights_that_were_first_seen_late_are_unknown():
    late = [layer(f"c{n}", weight=9.0, steps=(50, 60)) for n in range(3)]
    for name in ("scale", "constant"):
        reading = read(f"initialisation/{name}", case_of(flat(100), **network(*late)))
        assert isinstance(reading, Unknown)


def equal(losses, *, inputs: int = 16, head: float = 0.9, **arguments):
    layers = [layer("a"), layer("b", spread=0.0, inputs=inputs), layer("head", spread=head)]
    return case_of(losses, **network(*layers), **arguments)


def test_equal_units_learn_the_same():
    sign = read("initialisation/constant", equal(flat(100)))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.where == ("b",)


def test_equal_units_that_part_and_learn_are_an_observation():
    sign = read("initialisation/constant", equal(fall(100), val=0.95))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_depthwise_kernels_and_heads_may_start_equal():
    assert isinstance(read("initialisation/constant", equal(flat(100), inputs=1)), Well)
    layers = [layer("a"), layer("b"), layer("head", spread=0.0)]
    assert isinstance(read("initialisation/constant", case_of(flat(100), **network(*layers))), Well)


def biased(size: float, losses, dead: float, path: str = "a", **arguments):
    layers = [layer("a"), layer("head")]
    facts = network(*layers)
    facts["parameters"] += [
        ParameterFact(name=f"{path}.bias", shape=(16,), trainable=True, group=0)
    ]
    facts["weights"] += [
        WeightRow(
            step=1, name=f"{path}.bias", weight=size, gradient=0.0, update=0.0, mean_ratio=0.0
        )
    ]
    units = [
        unit("a", 0, kind="Conv2d"),
        unit("a-act", 0, dead=dead),
        unit("head", 0, kind="Linear"),
    ]
    return case_of(losses, units=units, **facts, **arguments)


def test_biases_that_kill_units_from_the_start():
    sign = read("initialisation/bias", biased(10.0, flat(100), 1.0))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert "a-act" in sign.evidence


def test_large_biases_that_kill_nothing_are_an_observation():
    sign = read("initialisation/bias", biased(10.0, flat(100), 0.0))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_small_biases_and_the_heads_prior_are_well():
    assert isinstance(read("initialisation/bias", biased(0.3, flat(100), 1.0)), Well)
    assert isinstance(read("initialisation/bias", biased(10.0, flat(100), 0.0, "head")), Unknown)


def test_small_weights_are_not_to_blame_for_a_loss_far_above_guessing():
    thrown = scaled(0.05, flat(100, level=9.0))
    assert not read("initialisation/scale", thrown).confirmed
    assert read("initialisation/scale", scaled(0.05, flat(100))).confirmed
    assert read("initialisation/scale", scaled(4.0, flat(100, level=9.0))).confirmed


def test_weights_of_zero_are_equal_units():
    rows = [layer("a", weight=0.0, spread=math.nan), layer("b"), layer("head")]
    sign = read("initialisation/constant", case_of(flat(100), **network(*rows)))
    assert sign.confirmed
    assert sign.where == ("a",)


def test_weights_of_zero_that_part_are_a_way_to_start():
    fact, rows = layer("a")
    rows = [replace(rows[0], weight=0.0, spread=math.nan), *rows[1:]]
    parted = case_of(flat(100), **network((fact, rows), layer("b"), layer("head")))
    assert not read("initialisation/constant", parted).confirmed
