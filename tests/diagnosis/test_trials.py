"""Active tests on real small networks: what they say of sound ones and of sick ones."""

import math
import random

import numpy as np
import pytest
import torch
from tests.diagnosis.trials_runs import (
    Deaf,
    Loop,
    adam,
    digits,
    network,
    plain,
    setting_of,
    sgd,
    subject_of,
)
from torch import nn
from torch.nn import functional as F

from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.marks import (
    different,
)
from hubel.diagnosis.trials.table import TRIALS
from hubel.diagnosis.trials.trial import Trial


def made(name, subject, **more) -> Trial:
    outcome = TRIALS[name](setting_of(subject, **more), subject)
    assert isinstance(outcome, Trial), outcome
    return outcome


def numpy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002


def regression():
    x, _, vx, _ = digits(200, 60)
    return x, x.mean((1, 2, 3)), vx, vx.mean((1, 2, 3))


def squared(outputs, targets):
    return F.mse_loss(outputs.flatten(), targets, reduction="none")


def test_one_batch_is_fitted_by_a_sound_network():
    trial = made("one-batch", subject_of(network()))
    assert trial.healthy
    assert trial.measured["error_sane"] == trial.measured["error_own"] == 0
    assert trial.measured["steps"] < 200


def test_one_batch_tells_a_bad_rate_from_a_bad_network():
    trial = made("one-batch", subject_of(plain(), make=adam(1e-8)))
    assert trial.healthy
    assert trial.measured["error_own"] > 0.5


