"""Cases written by hand: courses of the loss, layers, units, a simple classifier."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import (
    BatchRow,
    EvaluationRow,
    Record,
    StepRow,
    UnitRow,
    WeightRow,
)
from hubel.diagnosis.evidence.setting import (
    LossFact,
    ModuleFact,
    OptimizerFact,
    ParameterFact,
    Setting,
)
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.trials.trial import Trial

GUESSING = math.log(10)
SAMPLED = range(1, 100, 10)


def fall(steps: int, start: float = GUESSING, end: float = 0.2, noise: float = 0.02) -> list[float]:
    """Return losses that fall exponentially from start towards end, with noise."""
    draw = random.Random(0)
    rate = 5 / steps
    return [end + (start - end) * math.exp(-rate * t) + draw.gauss(0, noise) for t in range(steps)]


def flat(steps: int, level: float = GUESSING, noise: float = 0.02) -> list[float]:
    """Return losses that stay where they are."""
    return fall(steps, level, level, noise)


def case_of(
    losses: Sequence[float],
    *,
    lr: Sequence[float] | None = None,
    accuracy: float | None = None,
    val: float | None = None,
    pictures: int = 64,
    kind: str = "cross-entropy",
    initial: float = GUESSING,
    weights: Sequence[WeightRow] = (),
    units: Sequence[UnitRow] = (),
    parameters: Sequence[ParameterFact] = (),
    modules: Sequence[ModuleFact] = (),
    optimizer: OptimizerFact | None = None,
    rate: Trial | None = None,
    **setting,
) -> Case:
    """Return a case with these losses; `accuracy` is that of the steps, by default as on `val`."""
    reached = accuracy if accuracy is not None else 0.1 if val is None else val
    steps = [
        StepRow(step=n, pass_number=1 + (n - 1) // 25, loss=loss, pictures=pictures,
                lr=0.1 if lr is None else lr[n - 1], accuracy=reached)
        for n, loss in enumerate(losses, 1)
    ]  # fmt: skip
    batch = BatchRow(
        step=1, split="train", shape=(100, 1, 8, 8), dtype="float32", low=0, high=1, mean=(0.0,),
        std=(1.0,), labels=tuple(range(10)) * 10,
    )  # fmt: skip
    record = Record(
        steps=steps, weights=list(weights), units=list(units), batches=[batch],
        initial_loss=initial,
    )  # fmt: skip
    if val is not None:
        record.evaluations.append(EvaluationRow(
            step=len(steps), pass_number=1, split="val", mode="eval", loss=1.0, accuracy=val,
            pictures=300,
        ))  # fmt: skip
    loss = LossFact(kind=kind, reduction="mean", negated=False, activations=(), chain=())
    facts = Setting(
        origin="loop", task="classification", outputs=10, classes=10, loss=loss,
        parameters=tuple(parameters), modules=tuple(modules), optimizer=optimizer, **setting,
    )  # fmt: skip
    case = Case(facts, record)
    case.trials.made["reference"] = Trial(
        name="reference",
        healthy=True,
        evidence="",
        measured={"accuracy": 0.93, "standard_error": 0.015, "chance": 0.1, "number": 300.0},
    )
    case.trials.made["rate-range"] = Unknown(why="not made") if rate is None else rate
    return case


def layer(
    path: str, *, ratio: float = 0.01, gradient: float = 0.01, weight: float = 0.1, size: int = 16,
    spread: float = 0.95, zero: float = 0.0, steps: Sequence[int] = SAMPLED, inputs: int = 16,
) -> tuple[ParameterFact, list[WeightRow]]:  # fmt: skip
    """Return a layer's weight of (size, inputs, 3, 3) and its rows, the same at every sample."""
    fact = ParameterFact(name=f"{path}.weight", shape=(size, inputs, 3, 3), trainable=True, group=0)
    rows = [
        WeightRow(step=step, name=fact.name, weight=weight, gradient=gradient, spread=spread,
                  update=ratio * weight, mean_ratio=ratio, zero_gradient=zero)
        for step in steps
    ]  # fmt: skip
    return fact, rows


def network(*layers: tuple[ParameterFact, list[WeightRow]], kind: str = "Conv2d") -> dict:
    """Return the arguments of `case_of` for these layers, each followed by a ReLU."""
    modules = []
    for fact, _ in layers:
        path = fact.name.rpartition(".")[0]
        modules += [ModuleFact(path=path, kind=kind), ModuleFact(path=f"{path}-act", kind="ReLU")]
    return {
        "parameters": [fact for fact, _ in layers],
        "weights": [row for _, rows in layers for row in rows],
        "modules": modules[:-1],
    }


def unit(path: str, step: int, *, kind: str = "ReLU", **numbers: float) -> UnitRow:
    """Return a healthy unit's row but for the numbers given."""
    return UnitRow(**{
        "step": step, "path": path, "kind": kind, "mean": 0.5, "std": 1.0, "largest": 3.0,
        "zeros": 0.5, "dead": 0.0, "still": 0.0, **numbers,
    })  # fmt: skip


def rate_range(low: float, high: float, *, current: float = 0.1) -> Trial:
    """Return a range test's outcome; the edges are given as factors of the training's own rate."""
    return Trial(
        name="rate-range", healthy=low < 10 and high > 0.3, evidence="a range",
        measured={"current_lr": current, "best_lr": current * math.sqrt(low * high),
                  "low_edge": current * low, "high_edge": current * high,
                  "current_fall": 0.5, "best_fall": 0.6},
    )  # fmt: skip


def read(symptom: str, case: Case):
    """Return what the rule of a symptom answers."""
    return SYMPTOMS[symptom].find(case)
