"""A training is fitted to this machine: device, memory, arithmetic, each part measured."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hubel.errors import UsageError, memory_ran_out
from hubel.nn.native import library
from hubel.options import TrainOptions
from hubel.training.duration import parse_duration
from hubel.training.halving import half
from hubel.training.hardware.arithmetic import Arithmetic, Wishes, choose_arithmetic
from hubel.training.hardware.compiling import choose_compile
from hubel.training.hardware.convolutions import choose_winograd, likely_own
from hubel.training.hardware.devices import choose_device
from hubel.training.hardware.faster import Own, obstacle
from hubel.training.hardware.memory import Fit, fit_memory
from hubel.training.hardware.store import Store
from hubel.training.settings import ChosenBy, Draft
from hubel.workflows.watching import Watcher

MOST_TIMED: int = 64
"""Pictures of a timed step, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is fitted."""

    options: TrainOptions
    draft: Draft
    module: nn.Module
    watcher: Watcher


def fit_to_machine(subject: Subject) -> None:
    """Choose device, pictures at a time, arithmetic, compiling and convolutions.

    The draft holds batch, size, channels, epochs and steps of a pass already. Torch is left with
    the chosen number of threads. Errors: UsageError for a device or a compiler that is not there,
    and for Winograd's algorithm where it cannot be.
    """
    options, draft = subject.options, subject.draft
    device = choose_device(options.device)
    by: ChosenBy = "hubel" if options.device == "auto" else "user"
    found = "the first of cuda, mps and cpu that is here"
    draft.choose("device", str(device), by, found if by == "hubel" else "set by you")
    _choose_pictures(subject, device)
    store = Store(device, anew=options.measure_anew)
    if store.is_new:
        subject.watcher.said(f"{store.known.machine.sentence()} Kept in {store.path}.")
    side = draft["size"]
    shape = (draft["channels"], side, side)
    wishes = _wishes(options)
    most = min(draft["micro_batch"], MOST_TIMED)
    arithmetic, inputs = _arithmetic(subject, (most, *shape), wishes, store, device)
    torch.set_num_threads(arithmetic.threads)
    for name in ("precision", "channels_last", "threads"):
        chosen_by: ChosenBy = "user" if getattr(options, name) is not None else "hubel"
        draft.choose(name, getattr(arithmetic, name), chosen_by, arithmetic.reason)
    _choose_functions(subject, inputs, arithmetic, store, device)


def _wishes(options: TrainOptions) -> Wishes:
    """Return what the user has set, and what goes with it."""
    precision, channels_last = options.precision, options.channels_last
    if options.winograd == "yes":
        precision = precision or "float32"
        channels_last = True if channels_last is None else channels_last
    return Wishes(precision=precision, channels_last=channels_last, threads=options.threads)


def _choose_functions(
    subject: Subject, inputs: Tensor, arithmetic: Arithmetic, store: Store, device: torch.device
) -> None:
    """Choose what hubel computes itself, or whether all of the network is compiled."""
    options, draft = subject.options, subject.draft
    native, why = _native(obstacle(arithmetic.precision, arithmetic.channels_last, device))
    chosen = choose_winograd(options.winograd, subject.module, inputs, arithmetic, store, device)
    compilation = choose_compile(
        options.compile,
        subject.module,
        inputs,
        arithmetic,
        _run_seconds(subject, arithmetic),
        store,
        device,
        Own(layers=chosen.layers, native=native),
    )
    by: ChosenBy = "hubel" if options.compile == "auto" else "user"
    draft.choose("compile", compilation.compiles, by, compilation.reason)
    layers, reason = chosen.layers, chosen.reason
    if compilation.compiles:
        if options.winograd == "yes":
            raise UsageError(
                "--winograd yes does not go with a compiled network, which computes its own "
                "convolutions: leave it out, or set --compile no."
            )
        native, layers = False, ()
        why = reason = "the network is compiled"
    by = "hubel" if options.winograd == "auto" else "user"
    draft.choose("winograd", layers, by, reason)
    draft.choose("native", native, "hubel", why)


def _native(prevented: str) -> tuple[bool, str]:
    """Return whether hubel's functions in C are used, and why."""
    here = not prevented and library() is not None
    found = "compiled for this processor" if here else "there is no C compiler here"
    return here, prevented or found


def _arithmetic(
    subject: Subject,
    shape: tuple[int, ...],
    wishes: Wishes,
    store: Store,
    device: torch.device,
) -> tuple[Arithmetic, Tensor]:
    """Choose arithmetic with so many pictures, or as many of them as memory holds."""
    pictures, *rest = shape
    while True:
        inputs = torch.zeros(pictures, *rest)
        try:
            own = likely_own(
                subject.options.winograd, subject.module, inputs, wishes, store, device
            )
            found = choose_arithmetic(subject.module, inputs, wishes, store, device, own)
            return found, inputs
        except Exception as error:
            if pictures == 1 or not memory_ran_out(error):
                raise
        # Only here, after the block, has the error let go of the tensors it came from.
        gc.collect()
        pictures = half(pictures)


def _choose_pictures(subject: Subject, device: torch.device) -> None:
    """Choose how many pictures of a batch are computed at a time."""
    options, draft = subject.options, subject.draft
    batch: int = draft["batch"]
    if options.micro_batch is not None:
        draft.choose("micro_batch", min(options.micro_batch, batch), "user", "set by you")
        return
    shape = (draft["channels"], draft["size"], draft["size"])
    fit: Fit = fit_memory(subject.module, shape, batch, device)
    if fit.fits:
        return
    draft.choose("micro_batch", fit.pictures, "hubel", fit.reason)
    subject.watcher.said(
        f"The batch of {batch} is computed {fit.pictures} pictures at a time, and their gradients "
        f"are added up: {fit.reason}. Set --micro-batch to choose for yourself."
    )


def _run_seconds(subject: Subject, arithmetic: Arithmetic) -> float:
    """Return roughly how long the training takes: the budget, or passes times pictures."""
    budget, draft = subject.options.budget, subject.draft
    if budget is not None:
        return parse_duration(budget, "--budget")
    pictures = draft["epochs"] * draft["steps_per_pass"] * draft["accumulate"] * draft["batch"]
    return pictures * arithmetic.step_ms / 1e3
