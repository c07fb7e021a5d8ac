"""The graph of causes: which symptom brings about which, an edge a row, with the reason.

An edge from a to b says: where a is there, b is what one would see, and needs no cause of its own.
The graph has no cycles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Edge:
    """One cause, what it brings about directly, and why."""

    cause: str
    effects: tuple[str, ...]
    why: str
    source: str = "hubel"
    """Bibliography key."""


EDGES: Final = (
    # loop: an update that is not made, or made with the wrong gradient, looks like a wrong rate.
    Edge("loop/not-stepping", ("weights/not-moving", "loss/stagnation"),
         "without a step no weight changes"),
    Edge("loop/gradients-left-over", ("rate/too-high", "loss/oscillation", "loss/divergence"),
         "gradients add up over steps, so that each update is larger than the one before"),
    Edge("loop/step-before-backward", ("weights/not-moving", "loss/stagnation"),
         "the step finds gradients of the batch before, or none at all"),
    Edge("loop/eval-mode", ("normalisation/drift", "normalisation/train-eval",
                            "gradient/exploding", "fit/overfitting"),
         "normalisation keeps its first statistics and dropout drops nothing", "ioffe2015batch"),
    Edge("loop/evaluation-in-train-mode", ("normalisation/train-eval", "normalisation/drift",
                                           "fit/overfitting"),
         "validation runs with dropout, and its pictures go into the running statistics"),
    Edge("loop/scheduler-rhythm", ("rate/too-low", "rate/too-high", "rate/decay", "fit/too-short"),
         "the schedule is run through many times too fast, or not at all"),
    Edge("loop/clipping-order", ("rate/clipped", "rate/too-low", "loss/stagnation"),
         "scaled gradients are clipped to a norm that is meant for plain ones",
         "micikevicius2018mixed"),
    # weights: what does not learn leaves less network to learn with.
    Edge("weights/strangers", ("weights/outside-optimizer",),
         "the optimizer was made before a layer was replaced and still holds the old one"),
    Edge("weights/hidden-layers", ("weights/outside-optimizer", "fit/cannot-fit-batch",
                                   "fit/underfitting", "loss/stagnation"),
         "layers in a Python list are in no optimizer and keep their random weights"),
    Edge("weights/frozen", ("weights/no-gradient", "weights/outside-optimizer",
                            "weights/not-moving", "rate/too-low", "fit/cannot-fit-batch",
                            "fit/underfitting"),
         "weights without requires_grad get no gradient, and are often left out on purpose"),
    Edge("weights/outside-optimizer", ("weights/not-moving", "rate/too-low", "fit/cannot-fit-batch",
                                       "fit/underfitting", "loss/stagnation"),
         "weights that no optimizer holds keep their first values"),
    Edge("weights/no-gradient", ("weights/not-moving", "rate/too-low", "fit/cannot-fit-batch",
                                 "fit/underfitting", "loss/stagnation"),
         "what is cut off from the loss learns nothing"),
    Edge("weights/not-moving", ("loss/stagnation", "fit/underfitting"),
         "weights that stand still leave the loss where it is"),
    # loss: its form decides what the gradient means.
    Edge("loss/activation-before", ("loss/initial", "gradient/vanishing", "unit/dead",
                                    "unit/saturated", "rate/too-low", "fit/cannot-fit-batch",
                                    "fit/underfitting", "loss/stagnation"),
         "the outputs are squeezed before a loss that squeezes them again: its gradient is small",
         "glorot2010understanding"),
    Edge("loss/wrong-kind", ("loss/initial", "loss/divergence", "loss/non-finite",
                             "gradient/exploding", "rate/too-high", "fit/cannot-fit-batch",
                             "fit/ignores-input", "fit/underfitting", "loss/stagnation"),
         "the loss asks for something else than the right class, or has no lower bound"),
    Edge("loss/sign", ("loss/initial", "loss/divergence", "loss/non-finite", "rate/too-high",
                       "gradient/exploding", "fit/cannot-fit-batch", "fit/ignores-input",
                       "fit/underfitting"),
         "each step goes uphill, and there is no top"),
    Edge("loss/reduction", ("loss/initial", "rate/too-high", "rate/too-low", "rate/clipped",
                            "gradient/exploding", "loss/divergence", "loss/stagnation",
                            "fit/cannot-fit-batch", "fit/underfitting"),
         "a sum over the batch multiplies the gradient by the batch size", "goyal2017accurate"),
    Edge("loss/broadcast", ("loss/initial", "fit/cannot-fit-batch", "fit/ignores-input",
                            "fit/underfitting", "loss/stagnation"),
         "each output is compared with the targets of all pictures: the mean is the best answer"),
    Edge("loss/outputs-width", ("loss/initial", "labels/out-of-range"),
         "a head of another width starts at another loss, and may have no place for a label"),
    Edge("loss/initial", ("rate/too-high", "gradient/exploding", "loss/divergence",
                          "loss/oscillation", "loss/non-finite", "unit/dead",
                          "fit/cannot-fit-batch", "fit/underfitting"),
         "outputs far off make gradients far too large, and must be unlearned first"),
    Edge("loss/divergence", ("loss/non-finite", "loss/stagnation", "fit/underfitting",
                             "fit/ignores-input"),
         "a loss that grows leaves weights that are of no use"),
    Edge("loss/oscillation", ("fit/underfitting",),
         "the loss is thrown back as often as it falls"),
    Edge("loss/non-finite", ("loss/stagnation", "fit/underfitting", "weights/not-moving"),
         "after a number that is not finite no update is left that helps"),
    Edge("loss/stagnation", ("fit/underfitting",),
         "a loss that does not fall has not fitted the data"),
    # design: what the network cannot express or pass on, no training repairs.
    Edge("design/no-activation", ("design/capacity", "fit/cannot-fit-batch", "fit/underfitting"),
         "without activations all layers together are one linear layer"),
    Edge("design/bottleneck", ("unit/dead", "fit/cannot-fit-batch", "fit/ignores-input",
                               "fit/underfitting", "loss/stagnation"),
         "what a narrow layer does not pass on, no later layer has"),
    Edge("design/pointwise-only", ("design/small-field", "design/bottleneck",
                                   "fit/cannot-fit-batch", "fit/underfitting"),
         "1x1 windows never look at two pixels together", "lin2014network"),
    Edge("design/early-downsampling", ("design/bottleneck", "fit/cannot-fit-batch",
                                       "fit/ignores-input", "fit/underfitting", "fit/overfitting"),
         "where the places are merged before there are features, their order is lost"),
    Edge("design/small-field", ("fit/underfitting",),
         "units that see a small part of an object cannot tell the whole", "luo2016understanding"),
    Edge("design/capacity", ("fit/cannot-fit-batch", "fit/underfitting", "loss/stagnation"),
         "too few channels for what must be told apart"),
    Edge("design/dropout-before-normalisation", ("normalisation/drift", "normalisation/train-eval"),
         "dropout changes the variance in training only, and the running variance learns that",
         "li2019understanding"),
    Edge("design/large-head", ("fit/overfitting",),
         "most weights stand in one layer that learns the pictures by heart", "lin2014network"),
    Edge("design/other", ("unit/dead", "unit/saturated", "gradient/vanishing", "rate/too-low",
                          "loss/stagnation", "fit/ignores-input", "fit/cannot-fit-batch",
                          "fit/underfitting"),
         "a design that loses signal loses gradient too"),
    # initialisation: the scale of the first signal is that of the first gradient.
    Edge("initialisation/scale", ("gradient/exploding", "gradient/vanishing", "unit/dead",
                                  "unit/saturated", "loss/initial", "rate/too-high",
                                  "rate/too-low", "loss/divergence", "fit/cannot-fit-batch"),
         "each layer multiplies signal and gradient by the same wrong factor", "he2015delving"),
    Edge("initialisation/constant", ("fit/cannot-fit-batch", "fit/ignores-input", "design/capacity",
                                     "gradient/vanishing", "unit/dead", "fit/underfitting",
                                     "loss/stagnation"),
         "units with equal weights get equal gradients and stay one unit",
         "rumelhart1986learning"),
    Edge("initialisation/bias", ("unit/dead", "unit/saturated", "loss/initial"),
         "a large bias puts every unit on the flat side of its activation"),
    # rate: an update of the wrong length.
    Edge("rate/momentum", ("rate/too-high", "loss/oscillation", "loss/divergence"),
         "momentum m multiplies the update by up to 1 / (1 - m)", "sutskever2013importance"),
    Edge("rate/too-high", ("gradient/exploding", "loss/oscillation", "loss/divergence",
                           "loss/non-finite", "unit/dead", "unit/saturated", "fit/cannot-fit-batch",
                           "fit/ignores-input", "fit/underfitting", "loss/stagnation",
                           "normalisation/drift", "normalisation/train-eval"),
         "steps overshoot, and large weights switch units off", "smith2017cyclical"),
    Edge("rate/clipped", ("rate/too-low", "weights/not-moving", "fit/too-short"),
         "every update is cut to a small length, whatever the learning rate"),
    Edge("rate/decay", ("rate/too-low", "weights/not-moving", "fit/too-short", "loss/stagnation"),
         "the schedule has taken the rate away before the loss was down"),
    Edge("rate/too-low", ("weights/not-moving", "loss/stagnation", "fit/too-short",
                          "fit/cannot-fit-batch", "fit/underfitting"),
         "short steps do not get far in the time there is", "smith2017cyclical"),
    # gradient, unit: signal that is lost on its way.
    Edge("gradient/exploding", ("loss/oscillation", "loss/divergence", "loss/non-finite",
                                "unit/dead", "unit/saturated"),
         "one huge update undoes what was learned, and switches units off"),
    Edge("gradient/vanishing", ("rate/too-low", "weights/not-moving", "loss/stagnation",
                                "fit/cannot-fit-batch", "fit/ignores-input", "fit/underfitting"),
         "the first layers hardly change", "glorot2010understanding"),
    Edge("unit/dead", ("gradient/vanishing", "fit/cannot-fit-batch", "fit/ignores-input",
                       "fit/underfitting", "loss/stagnation"),
         "no gradient goes through a unit that is off for all pictures"),
    Edge("unit/saturated", ("gradient/vanishing", "fit/cannot-fit-batch", "fit/underfitting",
                            "loss/stagnation"),
         "at the ends of a bounded activation its slope is nearly 0", "glorot2010understanding"),
    Edge("precision/underflow", ("gradient/vanishing", "weights/not-moving", "loss/non-finite",
                                 "loss/stagnation"),
         "small gradients are 0 in float16, large ones are infinite", "micikevicius2018mixed"),
    # fit: the ends of most chains.
    Edge("fit/cannot-fit-batch", ("loss/stagnation", "fit/underfitting"),
         "what cannot fit a few pictures cannot fit many"),
    Edge("fit/ignores-input", ("loss/stagnation", "fit/underfitting"),
         "the shares of the labels are all that is learned"),
    Edge("fit/over-regularised", ("unit/dead", "rate/too-high", "gradient/vanishing",
                                  "fit/cannot-fit-batch", "fit/ignores-input", "fit/underfitting",
                                  "loss/stagnation", "normalisation/train-eval"),
         "the penalty or the noise is stronger than what the data say", "srivastava2014dropout"),
    Edge("fit/too-short", ("fit/underfitting",),
         "the loss was still falling when the training ended"),
    # normalisation: two modes, two networks.
    Edge("normalisation/small-batch", ("normalisation/drift", "normalisation/train-eval",
                                       "loss/oscillation", "fit/underfitting"),
         "the statistics of a few pictures are noise", "ioffe2015batch"),
    Edge("normalisation/drift", ("normalisation/train-eval", "fit/overfitting"),
         "evaluation uses running statistics that are not those of the batches", "ioffe2015batch"),
    Edge("normalisation/train-eval", ("fit/overfitting", "fit/underfitting"),
         "the network that is validated is not the one that was trained"),
    # labels: wrong answers are learned, or cannot be.
    Edge("labels/out-of-range", ("loss/initial", "loss/non-finite"),
         "the loss reads an output that is not there"),
    Edge("labels/shuffled", ("labels/noise", "labels/validation", "fit/ignores-input",
                             "fit/cannot-fit-batch", "fit/overfitting", "fit/underfitting",
                             "fit/too-short", "data/too-few", "design/large-head",
                             "loss/stagnation"),
         "labels that have nothing to do with the pictures can only be learned by heart"),
    Edge("labels/noise", ("fit/overfitting", "fit/underfitting", "data/too-few",
                          "design/large-head", "loss/stagnation"),
         "wrong labels are learned by heart, or keep the loss up"),
    Edge("labels/imbalance", ("loss/initial", "fit/ignores-input", "fit/underfitting",
                              "fit/overfitting", "data/too-few", "design/large-head",
                              "loss/stagnation"),
         "to answer with the largest class is right most of the time"),
    Edge("labels/missing-class", ("labels/imbalance", "labels/validation", "fit/overfitting",
                                  "loss/outputs-width", "fit/cannot-fit-batch",
                                  "fit/underfitting", "design/large-head"),
         "a class that is not in the training is answered wrongly in the validation"),
    Edge("labels/validation", ("fit/overfitting", "fit/underfitting", "data/too-few",
                               "design/large-head"),
         "right answers count as wrong in the validation"),
    # data: what goes in.
    Edge("data/non-finite", ("loss/non-finite", "loss/divergence", "unit/dead",
                             "fit/cannot-fit-batch", "fit/ignores-input"),
         "one number that is not finite spreads to all weights in one step"),
    Edge("data/range", ("data/layout", "labels/shuffled", "labels/noise",
                        "gradient/exploding", "unit/dead", "unit/saturated", "loss/initial",
                        "rate/too-high", "loss/oscillation", "loss/divergence", "loss/non-finite",
                        "rate/too-low", "normalisation/drift", "normalisation/train-eval",
                        "fit/cannot-fit-batch", "fit/ignores-input", "fit/overfitting",
                        "fit/underfitting", "fit/too-short", "loss/stagnation"),
         "large inputs make large first gradients, which push pre-activations below 0"),
    Edge("data/double-normalised", ("data/range", "unit/dead", "rate/too-low",
                                    "fit/cannot-fit-batch", "fit/ignores-input",
                                    "fit/underfitting", "loss/stagnation"),
         "scaled twice, pictures differ too little from each other"),
    Edge("data/layout", ("labels/shuffled", "labels/noise", "data/validation-mismatch",
                         "fit/cannot-fit-batch", "fit/overfitting", "fit/underfitting",
                         "loss/stagnation"),
         "in scrambled pictures neighbouring pixels have nothing to do with each other"),
    Edge("data/augmentation", ("labels/noise", "labels/shuffled", "labels/validation",
                               "data/validation-mismatch", "data/layout", "data/range", "unit/dead",
                               "normalisation/drift", "normalisation/train-eval",
                               "fit/over-regularised", "fit/cannot-fit-batch", "fit/ignores-input",
                               "fit/overfitting", "fit/underfitting", "fit/too-short",
                               "loss/stagnation"),
         "pictures that are changed beyond recognition do not show their label any more"),
    Edge("data/augmented-validation", ("data/validation-mismatch", "fit/underfitting",
                                       "fit/overfitting"),
         "validation pictures are changed, and harder than those of later use"),
    Edge("data/validation-mismatch", ("labels/validation", "normalisation/drift",
                                      "normalisation/train-eval", "fit/overfitting",
                                      "fit/underfitting", "data/too-few", "design/large-head"),
         "the network sees pictures in validation as it has never seen in training"),
    Edge("data/unshuffled", ("labels/imbalance", "labels/missing-class", "normalisation/drift",
                             "normalisation/train-eval", "rate/too-high", "loss/oscillation",
                             "loss/divergence", "loss/stagnation", "unit/dead",
                             "fit/ignores-input", "fit/overfitting", "fit/underfitting"),
         "batches of one class teach one answer after another"),
    Edge("data/too-few", ("fit/overfitting", "fit/underfitting", "design/large-head"),
         "few pictures are learned by heart"),
)  # fmt: skip
"""Speed and leakage bring about nothing that is looked for here."""


def _joined() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for edge in EDGES:
        found[edge.cause] = tuple(dict.fromkeys((*found.get(edge.cause, ()), *edge.effects)))
    return found


BRINGS_ABOUT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(_joined())
"""By cause: the symptoms that it explains, directly."""

EFFECTS: Final = frozenset(
    {
        "weights/not-moving",
        *("loss/initial", "loss/stagnation", "loss/divergence", "loss/oscillation"),
        *("loss/non-finite", "gradient/vanishing", "gradient/exploding", "unit/dead"),
        *("unit/saturated", "normalisation/train-eval", "normalisation/drift"),
        *("fit/cannot-fit-batch", "fit/ignores-input", "fit/underfitting", "fit/overfitting"),
    }
)
"""What is seen of a fault. Everything else is a fault itself: code, a setting, the data."""
