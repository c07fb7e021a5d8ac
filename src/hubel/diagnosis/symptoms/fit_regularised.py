"""Too much regularisation: dropout, weight decay, smoothing."""

from __future__ import annotations

import math
from statistics import median

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.setting import ModuleFact
from hubel.diagnosis.statistics.layers import layers_of
from hubel.diagnosis.symptom import Reading, Sign, Unknown, Well
from hubel.diagnosis.symptoms.suffering import quiet_about
from hubel.diagnosis.thresholds import threshold


def find_over_regularised(case: Case) -> Reading:
    """Without dropout and weight decay, the same steps fit far better; or labels are smoothed away.

    The first is tested where the training suffers, or weight decay outweighs the gradients.
    """
    quiet = quiet_about(case)
    if case.record.steps and case.harm.known:
        smoothed = _smoothed_away(case)
        if smoothed is not None:
            return smoothed
    if quiet is not None and not (isinstance(quiet, Well) and _outweighs(case)):
        return quiet
    if not case.record.steps:
        return Unknown(why="nothing was trained yet")
    trial = case.trials.make("regularisation-off")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    held, freed = trial.measured["with_accuracy"], trial.measured["without_accuracy"]
    mild = _is_mild(case)
    return Sign(
        what=f"Regularisation holds the training back: {held:.0%} of the training pictures are "
        f"right with dropout and weight decay, {freed:.0%} without.",
        evidence=f"{trial.evidence}; {case.harm.evidence}",
        where=_regularisers(case),
        confidence=0.4 if mild else 0.9,
        confirmed=not mild,
        measured=trial.measured,
    )


def _is_mild(case: Case) -> bool:
    """Return whether dropout and weight decay are known, and too weak to hold a training back.

    They may slow its first updates down, and no more.
    """
    drops = [fact.details.get("p", 1.0) for fact in case.setting.modules if _drops(fact)]
    most = threshold("fit/over-regularised.mild-dropout")
    return (
        bool(drops)
        and max(drops) < most
        and _decay(case) < threshold("fit/over-regularised.mild-decay")
    )


def _drops(fact: ModuleFact) -> bool:
    return "drop" in fact.kind.lower()


def _decay(case: Case) -> float:
    optimizer = case.setting.optimizer
    groups = () if optimizer is None else optimizer.groups
    return max((group.get("weight_decay", 0.0) for group in groups), default=0.0)


def _outweighs(case: Case) -> bool:
    """Return whether λ w was larger than the gradient in most weight matrices, from the beginning.

    Of the first half of the samples: where the loss is down, a sound decay balances the gradients.
    """
    decay = _decay(case)
    layers = [layer.rows[: max(len(layer.rows) // 2, 1)] for layer in layers_of(case)]
    ratios = [
        decay * row.weight / row.gradient for rows in layers for row in rows if row.gradient > 0
    ]
    return bool(ratios) and median(ratios) > threshold("fit/over-regularised.outweighs")


def _smoothed_away(case: Case) -> Sign | None:
    """Return the sign of a loss that hardly tells right answers from wrong ones.

    Targets that are almost the same for all classes keep a cross-entropy near ln C whatever the
    network answers; here many answers are right all the same, and on plain labels the training's
    own optimizer learns quickly.
    """
    harm, loss, classes = case.harm, case.setting.loss, case.setting.classes or 0
    plain = loss is not None and loss.kind == "cross-entropy" and not loss.activations
    if not plain or classes < 2:
        return None
    steps = case.record.steps
    last = [row.loss for row in steps[-max(len(steps) // 10, 1) :]]
    mean, guess = sum(last) / len(last), math.log(classes)
    stands = threshold("fit/over-regularised.stands") * guess < mean < 1.1 * guess
    above = harm.train_accuracy - harm.chance
    if not stands or not above > threshold("fit/over-regularised.above") + 3 * harm.train_error:
        return None
    trial = case.trials.make("one-batch")
    if isinstance(trial, Unknown):
        return None
    if trial.measured["error_own"] > threshold("fit/cannot-fit-batch.error"):
        return None
    return Sign(
        what=f"The loss stays at that of guessing though {harm.train_accuracy:.0%} are right: its "
        "targets are nearly the same for every class.",
        evidence=f"loss {mean:.3g}, ln {classes} = {guess:.3g}; on plain labels {trial.evidence}",
        confidence=0.85,
        confirmed=True,
        measured={"loss": mean, "guess": guess, "above": above},
        remedy="Lower the label smoothing (usual: .1), or the share that mixed labels have of "
        "others.",
    )


def _regularisers(case: Case) -> tuple[str, ...]:
    """Return dropout layers with p of at least .5, and weight decay of at least .01."""
    layers = [
        f"{fact.path} (p = {fact.details['p']:g})"
        for fact in case.setting.modules
        if _drops(fact) and fact.details.get("p", 0) >= 0.5
    ]
    decay = _decay(case)
    return (*layers, f"weight decay {decay:g}") if decay >= 0.01 else tuple(layers)
