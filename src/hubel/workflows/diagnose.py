"""What is wrong with a training, and what to change; the public function `diagnose`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, final

from hubel.data.source import Source
from hubel.diagnosis.brings_about import BRINGS_ABOUT
from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.examination import examine
from hubel.diagnosis.knobs import EDGES, RANGE_TEST
from hubel.diagnosis.symptom import Reading, Sign, Well
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.trials.table import TRIALS
from hubel.diagnosis.trials.trial import Trial
from hubel.errors import HubelError, RunError, UsageError, look_up
from hubel.options import DiagnoseOptions, TrainOptions
from hubel.options.gathering import gather_options
from hubel.results import Diagnosis, Prescription, Run, SymptomEntry
from hubel.results.files import write_json
from hubel.training.duration import parse_duration
from hubel.training.hardware.limits import usable_threads
from hubel.training.inference import arithmetic_threads
from hubel.training.provenance import provenance
from hubel.workflows.doctor.beforehand import Beforehand, beforehand
from hubel.workflows.doctor.changing import changed, command_of
from hubel.workflows.doctor.patient import subject_of
from hubel.workflows.doctor.telemetry import Telemetry, read_telemetry
from hubel.workflows.doctor.treat import check_numbers, own_choice, treat
from hubel.workflows.keeping import kept_options
from hubel.workflows.own_pictures import planned
from hubel.workflows.report import write_report
from hubel.workflows.watching import Watcher

Progress = Callable[[str, int, int], None]
"""Told what is done now, how much of it is done, and how much there is of it."""

Said = Callable[[str], None]

TRIED_BEFORE: Final = ("one-batch", "zeroed-input", "rate-range")
"""Active tests that a training which has not begun is put to, whatever is suspected."""
NOT_TRAINED: Final = (
    "Nothing was trained yet: whether it learns, overfits, diverges or is slow shows in the "
    "training, which the doctor watches."
)
_TRIAL_CONFIDENCE: Final = 0.9
_BEFORE: Final = ("model", "model_arguments", "size", "recipe", "optimizer", "lr", "batch",
                  "augment")  # fmt: skip
"""Options that say how a training will be; a run has them already."""


def diagnose(
    subject: Run | str | Path | Source,
    *,
    options: DiagnoseOptions | None = None,
    progress: Progress | None = None,
    said: Said | None = None,
    **settings: Any,
) -> Diagnosis:
    """Return what is wrong with a training, the root cause first, and what to change.

    `subject` is a run of `hubel train`, finished or not, or a source of pictures; then what would
    be trained on it is looked at, before its first step. `settings` are the fields of
    `hubel.options.DiagnoseOptions`, or `options` holds them all. In a run it writes
    `diagnosis.json` and the report anew; nothing else of the run changes. `progress` is told what
    is done now, `said` what a treatment finds, a sentence each.

    Errors: UsageError for a subject that is neither, and for options and symptoms that do not
    exist; RunError for a run that is damaged or that the doctor did not watch; before a training,
    those of `hubel train`.
    """
    options = gather_options(DiagnoseOptions, options, settings)
    for name in options.silence:
        look_up(SYMPTOMS, name, "symptom")
    check_numbers(options.pairs, 1.0, _seconds(options))
    trial_s = parse_duration(options.trial_time, "--trial-time")
    run = _run_of(subject)
    if run is not None:
        _refuse_for_run(run, options)
        return _of_run(run, options, progress, said or _silent, trial_s)
    assert not isinstance(subject, Run), "a Run is a run"
    if options.treat:
        raise UsageError(
            f"--treat retrains a run, and {_name(subject)} is none: train first, with hubel train "
            f"{_name(subject)}."
        )
    return _of_source(subject, options, progress, trial_s)


def _silent(_: str) -> None:
    """Say nothing."""


def symptoms() -> tuple[SymptomEntry, ...]:
    """Return every symptom that is looked for: what it means, its statistic, threshold, source."""
    return tuple(
        SymptomEntry(
            id=one.id,
            meaning=one.meaning,
            tier=one.tier,
            statistic=one.statistic,
            threshold=one.threshold,
            severity=one.severity,
            remedy=one.remedy,
            source=one.source,
            brings_about=BRINGS_ABOUT.get(one.id, ()),
        )
        for one in SYMPTOMS.values()
    )


def _name(subject: str | Path | Source) -> str:
    return subject.name if isinstance(subject, Source) else str(subject)


def _run_of(subject: Run | str | Path | Source) -> Run | None:
    """Return the run that is meant; None for a source of pictures.

    Errors: UsageError where there is neither.
    """
    if isinstance(subject, Run | Source):
        return Run.open(subject.path) if isinstance(subject, Run) else None
    run = Run(Path(subject))
    if run.plan_file.is_file() or run.options_file.is_file():
        return Run.open(run.path)
    if not run.path.expanduser().exists() and str(subject) != "digits":
        raise UsageError(
            f"There is neither a run nor a source of pictures {str(subject)!r}: name the folder "
            "that hubel train has made, or the pictures that you want to train on."
        )
    return None


def _refuse_for_run(run: Run, options: DiagnoseOptions) -> None:
    """Raise UsageError for options that say how a training will be, beside one that was."""
    default = DiagnoseOptions()
    for name in _BEFORE:
        if getattr(options, name) != getattr(default, name):
            raise UsageError(
                f"--{name.replace('_', '-')} says how a training will be, but {run.path} is a run, "
                "whose plan says it: leave it out, or name the source of the pictures."
            )


def _of_run(
    run: Run, options: DiagnoseOptions, progress: Progress | None, said: Said, trial_s: float
) -> Diagnosis:
    telemetry = _telemetry(run)
    notes: list[str] = []
    if not run.finished:
        notes.append("The training did not end; this is how far it came.")
    patient = _patient(run, options, notes) if options.trials else None
    case = Case(
        telemetry.setting,
        telemetry.record,
        patient,
        with_trials=options.trials,
        trial_s=trial_s,
    )
    # As many threads as the training has found to be fastest: short tests of small networks wait
    # for each other on more.
    with arithmetic_threads(min(planned(run, "threads"), usable_threads())):
        diagnosis = examine(
            case,
            silence=options.silence,
            progress=progress,
            provenance=provenance(
                seed=planned(run, "seed"), data_digest=_data_digest(run), model_digest=""
            ),
        )
    again = _again(run)
    diagnosis = replace(
        diagnosis,
        subject=str(run.path),
        notes=tuple(notes),
        prescriptions=tuple(_with_command(one, *again) for one in diagnosis.prescriptions),
    )
    diagnosis = _with_treatments(run, diagnosis)
    write_json(run.stage_file("diagnosis"), diagnosis)
    if options.treat:
        diagnosis = _treated(run, diagnosis, options, said)
        write_json(run.stage_file("diagnosis"), diagnosis)
    write_report(run)
    return diagnosis


def _with_treatments(run: Run, diagnosis: Diagnosis) -> Diagnosis:
    """Return a diagnosis with what was tried for the run before, unless it has trained on since."""
    try:
        before = run.diagnosis()
    except RunError:
        return diagnosis  # What is damaged is written anew.
    if before is None or before.step != diagnosis.step:
        return diagnosis
    return replace(diagnosis, treatment=before.treatment, attempts=before.attempts)


def _telemetry(run: Run) -> Telemetry:
    """Return what was measured of a run; RunError where nothing was."""
    telemetry = read_telemetry(run)
    if telemetry is not None:
        return telemetry
    if not run.finished:
        raise RunError(
            f"{run.path} holds no telemetry yet: its training was stopped before the doctor had "
            f"written any. Go on with: hubel train --resume {run.path}"
        )
    source, options = _again(run)
    watched = replace(options, doctor=True)
    raise RunError(
        f"{run.path} holds no telemetry.json: it was trained without the doctor. Train again to "
        f"diagnose it: {command_of(source, watched)}"
    )


def _patient(run: Run, options: DiagnoseOptions, notes: list[str]) -> Subject | None:
    """Return network and pictures for active tests; where they cannot be had, note why."""
    try:
        patient = subject_of(run, source=options.source, trust_code=options.trust_code)
    except HubelError as error:
        notes.append(f"No active tests were made: {error}")
        return None
    if patient.missing:
        notes.append(f"Tests that need the pictures were not made: {patient.missing}")
    return patient


def _treated(run: Run, diagnosis: Diagnosis, options: DiagnoseOptions, said: Said) -> Diagnosis:
    """Try the prescriptions, or hubel's own choice; where there is nothing to try, note that."""
    if diagnosis.causes and not any(one.options for one in diagnosis.prescriptions):
        note = "Nothing was tried: what is prescribed is a change of code or data, not of options."
        return replace(diagnosis, notes=(*diagnosis.notes, note))
    if not diagnosis.causes and own_choice(run) is None:
        note = "Nothing was tried: no cause was found, and how it learns is hubel's own choice."
        return replace(diagnosis, notes=(*diagnosis.notes, note))
    treat(
        run,
        diagnosis,
        pairs=options.pairs,
        budget=_seconds(options),
        seed=options.seed,
        source=options.source,
        trust_code=options.trust_code,
        watcher=_Sayer(said),
    )
    return run.diagnosis() or diagnosis


