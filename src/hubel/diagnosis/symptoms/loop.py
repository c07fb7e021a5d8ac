"""The training loop: steps, gradients, modes, clipping. Schedulers stand in `scheduling`."""

from __future__ import annotations

from typing import Final

from torch import nn

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.questions import event, holders, module_of, some
from hubel.diagnosis.evidence.setting import ModuleFact
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_ORDER: Final = (
    "Call optimizer.zero_grad(), then loss.backward(), then optimizer.step(), in this order."
)
_NO_UPDATE: Final = "no update of the weights was seen"


def _not_stepping(case: Case) -> Reading:
    done = len(case.record.steps)
    unused = event(case.record, events.CLEARED_WITHOUT_STEP)
    if done and unused is not None:
        return Sign(
            what="Most gradients are cleared before optimizer.step() uses them: the weights are "
            "updated for a few of the batches only.",
            evidence=f"the gradients of {unused} were cleared unused, {done} updates",
            confidence=1.0,
            confirmed=True,
        )
    if done:
        return Well(evidence=f"{done} updates of the weights")
    detail = event(case.record, events.BACKWARD_WITHOUT_STEP)
    if detail is None:
        return Unknown(why="neither an update of the weights nor a lack of them was seen")
    return Sign(
        what="The weights were never updated: loss.backward() is called, optimizer.step() is not.",
        evidence=f"{detail}, no update",
        confidence=1.0,
        confirmed=True,
    )


def _left_over(case: Case) -> Reading:
    steps = case.record.steps[1:]
    if not steps:
        return Unknown(why="fewer than two updates of the weights were seen")
    left = sum(row.left_over for row in steps)
    measured = {"share": left / len(steps)}
    if not left:
        return Well(
            evidence=f"no gradients of an earlier update in {len(steps)} updates", measured=measured
        )
    outside = [one for one in case.setting.parameters if one.trainable and one.group is None]
    if outside:
        return Unknown(
            why="gradients were left over, perhaps of weights that the optimizer does not have "
            f"({some(holders(outside))})"
        )
    always = measured["share"] >= threshold("loop/gradients-left-over.share")
    return Sign(
        what="Gradients of earlier batches are added to those of each new one: they are not set "
        "to zero after an update.",
        evidence=f"at {left} of {len(steps)} updates the gradients before were still there",
        confidence=1.0 if always else 0.5,
        confirmed=always,
        measured=measured,
    )


def _step_before_backward(case: Case) -> Reading:
    record = case.record
    if not record.steps:
        return Unknown(why=_NO_UPDATE)
    empty = event(record, events.STEP_WITHOUT_GRADIENT)
    early = event(record, events.STEP_BEFORE_BACKWARD)
    without = sum(row.backwards == 0 for row in record.steps)
    measured = {"share": without / len(record.steps)}
    trained = any(one.trainable and one.group is not None for one in case.setting.parameters)
    if empty is not None and trained:
        return Sign(
            what="The optimizer steps when there are no gradients: they are cleared, or not yet "
            "computed, when optimizer.step() comes.",
            evidence=f"updates without any gradient: {empty}",
            confidence=1.0,
            confirmed=True,
            measured=measured,
        )
    if early is not None or measured["share"] >= threshold("loop/step-before-backward.share"):
        suffers = case.harm.suffers
        return Sign(
            what="The optimizer steps before the backward pass: each update uses the gradients of "
            "the batch before.",
            evidence=early or f"{without} of {len(record.steps)} updates had no backward pass",
            confidence=0.9,
            confirmed=suffers,
            measured=measured,
        )
    return Well(
        evidence=f"a backward pass before each of {len(record.steps)} updates", measured=measured
    )


def acts_by_mode(module: ModuleFact) -> bool:
    """Return whether a module does something else in training than in evaluation."""
    if "Dropout" in module.kind or module.kind in {"DropPath", "StochasticDepth"}:
        return module.details.get("p", 1.0) > 0
    return "BatchNorm" in module.kind and module.details.get("track_running_stats", 1.0) > 0


def _is_frozen(case: Case, module: ModuleFact) -> bool:
    """Return whether a module's weights, or all weights before a dropout, are kept as they are."""
    own = [one for one in case.setting.parameters if module_of(case.setting, one) is module]
    if own:
        return not any(one.trainable for one in own)
    if "BatchNorm" in module.kind:
        return False
    paths = [one.path for one in case.setting.modules]
    before = set(paths[: paths.index(module.path)])
    return not any(
        one.trainable and one.name.rpartition(".")[0] in before for one in case.setting.parameters
    )


