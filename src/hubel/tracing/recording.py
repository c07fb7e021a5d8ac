"""From an nn.Module and the shape of its input to its trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hubel.errors import UsageError
from hubel.tracing.ledger import Ledger
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
from hubel.tracing.trace import Trace

Inputs = Sequence[int] | Sequence[Sequence[int]] | Tensor | Sequence[Tensor]


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
    of the first floating-point parameter. The network runs on torch's meta device: no arithmetic,
    no memory. Where it needs numbers (control flow that depends on the data), a real forward pass
    on the CPU is recorded instead, and `Trace.notes` says so. The network is in evaluation mode
    meanwhile (training mode with `training`); its weights, buffers, modes and hooks and the states
    of the random generators are afterwards what they were.
    Errors: UsageError where the network cannot run on such an input, or cannot be traced.
    """
    _check_model(model)
    name = name or type(model).__name__
    examples = _examples(model, input_shape, batch, dtype)
    without = [meta_copy(one) for one in examples]
    try:
        return _run(model, without, meta_copy, training=training, name=name)
    except _StoppedError as stop:
        note = f"Traced by a real forward pass on the CPU: without numbers it stops {stop}."
    numbers = [_numbers(one) for one in examples]
    try:
        return _run(model, numbers, real_copy, training=training, name=name, notes=(note,))
    except _StoppedError as stop:
        shapes = " and ".join(shape_words(one.shape) for one in numbers)
        raise UsageError(
            f"{name} cannot take an input of {shapes}: it stops {stop}; check the size and the "
            "channels of the input."
        ) from stop.__cause__


class _StoppedError(Exception):
    """The network's forward raised; the text says where and what."""


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
        try:
            with torch.no_grad(), recorder.module_calls(), recorder:
                if any(module.training != training for module in model.modules()):
                    model.train(training)
                result = model(*inputs)
        except Exception as problem:
            where = f"in {recorder.failed_at}" if recorder.failed_at else "in its own forward"
            raise _StoppedError(f"{where}, {_sentence(problem)}") from problem
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


def _examples(model: nn.Module, given: Any, batch: int, dtype: torch.dtype | None) -> list[Tensor]:
    """Return tensors of the shapes asked for, on the meta device where no example was given."""
    if isinstance(given, Tensor):
        return [given]
    parts = list(given)
    if parts and all(isinstance(one, Tensor) for one in parts):
        return parts
    shapes = [parts] if all(isinstance(one, int) for one in parts) else parts
    floating = (one.dtype for one in model.parameters() if one.is_floating_point())
    kind = dtype or next(floating, torch.float32)
    return [torch.empty((batch, *shape), dtype=kind, device="meta") for shape in shapes]


def _numbers(example: Tensor) -> Tensor:
    """Return a copy of an example, or random numbers (zeros for whole numbers) of its shape."""
    if not example.is_meta:
        return example.detach().to("cpu", copy=True)
    if not example.is_floating_point():
        return torch.zeros(example.shape, dtype=example.dtype)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(example.shape, generator=generator).to(example.dtype)


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
