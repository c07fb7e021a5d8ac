"""Small real trainings on scikit-learn's digits, with their record, setting and subject."""

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import BatchRow, EvaluationRow, Record, StepRow
from hubel.diagnosis.evidence.setting import LossFact, ModuleFact, OptimizerFact, Setting
from hubel.diagnosis.evidence.subject import Samples


def digits(train: int = 600, val: int = 300) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return standardised pictures and labels: training, then validation."""
    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(7))
    x = (torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) - 4.9)[order] / 6.0
    y = torch.tensor(labels)[order]
    return x[:train], y[:train], x[-val:], y[-val:]


def network(
    *, dropout: float = 0.0, momentum: float = 0.1, last: nn.Module | None = None
) -> nn.Module:
    """Return a small convolutional network with batch normalisation, for 8 x 8 pictures."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8, momentum=momentum),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16, momentum=momentum),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(64, 10),
    ]
    return nn.Sequential(*layers, *([last] if last else []))


def plain(*, last: nn.Module | None = None) -> nn.Module:
    """Return a small network without normalisation."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    ]  # fmt: skip
    return nn.Sequential(*layers, *([last] if last else []))


class Deaf(nn.Module):
    """Answers without a look at the picture."""

    def __init__(self):
        super().__init__()
        self.answer = nn.Parameter(torch.zeros(10))

    def forward(self, inputs):
        return self.answer.expand(len(inputs), -1) + 0 * inputs.mean()


@dataclass
class Loop:
    """A subject: the parts of a plain loop."""

    model: nn.Module
    first: nn.Module | None
    data: tuple[Tensor, Tensor, Tensor | None, Tensor | None]
    make: Callable[[list, float], torch.optim.Optimizer]
    loss: Callable[[Tensor, Tensor], Tensor] = lambda o, t: F.cross_entropy(o, t, reduction="none")
    augmented: bool = False

    def network(self):
        return copy.deepcopy(self.model)

    def fresh(self):
        return copy.deepcopy(self.first)

    def losses(self, outputs, targets):
        return self.loss(outputs, targets)

    def optimizer(self, module, factor=1.0):
        return self.make([one for one in module.parameters() if one.requires_grad], factor)

    def samples(self, split, number):
        inputs, targets = self.data[:2] if split == "train" else self.data[2:]
        if inputs is None:
            return None
        chosen = torch.linspace(0, len(inputs) - 1, min(number, len(inputs))).long()
        return Samples(
            inputs=inputs[chosen],
            targets=targets[chosen],
            keys=tuple(map(str, chosen.tolist())),
            augmented=self.augmented and split == "train",
        )


def adam(lr: float = 3e-3, decay: float = 0.0):
    return lambda weights, factor: torch.optim.AdamW(weights, lr * factor, weight_decay=decay)


def sgd(lr: float = 0.1, decay: float = 0.0):
    return lambda weights, factor: torch.optim.SGD(
        weights, lr * factor, momentum=0.9, weight_decay=decay
    )


def subject_of(model: nn.Module, data=None, make=None, **more) -> Loop:
    """Return a subject before its first update."""
    return Loop(model, copy.deepcopy(model), data or digits(), make or adam(), **more)


def setting_of(subject: Loop, **more) -> Setting:
    group = subject.optimizer(subject.model).param_groups[0]
    kept = {name: group[name] for name in ("lr", "weight_decay")}
    modules = tuple(
        ModuleFact(
            path=path,
            kind=type(module).__name__,
            details={"p": module.p} if isinstance(module, nn.Dropout) else {},
        )
        for path, module in subject.model.named_modules()
        if not list(module.children())
    )
    told = Setting(
        origin="loop",
        task="classification",
        outputs=10,
        classes=10,
        pictures=len(subject.data[0]),
        batch=32,
        input_shape=(1, 8, 8),
        modules=modules,
        optimizer=OptimizerFact(kind="AdamW", groups=(kept,)),
        loss=LossFact(
            kind="cross-entropy", reduction="mean", negated=False, activations=(), chain=()
        ),
        has_validation=subject.data[2] is not None,
    )
    return dataclasses.replace(told, **more)


def trained(
    subject: Loop,
    *,
    steps: int = 150,
    batch: int = 32,
    every: int = 25,
    to_zero: bool = False,
    **more,
) -> Case:
    """Train for real, and return the case that a watcher would have made."""
    model, (x, y, vx, vy) = subject.model, subject.data
    optimizer = subject.optimizer(model)
    lr = optimizer.param_groups[0]["lr"]
    record, order = Record(), torch.Generator().manual_seed(3)
    left: list[int] = []
    seen_all, torch_state = 0, torch.get_rng_state()
    torch.manual_seed(11)
    for step in range(1, steps + 1):
        if len(left) < batch:
            left = torch.randperm(len(x), generator=order).tolist()
            seen_all += 1
        taken, left = left[:batch], left[batch:]
        if to_zero:
            optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
        model.train()
        outputs = model(x[taken])
        loss = subject.losses(outputs, y[taken]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        known = not y.is_floating_point()
        record.steps.append(
            StepRow(
                step=step,
                pass_number=seen_all,
                loss=loss.item(),
                lr=optimizer.param_groups[0]["lr"],
                pictures=batch,
                accuracy=(outputs.argmax(1) == y[taken]).float().mean().item()
                if known
                else math.nan,
            )
        )
        if step % 10 == 1 and known:
            record.batches.append(
                BatchRow(
                    step=step, split="train", shape=tuple(x[taken].shape), dtype="float32",
                    low=0.0, high=1.0, mean=(0.0,), std=(1.0,), labels=tuple(y[taken].tolist()),
                )
            )  # fmt: skip
        if vx is not None and step % every == 0:
            record.evaluations.append(_evaluated(subject, vx, vy, step, seen_all))
    torch.set_rng_state(torch_state)
    return Case(setting_of(subject, batch=batch, **more), record, subject)


@torch.no_grad()
def _evaluated(subject: Loop, x: Tensor, y: Tensor, step: int, number: int) -> EvaluationRow:
    subject.model.eval()
    outputs = subject.model(x)
    known = not y.is_floating_point()
    return EvaluationRow(
        step=step, pass_number=number, split="val", mode="eval",
        loss=subject.losses(outputs, y).mean().item(),
        accuracy=(outputs.argmax(1) == y).float().mean().item() if known else math.nan,
        pictures=len(x),
    )  # fmt: skip
