"""The table of active tests, and the one place that makes them, each at most once a case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.bench import TRIAL_S, allowed
from hubel.diagnosis.trials.data_agreement import labels_agree
from hubel.diagnosis.trials.data_classes import (
    classes_are_present,
    pictures_are_enough,
    rare_classes_are_recalled,
)
from hubel.diagnosis.trials.data_copies import validation_is_new
from hubel.diagnosis.trials.data_layout import inputs_are_pictures
from hubel.diagnosis.trials.data_noise import labels_are_right
from hubel.diagnosis.trials.data_remembered import Remembering
from hubel.diagnosis.trials.data_shift import validation_is_made_alike
from hubel.diagnosis.trials.data_validation_labels import validation_labels_fit
from hubel.diagnosis.trials.data_values import (
    pixels_are_numbers,
    scale_does_no_harm,
    scale_does_no_harm_later,
)
from hubel.diagnosis.trials.data_variation import augmentation_keeps_labels, validation_stays
from hubel.diagnosis.trials.float32_replay import float32_replay
from hubel.diagnosis.trials.held_out import held_out
from hubel.diagnosis.trials.mode_swap import mode_swap
from hubel.diagnosis.trials.one_batch import one_batch
from hubel.diagnosis.trials.permuted_labels import permuted_labels
from hubel.diagnosis.trials.rate_range import rate_range
from hubel.diagnosis.trials.reference import reference
from hubel.diagnosis.trials.regularisation_off import regularisation_off
from hubel.diagnosis.trials.trial import Test, Trial
from hubel.diagnosis.trials.wide_statistics import wide_statistics
from hubel.diagnosis.trials.zeroed_input import zeroed_input

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
        "data-scale-later": scale_does_no_harm_later,
        "data-shift": validation_is_made_alike,
        "data-validation-labels": validation_labels_fit,
        "data-variation": validation_stays,
        "reference": reference,
        "held-out": held_out,
        "one-batch": one_batch,
        "zeroed-input": zeroed_input,
        "permuted-labels": permuted_labels,
        "rate-range": rate_range,
        "mode-swap": mode_swap,
        "float32-replay": float32_replay,
        "regularisation-off": regularisation_off,
        "wide-statistics": wide_statistics,
    }
)
"""Test by name."""

_FAILURES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What anybody's network may raise where it gets other batches than it was made for."""


class Trials:
    """The tests of one case. A rule asks for one only where it suspects something."""

    def __init__(
        self, setting: Setting, subject: Subject | None, *, seconds: float = TRIAL_S
    ) -> None:
        self._setting = setting
        self._seconds = seconds
        self._subject = None if subject is None else Remembering(subject)
        self.made: dict[str, Trial | Unknown] = {}
        """What was asked for, by name."""

    def make(self, name: str) -> Trial | Unknown:
        """Return the outcome of a test; made now if nobody asked before.

        Errors: KeyError where there is no such test. What the network raises in a test becomes
        `Unknown`, since a diagnosis must not end a training.
        """
        if name not in self.made:
            self.made[name] = self._make(TRIALS[name], name)
        return self.made[name]

    def _make(self, test: Test, name: str) -> Trial | Unknown:
        if self._subject is None:
            return Unknown(why="the network or its pictures are not at hand")
        try:
            with allowed(self._seconds):
                return test(self._setting, self._subject)
        except _FAILURES as error:
            first = (str(error) or type(error).__name__).splitlines()[0]
            return Unknown(why=f"the test {name} could not be made: {first}")


class Spared(Trials):
    """The tests of a case in which nothing more is tested: only what was made already is known."""

    def __init__(self, trials: Trials, why: str) -> None:
        self.made = trials.made
        self._why = why

    def make(self, name: str) -> Trial | Unknown:
        """Return the outcome of a test that was made, or why it is not made."""
        return self.made.get(name, Unknown(why=self._why))
