"""Every number that a symptom is judged by, in one table, with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number."""

    name: str
    """Id of the symptom, a point, and what is compared: `loss/initial.distance`."""
    value: float
    meaning: str
    source: str
    """Bibliography key; `calibrated` where it was set on the calibration half of the suite."""


_ROWS: Final[tuple[Threshold, ...]] = (
    # loop, weights, loss_form, design
    Threshold(
        "loop/gradients-left-over.share", 0.5, "share of updates that met old gradients", "hubel"
    ),
    Threshold(
        "loop/step-before-backward.share", 0.5, "share of updates without a backward", "hubel"
    ),
    Threshold("loop/eval-mode.share", 0.5, "share of updates in evaluation mode", "hubel"),
    Threshold("loop/rhythm.passes", 2.0, "passes after which a scheduler was stepped", "hubel"),
    Threshold("loop/rhythm.period", 0.9, "passes that a period of the rate has at least", "hubel"),
    Threshold("loop/rhythm.turns", 2.0, "periods after which the rate has swung back", "hubel"),
    Threshold("loop/rhythm.near", 0.1, "relative distance of numbers that mean the same", "hubel"),
    Threshold("loop/rhythm.gone", 0.001, "share of the highest rate that is nearly 0", "hubel"),
    Threshold("loop/rhythm.share", 0.25, "share of the updates at nearly no rate", "hubel"),
    Threshold("weights/not-moving.rows", 3.0, "measured updates of a parameter", "hubel"),
    Threshold(
        "weights/not-moving.rate", 0.01, "share of the highest learning rate that counts", "hubel"
    ),
    Threshold("weights/not-moving.share", 0.9, "share of the parameters with a gradient", "hubel"),
    Threshold(
        "loss/outputs-width.factor", 2.0, "outputs for each class, from which on it is odd", "hubel"
    ),
    Threshold(
        "loss/outputs-width.labels", 20.0, "labels seen for each output, to know them all", "hubel"
    ),
    Threshold(
        "loss/reduction.scale", 0.005, "factor after the mean, smaller than accumulation's", "hubel"
    ),
    Threshold("design/harm.above", 0.05, "accuracy above chance of what learns", "hubel"),
    Threshold("design/harm.below", 0.15, "accuracy below a simple classifier's", "hubel"),
    Threshold("design/harm.updates", 5.0, "updates in a quarter of the training", "hubel"),
    Threshold("design/harm.fall", 0.1, "fall of the loss over the last quarter", "hubel"),
    Threshold(
        "design/large-head.gap", 0.2, "accuracy in training less accuracy in validation", "hubel"
    ),
    Threshold(
        "design/large-head.far",
        0.15,
        "accuracy below a simple one that is no head's fault",
        "hubel",
    ),
    Threshold("design/other.eps", 0.1, "eps of normalisation, beside a variance of 1", "hubel"),
    Threshold("design/capacity.width", 1.0, "channels of the widest layer for each class", "hubel"),
    Threshold(
        "design/capacity.parameters", 20.0, "weights for each output of the network", "hubel"
    ),
    Threshold(
        "design/capacity.errors", 2.0, "standard errors of the accuracy below a simple one", "hubel"
    ),
    Threshold("design/capacity.slow", 1e-4, "mean relative update of weights that learn", "hubel"),
    Threshold("design/capacity.fast", 0.1, "mean relative update that is too fast", "hubel"),
    Threshold(
        "loss/activation-before.range",
        5.0,
        "constant factor from which on a bounded activation leaves room enough for logits",
        "hubel",
    ),
    # effect
    Threshold("effect.updates", 60, "updates below which a course is not called stuck", "hubel"),
    Threshold("effect.pictures", 2000, "pictures below which it is not", "hubel"),
    Threshold("effect.stuck", 0.05, "share of guessing's loss that a stuck course falls", "hubel"),
    Threshold("effect.late", 0.1, "share that the loss of a stuck course falls late", "hubel"),
    Threshold("effect.falling", 6, "standard errors that call a small fall a true one", "hubel"),
    Threshold("effect.poor", 0.5, "share of guessing's loss that a poor course falls", "hubel"),
    Threshold("effect.poor-updates", 100, "updates below which no course is poor", "hubel"),
    Threshold("effect.grown", 2, "times guessing's loss that a diverged course reached", "hubel"),
    Threshold("effect.robust-z", 6, "standard errors of that growth", "hubel"),
    # loss_course
    Threshold("loss/initial.distance", 0.5, "|L₀ − ln C| / ln C that is worth a note", "hubel"),
    Threshold("loss/initial.harmful", 1, "the same, where the training suffers", "hubel"),
    Threshold("loss/initial.extreme", 2, "the same, where the loss is slow to come down", "hubel"),
    Threshold("loss/initial.slow", 0.2, "share of the updates after which it is slow", "hubel"),
    Threshold("loss/oscillation.swing", 5, "noise of the loss · √pictures / loss", "hubel"),
    Threshold("loss/oscillation.switches", 0.5, "share of differences of the other sign", "hubel"),
    Threshold("loss/oscillation.high", 0.25, "share of guessing's loss that is not small", "hubel"),
    Threshold("loss/non-finite.skipped", 0.05, "share of updates that a scaler may skip", "hubel"),
    # gradients
    Threshold("gradient/vanishing.ratio", 1e-3, "‖w‖‖g‖ of first layers over last", "hubel"),
    Threshold("gradient/vanishing.extreme", 1e-5, "the same, where two samples do", "calibrated"),
    Threshold("gradient/vanishing.update", 1e-4, "mean|Δw|/mean|w| of the first layers", "hubel"),
    Threshold("gradient/vanishing.share", 0.6, "share of the samples that must show it", "hubel"),
    Threshold("gradient/exploding.ratio", 70, "growth over time or depth", "hubel"),
    Threshold("gradient/exploding.update", 0.3, "mean|Δw|/mean|w| at its largest", "hubel"),
    # rates
    Threshold("rate/too-high.update", 0.3, "mean|Δw|/mean|w| at its largest", "hubel"),
    Threshold("rate/too-high.overwritten", 1, "the same, where the loss falls poorly", "hubel"),
    Threshold("rate/too-low.update", 2e-4, "mean|Δw|/mean|w| at its largest", "hubel"),
    Threshold("rate/too-low.suspicious", 2e-3, "the same, where a range test is made", "hubel"),
    Threshold("rate/clipped.variation", 1e-3, "std/mean of the clipped gradient's norm", "hubel"),
    Threshold("rate/clipped.update", 1e-3, "mean|Δw|/mean|w| that is held back", "hubel"),
    Threshold("rate/clipped.eps", 10, "eps of the optimizer over the gradient's size", "hubel"),
    Threshold("rate/clipped.eps-clipped", 0.1, "the same, where clipping is at work", "hubel"),
    Threshold("rate/momentum.momentum", 0.99, "momentum, or β₁", "hubel"),
    Threshold("rate/momentum.falling", 3, "standard errors by which the loss still falls", "hubel"),
    Threshold("rate/momentum.memory", 3, "updates that it remembers, over those done", "hubel"),
    Threshold("rate/decay.share", 0.01, "rate over its peak", "hubel"),
    Threshold("rate/decay.early", 0.5, "share of the planned updates", "hubel"),
    # units
    Threshold("unit/dead.share", 0.5, "share of a layer's channels", "hubel"),
    Threshold("unit/saturated.share", 0.5, "share of a layer's units", "hubel"),
    Threshold("unit.probes", 2, "last probes that must show it", "hubel"),
    # initialisation
    Threshold("initialisation/scale.large", 2.2, "weights' rms over √(2/fan-in)", "calibrated"),
    Threshold("initialisation/scale.small", 0.1, "weights' rms over √(2/fan-in)", "hubel"),
    Threshold("initialisation/scale.plateau", 0.2, "share of the course without a fall", "hubel"),
    Threshold("initialisation/scale.above", 1.5, "early loss over guessing's, no fading", "hubel"),
    Threshold("initialisation/constant.spread", 1e-3, "units' distance over weights", "hubel"),
    Threshold("initialisation/bias.size", 3, "rms of a layer's biases before training", "hubel"),
    # precision
    Threshold("precision/underflow.zeros", 0.5, "share of gradients that are exactly 0", "hubel"),
    Threshold("precision/underflow.share", 0.6, "share of the samples that must show it", "hubel"),
    # speed
    Threshold("speed/loader-bound.notable", 0.2, "waiting over time", "hubel"),
    Threshold("speed/loader-bound.bound", 0.5, "waiting over time", "hubel"),
    Threshold("speed/loader-bound.seconds", 0.02, "mean waiting of an update", "hubel"),
    Threshold("speed/loader-bound.updates", 20, "updates after the first ones", "hubel"),
    # labels
    Threshold(
        "labels/shuffled.z",
        3.0,
        "neighbours agree by less than so many deviations over permuted labels",
        "hubel",
    ),
    Threshold("labels/noise.share", 0.03, "lower end of the share of wrong labels", "hubel"),
    Threshold(
        "labels/noise.most", 0.6, "share above which labels are not noisy but unrelated", "hubel"
    ),
    Threshold(
        "labels/noise.deviations", 3.0, "standard errors of the interval of the share", "hubel"
    ),
    Threshold(
        "labels/noise.flat",
        1.4,
        "disagreements in the second surest quarter over those in the surest",
        "hubel",
    ),
    Threshold(
        "labels/noise.seconded",
        0.7,
        "share of the disagreements in which the network sides with the others",
        "hubel",
    ),
    Threshold(
        "labels/imbalance.perplexity",
        0.7,
        "normalised perplexity exp(H) / C of the classes",
        "hubel",
    ),
    Threshold(
        "labels/imbalance.recall", 0.7, "recall of rare classes over that of the others", "hubel"
    ),
    Threshold(
        "labels/imbalance.rarest",
        0.25,
        "share of a class in training over that in validation",
        "calibrated",
    ),
    Threshold(
        "labels/missing-class.chance",
        0.001,
        "probability that a class of training was only missed in reading",
        "hubel",
    ),
    Threshold(
        "labels/missing-class.share",
        0.01,
        "share of validation in missing classes from which it is an error",
        "hubel",
    ),
    Threshold(
        "labels/validation.pictures", 8.0, "validation pictures of exchanged classes", "hubel"
    ),
    Threshold(
        "labels/validation.after",
        0.6,
        "share that is right with classes renamed; share in left-out training",
        "hubel",
    ),
    Threshold(
        "labels/validation.before", 0.25, "share that is right with the labels as they are", "hubel"
    ),
    Threshold(
        "labels/validation.recall",
        0.5,
        "recall by the network, of each class, above which labels cannot be exchanged",
        "hubel",
    ),
    # data
    Threshold(
        "data/range.std",
        5.0,
        "standard deviation of the inputs, and that over which they are too small",
        "hubel",
    ),
    Threshold(
        "data/range.mean",
        5.0,
        "mean of the inputs' magnitude in standard deviations of a normal input",
        "hubel",
    ),
    Threshold(
        "data/range.gain",
        0.1,
        "share of the held-out loss that standardised inputs take away",
        "hubel",
    ),
    Threshold("data/range.blank", 0.2, "share of the pictures without any contrast", "calibrated"),
    Threshold(
        "data/double-normalised.agreement",
        0.25,
        "how far range and moments may differ as to mean and deviation",
        "hubel",
    ),
    Threshold(
        "data/double-normalised.small",
        0.02,
        "standard deviation of inputs that were scaled twice",
        "hubel",
    ),
    Threshold(
        "data/validation-mismatch.deviations",
        4.0,
        "standard errors by which means differ",
        "hubel",
    ),
    Threshold(
        "data/validation-mismatch.mean",
        0.2,
        "difference of the means, in standard deviations of training",
        "hubel",
    ),
    Threshold("data/validation-mismatch.spread", 1.25, "ratio of the standard deviations", "hubel"),
    Threshold(
        "data/validation-mismatch.far-mean",
        0.5,
        "the difference of the means that explains a gap between the splits",
        "calibrated",
    ),
    Threshold(
        "data/validation-mismatch.far-spread", 1.5, "the ratio that explains one", "calibrated"
    ),
    Threshold(
        "data/validation-mismatch.gap",
        0.2,
        "accuracy on training pictures less that on validation ones that were made otherwise",
        "calibrated",
    ),
    Threshold(
        "data/validation-mismatch.gain",
        0.02,
        "accuracy gained with the training's statistics or channel order",
        "hubel",
    ),
    Threshold(
        "data/validation-mismatch.gain-deviations",
        3.0,
        "McNemar's z of the gain",
        "hubel",
    ),
    Threshold(
        "data/layout.gain",
        0.1,
        "correlation of neighbours gained by the other reading of the memory",
        "hubel",
    ),
    Threshold("data/layout.correlation", 0.2, "correlation of neighbouring pixels", "hubel"),
    Threshold(
        "data/augmentation.fall",
        0.1,
        "accuracy that a simple classifier loses by augmentation",
        "hubel",
    ),
    Threshold(
        "data/augmentation.behind",
        0.05,
        "accuracy of the network below a simple classifier, on plain pictures",
        "hubel",
    ),
    Threshold(
        "data/augmented-validation.difference",
        0.05,
        "change of a picture, in standard deviations of pixels",
        "hubel",
    ),
    Threshold(
        "data/augmented-validation.share",
        0.05,
        "share of pictures that change from read to read",
        "hubel",
    ),
    Threshold(
        "data/unshuffled.sorted",
        0.5,
        "agreement of labels within batches, from 0 (by chance) to 1 (one label)",
        "hubel",
    ),
    Threshold("data/unshuffled.clumped", 0.15, "the same, where the training suffers", "hubel"),
    Threshold("data/unshuffled.z", 5.0, "the same, in deviations over permuted labels", "hubel"),
    Threshold("data/leakage.share", 0.01, "share of validation that stands in training", "hubel"),
    Threshold("data/leakage.correlation", 0.999, "of copies below 16 pixels a side", "calibrated"),
    Threshold("data/leakage.pictures", 3.0, "validation pictures that stand in training", "hubel"),
    Threshold("data/too-few.a-class", 100.0, "training pictures a class", "hubel"),
    Threshold("data/too-few.gap", 0.1, "accuracy in training less that in validation", "hubel"),
    Threshold(
        "data/too-few.gain",
        0.02,
        "accuracy that a simple classifier gains by twice the pictures",
        "hubel",
    ),
    # causes
    Threshold(
        "causes.support", 0.5, "share of an effect's confidence that speaks for its cause", "hubel"
    ),
    Threshold("causes.most", 0.99, "confidence of a cause that is not certain, at most", "hubel"),
    # fit, normalisation, harm and the tests
    Threshold("harm.updates", 30, "updates before a training is judged at all", "hubel"),
    Threshold("harm.errors", 2, "standard errors below the simple classifier", "hubel"),
    Threshold("harm.margin", 0.02, "accuracy below it at least", "hubel"),
    Threshold("harm.chance-errors", 3, "standard errors above chance that show learning", "hubel"),
    Threshold("harm.fall", 0.05, "least fall of the loss, as a share of its start", "hubel"),
    Threshold("harm.lost", 0.1, "accuracy lost since the best evaluation", "hubel"),
    Threshold("harm.done", 0.5, "share of the planned updates before it is compared", "hubel"),
    Threshold("fit/cannot-fit-batch.error", 0.05, "error on 16 pictures", "braiek2022testing"),
    Threshold("fit/cannot-fit-batch.own", 0.25, "error with its own optimizer", "hubel"),
    Threshold("fit/ignores-input.above", 0.2, "accuracy over chance that shows use", "hubel"),
    Threshold("fit/underfitting.gap", 0.1, "gap that is more than underfitting", "hubel"),
    Threshold("fit/ignores-input.p", 0.05, "p of pictures against zeros", "braiek2022testing"),
    Threshold("fit/ignores-input.spread", 1e-3, "spread of outputs over their size", "hubel"),
    Threshold("fit/overfitting.errors", 2, "standard errors of a rise and of a gap", "hubel"),
    Threshold("fit/overfitting.evaluations", 3, "evaluations in a row above it", "hubel"),
    Threshold("fit/overfitting.gap", 0.1, "accuracy of training less validation", "hubel"),
    Threshold("fit/overfitting.wide", 0.25, "gap that is an alarm by itself", "hubel"),
    Threshold("fit/overfitting.lost", 0.03, "accuracy lost since its best", "hubel"),
    Threshold("fit/overfitting.rise", 0.2, "relative rise of the validation loss", "hubel"),
    Threshold("fit/over-regularised.stands", 0.95, "loss over that of guessing", "calibrated"),
    Threshold(
        "fit/over-regularised.above", 0.3, "accuracy above chance all the same", "calibrated"
    ),
    Threshold("fit/over-regularised.gain", 0.1, "accuracy gained without it", "hubel"),
    Threshold(
        "fit/over-regularised.decayed",
        0.02,
        "share of a weight that decay takes in 160 updates, up to which it holds nothing back",
        "hubel",
    ),
    Threshold("fit/too-short.fall", 0.1, "relative fall over the last third", "hubel"),
    Threshold("fit/too-short.errors", 3, "standard errors of that fall", "hubel"),
    Threshold("fit/too-short.rate", 0.1, "last learning rate over the largest", "hubel"),
    Threshold("permuted-labels.p", 0.05, "p of labels against permuted ones", "hubel"),
    Threshold("permuted-labels.z", 3, "standard errors above chance", "hubel"),
    Threshold("rate-range.least-fall", 0.1, "share of the first loss", "hubel"),
    Threshold("rate-range.low-share", 0.1, "fall at the low edge over the largest", "hubel"),
    Threshold("rate-range.high-share", 0.5, "fall at the high edge over the largest", "hubel"),
    Threshold("rate-range.below", 10, "times below the useful rates", "hubel"),
    Threshold("rate-range.above", 3, "times above the useful rates", "hubel"),
    Threshold("float32-replay.difference", 0.05, "relative difference of losses", "hubel"),
    Threshold("float32-replay.lost", 0.1, "share of gradient elements lost", "hubel"),
    Threshold("normalisation/train-eval.gap", 0.1, "gap that calls for the test", "hubel"),
    Threshold("normalisation/train-eval.difference", 0.5, "relative difference", "hubel"),
    Threshold("normalisation/train-eval.accuracy", 0.05, "accuracy lost in evaluation", "hubel"),
    Threshold("normalisation/train-eval.errors", 3, "standard errors of that loss", "hubel"),
    Threshold("normalisation/drift.far", 0.5, "standard deviations, or log ratio", "hubel"),
    Threshold("normalisation/small-batch.batch", 4, "largest batch looked at", "hubel"),
    Threshold("normalisation/small-batch.tiny", 2, "largest that needs no test", "hubel"),
    Threshold("normalisation/small-batch.gain", 0.1, "accuracy lost to it", "hubel"),
)

THRESHOLDS: Final[Mapping[str, Threshold]] = MappingProxyType({row.name: row for row in _ROWS})


def threshold(name: str) -> float:
    """Return the value of a threshold. Errors: KeyError where the table has none such."""
    return THRESHOLDS[name].value
