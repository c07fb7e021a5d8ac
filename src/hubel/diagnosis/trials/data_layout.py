"""Whether inputs are pictures still: neighbouring pixels of a picture are alike."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.trial import Trial

SAMPLES: Final = 256
LEAST: Final = 10
LEAST_SIDE: Final = 6


def neighbours_alike(inputs: Tensor) -> tuple[float, float]:
    """Return the correlation of pixels with their right neighbour, and with their lower one.

    r = Σ x(p) x(p') / Σ (x(p)² + x(p')²) · 2 over pairs of neighbours p, p' of all pictures and
    channels, x centred a picture and channel.
    """
    values = torch.nan_to_num(inputs.detach().to("cpu", torch.float64))
    values = values - values.mean((2, 3), keepdim=True)
    # Each picture counts alike, whatever its contrast.
    values = values / values.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
    return (
        _correlation(values[..., :, :-1], values[..., :, 1:]),
        _correlation(values[..., :-1, :], values[..., 1:, :]),
    )


def _correlation(left: Tensor, right: Tensor) -> float:
    energy = float((left.square().sum() + right.square().sum()) / 2)
    return float((left * right).sum()) / energy if energy > 0 else math.nan


def reread(inputs: Tensor) -> Tensor:
    """Return the pictures if (height, width, channels) was viewed as (channels, height, width)."""
    number, channels, height, width = inputs.shape
    return inputs.reshape(number, height, width, channels).permute(0, 3, 1, 2)


def aligned_rows(inputs: Tensor) -> float:
    """Return how far neighbouring rows correlate, each pair at the shift at which it does best.

    For each row, max over d of Σ x(row, p) x(row + 1, p + d), circular in p and summed over the
    pictures and channels, over the energy of both; then the mean over rows that are not blank.
    """
    values = torch.nan_to_num(inputs.detach().to("cpu", torch.float64))
    values = values - values.mean((2, 3), keepdim=True)
    waves = torch.fft.rfft(values, dim=3)
    products = (waves[:, :, 1:] * waves[:, :, :-1].conj()).sum((0, 1))
    shifted = torch.fft.irfft(products, n=inputs.shape[3], dim=1).amax(1)
    energies = values.square().sum((0, 1, 3))
    energy = (energies[1:] + energies[:-1]) / 2
    seen = energy > 1e-3 * energy.mean()
    return float((shifted[seen] / energy[seen]).mean()) if bool(seen.any()) else math.nan


def inputs_are_pictures(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Compare neighbouring pixels, as they stand and as another reading of the memory has them.

    Where they correlate across and not down, rows are shifted to fit each other, too.
    """
    del setting
    samples = subject.samples("train", SAMPLES)
    if samples is None or len(samples) < LEAST:
        return Unknown(why=f"fewer than {LEAST} training pictures are at hand")
    inputs = samples.inputs
    if inputs.ndim != 4 or min(inputs.shape[2:]) < LEAST_SIDE:
        return Unknown(why=f"the inputs are no pictures of at least {LEAST_SIDE} pixels a side")
    right, below = neighbours_alike(inputs)
    measured = {"right": right, "below": below}
    words = f"neighbouring pixels correlate {right:.2f} across and {below:.2f} down"
    viewed = False
    if inputs.shape[1] > 1:
        again = neighbours_alike(reread(inputs))
        measured["again"] = min(again)
        gain = min(again) - min(right, below)
        viewed = gain > threshold("data/layout.gain") and max(again) > max(right, below)
        words += f"; read as rows of whole pixels {again[0]:.2f} and {again[1]:.2f}"
    scrambled = max(right, below) < threshold("data/layout.correlation")
    shifted = False
    if not viewed and not scrambled and below < threshold("data/layout.other-rows"):
        measured["aligned"] = aligned_rows(inputs)
        shifted = measured["aligned"] > threshold("data/layout.correlation")
        words += f"; {measured['aligned']:.2f} down with each row shifted to fit the one above"
    measured["viewed"], measured["scrambled"] = float(viewed), float(scrambled)
    measured["shifted"] = float(shifted)
    return Trial(
        name="data-layout",
        healthy=not (viewed or scrambled or shifted),
        evidence=f"{words} ({len(samples)} pictures)",
        measured=measured,
    )
