"""`hubel diagnose`: runs, trainings that have not begun, and wrong inputs."""

import json
import math
from dataclasses import replace

import pytest
import torch
from tests.workflows.doctor.invented import UNKNOWN, WELL, install, sign, symptom

import hubel
from hubel.cli.main import run as command_line
from hubel.diagnosis.evidence.record import Record, StepRow
from hubel.diagnosis.evidence.setting import Setting
from hubel.errors import RunError, UsageError
from hubel.results import Run, Treatment
from hubel.results.files import write_json
from hubel.workflows import diagnose as home
from hubel.workflows.doctor.telemetry import write_record


def steps(number=20, loss=2.0):
    return [
        StepRow(step=step, pass_number=1, loss=loss, lr=0.3, pictures=8, took_s=1.0, waited_s=0.25)
        for step in range(1, number + 1)
    ]


def setting(**options):
    return Setting(
        origin="hubel", task="classification",
        options={"lr": 0.3, "optimizer": "adam", "batch": 128, "warmup": 0.2, **options},
    )  # fmt: skip


@pytest.fixture
def watched(classifier):
    """A finished run with telemetry and the options that it was made with."""
    run = classifier.run
    write_record(run, Record(steps=steps()), setting())
    run.options_file.write_text(f'source = "{classifier.source}"\nlr = 0.3\nepochs = 2\n')
    return run


TOO_HIGH = symptom("rate/too-high", sign())


def test_a_run_gets_its_causes_commands_file_and_page(watched, monkeypatch):
    install(
        monkeypatch,
        TOO_HIGH,
        symptom("unit/dead", sign(what="Half of the units are off.")),
        symptom("loss/oscillation", sign(confirmed=False)),
        symptom("data/range", WELL),
        symptom("labels/noise", UNKNOWN),
    )
    told = []
    found = hubel.diagnose(watched, progress=lambda *words: told.append(words))
    assert [cause.id for cause in found.causes] == ["rate/too-high", "unit/dead"]
    assert [one.id for one in found.observations] == ["loss/oscillation"]
    assert [one.id for one in found.healthy] == ["data/range"]
    assert [(one.id, one.why) for one in found.unchecked] == [("labels/noise", UNKNOWN.why)]
    source = json.dumps(str(watched.path.parent / "own")).strip('"')
    assert found.prescriptions[0].command == (f"hubel train {source} --epochs 2 --lr 0.003")
    assert found.subject == str(watched.path)
    assert found.step == 20
    assert watched.diagnosis() == found
    assert "The learning rate is too high." in watched.report_file.read_text("utf-8")
    assert told[0] == ("rate/too-high", 0, 5)
    assert told[-1][0] == "labels/noise"
    assert found.provenance.seed == 3


def test_what_was_measured_comes_along_for_the_plots(watched, monkeypatch):
    install(monkeypatch, TOO_HIGH)
    courses = hubel.diagnose(str(watched.path)).courses
    assert courses.loss.steps == tuple(range(1, 21))
    assert set(courses.loss.values) == {2.0}
    assert set(courses.waiting.values) == {0.25}
    assert courses.ratios == courses.layers == courses.units == ()


TRIED = Treatment(
    options={"--lr": "0.003"}, pairs=2, before=(0.1, 0.1), after=(0.9, 0.9), gain=0.8, low=0.7,
    high=0.9, seconds=3.0, verdict="helped",
)  # fmt: skip


def test_what_was_tried_outlives_a_later_diagnosis(watched, monkeypatch):
    install(monkeypatch, TOO_HIGH)
    first = hubel.diagnose(watched)
    write_json(watched.stage_file("diagnosis"), replace(first, treatment=TRIED, attempts=(TRIED,)))
    later = hubel.diagnose(watched)
    assert later.treatment == TRIED
    assert watched.diagnosis().attempts == (TRIED,)
    assert "Helped: over 2 pairs" in watched.report_file.read_text("utf-8")
    # Trained on since, it is another run.
    write_record(watched, Record(steps=steps(30)), setting())
    assert hubel.diagnose(watched).tried == ()


def test_a_damaged_diagnosis_is_written_anew(watched, monkeypatch):
    install(monkeypatch, TOO_HIGH)
    watched.stage_file("diagnosis").write_text("{")
    assert hubel.diagnose(watched) == watched.diagnosis()


def test_silenced_symptoms_are_not_looked_for(watched, monkeypatch):
    install(monkeypatch, TOO_HIGH, symptom("data/range", WELL))
    found = hubel.diagnose(watched, silence=["rate/too-high"])
    assert found.causes == ()
    assert found.verdict.startswith(
        "Nothing was found to be wrong, but whether it goes well is not known after 20 updates."
    )


