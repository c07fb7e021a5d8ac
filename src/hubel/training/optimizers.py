"""The optimizers: a table from name to torch.optim, with the defaults of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.optim import Optimizer

from hubel.errors import UsageError, look_up
from hubel.training.muon import Muon
from hubel.training.rmsprop import DampedRMSprop

Groups = list[dict[str, Any]]
SCALE: Final = "scale"
"""Of a group of parameters: the factor of its learning rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerKind:
    """One optimizer: how it is built, and what it is given where the user sets nothing."""

    build: Callable[[Groups, float, float], Optimizer]
    """From parameter groups, learning rate and momentum."""
    lr: float
    """Default highest learning rate."""
    momentum: float | None
    """Default momentum; None where the optimizer has none."""
    weight_decay: float
    formula: str
    source: str
    """Bibliography key."""
    whole_split: bool = False
    """Whether a step takes the whole training split."""


OPTIMIZERS: Final[Mapping[str, OptimizerKind]] = {
    "gd": OptimizerKind(
        build=lambda groups, lr, _: torch.optim.SGD(groups, lr=lr),
        lr=0.1, momentum=None, weight_decay=0.0, whole_split=True,
        formula="w -= lr g, g over the whole training split", source="cauchy1847methode",
    ),
    "sgd": OptimizerKind(
        build=lambda groups, lr, _: torch.optim.SGD(groups, lr=lr),
        lr=0.1, momentum=None, weight_decay=5e-4,
        formula="w -= lr g", source="robbins1951stochastic",
    ),
    "momentum": OptimizerKind(
        build=lambda groups, lr, momentum: torch.optim.SGD(groups, lr=lr, momentum=momentum),
        lr=0.05, momentum=0.9, weight_decay=5e-4,
        formula="v = m v + g; w -= lr v", source="polyak1964some",
    ),
    "nesterov": OptimizerKind(
        build=lambda groups, lr, momentum: torch.optim.SGD(
            groups, lr=lr, momentum=momentum, nesterov=momentum > 0
        ),
        lr=0.05, momentum=0.9, weight_decay=5e-4,
        formula="v = m v + g; w -= lr (g + m v)", source="sutskever2013importance",
    ),
    "adagrad": OptimizerKind(
        build=lambda groups, lr, _: torch.optim.Adagrad(groups, lr=lr),
        lr=0.02, momentum=None, weight_decay=0.0,
        formula="s += g^2; w -= lr g / (sqrt(s) + eps)", source="duchi2011adaptive",
    ),
    "rmsprop": OptimizerKind(
        build=lambda groups, lr, momentum: torch.optim.RMSprop(groups, lr=lr, momentum=momentum),
        lr=1e-3, momentum=0.0, weight_decay=0.0,
        formula="s = 0.99 s + 0.01 g^2; v = m v + g / (sqrt(s) + eps); w -= lr v",
        source="tieleman2012rmsprop",
    ),
    "damped-rmsprop": OptimizerKind(
        build=lambda groups, lr, momentum: DampedRMSprop(groups, lr=lr, momentum=momentum),
        lr=0.045, momentum=0.0, weight_decay=0.0,
        formula="s = 0.9 s + 0.1 g^2, s = 1 at first; v = m v + lr g / sqrt(s + 1); w -= v",
        source="szegedy2016rethinking",
    ),
    "adadelta": OptimizerKind(
        build=lambda groups, lr, _: torch.optim.Adadelta(groups, lr=lr),
        lr=1.0, momentum=None, weight_decay=0.0,
        formula="s = 0.9 s + 0.1 g^2; d = sqrt(u + eps) / sqrt(s + eps) g; "
        "u = 0.9 u + 0.1 d^2; w -= lr d",
        source="zeiler2012adadelta",
    ),
    "adam": OptimizerKind(
        build=lambda groups, lr, momentum: torch.optim.Adam(
            groups, lr=lr, betas=(momentum, 0.999), **_fused(groups)
        ),
        lr=3e-3, momentum=0.9, weight_decay=0.0,
        formula="m = b m + (1 - b) g; s = 0.999 s + 0.001 g^2; "
        "w -= lr m' / (sqrt(s') + eps), ' corrects the bias of the start",
        source="kingma2015adam",
    ),
    "adamw": OptimizerKind(
        build=lambda groups, lr, momentum: torch.optim.AdamW(
            groups, lr=lr, betas=(momentum, 0.999), **_fused(groups)
        ),
        lr=4e-3, momentum=0.9, weight_decay=0.05,
        formula="w -= lr decay w; then as adam", source="loshchilov2019decoupled",
    ),
    "muon": OptimizerKind(
        build=lambda groups, lr, momentum: Muon(groups, lr=lr, momentum=momentum),
        lr=0.014, momentum=0.9, weight_decay=0.05,
        formula="kernels: v = m v + (1 - m) g; w -= lr decay w + 0.2 lr sqrt(max(rows, columns)) "
        "U V^T of (1 - m) g + m v; all else as adamw",
        source="jordan2024muon",
    ),
}  # fmt: skip


