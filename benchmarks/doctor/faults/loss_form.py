"""Faults of the loss: its kind, what stands before it, its sign and its reduction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.doctor.faults.fault import Change, Fault, each, loss, network
from benchmarks.doctor.program import Program, Training


def _after_head(activation: Callable[[], nn.Module]) -> Change:
    def add(net: Any) -> None:
        net.head = nn.Sequential(net.head, activation())

    return network(add)


def _one_hot(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.one_hot(targets, outputs.shape[1]).float()


def _widen(outputs: int) -> Change:
    def widen(net: Any) -> None:
        net.head = nn.Linear(net.head.in_features, outputs)

    return network(widen)


def argmax_of_batch(program: Program) -> Program:
    """Take the best picture for each class instead of the best class for each picture."""

    @torch.no_grad()
    def evaluate(training: Training, loader: DataLoader[Any]) -> tuple[float, float]:
        training.network.eval()
        total, right, seen = 0.0, 0, 0
        for inputs, targets in loader:
            outputs = training.network(inputs)
            total += training.loss(outputs, targets).item() * len(targets)
            best = outputs.argmax(0)
            number = min(len(best), len(targets))
            right += int((best[:number] == targets[:number]).sum())
            seen += number
        return total / seen, right / seen

    return replace(program, evaluate=evaluate)


def _softmax_log(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy, written by hand: infinite as soon as it is sure."""
    shares = (outputs * 200).exp() / (outputs * 200).exp().sum(1, keepdim=True)
    return -(_one_hot(outputs, targets) * shares.log()).sum(1).mean()


FAULTS: Final = (
    Fault(name="softmax-before-cross-entropy", family="loss",
          change=_after_head(lambda: nn.Softmax(dim=1)), accepted=("loss/activation-before",)),
    Fault(name="log-softmax-before-cross-entropy", family="loss",
          change=_after_head(lambda: nn.LogSoftmax(dim=1)), accepted=("loss/activation-before",),
          expected_harmless=True),
    Fault(name="softmax-over-the-batch", family="loss",
          change=_after_head(lambda: nn.Softmax(dim=0)), accepted=("loss/activation-before",)),
    Fault(name="sigmoid-before-cross-entropy", family="loss",
          change=_after_head(nn.Sigmoid), accepted=("loss/activation-before",)),
    Fault(name="sigmoid-before-bce-with-logits", family="loss",
          change=each(
              _after_head(nn.Sigmoid),
              loss(lambda outputs, targets: F.binary_cross_entropy_with_logits(
                  outputs, _one_hot(outputs, targets)))),
          accepted=("loss/activation-before", "loss/wrong-kind")),
    Fault(name="relu-on-logits", family="loss", change=_after_head(nn.ReLU),
          accepted=("loss/activation-before",)),
    Fault(name="tanh-on-logits", family="loss", change=_after_head(nn.Tanh),
          accepted=("loss/activation-before",), expected_harmless=True),
    Fault(name="nll-on-logits", family="loss", change=loss(F.nll_loss),
          accepted=("loss/wrong-kind",)),
    Fault(name="mse-on-logits", family="loss",
          change=loss(lambda outputs, targets: F.mse_loss(outputs, _one_hot(outputs, targets))),
          accepted=("loss/wrong-kind",)),
    Fault(name="mse-on-class-numbers", family="loss",
          change=loss(lambda outputs, targets: F.mse_loss(
              outputs.max(dim=1).values, targets.float())),
          accepted=("loss/wrong-kind",)),
    Fault(name="mse-of-shapes-that-broadcast", family="loss",
          change=loss(lambda outputs, targets: (
              (outputs[:, :1] - targets.float()).square().mean())),
          accepted=("loss/broadcast", "loss/wrong-kind")),
    Fault(name="bce-for-single-label", family="loss",
          change=loss(lambda outputs, targets: F.binary_cross_entropy(
              outputs.softmax(1), _one_hot(outputs, targets))),
          accepted=("loss/wrong-kind",), expected_harmless=True),
    Fault(name="l1-on-softmax", family="loss",
          change=loss(lambda outputs, targets: F.l1_loss(
              outputs.softmax(1), _one_hot(outputs, targets))),
          accepted=("loss/wrong-kind",)),
    Fault(name="sign-of-the-loss", family="loss",
          change=loss(lambda outputs, targets: -F.cross_entropy(outputs, targets)),
          accepted=("loss/sign",)),
    Fault(name="sum-instead-of-mean", family="loss",
          change=loss(lambda outputs, targets: F.cross_entropy(outputs, targets, reduction="sum")),
          accepted=("loss/reduction", "rate/too-high")),
    Fault(name="divided-by-the-batch-twice", family="loss",
          change=loss(lambda outputs, targets: (
              F.cross_entropy(outputs, targets) / len(targets) ** 2)),
          accepted=("loss/reduction", "rate/too-low")),
    Fault(name="head-of-a-thousand", family="loss", change=_widen(1000),
          accepted=("loss/outputs-width",), expected_harmless=True),
    Fault(name="logarithm-of-zero", family="loss", change=loss(_softmax_log),
          accepted=("loss/non-finite",)),
    Fault(name="argmax-of-the-batch", family="loss", change=argmax_of_batch, harm="reported",
          accepted=("labels/validation", "loop/evaluation-in-train-mode"),
          expected_harmless=False),
)  # fmt: skip
