"""The settings that an option of `hubel train` can change, wherever they are known from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.questions import updates_a_pass
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.trial import Trial
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.recipes import fitted_lr

RANGE_TEST: Final = "rate-range"
"""The active test that tries learning rates."""
BEST_RATE: Final = "best_lr"
"""What it measured: the learning rate under which the loss fell the most …"""
EDGES: Final = ("low_edge", "high_edge")
"""… and the lowest and the highest one under which it fell nearly as much."""
_KINDS: Final[Mapping[str, str]] = {
    "SGD": "sgd", "Adam": "adam", "AdamW": "adamw", "RMSprop": "rmsprop", "Adagrad": "adagrad",
    "Adadelta": "adadelta", "Muon": "muon", "NAdam": "adam", "RAdam": "adam",
}  # fmt: skip
"""hubel's name of torch's optimizers."""
_FAR: Final = 2.0
"""Factor within which two learning rates count as the same."""
_MARGIN: Final = 3.0
"""A short test bears rates that are higher by so much than those of a whole training."""
_STEP: Final = 10.0
"""Factor by which a learning rate is changed where nothing better is known."""


class Knobs:
    """What is set in one training. None where it is not known."""

    case: Final[Case]

    def __init__(self, case: Case) -> None:
        self.case = case

    @property
    def by_hubel(self) -> bool:
        """Whether `hubel train` trained it, so that its options apply."""
        return self.case.setting.origin == "hubel"

    def value(self, name: str) -> Any:
        """Return a setting by its name in the plan."""
        options = self.case.setting.options
        return options[name] if name in options else self._of_loop(name)

    def number(self, name: str) -> float | None:
        """Return a setting that is a number."""
        value = self.value(name)
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if known and math.isfinite(value) else None

    def above(self, name: str, least: float) -> bool:
        """Return whether a setting is known to be above `least`."""
        number = self.number(name)
        return number is not None and number > least

    def _of_loop(self, name: str) -> Any:
        setting = self.case.setting
        if name == "batch":
            return setting.batch
        if name == "precision":
            return setting.precision
        if name == "epochs":
            a_pass = updates_a_pass(setting, self.case.record)
            planned = setting.planned_steps
            return math.ceil(planned / a_pass) if planned and a_pass > 0 else None
        if name == "dropout":
            shares = [
                fact.details.get("p", 0.0)
                for fact in setting.modules
                if fact.kind.startswith("Dropout")
            ]
            return max(shares, default=None)
        return self._of_optimizer(name)

    def _of_optimizer(self, name: str) -> Any:
        fact = self.case.setting.optimizer
        if fact is None or not fact.groups:
            return None
        if name == "optimizer":
            momentum = max(group.get("momentum", 0.0) for group in fact.groups)
            kind = _KINDS.get(fact.kind)
            return "momentum" if kind == "sgd" and momentum else kind
        keys = {"momentum": ("momentum", "beta1")}.get(name, (name,))
        found = [group[key] for group in fact.groups for key in keys if key in group]
        return max(found, default=None)

    def rate(self, *, lower: bool) -> float | None:
        """Return a better learning rate, below or above the one that is set; None if unknown.

        The default of the optimizer for this batch, unless the range test refutes it; else that of
        the range test; else a tenth, or ten times, of what is set.
        """
        now = self.number("lr")
        if now is None:
            return None
        tried = self._tried()
        for better in (self._unrefuted(tried), tried and tried[0]):
            if better and (better * _FAR <= now if lower else better >= now * _FAR):
                return better
        return now / _STEP if lower else now * _STEP

    def tried_rate(self) -> float | None:
        """Return a rate that passed the range test, where it is far from the one that is set."""
        now, tried = self.number("lr"), self._tried()
        if now is None or tried is None:
            return None
        better = self._unrefuted(tried) or tried[0]
        return None if 1 / _FAR < better / now < _FAR else better

    def _unrefuted(self, tried: tuple[float, float, float] | None) -> float | None:
        """Return the usual rate where the test was not made, or would not call it too high."""
        usual = self._usual()
        if usual is None or tried is None:
            return usual
        above = threshold("rate-range.above")
        return usual if tried[1] <= usual <= above * tried[2] else None

    def _tried(self) -> tuple[float, float, float] | None:
        """Return a good rate of the range test, and both ends of the range."""
        try:
            outcome = self.case.trials.make(RANGE_TEST)
        except KeyError:
            return None
        if not isinstance(outcome, Trial):
            return None
        found = [outcome.measured.get(name, math.nan) for name in (BEST_RATE, *EDGES)]
        if not all(math.isfinite(one) and one > 0 for one in found):
            return None
        best, low, high = found
        return max(low, min(best, high / _MARGIN)), low, high

    def _usual(self) -> float | None:
        kind = self.value("optimizer")
        if kind not in OPTIMIZERS:
            return None
        update = (self.number("batch") or 128) * (self.number("accumulate") or 1)
        return fitted_lr(kind, round(update))

    def usual(self, name: str) -> float | None:
        """Return the optimizer's default of `momentum` or `weight_decay`."""
        kind = OPTIMIZERS.get(str(self.value("optimizer")))
        return None if kind is None else getattr(kind, name)

    def has_module(self, *parts: str) -> bool:
        """Return whether a module's class has one of these words in its name."""
        return any(part in fact.kind for fact in self.case.setting.modules for part in parts)
