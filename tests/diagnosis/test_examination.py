"""The examination: all rules, one diagnosis."""

from dataclasses import replace
from types import MappingProxyType

from tests.diagnosis.facts_cases import OfNetwork
from torch import nn

from hubel.diagnosis import examination
from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import BatchRow, EvaluationRow, Event, Record, StepRow
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.trials.trial import Trial


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


def poor(val: float = 0.5, train: float = 0.9) -> Case:
    """A training that learnt, ended, and stays below a simple classifier."""
    steps = [
        StepRow(step=n, pass_number=1, loss=2.3 * 0.99**n, lr=0.1, pictures=32, accuracy=train)
        for n in range(1, 201)
    ]
    row = EvaluationRow(
        step=200, pass_number=1, split="val", mode="eval", loss=1.0, accuracy=val, pictures=500
    )
    labels = BatchRow(
        step=1, split="train", shape=(100, 1, 8, 8), dtype="float32", low=0, high=1, mean=(0.0,),
        std=(1.0,), labels=tuple(range(10)) * 10,
    )  # fmt: skip
    case = Case(
        Setting(origin="loop", task="classification", outputs=10, classes=10, planned_steps=200),
        Record(steps=steps, evaluations=[row], batches=[labels]),
    )
    measured = {"accuracy": 0.8, "standard_error": 0.01, "chance": 0.1, "number": 300.0}
    case.trials.made["reference"] = Trial(
        name="reference", healthy=True, evidence="", measured=measured
    )
    return case


def test_a_training_below_a_simple_classifier_is_never_well():
    found = examination.examine(poor())
    assert [one.id for one in found.causes] == ["fit/below-simple"]
    assert found.causes[0].confidence <= 0.4
    assert not examination.examine(poor(val=0.78)).causes


def test_a_training_at_chance_is_never_well_though_a_simple_classifier_is_no_better():
    case = poor(val=0.1, train=0.1)
    measured = {"accuracy": 0.11, "standard_error": 0.01, "chance": 0.1, "number": 300.0}
    case.trials.made["reference"] = Trial(
        name="reference", healthy=True, evidence="", measured=measured
    )
    (cause, *_) = examination.examine(case).causes
    assert cause.id == "fit/below-simple"
    assert cause.what == "The network reaches 10%, and the most frequent class alone 10%."


def test_the_likeliest_sign_explains_it_where_nothing_is_confirmed(monkeypatch):
    sign = Sign(what="It is so.", evidence="seen", confidence=0.6, confirmed=False)
    seeing = {"loss/wrong-kind": replace(SYMPTOMS["loss/wrong-kind"], find=lambda _: sign)}
    monkeypatch.setattr(examination, "SYMPTOMS", MappingProxyType({**SYMPTOMS, **seeing}))
    found = examination.examine(poor())
    assert [(one.id, one.confidence) for one in found.causes] == [("loss/wrong-kind", 0.4)]
    assert "validation 50.0%" in found.causes[0].evidence
    assert "fit/below-simple" in {one.id for one in found.observations}
    assert "loss/wrong-kind" not in {one.id for one in found.observations}
    assert not examination.examine(poor(val=0.9)).causes
