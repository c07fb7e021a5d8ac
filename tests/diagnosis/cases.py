"""Cases put together by hand, for tests of what the doctor makes of them."""

import dataclasses

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import EvaluationRow, Record, StepRow
from hubel.diagnosis.evidence.setting import ModuleFact, OptimizerFact, Setting
from hubel.results import Finding

PLAN = {
    "model": "hubelnet", "model_arguments": {}, "size": 28, "loss": "cross-entropy",
    "label_smoothing": 0.0, "balance": "none", "optimizer": "adam", "lr": 0.3, "momentum": 0.9,
    "weight_decay": 0.0, "l1": 0.0, "schedule": "cosine", "step_factor": 0.1, "warmup": 0.0,
    "epochs": 10, "budget_s": None, "batch": 128, "accumulate": 1, "dropout": 0.0,
    "augment": ["none"], "ema": 0.0, "clip": None, "precision": "float32", "freeze_epochs": 0,
    "non_finite": "stop", "cache_bytes": 0,
}  # fmt: skip


def hubel_case(record=None, *, modules=(), pictures=1000, **changes):
    """Return the case of a run of hubel whose plan differs in `changes` from PLAN."""
    setting = Setting(
        origin="hubel", task="classification", pictures=pictures, modules=modules,
        options={**PLAN, **changes},
    )  # fmt: skip
    return Case(setting, record or Record(), with_trials=False)


def loop_case(kind="SGD", *, modules=(), batch=64, steps=None, **group):
    """Return the case of somebody's own loop."""
    setting = Setting(
        origin="loop", task="classification", batch=batch, modules=modules,
        optimizer=OptimizerFact(kind=kind, groups=(group,)),
        planned_steps=steps, steps_a_pass=10 if steps else None,
    )  # fmt: skip
    return Case(setting, Record(), with_trials=False)


def module(kind, **details):
    """Return a leaf module as a fact."""
    return ModuleFact(path=kind.lower(), kind=kind, details=details)


def finding(name, **changes):
    """Return a cause."""
    made = Finding(
        id=name, what=f"There is {name}.", where=(), evidence="3 of 4", threshold="2",
        severity="error", confidence=1.0, remedy=f"Mend {name} by hand.", source="hubel",
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def trained_record(accuracy, validated):
    """Return a record of 20 steps with this accuracy, and one evaluation on validation."""
    steps = [
        StepRow(step=step, pass_number=1, loss=1.0, lr=0.1, pictures=50, accuracy=accuracy)
        for step in range(1, 21)
    ]
    evaluations = [
        EvaluationRow(
            step=20, pass_number=1, split="val", mode="eval", loss=1.0, accuracy=validated,
            pictures=100,
        )
    ]  # fmt: skip
    return Record(steps=steps, evaluations=evaluations)
