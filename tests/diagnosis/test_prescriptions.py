"""What is prescribed against each cause, and what never is."""

import dataclasses
import math

import pytest
from tests.diagnosis.cases import PLAN, finding, hubel_case, loop_case, module
from tests.diagnosis.ids import IDS

from hubel.diagnosis.knobs import BEST_RATE, RANGE_TEST
from hubel.diagnosis.prescriptions import _PHRASES, flag_of, prescribe
from hubel.diagnosis.remedies import REMEDIES
from hubel.diagnosis.trials.trial import Trial
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.workflows.checks import check_fresh


def options_for(name, case):
    return prescribe(case, [finding(name)])[0].options


def _alone(text):
    return (text,)


def as_options(options):
    """Parse options as the command line would."""
    kinds = {field.name: field.type for field in dataclasses.fields(TrainOptions)}
    settings = {}
    for flag, text in options.items():
        name = flag.removeprefix("--").replace("-", "_")
        kind = str(kinds[name])
        parse = {"float |": float, "<class 'float'>": float, "int | No": int, "tuple[st": _alone}
        settings[name] = next((how for key, how in parse.items() if kind.startswith(key)), str)(
            text
        )
    return gather_options(TrainOptions, None, settings)


@pytest.mark.parametrize(
    ("name", "changes", "wanted"),
    [
        # adam's default of 3e-3 for batches of 128 is far below 0.3, and far above 1e-5.
        ("rate/too-high", {"warmup": 0.2}, {"--lr": "0.003"}),
        ("rate/too-high", {}, {"--lr": "0.003", "--warmup": "0.1"}),
        ("rate/too-high", {"lr": 0.002}, {"--lr": "0.0002", "--warmup": "0.1"}),
        ("rate/too-low", {"lr": 1e-5}, {"--lr": "0.003"}),
        ("rate/too-low", {"lr": 0.01}, {"--lr": "0.1"}),
        ("rate/momentum", {"momentum": 0.999}, {"--momentum": "0.9"}),
        ("rate/clipped", {"clip": 1e-6}, {"--clip": "1"}),
        ("weights/not-moving", {"clip": 1e-6}, {"--clip": "1"}),
        ("weights/not-moving", {"precision": "bfloat16"}, {"--precision": "float32"}),
        ("weights/not-moving", {"lr": 1e-5}, {"--lr": "0.003"}),
        ("rate/decay", {"schedule": "exponential"}, {"--schedule": "cosine"}),
        ("rate/decay", {"schedule": "step", "step_factor": 1e-3}, {"--step-factor": "0.1"}),
        ("loss/divergence", {"warmup": 0.2}, {"--lr": "0.003", "--clip": "1"}),
        ("loss/oscillation", {"warmup": 0.2, "batch": 2}, {"--lr": "0.000375", "--batch": "32"}),
        ("loss/non-finite", {"precision": "float16"}, {"--precision": "float32"}),
        ("loss/wrong-kind", {"loss": "mse"}, {"--loss": "cross-entropy"}),
        ("precision/underflow", {"precision": "float16"}, {"--precision": "float32"}),
        ("fit/too-short", {}, {"--epochs": "20"}),
        ("fit/too-short", {"epochs": 1}, {"--epochs": "8"}),
        ("fit/too-short", {"batch": 500}, {"--batch": "64", "--lr": "0.00212"}),
        ("fit/too-short", {"budget_s": 45.0}, {"--budget": "90s"}),
        ("fit/over-regularised", {"weight_decay": 1.0, "optimizer": "adamw", "dropout": 0.9},
         {"--weight-decay": "0.05", "--dropout": "0"}),
        ("fit/over-regularised", {"l1": 0.1, "label_smoothing": 0.8, "augment": ["cutmix"]},
         {"--l1": "0", "--label-smoothing": "0.1", "--augment": "safe"}),
        ("fit/overfitting", {"optimizer": "adamw"},
         {"--augment": "safe", "--weight-decay": "0.05", "--dropout": "0.2",
          "--label-smoothing": "0.1"}),
        ("fit/underfitting", {"dropout": 0.9}, {"--dropout": "0"}),
        ("fit/underfitting", {}, {"--model-arguments": "width=64", "--epochs": "20"}),
        ("design/capacity", {"model_arguments": {"width": 4}}, {"--model-arguments": "width=8"}),
        ("design/early-downsampling", {"size": 8}, {"--size": "16"}),
        ("design/large-head", {}, {"--dropout": "0.5"}),
        ("design/dropout-before-normalisation", {"dropout": 0.4}, {"--dropout": "0"}),
        ("normalisation/small-batch", {"batch": 2}, {"--batch": "32"}),
        ("normalisation/train-eval", {"ema": 0.999, "dropout": 0.9, "batch": 64},
         {"--ema": "0", "--dropout": "0.2"}),
        ("labels/imbalance", {}, {"--balance": "weights"}),
        ("data/augmentation", {"augment": ["randaugment", "mirror"]}, {"--augment": "safe"}),
        ("data/augmentation", {"augment": ["safe"]}, {"--augment": "none"}),
        ("data/range", {"normalise": "none"}, {"--normalise": "standard"}),
        ("weights/frozen", {"freeze_epochs": 10}, {"--freeze-epochs": "1"}),
        ("speed/loader-bound", {}, {"--cache": "auto"}),
    ],
)  # fmt: skip
def test_options_follow_from_what_is_set(name, changes, wanted):
    assert options_for(name, hubel_case(**changes)) == wanted


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rate/momentum", {"momentum": 0.9}),
        ("rate/clipped", {}),
        ("rate/clipped", {"clip": 5.0}),
        ("rate/decay", {}),
        ("loss/wrong-kind", {}),
        ("precision/underflow", {}),
        ("labels/imbalance", {"balance": "sampling"}),
        ("data/augmentation", {}),
        ("data/range", {}),
        ("normalisation/small-batch", {}),
        ("normalisation/small-batch", {"batch": 8, "pictures": 8}),
        ("weights/frozen", {}),
        ("speed/loader-bound", {"cache_bytes": 1000}),
        ("design/capacity", {"model": "net.py:build"}),
        ("design/early-downsampling", {"model": "lenet5"}),
        ("loss/stagnation", {}),
        ("loop/not-stepping", {}),
    ],
)
def test_what_is_set_already_is_not_prescribed_but_words(name, changes):
    prescription = prescribe(hubel_case(**changes), [finding(name)])[0]
    assert prescription.options == {}
    assert prescription.code == prescription.what == f"Mend {name} by hand."


