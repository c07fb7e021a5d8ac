"""The backward passes: the loss as the loop computed it, and which parameters it reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from time import perf_counter
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.autograd import nodes_below
from hubel.diagnosis.evidence.loss_reading import reached_parameters, read_loss
from hubel.diagnosis.evidence.reading import hidden_parameters
from hubel.diagnosis.watching.course import Batch, Course
from hubel.diagnosis.watching.forward import Forward
from hubel.diagnosis.watching.losses import task_of
from hubel.diagnosis.watching.patches import Ear

_CLOSE: Final = 12
"""Operations above the loss among which its targets are looked for."""
_READ: Final = 16
"""Backward passes before the first update that are looked through for parameters."""
NEVER: Final = 16
"""Backward passes without any update after which the loop is said not to step."""


@final
class Backward:
    """Watches `backward`, loss scaling and clipping of one training."""

    def __init__(self, course: Course, forward: Forward, ear: Ear) -> None:
        self._course = course
        self._forward = forward
        self._parameters = dict(course.network.named_parameters())
        self._own = {id(one) for one in self._parameters.values()}
        self._alone: bool | None = None
        self._scaled: tuple[Tensor, Tensor] | None = None
        self._unscaled = True
        self._left: tuple[Tensor, int] | None = None
        self._given: tuple[Tensor, int] | None = None
        self._answered: Batch | None = None
        self.answered = 0
        """Batches that were followed by a backward pass."""
        self.unused = 0
        """Batches whose gradients were cleared before an update could use them."""
        self.left_over = False
        """Whether old gradients were there at the first backward since the last update."""
        self.losses: list[Tensor | float] = []
        """Of the backward passes since the last update."""
        self.reached: set[str] = set()
        """Parameters that a backward before the first update gave a gradient."""
        self.hidden: set[str] = set()
        """Those among them that the network does not register."""
        self.failed: list[Callable[[], None]] = []
        """Called once, before the backward pass, when a loss is not finite."""
        ear.listen(torch.autograd, "backward", self._backward)
        ear.listen(GradScaler, "scale", self._scale)
        ear.listen(GradScaler, "unscale_", self._unscale)
        # What clip_grad_norm_ calls: it is found there however a loop imported the public name.
        if hasattr(torch.nn.utils.clip_grad, "_clip_grads_with_norm_"):
            ear.listen(torch.nn.utils.clip_grad, "_clip_grads_with_norm_", self._clip)

    def _backward(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        started = perf_counter()
        tensors = args[0] if args else kwargs.get("tensors")
        root = tensors if isinstance(tensors, Tensor) else _first(tensors)
        mine = root is not None and self._mine(root)
        if mine and root is not None:
            self._before(root)
        self._course.clock.spent += perf_counter() - started
        answer = call(*args, **kwargs)
        if mine:
            self._after()
        return answer

    def _mine(self, root: Tensor) -> bool:
        course = self._course
        if not course.mine():
            return False
        if self._alone is None:
            # The first time it is looked up; then a call before it says enough.
            found = any(id(one) in self._own for one in (root, *reached_parameters(root)))
            self._alone = True if found else None
            return found
        return course.unanswered > 0 or course.backwards > 0

    def _before(self, root: Tensor) -> None:
        course = self._course
        loss = root
        if self._scaled is not None and self._scaled[0] is root:
            loss, self._unscaled = self._scaled[1], False
        self._scaled = None
        if course.loss is None:
            self._read(loss)
        if course.backwards == 0:
            self.left_over = self._is_left()
        elif course.batch is not self._answered:
            self.unused += self._is_cleared()
        self.answered += course.batch is not self._answered
        self._answered = course.batch
        known = course.batch is not None and course.batch.labels is not None
        self._forward.commit(None if known else targets_of(loss))
        self._keep(loss.detach())

    def _read(self, loss: Tensor) -> None:
        course = self._course
        targets = None if course.batch is None else course.batch.labels
        if targets is None:
            targets = targets_of(loss)
        course.loss = read_loss(loss, course.outputs, targets)
        below = {id(one) for one in reached_parameters(loss)}
        self.reached.update(name for name, one in self._parameters.items() if id(one) in below)
        hidden = hidden_parameters(course.network)
        self.hidden = {name for name, one in hidden.items() if id(one) in below}
        course.task = task_of(targets, course.loss)
        course.outputs = None

    def _keep(self, loss: Tensor) -> None:
        """Keep the loss: a copy on its device, or a number where that costs no waiting."""
        course = self._course
        course.backwards += 1
        course.all_backwards += 1
        mean = loss if loss.ndim == 0 else loss.float().mean()
        if loss.device.type != "cpu":
            self.losses.append(mean.clone())
            return
        value = float(mean)
        self.losses.append(value)
        if not math.isfinite(value):
            self.not_finite()

    def not_finite(self) -> None:
        """Record that a loss was not finite, and look for the place, the first time only."""
        course = self._course
        if events.NON_FINITE_LOSS not in course.said:
            course.once(events.NON_FINITE_LOSS, detail=f"backward pass {course.all_backwards}")
            for look in self.failed:
                look()

    def _after(self) -> None:
        course = self._course
        self._given = self._one_gradient()
        if course.updates == 0 and course.all_backwards <= _READ:
            started = perf_counter()
            self.reached.update(
                name for name, one in self._parameters.items() if one.grad is not None
            )
            course.clock.spent += perf_counter() - started

    def updated(self) -> None:
        """Forget what belonged to an update: it is done."""
        self.losses = []
        self._unscaled = True
        self._left = self._one_gradient()

    def _one_gradient(self) -> tuple[Tensor, int] | None:
        """Return a gradient of a parameter that an update moves, and its version as it is now."""
        gradients = (one.grad for one in self._moved() if one.grad is not None)
        kept = next(gradients, None)
        return None if kept is None else (kept, kept._version)  # noqa: SLF001 # torch documents it

    def _moved(self) -> Iterator[Tensor]:
        """Return the parameters that an update moves; what lies about at others does no harm."""
        for group in self._course.optimizer.param_groups:
            yield from group["params"]

    def _is_left(self) -> bool:
        """Return whether gradients of before the last update are there, unchanged and not 0."""
        if self._left is None:
            return False
        gradient, version = self._left
        self._left = None
        there = any(one.grad is gradient for one in self._moved())
        same = gradient._version == version  # noqa: SLF001
        return there and same and bool((gradient != 0).any())

    def _is_cleared(self) -> bool:
        """Return whether the gradients of the backward pass before are gone, or set to 0."""
        if self._given is None:
            return False
        gradient, version = self._given
        gradients = [one.grad for one in self._moved() if one.grad is not None]
        if not any(one is gradient for one in gradients):
            return True
        same = gradient._version == version  # noqa: SLF001
        return not same and not any(bool(one.any()) for one in gradients)

    def _scale(self, call: Callable[..., Any], scaler: Any, outputs: Any) -> Any:
        scaled = call(scaler, outputs)
        if isinstance(outputs, Tensor) and scaled is not outputs and self._course.mine():
            self._scaled = (scaled, outputs)
            self._course.scaled = True
        return scaled

    def _unscale(self, call: Callable[..., Any], scaler: Any, optimizer: Any) -> Any:
        if optimizer is self._course.optimizer:
            self._unscaled = True
        return call(scaler, optimizer)

    def _clip(self, call: Callable[..., Any], parameters: Any, *args: Any, **kwargs: Any) -> Any:
        listed = parameters if isinstance(parameters, list) else []
        if not self._unscaled and any(id(one) in self._own for one in listed[:1]):
            detail = "gradients were clipped while they were scaled"
            self._course.once(events.CLIP_BEFORE_UNSCALE, detail=detail)
        return call(parameters, *args, **kwargs)


def _first(tensors: Any) -> Tensor | None:
    found = list(tensors) if isinstance(tensors, Sequence) else []
    return next((one for one in found if isinstance(one, Tensor)), None)


def targets_of(loss: Tensor) -> Tensor | None:
    """Return the class numbers that a cross-entropy was computed with; None for other losses."""
    below = () if loss.grad_fn is None else nodes_below(loss.grad_fn)
    for node in islice(below, _CLOSE):
        target = getattr(node, "_saved_target", None)
        if isinstance(target, Tensor):
            return target.detach()
    return None
