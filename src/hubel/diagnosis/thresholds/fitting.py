"""The numbers of fitting, normalisation, harm, causes and the tests."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.thresholds.row import Threshold

ROWS: Final[tuple[Threshold, ...]] = (
    # causes
    Threshold(
        "causes.support", 0.5, "share of an effect's confidence that speaks for its cause", "hubel"
    ),
    Threshold("causes.last-resort", 0.4, "confidence of what is only possible, at most", "hubel"),
    Threshold("causes.most", 0.99, "confidence of a cause that is not certain, at most", "hubel"),
    # harm
    Threshold("harm.blown-up", 100, "times the first loss, and that of guessing", "hubel"),
    Threshold("harm.updates", 30, "updates before a training is judged at all", "hubel"),
    Threshold("harm.errors", 2, "standard errors below the simple classifier", "hubel"),
    Threshold("harm.clear-errors", 3, "the same, for signs that are common", "hubel"),
    Threshold("harm.margin", 0.02, "accuracy below it at least", "hubel"),
    Threshold("harm.chance-errors", 3, "standard errors above chance that show learning", "hubel"),
    Threshold("harm.fall", 0.05, "least fall of the loss, as a share of its start", "hubel"),
    Threshold("harm.above-guessing", 1.5, "times guessing's loss, at chance, at the end", "hubel"),
    Threshold("harm.lost", 0.1, "accuracy lost since the best evaluation", "hubel"),
    Threshold("harm.done", 0.5, "share of the planned updates before it is compared", "hubel"),
    # fit
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
    Threshold("fit/below-simple.behind", 0.1, "accuracy below a simple classifier's", "calibrated"),
    Threshold("fit/below-simple.errors", 3, "standard errors of that", "hubel"),
    Threshold("fit/over-regularised.outweighs", 1, "λ w over the gradient", "calibrated"),
    Threshold("fit/too-short.passes", 2, "passes that are few", "calibrated"),
    Threshold("fit/over-regularised.beside", 0.1, "λ w over the first gradient", "calibrated"),
    Threshold("fit/over-regularised.stands", 0.95, "loss over that of guessing", "calibrated"),
    Threshold(
        "fit/over-regularised.above", 0.3, "accuracy above chance all the same", "calibrated"
    ),
    Threshold(
        "fit/over-regularised.mild-dropout", 0.3, "probability too small to hold back", "calibrated"
    ),
    Threshold("fit/over-regularised.mild-decay", 1e-3, "decay too small for it", "calibrated"),
    Threshold("fit/over-regularised.gain", 0.15, "accuracy gained without it", "calibrated"),
    Threshold(
        "fit/over-regularised.decayed",
        0.02,
        "share of a weight that decay takes in 160 updates, up to which it holds nothing back",
        "hubel",
    ),
    Threshold("fit/too-short.fall", 0.1, "relative fall over the last third", "hubel"),
    Threshold("fit/too-short.errors", 3, "standard errors of that fall", "hubel"),
    Threshold("fit/too-short.rate", 0.1, "last learning rate over the largest", "hubel"),
    Threshold(
        "fit/too-short.rise", 2, "last of few losses over the first: not for lack of them", "hubel"
    ),
    # permuted-labels
    Threshold("permuted-labels.p", 0.05, "p of labels against permuted ones", "hubel"),
    Threshold("permuted-labels.z", 3, "standard errors above chance", "hubel"),
    # rate-range
    Threshold("rate-range.least-fall", 0.1, "share of the first loss", "hubel"),
    Threshold("rate-range.low-share", 0.1, "fall at the low edge over the largest", "hubel"),
    Threshold("rate-range.high-share", 0.5, "fall at the high edge over the largest", "hubel"),
    Threshold("rate-range.below", 10, "times below the useful rates", "hubel"),
    Threshold("rate-range.above", 3, "times above the useful rates", "hubel"),
    # float32-replay
    Threshold("float32-replay.difference", 0.05, "relative difference of losses", "hubel"),
    Threshold("float32-replay.lost", 0.1, "share of gradient elements lost", "hubel"),
    # normalisation
    Threshold("normalisation/train-eval.gap", 0.04, "gap that calls for the test", "calibrated"),
    Threshold("normalisation/train-eval.difference", 0.5, "relative difference", "hubel"),
    Threshold("normalisation/train-eval.accuracy", 0.05, "accuracy lost in evaluation", "hubel"),
    Threshold("normalisation/train-eval.paired", 0.03, "the same, of pairs", "calibrated"),
    Threshold("normalisation/train-eval.p", 1e-3, "probability of the sign test", "calibrated"),
    Threshold("normalisation/train-eval.errors", 3, "standard errors of that loss", "hubel"),
    Threshold("normalisation/drift.far", 0.5, "standard deviations, or log ratio", "hubel"),
    Threshold("normalisation/small-batch.batch", 4, "largest batch looked at", "hubel"),
    Threshold("normalisation/small-batch.tiny", 2, "largest that needs no test", "hubel"),
    Threshold("normalisation/small-batch.gain", 0.1, "accuracy lost to it", "hubel"),
)
