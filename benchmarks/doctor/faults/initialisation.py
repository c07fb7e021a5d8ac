"""Faults of the initial weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.faults.fault import (
    ACTIVATIONS,
    Change,
    Fault,
    each,
    network,
    numbers,
    swap,
)
from benchmarks.doctor.program import Program, Transform


def _weights(alter: Callable[[Tensor], Any]) -> Change:
    """Return a change of the weights of all convolutions and linear layers."""

    def change(net: nn.Module) -> None:
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    alter(module.weight)

    return network(change)


def _constant(net: nn.Module) -> None:
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.fill_(0.02)
                if module.bias is not None:
                    module.bias.zero_()


def _zero(net: nn.Module) -> None:
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.zero_()
                if module.bias is not None:
                    module.bias.zero_()


def _biases(net: nn.Module) -> None:
    """Set the biases before activations far below 0."""
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("bias") and not name.startswith("head"):
                weight.fill_(-10.0)


def _large_head(net: Any) -> None:
    with torch.no_grad():
        net.head.weight.mul_(300.0)


def _gains(net: nn.Module) -> None:
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("weight") and weight.ndim > 1 and not name.startswith("head"):
                weight.mul_(6.0)


def times_fifty(program: Program) -> Program:
    """Hand the network pictures that are 50 times too large."""
    before = program.make_normalise

    def make(pictures: Pictures) -> Transform:
        normalise = before(pictures)
        return lambda picture: normalise(picture) * 50

    return replace(program, make_normalise=make)


def _tanhs(net: nn.Module) -> None:
    swap(net, ACTIVATIONS, lambda _: nn.Tanh())


_PLAIN: Final[Change] = numbers(norm=False)

FAULTS: Final = (
    Fault(name="constant-weights", family="initialisation", change=network(_constant),
          accepted=("initialisation/constant",)),
    Fault(name="zero-weights", family="initialisation", change=network(_zero),
          accepted=("initialisation/constant", "initialisation/scale", "gradient/vanishing")),
    Fault(name="weights-times-ten", family="initialisation",
          change=_weights(lambda weight: weight.mul_(10)),
          accepted=("initialisation/scale", "loss/initial", "gradient/exploding"), base=_PLAIN),
    Fault(name="weights-over-ten", family="initialisation",
          change=_weights(lambda weight: weight.div_(10)),
          accepted=("initialisation/scale", "gradient/vanishing"), base=_PLAIN),
    Fault(name="gain-of-six", family="initialisation", change=network(_gains),
          accepted=("initialisation/scale", "gradient/exploding", "loss/initial"), base=_PLAIN),
    Fault(name="biases-of-minus-ten", family="initialisation", change=network(_biases),
          accepted=("initialisation/bias", "unit/dead")),
    Fault(name="tanh-on-large-input", family="initialisation", change=times_fifty,
          accepted=("unit/saturated", "data/range"), base=each(_PLAIN, network(_tanhs))),
    Fault(name="head-times-300", family="initialisation", change=network(_large_head),
          accepted=("loss/initial", "initialisation/scale")),
)  # fmt: skip
