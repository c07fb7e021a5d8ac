"""The numbers of loop, weights, loss, gradients, rates, units, start and design."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.thresholds.row import Threshold

ROWS: Final[tuple[Threshold, ...]] = (
    # loop
    Threshold("loop/gradients-left-over.share", 0.5, "share of updates that met old ones", "hubel"),
    Threshold("loop/step-before-backward.share", 0.5, "share of updates without one", "hubel"),
    Threshold("loop/eval-mode.share", 0.5, "share of updates in evaluation mode", "hubel"),
    Threshold("loop/rhythm.passes", 2.0, "passes after which a scheduler was stepped", "hubel"),
    Threshold("loop/rhythm.period", 0.9, "passes that a period of the rate has at least", "hubel"),
    Threshold("loop/rhythm.turns", 2.0, "periods after which the rate has swung back", "hubel"),
    Threshold("loop/rhythm.near", 0.1, "relative distance of numbers that mean the same", "hubel"),
    Threshold("loop/rhythm.gone", 0.001, "share of the highest rate that is nearly 0", "hubel"),
    Threshold("loop/rhythm.share", 0.25, "share of the updates at nearly no rate", "hubel"),
    # weights
    Threshold("weights/not-moving.rows", 3.0, "measured updates of a parameter", "hubel"),
    Threshold(
        "weights/not-moving.rate", 0.01, "share of the highest learning rate that counts", "hubel"
    ),
    Threshold("weights/not-moving.share", 0.9, "share of the parameters with a gradient", "hubel"),
    # loss
    Threshold("loss/reduction.rate", 1, "rate of a sum that calls for a test", "calibrated"),
    Threshold(
        "loss/outputs-width.factor", 2.0, "outputs for each class, from which on it is odd", "hubel"
    ),
    Threshold(
        "loss/outputs-width.forgotten",
        10.0,
        "outputs for each class, from which on the last layer is that of another task",
        "calibrated",
    ),
    Threshold(
        "loss/outputs-width.labels", 20.0, "labels seen for each output, to know them all", "hubel"
    ),
    Threshold(
        "loss/reduction.scale", 0.005, "factor after the mean, smaller than accumulation's", "hubel"
    ),
    Threshold(
        "loss/activation-before.range",
        5.0,
        "constant factor from which on a bounded activation leaves room enough for logits",
        "hubel",
    ),
    Threshold("loss/initial.distance", 0.5, "|L₀ − ln C| / ln C that is worth a note", "hubel"),
    Threshold("loss/initial.harmful", 1, "the same, where the training suffers", "hubel"),
    Threshold("loss/initial.extreme", 2, "the same, where the loss is slow to come down", "hubel"),
    Threshold("loss/initial.slow", 0.2, "share of the updates after which it is slow", "hubel"),
    Threshold("loss/oscillation.swing", 5, "noise of the loss · √pictures / loss", "hubel"),
    Threshold("loss/oscillation.switches", 0.5, "share of differences of the other sign", "hubel"),
    Threshold("loss/oscillation.high", 0.25, "share of guessing's loss that is not small", "hubel"),
    Threshold("loss/non-finite.skipped", 0.05, "share of updates that a scaler may skip", "hubel"),
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
    # gradient
    Threshold("gradient/vanishing.ratio", 1e-3, "‖w‖‖g‖ of first layers over last", "hubel"),
    Threshold("gradient/vanishing.extreme", 1e-5, "the same, where two samples do", "calibrated"),
    Threshold("gradient/vanishing.update", 1e-4, "mean|Δw|/mean|w| of the first layers", "hubel"),
    Threshold("gradient/vanishing.share", 0.6, "share of the samples that must show it", "hubel"),
    Threshold("gradient/exploding.ratio", 70, "growth over time or depth", "hubel"),
    Threshold("gradient/exploding.update", 0.3, "mean|Δw|/mean|w| at its largest", "hubel"),
    # rate
    Threshold("rate/too-high.killed", 0.9, "of the test's best fall, of what kills", "calibrated"),
    Threshold("rate/too-high.update", 0.3, "mean|Δw|/mean|w| at its largest", "hubel"),
    Threshold("rate/too-high.least", 0.01, "the same, under which no rate is", "hubel"),
    Threshold("rate/too-high.overwritten", 1, "the same, where the loss falls poorly", "hubel"),
    Threshold("rate/too-low.update", 2e-4, "mean|Δw|/mean|w| at its largest", "hubel"),
    Threshold("rate/too-low.below", 2, "times below the useful rates, with harm", "calibrated"),
    Threshold("rate/too-low.share", 0.3, "of the test's best fall, with harm", "hubel"),
    Threshold("rate/too-low.suspicious", 2e-3, "the same, where a range test is made", "hubel"),
    Threshold("rate/clipped.variation", 1e-3, "std/mean of the clipped gradient's norm", "hubel"),
    Threshold("rate/clipped.update", 1e-3, "mean|Δw|/mean|w| that is held back", "hubel"),
    Threshold("rate/clipped.usual-eps", 1e-7, "eps that is never to blame", "calibrated"),
    Threshold("rate/clipped.eps", 10, "eps of the optimizer over the gradient's size", "hubel"),
    Threshold("rate/clipped.eps-clipped", 0.1, "the same, where clipping is at work", "hubel"),
    Threshold("rate/momentum.momentum", 0.99, "momentum, or β₁", "hubel"),
    Threshold("rate/momentum.falling", 3, "standard errors by which the loss still falls", "hubel"),
    Threshold("rate/momentum.memory", 3, "updates that it remembers, over those done", "hubel"),
    Threshold("rate/decay.share", 0.01, "rate over its peak", "hubel"),
    Threshold("rate/decay.early", 0.5, "share of the planned updates", "hubel"),
    # unit
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
    # design
    Threshold("design/dropout-before.worse", 1.4, "times the loss in training", "calibrated"),
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
)
