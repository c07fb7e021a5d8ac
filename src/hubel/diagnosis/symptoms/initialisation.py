"""Initial weights: their scale, symmetry, and biases."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import WeightRow
from hubel.diagnosis.statistics.course import Course
from hubel.diagnosis.statistics.effect import effect_of, suffers
from hubel.diagnosis.statistics.layers import Layer, layers_of, probes
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.symptoms.units import ACTIVATIONS
from hubel.diagnosis.thresholds import threshold

_FIRST_UPDATES: Final = 2
"""Samples after these updates do not show initial weights."""
_PARTED: Final = 0.1
"""Distance of units over their weights' size that random weights surpass."""
_UNKNOWN: Final = "the weights before the first update were not recorded"


def _initial(case: Case) -> tuple[Layer, ...]:
    """Return the layers whose first sample is of the first updates."""
    return tuple(layer for layer in layers_of(case) if layer.rows[0].step <= _FIRST_UPDATES)


def _scale(case: Case) -> Reading:
    layers = _initial(case)
    if not layers:
        return Unknown(why=_UNKNOWN)
    hidden = [layer for layer in layers[:-1] if "Transpose" not in layer.kind]
    ratios = {
        layer.path: layer.rows[0].weight / math.sqrt(2 / layer.fan_in)
        for layer in hidden
        if layer.rows[0].weight > 0
    }
    if not ratios:
        return Unknown(why="there is no hidden layer whose initial weights are not 0")
    free = {layer.path: ratios[layer.path] for layer in hidden
            if not layer.normalised and layer.path in ratios}  # fmt: skip
    large, small = threshold("initialisation/scale.large"), threshold("initialisation/scale.small")
    words = f"weights' rms is {min(ratios.values()):.2g} to {max(ratios.values()):.2g} times He's"
    measured = {"least": min(ratios.values()), "largest": max(ratios.values())}
    outside = {path: ratio for path, ratio in ratios.items() if not small <= ratio <= large}
    if not outside:
        return Well(evidence=words, measured=measured)
    judged = {path: ratio for path, ratio in outside.items() if path in free}
    effect = effect_of(case)
    is_large = fmean(map(math.log, outside.values())) > 0
    confirmed = (
        len(judged) > len(free) / 2
        and (suffers(case, effect) or (_plateau(effect.course) and case.harm.suffers))
        and (is_large or _began_at_guessing(effect.course))
    )
    too = "large" if is_large else "small"
    return Sign(
        what=f"The initial weights of {len(outside)} of {len(ratios)} hidden layers are too {too}.",
        evidence=f"{words}; {effect.words}",
        where=tuple(outside),
        confidence=0.85 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured,
        severity=None if judged else "note",
    )


def _began_at_guessing(course: Course | None) -> bool:
    """Return whether the loss never rose above guessing's early on, as signals that fade make it.

    Small weights make outputs near 0, which guess. A loss far above that was thrown there by
    updates, and the initial weights are not to blame.
    """
    if course is None:
        return True
    first = max(round(threshold("initialisation/scale.plateau") * len(course.windows)), 1)
    return max(course.windows[:first]) < threshold("initialisation/scale.above") * course.level


def _plateau(course: Course | None) -> bool:
    """Return whether the loss lay still for the first part of the course."""
    if course is None:
        return False
    first = max(round(threshold("initialisation/scale.plateau") * len(course.windows)), 1)
    stuck = (1 - threshold("effect.stuck")) * course.level
    return min(course.windows[:first]) > stuck


def _constant(case: Case) -> Reading:
    layers = _initial(case)
    known = [
        layer for index, layer in enumerate(layers[:-1]) if _may_be_equal(layer, first=not index)
    ]
    apart = {one.path: _apart(one, one.rows[0]) for one in known}
    known = [layer for layer in known if not math.isnan(apart[layer.path])]
    if not known:
        return Unknown(why="how far units are apart at the start was not recorded")
    least = min(apart[layer.path] for layer in known)
    words = f"units of a layer are at least {least:.2g} of the weights' size apart at the start"
    same = [one for one in known if apart[one.path] < threshold("initialisation/constant.spread")]
    if not same:
        return Well(evidence=words, measured={"least": least})
    later = min(_apart(one, one.rows[-1]) for one in same)
    effect = effect_of(case)
    # Weights of 0 that others bring to life are a way to start, and part at the first updates.
    parted = all(one.rows[0].weight == 0 for one in same) and later >= _PARTED
    confirmed = not parted and (suffers(case, effect) or case.harm.suffers)
    return Sign(
        what=f"All units of {len(same)} layer{'s' * (len(same) > 1)} start with the same weights, "
        "and so learn the same.",
        evidence=f"distance of the units over the weights' size: {least:.2g} at the start, "
        f"{later:.2g} at the last sample; {effect.words}",
        where=tuple(layer.path for layer in same),
        confidence=0.95 if confirmed else 0.5,
        confirmed=confirmed,
        measured={"least": least, "later": later},
    )


