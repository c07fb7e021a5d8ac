"""Symptoms of fitting and of normalisation: on trainings that have them and that look like it."""

import dataclasses
import math

import pytest
import torch
from tests.diagnosis.trials_runs import Deaf, adam, network, subject_of, trained

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import EvaluationRow, Record, StepRow, WeightRow
from hubel.diagnosis.evidence.setting import (
    LossFact,
    ModuleFact,
    OptimizerFact,
    ParameterFact,
    Setting,
)
from hubel.diagnosis.harm import Harm
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.symptoms import fit, normalisation
from hubel.diagnosis.trials.trial import Trial

FIND = {one.id: one.find for one in (*fit.SYMPTOMS, *normalisation.SYMPTOMS)}


def harm(suffers=True, *, train=0.4, val=0.38, reference=0.9, known=True) -> Harm:
    return Harm(
        suffers=suffers, evidence="said", train_accuracy=train, val_accuracy=val, chance=0.1,
        reference=reference, known=known, train_error=0.01, val_error=0.01, reference_error=0.01,
    )  # fmt: skip


def case(trials=None, *, suffers=None, losses=(), evaluations=(), rates=None, **more) -> Case:
    """Return a hand-made case; what is asked for and not given is unknown."""
    losses = losses or [max(2.3 - 0.02 * step, 1.2) for step in range(300)]
    steps = [
        StepRow(
            step=at, pass_number=1, loss=loss, lr=rates(at) if rates else 0.1, pictures=32,
            accuracy=0.5,
        )
        for at, loss in enumerate(losses, start=1)
    ]  # fmt: skip
    setting = dataclasses.replace(
        Setting(
            origin="loop",
            task="classification",
            modules=(ModuleFact(path="bn", kind="BatchNorm2d"),),
        ),
        **more,
    )
    found = Case(setting, Record(steps=steps, evaluations=list(evaluations)))
    for name, (healthy, measured) in (trials or {}).items():
        found.trials.made[name] = Trial(
            name=name, healthy=healthy, evidence="a test", measured=measured,
            where=("bn",) if measured.get("drift:bn", 0) > 0.5 else (),
        )  # fmt: skip
    found.__dict__["harm"] = harm() if suffers is None else suffers
    return found


def says(name, found):
    reading = FIND[name](found)
    if isinstance(reading, Sign):
        return "alarm" if reading.confirmed else "observation"
    assert isinstance(reading, Well | Unknown)
    return type(reading).__name__.lower()


CONV = (ModuleFact(path="c", kind="Conv2d"),)
BATCH = {"steps": 300, "own_steps": 300, "sane_lr": 1e-3}


def test_sixteen_pictures():
    name = "fit/cannot-fit-batch"
    for sane, own, answer in (
        (0.5, 0.5, "alarm"),
        (0.1, 0.0, "well"),  # its own optimizer can
        (0.0, 0.8, "alarm"),
        (0.0, 0.1, "observation"),
        (0.0, 0.0, "well"),
    ):
        one = {"one-batch": (sane <= 0.05, {"error_sane": sane, "error_own": own, **BATCH})}
        assert says(name, case(one)) == answer
        assert says(name, case(one, suffers=harm(False))) == "well"
        assert says(name, case(one, suffers=harm(False, known=False))) == "unknown"
    assert says(name, case()) == "unknown"


def test_input_ignored():
    name = "fit/ignores-input"
    low = harm(train=0.1, val=0.1)
    for p, spread, answer in ((0.4, 0.5, "alarm"), (1e-9, 1e-5, "alarm"), (1e-9, 0.5, "well")):
        zero = {"zeroed-input": (p < 0.05, {"p": p, "spread": spread})}
        assert says(name, case(zero, suffers=low)) == answer
        assert says(name, case(zero)) == "well"  # 40% right: it looks at something


def test_underfitting_is_what_nothing_else_explains():
    name = "fit/underfitting"
    assert says(name, case()) == "alarm"
    assert says(name, case({"rate-range": (False, {})})) == "observation"
    assert says(name, case({"regularisation-off": (False, {})})) == "observation"
    assert says(name, case(suffers=harm(train=0.95))) == "well"
    assert says(name, case(suffers=harm(train=0.7, val=0.4))) == "well"  # the gap is the matter
    assert says(name, case(suffers=harm(reference=math.nan))) == "unknown"


def test_a_loss_that_falls_in_a_training_of_unknown_length_is_no_underfitting_yet():
    falling = [2.3 * 0.99**step for step in range(300)]
    annealed = {"losses": falling, "rates": lambda at: 0.1 * (301 - at) / 300}
    assert says("fit/underfitting", case(**annealed)) == "observation"
    assert says("fit/underfitting", case(**annealed, planned_steps=300)) == "alarm"


