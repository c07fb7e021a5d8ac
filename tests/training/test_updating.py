"""The update of the weights, and that its state goes through a checkpoint unharmed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import nn

from hubel.options.train import OptimizerName, ScheduleName
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.settings import Settings
from hubel.training.updating import Updater

SETTINGS = Settings(
    source="x",
    seed=0,
    model="m",
    model_arguments={},
    task="classification",
    outputs=2,
    channels=1,
    size=8,
    loss="cross-entropy",
    label_smoothing=0.0,
    focal_gamma=2.0,
    balance="none",
    optimizer="sgd",
    lr=0.1,
    momentum=None,
    weight_decay=0.0,
    l1=0.0,
    schedule="constant",
    warmup=0.0,
    epochs=5,
    steps=20,
    steps_per_pass=4,
    budget_s=None,
    revisions=(),
    batch=2,
    accumulate=1,
    dropout=0.0,
    augment=("none",),
    augment_strength=1.0,
    ema=0.0,
    clip=None,
    patience=None,
    precision="float32",
    channels_last=False,
    threads=1,
    checkpoint_every_s=60.0,
)


def network() -> nn.Module:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Conv2d(3, 5, 2), nn.Tanh(), nn.Flatten(), nn.Linear(20, 2))
    return module.to(memory_format=torch.channels_last)


def step(updater: Updater, module: nn.Module, number: int) -> None:
    inputs = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(number))
    module(inputs).square().mean().backward()
    updater.update(number)


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
def test_a_restored_updater_goes_on_to_the_same_bits(optimizer: Any) -> None:
    momentum = None if OPTIMIZERS[optimizer].momentum is None else 0.9
    settings = replace(
        SETTINGS, optimizer=optimizer, momentum=momentum, weight_decay=0.01, schedule="cosine"
    )
    module = network()
    updater = Updater(settings, module)
    for number in range(5):
        step(updater, module, number)
    tensors, values = updater.state()
    # A file holds tensors in the plain order of memory, whatever theirs was.
    saved = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    twin = copy.deepcopy(module)
    resumed = Updater(settings, twin)
    resumed.restore(saved, values)
    for number in range(5, 12):
        step(updater, module, number)
        step(resumed, twin, number)
    for one, other in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


def test_l1_adds_the_sign_of_the_weights_to_their_gradient() -> None:
    module = network()
    before = [weight.detach().clone() for weight in module.parameters()]
    updater = Updater(replace(SETTINGS, l1=0.5), module)
    for weight in module.parameters():
        weight.grad = torch.zeros_like(weight)
    updater.update(0)
    for weight, old in zip(module.parameters(), before, strict=True):
        expected = old - 0.1 * 0.5 * old.sign() if old.ndim > 1 else old
        torch.testing.assert_close(weight.detach(), expected)


def test_clipping_bounds_the_norm_of_the_gradient() -> None:
    module = network()
    before = [weight.detach().clone() for weight in module.parameters()]
    updater = Updater(replace(SETTINGS, clip=0.25), module)
    for weight in module.parameters():
        weight.grad = torch.full_like(weight, 7.0)
    updater.update(0)
    moved = torch.cat(
        [(w.detach() - b).flatten() for w, b in zip(module.parameters(), before, strict=True)]
    )
    assert float(moved.norm()) == pytest.approx(0.1 * 0.25, rel=1e-4)


@pytest.mark.parametrize("schedule", get_args(ScheduleName))
def test_the_rate_used_is_the_rate_of_the_schedule(schedule: Any) -> None:
    module = network()
    updater = Updater(replace(SETTINGS, schedule=schedule), module)
    for number in range(3):
        for weight in module.parameters():
            weight.grad = torch.ones_like(weight)
        assert updater.update(number) == updater.schedule.at(number)
        assert updater.optimizer.param_groups[0]["lr"] == updater.schedule.at(number)


def test_plateau_state_goes_through_a_checkpoint() -> None:
    updater = Updater(replace(SETTINGS, schedule="plateau"), network())
    assert updater.plateau is not None
    for _ in range(9):
        updater.plateau.update(1.0)
    rate = updater.rate(1)
    assert rate < SETTINGS.lr
    other = Updater(replace(SETTINGS, schedule="plateau"), network())
    other.restore(*updater.state())
    assert other.rate(1) == rate