def _apart(layer: Layer, row: WeightRow) -> float:
    """Return how far units are apart; 0 where all weights are 0, NaN where it is not known."""
    return 0.0 if row.weight == 0 and layer.shape[0] > 1 else row.spread


def _may_be_equal(layer: Layer, *, first: bool) -> bool:
    """Return whether equal units would learn the same: not those that read a channel each."""
    depthwise = layer.shape[1] == 1 and not first
    return layer.shape[0] > 1 and not depthwise


def _bias(case: Case) -> Reading:
    paths = {fact.name.rpartition(".")[0] for fact in case.setting.parameters}
    last = [module.path for module in case.setting.modules if module.path in paths][-1:]
    biases = {
        row.name.rpartition(".")[0]: row.weight
        for row in case.record.weights
        if row.step <= _FIRST_UPDATES and row.name.endswith(".bias")
    }
    biases = {path: size for path, size in biases.items() if path not in last}
    if not biases:
        return Unknown(why="no bias of a hidden layer was recorded before the first update")
    largest = max(biases.values())
    words = f"biases' rms is at most {largest:.2g} at the start"
    large = {path for path, size in biases.items() if size > threshold("initialisation/bias.size")}
    if not large:
        return Well(evidence=words, measured={"largest": largest})
    dead = _dead_from_the_start(case, large)
    effect = effect_of(case)
    confirmed = bool(dead) and (suffers(case, effect) or case.harm.suffers)
    return Sign(
        what=f"Biases of {len(large)} layer{'s' * (len(large) > 1)} start far from 0"
        + (", and leave units dead." if dead else "."),
        evidence=f"{words}; dead from the start: {', '.join(dead) or 'none'}; {effect.words}",
        where=tuple(sorted(large)),
        confidence=0.95 if confirmed else 0.5,
        confirmed=confirmed,
        measured={"largest": largest, "dead": float(len(dead))},
    )


def _dead_from_the_start(case: Case, layers: set[str]) -> list[str]:
    """Return the activations after one of the layers that are dead at the first probe."""
    found: list[str] = []
    after = False
    for row in next(iter(probes(case)), []):
        after = after or row.path in layers
        if after and row.kind in ACTIVATIONS:
            found += [row.path] * (row.dead > threshold("unit/dead.share"))
            after = False
    return found


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="initialisation/scale",
        meaning="Initial weights are so large or small that signals grow or fade over depth.",
        tier=1,
        statistic="rms of a hidden layer's initial weights over He's √(2 / fan-in)",
        threshold=(
            f"under {threshold('initialisation/scale.small'):g} or over "
            f"{threshold('initialisation/scale.large'):g} in most layers without normalisation, "
            "and the training suffers"
        ),
        severity="error",
        remedy="Give the layers He's initial weights, or put normalisation after them.",
        source="he2015delving",
        find=_scale,
    ),
    Symptom(
        id="initialisation/constant",
        meaning="All units of a layer start with the same weights, and so learn the same.",
        tier=1,
        statistic="rms distance of the units' weights to their mean, over the weights' rms",
        threshold=(
            f"under {threshold('initialisation/constant.spread'):g} in a hidden layer, and the "
            "training suffers"
        ),
        severity="error",
        remedy="Start the weights at random: He's or Glorot's.",
        source="glorot2010understanding",
        find=_constant,
    ),
    Symptom(
        id="initialisation/bias",
        meaning="Biases start so far from 0 that units never answer.",
        tier=1,
        statistic="rms of a hidden layer's initial biases; dead units at the first probe",
        threshold=(
            f"over {threshold('initialisation/bias.size'):g}, and over "
            f"{threshold('unit/dead.share'):.0%} of the channels after it are dead"
        ),
        severity="error",
        remedy="Start biases at 0.",
        source="hubel",
        find=_bias,
    ),
)
