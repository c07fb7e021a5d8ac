"""What flows between stages: frozen results, and the run folder that reads and writes them."""

from hubel.results.calibration import Calibrated
from hubel.results.check import Check, CheckTotal, Field, LayerRow, Measured
from hubel.results.evaluation import (
    Calibration,
    ClassScore,
    Evaluation,
    Metric,
    Mistake,
    ReliabilityBin,
    ResidualSummary,
    UnknownRule,
)
from hubel.results.finding import Finding, Severity
from hubel.results.inspection import ClassCount, DuplicateGroup, Inspection, Summary, Task
from hubel.results.model_card import ModelCard
from hubel.results.plan import Choice, Plan
from hubel.results.prediction import Prediction
from hubel.results.provenance import Provenance
from hubel.results.run import Run
from hubel.results.training import EpochRow, Training

__all__ = [
    "Calibrated",
    "Calibration",
    "Check",
    "CheckTotal",
    "Choice",
    "ClassCount",
    "ClassScore",
    "DuplicateGroup",
    "EpochRow",
    "Evaluation",
    "Field",
    "Finding",
    "Inspection",
    "LayerRow",
    "Measured",
    "Metric",
    "Mistake",
    "ModelCard",
    "Plan",
    "Prediction",
    "Provenance",
    "ReliabilityBin",
    "ResidualSummary",
    "Run",
    "Severity",
    "Summary",
    "Task",
    "Training",
    "UnknownRule",
]
