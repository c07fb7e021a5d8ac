"""Gradients that vanish or explode over the depth of the network or over time."""

from __future__ import annotations

import math
from statistics import fmean, median
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.statistics.effect import effect_of, suffers
from hubel.diagnosis.statistics.layers import (
    Layer,
    gradient_norms,
    layers_of,
    probes,
    update_ratios,
    weight_pull,
)
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

FEWEST_LAYERS: Final = 2
FEWEST_SAMPLES: Final = 3


def vanishes(case: Case) -> bool:
    """Return whether the gradient is lost on its way to the first layer, harmful or not."""
    return isinstance(_vanishing(case), Sign)


def _vanishing(case: Case) -> Reading:
    layers = layers_of(case)
    samples = min((len(layer.rows) for layer in layers), default=0)
    falls = [fall for place in range(samples) if not math.isnan(fall := _fall(layers, place))]
    # Two samples do where both are far beyond all doubt.
    extreme = len(falls) > 1 and max(falls) < threshold("gradient/vanishing.extreme")
    if len(layers) < FEWEST_LAYERS or (samples < FEWEST_SAMPLES and not extreme):
        return Unknown(why="fewer than 2 layers or 3 samples of their gradients were recorded")
    if len(falls) < FEWEST_SAMPLES and not extreme:
        return Unknown(why="the gradients of the first or the last layer are all 0")
    limit = threshold("gradient/vanishing.ratio")
    share = fmean(fall < limit for fall in falls)
    early = median(row.mean_ratio for row in layers[0].rows if not math.isnan(row.mean_ratio))
    words = (
        f"‖w‖‖g‖ of {layers[0].path} is {median(falls):.2g} times that of {layers[-1].path}; "
        f"its weights move by {early:.2g} of their size an update"
    )
    measured = {"fall": median(falls), "share": share, "early-update": early}
    if share < threshold("gradient/vanishing.share"):
        return Well(evidence=words, measured=measured)
    still = early < threshold("gradient/vanishing.update")
    effect = effect_of(case)
    confirmed = suffers(case, effect)
    return Sign(
        what=f"The gradient vanishes on its way to {layers[0].path}.",
        evidence=f"{words}; {effect.words}",
        where=_starved(layers),
        confidence=(0.9 if still else 0.8) if confirmed else 0.5,
        confirmed=confirmed,
        measured=measured,
    )


def _fall(layers: tuple[Layer, ...], place: int) -> float:
    first = weight_pull(layers[0].rows[place], layers[0])
    last = weight_pull(layers[-1].rows[place], layers[-1])
    return first / last if first > 0 and last > 0 and math.isfinite(first / last) else math.nan


def _starved(layers: tuple[Layer, ...]) -> tuple[str, ...]:
    last = median(weight_pull(row, layers[-1]) for row in layers[-1].rows)
    limit = threshold("gradient/vanishing.ratio") * last
    return tuple(
        layer.path
        for layer in layers
        if median(weight_pull(row, layer) for row in layer.rows) < limit
    )


def _exploding(case: Case) -> Reading:
    layers = layers_of(case)
    norms = [norm for norm in gradient_norms(case).values() if norm > 0]
    if not layers or not norms:
        return Unknown(why="no gradient was recorded")
    over_time = max(norms) / norms[0]
    over_depth, where = _growth_over_depth(case, layers)
    finite = all(math.isfinite(norm) for norm in norms)
    ratios = update_ratios(layers)
    update = max(ratios.values(), default=math.nan)
    words = (
        f"the gradient's norm grows {over_time:.3g} times over time, signals {over_depth:.3g} "
        f"times over depth; weights move by up to {update:.2g} of their size an update"
    )
    measured = {"over-time": over_time, "over-depth": over_depth, "update": update}
    growth = over_time if math.isnan(over_depth) else max(over_time, over_depth)
    if growth < threshold("gradient/exploding.ratio") and finite:
        return Well(evidence=words, measured=measured)
    effect = effect_of(case)
    high = update > threshold("gradient/exploding.update")
    confirmed = effect.hurt and high
    if not confirmed and not high:
        return Well(evidence=f"{words}: no update is large", measured=measured)
    return Sign(
        what="The gradients explode.",
        evidence=f"{words}; {effect.words}",
        where=where,
        confidence=0.8 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured,
    )


def _growth_over_depth(case: Case, layers: tuple[Layer, ...]) -> tuple[float, tuple[str, ...]]:
    """Return how many times the layers' signal grows from the first to the largest, and where.

    Of the first probe, over layers that no normalisation follows: the gradient grows on its way
    back as the signal does on its way there. NaN where no probe was made.
    """
    free = {layer.path for layer in layers if not layer.normalised}
    first = next(iter(probes(case)), [])
    rows = [row for row in first if row.path in free and math.isfinite(row.std) and row.std > 0]
    if len(rows) < FEWEST_LAYERS:
        return math.nan, ()
    largest = max(range(len(rows)), key=lambda place: rows[place].std)
    return rows[largest].std / rows[0].std, (rows[largest].path,)


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="gradient/vanishing",
        meaning="The first layers get almost no gradient, and the training suffers from it.",
        tier=1,
        statistic="‖w‖‖g‖ of the first layer over that of the last, at each sampled update",
        threshold=(
            f"under {threshold('gradient/vanishing.ratio'):g} in "
            f"{threshold('gradient/vanishing.share'):.0%} of the samples, and the loss suffers; "
            f"surer where the first layer moves by under {threshold('gradient/vanishing.update'):g}"
        ),
        severity="error",
        remedy="Use ReLU in place of sigmoid or tanh, normalisation, He's initial weights, or "
        "residual connections.",
        source="hubel",
        find=_vanishing,
    ),
    Symptom(
        id="gradient/exploding",
        meaning="Gradients grow over depth or time until updates destroy what was learnt.",
        tier=1,
        statistic="growth of the gradient's norm over time; of the layers' first signal over depth",
        threshold=(
            f"over {threshold('gradient/exploding.ratio'):g} times, updates over "
            f"{threshold('gradient/exploding.update'):g} of the weights, and the loss suffers"
        ),
        severity="error",
        remedy="Clip the gradient's norm at 1, use normalisation, or smaller initial weights.",
        source="hubel",
        find=_exploding,
    ),
)
