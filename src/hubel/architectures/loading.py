"""From the name that a user types to a network with fresh weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import nn

from hubel.architectures.architecture import Architecture, PublishedWeights
from hubel.architectures.arguments import check_arguments
from hubel.architectures.files import FileFactory, is_file_name, open_factory
from hubel.architectures.libraries import build_timm, build_torchvision
from hubel.architectures.table import ARCHITECTURES
from hubel.architectures.weights.published import fetch, published_weights
from hubel.architectures.weights.transplant import transplant
from hubel.errors import UsageError, look_up
from hubel.nn.pixels import find_last_layer
from hubel.results import Task

LIBRARIES: Final = {"torchvision": build_torchvision, "timm": build_timm}
LEAST_SIZE, DESIGN_SIZE = 32, 224
"""Range of the default size of networks that are not hubel's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A network with fresh weights, and what is needed to build it again."""

    module: nn.Module
    name: str
    arguments: dict[str, Any]
    """What its builder got besides outputs, channels and size (JSON values)."""
    code_digest: str
    """SHA-256 of the Python file that made it, hexadecimal; empty for hubel's and libraries'."""
    code_text: str
    """That file's text."""
    architecture: Architecture | None
    """None where it is not one of hubel's own."""
    notes: tuple[str, ...] = ()
    """What was changed to make it fit, one sentence each."""
    origin: str = ""
    """Of the published weights; empty where all weights are fresh."""
    fresh: tuple[str, ...] = ()
    """Tensors whose weights are fresh nevertheless."""


def choose_size(name: str, median_short_side: float) -> int:
    """Return the default input side: the median short side, clipped to [least, design].

    `name` is any model name; networks that are not hubel's own have the range 32 to 224.
    """
    if is_library_name(name) or is_file_name(name):
        least, design = LEAST_SIZE, DESIGN_SIZE
    else:
        architecture = look_up(ARCHITECTURES, name, "network")
        least, design = architecture.least_size, architecture.design_size
    return max(least, min(design, round(median_short_side)))


def require_size(name: str, size: int) -> None:
    """Raise UsageError where a network of hubel's own cannot take pictures of `size` pixels a side.

    Nothing is built for it; `load` says the same of a network with arguments, and of others.
    """
    if not is_library_name(name) and not is_file_name(name):
        _check_size(look_up(ARCHITECTURES, name, "network"), 2, 3, size, {})


def is_library_name(name: str) -> bool:
    """Return whether `name` is torchvision:NAME or timm:NAME."""
    return name.partition(":")[0] in LIBRARIES and ":" in name


def load(
    name: str,
    *,
    outputs: int,
    channels: int,
    size: int,
    arguments: Mapping[str, Any] | None = None,
    task: Task = "classification",
    trust_code: bool = False,
    stored_code: str | None = None,
    pretrained: bool = False,
    weights: str | None = None,
) -> Loaded:
    """Build the network called `name`: (n, channels, size, size) becomes (n, outputs).

    `name`: one of hubel's own, torchvision:NAME, timm:NAME, or path/to/file.py:factory.
    `trust_code` says that the user named the Python file on this very command line (or said
    --trust-code); without it no file is run. `stored_code` is run in place of the file (the copy
    that a run keeps). Weights are drawn from torch's global generator. With `pretrained`, or
    `weights` naming one of several entries, published weights take their place; the last layer
    stays fresh unless its number of outputs is theirs.
    Errors: UsageError (MissingExtraError for timm), WeightsError, in one sentence.
    """
    if pretrained or weights:
        published = published_weights(name, weights)
        given = merged_arguments(name, published, arguments or {})
        fresh = load(
            name, outputs=outputs, channels=channels, size=size, arguments=given, task=task
        )
        return _with_weights(fresh, published.origin)
    given = dict(arguments or {})
    if is_library_name(name):
        library, _, model = name.partition(":")
        module, notes = LIBRARIES[library](model, outputs, channels, size, given)
        _try_out(module, name, outputs, channels, size)
        return Loaded(
            module=module, name=name, arguments=given, code_digest="", code_text="",
            architecture=None, notes=notes,
        )  # fmt: skip
    if is_file_name(name):
        factory = open_factory(name, trust_code=trust_code, stored_code=stored_code)
        return _from_file(factory, given, outputs, channels, size)
    architecture = look_up(ARCHITECTURES, name, "network")
    if task != "classification":
        given = {**architecture.other_tasks, **given}
    check_arguments(architecture, given)
    _check_size(architecture, outputs, channels, size, given)
    if given:
        _check_built(architecture, outputs, channels, size, given)
    return Loaded(
        module=architecture.build(outputs=outputs, channels=channels, size=size, **given),
        name=name, arguments=given, code_digest="", code_text="", architecture=architecture,
    )  # fmt: skip


