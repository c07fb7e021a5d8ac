"""Bugs of the published collections: DeepFD's and DeepLocalize's, Defects4ML's, TrainCheck's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.faults.fault import each, loss, network, numbers
from benchmarks.doctor.faults.loop import no_zero_grad
from benchmarks.doctor.faults.pictures import everywhere
from benchmarks.doctor.program import Program, Settings, Training, Transform
from benchmarks.doctor.real_bugs.bug import Bug


def _constant_rate(program: Program) -> Program:
    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> ConstantLR:
        del steps_a_pass, settings
        return ConstantLR(optimizer, factor=1.0)

    return replace(program, make_scheduler=make)


def _network(build: Any) -> Any:
    """Return a change that builds the network of the report in place of the bench's."""

    def change(program: Program) -> Program:
        def make(pictures: Pictures, settings: Settings) -> nn.Module:
            del settings
            return build(pictures)

        return replace(program, make_network=make)

    return change


def _unit_range(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures, normalise
    return lambda picture: picture.float() / 255


def _raw(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures, normalise
    return lambda picture: picture.float()


def _linear_784(pictures: Pictures) -> nn.Module:
    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(pictures.channels * pictures.side**2, 30),
        nn.Linear(30, pictures.classes),
    )
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(std=1.0)
    return net


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, F.one_hot(targets, outputs.shape[1]).float())


class _OneSigmoid(nn.Module):
    """Three convolutions, and one output for however many classes."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(pictures.channels, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(64), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(64, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.body(torch.zeros(1, pictures.channels, pictures.side, pictures.side))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.body(pictures)


def _binary(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the formula of binary cross-entropy for class numbers, as Keras computes it."""
    share = outputs[:, 0].clamp(1e-7, 1 - 1e-7)
    number = targets.float()
    return -(number * share.log() + (1 - number) * (1 - share).log()).mean()


def _small_dense(pictures: Pictures) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(pictures.channels * pictures.side**2, 12), nn.ReLU(),
        nn.Linear(12, 8), nn.ReLU(),
        nn.Linear(8, pictures.classes),
    )  # fmt: skip


class _RowsAsChannels(nn.Module):
    """Reads (1, height, width) as a picture of height 1 with `width` channels."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        side = pictures.side
        self.body = nn.Sequential(
            nn.Conv2d(side, 16, 3, padding=(1, 0)), nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=(1, 0)), nn.ReLU(),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(0.25),
            nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, pictures.classes),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        return self.body(pictures.permute(0, 3, 1, 2))


def _only_norms(net: Any) -> None:
    """Freeze everything whose name does not say `bn`, the new head included."""
    for module in net.modules():
        if not isinstance(module, nn.BatchNorm2d):
            for weight in module.parameters(recurse=False):
                weight.requires_grad_(requires_grad=False)


def _zero_grad_only_first(program: Program) -> Program:
    """Clear gradients once before all, not in the loop."""
    changed = no_zero_grad(program)

    def step(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not training.memory:
            training.optimizer.zero_grad()
            training.memory["begun"] = True
        return changed.train_step(training, inputs, targets)

    return replace(changed, train_step=step)


class _AlwaysDropping(nn.Module):
    """Drops in evaluation as in training: the function's flag was never handed on."""

    def forward(self, maps: Tensor) -> Tensor:
        return F.dropout(maps, 0.6, training=True)


def _drops_always(net: Any) -> None:
    net.hidden = nn.Sequential(_AlwaysDropping(), *net.hidden, _AlwaysDropping())


def _sigmoid_hidden(pictures: Pictures) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(pictures.channels * pictures.side**2, 30), nn.Sigmoid(),
        nn.Linear(30, pictures.classes), nn.Sigmoid(),
    )  # fmt: skip


def _zeros(net: nn.Module) -> None:
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()


BUGS: Final = (
    Bug(name="so-48385830", source="DeepFD, Stack Overflow 48385830", bench="plain-mnist",
        described="A dense network on MNIST without any activation, weights of deviation 1, a "
                  "squared error on the outputs, SGD at a rate of 3.",
        change=each(_network(_linear_784), everywhere(_unit_range), loss(_squared),
                    _constant_rate,
                    numbers(lr=3.0, momentum=0.0, batch=10, epochs=2, weight_decay=0.0)),
        accepted=("design/no-activation", "loss/wrong-kind", "rate/too-high",
                  "initialisation/scale", "loss/non-finite", "loss/divergence")),
    Bug(name="so-50079585", source="DeepLocalize, Stack Overflow 50079585", bench="plain-mnist",
        described="Several classes, but one sigmoid output and a binary cross-entropy.",
        change=each(_network(_OneSigmoid), loss(_binary),
                    numbers(optimizer="rmsprop", lr=1e-3)),
        accepted=("loss/outputs-width", "loss/wrong-kind", "labels/out-of-range")),
    Bug(name="kerasma", source="DeepLocalize, kerasma", bench="residual-digits",
        described="Two tiny hidden layers on inputs as they come, in their hundreds.",
        change=each(_network(_small_dense), everywhere(_raw),
                    numbers(optimizer="adam", lr=1e-3, batch=10, epochs=4)),
        accepted=("data/range", "design/capacity", "fit/underfitting", "design/bottleneck",
                  "unit/dead", "loss/initial")),
    Bug(name="defects4ml-054", source="How real are these faults, Defects4ML 054",
        bench="plain-mnist",
        described="Pictures of shape (1, 28, 28) where channels are expected last: columns "
                  "become channels.",
        change=each(_network(_RowsAsChannels), everywhere(_unit_range),
                    numbers(optimizer="adam", lr=1e-3)),
        accepted=("data/layout", "fit/underfitting", "design/capacity", "design/small-field",
                  "fit/too-short", "fit/over-regularised")),
    Bug(name="so-31556268", source="DeepFD, Stack Overflow 31556268", bench="residual-digits",
        described="Sigmoids and a squared error at a small rate without momentum: hardly moves "
                  "in the passes it is given.",
        change=each(_network(_sigmoid_hidden), loss(_squared), _constant_rate,
                    numbers(lr=0.1, momentum=0.0)),
        accepted=("loss/wrong-kind", "rate/too-low", "fit/too-short", "loss/activation-before",
                  "gradient/vanishing", "fit/underfitting")),
    Bug(name="sfdata-48801893", source="How real are these faults, SFData s48801893",
        bench="plain-mnist",
        described="All weights and biases begin at zero before a ReLU: no gradient ever "
                  "passes.",
        change=network(_zeros),
        accepted=("initialisation/constant", "gradient/vanishing", "initialisation/scale",
                  "unit/dead")),
    Bug(name="traincheck-84911", source="TrainCheck, PyTorch forum 84911",
        bench="residual-digits",
        described="Only the normalisation layers are left trainable, the new head is frozen.",
        change=network(_only_norms), accepted=("weights/frozen",)),
    Bug(name="traincheck-60335387", source="TrainCheck, Stack Overflow 60335387",
        bench="residual-digits", described="Gradients are cleared before the loop only.",
        change=_zero_grad_only_first, accepted=("loop/gradients-left-over",)),
    Bug(name="traincheck-33844", source="TrainCheck, transformers 33844",
        bench="stacked-tuxpaint",
        described="Dropout is applied as a function and stays on in evaluation.",
        change=network(_drops_always),
        accepted=("loop/evaluation-in-train-mode", "normalisation/train-eval",
                  "fit/over-regularised")),
)  # fmt: skip
