"""What an evaluation measures; `evaluate.json` of a run."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.results.inspection import Task
from hubel.results.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One row of the per-class table."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    average_precision: float
    """Area under the precision-recall curve (several labels); NaN elsewhere."""
    threshold: float
    """Probability from which the label counts as present (several labels); NaN elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Pictures whose probability lies in one tenth of 0 to 1."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far probabilities can be believed, before and after temperature scaling."""

    temperature: float
    fitted_on: str
    """Split the temperature was fitted on; empty where none was (temperature 1)."""
    ece_before: float
    ece_after: float
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRule:
    """Below `threshold`, a picture's answer is "unknown"."""

    wanted_error: float
    threshold: float
    """Least calibrated probability of an answer; above 1 where no threshold reaches the rate."""
    fitted_on: str
    answered_share: float
    """Share of this split's pictures that get an answer."""
    error_among_answered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A picture with a high loss."""

    key: str
    path: str
    """Where its file is; empty for pictures in arrays."""
    truth: str
    answer: str
    probability: float
    loss: float
    thumbnail: str
    """PNG as base64, at most 96 pixels a side; empty where it could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualSummary:
    """Points of the residual plot of one target: at most 2,000, drawn by seed."""

    name: str
    truth: tuple[float, ...]
    prediction: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How good a network is on one split of one source."""

    source: str
    split: str
    task: Task
    pictures: int
    seen_in_training: int = 0
    """Pictures of these that show, pixel for pixel, one that the network was trained on."""
    undecodable: tuple[str, ...]
    classes: tuple[str, ...]
    test: dict[str, Metric]
    """Classes: accuracy, top5 (where over 5 classes), loss, ece. Labels: map, micro_f1, macro_f1,
    exact_match, loss. Numbers: mae, rmse, r2, loss."""
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are truth, columns answers; empty but for classes."""
    most_confused: tuple[tuple[str, str, int], ...]
    """(truth, answer, count), most first, at most 10."""
    calibration: Calibration | None
    unknown: UnknownRule | None
    worst: tuple[Mistake, ...]
    residuals: tuple[ResidualSummary, ...]
    seconds: float
    provenance: Provenance