def test_tests_get_the_network_and_its_absence_is_noted(watched, monkeypatch):
    seen = []

    def look(case):
        seen.append(case.subject)
        return WELL

    install(monkeypatch, symptom("data/range", look))
    # The plan of this run says too little to build its network again.
    found = hubel.diagnose(watched)
    assert found.notes[0].startswith("No active tests were made: plan.json is damaged")

    class Patient:
        missing = "the pictures are gone"

    patient = Patient()
    monkeypatch.setattr(home, "subject_of", lambda run, **_: patient)
    found = hubel.diagnose(watched)
    assert found.notes == ("Tests that need the pictures were not made: the pictures are gone",)
    assert seen == [None, patient]
    hubel.diagnose(watched, trials=False)
    assert seen[-1] is None


def test_a_training_that_did_not_end_is_diagnosed_as_far_as_it_came(watched, monkeypatch):
    watched.weights_file.unlink()
    install(monkeypatch, TOO_HIGH)
    found = hubel.diagnose(watched, trials=False)
    assert found.notes == ("The training did not end; this is how far it came.",)
    assert found.causes


def test_losses_that_are_not_finite_do_not_break_it(watched, monkeypatch):
    write_record(watched, Record(steps=[*steps(5), *steps(5, math.nan)]), setting())
    install(monkeypatch, TOO_HIGH)
    assert hubel.diagnose(watched, trials=False).causes


TREATMENT = Treatment(
    options={"--lr": "0.003"}, pairs=3, before=(0.1,), after=(0.9,), gain=0.8, low=0.7, high=0.9,
    seconds=1.0, verdict="helped",
)  # fmt: skip


def test_a_treatment_is_kept_with_the_diagnosis(watched, monkeypatch):
    from dataclasses import replace

    from hubel.results.files import write_json

    asked = {}

    def treat(run, diagnosis, *, watcher, **options):
        asked.update(options)
        watcher.said("It helped.")
        write_json(run.stage_file("diagnosis"), replace(diagnosis, treatment=TREATMENT))
        return TREATMENT

    install(monkeypatch, TOO_HIGH)
    monkeypatch.setattr(home, "treat", treat)
    said = []
    found = hubel.diagnose(
        watched, treat=True, trials=False, pairs=2, budget="90s", seed=7, said=said.append
    )
    assert found.treatment == TREATMENT == watched.diagnosis().treatment
    assert said == ["It helped."]
    assert asked == {
        "pairs": 2, "budget": 90.0, "seed": 7, "source": None, "trust_code": False
    }  # fmt: skip
    assert "95% interval" in watched.report_file.read_text("utf-8")


def test_what_no_option_cures_is_not_treated(watched, monkeypatch):
    monkeypatch.setattr(home, "treat", lambda *_, **__: pytest.fail("there is nothing to try"))
    install(monkeypatch, symptom("labels/shuffled", sign()))
    found = hubel.diagnose(watched, treat=True, trials=False)
    assert found.treatment is None
    assert "Nothing was tried" in found.notes[-1]


def test_no_such_run_and_no_such_source(tmp_path):
    with pytest.raises(UsageError, match=r"neither a run nor a source of pictures '.*nothing'"):
        hubel.diagnose(tmp_path / "nothing")


def test_a_run_that_has_no_telemetry(classifier):
    with pytest.raises(RunError, match=r"trained without the doctor. Train again .*hubel train"):
        hubel.diagnose(classifier.run)


def test_a_run_that_was_stopped_too_early(classifier):
    classifier.run.weights_file.unlink()
    with pytest.raises(RunError, match=r"holds no telemetry yet: .* hubel train --resume"):
        hubel.diagnose(classifier.run)


def test_a_run_that_has_not_begun(tmp_path):
    run = Run(tmp_path / "run")
    run.path.mkdir()
    run.options_file.write_text('source = "digits"\n')
    with pytest.raises(RunError, match="holds no plan yet"):
        hubel.diagnose(run.path)


