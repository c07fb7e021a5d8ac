"""What a workflow tells those who watch it; the command line draws it."""

from __future__ import annotations

from hubel.results import Check, Evaluation, Inspection, Plan, Run
from hubel.training.events import Observer


class Watcher(Observer):
    """Watches a whole workflow: scanning, planning, training, evaluation."""

    def scanning(self, done: int, total: int) -> None:
        """`done` of `total` pictures were looked at."""

    def inspected(self, inspection: Inspection) -> None:
        """The pictures are known."""

    def planned(self, run: Run, plan: Plan) -> None:
        """Every setting is chosen and frozen."""

    def checked(self, check: Check) -> None:
        """The network was read, before its first step."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """The network was measured."""
