"""The verdict in words."""

import math
from dataclasses import replace

import pytest
from tests.diagnosis.cases import finding, hubel_case, trained_record

from hubel.diagnosis.evidence.record import BatchRow, Record
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.wording import sureness, verdict
from hubel.results import Checked, Prescription, Unchecked


def with_accuracy(validated, train=0.3):
    record = trained_record(train, validated)
    if math.isnan(validated):
        record.evaluations.clear()
    case = hubel_case(record)
    case.trials.made["reference"] = Unknown(why="no pictures")
    return case


def test_the_root_comes_with_its_sureness_and_the_first_thing_to_do():
    text = verdict(
        with_accuracy(0.123),
        [finding("rate/too-high", confidence=0.93), finding("unit/dead"), finding("labels/noise")],
        [],
        [],
        (),
        [Prescription(cause="rate/too-high", what="Set the learning rate to 0.1 (now 3).")],
    )
    assert text == (
        "There is rate/too-high. This is very likely (93%). 1 other finding follows from it. "
        "1 more has a cause of its own. The validation accuracy is 12.3%. "
        "First: set the learning rate to 0.1 (now 3)."
    )


def test_certain_causes_and_plurals():
    causes = [finding(name) for name in ("rate/too-high", "unit/dead", "loss/stagnation")]
    assert verdict(with_accuracy(math.nan), causes, [], []) == (
        "There is rate/too-high. This is certain. 2 other findings follow from it. "
        "The training accuracy is 30.0%."
    )
    apart = [finding(name) for name in ("rate/too-high", "labels/noise", "speed/loader-bound")]
    assert "2 more have causes of their own." in verdict(hubel_case(), apart, [], [])


def test_nothing_wrong_says_what_was_checked_and_what_could_not_be():
    case = with_accuracy(0.97)
    case.__dict__["harm"] = replace(case.harm, known=True)
    text = verdict(
        case,
        [],
        [finding("loss/oscillation")],
        [Unchecked(id="a/b", why="c")],
        [Checked(id="unit/dead", evidence="0"), Checked(id="unit/saturated", evidence="0")],
    )
    assert text == (
        "Nothing was found to be wrong. The validation accuracy is 97.0%. "
        "2 symptoms were looked for and not found. 1 observation does no harm that was seen. "
        "1 symptom could not be looked for."
    )


def test_before_the_first_step_no_accuracy_is_claimed():
    assert verdict(hubel_case(Record()), [], [], []) == "Nothing was found to be wrong."


def test_the_accuracy_stands_beside_chance_where_that_is_known():
    record = trained_record(0.3, 0.4)
    record.batches.append(
        BatchRow(step=1, split="train", shape=(4, 1, 8, 8), dtype="float32", low=0.0, high=1.0,
                 mean=(0.5,), std=(0.2,), labels=(0, 0, 0, 1))
    )  # fmt: skip
    case = hubel_case(record)
    case.trials.made["reference"] = Unknown(why="no pictures")
    text = verdict(case, [], [], [])
    assert "40.0%; answering with the most frequent class gives 75.0%." in text


@pytest.mark.parametrize(
    ("confidence", "word"),
    [(1.0, "certain"), (0.99, "very likely"), (0.9, "very likely"), (0.89, "likely"),
     (0.75, "likely"), (0.5, "possible")],
)  # fmt: skip
def test_words_of_confidence(confidence, word):
    assert sureness(confidence) == word


def test_what_does_not_go_well_is_not_called_well():
    case = with_accuracy(0.1)
    case.__dict__["harm"] = replace(case.harm, known=True, suffers=True, evidence="nothing learned")
    assert verdict(case, [], [], []).startswith(
        "The training does not go well, and nothing that explains it was found: nothing learned. "
    )


def test_what_is_not_known_yet_is_not_called_well():
    text = verdict(with_accuracy(0.97), [], [], [])
    assert text.startswith(
        "Nothing was found to be wrong, but whether it goes well is not known after 20 updates. "
    )
