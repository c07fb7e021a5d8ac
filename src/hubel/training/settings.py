"""The settings of one training: a draft while they are chosen, then a frozen plan."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import msgspec

from hubel.errors import RunError
from hubel.options.train import (
    Balance,
    LossName,
    NonFinite,
    OptimizerName,
    Precision,
    ScheduleName,
)
from hubel.results import Choice, Plan, Task
from hubel.training.settings_limits import check_limits

ChosenBy = Literal["user", "recipe", "hubel", "default"]
UNSET: Final = "not set; this is the default"


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
    pretrained: str = ""
    """Origin of the published weights that training started from; empty for fresh ones."""
    freeze_epochs: int = 0
    """Passes in which the body, everything outside the head, is frozen."""
    body_lr: float = 1.0
    """The body's learning rate, as a factor of the head's."""
    head: tuple[str, ...] = ()
    """Names of the head's parameters; empty where all weights were fresh."""
    loss: LossName
    label_smoothing: float
    focal_gamma: float
    balance: Balance
    optimizer: OptimizerName
    lr: float
    momentum: float | None
    """None where the optimizer has none."""
    weight_decay: float
    l1: float
    schedule: ScheduleName
    milestones: tuple[float, ...] = ()
    """Shares of the training after which the schedule step lowers the rate; empty: thirds."""
    step_factor: float = 0.1
    warmup: float
    epochs: int
    """Passes over the training split, the last perhaps not whole."""
    steps: int
    """Updates of the whole training."""
    steps_per_pass: int
    budget_s: float | None
    """Seconds for steps and validations; None where the passes are set."""
    revisions: tuple[tuple[int, int], ...]
    """How a budget's number of steps was revised: (step, new total), see `Timeline`."""
    batch: int
    micro_batch: int = 0
    """Pictures at a time, at most `batch`; 0 in runs that are older than this setting: `batch`."""
    accumulate: int
    dropout: float
    augment: tuple[str, ...]
    augment_strength: float
    ema: float
    """0 where no average is kept."""
    clip: float | None
    """None where gradients are not clipped."""
    patience: int | None
    """None where training never stops early."""
    extended_after: int = 0
    """Passes after which a finished run was told to go on; patience begins anew there."""
    device: str = "cpu"
    precision: Precision
    channels_last: bool
    threads: int
    """Of each process."""
    compile: bool = False
    """Whether torch.compile compiles the network."""
    winograd: tuple[tuple[int, int, int, int], ...] = ()
    """Convolutions that steps compute by Winograd's algorithm: channels in and out, height, width.
    """
    native: bool = False
    """Whether hubel's functions in C are used, which round otherwise than PyTorch's."""
    checkpoint_every_s: float
    cache_bytes: int = 0
    """Largest size of the file of decoded pictures."""
    processes: int = 1
    """How many trained together; with another number the result differs by rounding."""
    non_finite: NonFinite = "stop"
    """What happens after a step whose loss or gradient is not finite."""
    halvings: tuple[tuple[int, int], ...] = ()
    """Where memory ran out: (step, most pictures at a time from there), see `Halvings`."""
    validation_halvings: tuple[tuple[int, int], ...] = ()
    """Likewise in the validation after so many steps."""


@dataclass(slots=True)
class Draft:
    """Settings as they are chosen one by one, each with who chose it and why."""

    choices: dict[str, Choice]

    def choose(self, name: str, value: Any, chosen_by: ChosenBy, reason: str) -> None:
        """Set `name`; a setting is chosen once, or replaced with a new reason."""
        self.choices[name] = Choice(name=name, value=value, chosen_by=chosen_by, reason=reason)

    def __getitem__(self, name: str) -> Any:
        """Return the value chosen for `name`."""
        return self.choices[name].value

    def freeze(self) -> tuple[Settings, Plan]:
        """Return the settings and the plan that records them, in the order of `Settings`.

        Errors: KeyError where a setting was not chosen.
        """
        plan = Plan(choices=tuple(self.choices[field.name] for field in fields(Settings)))
        return settings_of(plan), plan


def settings_of(plan: Plan) -> Settings:
    """Return the settings that a plan holds; RunError where it is damaged."""
    values = {choice.name: choice.value for choice in plan.choices}
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise RunError(f"plan.json is damaged or was edited: {error}.") from error
    check_limits({field.name: getattr(settings, field.name) for field in fields(Settings)})
    return settings