def merged_arguments(
    name: str, published: PublishedWeights, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a network's arguments with those under which its published weights fit.

    Errors: UsageError where the user set another value.
    """
    for argument, value in published.arguments.items():
        if argument in given and given[argument] != value:
            raise UsageError(
                f"The weights {published.origin} fit {name} with {argument}={value}, not "
                f"{argument}={given[argument]}: leave out the argument, or --pretrained."
            )
    return {**published.arguments, **given}


def _with_weights(loaded: Loaded, origin: str) -> Loaded:
    """Put published weights into a network, and say what they are and what is fresh."""
    done = transplant(fetch(origin), loaded.module, origin)
    said = "".join(f"; {remark}" for remark in done.remarks)
    total = done.taken + len(done.fresh)
    note = f"Starts from the weights {origin}: {done.taken} of {total} tensors{said}."
    # What the library's builder said of the first convolution is told by the remarks.
    return replace(loaded, notes=(note,), origin=origin, fresh=done.fresh)


def _from_file(
    factory: FileFactory, given: dict[str, Any], outputs: int, channels: int, size: int
) -> Loaded:
    """Call the factory of a user's file and try its network out."""
    module = factory.build(outputs=outputs, channels=channels, size=size, **given)
    _try_out(module, factory.name, outputs, channels, size)
    return Loaded(
        module=module, name=factory.name, arguments=given, code_digest=factory.digest,
        code_text=factory.text, architecture=None,
    )  # fmt: skip


def _check_size(
    architecture: Architecture, outputs: int, channels: int, size: int, given: Mapping[str, Any]
) -> None:
    """Refuse sizes that the network cannot take, and name the layer that runs out of pixels."""
    if architecture.fixed_size and size != architecture.design_size:
        raise UsageError(
            f"{architecture.name} takes pictures of {architecture.design_size} pixels a side only, "
            f"not {size}; leave --size out, or choose another network with --model."
        )
    least = architecture.least_size
    if size >= least:
        return
    with torch.device("meta"):
        network = architecture.build(outputs=outputs, channels=channels, size=least, **given)
    layer = find_last_layer(network, channels, max(size, 0))
    reason = f", at which its layer {layer} runs out of pixels" if layer else ""
    raise UsageError(
        f"{architecture.name} needs pictures of at least {least} pixels a side, not {size}"
        f"{reason}; set --size {least} or more."
    )


def _check_built(
    architecture: Architecture, outputs: int, channels: int, size: int, given: Mapping[str, Any]
) -> None:
    """Refuse arguments with which the network cannot be built, or held in memory."""
    name = f"{architecture.name} with {', '.join(f'{key}={one}' for key, one in given.items())}"
    try:
        with torch.device("meta"):
            network = architecture.build(outputs=outputs, channels=channels, size=size, **given)
    except (ArithmeticError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{name} cannot be built: {first_line(error)}; set smaller arguments."
        ) from error
    needed, memory = sum(one.nbytes for one in network.parameters()), memory_of_the_machine()
    if memory and needed > memory:
        raise UsageError(
            f"{name} has weights of {needed / 1e9:,.0f} GB, and this machine has a memory of "
            f"{memory / 1e9:,.0f} GB; set smaller arguments."
        )


def memory_of_the_machine() -> int:
    """Return the bytes of main memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _try_out(module: nn.Module, name: str, outputs: int, channels: int, size: int) -> None:
    """Send two empty pictures through a network that hubel does not know."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            answer = module(torch.zeros(2, channels, size, size))
    except Exception as error:
        raise UsageError(
            f"{name} cannot take pictures of {channels} channels and {size}x{size} pixels: "
            f"{first_line(error)}; try another --size."
        ) from error
    finally:
        module.train(training)
    shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
    if shape != (2, outputs):
        raise UsageError(
            f"{name} must turn 2 pictures into a tensor of shape {(2, outputs)}, but gave {shape}."
        )


def first_line(error: BaseException) -> str:
    """Return an exception's kind and the first line of its text, without a full stop."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
