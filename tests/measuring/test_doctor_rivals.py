"""The rivals' rules on telemetry that is made by hand."""

from dataclasses import replace

from benchmarks.doctor.program import Epoch
from benchmarks.doctor.rivals import MEANS, autotrainer, deepdiagnosis, umlaut
from benchmarks.doctor.rivals.telemetry import ActivationRow, LayerRow, PassRow, Telemetry

from hubel.diagnosis.table import SYMPTOMS


def layer(path="conv", norm=0.1, mean=1e-3, zeros=0.0, weight_mean=0.0, variance=0.01, ratio=1e-3):
    return LayerRow(
        path=path, gradient_norm=norm, gradient_mean=mean, gradient_zeros=zeros, gradient_size=100,
        weight_norm=1.0, weight_variance=variance, weight_largest=1.0, weight_mean=weight_mean,
        update_ratio=ratio, finite=True,
    )  # fmt: skip


def telemetry(accuracies=(0.5, 0.8, 0.9), rows=None, **more):
    epochs = tuple(
        Epoch(train_loss=1 - one, train_accuracy=one, val_loss=1 - one, val_accuracy=one)
        for one in accuracies
    )
    rows = rows or [
        (layer("first", weight_mean=number / 10), layer("last", weight_mean=number / 5))
        for number in range(len(epochs))
    ]
    passes = tuple(PassRow(layers=tuple(row), activations=()) for row in rows)
    made = {
        "epochs": epochs, "passes": passes, "lr": 1e-3, "input_low": -1.0, "input_high": 1.0,
        "input_floating": True, "dropout": (), "activations": ("ReLU",),
        "convolution_filters": (8,), "last_layer": "Linear", "loss": "CrossEntropyLoss",
    }  # fmt: skip
    return Telemetry(**(made | more))


def test_nobody_complains_of_a_usual_training():
    usual = telemetry()
    assert autotrainer.alarms(usual) == ()
    assert deepdiagnosis.alarms(usual) == ()
    assert umlaut.alarms(usual) == ()


def test_autotrainer_sees_gradients_only_where_accuracy_is_low():
    vanished = [(layer("first", norm=1e-6), layer("last", norm=1.0))] * 3
    assert autotrainer.alarms(telemetry((0.1, 0.1, 0.1), vanished)) == ("vanish",)
    exploded = [(layer("first", norm=100.0), layer("last", norm=1.0))] * 3
    assert autotrainer.alarms(telemetry((0.1, 0.1, 0.1), exploded)) == ("explode",)
    assert autotrainer.alarms(telemetry((0.8, 0.9, 0.95), exploded)) == ()
    dead = [(layer("first", zeros=0.9), layer("last", zeros=0.9))] * 3
    assert autotrainer.alarms(telemetry((0.1, 0.1, 0.1), dead)) == ("relu",)
    assert autotrainer.alarms(telemetry((0.1, 0.1, 0.1))) == ("not_converge",)


def test_autotrainer_sees_swings_and_numbers_that_are_none():
    assert autotrainer.alarms(telemetry((0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9))) == ("unstable",)
    usual = telemetry()
    broken = replace(usual.epochs[1], train_loss=float("nan"))
    spoiled = replace(usual, epochs=(usual.epochs[0], broken, usual.epochs[2]))
    assert autotrainer.alarms(spoiled) == ("explode",)


def test_deepdiagnosis_reads_sparsity_as_death_as_published():
    relu = ActivationRow(
        path="act", kind="ReLU", inactive=0.75, beyond_5=0.0, mean=0.1, variance=1.0, finite=True
    )
    usual = telemetry()
    sparse = replace(usual, passes=tuple(replace(row, activations=(relu,)) for row in usual.passes))
    assert deepdiagnosis.alarms(sparse) == ("dead node",)


def test_deepdiagnosis_sees_weights_that_stay_and_rates_out_of_range():
    still = [(layer("a", weight_mean=0.5),)] * 7
    accuracies = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    assert "unchanged weight" in deepdiagnosis.alarms(telemetry(accuracies, still))
    assert "unchanged weight" not in deepdiagnosis.alarms(telemetry(accuracies[:5], still[:5]))
    fast = [(layer("a", ratio=0.5, weight_mean=one),) for one in (0.1, 0.2, 0.3)]
    assert deepdiagnosis.alarms(telemetry(rows=fast)) == ("high learning rate",)


def test_umlaut_warns_by_its_thresholds():
    assert umlaut.alarms(telemetry(lr=0.02)) == ("learning rate too high",)
    assert umlaut.alarms(telemetry(input_high=2.5)) == ("input is not normalised",)
    assert umlaut.alarms(telemetry(dropout=(0.6,))) == ("dropout too high",)
    assert umlaut.alarms(telemetry((0.5, 0.97))) == ("validation too good",)
    assert umlaut.alarms(telemetry(last_layer="Softmax")) == ("last layer has an activation",)


def test_every_meaning_is_an_id_that_exists():
    strange = {
        f"{tool} {name}: {one}"
        for tool, table in MEANS.items()
        for name, ids in table.items()
        for one in ids
        if SYMPTOMS and one not in SYMPTOMS
    }
    assert not strange
