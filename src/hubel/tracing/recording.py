"""From an nn.Module and the shape of its input to its trace."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hubel.errors import UsageError
from hubel.tracing.ledger import Ledger
from hubel.tracing.numpy_trips import NumpyTrips
from hubel.tracing.recorder import Recorder
from hubel.tracing.stand_ins import (
    StandIns,
    fast_attention_off,
    list_weights,
    meta_copy,
    randomness_kept,
    real_copy,
    uncollected,
)
from hubel.tracing.trace import Trace, Weight

Inputs = Sequence[int] | Sequence[Sequence[int]] | Tensor | Sequence[Tensor]
MOST_REAL_BYTES: Final = 4 * 2**30
"""Bytes of weights and activations up to which a real forward pass is made without being asked."""


class RefusedInputError(UsageError):
    """A network that cannot run on an input of this shape."""

    where: str
    """Path of the innermost module that raised; empty for the network's own forward."""
    why: str
    """Kind and first line of the exception."""

    def __init__(self, name: str, shapes: str, where: str, why: str) -> None:
        super().__init__(
            f"{name} cannot take an input of {shapes}: it stops in {where or 'its own forward'}, "
            f"{why}; check the size and the channels of the input."
        )
        self.where = where
        self.why = why


def trace(
    model: nn.Module,
    input_shape: Inputs,
    *,
    batch: int = 1,
    dtype: torch.dtype | None = None,
    training: bool = False,
    name: str = "",
) -> Trace:
    """Return the operations that one forward pass of a network really runs.

    `input_shape` has no batch dimension: (3, 224, 224). For several inputs it is a tuple of shapes;
    example tensors, with their batch dimension, may stand in its place. `dtype` is by default that
    of the first floating-point or complex parameter. The network runs on torch's meta device: no
    arithmetic, no memory. Where it needs numbers (control flow that depends on the data), a real
    forward pass on the CPU is recorded instead, and `Trace.notes` says so. The network is in
    evaluation mode meanwhile (training mode with `training`); its weights, buffers, modes and hooks
    and the states of the random generators are afterwards what they were.
    Errors: UsageError where the network cannot run on such an input, cannot be traced, or needs
    numbers and more than 4 GiB for them.
    """
    _check_model(model)
    name = name or type(model).__name__
    examples = _examples(model, input_shape, batch, dtype)
    shapes = " and ".join(shape_words(one.shape) for one in examples)
    without = [meta_copy(one) for one in examples]
    try:
        return _run(model, without, meta_copy, training=training, name=name)
    except _StoppedError as stop:
        if stop.for_sure:
            raise RefusedInputError(name, shapes, stop.where, stop.why) from stop.__cause__
        first = stop
    place = f"in {first.where or 'its own forward'}, {first.why}"
    if first.taken > MOST_REAL_BYTES:
        raise UsageError(
            f"{name} cannot be traced without numbers (it stops {place}), and a real pass on an "
            f"input of {shapes} takes {first.taken / 2**30:.1f} GiB or more; try a smaller input."
        )
    note = f"Traced by a real forward pass on the CPU: without numbers it stops {place}."
    numbers = [_numbers(one) for one in examples]
    try:
        return _run(model, numbers, real_copy, training=training, name=name, notes=(note,))
    except _StoppedError as stop:
        raise RefusedInputError(name, shapes, stop.where, stop.why) from stop.__cause__


class _StoppedError(Exception):
    """The network's forward raised."""

    def __init__(self, where: str, why: str, *, taken: int, for_sure: bool) -> None:
        """`taken`: bytes of weights and values so far; `for_sure`: numbers would change nothing."""
        super().__init__(why)
        self.where = where
        self.why = why
        self.taken = taken
        self.for_sure = for_sure


def shape_words(shape: Sequence[int]) -> str:
    """Return a shape for people: 1x3x224x224."""
    return "x".join(str(side) for side in shape)


