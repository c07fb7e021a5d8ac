"""Whether a network is the same in training and in evaluation mode."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import (
    Clock,
    apart,
    keeps_statistics,
    outputs_of,
    ready,
    set_still,
)
from hubel.diagnosis.trials.marks import right
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 256
WIDE: Final = 64
"""Pictures a batch for statistics that are hardly noisy."""


class Score(NamedTuple):
    """Mean loss and accuracy of one mode, and which pictures it got right, where that is known."""

    loss: float
    accuracy: float
    right: Tensor | None


def mode_swap(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Measure the same 256 pictures in both modes, dropout and its like off in both.

    What is left is the difference between the batches' statistics and the running ones:
    |L_eval − L_train| / max(L_train, L_eval, .05·L₀), L₀ the loss of a network that guesses.
    Measured: train_loss, eval_loss, difference, train_accuracy, eval_accuracy, number, p (of the
    pictures that evaluation loses, by the exact sign test), layers (that keep statistics), own_loss
    and own_accuracy (training mode at the training's own batch size), and `drift:PATH` for each
    layer: over its channels, the root mean square of the distance of the means in standard
    deviations or the log ratio of the standard deviations, whichever is larger.
    `where` names the layers that drifted, the first one first. Bound: 4 passes over 256 pictures.
    Source: ioffe2015batch.
    """
    with apart():
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 8:
            return Unknown(why="there are no training pictures to measure")
        network = subject.network()
        if not any(keeps_statistics(module) for module in network.modules()):
            return Unknown(why="no layer of the network keeps running statistics")
        clock = Clock()
        data = ready(samples, network)
        score = partial(_score, setting, subject, data, clock=clock)
        evaluated = score(network.eval(), size=WIDE)
        network = set_still(subject.network(), setting)
        drifts = _drifts(network, data[0], clock)
        trained = score(set_still(subject.network(), setting), size=WIDE)
        batch = setting.batch or WIDE
        own = trained
        if 2 <= batch < WIDE // 2:
            own = score(set_still(subject.network(), setting), size=batch)
        guess = _guess(setting, subject, data)
    return _judged(evaluated, trained, own, drifts, guess, len(data[0]))


def _judged(
    evaluated: Score,
    trained: Score,
    own: Score,
    drifts: dict[str, float],
    guess: float,
    number: int,
) -> Trial:
    floor = 0.05 * abs(guess) if math.isfinite(guess) else 0.0
    size = max(abs(trained.loss), abs(evaluated.loss), floor, 1e-12)
    difference = abs(evaluated.loss - trained.loss) / size
    if math.isnan(difference):
        difference = math.inf
    drifted = [name for name, far in drifts.items() if far > threshold("normalisation/drift.far")]
    return Trial(
        name="mode-swap",
        healthy=difference <= threshold("normalisation/train-eval.difference"),
        evidence=f"the same {number} pictures: loss {trained.loss:.4g} and accuracy "
        f"{trained.accuracy:.1%} with the batches' statistics, {evaluated.loss:.4g} and "
        f"{evaluated.accuracy:.1%} with the running ones",
        measured={
            "train_loss": trained.loss,
            "eval_loss": evaluated.loss,
            "difference": difference,
            "train_accuracy": trained.accuracy,
            "eval_accuracy": evaluated.accuracy,
            "own_loss": own.loss,
            "own_accuracy": own.accuracy,
            "number": number,
            "p": _chance(trained, evaluated),
            "layers": len(drifts),
            **{f"drift:{name}": far for name, far in drifts.items()},
        },
        where=tuple(drifted),
    )


def _chance(trained: Score, evaluated: Score) -> float:
    """Return the probability that evaluation loses so many pictures by chance; 1 if not known.

    The exact sign test, one-sided, on the pictures that only one of the modes gets right.
    """
    if trained.right is None or evaluated.right is None:
        return 1.0
    lost = int((trained.right > evaluated.right).sum())
    number = lost + int((trained.right < evaluated.right).sum())
    return sum(math.comb(number, one) for one in range(lost, number + 1)) / 2**number


@torch.no_grad()
def _score(
    setting: Setting,
    subject: Subject,
    data: tuple[Tensor, Tensor],
    network: nn.Module,
    *,
    size: int,
    clock: Clock,
) -> Score:
    outputs = outputs_of(network, data[0], clock, size)
    marks = right(setting, outputs, data[1])
    loss = float(subject.losses(outputs, data[1]).float().mean())
    return Score(loss, math.nan if marks is None else float(marks.mean()), marks)


@torch.no_grad()
def _guess(setting: Setting, subject: Subject, data: tuple[Tensor, Tensor]) -> float:
    """Return ln of the number of classes, or the loss of outputs that are all 0."""
    if setting.task == "classification" and setting.outputs and setting.outputs > 1:
        return math.log(setting.outputs)
    targets = data[1]
    if targets.is_floating_point():
        return float(subject.losses(torch.zeros_like(targets), targets).float().mean())
    return math.nan


@torch.no_grad()
def _drifts(network: nn.Module, inputs: Tensor, clock: Clock) -> dict[str, float]:
    """Return how far each layer's running statistics are from those of its inputs."""
    sums: dict[str, list[tuple[Tensor, Tensor]]] = {}
    layers = {name: one for name, one in network.named_modules() if keeps_statistics(one)}
    kept = {
        name: (_of(one, "mean").clone(), _of(one, "var").clone()) for name, one in layers.items()
    }

    def listen(name: str, _: nn.Module, given: tuple[Any, ...]) -> None:
        rows = cast("Tensor", given[0]).float().transpose(0, 1).flatten(1)
        sums.setdefault(name, []).append((rows.mean(1), rows.square().mean(1)))

    handles = [one.register_forward_pre_hook(partial(listen, name)) for name, one in layers.items()]
    try:
        outputs_of(network, inputs, clock, WIDE)
    finally:
        for handle in handles:
            handle.remove()
    return {name: _distance(rows, *kept[name]) for name, rows in sums.items()}


def _of(layer: nn.Module, what: str) -> Tensor:
    return cast("Tensor", getattr(layer, f"running_{what}")).float()


def _distance(rows: list[tuple[Tensor, Tensor]], mean: Tensor, variance: Tensor) -> float:
    seen = torch.stack([row[0] for row in rows]).mean(0)
    spread = (torch.stack([row[1] for row in rows]).mean(0) - seen.square()).clamp_min(0)
    # A channel that is nearly constant has no scale of its own: the layer's lends it one.
    least = 1e-3 * float(spread.mean()) + 1e-12
    wide, kept = (spread + least).sqrt(), (variance + least).sqrt()
    means = ((seen - mean) / torch.maximum(wide, kept)).square().mean().sqrt()
    ratios = (wide / kept).log().square().mean().sqrt()
    return float(torch.maximum(means, ratios))
