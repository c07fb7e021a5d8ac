"""What the doctor inside `hubel train` makes of its record: a line, a stop, `diagnosis.json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.examination import examine
from hubel.options.train import StopOn
from hubel.results import Diagnosis, Finding, Provenance, Run
from hubel.results.files import write_json

_GRAVE: Final = {"error": ("error",), "warning": ("error", "warning")}
"""Severities that stop a training, by what --stop-on says."""


class Judge:
    """Examines a record while it grows; active tests are left to `hubel diagnose`."""

    def __init__(
        self,
        run: Run,
        say: Callable[[str], None],
        stop_on: StopOn | None,
        origin: Callable[[], Provenance],
    ) -> None:
        self.run = run
        self.stop_on: StopOn | None = stop_on
        self.stopped_for: Finding | None = None
        """What the training is to be stopped for."""
        self._say = say
        self._origin = origin
        self._told: set[str] = set()

    def look(self, setting: Setting, record: Record, step: int) -> bool:
        """Say what is wrong at the root, unless it was said before; return whether to stop.

        Where it is to be stopped, `diagnosis.json` is written.
        """
        diagnosis = _examined(setting, record)
        if not diagnosis.causes:
            return False
        root = diagnosis.causes[0]
        self._tell(root, step)
        if self.stop_on is None or root.severity not in _GRAVE[self.stop_on]:
            return False
        self.stopped_for = root
        self._keep(diagnosis)
        return True

    def conclude(self, setting: Setting, record: Record, step: int) -> None:
        """Write `diagnosis.json`: what can be said without active tests; say what is new in it."""
        diagnosis = _examined(setting, record)
        self._keep(diagnosis)
        if diagnosis.causes:
            self._tell(diagnosis.causes[0], step)

    def _tell(self, root: Finding, step: int) -> None:
        if root.id not in self._told:
            self._told.add(root.id)
            self._say(f"Doctor, after step {step:,}: {_brief(root)}")

    def reason(self, step: int) -> str:
        """Return the sentences with which the training was stopped; empty where it was not."""
        if self.stopped_for is None:
            return ""
        return (
            f"The doctor stopped the training after step {step:,}, as --stop-on {self.stop_on} "
            f"asks: {_brief(self.stopped_for)} The state is saved, the diagnosis stands in "
            f"{self.run.stage_file('diagnosis')}; to go on all the same: "
            f"hubel train --resume {self.run.path}"
        )

    def _keep(self, diagnosis: Diagnosis) -> None:
        whole = replace(diagnosis, provenance=self._origin())
        write_json(self.run.stage_file("diagnosis"), whole)


def _examined(setting: Setting, record: Record) -> Diagnosis:
    return examine(Case(setting, record, with_trials=False))


def _brief(finding: Finding) -> str:
    """Return a finding in one line: what, how that is known, and what to try."""
    return f"{finding.what} ({finding.evidence}) {finding.remedy}".strip()
