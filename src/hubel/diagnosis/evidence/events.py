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
BACKWARD_WITHOUT_STEP: Final = "backward-without-step"
"""Backward passes came and the optimizer was never stepped; `detail` says how many there were."""
CLEARED_WITHOUT_STEP: Final = "cleared-without-step"
"""Most batches had their gradients cleared before any update used them; `detail` says how many."""
STEP_WITHOUT_GRADIENT: Final = "step-without-gradient"
"""An update came while no parameter had a gradient, or all were 0; recorded once, at the first."""
CLIP_BEFORE_UNSCALE: Final = "clip-before-unscale"
"""Gradients were clipped while they were still multiplied by the scale of a gradient scaler."""
STEP_BEFORE_BACKWARD: Final = "step-before-backward"
"""Most updates came between a call of the network and its backward; `detail` says how many."""
