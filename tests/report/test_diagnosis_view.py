"""The section about the diagnosis on the page of a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hubel.report.diagnosis_view import diagnosis_view
from hubel.report.page import render_run
from hubel.results import Course
from hubel.results.files import write_json

sys.path.insert(0, str(Path(__file__).parent))

from sample_diagnosis import NAN_COURSES, cause, courses, diagnosis


@pytest.fixture
def page(samples, parse, tmp_path):
    """Renders the page of a run with this diagnosis."""

    def made(one):
        run = samples.classification(tmp_path / "run")
        write_json(run.stage_file("diagnosis"), one)
        return parse(render_run(run))

    return made


def test_the_page_shows_causes_in_their_order_with_what_to_do(page):
    shown = page(diagnosis())
    text = shown.text
    first, second = text.index("1. The learning rate is far"), text.index("2. 81% of the channels")
    assert first < second
    for words in (
        "This is very likely (93%)",
        "93% sure",
        "certain",
        "(limit: 0.1)",
        "Set the learning rate to 0.003 (now 0.3).",
        "hubel train digits --lr 0.003",
        "Helped: over 3 pairs of trainings with and without --lr 0.003",
        "(2 passes, against 8 without it), the validation score changed",
        "by +76.7 points, 95% interval +61.0 to +92.0",
        "Out of the ordinary, but no harm was seen",
        "Looked for and not found (2)",
        "labels/noise and fit/overfitting",
        "The training did not end; this is how far it came.",
    ):
        assert words in text, words
    assert shown.requests() == []


def test_what_stands_between_backticks_is_set_as_code(page):
    rule = cause(
        "design/check", threshold="a finding of `check`", remedy="Do as `hubel <b> check` says."
    )
    html = page(diagnosis(causes=(rule,))).html
    assert "a finding of <code>check</code>" in html
    assert "Do as <code>hubel &lt;b&gt; check</code> says." in html


def test_all_five_plots_are_there_and_speak(page):
    html = page(diagnosis()).html
    for title in (
        "Loss",
        "Length of the updates",
        "Gradient by layer",
        "Units out of use",
        "Waiting for pictures",
    ):
        assert f"<b>{title}.</b>" in html
    assert "layer 4" in html
    assert "step 200" in html
    assert "at first: 1.00×10^−9" in html


def test_without_a_diagnosis_the_command_is_named(samples, parse, tmp_path):
    run = samples.classification(tmp_path / "run")
    text = parse(render_run(run)).text
    assert "The doctor was not asked yet." in text
    assert f"hubel diagnose {run.path}" in text


def test_a_healthy_training_has_no_list_of_causes(page):
    shown = page(
        diagnosis(
            causes=(), prescriptions=(), observations=(), treatment=None, courses=None, notes=(),
            verdict="Nothing was found to be wrong.",
        )
    )  # fmt: skip
    text = shown.text
    assert "Nothing was found to be wrong." in text
    assert "The evidence" not in text
    assert "Treatment" not in text
    assert "Out of the ordinary" not in text


def test_what_others_name_is_inert(page):
    evil = "<script>alert(1)</script>"
    shown = page(diagnosis(verdict=evil, causes=(cause(evil, what=evil, where=(evil,)),)))
    assert evil not in shown.html.replace(shown.scripts()[0], "")
    assert evil in shown.text


def test_lines_without_a_finite_value_are_left_out():
    view = diagnosis_view(diagnosis(courses=NAN_COURSES))
    assert view.figures == ()
    assert view.layers is None
    few = replace(courses(), ratios=courses().ratios[:2])
    captions = [one.caption for one in diagnosis_view(diagnosis(courses=few)).figures]
    assert "First: stem.conv.weight, last: body.4.conv.weight." in captions[1]
    gone = replace(courses(), ratios=(Course(name="w", steps=(), values=()),))
    assert len(diagnosis_view(diagnosis(courses=gone)).figures) == 4


def test_a_cause_without_a_prescription_shows_its_remedy_and_few_places():
    where = tuple(f"layer{number}" for number in range(30))
    view = diagnosis_view(diagnosis(prescriptions=(), causes=(cause("unit/dead", where=where),)))
    assert view.causes[0].remedies == ("Lower the learning rate.",)
    assert view.causes[0].names.endswith("layer11 and 18 more")
    assert view.causes[0].command == ""


def test_every_treatment_stands_on_the_page_with_the_command_that_helped(page):
    one = diagnosis()
    failed = replace(one.treatment, verdict="no difference seen", options={"--clip": "1"})
    helped = replace(one.treatment, command="hubel train digits --lr 0.004")
    text = page(replace(one, treatment=helped, attempts=(failed, helped))).text
    assert text.index("No difference seen: over 3 pairs") < text.index("Helped: over 3 pairs")
    assert text.count("6 pairs tell more: --pairs 6.") == 1, "what helped is settled"
    assert text.count("hubel train digits --lr 0.004") == 1
    view = diagnosis_view(replace(one, treatment=replace(helped, verdict="no difference seen")))
    assert [command for _, command in view.treatments] == [""]
