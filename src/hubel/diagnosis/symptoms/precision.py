"""Arithmetic: gradients lost in half precision."""

from __future__ import annotations

import math
from statistics import fmean, median
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.statistics.effect import effect_of, suffers
from hubel.diagnosis.statistics.layers import layers_of
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold


def _underflow(case: Case) -> Reading:
    setting = case.setting
    if "float16" not in setting.precision or setting.precision == "bfloat16":
        return Well(evidence=f"{setting.precision} has the exponents that small gradients need")
    if setting.loss_scaling:
        return Well(evidence="the loss is scaled, as float16 needs it")
    shares: dict[int, list[float]] = {}
    for layer in layers_of(case):
        for row in layer.rows:
            if not math.isnan(row.zero_gradient):
                shares.setdefault(row.step, []).append(row.zero_gradient)
    if not shares:
        return Unknown(why="the share of gradients that are 0 was not recorded")
    zeros = [median(values) for values in shares.values()]
    lost = fmean(share > threshold("precision/underflow.zeros") for share in zeros)
    words = f"float16 without loss scaling; {median(zeros):.0%} of the gradients are exactly 0"
    measured = {"zeros": median(zeros), "share": lost}
    if lost < threshold("precision/underflow.share"):
        return Well(evidence=words, measured=measured)
    effect = effect_of(case)
    confirmed = suffers(case, effect)
    return Sign(
        what="Gradients are lost in float16: they are too small for its range.",
        evidence=f"{words}; {effect.words}",
        where=tuple(
            layer.path
            for layer in layers_of(case)
            if median(row.zero_gradient for row in layer.rows)
            > threshold("precision/underflow.zeros")
        ),
        confidence=0.85 if confirmed else 0.5,
        confirmed=confirmed,
        measured=measured,
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="precision/underflow",
        meaning="Small gradients become 0 in float16, since the loss is not scaled.",
        tier=1,
        statistic="share of a layer's gradients that are exactly 0, median over layers",
        threshold=(
            f"over {threshold('precision/underflow.zeros'):.0%} in "
            f"{threshold('precision/underflow.share'):.0%} of the samples, and the loss suffers"
        ),
        severity="error",
        remedy="Scale the loss (torch.amp.GradScaler), or train in bfloat16.",
        source="micikevicius2018mixed",
        find=_underflow,
    ),
)
