"""From the rows of a record to the lines of a page."""

import math

import pytest

from hubel.diagnosis.courses import MOST_LAYERS, courses_of
from hubel.diagnosis.evidence.record import EvaluationRow, Record, StepRow, UnitRow, WeightRow


def step(number, loss=1.0, waited=0.0, took=1.0):
    return StepRow(
        step=number, pass_number=1, loss=loss, lr=0.1, pictures=4, waited_s=waited, took_s=took
    )


def weight(number, name, gradient=1.0, ratio=0.1):
    return WeightRow(
        step=number, name=name, weight=1.0, gradient=gradient, update=0.1, mean_ratio=ratio
    )


def unit(number, path, dead):
    return UnitRow(
        step=number, path=path, kind="ReLU", mean=0.0, std=1.0, largest=1.0, zeros=0.5, dead=dead,
        still=0.0,
    )  # fmt: skip


def test_an_empty_record_has_empty_courses():
    found = courses_of(Record())
    assert found.loss.steps == found.val_loss.steps == found.waiting.steps == ()
    assert found.ratios == found.layers == found.units == ()


def test_long_trainings_are_averaged_over_windows():
    found = courses_of(Record(steps=[step(n, float(n)) for n in range(1, 701)])).loss
    # 700 updates in windows of 3: the last one holds update 700 alone.
    assert found.steps[:2] == (3, 6)
    assert found.values[:2] == (2.0, 5.0)
    assert (found.steps[-1], found.values[-1]) == (700, 700.0)
    assert len(found.steps) == 234


def test_a_loss_that_is_not_finite_breaks_the_line():
    values = courses_of(Record(steps=[step(1), step(2, math.inf), step(3)])).loss.values
    assert (values[0], values[2]) == (1.0, 1.0)
    assert math.isnan(values[1])


def test_waiting_is_a_share_of_the_time():
    waiting = courses_of(Record(steps=[step(1, waited=1.0, took=4.0), step(2, took=0.0)])).waiting
    assert waiting.values[0] == 0.25
    assert math.isnan(waiting.values[1])


def test_only_validation_in_evaluation_mode_counts():
    rows = [
        EvaluationRow(
            step=9, pass_number=1, split=split, mode=mode, loss=loss, accuracy=0.5, pictures=9
        )
        for split, mode, loss in (("val", "eval", 1.5), ("val", "train", 2.5), ("train", "eval", 3))
    ]
    found = courses_of(Record(evaluations=rows)).val_loss
    assert (found.steps, found.values) == ((9,), (1.5,))


def test_layers_stand_from_input_to_output_without_biases():
    rows = [
        weight(number, name, gradient=number * scale, ratio=ratio)
        for number, ratio in ((1, 0.1), (17, math.nan), (33, 0.3), (49, 0.5))
        for name, scale in (("a.weight", 1.0), ("a.bias", 5.0), ("b.weight", 2.0),
                            ("c.weight", 3.0), ("d.weight", 4.0))
    ]  # fmt: skip
    found = courses_of(Record(weights=rows))
    assert [one.name for one in found.layers] == ["a.weight", "b.weight", "c.weight", "d.weight"]
    assert [one.name for one in found.ratios] == ["a.weight", "c.weight", "d.weight"]
    second = found.layers[1]
    assert (second.first_gradient, second.last_gradient) == (2.0, 98.0)
    assert second.update_ratio == pytest.approx(0.3)
    assert found.ratios[0].steps == (1, 17, 33, 49)


def test_units_as_they_were_looked_at_last():
    found = courses_of(Record(units=[unit(0, "a", 0.1), unit(0, "b", 0.2), unit(50, "a", 0.9)]))
    assert [(one.path, one.dead) for one in found.units] == [("a", 0.9), ("b", 0.2)]


def test_very_deep_networks_keep_both_ends():
    found = courses_of(Record(weights=[weight(1, f"{n}.weight") for n in range(900)]))
    assert len(found.layers) == MOST_LAYERS
    assert (found.layers[0].name, found.layers[-1].name) == ("0.weight", "899.weight")


def test_one_layer_is_one_line():
    assert len(courses_of(Record(weights=[weight(1, "a.weight")])).ratios) == 1
