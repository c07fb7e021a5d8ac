"""`hubel.watch`: the doctor around anyone's training loop."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer

from hubel.diagnosis.trials.bench import TRIAL_S
from hubel.diagnosis.watching.doctor import Doctor, Say


def watch(
    model: nn.Module,
    optimizer: Optimizer,
    loader: Any,
    validation: Any = None,
    *,
    scheduler: Any = None,
    epochs: int | None = None,
    classes: int | None = None,
    probe_every: int = 100,
    trials: bool = True,
    trial_s: float = TRIAL_S,
    say: Say | None = print,
) -> Doctor:
    """Return a doctor that watches a training loop from `with` to its end, unchanged to the bit.

    The loop stays as it is: batches are seen as `loader` gives them out, the network by a hook,
    the loss where `backward` is called, the weights where the optimizer is stepped. `model` is
    the network that the loop calls, compiled or distributed as it may be. `loader` and
    `validation` are loaders of torch, lists of batches, or other objects that can be iterated
    anew; of a generator only the pictures are seen that the network is called with, and the
    labels that a cross-entropy was computed with. A loop that calls parts of the network, and
    never the network itself, shows its losses and its weights, but no pictures or answers.

    `scheduler` is found by itself when it is stepped; handed over, it is known to be missing its
    steps, too. `epochs` tells how long the training is meant to be, `classes` how many there are.
    Every `probe_every` updates the network is measured on a fixed batch, more seldom where that
    would cost over 2% of the time. With `trials` the diagnosis makes tests on copies where
    something is suspected; each may take `trial_s` seconds of processor time. `say` gets one line
    when something is wrong; None for silence.

    `doctor.diagnosis()` tells what was found, within the loop or after it. Errors: UsageError
    where the model, the optimizer or `probe_every` is not what it should be.
    """
    return Doctor(
        model,
        optimizer,
        loader,
        validation,
        scheduler=scheduler,
        epochs=epochs,
        classes=classes,
        probe_every=probe_every,
        trials=trials,
        trial_s=trial_s,
        say=say,
    )
