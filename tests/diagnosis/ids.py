"""The ids of all symptoms, as people see them: they stand still."""

IDS = frozenset(
    f"{family}/{name}"
    for family, names in {
        "loop": "not-stepping gradients-left-over step-before-backward eval-mode"
        " evaluation-in-train-mode scheduler-rhythm clipping-order",
        "weights": "frozen no-gradient outside-optimizer strangers hidden-layers not-moving",
        "loss": "activation-before wrong-kind sign reduction broadcast outputs-width initial"
        " stagnation divergence oscillation non-finite",
        "design": "no-activation bottleneck pointwise-only early-downsampling small-field capacity"
        " dropout-before-normalisation large-head other",
        "gradient": "vanishing exploding",
        "rate": "too-high too-low clipped momentum decay",
        "unit": "dead saturated",
        "initialisation": "scale constant bias",
        "precision": "underflow",
        "speed": "loader-bound",
        "fit": "cannot-fit-batch ignores-input underfitting overfitting over-regularised too-short"
        " below-simple",
        "normalisation": "train-eval drift small-batch",
        "labels": "out-of-range shuffled noise imbalance missing-class validation",
        "data": "range double-normalised validation-mismatch layout augmentation"
        " augmented-validation unshuffled leakage too-few non-finite",
    }.items()
    for name in names.split()
)
