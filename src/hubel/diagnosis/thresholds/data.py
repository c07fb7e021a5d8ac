"""The numbers of labels and data."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.thresholds.row import Threshold

ROWS: Final[tuple[Threshold, ...]] = (
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
    Threshold("data/augmentation.far", 0.12, "the same, proof by itself", "calibrated"),
    Threshold("data/layout.other-rows", 0.1, "correlation down that is none", "calibrated"),
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
        "data/validation-mismatch.deviations", 4.0, "standard errors by which means differ", "hubel"
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
    Threshold("data/validation-mismatch.gain-deviations", 3.0, "McNemar's z of the gain", "hubel"),
    Threshold("data/validation-mismatch.gain-far", 2.0, "the same, where far", "calibrated"),
    Threshold(
        "data/validation-mismatch.gain-alike",
        4.0,
        "the same, where the statistics agree, and the order of channels is tried",
        "calibrated",
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
)
