"""Where a training starts from: published weights, or those of a trained run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from hubel.architectures.weights.published import published_weights, reading_of
from hubel.architectures.weights.reading import Reading
from hubel.errors import RunError
from hubel.options import TrainOptions
from hubel.results import Run
from hubel.training.trained import load_trained


def run_of(model: str) -> Run | None:
    """Return the finished run that a model name stands for; None where it is no run folder.

    Errors: RunError for a run whose training did not end.
    """
    run = Run(Path(model))
    if not run.plan_file.is_file():
        return None
    run.require_finished()
    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Trained weights that a training starts from, and how their pictures were read."""

    origin: str
    reading: Reading
    published: bool = True
    """Whether they are published ones, not those of a run."""


def published_of(options: TrainOptions) -> Start | None:
    """Return the published weights that the options ask for; UsageError where there are none."""
    if not (options.pretrained or options.weights):
        return None
    origin = published_weights(options.model, options.weights).origin
    return Start(origin=origin, reading=reading_of(origin))


def start_of(run: Run) -> Start:
    """Return the weights of a run as a start; RunError where its preprocessing is damaged."""
    stored = run.card().preprocessing
    try:
        values = {
            **{name: stored[name] for name in ("size", "fit", "mean", "std")},
            "share": stored.get("share", 1.0),
            "colours": (stored["colour"],),
        }
        reading = msgspec.convert(values, Reading)
    except (KeyError, msgspec.ValidationError) as error:
        raise RunError(f"The preprocessing of {run.path} is damaged: {error!r}.") from error
    return Start(origin=str(run.path), reading=reading, published=False)


def like_run(options: TrainOptions, run: Run) -> TrainOptions:
    """Return `options` with what a run's weights expect, where the options leave it open.

    That is the architecture, its arguments, the colours, the classical filters and the kind of
    normalisation; size, fit, mean and deviation come with the run's reading. A whitening is
    measured anew, on the new pictures.
    """
    card = run.card()
    arguments = options.model_arguments or tuple(
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in card.arguments.items()
    )
    stored = card.preprocessing
    changes: dict[str, Any] = {"filters": options.filters or tuple(stored.get("filters", ()))}
    if options.colour == "auto" and stored.get("colour") != "channels":
        changes["colour"] = stored.get("colour", "auto")
    if options.normalise is None and stored.get("normalisation") != "standard":
        changes["normalise"] = stored.get("normalisation")
    return replace(options, model=card.architecture, model_arguments=arguments, **changes)


def take_weights(module: nn.Module, run: Run, *, trust_code: bool) -> tuple[str, tuple[str, ...]]:
    """Copy the weights of a run into `module` where name and shape are the same.

    Returns a sentence that says what was taken, and the names of what is trained from the
    beginning.
    """
    trained = load_trained(run, trust_code=trust_code).module.state_dict()
    own = module.state_dict()
    fitting = {
        name: tensor
        for name, tensor in trained.items()
        if name in own and own[name].shape == tensor.shape
    }
    module.load_state_dict(fitting, strict=False)
    fresh = [name for name in own if name not in fitting]
    rest = f"; from the beginning: {', '.join(fresh)}" if fresh else ""
    taken = f"{len(fitting)} of {len(own)} tensors"
    return f"Starts from the weights of {run.path}: {taken}{rest}.", tuple(fresh)