def rows(losses, shares, pictures=500):
    return [
        EvaluationRow(
            step=30 * at, pass_number=at, split="val", mode="eval", loss=loss, accuracy=share,
            pictures=pictures,
        )
        for at, (loss, share) in enumerate(zip(losses, shares, strict=True), start=1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "shares", "pictures", "train", "answer"),
    [
        ((1, 0.6, 0.8, 1.0, 1.2), (0.6, 0.85, 0.8, 0.75, 0.72), 500, 1.0, "alarm"),
        ((1, 0.6, 0.8, 1.0, 1.2), (0.6, 0.65, 0.65, 0.65, 0.65), 500, 1.0, "alarm"),  # wide gap
        ((0.2, 0.1, 0.15, 0.18, 0.2), (0.9, 0.97, 0.97, 0.97, 0.97), 5000, 1.0, "well"),
        ((1, 0.6, 0.8, 1.0, 1.2), (0.6, 0.85, 0.85, 0.85, 0.85), 500, 1.0, "observation"),
        ((1, 0.6, 0.8, 1.0, 1.2), (0.6, 0.85, 0.8, 0.75, 0.72), 10, 1.0, "well"),  # too few
        ((1, 0.6, 0.75, 0.76, 0.78), (0.6, 0.6, 0.6, 0.6, 0.6), 30, 1.0, "well"),  # noise
        ((1, 0.8, 0.7, 0.6, 1.2), (0.6, 0.8, 0.85, 0.85, 0.7), 500, 1.0, "well"),  # one rise
        ((1, 0.6, 0.8), (0.6, 0.85, 0.7), 500, 1.0, "unknown"),
    ],
)
def test_overfitting(losses, shares, pictures, train, answer):
    course = [2.3 * 0.98**step for step in range(150)]
    found = case(
        losses=course, evaluations=rows(losses, shares, pictures), suffers=harm(False, train=train)
    )
    assert says("fit/overfitting", found) == answer


@pytest.mark.parametrize(
    ("name", "healthy", "measured", "answer"),
    [
        ("data-shift", False, {"proven": 1.0, "far": 0.0}, "observation"),
        ("data-shift", False, {"proven": 0.0, "far": 1.0}, "observation"),
        ("data-shift", False, {"proven": 0.0, "far": 0.0}, "alarm"),
        ("data-validation-labels", False, {}, "observation"),
        ("data-variation", True, {}, "alarm"),
    ],
)
def test_validation_of_another_kind_is_not_overfitting(name, healthy, measured, answer):
    course = [2.3 * 0.98**step for step in range(150)]
    evaluations = rows((1, 0.6, 0.8, 1.0, 1.2), (0.6, 0.85, 0.8, 0.75, 0.72))
    found = case({name: (healthy, measured)}, losses=course, evaluations=evaluations,
                 suffers=harm(False, train=1.0))  # fmt: skip
    assert says("fit/overfitting", found) == answer


def test_overfitting_needs_a_training_that_goes_on_to_fall():
    course = [2.3] * 150
    found = case(losses=course, evaluations=rows((1, 0.6, 0.8, 1, 1.2), (0.6, 0.8, 0.7, 0.6, 0.5)))
    assert says("fit/overfitting", found) == "well"


def test_over_regularised_names_what_regularises():
    sick = {"with_accuracy": 0.3, "without_accuracy": 0.9}
    layers = (
        ModuleFact(path="drop", kind="Dropout", details={"p": 0.9}),
        ModuleFact(path="light", kind="Dropout", details={"p": 0.1}),
    )
    optimizer = OptimizerFact(kind="SGD", groups=({"weight_decay": 1.0},))
    found = case({"regularisation-off": (False, sick)}, modules=layers, optimizer=optimizer)
    reading = FIND["fit/over-regularised"](found)
    assert reading.confirmed
    assert reading.where == ("drop (p = 0.9)", "weight decay 1")
    assert says("fit/over-regularised", case({"regularisation-off": (True, sick)})) == "well"


@pytest.mark.parametrize(
    ("drop", "decay", "answer"),
    [(0.1, 1e-4, "observation"), (0.5, 1e-4, "alarm"), (0.1, 0.1, "alarm"), (None, 1e-4, "alarm")],
)
def test_mild_regularisation_holds_nothing_back(drop, decay, answer):
    trial = {"regularisation-off": (False, {"with_accuracy": 0.4, "without_accuracy": 0.7})}
    layers = () if drop is None else (ModuleFact(path="d", kind="Dropout", details={"p": drop}),)
    optimizer = OptimizerFact(kind="SGD", groups=({"weight_decay": decay},))
    found = case(trial, modules=layers, optimizer=optimizer)
    assert says("fit/over-regularised", found) == answer


CROSS_ENTROPY = LossFact(
    kind="cross-entropy", reduction="mean", negated=False, activations=(), chain=()
)


