"""From what a user names to a network that can be looked at, and the shape of its input."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from hubel.architectures import ARCHITECTURES, load
from hubel.architectures.files import is_file_name
from hubel.architectures.libraries import library_shape
from hubel.architectures.loading import DESIGN_SIZE, is_library_name
from hubel.errors import HubelError, UsageError
from hubel.results import Run
from hubel.tracing.recording import in_short
from hubel.training.trained import load_trained

OUTPUTS: Final = 1000
"""Of networks that are not hubel's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A network to look at."""

    module: nn.Module
    name: str
    shape: tuple[int, ...]
    """Of one input, without the batch dimension."""
    least_size: int | None = None
    """Smallest side that the network declares."""
    loss: str = "cross-entropy"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a user says about the network beside its name."""

    shape: tuple[int, ...] | None = None
    outputs: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trust_code: bool = False
    real_weights: bool = False
    """Whether it must be built with weights that have numbers."""


def parse_shape(text: str) -> tuple[int, ...]:
    """Return a shape from text.

    >>> parse_shape("3x224x224")
    (3, 224, 224)

    Errors: UsageError for anything else than whole numbers above 0 with x between them.
    """
    parts = re.split(r"[x×,]", text.strip())
    if not all(re.fullmatch(r"0*[1-9]\d*", part) for part in parts):
        raise UsageError(
            f"--input takes a shape as 3x224x224 (channels, height, width), not {text!r}."
        )
    return tuple(int(part) for part in parts)


def shape_of(given: Sequence[int]) -> tuple[int, ...]:
    """Return a shape as a tuple of whole numbers. Errors: UsageError for anything else."""
    try:
        shape = tuple(operator.index(side) for side in given)
    except TypeError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageError(
            "check takes the shape of one input, whole numbers of 1 or more with channels first, "
            f"as (3, 224, 224), not {in_short(given)}; networks with several inputs: hubel.trace."
        )
    return shape


def parse_pixels(text: str) -> float:
    """Return a length in pixels from text.

    >>> parse_pixels("40px")
    40.0

    Errors: UsageError for anything else than a number above 0, with or without px.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:px)?", text.strip())
    if not found or float(found[1]) == 0:
        raise UsageError(f"--object takes a length in pixels as 40px, not {text!r}.")
    return float(found[1])


def read_network(model: nn.Module | str | Path, wanted: Wanted) -> Named:
    """Return the network that a user means: a module, a model name, a file's factory or a run.

    Named networks are built without numbers (meta device) where they can be, else on the CPU; a
    user's own file is called on the CPU, so that its initial weights can be looked at.
    Errors: UsageError, RunError.
    """
    if isinstance(model, nn.Module):
        if wanted.shape is None:
            raise UsageError(
                "check needs the shape of the input of a module: hubel.check(model, (3, 224, 224))."
            )
        return Named(module=model, name=type(model).__name__, shape=wanted.shape)
    given: Any = model
    if not isinstance(given, (str, Path)):
        raise UsageError(
            "A network to check is an nn.Module, a name or a path, not "
            f"{f'the class {given.__name__}' if isinstance(given, type) else type(given).__name__}."
        )
    name = str(given)
    run = Run(Path(name))
    if run.plan_file.is_file():
        return _of_run(run, wanted)
    shape = wanted.shape or _design_shape(name)
    if len(shape) != 3:
        raise UsageError(
            f"{name} takes pictures of channels, height and width, as 3x224x224, not "
            f"{'x'.join(map(str, shape))}."
        )
    architecture = ARCHITECTURES.get(name)
    module, notes = _build(name, shape, wanted)
    return Named(
        module=module,
        name=name,
        shape=shape,
        least_size=None if architecture is None else architecture.least_size,
        notes=notes,
    )


def _of_run(run: Run, wanted: Wanted) -> Named:
    """Return the trained network of a run."""
    trained = load_trained(run, trust_code=wanted.trust_code)
    losses = [choice.value for choice in run.plan().choices if choice.name == "loss"]
    return Named(
        module=trained.module,
        name=str(run.path),
        shape=wanted.shape or trained.card.input_shape,
        loss=losses[0] if losses else "cross-entropy",
    )


def _design_shape(name: str) -> tuple[int, ...]:
    """Return the shape of the input that a named network was made for."""
    architecture = ARCHITECTURES.get(name)
    if architecture is not None:
        size = architecture.design_size
        return (architecture.design_channels, size, size)
    if is_library_name(name):
        library, _, model = name.partition(":")
        try:
            return library_shape(library, model)
        except (ImportError, ValueError, AttributeError):
            pass  # Building it says what is wrong with the name.
    return (3, DESIGN_SIZE, DESIGN_SIZE)


def _build(name: str, shape: Sequence[int], wanted: Wanted) -> tuple[nn.Module, tuple[str, ...]]:
    """Build a named network, on the meta device if it can be.

    One that refuses a small input is built for its design size, so that it can be seen where the
    input is too small for it.
    """
    architecture = ARCHITECTURES.get(name)
    outputs = wanted.outputs or (architecture.design_outputs if architecture else OUTPUTS)
    side = min(shape[1:])
    design = min(_design_shape(name)[1:])
    sizes = [max(side, architecture.least_size)] if architecture else [side]
    if not architecture and side < design:
        sizes.append(design)
    on_cpu = wanted.real_weights or is_file_name(name)
    devices = ("cpu",) if on_cpu else ("meta", "cpu")
    first: HubelError | None = None
    for device in devices:
        for size in sizes:
            try:
                with torch.random.fork_rng(devices=[]), torch.device(device):
                    loaded = load(
                        name, outputs=outputs, channels=shape[0], size=size,
                        arguments=wanted.arguments, trust_code=True,
                    )  # fmt: skip
            except (UsageError, RuntimeError) as problem:
                if device == "meta":
                    continue  # Whatever fails without numbers may be built with them.
                if not isinstance(problem, UsageError):
                    raise
                first = first or problem
            else:
                return loaded.module, loaded.notes
    assert first is not None, "every way to build it has failed"
    raise first
