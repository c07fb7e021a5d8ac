"""A training of a small network on digits, as a subject for tests on data; and its case."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import BatchRow, EvaluationRow, Record, StepRow
from hubel.diagnosis.evidence.setting import ModuleFact, Setting
from hubel.diagnosis.evidence.subject import Samples
from hubel.diagnosis.trials.trial import Trial

Change = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Pictures and labels of one split, and what reading them does to them."""

    inputs: Tensor
    labels: Tensor
    augment: Change | None = None


class PicturesSubject:
    """A subject whose pictures lie in memory; keys are places in the split."""

    def __init__(
        self, train: Split, val: Split | None, network: nn.Module, *, rereads: bool = True
    ) -> None:
        self.splits = {"train": train, "val": val}
        self.start = copy.deepcopy(network)
        self.module = network
        self.readings = 0
        if rereads:
            self.reread = self._reread

    def network(self) -> nn.Module:
        return copy.deepcopy(self.module)

    def fresh(self) -> nn.Module | None:
        return copy.deepcopy(self.start)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def optimizer(self, module: nn.Module, factor: float = 1.0) -> Optimizer:
        return SGD(module.parameters(), lr=0.05 * factor, momentum=0.9)

    def samples(self, split: Literal["train", "val"], number: int) -> Samples | None:
        part = self.splits[split]
        if part is None:
            return None
        places = np.linspace(0, len(part.labels) - 1, min(number, len(part.labels))).astype(int)
        return self._read(part, [str(place) for place in places], seed=0)

    def _reread(self, split: Literal["train", "val"], keys: Sequence[str]) -> Samples | None:
        part = self.splits[split]
        self.readings += 1
        return None if part is None else self._read(part, keys, seed=self.readings)

    def _read(self, part: Split, keys: Sequence[str], seed: int) -> Samples:
        places = [int(key) for key in keys]
        inputs = part.inputs[places]
        if part.augment is not None:
            inputs = part.augment(inputs, torch.Generator().manual_seed(seed))
        return Samples(
            inputs=inputs,
            targets=part.labels[places],
            keys=tuple(keys),
            augmented=part.augment is not None,
        )


@cache
def digits() -> tuple[Split, Split]:
    """Return 900 digits for training and 400 for validation, standardised."""
    data = load_digits()
    order = np.random.default_rng(5).permutation(len(data.target))
    inputs = torch.from_numpy(data.images[order, None].astype(np.float32))
    inputs = (inputs - inputs.mean()) / inputs.std()
    labels = torch.from_numpy(data.target[order].astype(np.int64))
    return (
        Split(inputs=inputs[:900], labels=labels[:900]),
        Split(inputs=inputs[1200:1600], labels=labels[1200:1600]),
    )


def small_network(channels: int = 1, classes: int = 10) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


def case_of(
    train: Split,
    val: Split | None,
    *,
    network: nn.Module | None = None,
    steps: int = 150,
    batch: int = 32,
    in_order: bool = False,
    setting: Setting | None = None,
    rereads: bool = True,
) -> Case:
    """Train and return the case; `steps` may be 0."""
    classes = int(train.labels.max()) + 1
    module = network or small_network(train.inputs.shape[1], max(classes, 10))
    subject = PicturesSubject(train, val, module, rereads=rereads)
    record = Record()
    optimizer = subject.optimizer(module)
    generator = torch.Generator().manual_seed(1)
    order = torch.arange(len(train.labels))
    for step in range(1, steps + 1):
        at = (step - 1) * batch % max(len(order) - batch + 1, 1)
        if at == 0 and not in_order:
            order = torch.randperm(len(order), generator=generator)
        chosen = order[at : at + batch]
        inputs, labels = train.inputs[chosen], train.labels[chosen]
        if train.augment is not None:
            inputs = train.augment(inputs, generator)
        outputs = module(inputs)
        loss = nn.functional.cross_entropy(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right = float((outputs.argmax(1) == labels).float().mean())
        passes = 1 + (step - 1) * batch // len(order)
        record.steps.append(
            StepRow(step=step, pass_number=passes, loss=float(loss.detach()), lr=0.05,
                    pictures=batch, accuracy=right)
        )  # fmt: skip
        if step % 4 == 1:
            record.batches.append(batch_row(step, inputs, labels))
    if val is not None and steps:
        with torch.no_grad():
            outputs = module.eval()(val.inputs)
        record.evaluations.append(
            EvaluationRow(step=steps, pass_number=1, split="val", mode="eval",
                          loss=float(nn.functional.cross_entropy(outputs, val.labels)),
                          accuracy=float((outputs.argmax(1) == val.labels).float().mean()),
                          pictures=len(val.labels))
        )  # fmt: skip
    known = setting or Setting(origin="loop", task="classification", shuffled=not in_order)
    known = replace(
        known,
        outputs=10,
        classes=len(torch.unique(train.labels)),
        pictures=len(train.labels),
        has_validation=val is not None,
        modules=(ModuleFact(path="0", kind=type(next(iter(module.children()))).__name__),),
    )
    case = Case(known, record, subject)
    # How a simple classifier does on digits: what the reference test would measure.
    case.trials.made["reference"] = Trial(
        name="reference",
        healthy=True,
        evidence="",
        measured={"accuracy": 0.95, "standard_error": 0.01, "chance": 0.12, "number": 400.0},
    )
    return case


def batch_row(step: int, inputs: Tensor, labels: Tensor) -> BatchRow:
    moments = inputs.transpose(0, 1).flatten(1)
    return BatchRow(
        step=step,
        split="train",
        shape=tuple(inputs.shape),
        dtype="float32",
        low=float(inputs.min()),
        high=float(inputs.max()),
        mean=tuple(moments.mean(1).tolist()),
        std=tuple(moments.std(1).tolist()),
        labels=tuple(labels.tolist()),
        finite=bool(torch.isfinite(inputs).all()),
    )


def relabelled(split: Split, labels: Tensor) -> Split:
    return replace(split, labels=labels)


def with_noise(split: Split, rate: float, *, pairwise: bool = False, seed: int = 0) -> Split:
    """Return the split with a share of its labels wrong: the next class, or any other one."""
    random = np.random.default_rng(seed)
    classes = int(split.labels.max()) + 1
    wrong = random.random(len(split.labels)) < rate
    steps = np.ones(len(wrong), int) if pairwise else random.integers(1, classes, len(wrong))
    labels = split.labels.numpy().copy()
    labels[wrong] = (labels[wrong] + steps[wrong]) % classes
    return relabelled(split, torch.from_numpy(labels))


def mixed(labels: Tensor, seed: int = 0) -> Tensor:
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
