"""Whether a training suffers: the effect that makes an alarm of a suspicious statistic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from hubel.diagnosis.evidence.record import EvaluationRow, Record, StepRow
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.marks import share_error
from hubel.diagnosis.trials.table import Trials
from hubel.diagnosis.trials.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """How well a training went. NaN where not known."""

    suffers: bool
    """False where that is not known: see `known`."""
    clearly: bool = False
    """Whether it also suffers by a stricter bar, that for signs which sound trainings have too."""
    evidence: str
    """Why, with numbers."""
    train_accuracy: float
    """Of the last tenth of the steps, on the pictures as trained on."""
    val_accuracy: float
    """Of the last evaluation on validation, in evaluation mode; without validation, of training
    pictures in evaluation mode: see `on`. R² where targets are numbers."""
    chance: float
    """Share of the most frequent label."""
    reference: float
    """Accuracy of a simple classifier on the same pictures, held out. R² for numbers."""
    known: bool = True
    """Whether there was enough to judge by. No rule may make an alarm of telemetry without it."""
    train_error: float = math.nan
    """Standard error of `train_accuracy`."""
    val_error: float = math.nan
    reference_error: float = math.nan
    fall: float = math.nan
    """Share of the first loss that the last tenth of the steps has lost."""
    on: Literal["validation", "training"] = "validation"
    """What pictures `val_accuracy` is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The loss of the steps, at both ends."""

    updates: int
    first: float
    last: float
    error: float
    """Standard error of `last`."""
    finite: bool
    climbing: bool
    """Whether the learning rate has not yet been at its largest for a while: a warm-up."""


def judge(setting: Setting, record: Record, trials: Trials) -> Harm:
    """Return the harm of a case; measures the network as it stands where the record cannot say."""
    reference = trials.make("reference")
    if setting.task in ("classification", "unknown") and _validated(record):
        return harm_of(record, reference, setting=setting)
    return harm_of(record, reference, setting=setting, held_out=trials.make("held-out"))


def harm_of(
    record: Record,
    reference: Trial | Unknown,
    *,
    setting: Setting | None = None,
    held_out: Trial | Unknown | None = None,
) -> Harm:
    """Return whether the training suffers, judged with the errors of sampling.

    It suffers where its loss is not finite, or 100 times its start; where nothing was learned:
    neither accuracy is 3 standard errors above chance, or without labels the loss has not fallen;
    where validation fell far below its best; and, once half of the planned updates are done, where
    validation is 2 standard errors below a simple classifier, clearly so at 3. Accuracy of training
    alone never counts against it where validation is known: augmentation, mixup and dropout lower
    it in sound trainings.
    """
    course = _course(record.steps)
    numbers = _numbers(record, reference, setting, held_out, course)
    for ask in (_not_finite, _blown_up, _too_early, _nothing_learned, _fell_back, _below_reference):
        verdict = ask(record, course, numbers, setting)
        if verdict is not None:
            return verdict
    return _closing(numbers, course)


def _course(steps: Sequence[StepRow]) -> _Course:
    number = max(len(steps) // 10, 1)
    head = [row.loss for row in steps[: max(number // 3, min(3, len(steps)))]]
    tail = [row.loss for row in steps[-number:]]
    finite = [loss for loss in tail if math.isfinite(loss)]
    lost = [row.lost for row in steps[-number:]]
    rates = [row.lr for row in steps]
    top = max(rates, default=0.0)
    return _Course(
        updates=len(steps),
        first=_mean([loss for loss in head if math.isfinite(loss)]),
        last=_mean(finite),
        error=_standard_error(finite),
        finite=not steps or (sum(lost) * 2 < len(lost) and not lost[-1]),
        climbing=len(rates) > 1 and rates[-1] >= top and rates[0] < 0.5 * top and rates[-2] < top,
    )


def _numbers(
    record: Record,
    reference: Trial | Unknown,
    setting: Setting | None,
    held_out: Trial | Unknown | None,
    course: _Course,
) -> Harm:
    """Return all that is known, not judged yet."""
    simple = reference.measured if isinstance(reference, Trial) else {}
    held = held_out.measured if isinstance(held_out, Trial) else {}
    tail = record.steps[-max(len(record.steps) // 10, 1) :]
    known = [(row.accuracy, row.pictures) for row in tail if not math.isnan(row.accuracy)]
    pictures = sum(number for _, number in known)
    train = sum(share * number for share, number in known) / pictures if pictures else math.nan
    different = min(pictures, setting.pictures or pictures) if setting else pictures
    validated = _validated(record)
    val, val_error = math.nan, math.nan
    on: Literal["validation", "training"] = "validation"
    if "val_accuracy" in held or "train_accuracy" in held:
        split = "val" if "val_accuracy" in held else "train"
        val, val_error = held[f"{split}_accuracy"], held[f"{split}_error"]
        on = "validation" if split == "val" else "training"
    elif validated:
        val = validated[-1].accuracy
        val_error = share_error(val, validated[-1].pictures)
    floor, floor_error = _floor(simple)
    labels = [label for row in record.batches if row.split == "train" for label in row.labels]
    chance = max(map(labels.count, set(labels))) / len(labels) if labels else math.nan
    return Harm(
        suffers=False,
        evidence="",
        train_accuracy=train,
        val_accuracy=val,
        chance=max(chance, simple.get("chance", chance))
        if labels
        else simple.get("chance", chance),
        reference=floor,
        known=False,
        train_error=share_error(train, different),
        val_error=val_error,
        reference_error=floor_error,
        on=on,
        fall=(course.first - course.last) / abs(course.first) if course.first else math.nan,
    )


def _floor(simple: Mapping[str, float]) -> tuple[float, float]:
    """Return the simple classifier's score and its standard error.

    Where its scores on training and on validation pictures agree within 3 standard errors, both
    count, by their numbers; else that of training, since validation may be what is wrong.
    """
    score, error = simple.get("accuracy", simple.get("r2", math.nan)), simple.get("standard_error")
    error = math.nan if error is None else error
    other, its_error = simple.get("val_accuracy", math.nan), simple.get("val_error", math.nan)
    if not abs(score - other) < 3 * math.hypot(error, its_error):
        return score, error
    share = simple["number"] / (simple["number"] + simple["val_number"])
    both = share * score + (1 - share) * other
    return both, math.hypot(share * error, (1 - share) * its_error)


def _not_finite(
    record: Record, course: _Course, numbers: Harm, setting: Setting | None
) -> Harm | None:
    del record, setting
    return None if course.finite else _judged(numbers, True, "the loss is no finite number")


def _blown_up(
    record: Record, course: _Course, numbers: Harm, setting: Setting | None
) -> Harm | None:
    """Few updates are enough where the loss is many times what guessing and its start cost."""
    guessing = math.log(max((setting and setting.outputs) or 2, 2))
    if course.updates < 5:
        return None
    start = record.steps[0].loss
    if not course.last > threshold("harm.blown-up") * max(abs(start), guessing):
        return None
    return _judged(numbers, True, f"the loss has blown up from {start:.4g} to {course.last:.4g}")


def _too_early(
    record: Record, course: _Course, numbers: Harm, setting: Setting | None
) -> Harm | None:
    del record
    if not course.updates and not math.isnan(numbers.val_accuracy):
        return None
    planned = setting.planned_steps if setting else None
    over = planned is not None and course.updates >= max(planned, 1)
    if course.updates < threshold("harm.updates") and not over:
        return _judged(numbers, None, f"not known after {course.updates} updates")
    return None


def _nothing_learned(
    record: Record, course: _Course, numbers: Harm, setting: Setting | None
) -> Harm | None:
    """Neither accuracy above chance; without accuracies, a loss that has not fallen."""
    shares = [
        (share, error)
        for share, error in (
            (numbers.train_accuracy, numbers.train_error),
            (numbers.val_accuracy, numbers.val_error),
        )
        if not math.isnan(share) and not math.isnan(error)
    ]
    stands = course.last > course.first * (1 - threshold("harm.fall")) if course.first > 0 else None
    if not shares or math.isnan(numbers.chance):
        if stands is None or math.isnan(course.error):
            return None
        if stands and course.last + 2 * course.error > course.first and not course.climbing:
            return _judged(numbers, True, f"the loss has not fallen: {_losses(course)}")
        return None
    bar = threshold("harm.chance-errors")
    learned = any(share > numbers.chance + bar * error for share, error in shares)
    if learned or course.climbing:
        return None
    above = _above_guessing(record, course, setting)
    # A loss that falls at chance is that of a training which has hardly begun, or of one label
    # that most pictures have; then the simple classifier decides. But it does not end far above
    # what answering by chance would cost.
    if stands is False and above is None and not _floor_stands(numbers):
        return None
    costs = "" if above is None else f"; {above}"
    return _judged(numbers, True, f"nothing learned: {_words(numbers)}{costs}")


def _above_guessing(record: Record, course: _Course, setting: Setting | None) -> str | None:
    """Return, in words, that a mean of cross-entropy ends far above that of guessing, ln C.

    By the last updates, with their standard error, or by the last two evaluations on validation.
    """
    loss, outputs = (None, None) if setting is None else (setting.loss, setting.outputs)
    if loss is None or loss.kind != "cross-entropy" or loss.reduction != "mean" or not outputs:
        return None
    guessing = math.log(max(outputs, 2))
    bar = threshold("harm.above-guessing")
    costs = f"guessing costs {guessing:.3g}"
    trained = course.last / max(loss.scale, 1.0)
    if trained - threshold("harm.chance-errors") * course.error > bar * guessing:
        return f"the loss is {trained:.4g}, and {costs}"
    validated = [row.loss for row in _validated(record)[-2:]]
    if len(validated) == 2 and min(validated) > bar * guessing:
        return f"the loss on validation is {validated[-1]:.4g}, and {costs}"
    return None


def _fell_back(
    record: Record, course: _Course, numbers: Harm, setting: Setting | None
) -> Harm | None:
    del course, setting
    shares = [(row.accuracy, row.pictures) for row in _validated(record)]
    if len(shares) < 3:
        return None
    best, last = max(share for share, _ in shares), max(share for share, _ in shares[-2:])
    error = math.hypot(share_error(best, shares[-1][1]), share_error(last, shares[-1][1]))
    if best - last > max(threshold("harm.lost"), 3 * error):
        return _judged(numbers, True, f"validation fell from {best:.1%} to {last:.1%}")
    return None


def _below_reference(
    record: Record, course: _Course, numbers: Harm, setting: Setting | None
) -> Harm | None:
    del record
    if not _floor_stands(numbers):
        return None
    planned = setting.planned_steps if setting else None
    if planned and course.updates < threshold("harm.done") * planned:
        return _judged(numbers, None, f"not known before half of {planned} updates are done")
    reached, error = numbers.val_accuracy, numbers.val_error
    if math.isnan(reached):
        reached, error = numbers.train_accuracy, numbers.train_error
    if math.isnan(reached) or math.isnan(error):
        return None
    error = math.hypot(error, numbers.reference_error)
    behind = numbers.reference - reached
    suffers, clearly = (
        behind > max(threshold(f"harm.{errors}") * error, threshold("harm.margin"))
        for errors in ("errors", "clear-errors")
    )
    return replace(_judged(numbers, suffers, _words(numbers)), clearly=clearly)


def _closing(numbers: Harm, course: _Course) -> Harm:
    """No floor to compare with: judged only where the loss or an accuracy is clear."""
    bar = threshold("harm.chance-errors")
    certain = numbers.chance + 0.15 > numbers.val_accuracy + 2 * numbers.val_error
    at_chance = numbers.val_accuracy < numbers.chance + bar * numbers.val_error
    if certain and at_chance and course.updates >= 100 and not course.climbing:
        return _judged(numbers, True, f"validation stays at chance: {_words(numbers)}")
    if numbers.val_accuracy > numbers.chance + bar * numbers.val_error and numbers.fall > 0.5:
        return _judged(numbers, False, _words(numbers))
    if max(numbers.train_accuracy, -1.0) >= 0.95 and math.isnan(numbers.val_accuracy):
        return _judged(numbers, False, _words(numbers))
    return _judged(numbers, None, f"not known: {_words(numbers)}; {_losses(course)}")


def _floor_stands(numbers: Harm) -> bool:
    """Return whether the simple classifier is above chance, so that it is a floor at all."""
    chance = 0.0 if math.isnan(numbers.chance) else numbers.chance
    return numbers.reference > chance + threshold("harm.chance-errors") * numbers.reference_error


def _judged(numbers: Harm, suffers: bool | None, evidence: str) -> Harm:
    suffering = suffers is True
    return replace(
        numbers,
        suffers=suffering,
        clearly=suffering,
        known=suffers is not None,
        evidence=evidence,
    )


def _validated(record: Record) -> list[EvaluationRow]:
    return [
        row
        for row in record.evaluations
        if (row.split, row.mode) == ("val", "eval") and not math.isnan(row.accuracy)
    ]


_ON: Final = {"validation": "validation", "training": "training in evaluation mode"}


def _words(numbers: Harm) -> str:
    parts = (
        ("training", numbers.train_accuracy, numbers.train_error),
        (_ON[numbers.on], numbers.val_accuracy, numbers.val_error),
        ("chance", numbers.chance, math.nan),
        ("a simple classifier", numbers.reference, numbers.reference_error),
    )
    said = [
        f"{name} {share:.1%}" + ("" if math.isnan(error) else f" ± {error:.1%}")
        for name, share, error in parts
        if not math.isnan(share)
    ]
    return ", ".join(said) or "no accuracy"


def _losses(course: _Course) -> str:
    return f"loss {course.first:.4g} at first, {course.last:.4g} at last"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = _mean(values)
    return math.sqrt(sum((one - mean) ** 2 for one in values) / (len(values) - 1) / len(values))
