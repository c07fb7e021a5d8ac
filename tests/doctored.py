"""Trainings of a second for tests of the doctor, and an illness that can be given to any."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import nn

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Well
from hubel.results import Severity
from hubel.training.events import StepEvent
from hubel.workflows.watching import Watcher

QUICK: dict[str, Any] = {
    "epochs": 2, "batch": 4, "size": 16, "threads": 1, "precision": "float32",
    "channels_last": False, "model_arguments": ("width=8",),
}  # fmt: skip


class Listen(Watcher):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)

    @property
    def of_the_doctor(self) -> list[str]:
        """What is said about or by the doctor."""
        return [one for one in self.sentences if "octor" in one]


class Weigh(Listen):
    """Measures one parameter by itself, and may stop the training after a step."""

    def __init__(self, stop: int = 0) -> None:
        super().__init__()
        self.stop = stop
        self.before: dict[int, torch.Tensor] = {}
        self.after: dict[int, torch.Tensor] = {}
        self.gradients: dict[int, torch.Tensor] = {}
        self.events: list[StepEvent] = []

    def watches(self, step: int) -> bool:
        return step in (1, 4)

    def updating(self, step: int, module: nn.Module) -> None:
        weight = next(module.parameters())
        assert weight.grad is not None
        self.before[step] = weight.detach().clone()
        self.gradients[step] = weight.grad.clone()

    def stepped(self, event: StepEvent) -> None:
        self.events.append(event)
        if event.step in self.before:
            self.after[event.step] = next(event.module.parameters()).detach().clone()
        if event.step == self.stop:
            signal.raise_signal(signal.SIGINT)


def fall_ill(
    patch: pytest.MonkeyPatch,
    ill: Callable[[Case], bool],
    *,
    severity: Severity = "error",
    name: str = "loss/test",
) -> None:
    """Make a symptom, the only one, that every case has for which `ill` is true."""

    def find(case: Case) -> Reading:
        if not ill(case):
            return Well(evidence="nothing")
        return Sign(
            what="Something is wrong.", evidence="measured 1", confidence=1.0, confirmed=True
        )

    symptom = Symptom(
        id=name, meaning="A test.", tier=0, statistic="none", threshold="none", severity=severity,
        remedy="Mend it.", source="hubel", find=find,
    )  # fmt: skip
    table = MappingProxyType({name: symptom})
    patch.setattr("hubel.diagnosis.examination.SYMPTOMS", table)
    patch.setattr("hubel.diagnosis.causes.SYMPTOMS", table)
