"""A training in half precision beside itself in float32, for one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, cast

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import Clock, answers, apart, set_still
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 32


def float32_replay(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Compute loss and gradients of one batch in the training's precision and in float32.

    No loss scaling is applied, so `lost` is what a training without it loses: the share of gradient
    elements that are 0 in half precision and not in float32, weighed by nothing. Measured:
    half_loss, float32_loss, difference (relative), lost, half_norm, float32_norm (of gradients).
    Bound: two passes forward and back over 32 pictures.
    Source: micikevicius2018mixed.
    """
    kind = _half(setting, subject.network())
    if kind is None:
        return Unknown(why="the training is in float32 already")
    with apart():
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 2:
            return Unknown(why="there are no training pictures to replay")
        clock = Clock()
        data = samples.inputs, samples.targets
        half, half_grads = _replayed(setting, subject, data, kind)
        clock.check()
        full, full_grads = _replayed(setting, subject, data, None)
    lost, there = 0, 0
    for low, high in zip(half_grads, full_grads, strict=True):
        there += int((high != 0).sum())
        lost += int(((low == 0) & (high != 0)).sum())
    norms = [_norm(grads) for grads in (half_grads, full_grads)]
    difference = abs(half - full) / max(abs(full), 1e-12)
    share = lost / max(there, 1)
    same = math.isfinite(half) and math.isfinite(norms[0])
    bars = threshold("float32-replay.difference"), threshold("float32-replay.lost")
    return Trial(
        name="float32-replay",
        healthy=not math.isfinite(full) or (same and difference <= bars[0] and share <= bars[1]),
        evidence=f"loss {half:.4g} in {str(kind).removeprefix('torch.')}, {full:.4g} in float32; "
        f"{share:.1%} of the gradients' elements are lost",
        measured={
            "half_loss": half,
            "float32_loss": full,
            "difference": difference,
            "lost": share,
            "half_norm": norms[0],
            "float32_norm": norms[1],
        },
    )


def _half(setting: Setting, network: nn.Module) -> torch.dtype | None:
    """Return the half precision of a training; None where it has none."""
    for weights in network.parameters():
        if weights.dtype in (torch.float16, torch.bfloat16):
            return weights.dtype
    name = setting.precision.lower()
    if "bf" in name:
        return torch.bfloat16
    return torch.float16 if "16" in name or "half" in name else None


def _replayed(
    setting: Setting,
    subject: Subject,
    data: tuple[Tensor, Tensor],
    kind: torch.dtype | None,
) -> tuple[float, list[Tensor]]:
    network = set_still(subject.network(), setting)
    weights = [one for one in network.parameters() if one.requires_grad]
    whole = kind is not None and any(one.dtype == kind for one in network.parameters())
    if kind is None:
        network.float()
    place = weights[0].device if weights else torch.device("cpu")
    inputs = data[0].to(place, kind if whole and data[0].is_floating_point() else None)
    inputs = inputs.float() if kind is None and inputs.is_floating_point() else inputs
    with torch.autocast(place.type, dtype=kind, enabled=kind is not None and not whole):
        outputs = answers(network, inputs)
        loss = subject.losses(outputs, data[1].to(place)).mean()
    grads = cast("Sequence[Tensor | None]", torch.autograd.grad(loss, weights, allow_unused=True))
    return float(loss.detach()), [
        torch.zeros_like(one) if grad is None else grad.float()
        for one, grad in zip(weights, grads, strict=True)
    ]


def _norm(grads: list[Tensor]) -> float:
    return math.sqrt(sum(float(grad.double().square().sum()) for grad in grads))
