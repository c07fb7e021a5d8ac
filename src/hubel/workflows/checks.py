"""Which options of `train` fit together; what does not is an error that names both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch

from hubel.architectures import choose_size, require_size
from hubel.architectures.arguments import parse_arguments
from hubel.data.augmentation import Augmentation
from hubel.data.classical import parse_filters
from hubel.data.dataset import Dataset
from hubel.data.room import parse_size
from hubel.data.source import VAL, Source
from hubel.errors import UsageError, look_up
from hubel.options import TrainOptions
from hubel.results import Run
from hubel.training.duration import parse_duration
from hubel.training.hardware.devices import choose_device
from hubel.training.losses import DEFAULT_LOSS, build_loss
from hubel.training.optimizers import require_momentum
from hubel.training.recipes import RECIPES


def _rises(shares: tuple[float, ...]) -> bool:
    """Return whether shares of a training follow each other."""
    return all(one < two for one, two in pairwise((0.0, *shares, 1.0)))


_RANGES: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "epochs": ("1 or more", lambda value: value >= 1),
    "freeze_epochs": ("0 or more", lambda value: value >= 0),
    "body_lr": ("above 0 and up to 1", lambda value: 0 < value <= 1),
    "batch": ("1 or more", lambda value: value >= 1),
    "size": ("1 or more", lambda value: value >= 1),
    "accumulate": ("1 or more", lambda value: value >= 1),
    "threads": ("1 or more", lambda value: value >= 1),
    "processes": ("1 or more", lambda value: value >= 1),
    "restarts": ("0 or more", lambda value: value >= 0),
    "patience": ("1 or more", lambda value: value >= 1),
    "lr": ("above 0", lambda value: value > 0),
    "momentum": ("from 0 to below 1", lambda value: 0 <= value < 1),
    "weight_decay": ("0 or more", lambda value: value >= 0),
    "l1": ("0 or more", lambda value: value >= 0),
    "milestones": ("that rise, each above 0 and below 1", _rises),
    "step_factor": ("above 0 and up to 1", lambda value: 0 < value <= 1),
    "warmup": ("from 0 to below 1", lambda value: 0 <= value < 1),
    "focal_gamma": ("0 or more", lambda value: value >= 0),
    "label_smoothing": ("from 0 to below 1", lambda value: 0 <= value < 1),
    "dropout": ("from 0 to below 1", lambda value: 0 <= value < 1),
    "augment_strength": ("from 0 to 1", lambda value: 0 <= value <= 1),
    "ema": ("from 0 to below 1", lambda value: 0 <= value < 1),
    "clip": ("above 0", lambda value: value > 0),
    "micro_batch": ("1 or more", lambda value: value >= 1),
    "seed": ("from 0 to 2^63 - 1", lambda value: 0 <= value < 2**63),
}
RESUMABLE: Final = frozenset(
    {
        *("resume", "epochs", "non_finite", "json", "verbose", "processes", "restarts"),
        *("trust_code", "allow_leaks", "checkpoint_every"),
        *("doctor", "stop_on"),
    }
)
"""What may be set beside --resume; everything else is frozen in the run's plan."""
MICRO_BATCH_OR_PROCESSES: Final = (
    "--micro-batch and several --processes exclude each other: each process computes its share of "
    "the batch at once."
)


def flag(name: str) -> str:
    """Return the command-line flag of an option."""
    return f"--{name.replace('_', '-')}"


def set_by_user(options: TrainOptions) -> dict[str, Any]:
    """Return the options that differ from their defaults."""
    return {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) != field.default
    }


def check_ranges(options: TrainOptions) -> None:
    """Raise UsageError for a number outside its range."""
    for name, (wanted, fits) in _RANGES.items():
        value = getattr(options, name)
        if value is not None and not fits(value):
            what, came = "a number", value
            if isinstance(value, tuple):
                what, came = "numbers", " ".join(map(str, value))
            raise UsageError(f"{flag(name)} takes {what} {wanted}, not {came}.")
    parse_duration(options.checkpoint_every, "--checkpoint-every")
    if options.budget is not None:
        parse_duration(options.budget, "--budget")
    if options.cache not in {"auto", "none"}:
        parse_size(options.cache, "--cache")
    choose_device(options.device)
    if options.stop_on is not None and not options.doctor:
        raise UsageError(
            f"--stop-on {options.stop_on} asks the doctor to stop the training, and --no-doctor "
            "sends it away: leave out one of them."
        )