def _seconds(options: DiagnoseOptions) -> float | None:
    return None if options.budget is None else parse_duration(options.budget, "--budget")


@final
class _Sayer(Watcher):
    """Passes on what the treatment says."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def said(self, sentence: str) -> None:
        self._said(sentence)


def _data_digest(run: Run) -> str:
    inspection = run.inspection()
    return "" if inspection is None else inspection.digest


def _again(run: Run) -> tuple[str, TrainOptions]:
    """Return what a run was trained on, and with what."""
    if run.options_file.is_file():
        return kept_options(run, TrainOptions())
    return str(planned(run, "source")), TrainOptions()


def _with_command(prescription: Prescription, source: str, options: TrainOptions) -> Prescription:
    """Return a prescription with the whole command line that follows it."""
    if not prescription.options:
        return prescription
    asked = changed(options, prescription.options)
    if "--epochs" in prescription.options:
        asked = replace(asked, budget=None)
    return replace(prescription, command=command_of(source, asked))


def _of_source(
    source: str | Path | Source,
    options: DiagnoseOptions,
    progress: Progress | None,
    trial_s: float,
) -> Diagnosis:
    def scanning(done: int, total: int) -> None:
        if progress is not None:
            progress("looking at pictures", done, total)

    with beforehand(source, options, scanning) as made:
        case = Case(
            made.setting,
            made.record,
            made.subject,
            with_trials=options.trials,
            trial_s=trial_s,
        )
        known = _tried(case, progress) if options.trials else {}
        diagnosis = examine(
            case,
            silence=options.silence,
            progress=progress,
            known=known,
            provenance=provenance(seed=options.seed or 0, data_digest=made.digest),
        )
    return replace(
        diagnosis,
        subject=made.name,
        notes=tuple(_notes_before(made)),
        prescriptions=tuple(
            _with_command(one, made.source, made.asked) for one in diagnosis.prescriptions
        ),
    )


def _tried(case: Case, progress: Progress | None) -> dict[str, Reading]:
    """Make the tests for which no telemetry is needed; return what they show beyond the rules.

    The rules read the first two by themselves; those of the learning rate want to see steps.
    """
    wanted = [name for name in TRIED_BEFORE if name in TRIALS]
    for done, name in enumerate(wanted):
        if progress is not None:
            progress(name, done, len(wanted))
        case.trials.make(name)
    outcome = case.trials.made.get(RANGE_TEST)
    if not isinstance(outcome, Trial):
        return {}
    now, high = (outcome.measured.get(name, math.nan) for name in ("current_lr", EDGES[1]))
    high_now = not outcome.healthy and now > high
    low_now = not outcome.healthy and not high_now
    return {
        "rate/too-high": _shown(outcome, "The learning rate is too high.", there=high_now),
        "rate/too-low": _shown(outcome, "The learning rate is too low.", there=low_now),
    }


def _shown(outcome: Trial, what: str, *, there: bool) -> Reading:
    """Return what a test shows of one symptom."""
    if not there:
        return Well(evidence=outcome.evidence, measured=outcome.measured)
    return Sign(
        what=what,
        evidence=outcome.evidence,
        confidence=_TRIAL_CONFIDENCE,
        confirmed=True,
        measured=outcome.measured,
    )


def _notes_before(made: Beforehand) -> list[str]:
    notes = [NOT_TRAINED]
    errors = [finding for finding in made.findings if finding.severity == "error"]
    if errors:
        notes.append(f"In the pictures: {errors[0].what} hubel data tells more.")
    return notes
