"""The examination: all rules, one diagnosis."""

from dataclasses import replace
from types import MappingProxyType

from hubel.diagnosis import examination
from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
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
