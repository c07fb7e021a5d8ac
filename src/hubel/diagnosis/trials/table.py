"""The table of active tests, and the one place that makes them, each at most once a case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.data_agreement import labels_agree
from hubel.diagnosis.trials.data_classes import (
    classes_are_present,
    pictures_are_enough,
    rare_classes_are_recalled,
)
from hubel.diagnosis.trials.data_copies import validation_is_new
from hubel.diagnosis.trials.data_layout import inputs_are_pictures
from hubel.diagnosis.trials.data_noise import labels_are_right
from hubel.diagnosis.trials.data_shift import validation_is_made_alike
from hubel.diagnosis.trials.data_validation_labels import validation_labels_fit
from hubel.diagnosis.trials.data_values import pixels_are_numbers, scale_does_no_harm
from hubel.diagnosis.trials.data_variation import augmentation_keeps_labels, validation_stays
from hubel.diagnosis.trials.trial import Test, Trial

TRIALS: Final[Mapping[str, Test]] = MappingProxyType(
    {
        "data-agreement": labels_agree,
        "data-augmentation": augmentation_keeps_labels,
        "data-classes": rare_classes_are_recalled,
        "data-copies": validation_is_new,
        "data-curve": pictures_are_enough,
        "data-finite": pixels_are_numbers,
        "data-labels": classes_are_present,
        "data-layout": inputs_are_pictures,
        "data-noise": labels_are_right,
        "data-scale": scale_does_no_harm,
        "data-shift": validation_is_made_alike,
        "data-validation-labels": validation_labels_fit,
        "data-variation": validation_stays,
    }
)
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
