"""Networks with auxiliary heads train on all of their heads and are scored on their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.nn.auxiliary import WithAuxiliary
from hubel.training.budget import Timeline
from hubel.training.checkpoint import load_newest
from hubel.training.hardware.arithmetic import time_steps
from hubel.training.losses import build_loss
from hubel.training.numbers import InUnits
from hubel.training.outputs import forward, hits, logits_of, losses_of
from stripes import CLASSES, SIDE, assert_same, make_trainer


class TwoHeads(nn.Module):
    """A network with one auxiliary head of weight 0.3."""

    def __init__(self, features: int = SIDE * SIDE, outputs: int = CLASSES) -> None:
        super().__init__()
        self.side_head = nn.Linear(features, outputs)
        self.head = nn.Linear(features, outputs)

    def forward(self, pictures: Tensor) -> Tensor | WithAuxiliary:
        flat = pictures.flatten(1)
        if not self.training:
            return self.head(flat)
        return WithAuxiliary(self.head(flat), (self.side_head(flat), -self.side_head(flat)), 0.3)


def test_the_loss_is_that_of_all_heads() -> None:
    torch.manual_seed(0)
    network, pictures = TwoHeads(), torch.randn(5, 1, SIDE, SIDE)
    targets = torch.tensor([0, 1, 2, 1, 0])
    loss = build_loss("cross-entropy", task="classification", label_smoothing=0.1)
    outputs = network(pictures)
    found = losses_of(loss, outputs, targets)
    plain = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1)
    side = network.side_head(pictures.flatten(1))
    expected = plain(outputs.logits, targets) + 0.3 * (plain(side, targets) + plain(-side, targets))
    torch.testing.assert_close(found, expected)
    blended = nn.functional.one_hot(targets, CLASSES).float()
    torch.testing.assert_close(losses_of(loss, outputs, blended), expected)
    torch.testing.assert_close(losses_of(loss, outputs.logits, targets), plain(outputs[0], targets))


def test_right_answers_are_those_of_the_own_head() -> None:
    logits = torch.eye(3)
    outputs = WithAuxiliary(logits, (-logits,), 0.3)
    assert hits(logits_of(outputs), torch.tensor([0, 1, 0]), "classification") == 2
    blended = torch.tensor([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]])
    assert hits(logits_of(outputs), blended, "classification") == 2
    assert hits(logits_of(outputs), blended, "multilabel") == 0


def test_every_head_answers_in_float32() -> None:
    outputs = forward(TwoHeads(), torch.randn(2, 1, SIDE, SIDE), "bfloat16")
    assert isinstance(outputs, WithAuxiliary)
    assert {logits.dtype for logits in (outputs.logits, *outputs.auxiliary)} == {torch.float32}


def test_every_head_answers_in_units() -> None:
    module = InUnits(TwoHeads(outputs=1), 1)
    module.measure(np.array([[10.0], [30.0]], np.float32))
    pictures = torch.randn(2, 1, SIDE, SIDE)
    outputs, raw = module(pictures), module.network(pictures)
    torch.testing.assert_close(outputs.logits, 20 + 10 * raw.logits)
    torch.testing.assert_close(outputs.auxiliary[1], 20 + 10 * raw.auxiliary[1])
    assert outputs.weight == 0.3


def test_arithmetic_can_be_measured() -> None:
    found = time_steps(TwoHeads(), torch.zeros(2, 1, SIDE, SIDE), [("float32", True, 1)])
    assert found.pictures == 2
    assert found.timings[0].ms > 0


@pytest.mark.parametrize("changes", [{}, {"augment": ("mixup",), "ema": 0.0}], ids=str)
def test_a_network_with_auxiliary_heads_trains_and_is_resumed(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    def start(folder: Path, steps: int) -> Any:
        torch.manual_seed(1)
        trainer = make_trainer(folder, module=TwoHeads(), l1=0.0, weight_decay=0.0, **changes)
        trainer.updater.timeline = Timeline(steps)
        return trainer

    whole = start(tmp_path / "whole", 16)
    before = whole.module.side_head.weight.detach().clone()
    whole.train()
    assert not torch.equal(before, whole.module.side_head.weight)
    assert whole.progress.rows[-1].train_score > 0.5
    start(tmp_path / "part", 8).train()
    rest = start(tmp_path / "part", 16)
    rest.restore(load_newest(tmp_path / "part" / "checkpoint")[0])
    rest.train()
    assert_same(tmp_path / "whole", tmp_path / "part")
