"""The values of pixels: whether all are numbers, and whether their scale does harm."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_reading import SAMPLES, first_tensor, outputs_of
from hubel.diagnosis.trials.data_shift import mapped, statistics
from hubel.diagnosis.trials.trial import Trial

_WHERE: Final = 100
_STEPS: Final = 40
_LATER: Final = 240
_BATCH: Final = 32
_HELD_OUT: Final = 128
_MOST_VALUES: Final = 32 * 3 * 64 * 64
"""Values of a batch, by which large pictures come in smaller ones."""
_SEED: Final = 17


def pixels_are_numbers(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Look for pixels that are not finite in the pictures of both splits."""
    del setting
    found: list[str] = []
    number = 0
    for split in ("train", "val"):
        samples = subject.samples(split, SAMPLES)
        if samples is None:
            continue
        number += len(samples)
        bad = ~torch.isfinite(samples.inputs.flatten(1)).all(1)
        found += [
            f"{split} {key}" for key, one in zip(samples.keys, bad.tolist(), strict=True) if one
        ]
    if not number:
        return Unknown(why="the pictures are not at hand")
    return Trial(
        name="data-finite",
        healthy=not found,
        evidence=f"{len(found)} of {number} pictures have pixels that are not finite numbers",
        measured={"pictures": float(len(found)), "read": float(number)},
        where=tuple(found[:_WHERE]),
    )


def scale_does_no_harm(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train two fresh copies for a few steps: on the pictures as they are, and standardised.

    Harm is where the standardised ones leave a lower loss on pictures that were held out, by a
    share of it and by three standard errors of the paired difference.
    """
    del setting
    return _compared("data-scale", subject, _STEPS)


def scale_does_no_harm_later(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Do the same for as many steps as small or slow networks need to show it."""
    del setting
    return _compared("data-scale-later", subject, _LATER)


def _compared(name: str, subject: Subject, steps: int) -> Trial | Unknown:
    samples, fresh = subject.samples("train", SAMPLES), subject.fresh()
    if samples is None or fresh is None or len(samples) < 2 * _BATCH:
        return Unknown(why="the weights of before the training, or pictures, are not at hand")
    inputs, targets = samples.inputs, samples.targets
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(_SEED))
    held = order[: min(_HELD_OUT, len(order) // 4)]
    rest = order[len(held) :]
    mine = statistics(inputs[rest])
    wanted = (torch.zeros_like(mine[0]), torch.ones_like(mine[1]))
    plain = _held_out(subject, fresh, inputs, targets, (rest, held), steps)
    again = subject.fresh()
    if again is None:
        return Unknown(why="the weights of before the training are not at hand")
    scaled = _held_out(subject, again, mapped(inputs, mine, wanted), targets, (rest, held), steps)
    ceiling = math.log(1e6)
    before = torch.nan_to_num(plain, nan=ceiling, posinf=ceiling).clamp(max=ceiling)
    after = torch.nan_to_num(scaled, nan=ceiling, posinf=ceiling).clamp(max=ceiling)
    gain = before - after
    z = float(gain.mean() / (gain.std() / math.sqrt(len(gain))).clamp(min=1e-9))
    share = float(gain.mean() / before.mean().clamp(min=1e-9))
    return Trial(
        name=name,
        healthy=not (share > threshold("data/range.gain") and z > 3.0),
        evidence=(
            f"after {steps} steps from the same weights the loss on held-out pictures is "
            f"{float(before.mean()):.3g}, with standardised pictures {float(after.mean()):.3g}"
        ),
        measured={
            "plain": float(before.mean()),
            "standardised": float(after.mean()),
            "gain": share,
            "z": z,
        },
    )


def _held_out(
    subject: Subject,
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    places: tuple[Tensor, Tensor],
    steps: int,
) -> Tensor:
    """Train for some steps; return the loss of each held-out picture."""
    rest, held = places
    values = max(inputs[0].numel(), 1)
    batch = max(min(_BATCH, _MOST_VALUES // values), 4)
    parameter = next(module.parameters())
    optimizer = subject.optimizer(module)
    module.train()
    generator = torch.Generator().manual_seed(_SEED)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(_SEED)
        for _ in range(steps):
            chosen = rest[torch.randint(len(rest), (batch,), generator=generator)]
            optimizer.zero_grad()
            outputs = first_tensor(module(inputs[chosen].to(parameter.device, parameter.dtype)))
            subject.losses(outputs, targets[chosen].to(parameter.device)).mean().backward()
            optimizer.step()
    outputs = outputs_of(module, inputs[held])
    return subject.losses(outputs, targets[held].cpu()).detach().double().cpu()