def _run(
    model: nn.Module,
    inputs: list[Tensor],
    substitute: Callable[[Tensor], Tensor],
    *,
    training: bool,
    name: str,
    notes: tuple[str, ...] = (),
) -> Trace:
    """Record one forward pass."""
    weights, places = list_weights(model)
    paths = {id(module): path for path, module in model.named_modules()}
    stand_ins = StandIns(model, substitute)
    with uncollected(), randomness_kept(), fast_attention_off(), stand_ins.in_place():
        made = [(tensor, places[key]) for key, tensor in stand_ins.made.items() if key in places]
        ledger = Ledger(weights, made)
        taken = tuple(ledger.add_input(one) for one in inputs)
        recorder = Recorder(ledger, paths)
        outside = nullcontext() if inputs[0].is_meta else NumpyTrips(ledger)
        try:
            with torch.no_grad(), recorder.module_calls(), outside, recorder:
                if any(module.training != training for module in model.modules()):
                    model.train(training)
                result = model(*inputs)
        except Exception as problem:
            refused = recorder.refused
            for_sure = refused is not None and refused[0] is problem
            raise _StoppedError(
                recorder.failed_at or "",
                _sentence(refused[1] if refused is not None and for_sure else problem),
                taken=_bytes_taken(weights, ledger),
                for_sure=for_sure,
            ) from problem
        outputs = recorder.values_in(result)
    return Trace(
        model=name,
        input_shapes=tuple(tuple(one.shape) for one in inputs),
        values=tuple(ledger.values),
        weights=tuple(weights),
        operations=ledger.operations(),
        calls=recorder.calls(),
        inputs=taken,
        outputs=outputs,
        notes=notes,
    )


def _bytes_taken(weights: Sequence[Weight], ledger: Ledger) -> int:
    """Return the bytes of all weights and of the values so far, each memory once."""
    held = {
        value.storage: math.prod(value.shape) * value.bytes_each
        for value in reversed(ledger.values)
    }
    return sum(math.prod(one.shape) * one.bytes_each for one in weights) + sum(held.values())


def _examples(model: nn.Module, given: Any, batch: int, dtype: torch.dtype | None) -> list[Tensor]:
    """Return tensors of the shapes asked for, on the meta device where no example was given."""
    if isinstance(given, Tensor):
        return [given]
    parts: list[Any] = list(given) if isinstance(given, Sequence) else [given]
    if parts and all(isinstance(one, Tensor) for one in parts):
        return parts
    several = any(isinstance(one, Sequence) for one in parts) and not isinstance(given, str)
    shapes = [_sides(one) for one in (parts if several else [given])]
    kinds = (one.dtype for one in model.parameters() if not _is_integer(one))
    kind = dtype or next(kinds, torch.float32)
    return [torch.empty((batch, *shape), dtype=kind, device="meta") for shape in shapes]


def _sides(given: Any) -> tuple[int, ...]:
    """Return a shape as whole numbers of 1 or more."""
    try:
        sides = tuple(operator.index(side) for side in given)
    except TypeError:
        sides = (0,)
    if min(sides, default=1) < 1:
        raise UsageError(
            "The shape of an input is whole numbers of 1 or more, channels first, as "
            f"(3, 224, 224), not {in_short(given)}."
        )
    return sides


def in_short(given: Any) -> str:
    """Return what was given in at most 60 characters of one line."""
    words = " ".join(repr(given).split())
    return words if len(words) <= 60 else f"{words[:57]}..."


def _is_integer(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _numbers(example: Tensor) -> Tensor:
    """Return a copy of an example, or random numbers (zeros for whole numbers) of its shape."""
    if not example.is_meta:
        return example.detach().to("cpu", copy=True)
    if _is_integer(example):
        return torch.zeros(example.shape, dtype=example.dtype)
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(example.shape, generator=generator, dtype=torch.float32)
    return real.to(example.dtype)


def _check_model(model: Any) -> None:
    """Refuse what is no network, and networks that cannot be followed."""
    if not isinstance(model, nn.Module):
        raise UsageError(f"A network to trace is an nn.Module, not {type(model).__name__}.")
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise UsageError(
                f"{path or type(module).__name__} is a scripted module, whose inside cannot be "
                "followed; trace the network that it was made from."
            )
        held = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if any(is_lazy(one) for one in held):
            raise UsageError(
                f"{path or type(module).__name__} is a lazy module without weights yet; run the "
                "network once on an input, then trace it."
            )


def _sentence(problem: BaseException) -> str:
    """Return an exception's kind and the first line of its text, without a full stop."""
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0].rstrip('.')}" if lines else type(problem).__name__
