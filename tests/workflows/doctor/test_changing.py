"""Options as text: into options, and out as a command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.workflows.doctor.changing import changed, command_of


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"--lr": "0.001"}, "lr", 0.001),
        ({"--batch": "16"}, "batch", 16),
        ({"--augment": "none"}, "augment", ("none",)),
        ({"--augment": "safe mirror"}, "augment", ("safe", "mirror")),
        ({"--milestones": "0.5,0.75"}, "milestones", (0.5, 0.75)),
        ({"--pretrained": ""}, "pretrained", True),
        ({"--channels-last": "true"}, "channels_last", True),
        ({"--no-doctor": ""}, "doctor", False),
        ({"--optimizer": "sgd"}, "optimizer", "sgd"),
        ({"--normalise": "standard"}, "normalise", "standard"),
        ({"--out": "runs/x"}, "out", Path("runs/x")),
    ],
)
def test_flags_become_options(changes: dict[str, str], field: str, value: Any) -> None:
    made = changed(TrainOptions(seed=7), changes)
    assert getattr(made, field) == value
    assert made.seed == 7


def test_default_stands_for_a_flag_that_is_left_out() -> None:
    options = TrainOptions(lr=0.5, l1=1.0, augment=("mixup",), accumulate=4, seed=7)
    left_out = dict.fromkeys(("--lr", "--l1", "--augment", "--accumulate"), "default")
    assert changed(options, left_out) == TrainOptions(seed=7)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"--lrr": "1"}, "hubel train has no option '--lrr': did you mean --lr"),
        ({"--lr": "fast"}, "--lr cannot be 'fast': Expected"),
        ({"--optimizer": "sgdd"}, "--optimizer cannot be 'sgdd': Invalid enum value"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        changed(TrainOptions(), changes)


def test_the_command_gives_the_same_options() -> None:
    options = TrainOptions(
        lr=0.01, augment=("safe", "mirror"), pretrained=True, doctor=False, epochs=3
    )
    command = command_of("my pictures", options)
    assert command.startswith("hubel train 'my pictures' ")
    words = shlex.split(command)[3:]
    assert words == [
        *("--pretrained", "--epochs", "3", "--lr", "0.01", "--augment", "safe"),
        *("--augment", "mirror", "--no-doctor"),
    ]
