"""What a user may set: one frozen dataclass a verb. Flags and TOML keys are made from these.

`None` means that hubel chooses; the choice and its reason stand in the run's `plan.json`.
"""

from hubel.options.check import CheckOptions
from hubel.options.data import DataOptions
from hubel.options.diagnose import DiagnoseOptions
from hubel.options.evaluate import EvaluateOptions
from hubel.options.models import ModelsOptions
from hubel.options.predict import PredictOptions
from hubel.options.report import ReportOptions
from hubel.options.train import TrainOptions

__all__ = [
    "CheckOptions",
    "DataOptions",
    "DiagnoseOptions",
    "EvaluateOptions",
    "ModelsOptions",
    "PredictOptions",
    "ReportOptions",
    "TrainOptions",
]
