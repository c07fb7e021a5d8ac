"""Faults of the training loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR
from torch.utils.data import DataLoader

from benchmarks.doctor.faults.fault import Fault
from benchmarks.doctor.program import Program, Settings, Training

Step = tuple[Tensor, Tensor]


def _forward(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    outputs = training.network(inputs)
    return training.loss(outputs, targets), outputs


def no_zero_grad(program: Program) -> Program:
    """Forget to clear gradients: each update is made with the sum of all so far."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        loss, outputs = _forward(training, inputs, targets)
        loss.backward()
        training.optimizer.step()
        training.scheduler.step()
        return loss, outputs

    return replace(program, train_step=step)


def no_step(program: Program) -> Program:
    """Forget the update."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        training.optimizer.zero_grad()
        loss, outputs = _forward(training, inputs, targets)
        loss.backward()
        return loss, outputs

    return replace(program, train_step=step)


def step_before_backward(program: Program) -> Program:
    """Update between clearing the gradients and computing them: nothing ever moves."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        training.optimizer.zero_grad()
        loss, outputs = _forward(training, inputs, targets)
        training.optimizer.step()
        loss.backward()
        training.scheduler.step()
        return loss, outputs

    return replace(program, train_step=step)


def cleared_before_step(program: Program) -> Program:
    """Clear the gradients between computing and using them."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        loss, outputs = _forward(training, inputs, targets)
        loss.backward()
        training.optimizer.zero_grad()
        training.optimizer.step()
        training.scheduler.step()
        return loss, outputs

    return replace(program, train_step=step)


def one_step_a_pass(program: Program) -> Program:
    """Indent the update one level too little: it comes once a pass, for the last batch alone."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        training.optimizer.zero_grad()
        loss, outputs = _forward(training, inputs, targets)
        loss.backward()
        return loss, outputs

    def after(training: Training) -> None:
        training.optimizer.step()

    return replace(program, train_step=step, after_pass=after)


def trains_in_eval(program: Program) -> Program:
    """Call `eval()` after the first pass and never `train()` again."""

    def one_pass(
        changed: Program, training: Training, loader: DataLoader[Any]
    ) -> tuple[float, float]:
        total, right, seen = 0.0, 0, 0
        training.network.eval()
        for inputs, targets in loader:
            loss, outputs = changed.train_step(training, inputs, targets)
            total += loss.item() * len(targets)
            right += int((outputs.argmax(1) == targets).sum())
            seen += len(targets)
        return total / seen, right / seen

    return replace(program, train_pass=one_pass)


def evaluates_in_train(program: Program) -> Program:
    """Forget `eval()` before validation: dropout acts, batch statistics are used and updated."""

    @torch.no_grad()
    def evaluate(training: Training, loader: DataLoader[Any]) -> tuple[float, float]:
        training.network.train()
        total, right, seen = 0.0, 0, 0
        for inputs, targets in loader:
            outputs = training.network(inputs)
            total += training.loss(outputs, targets).item() * len(targets)
            right += int((outputs.argmax(1) == targets).sum())
            seen += len(targets)
        return total / seen, right / seen

    return replace(program, evaluate=evaluate)


def _scheduler(program: Program, make: Any) -> Program:
    return replace(program, make_scheduler=make)


def step_schedule_by_batch(program: Program) -> Program:
    """Step a schedule meant for passes at every batch: the rate is gone within the first pass."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> StepLR:
        del steps_a_pass, settings
        return StepLR(optimizer, step_size=3, gamma=0.5)

    return _scheduler(program, make)


def cosine_of_passes_by_batch(program: Program) -> Program:
    """Step a cosine over `epochs` at every batch: the rate swings up and down all the time."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> CosineAnnealingLR:
        del steps_a_pass
        return CosineAnnealingLR(optimizer, T_max=settings.epochs)

    return _scheduler(program, make)


def one_cycle_by_pass(program: Program) -> Program:
    """Step a one-cycle schedule of all batches once a pass: the rate stays at its low start."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> OneCycleLR:
        return OneCycleLR(
            optimizer, max_lr=settings.lr, total_steps=settings.epochs * steps_a_pass,
            div_factor=100,
        )  # fmt: skip

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        training.optimizer.zero_grad()
        loss, outputs = _forward(training, inputs, targets)
        loss.backward()
        training.optimizer.step()
        return loss, outputs

    def after(training: Training) -> None:
        training.scheduler.step()

    return replace(program, make_scheduler=make, train_step=step, after_pass=after)


def clips_scaled_gradients(program: Program) -> Program:
    """Clip to 1 before the loss scale is taken out: updates are 65,536 times too small."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        scaler = training.memory.setdefault("scaler", GradScaler("cpu"))
        training.optimizer.zero_grad()
        loss, outputs = _forward(training, inputs, targets)
        scaler.scale(loss).backward()
        torch.nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
        scaler.step(training.optimizer)
        scaler.update()
        training.scheduler.step()
        return loss, outputs

    return replace(program, train_step=step)


_STILL: Final = ("loop/not-stepping", "weights/not-moving")

FAULTS: Final = (
    Fault(name="no-zero-grad", family="loop", change=no_zero_grad,
          accepted=("loop/gradients-left-over",)),
    Fault(name="no-step", family="loop", change=no_step, accepted=_STILL),
    Fault(name="step-before-backward", family="loop", change=step_before_backward,
          accepted=("loop/step-before-backward", *_STILL, "weights/no-gradient")),
    Fault(name="cleared-before-step", family="loop", change=cleared_before_step,
          accepted=("weights/not-moving", "weights/no-gradient", "loop/step-before-backward",
                    "loop/not-stepping")),
    Fault(name="one-step-a-pass", family="loop", change=one_step_a_pass,
          accepted=("loop/not-stepping", "fit/too-short", "rate/too-low")),
    Fault(name="trains-in-eval", family="loop", change=trains_in_eval,
          accepted=("loop/eval-mode", "normalisation/drift"), needs=frozenset({"norm"})),
    Fault(name="evaluates-in-train", family="loop", change=evaluates_in_train, harm="reported",
          accepted=("loop/evaluation-in-train-mode",)),
    Fault(name="step-schedule-by-batch", family="loop", change=step_schedule_by_batch,
          accepted=("loop/scheduler-rhythm", "rate/decay", "rate/too-low")),
    Fault(name="cosine-of-passes-by-batch", family="loop", change=cosine_of_passes_by_batch,
          accepted=("loop/scheduler-rhythm",), expected_harmless=True),
    Fault(name="one-cycle-by-pass", family="loop", change=one_cycle_by_pass,
          accepted=("loop/scheduler-rhythm", "rate/too-low")),
    Fault(name="clips-scaled-gradients", family="loop", change=clips_scaled_gradients,
          accepted=("loop/clipping-order", "rate/clipped", "rate/too-low")),
)  # fmt: skip
