"""A training is fitted to this machine: device, memory, arithmetic, compiling, each measured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from hubel.options import TrainOptions
from hubel.training.duration import parse_duration
from hubel.training.hardware.arithmetic import Arithmetic, Wishes, choose_arithmetic
from hubel.training.hardware.compiling import choose_compile
from hubel.training.hardware.devices import choose_device
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
    """Choose device, pictures at a time, precision, memory format, threads and compiling.

    The draft holds batch, size, channels, epochs and steps of a pass already. Torch is left with
    the chosen number of threads. Errors: UsageError for a device or a compiler that is not there.
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
    inputs = torch.zeros(min(draft["micro_batch"], MOST_TIMED), draft["channels"], side, side)
    wishes = Wishes(
        precision=options.precision,
        channels_last=options.channels_last,
        threads=options.threads,
    )
    arithmetic = choose_arithmetic(subject.module, inputs, wishes, store, device)
    torch.set_num_threads(arithmetic.threads)
    for name in ("precision", "channels_last", "threads"):
        chosen_by: ChosenBy = "user" if getattr(options, name) is not None else "hubel"
        draft.choose(name, getattr(arithmetic, name), chosen_by, arithmetic.reason)
    compilation = choose_compile(
        options.compile,
        subject.module,
        inputs,
        arithmetic,
        _run_seconds(subject, arithmetic),
        store,
        device,
    )
    chosen_by = "hubel" if options.compile == "auto" else "user"
    draft.choose("compile", compilation.compiles, chosen_by, compilation.reason)


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
