"""Results as tables: what is not defined, and what a rule withholds."""

from __future__ import annotations

import io
import math

from rich.console import Console

from hubel.cli.tables import classes_table, nothing_answered
from hubel.results import Calibrated, ClassScore


def calibrated(threshold: float) -> Calibrated:
    return Calibrated(
        temperature=1.0,
        unknown_threshold=threshold,
        wanted_error=0.05,
        label_thresholds=(),
        fitted_on="val",
        pictures=31,
        model_digest="",
    )


def test_a_precision_of_no_answers_is_a_dash() -> None:
    score = ClassScore(
        name="fish",
        precision=math.nan,
        recall=0.25,
        f1=0.0,
        support=4,
        average_precision=math.nan,
        threshold=math.nan,
    )
    text = io.StringIO()
    Console(file=text, width=80).print(classes_table([score]))
    assert "nan" not in text.getvalue()
    assert "–" in text.getvalue()
    assert "25.0%" in text.getvalue()


def test_a_rule_that_withholds_every_answer_says_so() -> None:
    assert nothing_answered(None) == ""
    assert nothing_answered(calibrated(0.9)) == ""
    sentence = nothing_answered(calibrated(2.0))
    assert "31 validation pictures are too few" in sentence
    assert "error rate of 5%" in sentence
