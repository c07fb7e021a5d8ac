"""What the network as it stands gets right, of pictures seen and unseen."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Samples, Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.bench import Clock, apart, outputs_of, ready
from hubel.diagnosis.trials.marks import chance_of, left_over, right, share_error
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 512


def held_out(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Measure a copy in evaluation mode on up to 512 training and 512 validation pictures.

    Measured, for `train` and, where there is validation, `val`: _loss, _loss_error (standard
    error), _accuracy (R² for numbers), _error (its standard error), _number; and chance, augmented
    (1 where the training pictures are). Bound: one pass forward over 1,024 pictures.
    """
    with apart():
        clock = Clock()
        seen = subject.samples("train", PICTURES)
        unseen = subject.samples("val", PICTURES)
        if seen is None or not len(seen):
            return Unknown(why="there are no training pictures to measure")
        measured = _measured(setting, subject, "train", seen, clock)
        if unseen is not None and len(unseen):
            measured |= _measured(setting, subject, "val", unseen, clock)
    chance = chance_of(setting, seen.targets)
    measured |= {"chance": chance, "augmented": float(seen.augmented)}
    above = [
        measured[f"{split}_accuracy"]
        > (0.0 if math.isnan(chance) else chance) + 3 * measured[f"{split}_error"]
        for split in ("train", "val")
        if f"{split}_accuracy" in measured
    ]
    words = "; ".join(
        f"{name} loss {measured[f'{split}_loss']:.4g}, {_score(measured, split, chance)}"
        for split, name in (("train", "training"), ("val", "validation"))
        if f"{split}_loss" in measured
    )
    return Trial(name="held-out", healthy=all(above), evidence=words, measured=measured)


def _score(measured: dict[str, float], split: str, chance: float) -> str:
    share, error = measured[f"{split}_accuracy"], measured[f"{split}_error"]
    number = f"of {measured[f'{split}_number']:.0f}"
    if math.isnan(chance):
        return f"R² {share:.3f} ± {error:.3f} {number}"
    return f"accuracy {share:.1%} ± {error:.1%} {number}"


@torch.no_grad()
def _measured(
    setting: Setting, subject: Subject, split: str, samples: Samples, clock: Clock
) -> dict[str, float]:
    network = subject.network().eval()
    inputs, targets = ready(samples, network)
    outputs = outputs_of(network, inputs, clock)
    losses = subject.losses(outputs, targets).double()
    number = len(samples)
    score, error = _accuracy(setting, outputs, targets)
    return {
        f"{split}_loss": float(losses.mean()),
        f"{split}_loss_error": _standard_error(losses),
        f"{split}_accuracy": score,
        f"{split}_error": error,
        f"{split}_number": float(number),
    }


def _accuracy(setting: Setting, outputs: Tensor, targets: Tensor) -> tuple[float, float]:
    marks = right(setting, outputs, targets)
    if marks is not None:
        share = float(marks.mean())
        return share, share_error(share, len(targets))
    left = left_over(outputs, targets)
    if left is None:
        return math.nan, math.nan
    return 1 - float(left.mean()), _standard_error(left)


def _standard_error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
