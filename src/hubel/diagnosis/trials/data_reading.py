"""What tests on data read: pictures with class numbers, and what the network says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Samples, Subject
from hubel.diagnosis.symptom import Unknown

SAMPLES: Final = 2000
"""Pictures of a split that tests on data read at most."""
_BLOCK: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Pictures of one split, each with one class number."""

    samples: Samples
    labels: NDArray[np.int64]

    @property
    def inputs(self) -> Tensor:
        """The pictures (n, …) as the network gets them."""
        return self.samples.inputs

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)


def class_numbers(targets: Tensor) -> NDArray[np.int64] | None:
    """Return the targets as class numbers (n,); None where they are none.

    One number a picture that is whole; or rows with a single 1 (one-hot) of at least two columns.
    """
    values = targets.detach().cpu()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        ones = (values == 1).sum(1) == 1
        zeros = (values == 0).sum(1) == values.shape[1] - 1
        return values.argmax(1).numpy().astype(np.int64) if bool((ones & zeros).all()) else None
    if values.ndim != 1 or not bool((values == values.round()).all()):
        return None
    return values.numpy().astype(np.int64)


def read(
    setting: Setting, subject: Subject, split: Literal["train", "val"], number: int = SAMPLES
) -> Labelled | Unknown:
    """Return up to `number` labelled pictures of a split."""
    if setting.task in {"multilabel", "regression"}:
        return Unknown(why=f"the task is {setting.task}, not one class a picture")
    samples = subject.samples(split, number)
    name = {"train": "training", "val": "validation"}[split]
    if samples is None or not len(samples):
        return Unknown(why=f"the {name} pictures are not at hand")
    labels = class_numbers(samples.targets)
    if labels is None:
        return Unknown(why="the targets are no class numbers")
    return Labelled(samples=samples, labels=labels)


def together(*parts: NDArray[np.int64]) -> tuple[int, list[NDArray[np.int64]]]:
    """Return the number of different labels in all parts, and the parts numbered 0, 1, … by it."""
    values, numbers = np.unique(np.concatenate(parts), return_inverse=True)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return len(values), np.split(numbers.astype(np.int64), ends)


def outputs_of(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return the network's outputs (n, width) in evaluation mode, on the CPU; no state is left."""
    return _forward(module, inputs, None)[0]


def predictions_of(setting: Setting, module: nn.Module, inputs: Tensor) -> NDArray[np.int64]:
    """Return the class that the network names for each picture, (n,)."""
    outputs = outputs_of(module, inputs)
    if outputs.shape[1] == 1:
        middle = 0.5 if setting.loss is not None and setting.loss.kind == "bce" else 0.0
        return (outputs[:, 0] > middle).numpy().astype(np.int64)
    return outputs.argmax(1).numpy().astype(np.int64)


def network_features(module: nn.Module, inputs: Tensor) -> NDArray[np.float64] | None:
    """Return what goes into the network's last layer with weights, (n, width), means over places.

    None where it has no such layer, or what goes in is not finite.
    """
    seen = _forward(module, inputs, (nn.Linear, nn.Conv2d))[1]
    if seen is None or not bool(torch.isfinite(seen).all()):
        return None
    return seen.numpy().astype(np.float64)


def _forward(
    module: nn.Module, inputs: Tensor, kinds: tuple[type[nn.Module], ...] | None
) -> tuple[Tensor, Tensor | None]:
    parameter = next(iter(module.parameters()), None)
    device = inputs.device if parameter is None else parameter.device
    kind = inputs.dtype if parameter is None else parameter.dtype
    last: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        last[:] = [arguments[0].detach()]

    hooks = [
        one.register_forward_pre_hook(keep)
        for one in module.modules()
        if kinds is not None and isinstance(one, kinds)
    ]
    modes = [(one, one.training) for one in module.modules()]
    outputs: list[Tensor] = []
    features: list[Tensor] = []
    try:
        module.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for block in inputs.split(_BLOCK):
                moved = block.to(device, kind) if block.is_floating_point() else block.to(device)
                outputs.append(first_tensor(module(moved)).float().cpu().flatten(1))
                features += [_pooled(one).float().cpu() for one in last]
    finally:
        for hook in hooks:
            hook.remove()
        for one, mode in modes:
            one.training = mode
    return torch.cat(outputs), torch.cat(features) if features else None


def first_tensor(output: Any) -> Tensor:
    """Return the tensor of an output; the first of several (auxiliary heads come behind it)."""
    if isinstance(output, Tensor):
        return output
    values = list(output.values()) if isinstance(output, dict) else list(output)
    return first_tensor(values[0])


def _pooled(values: Tensor) -> Tensor:
    return values.mean((2, 3)) if values.ndim == 4 else values.flatten(1)
