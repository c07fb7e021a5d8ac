"""The run folder: the only place where stages meet. JSON, TOML, CSV and safetensors only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubel.errors import RunError, UsageError
from hubel.results.calibration import Calibrated
from hubel.results.check import Check
from hubel.results.diagnosis import Diagnosis
from hubel.results.evaluation import Evaluation
from hubel.results.files import read_json
from hubel.results.inspection import Inspection
from hubel.results.model_card import ModelCard
from hubel.results.plan import Plan
from hubel.results.training import Training


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder. Opening it executes nothing that is in it."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Return the run at `path`; UsageError where there is none."""
        run = cls(Path(path))
        if not run.path.is_dir():
            raise UsageError(f"There is no run folder {str(path)!r}; hubel train makes one.")
        if not run.plan_file.is_file() and run.options_file.is_file():
            raise RunError(
                f"{run.path} holds no plan yet: its training was stopped before its first step; "
                f"go on with: hubel train --resume {run.path}"
            )
        if not run.plan_file.is_file():
            raise UsageError(
                f"{str(path)!r} is not a run folder: it has no plan.json; hubel train makes one."
            )
        return run

    @property
    def options_file(self) -> Path:
        """What the user set."""
        return self.path / "options.toml"

    @property
    def plan_file(self) -> Path:
        """Every choice with its reason."""
        return self.path / "plan.json"

    @property
    def model_file(self) -> Path:
        """The model card."""
        return self.path / "model.json"

    @property
    def weights_file(self) -> Path:
        """The weights that predict uses; written once, when training ends."""
        return self.path / "model.safetensors"

    @property
    def code_file(self) -> Path:
        """A copy, as text, of the Python file that made the network; absent for known networks."""
        return self.path / "model.py.txt"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints: last, previous, best."""
        return self.path / "checkpoint"

    @property
    def log_file(self) -> Path:
        """A row a pass."""
        return self.path / "log.csv"

    @property
    def nonfinite_file(self) -> Path:
        """A row a picture of each step that was undone; absent where none was."""
        return self.path / "nonfinite.csv"

    @property
    def report_file(self) -> Path:
        """The page about this run."""
        return self.path / "report.html"

    @property
    def predictions_file(self) -> Path:
        """A row a picture of the evaluated split."""
        return self.path / "predictions.csv"

    @property
    def manifest_file(self) -> Path:
        """A row a picture of the source: its split, label and digest, as trained on."""
        return self.path / "data.csv"

    @property
    def calibration_file(self) -> Path:
        """Temperature and thresholds, fitted on validation."""
        return self.path / "calibration.json"

    def stage_file(self, stage: str) -> Path:
        """Return the JSON file of a stage: data, check, train, evaluate, diagnosis."""
        return self.path / f"{stage}.json"

    @property
    def finished(self) -> bool:
        """Whether training ended and the weights that predict uses stand there."""
        return self.weights_file.is_file() and self.model_file.is_file()

    def require_finished(self) -> None:
        """Raise RunError unless training has ended."""
        if not self.finished:
            raise RunError(
                f"{self.path} holds no finished network: its training did not end; "
                f"go on with: hubel train --resume {self.path}"
            )

    def plan(self) -> Plan:
        """Read the plan."""
        return read_json(self.plan_file, Plan)

    def card(self) -> ModelCard:
        """Read the model card; RunError where no network can be as it says."""
        card = read_json(self.model_file, ModelCard)
        if min(card.input_shape) < 1 or not card.classes:
            raise RunError(
                f"{self.model_file} is damaged or was edited: there is no network with an input "
                f"of {card.input_shape} and {len(card.classes)} outputs. Restore it."
            )
        return card

    def inspection(self) -> Inspection | None:
        """Read what `data` found; None where it was not run."""
        file = self.stage_file("data")
        return read_json(file, Inspection) if file.is_file() else None

    def check(self) -> Check | None:
        """Read what `check` found before training; None where it was not run."""
        file = self.stage_file("check")
        return read_json(file, Check) if file.is_file() else None

    def training(self) -> Training | None:
        """Read what training left; None where it has not ended."""
        file = self.stage_file("train")
        return read_json(file, Training) if file.is_file() else None

    def evaluation(self) -> Evaluation | None:
        """Read the last evaluation; None where there was none.

        Errors: RunError also where its tables do not have the shape of its classes.
        """
        file = self.stage_file("evaluate")
        if not file.is_file():
            return None
        evaluation = read_json(file, Evaluation)
        confusion, classes = evaluation.confusion, len(evaluation.classes)
        square = not confusion or {len(confusion), *map(len, confusion)} == {classes}
        paired = all(len(one.truth) == len(one.prediction) for one in evaluation.residuals)
        if not square or not paired:
            what = "residuals" if square else f"confusion matrix of {classes} classes"
            raise RunError(
                f"{file} is damaged or was edited: its {what} has another shape. Run the stage "
                "again."
            )
        return evaluation

    def diagnosis(self) -> Diagnosis | None:
        """Read what the doctor said last; None where it was not asked."""
        file = self.stage_file("diagnosis")
        return read_json(file, Diagnosis) if file.is_file() else None

    def calibrated(self) -> Calibrated | None:
        """Read temperature and thresholds; None where none were fitted."""
        file = self.calibration_file
        return read_json(file, Calibrated) if file.is_file() else None
