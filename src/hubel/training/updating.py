"""The update of the weights: learning rate, L1, clipping, optimizer, and all their state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hubel.training.budget import Timeline
from hubel.training.inference import device_of
from hubel.training.nonfinite import NotFinite
from hubel.training.optimizers import SCALE, build_optimizer
from hubel.training.schedules import Plateau, Schedule
from hubel.training.settings import Settings


class Updater:
    """Changes the weights once a step, as the settings say."""

    def __init__(self, settings: Settings, module: nn.Module) -> None:
        self.settings = settings
        self.parameters = [weight for weight in module.parameters() if weight.requires_grad]
        self.optimizer = build_optimizer(
            settings.optimizer,
            module,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            head=settings.head,
            body_lr=settings.body_lr,
        )
        self.schedule = Schedule(
            name=settings.schedule,
            peak=settings.lr,
            steps=settings.steps,
            steps_per_epoch=settings.steps_per_pass,
            warmup_share=settings.warmup,
            milestones=settings.milestones,
            step_factor=settings.step_factor,
        )
        self.timeline = Timeline(settings.steps, settings.revisions)
        self.plateau = Plateau() if settings.schedule == "plateau" else None
        half = settings.precision == "float16"
        self.scaler = torch.amp.GradScaler(device_of(module).type, enabled=half)
        """Keeps small gradients of float16 from vanishing; does nothing in other precisions."""
        self._marks: list[tuple[Tensor, int]] = []
        self._known: dict[Tensor, dict[str, Any]] = {}

    def rate(self, step: int) -> float:
        """Return the learning rate of the update after `step` updates."""
        factor = self.plateau.factor if self.plateau else 1.0
        return self.schedule.at(self.timeline.scheduled(step)) * factor

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss whose gradients `update` takes: in float16 times a scale.

        Gradients below 6e-8 are 0 in float16. The scale is halved, and the update left out, where
        a gradient overflows; it is doubled after 2,000 updates that went well.
        Source: micikevicius2018mixed.
        """
        return self.scaler.scale(loss)

    def update(self, step: int, before: Callable[[], None] | None = None) -> float:
        """Take the gradients into the weights, clear them, and return the head's learning rate.

        `before` is called when the gradients are as the optimizer gets them, scaling taken out.
        Errors: NotFinite, before anything but the gradients was changed, where the norm of the
        whole gradient is not a finite number.
        """
        lr = self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get(SCALE, 1.0)
        self.scaler.unscale_(self.optimizer)
        if self.settings.l1:
            self._add_l1()
        norm = nn.utils.get_total_norm([w.grad for w in self.parameters if w.grad is not None])
        # In float16 the scaler leaves such an update out by itself, and lowers its scale.
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            raise NotFinite("norm of the gradient", float(norm))
        if self.settings.clip:
            nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip, norm)
        if before is not None:
            before()
        self._mark()
        self.scaler.step(self.optimizer)
        self._marks = []
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return lr

    def _mark(self) -> None:
        """Remember the versions of all that an update changes; torch counts changes in place."""
        entries: dict[Tensor, dict[str, Any]] = self.optimizer.state
        self._known = {weight: dict(state) for weight, state in entries.items()}
        states = [entry for state in entries.values() for entry in state.values()]
        tensors = [*self.parameters, *(entry for entry in states if isinstance(entry, Tensor))]
        self._marks = [(tensor, _version(tensor)) for tensor in tensors]

    def broken_off(self) -> bool:
        """Return whether an update that failed had changed weights or their state already.

        Where it had not, what it began to keep is forgotten: the update may be made again.
        """
        if any(_version(tensor) != version for tensor, version in self._marks):
            return True
        if self._marks:
            self.optimizer.state.clear()
            self.optimizer.state.update(self._known)
            self._marks = []
        return False

    @torch.no_grad()
    def _add_l1(self) -> None:
        """Add the gradient of  l1 · Σ|w|,  which is  l1 · sign(w),  to the gradient of w."""
        for weight in self.parameters:
            if weight.grad is not None and weight.ndim > 1:
                weight.grad.add_(weight.sign(), alpha=self.settings.l1)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state as named tensors and JSON values.

        A tensor is named `index.name`, by its weight's number in the optimizer.
        """
        tensors: dict[str, Tensor] = {}
        numbers: dict[str, Any] = {}
        state: dict[int, dict[str, Any]] = self.optimizer.state_dict()["state"]
        for index, entries in state.items():
            for name, entry in entries.items():
                if isinstance(entry, Tensor):
                    tensors[f"{index}.{name}"] = entry
                elif entry is not None:
                    numbers[f"{index}.{name}"] = entry
        values = {
            "numbers": numbers,
            "plateau": self.plateau.state() if self.plateau else None,
            "scaler": self.scaler.state_dict(),
        }
        return tensors, values

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go back to a state that `state` returned."""
        state: dict[int, dict[str, Any]] = {}
        for name, entry in [*tensors.items(), *values["numbers"].items()]:
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = entry
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._lay_out_as_weights()
        if self.plateau is not None:
            self.plateau.restore(values["plateau"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(values["scaler"])

    def _lay_out_as_weights(self) -> None:
        """Give state of a weight's shape the weight's memory format.

        torch's fused optimizers walk both in the order of memory; a channels-last kernel beside a
        contiguous moment, as a file gives it back, would be paired with the wrong values.
        """
        for weight, state in self.optimizer.state.items():
            for name, entry in state.items():
                if isinstance(entry, Tensor) and entry.shape == weight.shape:
                    state[name] = torch.empty_like(weight).copy_(entry)


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place."""
    return tensor._version  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
