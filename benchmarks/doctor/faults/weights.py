"""Faults by which weights do not learn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.doctor.faults.fault import Fault, network
from benchmarks.doctor.program import Program, Settings


class _Detached(nn.Module):
    """Cuts the graph: what is below gets no gradient."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.detach()


class _Untracked(nn.Module):
    """Runs its layers under `no_grad`."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, maps: Tensor) -> Tensor:
        with torch.no_grad():
            return self.inner(maps)


class _Listed(nn.Module):
    """Keeps its layers in a Python list, so that nobody knows of their weights."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, maps: Tensor) -> Tensor:
        for layer in self.layers:
            maps = layer(maps)
        return maps


def _detach(net: Any) -> None:
    net.flatten = nn.Sequential(_Detached(), net.flatten)


def _untrack(net: Any) -> None:
    net.features = _Untracked(net.features)


def _freeze_body(net: Any) -> None:
    net.features.requires_grad_(requires_grad=False)


def _freeze_first_half(net: Any) -> None:
    layers = list(net.features)
    for layer in layers[: len(layers) // 2 + 1]:
        layer.requires_grad_(requires_grad=False)


def _load_renamed(net: Any) -> None:
    """Load a checkpoint whose names have a prefix, with strict=False; freeze what "was loaded"."""
    state = {f"module.{name}": weight for name, weight in net.state_dict().items()}
    net.load_state_dict(state, strict=False)
    net.features.requires_grad_(requires_grad=False)


def _list_layers(net: Any) -> None:
    net.features = _Listed(list(net.features))


def _optimizer(program: Program, alter: Callable[[Any, Settings, Any], Optimizer]) -> Program:
    before = program.make_optimizer

    def make(net: nn.Module, settings: Settings) -> Optimizer:
        return alter(net, settings, before)

    return replace(program, make_optimizer=make)


def _give_anew(layer: Any) -> None:
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


def head_replaced_later(program: Program) -> Program:
    """Build the optimizer, then replace the head: the new one is in no optimizer."""

    def make(net: Any, settings: Settings, before: Any) -> Optimizer:
        optimizer = before(net, settings)
        net.head = nn.Linear(net.head.in_features, net.head.out_features)
        return optimizer

    return _optimizer(program, make)


def body_replaced_later(program: Program) -> Program:
    """Build the optimizer, then put in another body, as with a backbone that is loaded late."""

    def make(net: Any, settings: Settings, before: Any) -> Optimizer:
        optimizer = before(net, settings)
        net.features = copy.deepcopy(net.features)
        _give_anew(net.features)
        return optimizer

    return _optimizer(program, make)


def only_head_given(program: Program) -> Program:
    """Give the optimizer the head's parameters alone, though the body is not pretrained."""

    def make(net: Any, settings: Settings, before: Any) -> Optimizer:
        return before(net.head, settings)

    return _optimizer(program, make)


def copy_given(program: Program) -> Program:
    """Give the optimizer a copy of the network: it moves the weights of nobody."""

    def make(net: Any, settings: Settings, before: Any) -> Optimizer:
        return before(copy.deepcopy(net), settings)

    return _optimizer(program, make)


FAULTS: Final = (
    Fault(name="detached-trunk", family="weights", change=network(_detach),
          accepted=("weights/no-gradient",)),
    Fault(name="body-under-no-grad", family="weights", change=network(_untrack),
          accepted=("weights/no-gradient",)),
    Fault(name="frozen-random-body", family="weights", change=network(_freeze_body),
          accepted=("weights/frozen",)),
    Fault(name="frozen-first-half", family="weights", change=network(_freeze_first_half),
          accepted=("weights/frozen",), expected_harmless=True),
    Fault(name="silent-load", family="weights", change=network(_load_renamed),
          accepted=("weights/frozen",)),
    Fault(name="layers-in-a-list", family="weights", change=network(_list_layers),
          accepted=("weights/hidden-layers",)),
    Fault(name="head-replaced-later", family="weights", change=head_replaced_later,
          accepted=("weights/outside-optimizer", "weights/strangers")),
    Fault(name="body-replaced-later", family="weights", change=body_replaced_later,
          accepted=("weights/outside-optimizer", "weights/strangers")),
    Fault(name="only-head-given", family="weights", change=only_head_given,
          accepted=("weights/outside-optimizer",)),
    Fault(name="copy-given", family="weights", change=copy_given,
          accepted=("weights/strangers", "weights/outside-optimizer", "weights/not-moving")),
)  # fmt: skip
