"""Head and body: what is frozen stays as it is, to the bit, whatever the optimizer does."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.options.train import OptimizerName
from hubel.training.body import Body, head_of
from hubel.training.budget import Timeline
from hubel.training.checkpoint import load_newest
from hubel.training.events import Observer
from hubel.training.loop import Interrupted
from hubel.training.optimizers import OPTIMIZERS, build_optimizer
from hubel.training.updating import Updater
from stripes import SETTINGS, StopAt, assert_same, make_trainer

HEAD = ("5.weight", "5.bias")
FROZEN: dict[str, Any] = {"freeze_epochs": 2, "body_lr": 0.1, "head": HEAD}


def network() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)
    )


class TestHead:
    def test_it_is_the_last_layer_that_answers(self) -> None:
        assert head_of(network(), 3) == ("3.weight", "3.bias")
        assert head_of(network(), 4) == ("0.weight", "0.bias")
        assert head_of(network(), 9) == ("3.weight", "3.bias")
        assert head_of(nn.Linear(2, 3), 3) == ("weight", "bias")

    def test_what_is_fresh_belongs_to_it(self) -> None:
        found = head_of(network(), 3, ("0.weight", "1.running_mean"))
        assert found == ("0.weight", "3.weight", "3.bias")

    def test_a_network_may_have_none(self) -> None:
        assert head_of(nn.Flatten(), 3) == ()


def test_a_frozen_body_learns_nothing_and_keeps_its_statistics() -> None:
    module = network()
    module[0].bias.requires_grad_(False)
    body = Body(module, ("3.weight", "3.bias", "4.weight", "4.bias"))
    module.train()
    body.freeze(frozen=True)
    before = copy.deepcopy(module.state_dict())
    module(torch.randn(5, 1, 3, 3)).square().sum().backward()
    assert [name for name, w in module.named_parameters() if w.grad is not None] == [
        "3.weight", "3.bias", "4.weight", "4.bias",
    ]  # fmt: skip
    assert torch.equal(module[1].running_mean, before["1.running_mean"])
    assert not torch.equal(module[4].running_mean, before["4.running_mean"])
    body.freeze(frozen=False)
    module(torch.randn(5, 1, 3, 3)).square().sum().backward()
    assert module[0].weight.grad is not None
    assert module[0].bias.grad is None, "what was frozen before stays so"
    assert not torch.equal(module[1].running_mean, before["1.running_mean"])


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
def test_no_optimizer_moves_a_frozen_body(optimizer: Any) -> None:
    momentum = None if OPTIMIZERS[optimizer].momentum is None else 0.9
    settings = replace(
        SETTINGS, optimizer=optimizer, momentum=momentum, weight_decay=0.5, head=("3.weight",),
        body_lr=0.5,
    )  # fmt: skip
    module = network()
    updater, body = Updater(settings, module), Body(module, settings.head)
    frozen = [w for n, w in module.named_parameters() if n not in settings.head]
    before = [weight.detach().clone() for weight in frozen]
    module.train()
    body.freeze(frozen=True)
    for step in range(3):
        module(torch.randn(5, 1, 3, 3)).square().sum().backward()
        updater.update(step)
    assert all(torch.equal(old, weight) for old, weight in zip(before, frozen, strict=True))
    body.freeze(frozen=False)
    module(torch.randn(5, 1, 3, 3)).square().sum().backward()
    updater.update(3)
    assert not torch.equal(before[0], frozen[0])


def test_the_body_has_a_share_of_the_rate() -> None:
    module = network()
    before = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    settings = replace(
        SETTINGS, optimizer="sgd", momentum=None, lr=0.5, weight_decay=0.0, l1=0.0, clip=None,
        schedule="constant", warmup=0.0, head=("3.weight", "3.bias"), body_lr=0.25,
    )  # fmt: skip
    updater = Updater(settings, module)
    for weight in module.parameters():
        weight.grad = torch.ones_like(weight)
    assert updater.update(0) == 0.5
    for name, weight in module.named_parameters():
        step = 0.5 if name in settings.head else 0.125
        torch.testing.assert_close(weight.detach(), before[name] - step)


def test_weight_decay_stays_with_kernels_of_head_and_body() -> None:
    groups = build_optimizer(
        "adamw", network(), weight_decay=0.1, head=("3.weight", "3.bias"), body_lr=0.5
    ).param_groups
    found = [(len(g["params"]), g["weight_decay"], g["scale"]) for g in groups]
    assert found == [(1, 0.1, 1.0), (1, 0.1, 0.5), (1, 0.0, 1.0), (5, 0.0, 0.5)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "nesterov", "ema": 0.0, "weight_decay": 0.1}, {"optimizer": "adagrad"}],
    ids=["adamw", "nesterov", "adagrad"],
)
def test_interrupted_around_the_unfreezing_is_uninterrupted(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    if changes.get("optimizer") == "adagrad":
        changes = {**changes, "momentum": None}
    whole = make_trainer(tmp_path / "whole", **FROZEN, **changes)
    before = whole.module[0].weight.detach().clone()
    whole.train()
    assert not torch.equal(before, whole.module[0].weight)
    for stop in (3, 8, 9):
        folder = tmp_path / f"stopped-{stop}"
        first = make_trainer(folder, **FROZEN, **changes)
        observer = StopAt(stop)
        observer.trainer = first
        first.observers = [observer]
        with pytest.raises(Interrupted):
            first.train()
        assert torch.equal(before, first.module[0].weight) == (stop < 9)
        assert (first.module[1].running_mean == 0).all() == (stop < 9)
        torch.manual_seed(999)
        second = make_trainer(folder, **FROZEN, **changes)
        second.restore(load_newest(folder / "checkpoint")[0])
        second.train()
        assert_same(tmp_path / "whole", folder)


def test_a_budget_is_revised_by_the_steps_of_the_whole_network(tmp_path: Path) -> None:
    revisions: list[Timeline] = []

    class Keep(Observer):
        def revised(self, timeline: Timeline) -> None:
            revisions.append(timeline)

    trainer = make_trainer(tmp_path, **FROZEN | {"freeze_epochs": 3}, steps=40, budget_s=1000.0)
    trainer.observers = [Keep()]
    trainer.progress.step = 13
    trainer.progress.seconds, trainer.progress.frozen_s = 100.0, 99.0
    trainer.updater.timeline = Timeline(52)
    trainer._revise_budget()
    # One second for the one step since the unfreezing, and 900 s are left.
    assert revisions[0].total == 13 + 900
    trainer.progress.step = 11
    trainer._revise_budget()
    assert len(revisions) == 1
