"""Faults of the learning rate and of what holds updates back or drives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR

from benchmarks.doctor.faults.fault import Change, Fault, numbers
from benchmarks.doctor.program import Program, Settings, Training


def rate_times(factor: float) -> Change:
    """Return a change that multiplies the learning rate."""

    def change(program: Program) -> Program:
        return program.with_settings(lr=program.settings.lr * factor)

    return change


def clipped_to(norm: float) -> Change:
    """Return a change that clips the gradients' norm."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        training.optimizer.zero_grad()
        outputs = training.network(inputs)
        loss = training.loss(outputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(training.network.parameters(), norm)
        training.optimizer.step()
        training.scheduler.step()
        return loss, outputs

    return lambda program: replace(program, train_step=step)


def large_eps(program: Program) -> Program:
    """Give Adam an eps of 10: it divides every update by at least that."""

    def make(net: nn.Module, settings: Settings) -> Optimizer:
        return torch.optim.Adam(net.parameters(), lr=settings.lr, eps=10.0)

    return replace(program, make_optimizer=make)


def decays_at_once(program: Program) -> Program:
    """Halve the rate at every batch."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> ExponentialLR:
        del steps_a_pass, settings
        return ExponentialLR(optimizer, gamma=0.8)

    return replace(program, make_scheduler=make)


def endless_warm_up(program: Program) -> Program:
    """Warm up over a hundred times as many steps as there are."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> LambdaLR:
        steps = 300 * steps_a_pass * settings.epochs
        return LambdaLR(optimizer, lambda step: (step + 1) / steps)

    return replace(program, make_scheduler=make)


def grows(program: Program) -> Program:
    """Let the rate grow at every batch, a decay turned upside down."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> ExponentialLR:
        gamma = 2000 ** (1 / (steps_a_pass * settings.epochs))
        return ExponentialLR(optimizer, gamma=gamma)

    return replace(program, make_scheduler=make)


def half_precision(program: Program) -> Program:
    """Train in float16 through and through, with Adam, whose eps is 0 there."""
    before = program.make_network

    class Half(nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner.half()
            self.head = inner.head

        def forward(self, pictures: Tensor) -> Tensor:
            return self.inner(pictures.half()).float()

    def make(pictures: Any, settings: Settings) -> nn.Module:
        return Half(before(pictures, settings))

    return replace(program, make_network=make).with_settings(optimizer="adam", lr=1e-3)


def lost_gradients(program: Program) -> Program:
    """Carry the loss at a millionth in float16 without a scaler: gradients round to 0."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        training.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            outputs = training.network(inputs)
        loss = training.loss(outputs.float(), targets) / 2**14
        loss.backward()
        training.optimizer.step()
        training.scheduler.step()
        return loss, outputs.float()

    return replace(program, train_step=step)


def _adam(program: Program) -> Program:
    return program.with_settings(optimizer="adam", lr=2e-3)


_HIGH: Final = ("rate/too-high",)
_LOW: Final = ("rate/too-low",)
_SGD: Final[Change] = numbers(optimizer="sgd", lr=0.05, momentum=0.9)

FAULTS: Final = (
    Fault(name="sgd-rate-of-ten", family="rate", change=numbers(lr=10.0), base=_SGD,
          accepted=(*_HIGH, "loss/non-finite", "loss/divergence")),
    Fault(name="rate-times-thirty", family="rate", change=rate_times(30), accepted=(
        *_HIGH, "loss/divergence", "loss/non-finite")),
    Fault(name="rate-over-300", family="rate", change=rate_times(1 / 300), accepted=_LOW),
    Fault(name="rate-of-1e-8", family="rate", change=numbers(lr=1e-8),
          accepted=(*_LOW, "weights/not-moving")),
    Fault(name="adam-rate-of-0.1", family="rate", change=numbers(lr=0.1), base=_adam,
          accepted=_HIGH),
    Fault(name="momentum-of-0.999", family="rate", change=numbers(momentum=0.999), base=_SGD,
          accepted=("rate/momentum", *_HIGH)),
    Fault(name="weight-decay-of-1", family="rate", change=numbers(weight_decay=1.0), base=_SGD,
          accepted=("fit/over-regularised",)),
    Fault(name="eps-of-ten", family="rate", change=large_eps, base=_adam,
          accepted=("rate/clipped", *_LOW)),
    Fault(name="clipped-to-1e-6", family="rate", change=clipped_to(1e-6), base=_SGD,
          accepted=("rate/clipped", *_LOW)),
    Fault(name="decays-at-once", family="rate", change=decays_at_once,
          accepted=("rate/decay", "loop/scheduler-rhythm", *_LOW)),
    Fault(name="endless-warm-up", family="rate", change=endless_warm_up,
          accepted=(*_LOW, "loop/scheduler-rhythm")),
    Fault(name="rate-that-grows", family="rate", change=grows, base=_SGD,
          accepted=(*_HIGH, "loss/divergence", "loss/non-finite")),
    Fault(name="adam-in-half-precision", family="precision", change=half_precision,
          accepted=("precision/underflow", "loss/non-finite")),
    Fault(name="gradients-lost-in-float16", family="precision", change=lost_gradients,
          accepted=("precision/underflow", "rate/too-low", "loss/reduction")),
)  # fmt: skip
