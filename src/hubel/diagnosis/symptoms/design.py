"""The network's design, as the rules of `check` read it, where it does harm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean, median
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.questions import outputs_of, size
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.symptoms.fit_overfitting import validation_differs
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.trial import Trial
from hubel.results import Finding

RULES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "design/no-activation": ("check/missing-activation",),
        "design/bottleneck": ("check/bottleneck",),
        "design/early-downsampling": ("check/early-reduction", "check/kernel-larger-than-map"),
        "design/small-field": ("check/field-never-covers",),
        "design/dropout-before-normalisation": ("check/dropout-before-bn",),
        "design/large-head": ("check/heavy-fully-connected",),
        "design/other": (
            *("check/saturating-activations", "check/unmixed-groups", "check/dead-branch"),
            *("check/border-lost", "check/pixels-skipped", "check/even-kernel"),
            *("check/bn-image-to-image", "check/two-softmaxes", "check/input-too-small"),
        ),
    }
)
"""Rules of `check` by the symptom that they are of. Those on the outputs, on unused parameters and
on initial weights have symptoms of their own, which see the training itself."""
_SUREST: Final = 0.6
"""Confidence of a design fault in a training that suffers: others may be to blame."""


def _of_check(symptom: str) -> Callable[[Case], Reading]:
    """Return the rule of a symptom that findings of `check` make."""

    def find(case: Case) -> Reading:
        design = case.design
        if isinstance(design, Unknown):
            return design
        found = [one for one in design.findings if one.id in RULES[symptom]]
        if not found:
            return Well(evidence=f"nothing found by {', '.join(RULES[symptom])}")
        first = found[0]
        if symptom == "design/no-activation" and design.bends == 0:
            first = _linear(first)
        return _judged(case, first)

    return find


def _linear(finding: Finding) -> Finding:
    """Word the case that nothing at all bends."""
    return Finding(
        id=finding.id,
        what="The network has no activation at all: all its layers together are one linear layer.",
        where=finding.where,
        evidence=finding.evidence,
        threshold=finding.threshold,
        severity="error",
        confidence=1.0,
        remedy="Put a ReLU after each layer but the last.",
        source=finding.source,
    )


def _judged(case: Case, finding: Finding) -> Sign:
    """Return the sign of a finding: an alarm where the training suffers from it."""
    certain = finding.severity == "error"
    guilty = finding.severity != "note" and (
        _settles_low(case) or (certain and _learns(case)) or _cannot_learn(case)
    )
    confidence = finding.confidence * _SUREST
    if certain and guilty:
        confidence = min(0.95, finding.confidence)
    return Sign(
        what=finding.what,
        evidence=f"{finding.evidence}; {case.harm.evidence}" if guilty else finding.evidence,
        where=finding.where,
        confidence=confidence,
        confirmed=guilty,
        severity=finding.severity,
        remedy=finding.remedy,
    )


def _cannot_learn(case: Case) -> bool:
    """Return whether a training suffers, and its network fails at 16 pictures at any rate."""
    if not case.harm.suffers:
        return False
    trial = case.trials.make("one-batch")
    bar = threshold("fit/cannot-fit-batch.error")
    return isinstance(trial, Trial) and trial.measured["error_sane"] > bar


def _learns(case: Case) -> bool:
    """Return whether a training suffers, and yet learns something: its loop and rates work."""
    harm = case.harm
    if not harm.suffers or not case.record.steps:
        return False
    return not harm.train_accuracy < harm.chance + threshold("design/harm.above")


def _settles_low(case: Case) -> bool:
    """Return whether a training that learns something ends far below a simple classifier.
    More time would not help it: the loss no longer falls, or the schedule has ended. A network that
    merely was trained for a short time, or starts slowly, does not count.
    """
    harm = case.harm
    known = [one for one in (harm.train_accuracy, harm.val_accuracy) if not math.isnan(one)]
    best = max(known, default=math.nan)
    low = harm.reference - best >= threshold("design/harm.below")
    losses = [row.loss for row in case.record.steps if math.isfinite(row.loss)]
    quarter = len(losses) // 4
    if not (_learns(case) and low and quarter >= threshold("design/harm.updates")):
        return False
    before, last = fmean(losses[-2 * quarter : -quarter]), fmean(losses[-quarter:])
    rates = [row.lr for row in case.record.steps]
    run_out = rates[-1] <= threshold("fit/too-short.rate") * max(rates)
    return run_out or last >= (1 - threshold("design/harm.fall")) * before


def _other(case: Case) -> Reading:
    """Read the remaining rules of `check`, and the eps of normalisation, which they leave alone."""
    large = {
        module.path: module.details["eps"]
        for module in case.setting.modules
        if "Norm" in module.kind and module.details.get("eps", 0.0) >= threshold("design/other.eps")
    }
    if not large:
        return _of_check("design/other")(case)
    largest, suffers = max(large.values()), case.harm.suffers
    return Sign(
        what=f"The eps of {len(large)} normalisation layer{'s' * (len(large) > 1)} is not small "
        "beside a variance of 1: they make signals and gradients fade.",
        evidence=f"eps up to {largest:g}, which divides what has variance 1 by "
        f"{math.sqrt(1 + largest):.2g}; {case.harm.evidence}",
        where=tuple(large),
        confidence=0.9 if suffers else 0.5,
        confirmed=suffers,
        severity="error",
        measured={"eps": largest},
        remedy="Set eps to 1e-5.",
    )


def _large_head(case: Case) -> Reading:
    """Read the note of `check` as a fault where the training learns its pictures by heart."""
    reading = _of_check("design/large-head")(case)
    if not isinstance(reading, Sign):
        return reading
    harm = case.harm
    by_heart = harm.train_accuracy - harm.val_accuracy
    far = harm.reference - harm.val_accuracy > threshold("design/large-head.far")
    guilty = harm.suffers and by_heart >= threshold("design/large-head.gap")
    differs = validation_differs(case) if guilty else None
    guilty = guilty and differs is None and not far
    return Sign(
        what=reading.what,
        evidence=f"{reading.evidence}; accuracy {harm.train_accuracy:.1%} in training, "
        f"{harm.val_accuracy:.1%} in validation" + (f"; but {differs}" if differs else ""),
        where=reading.where,
        confidence=_SUREST if guilty else 0.3,
        confirmed=guilty,
        severity="warning" if guilty else "note",
        measured={"gap": by_heart},
        remedy=reading.remedy,
    )


def _dropout_before(case: Case) -> Reading:
    """Read the rule of `check` as a fault where the running statistics are off, as it says."""
    reading = _of_check("design/dropout-before-normalisation")(case)
    if not isinstance(reading, Sign) or reading.confirmed or not case.record.steps:
        return reading
    trial = case.trials.make("mode-swap")
    if isinstance(trial, Unknown) or not trial.where:
        return reading
    worse = trial.measured["eval_loss"] / max(trial.measured["train_loss"], 1e-12)
    if worse < threshold("design/dropout-before.worse"):
        return reading
    return replace(
        reading,
        evidence=f"{reading.evidence}; {trial.evidence}, dropout off in both",
        confidence=0.8,
        confirmed=True,
        measured={"worse": worse},
    )


def _pointwise_only(case: Case) -> Reading:
    design = case.design
    if isinstance(design, Unknown):
        return design
    words = f"{design.spatial} of {design.convolutions} convolutions look beyond one pixel"
    if design.convolutions < 2 or design.spatial:
        return Well(evidence=words)
    suffers = _settles_low(case)
    if design.flattens and not suffers:
        return Well(evidence=f"{words}; a fully-connected layer reads whole maps")
    sure = 0.7 if design.flattens else 0.9
    return Sign(
        what="All convolutions are 1×1: each place is judged alone"
        + ("." if design.flattens else ", and the answer is an average over single pixels."),
        evidence=f"{words}; {case.harm.evidence}",
        confidence=sure if suffers else 0.5,
        confirmed=suffers,
        remedy="Use kernels of 3×3 in some of the convolutions.",
    )


def _capacity(case: Case) -> Reading:
    """Look for too few channels, where a healthy descent ends below a simple classifier."""
    design, width = case.design, outputs_of(case.setting)
    if isinstance(design, Unknown):
        return design
    classes = case.setting.classes or width
    if not classes or not design.widest:
        return Unknown(why="the classes or the hidden layers are not known")
    weights = sum(map(size, case.setting.parameters))
    measured = {"widest": float(design.widest), "weights": float(weights)}
    words = f"{design.widest} channels in the widest hidden layer, {weights:,} weights, "
    words += f"{classes} classes"
    narrow = design.widest < threshold("design/capacity.width") * classes
    few = weights < threshold("design/capacity.parameters") * classes
    if not (narrow or few):
        return Well(evidence=words, measured=measured)
    below = _below(case)
    return Sign(
        what="The network is too narrow for its task: it has fewer channels than there are classes."
        if narrow
        else "The network has too few weights for its task.",
        evidence=f"{words}; {case.harm.evidence}",
        confidence=0.8 if below else 0.3,
        confirmed=below,
        severity=None if below else "note",
        measured=measured,
        remedy=f"Widen the hidden layers to a few times {classes} channels.",
    )


def _below(case: Case) -> bool:
    """Return whether the training pictures themselves are not learned, at a rate that is well."""
    harm = case.harm
    pictures = sum(
        row.pictures for row in case.record.steps[-max(len(case.record.steps) // 10, 1) :]
    )
    error = math.sqrt(max(harm.reference * (1 - harm.reference), 0.0) / max(pictures, 1))
    errors = threshold("design/capacity.errors")
    if not harm.train_accuracy < harm.reference - errors * error:
        return False
    ratios = [row.mean_ratio for row in case.record.weights if math.isfinite(row.mean_ratio)]
    low, high = threshold("design/capacity.slow"), threshold("design/capacity.fast")
    return bool(ratios) and low <= median(ratios) <= high


_JUDGED: Final = (
    "a finding of `check`, in a training that learns and settles 0.15 below a simple classifier; "
    "for errors, that suffers"
)
_STATISTIC: Final = "the rules of `check` on the network, at the size of the pictures"

SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="design/no-activation",
        meaning="Layers follow one another without an activation: together they are one layer.",
        tier=1,
        statistic=_STATISTIC,
        threshold=_JUDGED,
        severity="warning",
        remedy="Put an activation between them.",
        source="hubel",
        find=_of_check("design/no-activation"),
    ),
    Symptom(
        id="design/bottleneck",
        meaning="All that the network knows passes through a few numbers.",
        tier=1,
        statistic=_STATISTIC,
        threshold=_JUDGED,
        severity="warning",
        remedy="Widen the narrow layer, or lead a connection around it.",
        source="szegedy2016rethinking",
        find=_of_check("design/bottleneck"),
    ),
    Symptom(
        id="design/pointwise-only",
        meaning="No convolution looks beyond one pixel.",
        tier=1,
        statistic="kernels of the convolutions; whether a fully-connected layer reads whole maps",
        threshold="all 1×1, two or more, in a training that settles 0.15 below a simple classifier",
        severity="warning",
        remedy="Use kernels of 3×3.",
        source="hubel",
        find=_pointwise_only,
    ),
    Symptom(
        id="design/early-downsampling",
        meaning="The maps become small within the first layers.",
        tier=1,
        statistic=_STATISTIC,
        threshold=_JUDGED,
        severity="warning",
        remedy="Move strides and poolings to later layers.",
        source="iandola2016squeezenet",
        find=_of_check("design/early-downsampling"),
    ),
    Symptom(
        id="design/small-field",
        meaning="No unit sees the picture as a whole.",
        tier=1,
        statistic=_STATISTIC,
        threshold=_JUDGED,
        severity="warning",
        remedy="Add layers, reductions or dilation.",
        source="araujo2019computing",
        find=_of_check("design/small-field"),
    ),
    Symptom(
        id="design/capacity",
        meaning="The network is too small for its task.",
        tier=1,
        statistic="channels of the widest hidden layer and weights, beside the classes; accuracy "
        "in training beside a simple classifier's",
        threshold="fewer channels than classes, or 20 weights a class; accuracy in training 2 "
        "standard errors below the simple one's, at relative updates between 1e-4 and 0.1",
        severity="warning",
        remedy="Widen the layers.",
        source="hubel",
        find=_capacity,
    ),
    Symptom(
        id="design/dropout-before-normalisation",
        meaning="Dropout before batch normalisation: the variance in training is another one than "
        "in evaluation.",
        tier=1,
        statistic=_STATISTIC + "; loss of the same pictures in evaluation over that in training",
        threshold=f"{_JUDGED}; or running statistics have drifted, and the loss is "
        f"{threshold('design/dropout-before.worse'):g} times that with the batches' own",
        severity="warning",
        remedy="Put dropout after the last batch normalisation.",
        source="li2019understanding",
        find=_dropout_before,
    ),
    Symptom(
        id="design/large-head",
        meaning="Fully-connected layers hold most of the weights, and learn pictures by heart.",
        tier=1,
        statistic=_STATISTIC + "; accuracy in training less accuracy in validation",
        threshold="half of the weights; a gap of 0.2, in a training that suffers",
        severity="warning",
        remedy="Average each map over the picture before one last layer.",
        source="lin2014network",
        find=_large_head,
    ),
    Symptom(
        id="design/other",
        meaning="Another rule of `check` finds a fault of the design, or normalisation has a large "
        "eps.",
        tier=1,
        statistic=_STATISTIC + "; eps of the normalisation layers",
        threshold=f"{_JUDGED}; eps of {threshold('design/other.eps'):g} in a training that suffers",
        severity="warning",
        remedy="Do what the rule of `check` says.",
        source="hubel",
        find=_other,
    ),
)
