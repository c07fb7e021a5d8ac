"""Whether validation pictures are made like the training's: statistics, order of channels."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_reading import Labelled, class_numbers, predictions_of
from hubel.diagnosis.trials.trial import Trial

LEAST: Final = 30
"""Pictures of each split below which nothing is said."""
SAMPLES: Final = 512
_INVERTED: Final = "bright and dark exchanged"


def statistics(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and standard deviation a channel, and the mean's standard error over pictures.

    The pixels of one picture are not independent: the error is that of the pictures' means.
    """
    values = inputs.detach().to("cpu", torch.float64)
    values = torch.nan_to_num(values.reshape(len(values), _channels(values), -1))
    means = values.mean(2)
    error = means.std(0) / math.sqrt(max(len(means), 1))
    return means.mean(0), values.transpose(0, 1).flatten(1).std(1), error


def _channels(values: Tensor) -> int:
    return values.shape[1] if values.ndim == 4 else 1


def mapped(
    inputs: Tensor, mine: tuple[Tensor, ...], wanted: tuple[Tensor, ...], *, inverted: bool = False
) -> Tensor:
    """Return the pictures with the mean and standard deviation of others, a channel.

    `inverted` makes bright dark: each pixel is mirrored at the mean of its channel.
    """
    shape = (1, -1, *[1] * (inputs.ndim - 2)) if inputs.ndim == 4 else (1,)
    scale = (wanted[1] / mine[1].clamp(min=1e-12)).reshape(shape) * (-1 if inverted else 1)
    moved = (inputs.cpu().double() - mine[0].reshape(shape)) * scale + wanted[0].reshape(shape)
    return moved.to(inputs.dtype) if inputs.is_floating_point() else moved.float()


def validation_is_made_alike(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Compare the statistics of both splits, and try whether the network reads validation better
    with the training's statistics, inverted, or with the channels in the opposite order.

    The gain is tested by McNemar's statistic z = (b - c) / √(b + c), where b pictures become right
    and c become wrong (mcnemar1947).
    """
    train, val = subject.samples("train", SAMPLES), subject.samples("val", SAMPLES)
    if train is None or val is None or min(len(train), len(val)) < LEAST:
        return Unknown(why=f"fewer than {LEAST} training or validation pictures are at hand")
    if train.inputs.shape[1:2] != val.inputs.shape[1:2]:
        return Unknown(why="training and validation pictures have different numbers of channels")
    of_train, of_val = statistics(train.inputs), statistics(val.inputs)
    error = (of_train[2] ** 2 + of_val[2] ** 2).sqrt().clamp(min=1e-12)
    apart = float(((of_train[0] - of_val[0]).abs() / of_train[1].clamp(min=1e-12)).max())
    certain = float(((of_train[0] - of_val[0]).abs() / error).max())
    ratio = of_val[1] / of_train[1].clamp(min=1e-12)
    spread = float(ratio.clamp(min=1e-12).log().abs().max())
    shifted = certain > threshold("data/validation-mismatch.deviations") and (
        apart > threshold("data/validation-mismatch.mean")
        or spread > math.log(threshold("data/validation-mismatch.spread"))
    )
    shifted = shifted or spread > math.log(2 * threshold("data/validation-mismatch.spread"))
    labels = class_numbers(val.targets)
    measured = {"apart": apart, "deviations": certain, "spread": math.exp(spread)}
    measured["shifted"] = float(shifted)
    measured["far"] = float(
        shifted
        and (
            apart > threshold("data/validation-mismatch.far-mean")
            or spread > math.log(threshold("data/validation-mismatch.far-spread"))
        )
    )
    gains: dict[str, tuple[float, float]] = {}
    if labels is not None and setting.task not in {"multilabel", "regression"}:
        gains = _gains(
            setting,
            subject,
            Labelled(samples=val, labels=labels),
            (of_train, of_val),
            shifted=shifted,
        )
    best = max(gains, key=lambda name: gains[name], default="")
    measured["gain"], measured["gain_z"] = gains.get(best, (0.0, 0.0))
    measured["channels"] = float("channels" in best)
    measured["inverted"] = float(best == _INVERTED)
    sure = "gain-far" if measured["far"] else "gain-deviations" if shifted else "gain-alike"
    proven = measured["gain"] >= threshold("data/validation-mismatch.gain") and measured[
        "gain_z"
    ] >= threshold(f"data/validation-mismatch.{sure}")
    measured["proven"] = float(proven)
    return Trial(
        name="data-shift",
        healthy=not (shifted or proven),
        evidence=_words(of_train, of_val, best if proven else "", measured),
        measured=measured,
        where=(best,) if proven else (),
    )


def _words(
    of_train: tuple[Tensor, ...], of_val: tuple[Tensor, ...], best: str, measured: dict[str, float]
) -> str:
    numbers = [
        ", ".join(f"{value:.3g}" for value in part.tolist())
        for part in (of_train[0], of_train[1], of_val[0], of_val[1])
    ]
    words = "training mean {}, std {}; validation mean {}, std {}".format(*numbers)
    if best:
        words += f"; with {best} the network is right for {measured['gain']:.1%} more of validation"
    return words


def _gains(
    setting: Setting,
    subject: Subject,
    val: Labelled,
    of: tuple[tuple[Tensor, ...], tuple[Tensor, ...]],
    *,
    shifted: bool,
) -> dict[str, tuple[float, float]]:
    """Return, by what was changed, the gain in accuracy and its z."""
    variants: dict[str, Tensor] = {}
    if shifted:
        variants["the training's mean and deviation"] = mapped(val.inputs, of[1], of[0])
        variants[_INVERTED] = mapped(val.inputs, of[1], of[0], inverted=True)
    if val.inputs.ndim == 4 and val.inputs.shape[1] == 3:
        turned = val.inputs.flip(1)
        variants["the channels in the opposite order"] = turned
        if shifted:
            other = tuple(part.flip(0) for part in of[1])
            variants["the channels in the opposite order and the training's statistics"] = mapped(
                turned, other, of[0]
            )
    if not variants:
        return {}
    right = predictions_of(setting, subject.network(), val.inputs) == val.labels
    return {
        name: mcnemar(right, predictions_of(setting, subject.network(), inputs) == val.labels)
        for name, inputs in variants.items()
    }


def mcnemar(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the gain in the share that is right, and McNemar's z."""
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    return (better - worse) / len(before), (better - worse) / math.sqrt(max(better + worse, 1))
