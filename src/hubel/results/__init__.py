"""What flows between stages: frozen results, and the run folder that reads and writes them."""

from hubel.results.calibration import Calibrated
from hubel.results.catalogue import NetworkEntry, NetworkPage, PaperTable, PublishedErrors
from hubel.results.check import Check, CheckTotal, EffectiveField, Field, LayerRow, Measured
from hubel.results.courses import Course, Courses, LayerEvidence, UnitEvidence
from hubel.results.diagnosis import (
    DEFAULT,
    Checked,
    Diagnosis,
    Prescription,
    Treatment,
    Unchecked,
    said_of,
)
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
from hubel.results.symptom_entry import SymptomEntry
from hubel.results.training import EpochRow, Training, mean_waiting_share

__all__ = [
    "DEFAULT",
    "Calibrated",
    "Calibration",
    "Check",
    "CheckTotal",
    "Checked",
    "Choice",
    "ClassCount",
    "ClassScore",
    "Course",
    "Courses",
    "Diagnosis",
    "DuplicateGroup",
    "EffectiveField",
    "EpochRow",
    "Evaluation",
    "Field",
    "Finding",
    "Inspection",
    "LayerEvidence",
    "LayerRow",
    "Measured",
    "Metric",
    "Mistake",
    "ModelCard",
    "NetworkEntry",
    "NetworkPage",
    "PaperTable",
    "Plan",
    "Prediction",
    "Prescription",
    "Provenance",
    "PublishedErrors",
    "ReliabilityBin",
    "ResidualSummary",
    "Run",
    "Severity",
    "Summary",
    "SymptomEntry",
    "Task",
    "Training",
    "Treatment",
    "Unchecked",
    "UnitEvidence",
    "UnknownRule",
    "mean_waiting_share",
    "said_of",
]
