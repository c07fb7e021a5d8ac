"""What a simple classifier gets from the pixels: the floor under any network that works.

A linear map of the pictures, shrunk to at most 16 x 16, is something that every convolutional
network can be: who stays below it does not use what it has. Where pixels are hopeless, as in
photographs, the map is hardly above chance and the floor says nothing, which its numbers show.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Samples, Subject, Unchanged
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.bench import apart
from hubel.diagnosis.trials.linear import logistic_regression, ridge_regression
from hubel.diagnosis.trials.marks import (
    chance_of,
    classes_of,
    different,
    left_over,
    share_error,
    task_of,
)
from hubel.diagnosis.trials.trial import Trial

NUMBER: Final = 1536
"""Training pictures at most: two thirds to learn from, one third held out to be scored on."""
SIDE: Final = 16
PLAIN: Final = 200
"""Validation pictures from which on they are learned from where training ones are augmented."""
ELEMENTS: Final = 30_000_000
"""Numbers that all pictures together may have: 120 MB."""


def reference(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Return accuracy (share of labels; R² for numbers) of a linear map of coarse pixels.

    It is scored on training pictures held out, so that what is wrong with validation does not
    lower the floor. Augmentation that spoils pictures must not lower it either: training pictures
    are read without it where they can be, and else, where validation comes without, it learns from
    validation pictures in their place.
    Measured: accuracy or r2, standard_error, chance, train_number, number; for classes also
    val_accuracy, val_error and val_number where there is validation. Bound: 2,048 pictures read and
    one logistic regression of at most 768 features, about 0.2 s on one core.
    """
    with apart():
        elements = max(math.prod(setting.input_shape[-3:]), 1) if setting.input_shape else 1
        number = max(min(NUMBER, ELEMENTS // elements), 192)
        samples = subject.samples("train", number)
        if samples is not None and samples.augmented and isinstance(subject, Unchanged):
            samples = subject.plain("train", number) or samples
        # A copy held out would be known by heart.
        samples = samples and _those(samples, different(samples.inputs))
        if samples is None or len(samples) < 48:
            return Unknown(why="there are no 48 different training pictures to compare with")
        task = task_of(setting, samples.targets)
        if task == "regression":
            return _numbers(*_thirds(samples))
        val = subject.samples("val", number if samples.augmented else number // 3)
        if samples.augmented and val is not None and not val.augmented and len(val) >= PLAIN:
            return _labels(setting, *_thirds(val), None, "plain validation")
        if val is not None and len(val) > number // 3:
            val = subject.samples("val", number // 3)
        return _labels(setting, *_thirds(samples), val)


def features(inputs: Tensor) -> NDArray[np.float32]:
    """Return one row of pixels a picture: (n, c, h, w) shrunk by means to at most 16 x 16.

    What is not finite counts as 0, since it must not hide what the others say.
    """
    coarse = inputs.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    if coarse.ndim == 4 and max(coarse.shape[2:]) > SIDE:
        height, width = coarse.shape[2:]
        coarse = F.adaptive_avg_pool2d(coarse, (min(height, SIDE), min(width, SIDE)))
    return coarse.flatten(1).numpy()


def _thirds(samples: Samples) -> tuple[Samples, Samples]:
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    cut = len(samples) * 2 // 3
    return _those(samples, order[:cut]), _those(samples, order[cut:])


def _those(samples: Samples, chosen: Tensor) -> Samples:
    return Samples(
        inputs=samples.inputs[chosen],
        targets=samples.targets[chosen],
        keys=tuple(samples.keys[index] for index in chosen.tolist()),
        augmented=samples.augmented,
    )


Scaled = Callable[[Samples], NDArray[np.float32]]
Answer = Callable[[Samples], NDArray[Any]]


def _standardised(seen: Samples) -> Scaled:
    known = features(seen.inputs)
    mean, std = known.mean(0), known.std(0)
    std = np.where(std > 1e-3 * max(float(std.max()), 1e-30), std, np.inf)
    return lambda samples: (features(samples.inputs) - mean) / std


def _labels(
    setting: Setting, seen: Samples, asked: Samples, val: Samples | None, kind: str = "training"
) -> Trial:
    answer = _linear(setting, seen)
    share, error, chance = _score(setting, answer, asked)
    measured = {
        "accuracy": share,
        "standard_error": error,
        "chance": chance,
        "train_number": len(seen),
        "number": len(asked),
    }
    if val is not None and len(val):
        validated, its_error, _ = _score(setting, answer, val)
        measured |= {"val_accuracy": validated, "val_error": its_error, "val_number": len(val)}
    return Trial(
        name="reference",
        healthy=share > chance + 3 * error,
        evidence=f"a linear classifier of coarse pixels: {share:.1%} ± {error:.1%} of "
        f"{len(asked)} {kind} pictures held out, after {len(seen)}; the most frequent label "
        f"alone {chance:.1%}",
        measured=measured,
    )


def _linear(setting: Setting, seen: Samples) -> Answer:
    scaled = _standardised(seen)
    classes = classes_of(setting, seen.targets)
    if classes is None:
        labels = seen.targets.reshape(len(seen), -1).float().cpu().numpy()
        ridge = ridge_regression(scaled(seen), labels)
        return lambda samples: ridge(scaled(samples)) > 0.5
    names, numbers = np.unique(classes.cpu().numpy(), return_inverse=True)
    if len(names) < 2:
        return lambda samples: np.full(len(samples), names[0])
    scores = logistic_regression(scaled(seen), numbers, len(names))
    return lambda samples: names[scores(scaled(samples)).argmax(1)]


def _score(setting: Setting, answer: Answer, asked: Samples) -> tuple[float, float, float]:
    wanted = classes_of(setting, asked.targets)
    if wanted is None:
        wanted = asked.targets.reshape(len(asked), -1) > 0.5
    share = float((answer(asked) == wanted.cpu().numpy()).mean())
    return share, share_error(share, len(asked)), chance_of(setting, asked.targets)


def _numbers(seen: Samples, asked: Samples) -> Trial:
    scaled = _standardised(seen)
    wanted = seen.targets.reshape(len(seen), -1).float().cpu().numpy()
    given = ridge_regression(scaled(seen), wanted)(scaled(asked)).reshape(asked.targets.shape)
    left = left_over(torch.from_numpy(given), asked.targets.float().cpu())
    assert left is not None
    r2 = 1 - float(left.mean())
    error = float(left.std()) / math.sqrt(len(asked))
    return Trial(
        name="reference",
        healthy=r2 > 3 * error,
        evidence=f"ridge regression of coarse pixels: R² {r2:.3f} ± {error:.3f} of {len(asked)} "
        f"training pictures held out, after {len(seen)}",
        measured={
            "r2": r2,
            "standard_error": error,
            "chance": 0.0,
            "train_number": len(seen),
            "number": len(asked),
        },
    )
