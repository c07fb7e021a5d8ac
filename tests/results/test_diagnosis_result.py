"""What a diagnosis says of itself: as text, and which command is next."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hubel.results import Prescription

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from sample_diagnosis import diagnosis


def other(options, command):
    return Prescription(cause="loss/divergence", what="Clip.", options=options, command=command)


def test_as_text_each_cause_has_its_evidence_and_what_to_do():
    lines = str(diagnosis()).split("\n")
    assert lines[0].startswith("The learning rate is far too high")
    assert lines[1] == ""
    assert lines[2].startswith("1. The learning rate is far too high")
    assert lines[2].endswith("[rate/too-high, error, 93% sure]")
    assert lines[3] == "   mean |update| / mean |weight| is 0.45 over 40 samples"
    assert lines[4] == "   Set the learning rate to 0.003 (now 0.3)."
    assert "[unit/dead, warning, certain]" in lines[6]
    assert "- The loss swings. [loss/oscillation]" in str(diagnosis())
    assert lines[-1] == "The training did not end; this is how far it came."


def test_as_text_a_healthy_training_is_its_verdict():
    one = diagnosis(verdict="Well.", causes=(), prescriptions=(), observations=(), notes=())
    assert str(replace(one, treatment=None)) == "Well."
    assert str(one) == (
        "What was set costs accuracy: --lr 0.003 gained 76.7 points on validation. "
        "No symptom tells why. Well."
    )


@pytest.mark.parametrize("verdict", ["no difference seen", "made it worse"])
def test_what_did_not_help_is_not_recommended(verdict):
    one = diagnosis()
    failed = replace(one.treatment, verdict=verdict)
    assert replace(one, treatment=failed).best_command == ""
    more = other({"--clip": "1"}, "hubel train digits --clip 1")
    untried = replace(one, treatment=failed, prescriptions=(*one.prescriptions, more))
    assert untried.best_command == "hubel train digits --clip 1"


def test_what_helped_is_recommended_before_the_first_prescription():
    one = diagnosis()
    assert replace(one, treatment=None).best_command == "hubel train digits --lr 0.003"
    failed = replace(one.treatment, verdict="no difference seen")
    helped = replace(one.treatment, options={"--clip": "1"}, command="hubel train digits --clip 1")
    both = replace(one, treatment=helped, attempts=(failed, helped))
    assert both.tried == (failed, helped)
    assert both.best_command == "hubel train digits --clip 1"
    assert replace(one, treatment=None).tried == ()
