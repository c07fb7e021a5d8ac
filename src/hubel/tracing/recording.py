"""From an nn.Module and the shape of its input to its trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hubel.errors import UsageError
from hubel.tracing.recorder import Recorder
from hubel.tracing.stand_ins import (
    StandIns,
    list_weights,
    meta_copy,
    modes_set,
    randomness_kept,
    real_copy,
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
    examples = _examples(model, input_shape, batch, dtype)
    name = name or type(model).__name__
    try:
        return _run(model, [meta_copy(one) for one in examples], meta_copy, training, name, ())
    except Exception as problem:  # noqa: BLE001  # whatever fails there may run with numbers
        first = _sentence(problem)
    examples = [_random(one) for one in examples]
    note = f"Traced by a real forward pass on the CPU, because without numbers it stops: {first}."
    return _run(model, examples, real_copy, training, name, (note,))


def _run(
    model: nn.Module,
    inputs: list[Tensor],
    substitute: Callable[[Tensor], Tensor],
    training: bool,
    name: str,
    notes: tuple[str, ...],
) -> Trace:
    """Record one forward pass."""
    weights, places = list_weights(model)
    paths: dict[int, str] = {id(module): path for path, module in model.named_modules()}
    stand_ins = StandIns(model, substitute)
    with randomness_kept(), stand_ins.in_place(), modes_set(model, training=training):
        known = [(made, places[key]) for key, made in stand_ins.made.items() if key in places]
        recorder = Recorder(paths, known)
        for one in inputs:
            recorder.add_input(one)
        with torch.no_grad(), recorder.module_calls(), recorder:
            try:
                result = model(*inputs)
            except Exception as problem:
                where = f"in {recorder.failed_at}" if recorder.failed_at else "in its own forward"
                shapes = ", ".join("x".join(map(str, one.shape)) for one in inputs)
                raise UsageError(
                    f"{name} cannot take an input of {shapes}: {where}, {_sentence(problem)}."
                ) from problem
        outputs = recorder.values_in(result)
    return Trace(
        model=name,
        input_shapes=tuple(tuple(one.shape) for one in inputs),
        values=tuple(recorder.values),
        weights=tuple(weights),
        operations=recorder.finished_operations(),
        calls=recorder.finished_calls(),
        inputs=tuple(range(len(inputs))),
        outputs=outputs,
        notes=notes,
    )


def _examples(
    model: nn.Module, given: Any, batch: int, dtype: torch.dtype | None
) -> list[Tensor]:
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


def _random(example: Tensor) -> Tensor:
    """Return an example as it is, or random numbers of its shape."""
    if not example.is_meta:
        return example.detach().to("cpu", copy=True)
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
        if isinstance(module, nn.modules.lazy.LazyModuleMixin) and module.has_uninitialized_params():
            raise UsageError(
                f"{path or type(module).__name__} is a lazy module without weights yet; run the "
                "network once on an input, then trace it."
            )


def _sentence(problem: BaseException) -> str:
    """Return an exception's kind and the first line of its text, without a full stop."""
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0].rstrip('.')}" if lines else type(problem).__name__
