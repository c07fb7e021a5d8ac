"""Units that are dead or saturated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import UnitRow
from hubel.diagnosis.statistics.effect import effect_of, suffers
from hubel.diagnosis.statistics.layers import layers_of, probes, update_ratios
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

ACTIVATIONS: Final = frozenset(
    {
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "PReLU",
        "RReLU",
        "ELU",
        "CELU",
        "SELU",
        "GELU",
        "SiLU",
        "Mish",
        "Hardswish",
        "Softplus",
        "Threshold",
        "Sigmoid",
        "Tanh",
        "Softsign",
        "Hardtanh",
    }
)
"""Modules in which units die. Gates (Hardsigmoid) and normalisations are none of them."""
BOUNDED: Final = frozenset({"Sigmoid", "Tanh", "Softsign", "Hardtanh"})
"""Those that saturate. ReLU6 is 0 for half of its inputs and well."""


def persistent(
    case: Case, kinds: frozenset[str], share: Callable[[UnitRow], float], limit: float
) -> dict[str, float] | None:
    """Return the modules whose share was over the limit at each of the last probes: their medians.

    The probe before the first update does not count: running statistics and zero weights of a fresh
    network make it look dead. None where there were not enough probes.
    """
    late = [rows for rows in probes(case) if rows[0].step > 0]
    late = late[-int(threshold("unit.probes")) :]
    if len(late) < threshold("unit.probes"):
        return None
    shares: dict[str, list[float]] = {}
    for rows in late:
        for row in rows:
            if row.kind in kinds and not math.isnan(share(row)):
                shares.setdefault(row.path, []).append(share(row))
    return {
        path: median(values)
        for path, values in shares.items()
        if len(values) == len(late) and min(values) > limit
    }


def _largest(case: Case, kinds: frozenset[str], share: Callable[[UnitRow], float]) -> float:
    last = probes(case)[-1]
    return max((share(row) for row in last if row.kind in kinds), default=math.nan)


def _dead(case: Case) -> Reading:
    limit = threshold("unit/dead.share")
    found = persistent(case, ACTIVATIONS, lambda row: row.dead, limit)
    if found is None:
        return Unknown(why="the units were probed fewer than twice after the first update")
    if not found:
        largest = _largest(case, ACTIVATIONS, lambda row: row.dead)
        return Well(
            evidence="no activation was recorded" if math.isnan(largest)
            else f"at most {largest:.0%} of a layer's channels are dead at the last probe",
            measured={"largest": largest},
        )  # fmt: skip
    sign = _sign(case, found, "dead", "channels are dead: they are 0 for every picture")
    if killed_units(case):
        return sign
    # Units that were dead from the beginning are no work of the training. They stand for what is
    # wrong with it where they hold the gradient back, or updates are long enough to wake them.
    layers = layers_of(case)
    ratios = update_ratios(layers)
    short = bool(ratios) and max(ratios.values()) < threshold("rate/too-low.suspicious")
    passed = sum(layer.rows[-1].gradient > 0 for layer in layers) * 2 > len(layers)
    fault = sign.confirmed and not (short and passed)
    return replace(sign, confidence=min(sign.confidence, 0.5), confirmed=fault)


def killed_units(case: Case) -> str | None:
    """Return in words where most units of a layer are dead that were alive at first; or None."""
    limit = threshold("unit/dead.share")
    found = persistent(case, ACTIVATIONS, lambda row: row.dead, limit) or {}
    first = {row.path: row.dead for row in probes(case)[0]} if found else {}
    died = {path: share for path, share in found.items() if first.get(path, 1.0) <= limit / 2}
    if not died:
        return None
    path = max(died, key=lambda one: died[one])
    return f"{died[path]:.0%} of {path} died ({first[path]:.0%} at the start)"


def _saturated(case: Case) -> Reading:
    if not any(row.kind in BOUNDED for row in case.record.units):
        if not case.record.units:
            return Unknown(why="the units were not probed")
        return Well(evidence="no sigmoid, tanh or softsign is in the network")
    kinds = BOUNDED
    found = persistent(case, kinds, lambda row: row.saturated, threshold("unit/saturated.share"))
    if found is None:
        return Unknown(why="the units were probed fewer than twice after the first update")
    outputs = [module.path for module in case.setting.modules if module.called][-1:]
    found = {path: share for path, share in found.items() if path not in outputs}
    if not found:
        largest = _largest(case, kinds, lambda row: row.saturated)
        return Well(
            evidence=f"at most {largest:.0%} of a layer's units are saturated",
            measured={"largest": largest},
        )
    return _sign(case, found, "saturated", "units are saturated: they hold at their ends")


def _sign(case: Case, found: dict[str, float], name: str, words: str) -> Sign:
    effect = effect_of(case)
    confirmed = suffers(case, effect)
    worst = max(found, key=lambda path: found[path])
    return Sign(
        what=f"In {len(found)} layer{'s' * (len(found) > 1)} most {words}.",
        evidence=f"{found[worst]:.0%} {name} in {worst} at each of the last "
        f"{threshold('unit.probes'):g} probes; {effect.words}",
        where=tuple(sorted(found, key=lambda path: -found[path])),
        confidence=0.85 if confirmed else 0.5,
        confirmed=confirmed,
        measured={"largest": found[worst], "layers": float(len(found))},
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="unit/dead",
        meaning="Most channels of a layer are 0 for every picture, and learn no more.",
        tier=1,
        statistic="share of channels whose 95th percentile of |a| is below 1e-5 on the probe batch",
        threshold=(
            f"over {threshold('unit/dead.share'):.0%} of a layer at each of the last "
            f"{threshold('unit.probes'):g} probes, and the loss suffers"
        ),
        severity="error",
        remedy="Lower the learning rate, start with biases of 0 and He's weights, or use GELU.",
        source="hubel",
        find=_dead,
    ),
    Symptom(
        id="unit/saturated",
        meaning="Most units of a bounded activation hold at their ends, where no gradient passes.",
        tier=1,
        statistic="share of units within 5% of an end for more than 85% of pictures and places",
        threshold=(
            f"over {threshold('unit/saturated.share'):.0%} of a layer at each of the last "
            f"{threshold('unit.probes'):g} probes, and the loss suffers"
        ),
        severity="warning",
        remedy="Standardise the inputs, make the initial weights smaller, or use ReLU.",
        source="hubel",
        find=_saturated,
    ),
)
