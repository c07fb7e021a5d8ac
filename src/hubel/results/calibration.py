"""`calibration.json`: what was fitted on validation pictures to make answers believable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """Numbers that turn a network's outputs into probabilities and answers."""

    temperature: float
    """Outputs are divided by it before softmax or sigmoid; 1 where none was fitted."""
    unknown_threshold: float
    """Least calibrated probability of an answer; above 1 where no threshold reaches the rate, 0
    where none was fitted."""
    wanted_error: float
    """Error rate among the answered pictures that `unknown_threshold` was fitted to."""
    label_thresholds: tuple[float, ...]
    """Calibrated probability from which each label counts as present; empty but for labels."""
    fitted_on: str
    """Split all this was fitted on; empty where there was none."""
    pictures: int
    """How many pictures it was fitted on."""
    model_digest: str
    """SHA-256 of the weights it was fitted for; for other weights it says nothing."""
