"""Names of the things that happen once and matter: `Event.kind`."""

from __future__ import annotations

from typing import Final

NON_FINITE_LOSS: Final = "non-finite-loss"
NON_FINITE_GRADIENT: Final = "non-finite-gradient"
NON_FINITE_MODULE: Final = "non-finite-module"
"""`where` names the first module whose output was not finite."""
SCHEDULER_STEP: Final = "scheduler-step"
"""A scheduler was stepped before the first update, or out of rhythm; `detail` says how."""
LABEL_OUT_OF_RANGE: Final = "label-out-of-range"
BROADCAST: Final = "broadcast"
"""Outputs and targets of different shapes met in the loss."""
NO_UPDATE: Final = "no-update"
"""Many backward passes came, and no update at all; `detail` says how many."""
STEP_BEFORE_BACKWARD: Final = "step-before-backward"
"""Most updates came between a call of the network and its backward; `detail` says how many."""
STEP_WITHOUT_GRADIENT: Final = "step-without-gradient"
"""At most updates no parameter had a gradient; `detail` says how many."""
CLIPPING_ORDER: Final = "clipping-order"
"""Gradients were clipped before their loss scaling was taken out."""
