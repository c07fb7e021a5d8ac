"""The settings of one training: a typed view of the run's plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from hubel.errors import RunError
from hubel.options.train import (
    Balance,
    LossName,
    OptimizerName,
    Precision,
    ScheduleName,
)
from hubel.results import Choice, Plan, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides the bits of a training, but for the pictures themselves."""

    source: str
    seed: int
    model: str
    model_arguments: dict[str, Any]
    task: Task
    outputs: int
    channels: int
    size: int
    loss: LossName
    label_smoothing: float
    focal_gamma: float
    balance: Balance
    optimizer: OptimizerName
    lr: float
    momentum: float
    weight_decay: float
    l1: float
    schedule: ScheduleName
    warmup: float
    steps: int
    """Updates of the whole training."""
    steps_per_pass: int
    batch: int
    accumulate: int
    augment: tuple[str, ...]
    ema: float
    """0 where no average is kept."""
    clip: float
    """0 where gradients are not clipped."""
    patience: int
    """0 where training never stops early."""
    precision: Precision
    channels_last: bool
    threads: int
    checkpoint_every_s: float

    @property
    def passes(self) -> int:
        """Passes over the training split, the last perhaps not whole."""
        return -(-self.steps // self.steps_per_pass)


def settings_of(plan: Plan) -> Settings:
    """Return the settings that a plan holds; RunError where it is damaged."""
    values = {choice.name: choice.value for choice in plan.choices}
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise RunError(f"plan.json is damaged or was edited: {error}.") from error


def plan_of(settings: Settings, explained: Sequence[tuple[str, str, str]]) -> Plan:
    """Return the plan of `settings`; `explained` holds (name, chosen by, reason) a setting.

    Errors: ValueError where a setting is not explained: a plan without its reasons is no plan.
    """
    reasons = {name: (chosen_by, reason) for name, chosen_by, reason in explained}
    values = asdict(settings)
    missing = values.keys() - reasons.keys()
    if missing:
        raise ValueError(f"settings without a reason: {', '.join(sorted(missing))}")
    return Plan(
        choices=tuple(
            Choice(name=name, value=value, chosen_by=reasons[name][0], reason=reasons[name][1])
            for name, value in values.items()
        )
    )
