"""`hubel diagnose` before a training: its parts, its pictures and its rates are looked at."""

import math

import pytest
from tests.workflows.doctor.invented import UNKNOWN, WELL, install, sign, symptom

import hubel
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials import table as trials_table
from hubel.diagnosis.trials.trial import Trial
from hubel.errors import SourceError, UsageError
from hubel.workflows import diagnose as home


def test_a_training_that_has_not_begun(builders, tmp_path, monkeypatch):
    source = builders.write_folder(tmp_path / "own", 12, 0)
    cases = []

    def look(case):
        cases.append(case)
        return sign()

    def rates(setting, subject):
        samples = subject.samples("train", 5)
        assert samples.inputs.shape == (5, 1, 8, 8)
        subject.optimizer(subject.fresh() or subject.network(), 2.0)
        measured = {"current_lr": 9.0, "best_lr": 0.06, "low_edge": 0.01, "high_edge": 0.9}
        return Trial(name="rate-range", healthy=False, evidence="from .01 to .9", measured=measured)

    install(
        monkeypatch,
        symptom("data/range", look),
        symptom("rate/too-high", UNKNOWN),
        symptom("rate/too-low", UNKNOWN),
        symptom("fit/ignores-input", UNKNOWN),
    )
    tests = {"rate-range": rates, "zeroed-input": lambda *_: Unknown(why="no")}
    monkeypatch.setattr(trials_table, "TRIALS", tests)
    monkeypatch.setattr(home, "TRIALS", tests)
    found = hubel.diagnose(source, model="hubelnet", model_arguments=["width=4"], lr=9.0, batch=8)
    assert [one.id for one in found.causes] == ["data/range", "rate/too-high"]
    assert found.causes[1].evidence == "from .01 to .9"
    assert [one.id for one in found.healthy] == ["rate/too-low"]
    assert [one.id for one in found.unchecked] == ["fit/ignores-input"]
    assert found.notes == (home.NOT_TRAINED,)
    assert found.step == 0
    assert found.courses is None
    case = cases[0]
    assert (case.setting.classes, case.setting.batch) == (3, 8)
    assert math.isfinite(case.record.initial_loss)
    assert {row.split for row in case.record.batches} == {"train", "val"}
    assert case.record.units
    # The default of muon for batches of 8 (0.014 / 4) is below the range, the best rate in it.
    assert found.prescriptions[1].command == (
        f"hubel train {source} --model-arguments width=4 --batch 8 --lr 0.06"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]
    quiet = hubel.diagnose(source, model_arguments=["width=4"], trials=False)
    assert [one.id for one in quiet.causes] == ["data/range"]
    assert len(quiet.unchecked) == 3


def test_a_source_without_labels(builders, tmp_path):
    source = builders.write_folder(tmp_path / "own", 4, 0) / "top"
    with pytest.raises(SourceError, match="no labels to learn"):
        hubel.diagnose(source)


def test_a_model_that_is_none(builders, tmp_path):
    source = builders.write_folder(tmp_path / "own", 4, 0)
    with pytest.raises(UsageError, match="lenet5"):
        hubel.diagnose(source, model="lenet55")


def test_treating_what_was_not_trained(tmp_path):
    with pytest.raises(UsageError, match="--treat retrains a run, and digits is none: train first"):
        hubel.diagnose("digits", treat=True)


def test_the_trial_time_reaches_the_tests(builders, tmp_path, monkeypatch):
    source = builders.write_folder(tmp_path / "own", 12, 0)
    told = []

    def look(case):
        told.append(case.trials.make("one-batch"))
        return WELL

    install(monkeypatch, symptom("data/range", look))
    hubel.diagnose(source, model_arguments=["width=4"], trial_time="0.001s")
    assert "over 0.001 s, the trial time" in told[0].why