def build_optimizer(
    name: str,
    module: nn.Module,
    *,
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    head: Collection[str] = (),
    body_lr: float = 1.0,
) -> Optimizer:
    """Return the optimizer called `name` over the trainable parameters of `module`.

    None means the default of the table. `momentum` is beta 1 of adam and adamw. Weight decay acts
    on parameters of two or more dimensions (kernels and matrices): biases and the scales of
    normalisation keep theirs. It adds decay * w to the gradient; in adamw it shrinks w itself.
    Parameters outside `head` have the learning rate times `body_lr`, as their group's scale says.
    Errors: UsageError for an unknown name, a momentum where there is none, numbers out of range,
    and a network without trainable parameters.
    """
    kind = look_up(OPTIMIZERS, name, "optimizer")
    require_momentum(name, momentum)
    speed = kind.lr if lr is None else lr
    inertia = (kind.momentum or 0.0) if momentum is None else momentum
    decay = kind.weight_decay if weight_decay is None else weight_decay
    if not speed > 0:
        raise UsageError(f"--lr must be above 0, not {speed:g}.")
    if not 0 <= inertia < 1:
        raise UsageError(f"--momentum must be from 0 to below 1, not {inertia:g}.")
    if not decay >= 0:
        raise UsageError(f"--weight-decay must be 0 or more, not {decay:g}.")
    groups = parameter_groups(module, decay)
    if body_lr != 1.0:
        groups = scaled_groups(groups, module, head, body_lr)
    return kind.build(groups, speed, inertia)


def require_momentum(name: str, momentum: float | None) -> None:
    """Raise UsageError for a momentum of an optimizer that has none; None is no momentum."""
    if momentum is not None and look_up(OPTIMIZERS, name, "optimizer").momentum is None:
        raise UsageError(f"--optimizer {name} has no momentum; leave out --momentum {momentum:g}.")


def parameter_groups(module: nn.Module, weight_decay: float) -> Groups:
    """Return the trainable parameters in two groups: with weight decay, and without.

    Errors: UsageError where nothing is trainable.
    """
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trainable:
        raise UsageError(f"{type(module).__name__} has no trainable parameters.")
    groups = (
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    )
    return [group for group in groups if group["params"]]


def scaled_groups(
    groups: Groups, module: nn.Module, head: Collection[str], body_lr: float
) -> Groups:
    """Return each group in two, with a scale of the learning rate: 1 for the head, then the body's.

    Source: howard2018universal (discriminative fine-tuning).
    """
    own = {id(weight) for name, weight in module.named_parameters() if name in head}
    parts = (
        {**group, SCALE: scale, "params": [p for p in group["params"] if (id(p) in own) is mine]}
        for group in groups
        for mine, scale in ((True, 1.0), (False, body_lr))
    )
    return [part for part in parts if part["params"]]


def _fused(groups: Groups) -> dict[str, bool]:
    """Ask for one kernel over all parameters where torch has it: less overhead a step."""
    kinds = {parameter.device.type for group in groups for parameter in group["params"]}
    return {"fused": kinds <= {"cpu", "cuda"}}
