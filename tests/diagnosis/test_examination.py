"""The examination: all rules, one diagnosis."""

from dataclasses import replace
from types import MappingProxyType

from tests.diagnosis.facts_cases import OfNetwork
from torch import nn

from hubel.diagnosis import examination
from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import Event, Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Unknown, Well
from hubel.diagnosis.table import SYMPTOMS


def failing(case: Case):
    raise ZeroDivisionError("division by zero\nin a rule")


def test_a_rule_that_fails_ends_nothing(monkeypatch):
    case = Case(Setting(origin="loop", task="classification"), Record())
    whole = examination.examine(case)
    broken = {**SYMPTOMS, "loss/initial": replace(SYMPTOMS["loss/initial"], find=failing)}
    monkeypatch.setattr(examination, "SYMPTOMS", MappingProxyType(broken))
    found = examination.examine(case)
    why = {one.id: one.why for one in found.unchecked}
    assert why["loss/initial"] == "its rule failed (ZeroDivisionError: division by zero)"
    others = [{one.id for one in each.unchecked} - {"loss/initial"} for each in (whole, found)]
    assert others[0] == others[1]
    assert not any("its rule failed" in one.why for one in whole.unchecked)


def test_silenced_symptoms_are_nowhere():
    case = Case(Setting(origin="loop", task="classification"), Record())
    found = examination.examine(case, silence=("loss/initial",))
    parts = (found.causes, found.observations, found.healthy, found.unchecked)
    assert "loss/initial" not in {one.id for part in parts for one in part}


def asked(symptom, case: Case) -> list[str]:
    """Return what the rule of a symptom finds when all are asked: the tests that it asks for."""
    found = examination.examine(case)
    return [one.why for one in found.unchecked if one.id == symptom]


def ask(case: Case):
    """A rule that asks for a test."""
    trial = case.trials.make("wide-statistics")
    return trial if isinstance(trial, Unknown) else Well(evidence=trial.evidence)


def test_what_a_certain_fault_brings_about_is_read_but_not_tested(monkeypatch):
    asking = {
        name: replace(SYMPTOMS[name], find=ask) for name in ("fit/underfitting", "data/leakage")
    }
    monkeypatch.setattr(examination, "SYMPTOMS", MappingProxyType({**SYMPTOMS, **asking}))
    never = Record(events=[Event(step=1, kind=events.BACKWARD_WITHOUT_STEP, detail="30")])
    setting = Setting(origin="loop", task="classification", outputs=4, classes=4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))

    def why(record: Record, name: str) -> str:
        found = examination.examine(Case(setting, record, OfNetwork(network)))
        return next(one.why for one in found.unchecked if one.id == name)

    spared = "it is not tested, since loop/not-stepping brings it about"
    assert why(never, "fit/underfitting") == spared
    assert why(never, "data/leakage") != spared
    assert why(Record(), "fit/underfitting") != spared


def test_a_test_that_was_made_is_known_where_no_more_are_made():
    case = Case(Setting(origin="loop", task="classification"), Record())
    case.trials.made["one-batch"] = Unknown(why="made")
    spared = case.sparing("spared")
    assert spared.trials.make("one-batch") == Unknown(why="made")
    assert spared.trials.make("zeroed-input") == Unknown(why="spared")


def test_the_rules_are_told_in_their_order():
    found = examination.examine(Case(Setting(origin="loop", task="classification"), Record()))
    places = [list(SYMPTOMS).index(one.id) for one in found.unchecked]
    assert places == sorted(places)
