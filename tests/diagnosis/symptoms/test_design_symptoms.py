"""The network's design: an alarm where the training suffers, silence for published networks."""

from dataclasses import replace

import pytest
from tests.diagnosis.facts_cases import OfNetwork, case, look, steps, weights
from torch import nn
from torch.optim import SGD

from hubel.architectures import load
from hubel.diagnosis.evidence.reading import read_setting
from hubel.diagnosis.evidence.setting import ModuleFact
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.symptoms.design import SYMPTOMS
from hubel.diagnosis.trials.trial import Trial

FIND = {one.id: one.find for one in SYMPTOMS}


def conv(inputs, outputs, kernel=3, **changes):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **changes)


def pooled(width, outputs=4):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs)]


LINEAR = nn.Sequential(conv(1, 8), conv(8, 8), *pooled(8))
GOOD = nn.Sequential(conv(1, 8), nn.ReLU(), conv(8, 16, stride=2), nn.ReLU())
GOOD.extend([conv(16, 16), nn.ReLU(), *pooled(16)])
POINTWISE = nn.Sequential(conv(1, 8, 1), nn.ReLU(), conv(8, 8, 1), nn.ReLU(), *pooled(8))
NARROW = nn.Sequential(conv(1, 2), nn.ReLU(), conv(2, 2, stride=2), nn.ReLU(), *pooled(2))
DROPPED = nn.Sequential(
    conv(1, 8), nn.Dropout(0.5), conv(8, 8), nn.BatchNorm2d(8), nn.ReLU(), *pooled(8)
)
HEAVY = nn.Sequential(conv(1, 8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64), nn.ReLU())
HEAVY.append(nn.Linear(64, 4))
SQUEEZED = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 2), nn.ReLU(), nn.Linear(2, 256)
)
SQUEEZED.extend([nn.ReLU(), nn.Linear(256, 4)])
DEAF = nn.Sequential(conv(1, 8), nn.ReLU(), conv(8, 8), nn.ReLU(), *pooled(8))
COARSE = nn.Sequential(conv(1, 16, stride=4), nn.ReLU(), nn.MaxPool2d(4))
for _ in range(6):
    COARSE.extend([conv(16, 16), nn.ReLU()])
COARSE.extend(pooled(16))
EVEN = nn.Sequential(nn.Conv2d(1, 8, 2, padding=1), nn.ReLU(), *pooled(8))

# symptom: (a network that has it, its input)
HAVING = {
    "design/no-activation": (LINEAR, (1, 8, 8)),
    "design/pointwise-only": (POINTWISE, (1, 8, 8)),
    "design/dropout-before-normalisation": (DROPPED, (1, 8, 8)),
    "design/bottleneck": (SQUEEZED, (1, 8, 8)),
    "design/small-field": (DEAF, (1, 32, 32)),
    "design/early-downsampling": (COARSE, (1, 32, 32)),
}


@pytest.mark.parametrize("suffers", [True, False])
@pytest.mark.parametrize("symptom", HAVING)
def test_a_fault_of_the_design_is_an_alarm_where_the_training_suffers(symptom, suffers):
    net, shape = HAVING[symptom]
    found = look(symptom, subject=net, input_shape=shape, suffers=suffers, train=0.5, val=0.5)
    assert isinstance(found, Sign)
    assert found.confirmed == suffers


def falling(factor):
    return [replace(row, loss=row.loss * factor**row.step) for row in steps(40)]


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": falling(0.97)},
        {"train": 0.7},
        {"val": 0.7},
        {"train": 0.26},
        {"rows": steps(16)},
        {"rows": []},
    ],
    ids=["falls still", "near", "near in validation", "learns nothing", "short", "no update"],
)
def test_other_reasons_for_a_low_accuracy_acquit_the_design(changes):
    changes = {"train": 0.5, "val": 0.5, **changes}
    found = look(
        "design/small-field", subject=DEAF, input_shape=(1, 32, 32), suffers=True, **changes
    )
    assert isinstance(found, Sign)
    assert not found.confirmed


@pytest.mark.parametrize("symptom", [one.id for one in SYMPTOMS])
def test_a_plain_network_is_well_even_where_it_suffers(symptom):
    found = look(symptom, subject=GOOD, suffers=True, train=0.1)
    assert isinstance(found, Well), found
    assert isinstance(look(symptom), Unknown)
    assert isinstance(look(symptom, subject=GOOD, input_shape=()), Unknown)
    assert isinstance(look(symptom, subject=GOOD, input_shape=(3, 8, 8)), Unknown)


@pytest.mark.parametrize("name", ["resnet20", "squeezenet1_1", "mobilenet_v2", "hubelnet"])
def test_published_networks_are_well(name):
    loaded = load(name, outputs=10, channels=3, size=64)
    subject = OfNetwork(loaded.module)
    low = {"suffers": True, "train": 0.5, "val": 0.5}
    low["parameters"] = read_setting(
        loaded.module, SGD(loaded.module.parameters()), None
    ).parameters
    well = case(subject=subject, input_shape=(3, 64, 64), outputs=10, **low)
    for symptom in SYMPTOMS:
        found = symptom.find(well)
        assert isinstance(found, Well) or not found.confirmed


