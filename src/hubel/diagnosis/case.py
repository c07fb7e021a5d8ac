"""A case: everything that is known of one training, for the rules to read."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from hubel.diagnosis.evidence.design_reading import Design, read_design
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.harm import Harm, judge
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.bench import TRIAL_S
from hubel.diagnosis.trials.table import Spared, Trials


class Case:
    """One training, as rules see it: its parts, its record, and tests that can be made on it."""

    setting: Final[Setting]
    record: Final[Record]
    subject: Final[Subject | None]
    """None where neither network nor pictures are at hand: then no test can be made."""
    trials: Trials
    """Active tests, each made at most once, when a rule asks for it."""

    def __init__(
        self,
        setting: Setting,
        record: Record,
        subject: Subject | None = None,
        *,
        with_trials: bool = True,
        trial_s: float = TRIAL_S,
    ) -> None:
        self.setting = setting
        self.record = record
        self.subject = subject
        self.trials = Trials(setting, subject if with_trials else None, seconds=trial_s)

    def sparing(self, why: str) -> Case:
        """Return the same case, in which no test is made any more but those that tell of harm."""
        spared = Case(self.setting, self.record, self.subject)
        spared.trials = Spared(self.trials, why)
        spared.__dict__.update(harm=self.harm, design=self.design)
        return spared

    @cached_property
    def harm(self) -> Harm:
        """How well the training went, beside a simple classifier."""
        return judge(self.setting, self.record, self.trials)

    @cached_property
    def design(self) -> Design | Unknown:
        """The network's operations, and what the rules of `check` say of them."""
        return read_design(self.setting, self.subject)
