"""A fault: one change of a program, and what the doctor may call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from benchmarks.doctor.program import Program, make_loss, make_network

Change = Callable[[Program], Program]
Loss = Callable[[Tensor, Tensor], Tensor]


def unchanged(program: Program) -> Program:
    """Return the program as it is."""
    return program


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that people do wrong."""

    name: str
    family: str
    change: Change
    accepted: tuple[str, ...]
    """Ids that name it, the preferred one first; written down before any run."""
    harm: Literal["accuracy", "reported", "time"] = "accuracy"
    """What must suffer for the fault to count: the network's true accuracy, the truth of the
    accuracy that the program reports, or the time of a step."""
    base: Change = unchanged
    """Made on the healthy twin, too: what the fault needs to be one."""
    needs: frozenset[str] = frozenset()
    """Traits of the bench without which it cannot be made: `norm`, `colour`."""
    expected_harmless: bool = False
    """A control: not thought to do harm."""


def numbers(**values: Any) -> Change:
    """Return a change of settings."""
    return partial(_with_settings, values)


def _with_settings(values: dict[str, Any], program: Program) -> Program:
    return program.with_settings(**values)


def network(alter: Callable[[nn.Module], nn.Module | None]) -> Change:
    """Return a change of the network that was built: altered in place, or another in its place."""
    return partial(_with_network, alter)


def _with_network(alter: Callable[[nn.Module], nn.Module | None], program: Program) -> Program:
    before = program.make_network

    def make(pictures: Any, settings: Any) -> nn.Module:
        built = before(pictures, settings)
        return alter(built) or built

    return replace(program, make_network=make)


def loss(function: Loss) -> Change:
    """Return a change of the loss."""
    return partial(_with_loss, function)


def _with_loss(function: Loss, program: Program) -> Program:
    return replace(program, make_loss=lambda _: function)


def each(*changes: Change) -> Change:
    """Return a change that makes all of these, in their order."""
    return partial(_each, changes)


def _each(changes: tuple[Change, ...], program: Program) -> Program:
    for change in changes:
        program = change(program)
    return program


def swap(module: nn.Module, kinds: tuple[type[nn.Module], ...], other: Any) -> None:
    """Put `other(old)` in place of every module of these kinds."""
    for name, child in module.named_children():
        if isinstance(child, kinds):
            setattr(module, name, other(child))
        else:
            swap(child, kinds, other)


ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU)

__all__ = [
    "ACTIVATIONS", "Change", "Fault", "Loss", "each", "loss", "make_loss", "make_network",
    "network", "numbers", "swap", "unchanged",
]  # fmt: skip
