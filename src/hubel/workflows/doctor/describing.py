"""The parts of a run's training as the doctor knows them, and a first look at network and loss.

The first look goes through a copy of the network, which is then thrown away: the training's own
network, buffers and random state stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.diagnosis.evidence.loss_reading import read_loss
from hubel.diagnosis.evidence.reading import read_setting
from hubel.diagnosis.evidence.setting import LossFact, LossKind, SchedulerFact, Setting
from hubel.diagnosis.watching.copies import copied
from hubel.diagnosis.watching.undisturbed import undisturbed
from hubel.results import Task
from hubel.training.checkpoint import digest_of
from hubel.training.loop import Trainer
from hubel.training.outputs import forward, logits_of, losses_of
from hubel.workflows.doctor.probing import Pictures

_SAMPLED: Final = 4096
_KINDS: Final[dict[str, LossKind]] = {
    "cross-entropy": "cross-entropy",
    "bce": "bce-logits",
    "mse": "mse",
    "l1": "l1",
    "smooth-l1": "smooth-l1",
}
"""Losses of hubel that PyTorch has, too; the focal loss is none of them."""
_USUAL: Final[dict[Task, Callable[[Tensor, Tensor], Tensor]]] = {
    "classification": F.cross_entropy,
    "multilabel": F.binary_cross_entropy_with_logits,
    "regression": F.mse_loss,
}
"""Losses whose graph tells what lies between the last layer and them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What the first forward and backward pass of a copy has shown."""

    called: frozenset[str]
    """Paths of the modules that the forward pass called."""
    reached: frozenset[str]
    """Names of the parameters that got a gradient."""
    loss: LossFact
    initial_loss: float
    """Mean over the pictures, in training mode."""


def weights_digest(module: nn.Module) -> str:
    """Return a digest of a network's weights and buffers, from a few thousand entries of each."""
    parts = {
        name: tensor.detach().reshape(-1)[:: -(-tensor.numel() // _SAMPLED) or 1]
        for name, tensor in module.state_dict().items()
    }
    return digest_of(parts)


def first_look(trainer: Trainer, pictures: Pictures) -> Look:
    """Send the pictures forward and backward through a copy of the network, in training mode."""
    with undisturbed(trainer.module):
        return _look(trainer, pictures)


def _look(trainer: Trainer, pictures: Pictures) -> Look:
    twin = copied(trainer.module).train()
    called: set[str] = set()

    def noting(path: str) -> Callable[..., None]:
        return lambda *_: called.add(path)

    for path, part in twin.named_modules():
        part.register_forward_pre_hook(noting(path))
    outputs = forward(twin, pictures.inputs, trainer.settings.precision)
    losses = losses_of(trainer.stepper.loss, outputs, pictures.targets)
    losses.mean().backward(retain_graph=True)
    reached = frozenset(name for name, one in twin.named_parameters() if one.grad is not None)
    logits = logits_of(outputs)
    usual = _USUAL[trainer.settings.task](logits, _like(logits, pictures.targets))
    return Look(
        called=frozenset(called),
        reached=reached,
        loss=read_loss(usual, logits, pictures.targets),
        initial_loss=float(losses.detach().mean()),
    )


def _like(logits: Tensor, targets: Tensor) -> Tensor:
    """Return targets as PyTorch's losses take them."""
    return targets if targets.ndim == 1 else targets.to(logits.dtype)


def describe(trainer: Trainer, look: Look | None) -> Setting:
    """Return the parts of a training, before its first step or where it goes on.

    Without a first look, what only it shows stays at its default.
    """
    settings, loader = trainer.settings, trainer.loader
    read = read_setting(trainer.module, trainer.updater.optimizer, None, origin="hubel")
    targets = loader.targets
    found = replace(
        read,
        task=settings.task,
        outputs=settings.outputs,
        classes=_classes(settings.task, targets),
        pictures=len(loader.positions),
        batch=settings.batch,
        steps_a_pass=settings.steps_per_pass,
        planned_steps=settings.steps,
        shuffled=loader.shuffle or loader.weights is not None,
        input_shape=(settings.channels, settings.size, settings.size),
        precision=settings.precision,
        scheduler=SchedulerFact(
            kind=settings.schedule,
            numbers={"steps": settings.steps, "warmup": settings.warmup},
            steps_a_pass=settings.steps_per_pass,
        ),
        loss_scaling=trainer.updater.scaler.is_enabled(),
        has_validation=trainer.validate is not None,
        options=_plain(asdict(settings)),
    )
    return found if look is None else _with_look(found, look, settings.loss)


def _with_look(setting: Setting, look: Look, loss: str) -> Setting:
    return replace(
        setting,
        parameters=tuple(
            replace(one, reached=one.name in look.reached) for one in setting.parameters
        ),
        modules=tuple(
            replace(one, called=one.path in look.called, training=True) for one in setting.modules
        ),
        loss=replace(
            look.loss, kind=_KINDS.get(loss, "unknown"), reduction="mean", negated=False, scale=1.0
        ),
    )


def _classes(task: Task, targets: Tensor) -> int:
    """Return how many labels the training pictures have; columns where each has several."""
    if task == "classification" and targets.ndim == 1:
        return len(np.unique(targets.numpy()))
    return targets.shape[1] if targets.ndim == 2 else 1


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as JSON gives them back: lists in place of tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()
    }