def test_one_batch_is_not_fitted_through_relu_on_logits(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.one_batch.STEPS", 150)
    trial = made("one-batch", subject_of(plain(last=nn.ReLU())))
    assert not trial.healthy
    assert trial.measured["error_sane"] > 0.1


def test_one_batch_of_numbers():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    trial = made(
        "one-batch", subject_of(model, regression(), adam(1e-2), loss=squared), task="regression"
    )
    assert trial.healthy
    assert trial.measured["error_own"] < 0.05


def test_zeros_teach_a_deaf_network_as_much(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.zeroed_input.STEPS", 60)
    deaf, sound = made("zeroed-input", subject_of(Deaf())), made(
        "zeroed-input", subject_of(network())
    )  # fmt: skip
    assert not deaf.healthy
    assert deaf.measured["spread"] == 0
    assert sound.healthy
    assert sound.measured["real_loss"] < sound.measured["zero_loss"]


def test_permuted_labels_are_harder_only_where_labels_mean_something(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.permuted_labels.STEPS", 80)
    x, y, vx, vy = digits(300, 60)
    mixed = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(5))]
    sound = made("permuted-labels", subject_of(network(), (x, y, vx, vy)))
    sick = made("permuted-labels", subject_of(network(), (x, mixed, vx, vy)))
    assert sound.healthy
    assert sound.measured["z"] > 5
    assert not sick.healthy
    assert abs(sick.measured["z"]) < 3


def test_rate_range_places_the_rate(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.rate_range.STEPS", 16)
    few = digits(96, 60)
    sound = made("rate-range", subject_of(plain(), few))
    low, high = (made("rate-range", subject_of(plain(), few, sgd(lr))) for lr in (0.1 / 3000, 30.0))
    assert sound.healthy
    assert not low.healthy
    assert low.measured["current_lr"] < low.measured["low_edge"] / 10
    assert not high.healthy
    assert high.measured["current_lr"] > 3 * high.measured["high_edge"]
    assert low.measured["low_edge"] < low.measured["best_lr"] <= low.measured["high_edge"]


def test_rate_range_says_nothing_where_nothing_learns():
    outcome = TRIALS["rate-range"](setting_of(subject := subject_of(Deaf())), subject)
    assert outcome == Unknown(why="at no learning rate does the loss fall within 40 updates")


def test_mode_swap_finds_the_layer_that_drifted():
    subject = subject_of(network(dropout=0.5))
    subject.model.train()
    with torch.no_grad():
        for _ in range(60):
            subject.model(subject.data[0][:256])
    sound = made("mode-swap", subject)
    assert sound.healthy
    assert sound.measured["difference"] < 0.05  # dropout is off in both modes
    subject.model[5].running_mean += 3 * subject.model[5].running_var.sqrt()
    sick = made("mode-swap", subject)
    assert sick.where == ("5",)
    assert sick.measured["drift:5"] == pytest.approx(3, rel=0.1)
    assert sick.measured["drift:1"] == pytest.approx(sound.measured["drift:1"])


def test_mode_swap_needs_layers_that_keep_statistics():
    subject = subject_of(plain())
    outcome = TRIALS["mode-swap"](setting_of(subject), subject)
    assert isinstance(outcome, Unknown)
    assert "running statistics" in outcome.why


def test_float32_replay_sees_what_half_precision_loses():
    sound = made("float32-replay", subject_of(network()), precision="bfloat16")
    assert sound.healthy
    assert sound.measured["difference"] < 0.05
    tiny = subject_of(plain(), loss=lambda o, t: 1e-7 * F.cross_entropy(o, t, reduction="none"))
    tiny.model.half()
    sick = made("float32-replay", tiny, precision="float16")
    assert not sick.healthy
    assert sick.measured["lost"] > 0.1


def test_float32_replay_is_not_for_float32():
    subject = subject_of(plain())
    assert isinstance(TRIALS["float32-replay"](setting_of(subject), subject), Unknown)


def test_held_out_gives_each_split_with_its_errors():
    subject = subject_of(network())
    trial = made("held-out", subject)
    inputs, targets = subject.data[2:]
    with torch.no_grad():
        outputs = subject.model.eval()(inputs)
    losses = F.cross_entropy(outputs, targets, reduction="none").numpy()
    assert trial.measured["val_loss"] == pytest.approx(losses.mean(), rel=1e-4)
    assert trial.measured["val_loss_error"] == pytest.approx(
        losses.std(ddof=1) / math.sqrt(300), rel=1e-4
    )
    share = (outputs.argmax(1) == targets).float().mean().item()
    assert trial.measured["val_accuracy"] == pytest.approx(share)
    assert not trial.healthy  # untrained


def test_regularisation_off_frees_what_weight_decay_holds(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.regularisation_off.STEPS", 40)
    few = digits(128, 60)
    sick = made("regularisation-off", subject_of(network(), few, sgd(0.1, decay=1.0)))
    sound = made("regularisation-off", subject_of(network(dropout=0.3), few, adam(1e-2, 1e-2)))
    assert not sick.healthy
    assert sick.measured["without_accuracy"] > sick.measured["with_accuracy"] + 0.5
    assert sound.healthy


def test_regularisation_off_has_nothing_to_take_away():
    subject = subject_of(network())
    outcome = TRIALS["regularisation-off"](setting_of(subject), subject)
    assert isinstance(outcome, Unknown)
    assert "neither dropout nor weight decay" in outcome.why


class PerPicture(nn.Module):
    """Normalises each unit over the batch, with no places to average over."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10),
        )  # fmt: skip

    def forward(self, inputs):
        return self.body(inputs)


def test_two_pictures_make_poor_statistics_without_places(monkeypatch):
    monkeypatch.setattr("hubel.diagnosis.trials.wide_statistics.STEPS", 60)
    sick = made("wide-statistics", subject_of(PerPicture(), make=adam(1e-2)), batch=2)
    sound = made("wide-statistics", subject_of(PerPicture(), make=adam(1e-2)), batch=16)
    assert not sick.healthy
    assert sick.measured["own_accuracy"] < sick.measured["wide_accuracy"] - 0.1
    assert sound.healthy


def test_reference_is_the_floor_of_a_linear_map():
    trial = made("reference", subject_of(plain()))
    assert trial.healthy
    assert 0.88 < trial.measured["accuracy"] < 0.98
    x, y, vx, vy = digits()
    mixed = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(5))]
    hopeless = made("reference", subject_of(plain(), (x, mixed, vx, vy)))
    assert not hopeless.healthy
    assert hopeless.measured["accuracy"] < hopeless.measured["chance"] + 0.1


def test_reference_learns_from_plain_pictures_where_training_ones_are_spoiled():
    x, y, vx, vy = digits()
    spoiled = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    trial = made("reference", subject_of(plain(), (spoiled, y, vx, vy), augmented=True))
    assert trial.measured["accuracy"] > 0.8
    assert trial.measured["train_number"] + trial.measured["number"] == len(vx)
    assert "plain validation" in trial.evidence
    few = made("reference", subject_of(plain(), (spoiled, y, vx[:99], vy[:99]), augmented=True))
    assert few.measured["accuracy"] < 0.3


def test_reference_reads_training_pictures_without_augmentation_where_it_can():
    x, y, vx, vy = digits()
    spoiled = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))

    class Plain(Loop):
        def plain(self, split, number):
            return Loop(self.model, None, (x, y, vx, vy), self.make).samples(split, number)

    subject = Plain(plain(), None, (spoiled, y, vx, vy), adam(), augmented=True)
    trial = made("reference", subject)
    assert trial.measured["accuracy"] > 0.9
    assert trial.measured["number"] > len(vx) / 2
    assert "of coarse pixels" in trial.evidence
    assert "plain validation" not in trial.evidence


def test_reference_holds_out_no_copies():
    x, _, vx, vy = digits(60)
    shares = torch.randint(10, (60,), generator=torch.Generator().manual_seed(0))
    copied = made(
        "reference", subject_of(plain(), (x.repeat(8, 1, 1, 1), shares.repeat(8), vx, vy))
    )
    assert copied.measured["accuracy"] < 0.4  # labels at random
    assert copied.measured["train_number"] + copied.measured["number"] == 60
    few = subject_of(plain(), (x[:40].repeat(8, 1, 1, 1), shares[:40].repeat(8), vx, vy))
    assert isinstance(TRIALS["reference"](setting_of(few), few), Unknown)


def test_different_pictures_are_counted_once():
    pictures = torch.tensor([[1.0, 2.0], [0.0, 2.0], [1.0, 2.0], [1.0, 2.5], [0.0, 2.0]])
    assert different(pictures).tolist() == [0, 1, 3]


def test_reference_of_numbers_and_of_several_labels():
    trial = made("reference", subject_of(plain(), regression()), task="regression")
    assert trial.measured["r2"] > 0.95
    x, _, vx, _ = digits(200, 60)
    labels = [(one.mean((1, 2, 3))[:, None] > torch.tensor([-0.1, 0.1])).float() for one in (x, vx)]
    trial = made("reference", subject_of(plain(), (x, labels[0], vx, labels[1])), task="multilabel")
    assert trial.measured["accuracy"] > trial.measured["chance"] + 0.03


@pytest.mark.parametrize("name", sorted(TRIALS))
def test_no_trial_touches_what_is_outside(name, monkeypatch):
    for module, steps in (
        ("permuted_labels", 4),
        ("regularisation_off", 4),
        ("rate_range", 2),
        ("wide_statistics", 4),
    ):
        monkeypatch.setattr(f"hubel.diagnosis.trials.{module}.STEPS", steps)
    subject = subject_of(network(dropout=0.2), digits(96, 40), adam(1e-2))
    before = {key: value.clone() for key, value in subject.model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), numpy_state()
    setting = setting_of(subject, batch=2, precision="bfloat16")
    first = TRIALS[name](setting, subject)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(numpy_state(), states[2])
    assert subject.model.training
    assert all(torch.equal(value, before[key]) for key, value in subject.model.state_dict().items())
    torch.rand(3)
    assert str(TRIALS[name](setting, subject)) == str(first)  # NaN is not equal to itself