def check_fresh(options: TrainOptions) -> None:
    """Raise UsageError for options of a new run that do not fit together."""
    check_ranges(options)
    if options.epochs is not None and options.budget is not None:
        raise UsageError("--epochs and --budget both say how long to train: give one of them.")
    _check_start(options)
    if options.micro_batch is not None and (options.processes or 1) > 1:
        raise UsageError(MICRO_BATCH_OR_PROCESSES)
    if options.optimizer == "gd" and options.accumulate != 1:
        raise UsageError(
            "--optimizer gd adds up a whole pass for each update: leave out --accumulate."
        )


def _check_start(options: TrainOptions) -> None:
    """Raise UsageError for weights to start from that contradict each other, or are missing."""
    published = options.pretrained or bool(options.weights)
    is_run = Run(Path(options.model)).plan_file.is_file()
    if published and is_run:
        asks = "--pretrained" if options.pretrained else f"--weights {options.weights}"
        raise UsageError(
            f"--model {options.model} is a run with weights of its own, and {asks} asks for "
            "published ones: give one of them."
        )
    for name in ("freeze_epochs", "body_lr"):
        if getattr(options, name) is not None and not (published or is_run):
            raise UsageError(
                f"{flag(name)} treats trained weights with care, but all weights are fresh: add "
                "--pretrained, or a run as --model, or leave it out."
            )


def _check_drops(options: TrainOptions, schedule: str) -> None:
    """Raise UsageError for drops of the learning rate in a schedule that has none."""
    for name in ("milestones", "step_factor"):
        if getattr(options, name) is not None and schedule != "step":
            raise UsageError(
                f"{flag(name)} belongs to --schedule step, but the schedule here is {schedule}: "
                "add --schedule step, or leave it out."
            )


def require_no_run(source: str | Path | Source) -> None:
    """Raise UsageError where a run folder was named as the pictures to train on."""
    if not isinstance(source, Source) and Run(Path(source)).plan_file.is_file():
        raise UsageError(
            f"{source} is a run, not pictures: go on with it with --resume {source}, or start from "
            f"its weights with: hubel train SOURCE --model {source}"
        )


def check_source(options: TrainOptions, source: Source) -> None:
    """Raise UsageError for options that do not fit what a source holds, before it is scanned."""
    task, outputs = source.index.task, len(source.index.classes)
    choose_size(options.model, 1.0)
    parse_arguments(options.model_arguments)
    parse_filters(options.filters)
    recipe = look_up(RECIPES, options.recipe, "recipe")
    if options.size is not None:
        require_size(options.model, options.size)
    require_momentum(options.optimizer or recipe.optimizer, options.momentum)
    _check_drops(options, options.schedule or recipe.schedule)
    sets = recipe.augment if options.augment is None else options.augment
    Augmentation.from_names(sets, num_classes=outputs, seed=options.seed, task=task)
    build_loss(
        options.loss or DEFAULT_LOSS[task],
        task=task,
        class_weights=torch.ones(outputs) if options.balance == "weights" else None,
        label_smoothing=options.label_smoothing or 0.0,
        focal_gamma=options.focal_gamma,
    )
    if options.balance == "sampling" and task != "classification":
        raise UsageError(
            f"--balance sampling needs one class a picture, but {source.name} is made for {task}: "
            "leave it out."
        )


def check_validated(schedule: str, dataset: Dataset) -> None:
    """Raise UsageError for a schedule that follows a validation split where there is none."""
    if schedule == "plateau" and not len(dataset.positions(VAL)):
        raise UsageError(
            "The schedule plateau lowers the learning rate where the validation loss falls no "
            f"more, but {dataset.source.name} has no validation split: choose another --schedule, "
            "or let hubel make the splits."
        )


def check_resumed(options: TrainOptions) -> None:
    """Raise UsageError for options that a resumed run cannot change."""
    frozen = sorted(set_by_user(options).keys() - RESUMABLE)
    if frozen:
        raise UsageError(
            f"--resume goes on with the run's own settings; {', '.join(map(flag, frozen))} cannot "
            f"be changed there: leave {'it' if len(frozen) == 1 else 'them'} out, or train anew "
            "without --resume."
        )
