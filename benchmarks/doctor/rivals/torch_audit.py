"""torch-audit, the package: attached to the run by its own `autopatch`, once a pass."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

from torch import nn
from torch.optim import Optimizer

MEANS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "TA100": ("loss/non-finite", "data/non-finite", "precision/underflow"),
        "TA102": ("gradient/exploding", "rate/too-high", "initialisation/scale"),
        "TA103": ("unit/dead", "initialisation/bias", "gradient/vanishing"),
        "TA104": ("weights/no-gradient", "weights/frozen", "loop/not-stepping"),
        "TA105": ("unit/dead", "unit/saturated", "initialisation/constant"),
        "TA301": ("data/range",),
        "TA302": ("data/range", "fit/ignores-input"),
        "TA303": ("data/layout",),
        "TA304": ("normalisation/small-batch",),
        "TA305": ("data/non-finite", "loss/non-finite"),
        "TA400": ("design/other",),
        "TA401": ("fit/over-regularised",),
        "TA402": ("fit/over-regularised",),
        "TA404": ("design/other",),
        "TA405": ("unit/dead", "initialisation/constant"),
        "TA500": ("weights/no-gradient", "weights/hidden-layers"),
        "TA501": ("design/other",),
    }
)
"""Its rules in our ids; written down before any run."""


_RANKS: Final = {"FATAL": 0, "ERROR": 1, "WARN": 2}
"""What counts as an alarm; notes (INFO) do not."""


_HARDWARE: Final = ("TA20",)
"""Beginnings of rules that advise on graphics processors: no alarm about a training."""


class _Audit:
    """An auditor that is attached."""

    def __init__(self, auditor: Any) -> None:
        self._auditor = auditor

    def findings(self) -> tuple[str, ...]:
        """Return the rules that were broken, warnings and errors, each once, the worst first."""
        found = [
            (_RANKS[one.severity.name], one.rule_id)
            for one in self._auditor.findings
            if one.severity.name in _RANKS and not one.rule_id.startswith(("TA000", *_HARDWARE))
        ]
        return tuple(dict.fromkeys(name for _, name in sorted(found)))

    def stop(self) -> None:
        """Leave the training alone."""
        with contextlib.suppress(Exception):
            self._auditor.unpatch()
        with contextlib.suppress(Exception):
            self._auditor.detach()


def begin(model: nn.Module, optimizer: Optimizer, every: int) -> _Audit | None:
    """Attach the package where it is installed."""
    if find_spec("torch_audit") is None:
        return None
    import torch_audit

    auditor: Any = torch_audit.autopatch(model, optimizer=optimizer, every_n_steps=every)
    return _Audit(auditor)