def test_nothing_bends_at_all():
    found = look("design/no-activation", subject=LINEAR, suffers=True, train=0.75)
    assert found.severity == "error"
    assert "no activation at all" in found.what


def test_a_large_head_is_to_blame_where_pictures_are_learned_by_heart():
    found = look("design/large-head", subject=HEAVY, suffers=True, train=1.0, val=0.7)
    assert found.confirmed
    assert found.measured["gap"] == pytest.approx(0.3)
    small = look("design/large-head", subject=HEAVY, suffers=True, train=0.6, val=0.6)
    assert not small.confirmed
    assert not look("design/large-head", subject=HEAVY, train=1.0, val=0.6).confirmed


def test_a_large_head_is_not_to_blame_for_validation_of_another_kind():
    told = case(subject=HEAVY, suffers=True, train=1.0, val=0.2)
    told.trials.made["data-shift"] = Trial(
        name="data-shift", healthy=False, evidence="inverted", measured={"proven": 1, "far": 1}
    )
    found = next(one for one in SYMPTOMS if one.id == "design/large-head").find(told)
    assert not found.confirmed
    assert "inverted" in found.evidence


def test_too_few_channels():
    found = look("design/capacity", subject=NARROW, train=0.3)
    assert found.confirmed
    assert found.measured["widest"] == 2
    learned = look("design/capacity", subject=NARROW, train=0.9)
    assert isinstance(learned, Sign)
    assert not learned.confirmed
    # A rate that is far too low explains the accuracy by itself.
    slow = weights(**{name: {"mean_ratio": 1e-7} for name in ("conv_weight", "bn_weight")})
    slow = [row for row in slow if row.mean_ratio < 1e-6]
    assert not look("design/capacity", subject=NARROW, train=0.3, weight_rows=slow).confirmed


def test_other_rules_of_check():
    found = look("design/other", subject=EVEN, suffers=True, train=0.5, val=0.5)
    assert found.confirmed
    assert "even" in found.what.lower() or "kernel" in found.what.lower()


def test_a_head_is_not_to_blame_where_a_simple_classifier_is_far_better():
    near = look("design/large-head", subject=HEAVY, suffers=True, train=1.0, val=0.7)
    far = look("design/large-head", subject=HEAVY, suffers=True, train=1.0, val=0.3)
    assert near.confirmed
    assert not far.confirmed


@pytest.mark.parametrize(("eps", "suffers"), [(100.0, True), (100.0, False), (1e-3, True)])
def test_the_eps_of_a_normalisation(eps, suffers):
    norm = ModuleFact(path="bn", kind="BatchNorm2d", details={"eps": eps})
    found = look("design/other", modules=(norm,), subject=GOOD, suffers=suffers)
    if eps < 1:
        assert isinstance(found, Well)
    else:
        assert found.confirmed == suffers
        assert found.where == ("bn",)


def test_single_pixels_before_a_layer_that_reads_whole_maps():
    net = nn.Sequential(
        conv(1, 8, 1), nn.ReLU(), conv(8, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 4)
    )
    low = look("design/pointwise-only", subject=net, suffers=True, train=0.5, val=0.5)
    assert low.confirmed
    assert "average" not in low.what
    assert isinstance(look("design/pointwise-only", subject=net), Well)


def test_kernels_that_meet_only_padding_are_a_reduction_that_came_too_early():
    net = nn.Sequential(conv(1, 8), nn.ReLU(), nn.MaxPool2d(8), conv(8, 8), nn.ReLU(), *pooled(8))
    found = look("design/early-downsampling", subject=net, suffers=True, train=0.5, val=0.5)
    assert found.confirmed
    assert "never meet a pixel" in found.what


def schedule_to(rate):
    return [replace(row, lr=0.1 if row.step < 20 else rate) for row in falling(0.97)]


def test_a_loss_that_falls_still_does_not_acquit_the_design_once_the_schedule_has_ended():
    low = {"subject": DEAF, "input_shape": (1, 32, 32), "suffers": True, "train": 0.5, "val": 0.5}
    assert look("design/small-field", rows=schedule_to(0.001), **low).confirmed
    assert not look("design/small-field", rows=schedule_to(0.05), **low).confirmed


@pytest.mark.parametrize("error", [0.9, 0.0])
def test_a_design_is_to_blame_where_its_network_cannot_learn_sixteen_pictures(error):
    found = case(subject=SQUEEZED, suffers=True, train=0.1, val=0.1)
    found.trials.made["one-batch"] = Trial(
        name="one-batch", healthy=error == 0, evidence="", measured={"error_sane": error}
    )
    assert FIND["design/bottleneck"](found).confirmed is (error > 0)


@pytest.mark.parametrize(
    ("evaluated", "drifted", "confirmed"),
    [(0.5, True, True), (0.22, True, False), (0.5, False, False)],
)
def test_dropout_before_normalisation_is_to_blame_where_statistics_drifted(
    evaluated, drifted, confirmed
):
    found = case(subject=DROPPED)
    found.trials.made["mode-swap"] = Trial(
        name="mode-swap",
        healthy=True,
        evidence="a swap",
        measured={"train_loss": 0.2, "eval_loss": evaluated},
        where=("3",) if drifted else (),
    )
    assert FIND["design/dropout-before-normalisation"](found).confirmed is confirmed