@pytest.mark.parametrize(
    ("loss", "train", "own", "kind", "answer"),
    [
        (2.29, 0.68, 0.0, CROSS_ENTROPY, "alarm"),
        (2.29, 0.68, 0.5, CROSS_ENTROPY, "unknown"),  # a rate too low: it has hardly begun
        (2.29, 0.3, 0.0, CROSS_ENTROPY, "unknown"),
        (1.9, 0.68, 0.0, CROSS_ENTROPY, "unknown"),  # smoothing by .5 still teaches
        (2.29, 0.68, 0.0, dataclasses.replace(CROSS_ENTROPY, kind="mse"), "unknown"),
    ],
)
def test_labels_that_are_smoothed_away(loss, train, own, kind, answer):
    trials = {"one-batch": (True, {"error_sane": 0.0, "error_own": own, **BATCH})}
    found = case(
        trials, losses=[2.3, *[loss] * 99], suffers=harm(train=train), loss=kind, classes=10
    )
    assert says("fit/over-regularised", found) == answer


def test_too_short():
    name = "fit/too-short"
    steep = [2.3 * 0.994**step + 0.01 * (-1) ** step for step in range(300)]
    assert says(name, case(losses=steep)) == "alarm"
    annealed = case(losses=steep, rates=lambda at: 0.1 * (301 - at) / 300)
    assert says(name, annealed) == "well"
    assert says(name, case(losses=steep, suffers=harm(False))) == "well"
    assert says(name, case(losses=[1.0 + 0.01 * (-1) ** step for step in range(300)])) == "well"
    assert says(name, case({"rate-range": (False, {})}, losses=steep)) == "observation"
    assert says(name, case(losses=steep, planned_steps=900)) == "unknown"
    assert says(name, case(losses=steep[:20], suffers=harm(known=False))) == "unknown"


def test_two_passes_are_too_short_whatever_the_schedule():
    falling = [2.3 * 0.997**step + 0.1 * (-1) ** step for step in range(60)]
    annealed = {"losses": falling, "rates": lambda at: 0.1 * (61 - at) / 60, "planned_steps": 60}
    assert says("fit/too-short", case(**annealed, steps_a_pass=30)) == "alarm"
    assert says("fit/too-short", case(**annealed, steps_a_pass=10)) == "well"
    assert says("fit/too-short", case(**annealed, steps_a_pass=30, suffers=harm(False))) == "well"
    flat = {**annealed, "losses": [2.3 + 0.1 * (-1) ** step for step in range(60)]}
    assert says("fit/too-short", case(**flat, steps_a_pass=30)) == "well"


@pytest.mark.parametrize(
    ("suffers", "planned", "answer"),
    [
        (harm(), 8, "alarm"),
        (harm(False), 8, "well"),
        (harm(), 80, "unknown"),
        (dataclasses.replace(harm(), known=False), None, "unknown"),
    ],
)
def test_a_training_of_few_updates(suffers, planned, answer):
    few = case(losses=[2.3] * 8, suffers=suffers, planned_steps=planned, steps_a_pass=1)
    assert says("fit/too-short", few) == answer


@pytest.mark.parametrize("end", [math.nan, math.inf, 3e5, 2.3])
@pytest.mark.parametrize("planned", [None, 8])
def test_few_updates_are_no_cause_of_a_loss_that_is_lost_or_of_a_loop_that_goes_on(end, planned):
    few = case(losses=[2.3] * 7 + [end], suffers=harm(), planned_steps=planned, steps_a_pass=1)
    ended = planned == 8 and end == 2.3
    assert says("fit/too-short", few) == ("alarm" if ended else "unknown")


def test_few_updates_are_enough_where_nothing_suffers_though_the_last_loss_is_high():
    few = case(losses=[2.3] * 7 + [9.9], suffers=harm(False), planned_steps=8, steps_a_pass=1)
    assert says("fit/too-short", few) == "well"


