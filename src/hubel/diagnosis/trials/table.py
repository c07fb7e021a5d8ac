"""The table of active tests, and the one place that makes them, each at most once a case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.trial import Test, Trial

TRIALS: Final[Mapping[str, Test]] = MappingProxyType({})
"""Test by name."""


class Trials:
    """The tests of one case. A rule asks for one only where it suspects something."""

    def __init__(self, setting: Setting, subject: Subject | None) -> None:
        self._setting = setting
        self._subject = subject
        self.made: dict[str, Trial | Unknown] = {}
        """What was asked for, by name."""

    def make(self, name: str) -> Trial | Unknown:
        """Return the outcome of a test; made now if nobody asked before.

        Errors: KeyError where there is no such test.
        """
        if name not in self.made:
            test = TRIALS[name]
            if self._subject is None:
                self.made[name] = Unknown(why="the network or its pictures are not at hand")
            else:
                self.made[name] = test(self._setting, self._subject)
        return self.made[name]