def test_saturation_in_a_network_without_normalisation():
    plain = (module("Conv2d"), module("Tanh"))
    case = hubel_case(model="lenet5", modules=plain)
    assert options_for("unit/saturated", case) == {"--model": "hubelnet"}
    normalised = hubel_case(model="resnet20", modules=(*plain, module("BatchNorm2d")))
    assert options_for("unit/saturated", normalised) == {}
    own = hubel_case(model="net.py:build", modules=plain)
    assert options_for("unit/saturated", own) == {}


def test_a_cause_in_the_data_gets_words_too():
    prescription = prescribe(hubel_case(), [finding("labels/noise")])[0]
    assert prescription.options == {"--label-smoothing": "0.1"}
    assert prescription.code == "Mend labels/noise by hand."


@pytest.mark.parametrize(
    ("best", "low", "high", "wanted"),
    [
        # adam's default of 0.003 lies within the range, or below it, or nothing was measured.
        (0.02, 0.001, 1.0, "0.003"),
        (0.0005, 0.0001, 0.0015, "0.003"),  # a whole training bears more than a short test
        (0.02, 0.01, 0.09, "0.02"),
        (0.06, 0.01, 0.09, "0.03"),
        (0.012, 0.01, 0.015, "0.01"),
        (math.nan, 0.01, 0.09, "0.003"),
        (5.0, 4.0, 9.0, "0.03"),
    ],
)
def test_the_range_test_decides_where_it_was_made(best, low, high, wanted):
    case = ranged({BEST_RATE: best, "low_edge": low, "high_edge": high})
    assert options_for("rate/too-high", case) == {"--lr": wanted}


def test_a_loss_that_stands_still_gets_the_rate_that_was_tried():
    case = ranged({BEST_RATE: 0.02, "low_edge": 0.01, "high_edge": 0.09})
    assert options_for("loss/stagnation", case) == {"--lr": "0.02"}
    assert prescribe(case, [finding("rate/too-high")])[0].what == (
        "Set the learning rate to 0.02 (now 0.3)."
    )
    near = ranged({BEST_RATE: 0.2, "low_edge": 0.1, "high_edge": 0.9})
    assert options_for("loss/stagnation", near) == {}


def ranged(measured):
    """Return a case of rate 0.3 in which the range test has measured this."""
    case = hubel_case(warmup=0.2)
    trial = Trial(name=RANGE_TEST, healthy=True, evidence="", measured=measured)
    case.trials.made[RANGE_TEST] = trial
    return case


def test_another_loop_gets_the_same_change_in_words():
    case = loop_case("SGD", lr=10.0, momentum=0.9)
    prescription = prescribe(case, [finding("loss/divergence")])[0]
    # 0.05 for 128 pictures, linear in the batch of 64.
    assert prescription.code == (
        "Set the learning rate to 0.025 (now 10) and clip the gradient to the norm 1."
    )
    assert prescription.options == {}
    adam = loop_case("Adam", lr=0.1, beta1=0.999)
    assert "momentum to 0.9 (now 0.999)" in prescribe(adam, [finding("rate/momentum")])[0].code
    dropped = loop_case(lr=0.1, modules=(module("Dropout", p=0.9),))
    assert prescribe(dropped, [finding("fit/over-regularised")])[0].code == (
        "Set the dropout to 0 (now 0.9)."
    )
    short = loop_case(lr=0.1, steps=45)
    assert prescribe(short, [finding("fit/too-short")])[0].code == "Train for 10 passes (now 5)."


def test_nothing_is_known_of_a_bare_loop():
    for name in sorted(IDS):
        prescription = prescribe(loop_case("Lion"), [finding(name)])[0]
        assert prescription.options == {}
        assert prescription.code


def test_remedies_are_for_known_causes():
    assert set(REMEDIES) <= IDS


@pytest.mark.parametrize("name", sorted(IDS))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lr": 1e-6, "batch": 2, "clip": 1e-7, "momentum": 0.999, "precision": "float16"},
        {"dropout": 0.9, "weight_decay": 3.0, "optimizer": "sgd", "ema": 0.99, "schedule": "step",
         "step_factor": 1e-4, "augment": ["mixup", "safe"], "normalise": "none", "loss": "mse"},
    ],
    ids=["plain", "weak", "strong"],
)  # fmt: skip
def test_every_prescription_is_one_that_train_accepts(name, changes):
    options = options_for(name, hubel_case(**changes))
    check_fresh(as_options({key: value for key, value in options.items()
                            if key != "--freeze-epochs"}))  # fmt: skip
    assert all(key.removeprefix("--").replace("-", "_") in _PHRASES for key in options)


def test_flags_and_the_plan_of_the_tests():
    assert flag_of("weight_decay") == "--weight-decay"
    assert set(PLAN) - {"budget_s", "cache_bytes"} <= {
        field.name for field in dataclasses.fields(TrainOptions)
    }