def test_passes_are_counted_in_updates_where_batches_are_accumulated():
    falling = [2.3 * 0.997**step + 0.1 * (-1) ** step for step in range(60)]
    found = case(losses=falling, rates=lambda at: 0.1 * (61 - at) / 60, steps_a_pass=60)
    assert says("fit/too-short", found) == "alarm"
    # Four batches an update: 60 updates are four passes of 60 batches.
    found.record.steps = [
        dataclasses.replace(row, pass_number=1 + at // 15)
        for at, row in enumerate(found.record.steps)
    ]
    assert says("fit/too-short", found) == "well"


def test_smoothing_that_leaves_no_label_needs_no_harm():
    trials = {"one-batch": (True, {"error_sane": 0.0, "error_own": 0.0, **BATCH})}
    found = {"losses": [2.3, *[2.29] * 99], "loss": CROSS_ENTROPY, "classes": 10}
    assert (
        says("fit/over-regularised", case(trials, suffers=harm(False, train=0.98), **found))
        == "alarm"
    )
    assert (
        says("fit/over-regularised", case(trials, suffers=harm(False, train=0.2), **found))
        == "well"
    )


@pytest.mark.parametrize(("gradient", "answer"), [(0.001, "alarm"), (1.0, "well")])
def test_a_decay_that_outweighs_the_gradients_is_tested_without_harm(gradient, answer):
    trials = {"regularisation-off": (False, {"with_accuracy": 0.5, "without_accuracy": 0.9})}
    found = case(
        trials,
        suffers=harm(False),
        optimizer=OptimizerFact(kind="Adam", groups=({"lr": 1e-3, "weight_decay": 0.1},)),
        parameters=(ParameterFact(name="a.weight", shape=(4, 4), trainable=True, group=0),),
    )
    found.record.weights += [
        WeightRow(step=step, name="a.weight", weight=0.1, gradient=gradient, update=0.001,
                  mean_ratio=0.01)
        for step in (1, 9)
    ]  # fmt: skip
    assert says("fit/over-regularised", found) == answer


def swap(trained_share, evaluated, drift, difference=0.6, p=0.5):
    return {
        "mode-swap": (
            difference <= 0.5,
            {
                "train_loss": 0.2, "eval_loss": 1.0, "difference": difference, "p": p,
                "train_accuracy": trained_share, "eval_accuracy": evaluated, "drift:bn": drift,
                "number": 256,
            },
        )
    }  # fmt: skip


def test_modes_that_disagree():
    sick, loss_only = case(swap(0.98, 0.6, 2.0)), case(swap(0.98, 0.98, 2.0))
    sound = case(swap(0.98, 0.97, 0.1, 0.05))
    for name in ("normalisation/train-eval", "normalisation/drift"):
        assert says(name, sick) == "alarm"
        assert says(name, loss_only) == "observation"
        assert says(name, sound) == "well"
        assert says(name, case(swap(0.98, 0.6, 2.0), suffers=harm(False))) == "well"
        assert says(name, case(swap(0.98, 0.6, 2.0), modules=CONV)) == "well"
    few = swap(0.98, 0.94, 2.0, p=1e-4)
    assert says("normalisation/train-eval", case(few)) == "alarm"
    assert says("normalisation/train-eval", case(swap(0.98, 0.94, 2.0, p=0.1))) == "observation"
    assert says("normalisation/train-eval", case(swap(0.98, 0.94, 0.1, p=1e-4))) == "observation"
    slow = ModuleFact(path="bn", kind="BatchNorm2d", details={"momentum": 1e-4})
    reading = FIND["normalisation/drift"](case(swap(0.98, 0.6, 2.0), modules=(slow,)))
    assert reading.where == ("bn",)
    assert "it is 0.0001" in reading.remedy


def test_small_batches():
    name = "normalisation/small-batch"
    sick, sound = {"wide-statistics": (False, {})}, {"wide-statistics": (True, {})}
    assert says(name, case(sick, batch=4)) == "alarm"
    assert says(name, case(sound, batch=4)) == "observation"
    assert says(name, case(sound, batch=2)) == "alarm"
    assert says(name, case(sick, batch=8)) == "well"
    assert says(name, case(sick, batch=2, suffers=harm(False))) == "well"
    assert says(name, case(sick, batch=2, modules=CONV)) == "well"
    assert says(name, case(sick)) == "unknown"


def test_a_sound_training_calls_for_no_test():
    found = trained(subject_of(network(dropout=0.3)))
    answers = {name: says(name, found) for name in FIND}
    assert set(answers.values()) <= {"well"}, answers
    assert set(found.trials.made) == {"reference"}


def test_running_statistics_that_do_not_follow():
    found = trained(subject_of(network(momentum=1e-4)))
    assert says("normalisation/train-eval", found) == "alarm"
    assert says("normalisation/drift", found) == "alarm"
    assert says("fit/cannot-fit-batch", found) == "well"
    assert says("fit/overfitting", found) == "well"


def test_a_deaf_network(monkeypatch):
    for module in ("one_batch", "zeroed_input"):
        monkeypatch.setattr(f"hubel.diagnosis.trials.{module}.STEPS", 40)
    found = trained(subject_of(Deaf(), make=adam(1e-2)), steps=60)
    assert says("fit/ignores-input", found) == "alarm"
    assert says("fit/cannot-fit-batch", found) == "alarm"


def test_before_the_first_update_tests_are_all_there_is(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.one_batch.STEPS", 40)
    subject = subject_of(Deaf())
    found = Case(Setting(origin="loop", task="classification"), Record(), subject)
    assert says("fit/cannot-fit-batch", found) == "alarm"
    assert says("fit/underfitting", found) == "unknown"
    assert torch.is_grad_enabled()
