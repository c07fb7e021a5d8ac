"""The bench that tests are made on: random state kept, modes set, short trainings of copies."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Samples, Subject

BATCH: Final = 32
"""Pictures an update in short trainings, where the test does not say otherwise."""
TRIAL_S: Final = 20.0
"""Processor time that one test may take where nothing is said: of the thread that makes it, so that
a busy machine does not cut it short. A test that needs more answers that it does not know."""
_ALLOWED: Final = ContextVar("seconds that a test may take", default=TRIAL_S)
SANE_RATES: Final = (1e-3, 1e-4, 1e-2)
"""Rates for Adam at which some update of a sound network learns, the likeliest first."""

WINDOW: Final = 20
"""Updates of which a mean loss is taken."""
_TIMED: Final = 2
"""Updates, after the first, by which the time of all is estimated."""
PATIENCE: Final = 80
"""Updates in which the mean loss of a short training must fall, or it is ended."""


class TooLongError(RuntimeError):
    """A test needs more time than it has; the table of tests makes `Unknown` of it."""


@contextmanager
def allowed(seconds: float) -> Generator[None]:
    """Let each test that is made inside take so much processor time."""
    before = _ALLOWED.set(seconds)
    try:
        yield
    finally:
        _ALLOWED.reset(before)


class Clock:
    """The time that a test has left; it starts when it is made."""

    def __init__(self) -> None:
        self._seconds = _ALLOWED.get()
        self._end = time.thread_time() + self._seconds

    def check(self, needs: float = 0.0) -> None:
        """Go on only while there is time, and `needs` seconds more. Errors: TooLongError."""
        if time.thread_time() + needs > self._end:
            raise TooLongError(
                f"the network takes too long for it (over {self._seconds:g} s, the trial time)"
            )


@contextmanager
def apart(seed: int = 0) -> Generator[torch.Generator]:
    """Run a test with random numbers of its own; give every global random state back after it.

    Autocast and inference mode of the caller do not reach inside. Yields a generator for draws.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    kinds = ["cpu", *(["cuda"] if devices else [])]
    try:
        with torch.random.fork_rng(devices), torch.inference_mode(mode=False), torch.enable_grad():
            torch.default_generator.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            if devices:
                torch.cuda.manual_seed_all(seed)
            with _no_autocast(kinds):
                yield torch.Generator().manual_seed(seed)
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def _no_autocast(kinds: list[str]) -> Generator[None]:
    if not kinds:
        yield
        return
    with torch.autocast(kinds[0], enabled=False), _no_autocast(kinds[1:]):
        yield


def keeps_statistics(module: nn.Module) -> bool:
    """Return whether a module normalises by running statistics in evaluation mode."""
    return isinstance(getattr(module, "running_mean", None), Tensor)


def set_still(network: nn.Module, setting: Setting) -> nn.Module:
    """Return the network with dropout and its like off, normalisation on the batch's statistics.

    All is set to evaluation mode, so that functional dropout, stochastic depth and auxiliary heads
    are off too; then normalisation layers go back to training mode, but for those that the training
    itself held in evaluation mode beside others that it did not: these are frozen on purpose.
    """
    modes = {fact.path: fact.training for fact in setting.modules}
    some = any(modes.values())
    network.eval()
    for path, module in network.named_modules():
        if keeps_statistics(module) and (modes.get(path, True) or not some):
            module.training = True
    return network


def answers(network: Callable[..., Any], inputs: Tensor) -> Tensor:
    """Return the main output of a network: the tensor, the first of several, or its `logits`."""
    outputs: Any = network(inputs)
    if isinstance(outputs, Tensor):
        return outputs
    if isinstance(outputs, Mapping):
        named = cast("Mapping[str, Any]", outputs)
        return cast("Tensor", named["logits"] if "logits" in named else next(iter(named.values())))
    if hasattr(outputs, "logits"):
        return cast("Tensor", outputs.logits)
    return cast("Tensor", outputs[0])


def ready(samples: Samples, network: nn.Module) -> tuple[Tensor, Tensor]:
    """Return inputs and targets where the network is; inputs in the type of its weights."""
    weights = next((one for one in network.parameters() if one.is_floating_point()), None)
    if weights is None:
        return samples.inputs, samples.targets
    inputs = samples.inputs.to(weights.device)
    if inputs.is_floating_point():
        inputs = inputs.to(weights.dtype)
    return inputs, samples.targets.to(weights.device)


def new_network(subject: Subject) -> nn.Module:
    """Return a copy with the weights of before the first update, or as they are now."""
    network = subject.fresh()
    return subject.network() if network is None else network


def sane_optimizer(module: nn.Module, lr: float) -> Optimizer:
    """Return Adam over what the network lets learn. Errors: ValueError where that is nothing."""
    return Adam([one for one in module.parameters() if one.requires_grad], lr=lr)


def batches(number: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield indices of batches for ever, each pass in a new order, the rest of a pass left out."""
    size = min(size, number)
    while True:
        order = torch.randperm(number, generator=generator)
        for start in range(0, number - size + 1, size):
            yield order[start : start + size]


def updates(
    setting: Setting,
    subject: Subject,
    network: nn.Module,
    optimizer: Optimizer,
    data: tuple[Tensor, Tensor],
    *,
    steps: int,
    clock: Clock,
    size: int = BATCH,
    own: bool = False,
    least: int = 0,
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Train, and yield after each update its mean loss, outputs and indices of pictures.

    Batches come in the same order at each call. `own` sums the loss over the batch where the
    training does. `least` is how many updates the test needs in any case: where the first ones show
    that there is no time for them, it ends at once. Ends early where the loss is not finite, which
    it yields as infinite. Errors: TooLongError.
    """
    inputs, targets = data
    summed = own and setting.loss is not None and setting.loss.reduction == "sum"
    order = batches(len(inputs), size, torch.Generator().manual_seed(1))
    started = math.inf
    for number, taken in zip(range(steps), order, strict=False):
        if number == 1:
            started = time.thread_time()
        took = (time.thread_time() - started) / _TIMED if number == 1 + _TIMED else 0.0
        clock.check(needs=took * max(least - number, 0))
        chosen = taken.to(inputs.device)
        optimizer.zero_grad(set_to_none=True)
        outputs = answers(network, inputs[chosen])
        losses = subject.losses(outputs, targets[chosen]).float()
        if not bool(losses.isfinite().all()):
            yield float("inf"), outputs.detach(), chosen
            return
        (losses.sum() if summed else losses.mean()).backward()
        optimizer.step()
        yield float(losses.detach().mean()), outputs.detach(), chosen


def stands_still(losses: Sequence[float]) -> bool:
    """Return whether a short training has ended to learn, so that more updates tell nothing.

    After 120 updates or more: the mean of the last 20 losses is not 1% below that of the 20 that
    came 80 updates before. A network that learns slowly loses more than that in 80 updates of Adam.
    """
    if len(losses) < PATIENCE + 2 * WINDOW or len(losses) % WINDOW:
        return False
    last = sum(losses[-WINDOW:])
    return last > 0.99 * sum(losses[-WINDOW - PATIENCE : -PATIENCE])


@torch.no_grad()
def outputs_of(network: nn.Module, inputs: Tensor, clock: Clock, size: int = 64) -> Tensor:
    """Return a network's outputs for all inputs, in its modes; no batch of one at the end."""
    parts = max(len(inputs) // size, 1)
    found: list[Tensor] = []
    for part in inputs.tensor_split(parts):
        clock.check()
        found.append(answers(network, part).float())
    return torch.cat(found)