def _eval_mode(case: Case) -> Reading:
    steps = case.record.steps
    if not steps:
        return Unknown(why=_NO_UPDATE)
    still = [row.step for row in steps if not row.training]
    measured = {"share": len(still) / len(steps)}
    if not still:
        return Well(evidence=f"{len(steps)} updates in training mode", measured=measured)
    modules = [one for one in case.setting.modules if acts_by_mode(one)]
    touched = [one for one in modules if not _is_frozen(case, one)]
    if not touched:
        return Well(
            evidence="evaluation mode, but no trained module acts otherwise in training",
            measured=measured,
        )
    first = steps[0].training
    forgotten = first and measured["share"] >= threshold("loop/eval-mode.share")
    fresh = not first and _statistics_untouched(case)
    paths = tuple(one.path for one in touched)
    return Sign(
        what="The network is trained in evaluation mode"
        + (" from its first evaluation on" if forgotten else "")
        + ": batch normalisation keeps its old statistics, and dropout does nothing.",
        evidence=f"{len(still)} of {len(steps)} updates in evaluation mode, the first at "
        f"{still[0]}; it matters to {some(paths)}"
        + ("; the running statistics were never measured" if fresh else ""),
        where=paths,
        confidence=1.0 if forgotten or fresh else 0.7,
        confirmed=forgotten or fresh or case.harm.suffers,
        measured=measured,
    )


def _statistics_untouched(case: Case) -> bool:
    """Return whether running statistics are still those that a new layer has."""
    if case.subject is None:
        return False
    norms = [
        one
        for one in case.subject.network().modules()
        if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
        and one.num_batches_tracked is not None
    ]
    return bool(norms) and all(
        int(one.num_batches_tracked or 0) == 0
        and one.running_mean is not None
        and not bool(one.running_mean.any())
        for one in norms
    )


def _evaluation_in_train_mode(case: Case) -> Reading:
    rows = [row for row in case.record.evaluations if row.split == "val"]
    well = {row.step for row in rows if row.mode == "eval"}
    wrong = sorted({row.step for row in rows if row.mode == "train"} - well)
    if not rows:
        return Unknown(why="no evaluation on validation pictures was seen")
    modules = [one.path for one in case.setting.modules if acts_by_mode(one)]
    if not wrong or not modules:
        return Well(
            evidence=f"{len(well)} evaluations in evaluation mode" if well else "no module minds"
        )
    return Sign(
        what="Validation pictures are evaluated in training mode: dropout drops, and batch "
        "normalisation normalises by the validation batch and learns its statistics.",
        evidence=f"{len(wrong)} evaluations in training mode, the first after update {wrong[0]}; "
        f"it matters to {some(modules)}",
        where=tuple(modules),
        confidence=1.0,
        confirmed=True,
    )


def _clipping_order(case: Case) -> Reading:
    detail = event(case.record, events.CLIP_BEFORE_UNSCALE)
    if detail is not None:
        return Sign(
            what="Gradients are clipped before the scale of the gradient scaler is taken out: all "
            "that is left of them is a tiny number.",
            evidence=detail,
            confidence=1.0,
            confirmed=True,
        )
    if not case.record.steps:
        return Unknown(why=_NO_UPDATE)
    return Well(evidence=f"no clipping of scaled gradients; precision {case.setting.precision}")


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="loop/not-stepping",
        meaning="Gradients are computed, and the optimizer never updates the weights.",
        tier=0,
        statistic="updates of the weights after backward passes",
        threshold="none at all",
        severity="error",
        remedy="Call optimizer.step() after loss.backward().",
        source="hubel",
        find=_not_stepping,
    ),
    Symptom(
        id="loop/gradients-left-over",
        meaning="Gradients are not set to zero after an update, and add up over all batches.",
        tier=0,
        statistic="share of updates whose first backward met the gradients of the last update",
        threshold="half of them",
        severity="error",
        remedy="Call optimizer.zero_grad() after each optimizer.step(), or before the first "
        "loss.backward() of the next update.",
        source="hubel",
        find=_left_over,
    ),
    Symptom(
        id="loop/step-before-backward",
        meaning="The optimizer steps before the backward pass that makes its gradients.",
        tier=0,
        statistic="share of updates without a gradient, or before their backward",
        threshold="half of them",
        severity="error",
        remedy=_ORDER,
        source="hubel",
        find=_step_before_backward,
    ),
    Symptom(
        id="loop/eval-mode",
        meaning="The network is in evaluation mode while it is trained.",
        tier=0,
        statistic="share of updates in evaluation mode; modules that mind and are trained",
        threshold="half of them, after a first one in training mode; or running statistics that "
        "were never measured; or harm",
        severity="error",
        remedy="Call model.train() before each pass over the training data, after the evaluation "
        "of the last one.",
        source="hubel",
        find=_eval_mode,
    ),
    Symptom(
        id="loop/evaluation-in-train-mode",
        meaning="The network is in training mode while it is evaluated.",
        tier=0,
        statistic="evaluations on validation in training mode",
        threshold="one, where some module acts otherwise in training",
        severity="warning",
        remedy="Call model.eval() before the evaluation, and model.train() after it.",
        source="hubel",
        find=_evaluation_in_train_mode,
    ),
    Symptom(
        id="loop/clipping-order",
        meaning="Gradients are clipped while a gradient scaler still holds them scaled up.",
        tier=0,
        statistic="calls that clip between backward and unscale_",
        threshold="one",
        severity="error",
        remedy="Call scaler.unscale_(optimizer) before torch.nn.utils.clip_grad_norm_(...).",
        source="hubel",
        find=_clipping_order,
    ),
)
