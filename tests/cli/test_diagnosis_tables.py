"""A diagnosis on the terminal."""

import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from hubel.cli.diagnosis_tables import diagnosis_parts
from hubel.results import Treatment, Unchecked

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from sample_diagnosis import cause, diagnosis


def printed(one, width=100, *, verbose=False):
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        for part in diagnosis_parts(one, verbose=verbose):
            console.print(part, soft_wrap=bool(getattr(part, "no_wrap", False)))
    return capture.get()


def test_everything_is_said_once_in_its_order():
    text = printed(diagnosis())
    places = [
        text.index(words)
        for words in (
            "after 200 steps",
            "First: set the learning rate",
            "The training did not end",
            "1.  error",
            "2.  warning",
            "Try",
            "hubel train digits --lr 0.003",
            "Treatment: helped",
            "Observations",
            "The loss swings.",
            "2 symptoms were looked for and not found; --verbose",
            "2 symptoms could not be looked for",
            "too few steps",
        )
    ]
    assert places == sorted(places)
    assert "shows whether it helps" not in text
    assert "values from -1.2 to 2.8" not in text
    assert "95% interval +61.0 to +92.0" in " ".join(text.split())


def test_before_a_treatment_the_way_to_it_is_shown():
    text = printed(replace(diagnosis(subject="my runs/1"), treatment=None))
    assert "hubel diagnose 'my runs/1' --treat  shows whether it helps" in text
    untrained = printed(replace(diagnosis(), treatment=None, step=0))
    assert "--treat" not in untrained


def test_a_command_is_never_broken():
    one = diagnosis()
    long = replace(one.prescriptions[0], command="hubel train digits" + " --augment safe" * 9)
    text = printed(replace(one, prescriptions=(long,)), width=40)
    assert f"  {long.command}\n" in text


def test_verbose_shows_what_is_healthy():
    assert "values from -1.2 to 2.8" in printed(diagnosis(), verbose=True)


def test_many_reasons_are_cut_unless_verbose():
    many = tuple(Unchecked(id=f"a/{n}", why=f"reason {n}") for n in range(20))
    short = printed(diagnosis(unchecked=many))
    assert "and 8 more reasons: --verbose" in short
    assert "reason 19" not in short
    assert "reason 19" in printed(diagnosis(unchecked=many), verbose=True)


def test_many_places_are_counted():
    where = tuple(f"layer{n}" for n in range(9))
    text = printed(diagnosis(causes=(cause("unit/dead", where=where),)))
    assert "layer3 and 5 more" in text


def test_nothing_wrong_is_short():
    text = printed(
        diagnosis(
            causes=(), prescriptions=(), observations=(), healthy=(), unchecked=(), notes=(),
            treatment=None, verdict="Nothing was found to be wrong.", subject="r",
        )
    )  # fmt: skip
    assert text.split("\n")[1] == "Nothing was found to be wrong."
    assert "symptom" not in text


def test_a_treatment_that_does_harm_says_so():
    worse = Treatment(
        options={"--lr": "1"}, pairs=3, before=(0.9,), after=(0.1,), gain=-0.8, low=-0.9,
        high=-0.7, seconds=9.0, verdict="made it worse",
    )  # fmt: skip
    text = printed(replace(diagnosis(), treatment=worse))
    assert "Treatment: made it worse" in text
    assert "-80.0 points" in text


def test_a_treatment_that_is_not_settled_names_what_would_tell_more():
    unsettled = replace(diagnosis().treatment, verdict="no difference seen", high=0.17)
    text = printed(replace(diagnosis(), treatment=unsettled))
    assert "A gain is not ruled out; 6 pairs tell more: --pairs 6." in text
    assert "--pairs" not in printed(diagnosis()), "what helped is settled"


def test_every_treatment_is_told_and_the_one_that_helped_is_tried_next():
    one = diagnosis()
    failed = replace(one.treatment, verdict="no difference seen", options={"--clip": "1"})
    helped = replace(one.treatment, command="hubel train digits --lr 0.004")
    text = printed(replace(one, treatment=helped, attempts=(failed, helped)))
    assert text.index("Treatment: no difference seen") < text.index("Treatment: helped")
    assert "  hubel train digits --lr 0.004\n" in text
    assert "hubel train digits --lr 0.003" not in text
    nothing = printed(replace(one, treatment=replace(failed, options={"--lr": "0.003"})))
    assert "\nTry\n" not in nothing


def test_before_a_training_one_line_says_that_much_shows_only_in_it():
    before = replace(diagnosis(), step=0)
    text = printed(before)
    assert "2 symptoms could not be looked for before a training; --verbose tells why" in text
    assert "too few steps" not in text
    assert "too few steps" in printed(before, verbose=True)