def test_a_symptom_that_is_none(watched, monkeypatch):
    install(monkeypatch, TOO_HIGH)
    with pytest.raises(UsageError, match=r"no symptom 'rate/to-high': did you mean rate/too-high"):
        hubel.diagnose(watched, silence=["rate/to-high"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", "lenet5"), ("lr", 0.1), ("augment", ["none"]), ("model_arguments", ["width=4"])],
)
def test_options_of_a_training_to_come_do_not_fit_a_run(watched, name, value):
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(UsageError, match=f"{flag} says how a training will be, but .* is a run"):
        hubel.diagnose(watched, **{name: value})


@pytest.mark.parametrize("option", ["budget", "trial_time"])
def test_a_time_that_is_none(watched, option):
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} takes a time"):
        hubel.diagnose(watched, **{option: "soon"})


def test_tests_have_the_threads_of_the_training(watched, monkeypatch):
    told = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)

    def look(case):
        told.append(case)
        return WELL

    install(monkeypatch, symptom("data/range", look))
    hubel.diagnose(watched)
    assert (told[0], told[2]) == (1, torch.get_num_threads())


def test_the_command_line_prints_and_ends_with_1_for_an_error(watched, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "70")
    install(monkeypatch, TOO_HIGH, symptom("data/range", WELL), symptom("labels/noise", UNKNOWN))
    assert command_line(["diagnose", str(watched.path), "--no-trials"]) == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert "too high. This is very likely (90%). First: set the learning" in " ".join(out.split())
    assert any(line.startswith("  hubel train ") and line.endswith("--lr 0.003") for line in lines)
    assert any(line.endswith("--treat  shows whether it helps") for line in lines)
    assert "1 symptom was looked for and not found; --verbose shows them" in out
    assert UNKNOWN.why in out
    assert str(watched.report_file) in out.replace("\n", "")
    assert command_line(["diagnose", str(watched.path), "--no-trials", "--verbose"]) == 1
    assert WELL.evidence in capsys.readouterr().out


def test_warnings_do_not_fail_and_json_is_one_document(watched, monkeypatch, capsys):
    install(monkeypatch, symptom("rate/too-high", sign(), severity="warning"))
    assert command_line(["diagnose", str(watched.path), "--no-trials", "--json"]) == 0
    streams = capsys.readouterr()
    document = json.loads(streams.out)
    assert document["causes"][0]["id"] == "rate/too-high"
    assert document["prescriptions"][0]["options"] == {"--lr": "0.003"}
    assert "The learning rate is too high." in streams.err


def test_the_list_of_symptoms(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    install(monkeypatch, TOO_HIGH, symptom("data/range", WELL))
    assert command_line(["diagnose", "--list"]) == 0
    out = capsys.readouterr().out
    for text in ("rate/too-high", "What data/range means.", "a / b", "above 0.1", "telemetry"):
        assert text in out
    assert command_line(["diagnose", "--list", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in entries] == ["rate/too-high", "data/range"]
    assert "unit/dead" in entries[0]["brings_about"]
    assert set(entries[0]) == {
        *("id", "meaning", "tier", "statistic", "threshold", "severity", "remedy", "source"),
        "brings_about",
    }


def test_nothing_to_diagnose_is_named(capsys):
    assert command_line(["diagnose"]) == 2
    assert "diagnose needs a RUN" in capsys.readouterr().err


def test_nothing_to_treat_is_one_sentence(watched, monkeypatch):
    install(monkeypatch, symptom("data/range", WELL))
    watched.options_file.write_text('source = "digits"\nepochs = 2\nseed = 7\n')
    found = hubel.diagnose(watched, treat=True)
    assert found.notes[-1] == (
        "Nothing was tried: no cause was found, and how it learns is hubel's own choice."
    )
    assert watched.diagnosis().notes == found.notes


def test_without_a_cause_what_the_user_set_is_set_beside_hubels_own_choice(watched, monkeypatch):
    install(monkeypatch, symptom("data/range", WELL))
    asked = []
    monkeypatch.setattr(home, "treat", lambda run, diagnosis, **_: asked.append(diagnosis))
    found = hubel.diagnose(watched, treat=True)
    assert [one.causes for one in asked] == [()]
    assert not any("Nothing was tried" in note for note in found.notes)


def test_a_run_without_the_doctor_is_trained_again_with_it(watched):
    watched.stage_file("telemetry").unlink()
    watched.options_file.write_text('source = "digits"\nlr = 0.3\ndoctor = false\n')
    with pytest.raises(RunError) as caught:
        hubel.diagnose(watched)
    assert str(caught.value).endswith("hubel train digits --lr 0.3")


def test_too_few_pairs_are_refused_before_anything_is_looked_at(watched):
    with pytest.raises(UsageError, match="needs 2 pairs of retrains or more, not 1"):
        hubel.diagnose(watched, treat=True, pairs=1)
    assert watched.diagnosis() is None
