"""Cases built by hand: a training with one thing changed."""

import math
from dataclasses import replace

import torch
from torch import nn

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import BatchRow, Event, Record, StepRow, WeightRow
from hubel.diagnosis.evidence.setting import (
    LossFact,
    ModuleFact,
    OptimizerFact,
    ParameterFact,
    Setting,
)
from hubel.diagnosis.evidence.subject import Samples
from hubel.diagnosis.harm import Harm
from hubel.diagnosis.table import SYMPTOMS

LOSS = LossFact(
    kind="cross-entropy",
    reduction="mean",
    negated=False,
    activations=(),
    chain=("NllLossBackward0", "LogSoftmaxBackward0", "AddmmBackward0"),
    outputs_shape=(8, 4),
    targets_shape=(8,),
)
PARAMETERS = (
    ParameterFact(name="conv.weight", shape=(6, 1, 3, 3), trainable=True, group=0),
    ParameterFact(name="bn.weight", shape=(6,), trainable=True, group=0),
    ParameterFact(name="mid.weight", shape=(6, 6), trainable=True, group=0),
    ParameterFact(name="head.weight", shape=(4, 6), trainable=True, group=0),
    ParameterFact(name="head.bias", shape=(4,), trainable=True, group=0),
)
MODULES = (
    ModuleFact(path="conv", kind="Conv2d"),
    ModuleFact(path="bn", kind="BatchNorm2d", details={"track_running_stats": 1.0}),
    ModuleFact(path="drop", kind="Dropout", details={"p": 0.5}),
    ModuleFact(path="mid", kind="Linear"),
    ModuleFact(path="head", kind="Linear"),
)
SETTING = Setting(
    origin="loop",
    task="classification",
    outputs=4,
    pictures=80,
    batch=8,
    steps_a_pass=10,
    input_shape=(1, 8, 8),
    parameters=PARAMETERS,
    modules=MODULES,
    optimizer=OptimizerFact(kind="SGD", groups=({"lr": 0.1, "momentum": 0.9},)),
    loss=LOSS,
)


def steps(number=30, a_pass=10, rate=lambda n: 0.1, **changes):
    """Updates, ten a pass; `rate` gives the learning rate of each."""
    rows = [
        StepRow(step=n + 1, pass_number=n // a_pass + 1, loss=1.0, lr=rate(n), pictures=8)
        for n in range(number)
    ]
    return [replace(row, **changes) for row in rows]


def weights(at=(1, 11, 21), **changes):
    """Rows of every parameter that learns well; by name what is otherwise: `head_weight={...}`."""
    return [
        replace(
            WeightRow(
                step=step,
                name=one.name,
                weight=0.3 + 0.01 * step,
                gradient=0.02,
                update=0.001,
                mean_ratio=0.003,
            ),
            **changes.get(one.name.replace(".", "_"), {}),
        )
        for step in at
        for one in PARAMETERS
    ]


def labels(*numbers):
    """A batch with these labels."""
    return BatchRow(
        step=1,
        split="train",
        shape=(len(numbers), 1, 8, 8),
        dtype="float32",
        low=0.0,
        high=1.0,
        mean=(0.0,),
        std=(1.0,),
        labels=numbers,
    )


def marked(name, **changes):
    """The parameters of the setting, those of a module otherwise."""
    return tuple(
        replace(one, **changes) if one.name.rpartition(".")[0] in name else one
        for one in PARAMETERS
    )


class OfNetwork:
    """A subject of one network."""

    def __init__(self, module, fresh=None, pictures=None):
        self.module = module
        self.before = fresh
        self.pictures = pictures

    def network(self):
        return self.module

    def fresh(self):
        return self.before

    def losses(self, outputs, targets):
        raise NotImplementedError

    def optimizer(self, module, factor=1.0):
        raise NotImplementedError

    def samples(self, split, number):
        if self.pictures is None:
            return None
        inputs = self.pictures[:number]
        targets = torch.zeros(len(inputs), dtype=torch.long)
        return Samples(inputs=inputs, targets=targets, keys=("",) * len(inputs), augmented=False)


def case(
    *,
    rows=None,
    suffers=False,
    clearly=None,
    events=(),
    weight_rows=None,
    batches=(),
    evaluations=(),
    subject=None,
    train=0.9,
    val=0.9,
    **changes,
):
    """A training that is well but for what is given."""
    record = Record(
        steps=steps() if rows is None else rows,
        weights=weights() if weight_rows is None else weight_rows,
        events=[Event(step=1, kind=kind, detail=detail) for kind, detail in events],
        batches=list(batches),
        evaluations=list(evaluations),
    )
    if isinstance(subject, nn.Module):
        subject = OfNetwork(subject)
    made = Case(replace(SETTING, **changes), record, subject)
    made.__dict__["harm"] = Harm(
        suffers=suffers,
        clearly=suffers if clearly is None else clearly,
        evidence="accuracy 30.0%; chance 25.0%; a simple classifier 80.0%",
        train_accuracy=train,
        val_accuracy=val,
        chance=0.25,
        reference=0.8,
    )
    return made


def look(symptom, **changes):
    """What the rule of a symptom says of such a training."""
    return SYMPTOMS[symptom].find(case(**changes))


NOTHING = math.nan
