"""Overfitting, by the course of the validation loss and the gap between the accuracies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import EvaluationRow
from hubel.diagnosis.symptom import Reading, Sign, Unknown, Well
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.marks import share_error
from hubel.diagnosis.trials.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rise:
    """The validation loss since its minimum."""

    best: EvaluationRow
    last: EvaluationRow
    rise: float
    """Least of the last evaluations' losses over the minimum, less 1."""
    errors: float
    """The same in standard errors of a mean over the validation pictures."""
    training_fell: float
    """Share that the loss of training has lost since the minimum."""


def validation_differs(case: Case) -> str | None:
    """Return how the validation is of another kind than the training; None where it is not known.

    Its pictures are made otherwise, its labels mean something else, or they change from read to
    read: then a gap between the splits says nothing of what is learned by heart.
    """
    shift = case.trials.make("data-shift")
    if isinstance(shift, Trial) and (shift.measured["proven"] or shift.measured["far"]):
        return shift.evidence
    for name in ("data-validation-labels", "data-variation"):
        trial = case.trials.make(name)
        if isinstance(trial, Trial) and not trial.healthy:
            return trial.evidence
    return None


def find_overfitting(case: Case) -> Reading:
    """A validation loss that rises while that of training falls, where accuracy is lost to it."""
    rows = [
        row
        for row in case.record.evaluations
        if (row.split, row.mode) == ("val", "eval") and math.isfinite(row.loss)
    ]
    need = int(threshold("fit/overfitting.evaluations"))
    if len(rows) < need + 1:
        return Unknown(why=f"{len(rows)} evaluations on validation; {need + 1} are needed")
    rise = _rise(case, rows, need)
    words = (
        f"validation loss {rise.best.loss:.4g} at update {rise.best.step}, {rise.last.loss:.4g} at "
        f"update {rise.last.step}"
    )
    measured = {"rise": rise.rise, "training_fell": rise.training_fell}
    least = threshold("fit/overfitting.rise")
    if rise.rise < least or not rise.training_fell > 0.1:
        return Well(evidence=words, measured=measured)
    rise = _with_errors(case, rise)
    measured["errors"] = rise.errors
    if not rise.errors > threshold("fit/overfitting.errors"):
        return Well(evidence=f"{words}: {rise.errors:.1f} standard errors", measured=measured)
    if math.isnan(rise.last.accuracy):
        return _sign(words, measured, confirmed=rise.rise > 1, gap=math.nan)
    return _by_accuracy(case, rows, rise, words, measured)


def _rise(case: Case, rows: list[EvaluationRow], need: int) -> _Rise:
    best = min(rows, key=lambda row: row.loss)
    after = [row for row in rows if row.step > best.step]
    lasting = min((row.loss for row in after[-need:]), default=best.loss)
    near = [row.loss for row in case.record.steps if row.step <= best.step]
    near = near[-max(len(case.record.steps) // 10, 1) :]
    late = [row.loss for row in case.record.steps[-len(near) :]] if near else []
    fell = 1 - sum(late) / sum(near) if near and sum(near) > 0 else math.nan
    return _Rise(
        best=best,
        last=rows[-1],
        rise=lasting / best.loss - 1 if len(after) >= need and best.loss > 0 else 0.0,
        errors=math.nan,
        training_fell=fell,
    )


def _with_errors(case: Case, rise: _Rise) -> _Rise:
    """Set the rise against the spread of the losses over pictures, measured where that can be.

    Else the losses are taken to spread by 1.5 times their mean, as those of a network that is
    certain and seldom wrong do.
    """
    held = case.trials.make("held-out")
    if isinstance(held, Trial) and held.measured.get("val_number", 0) > 1:
        one = held.measured["val_loss_error"] * math.sqrt(held.measured["val_number"])
    else:
        one = 1.5 * rise.last.loss
    error = one / math.sqrt(max(rise.last.pictures, 1))
    return replace(rise, errors=rise.rise * rise.best.loss / max(error, 1e-12))


def _by_accuracy(
    case: Case, rows: list[EvaluationRow], rise: _Rise, words: str, measured: dict[str, float]
) -> Reading:
    """An alarm only where accuracy was lost, or the gap is so wide that much is known by heart."""
    held = case.trials.make("held-out")
    train = case.harm.train_accuracy
    if isinstance(held, Trial):
        train = held.measured["train_accuracy"]
    last = sum(row.accuracy for row in rows[-3:]) / len(rows[-3:])
    best = max(row.accuracy for row in rows)
    number = rise.last.pictures
    error = math.hypot(share_error(last, number), share_error(best, number))
    gap = train - last
    lost = best - last
    measured |= {"gap": gap, "lost": lost, "error": error}
    bar = threshold("fit/overfitting.errors")
    apart = gap > max(threshold("fit/overfitting.gap"), bar * error)
    fallen = lost > max(threshold("fit/overfitting.lost"), (2 if apart else 3) * error)
    if not (apart or fallen):
        return Well(
            evidence=f"{words}; but accuracy {train:.1%} in training, {last:.1%} in validation",
            measured=measured,
        )
    wide = gap > threshold("fit/overfitting.wide") + bar * error
    confirmed = wide or fallen
    if confirmed and (differs := validation_differs(case)):
        confirmed, words = False, f"{words}; but {differs}"
    return _sign(words, measured, confirmed=confirmed, gap=gap)


def _sign(words: str, measured: dict[str, float], *, confirmed: bool, gap: float) -> Sign:
    more = "" if math.isnan(gap) else f"; accuracy {gap * 100:.0f} points below that of training"
    return Sign(
        what="The network overfits: its validation loss rises while that of training falls.",
        evidence=words + more,
        confidence=0.8 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured,
    )
