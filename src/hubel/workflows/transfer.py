"""`--model RUN`: start from the weights of a trained run; what has another shape is new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

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


def like_run(options: TrainOptions, run: Run) -> TrainOptions:
    """Return `options` with the network of a run: its architecture, arguments and input size."""
    card = run.card()
    arguments = options.model_arguments or tuple(
        f"{name}={value}" for name, value in card.arguments.items()
    )
    size = card.input_shape[1] if options.size is None else options.size
    return replace(options, model=card.architecture, model_arguments=arguments, size=size)


def take_weights(module: nn.Module, run: Run, *, trust_code: bool) -> str:
    """Copy the weights of a run into `module` where name and shape are the same.

    Returns a sentence that says what was taken and what is trained from the beginning.
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
    return f"Starts from the weights of {run.path}: {len(fitting)} of {len(own)} tensors{rest}."
