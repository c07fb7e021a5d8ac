"""Bugs told of in public threads of PyTorch, its libraries and its users."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.faults.fault import network
from benchmarks.doctor.faults.labels import raw
from benchmarks.doctor.faults.loop import clips_scaled_gradients
from benchmarks.doctor.faults.pictures import in_validation
from benchmarks.doctor.faults.rates import half_precision
from benchmarks.doctor.program import Program, Settings, Training, Transform
from benchmarks.doctor.real_bugs.bug import Bug


def _softmax(net: Any) -> None:
    net.head = nn.Sequential(net.head, nn.Softmax(dim=1))


def one_cycle_by_pass(program: Program) -> Program:
    """Hand a one-cycle schedule of batches to a trainer that steps it once a pass."""

    def make(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> OneCycleLR:
        return OneCycleLR(
            optimizer, max_lr=settings.lr, epochs=settings.epochs, steps_per_epoch=steps_a_pass
        )

    def step(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        training.optimizer.zero_grad()
        outputs = training.network(inputs)
        loss = training.loss(outputs, targets)
        loss.backward()
        training.optimizer.step()
        return loss, outputs

    def after(training: Training) -> None:
        training.scheduler.step()

    return replace(program, make_scheduler=make, train_step=step, after_pass=after)


def train_called_once(program: Program) -> Program:
    """Call `train()` before all passes; validation calls `eval()`, and nobody goes back."""

    def one_pass(
        changed: Program, training: Training, loader: DataLoader[Any]
    ) -> tuple[float, float]:
        if not training.memory:
            training.network.train()
            training.memory["begun"] = True
        total, right, seen = 0.0, 0, 0
        for inputs, targets in loader:
            loss, outputs = changed.train_step(training, inputs, targets)
            total += loss.item() * len(targets)
            right += int((outputs.argmax(1) == targets).sum())
            seen += len(targets)
        return total / seen, right / seen

    return replace(program, train_pass=one_pass)


def another_instance(program: Program) -> Program:
    """Make the optimizer, then run the cell that makes the model once more."""
    before = program.make_optimizer

    def make(net: nn.Module, settings: Settings) -> Optimizer:
        return before(copy.deepcopy(net), settings)

    return replace(program, make_optimizer=make)


class _BuiltAnew(nn.Module):
    """Builds its last layers whenever it is called."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.sizes = (inner.head.in_features, inner.head.out_features)
        inner.head = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        found = torch.relu(nn.Linear(self.sizes[0], 32)(self.inner(pictures)))
        return nn.Linear(32, self.sizes[1])(found)


def _reversed(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures
    return lambda picture: normalise(picture.flip(0))


def _renumbered(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Leave a class's folder empty in validation: all later classes get another number."""
    del generator
    keep = pictures.val_labels != 1
    labels = pictures.val_labels[keep]
    return replace(
        pictures, val=pictures.val[keep], val_labels=torch.where(labels > 1, labels - 1, labels)
    )


def _not_in_step(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Sort file names as text on one side and as numbers on the other: 0, 1, 10, 11, …, 2."""
    del generator
    number = len(pictures.train)
    as_text = sorted(range(number), key=str)
    return replace(pictures, train=pictures.train[torch.tensor(as_text)])


BUGS: Final = (
    Bug(name="forum-43814", source="discuss.pytorch.org 43814", bench="plain-mnist",
        described="A softmax before the cross-entropy, which has its own.",
        change=network(_softmax), accepted=("loss/activation-before",)),
    Bug(name="pytorch-65417", source="pytorch/pytorch 65417; pytorch-lightning 5631",
        bench="residual-digits",
        described="A one-cycle schedule of batches is stepped once a pass.",
        change=one_cycle_by_pass,
        accepted=("loop/scheduler-rhythm", "rate/too-low", "fit/too-short")),
    Bug(name="tutorials-1602", source="pytorch/tutorials 1602 and 1624; fartashf/vsepp 4",
        bench="residual-digits",
        described="Validation calls eval(), and training goes on in that mode from then on.",
        change=train_called_once, accepted=("loop/eval-mode", "normalisation/drift")),
    Bug(name="glide-finetune-5", source="afiaka87/glide-finetune 5; pytorch/pytorch 8860",
        bench="plain-mnist",
        described="Adam in float16, where its eps of 1e-8 is 0: not-a-number after a step.",
        change=half_precision, accepted=("precision/underflow", "loss/non-finite")),
    Bug(name="cnn-exercise", source="blog.gitcode.com, FashionMNISTModelV2",
        bench="depthwise-fashion",
        described="The optimizer holds the weights of an earlier instance of the model.",
        change=another_instance,
        accepted=("weights/strangers", "weights/outside-optimizer", "weights/not-moving")),
    Bug(name="layers-in-forward", source="thecodeforge.io, the forward() layer bug",
        bench="plain-mnist",
        described="Layers are built inside of forward(), new ones in every call.",
        change=network(_BuiltAnew),
        accepted=("weights/hidden-layers", "fit/cannot-fit-batch", "loss/stagnation")),
    Bug(name="lightning-9599", source="pytorch-lightning 9599; milesial/Pytorch-UNet 468",
        bench="plain-mnist",
        described="Gradients are clipped while they still carry the loss's scale.",
        change=clips_scaled_gradients,
        accepted=("loop/clipping-order", "rate/clipped", "rate/too-low")),
    Bug(name="keras-yolo2-19", source="rodrigo2019/keras_yolo2 19; YOLOs-CPP 122",
        bench="stacked-tuxpaint", harm="reported",
        described="Trained on RGB, evaluated on BGR as OpenCV reads it.",
        change=in_validation(_reversed), accepted=("data/validation-mismatch",)),
    Bug(name="timm-957", source="pytorch-image-models 957; ultralytics 13936",
        bench="depthwise-fashion", harm="reported",
        described="An empty folder in validation shifts the numbers of all later classes.",
        change=raw(_renumbered), accepted=("labels/validation",)),
    Bug(name="pytorch-22566", source="pytorch/pytorch 22566", bench="plain-mnist",
        described="Names sorted as text here and as numbers there: labels of other pictures.",
        change=raw(_not_in_step), accepted=("labels/shuffled", "labels/noise")),
)  # fmt: skip
