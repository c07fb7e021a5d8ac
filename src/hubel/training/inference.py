"""From a network and batches to its outputs, without touching the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubel.options.train import Precision
from hubel.results import Task
from hubel.training.metrics import score
from hubel.training.outputs import autocast

Progress = Callable[[int, int], None]
"""Called with what is done and how much there is."""


class BatchOfPictures(Protocol):
    """What inference needs of a batch."""

    @property
    def inputs(self) -> Tensor:
        """float32 (pictures, channels, height, width)."""
        ...

    @property
    def targets(self) -> Tensor:
        """(pictures,) classes, or (pictures, outputs)."""
        ...

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions in the source's index, (pictures,)."""
        ...


class Loader(Protocol):
    """What inference needs of `hubel.data.batching.BatchLoader`."""

    def __len__(self) -> int: ...

    def epoch(self, epoch: int) -> Iterator[BatchOfPictures]:
        """Yield the batches of a pass."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outputs:
    """What a network gave for each picture of a loader, in the loader's order."""

    logits: NDArray[np.float32]
    """(pictures, outputs)."""
    targets: NDArray[Any]
    """(pictures,) classes, or (pictures, outputs) labels or numbers."""
    positions: NDArray[np.int64]
    """Positions in the source's index, (pictures,)."""


def predict_logits(
    module: nn.Module,
    loader: Loader,
    *,
    precision: Precision = "float32",
    mirror: bool = False,
    progress: Progress | None = None,
) -> Outputs:
    """Send every picture of a loader through a network in evaluation mode.

    With `mirror`, the outputs of picture and mirror image are averaged before any softmax.
    `progress` is called with batches done and in all. The network's modes are restored, also after
    an exception. Memory: the outputs, and what the loader prefetches.
    """
    logits: list[NDArray[np.float32]] = []
    targets: list[NDArray[Any]] = []
    positions: list[NDArray[np.int64]] = []
    with evaluating(module), torch.inference_mode():
        for batch in loader.epoch(0):
            logits.append(forward(module, batch.inputs, precision, mirror=mirror).cpu().numpy())
            targets.append(batch.targets.numpy())
            positions.append(np.asarray(batch.positions, dtype=np.int64))
            if progress is not None:
                progress(len(logits), len(loader))
    if not logits:
        empty = np.empty(0, dtype=np.int64)
        return Outputs(logits=np.empty((0, 1), np.float32), targets=empty, positions=empty)
    return Outputs(
        logits=np.concatenate(logits),
        targets=np.concatenate(targets),
        positions=np.concatenate(positions),
    )


def quick_score(
    module: nn.Module,
    loader: Loader,
    task: Task,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    precision: Precision = "float32",
    mirror: bool = False,
) -> tuple[float, float]:
    """Return loss and score of a network on a loader, for use after each pass of a training.

    `loss` gives the mean over a batch; the result is its mean over the pictures. The score is
    accuracy (classes), mean average precision (labels) or R² (numbers). Both are NaN where the
    loader is empty. The network's modes are restored, also after an exception.
    """
    total, pictures = 0.0, 0
    logits: list[NDArray[np.float32]] = []
    targets: list[NDArray[Any]] = []
    with evaluating(module), torch.inference_mode():
        for batch in loader.epoch(0):
            outputs = forward(module, batch.inputs, precision, mirror=mirror)
            wanted = batch.targets.to(outputs.device)
            total += float(loss(outputs, wanted)) * len(outputs)
            pictures += len(outputs)
            logits.append(outputs.cpu().numpy())
            targets.append(batch.targets.numpy())
    if pictures == 0:
        return math.nan, math.nan
    return total / pictures, score(task, np.concatenate(logits), np.concatenate(targets))


def forward(
    module: nn.Module, inputs: Tensor, precision: Precision = "float32", *, mirror: bool = False
) -> Tensor:
    """Return a network's outputs in float32, (pictures, outputs), on the network's device.

    With `mirror`, the mean of the outputs for the pictures and for their mirror images.
    """
    device = device_of(module)
    inputs = inputs.to(device)
    with autocast(device.type, precision):
        outputs = module(inputs).float()
        if mirror:
            outputs = (outputs + module(inputs.flip(-1)).float()) / 2
    return outputs


def device_of(module: nn.Module) -> torch.device:
    """Return where a network's first parameter is; the processor where it has none."""
    parameter = next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put a network into evaluation mode; restore the mode of every part of it at the end."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def arithmetic_threads(threads: int | None) -> Generator[None]:
    """Let PyTorch compute with so many threads; None leaves them as they are."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
