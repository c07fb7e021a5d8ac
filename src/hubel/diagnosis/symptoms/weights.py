"""Weights that do not learn: frozen, detached, forgotten, not moving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.loss_reading import reached_parameters
from hubel.diagnosis.evidence.questions import (
    head_of,
    holders,
    is_matrix,
    rows_by_name,
    size,
    some,
    used_by,
)
from hubel.diagnosis.evidence.reading import hidden_parameters
from hubel.diagnosis.evidence.setting import ParameterFact
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.symptoms.frozen import find_frozen
from hubel.diagnosis.thresholds import threshold
from hubel.tracing.stand_ins import randomness_kept

_HAND: Final = "Build the optimizer from model.parameters(), after the last change of the network."


def _is_reached(case: Case, parameter: ParameterFact) -> bool:
    """Return whether a parameter ever got a gradient, by its rows where there are any."""
    rows = rows_by_name(case.record).get(parameter.name, [])
    if rows:
        return any(not math.isnan(row.gradient) for row in rows)
    return parameter.reached


def _no_gradient(case: Case) -> Reading:
    if not case.record.steps:
        return Unknown(why="no update of the weights was seen")
    if 2 * sum(row.lost for row in case.record.steps) > len(case.record.steps):
        return Unknown(why="the losses are no finite numbers, and nor are the gradients")
    meant = [one for one in used_by(case.setting) if one.trainable and one.group is not None]
    matrices = [one for one in meant if is_matrix(one)]
    missed = [one for one in meant if not _is_reached(case, one)]
    if not missed:
        return Well(evidence=f"all {len(meant)} parameters of the optimizer get gradients")
    if len(missed) == len(meant):
        return Unknown(why="no parameter had a gradient at any update that was measured")
    first = next((n for n, one in enumerate(matrices) if one not in missed), len(matrices))
    trunk = matrices[:first]
    share = sum(map(size, missed)) / max(sum(map(size, meant)), 1)
    layers = holders(missed)
    if not trunk and not case.harm.suffers:
        return Well(
            evidence=f"no gradient for {some(layers)}, as for an auxiliary head that the loss "
            "leaves out; the layers before and after it learn",
            measured={"share": share},
        )
    pretrained = bool(trunk) and _came_trained(case, layers)
    sure = bool(trunk) and not pretrained
    return Sign(
        what=f"The first {len(trunk)} layers get no gradient: the graph is cut after "
        f"{trunk[-1].name.rpartition('.')[0]}."
        if trunk
        else f"Layers that the network calls get no gradient: {some(layers)}.",
        evidence=f"gradient None for {len(missed)} of {len(meant)} parameters that the optimizer "
        f"has, {share:.0%} of the numbers",
        where=layers,
        confidence=1.0 if sure else 0.6,
        confirmed=sure or case.harm.suffers,
        measured={"share": share},
        remedy="Remove detach(), .data, torch.no_grad() or the trip through NumPy after "
        f"{holders(trunk or missed)[-1]}; where these layers shall stay as they are, do not hand "
        "them to the optimizer.",
    )


def _came_trained(case: Case, paths: Sequence[str]) -> bool:
    """Return whether running statistics show that layers were trained before this training."""
    network = None if case.subject is None else case.subject.fresh()
    if network is None:
        return False
    roots = {path.partition(".")[0] for path in paths}
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        and path.partition(".")[0] in roots
        and module.running_mean is not None
        and bool(module.running_mean.any())
        for path, module in network.named_modules()
    )


def _moved(case: Case, parameter: ParameterFact) -> bool | None:
    """Return whether another optimizer changed a parameter; None where it was not looked at."""
    rows = rows_by_name(case.record).get(parameter.name, [])
    if len(rows) < 2:
        return None
    return any(row.update > 0 or row.weight != rows[0].weight for row in rows)


def _outside_optimizer(case: Case) -> Reading:
    used, optimizer = used_by(case.setting), case.setting.optimizer
    if optimizer is None or not used:
        return Unknown(why="the optimizer's parameters are not known")
    outside = [
        one
        for one in used
        if one.trainable and one.group is None and _is_reached(case, one) and not _moved(case, one)
    ]
    share = sum(map(size, outside)) / max(sum(map(size, used)), 1)
    measured = {"share": share}
    if not outside:
        return Well(evidence="every trained parameter is in the optimizer, or moves by another one")
    head = any(one in outside and is_matrix(one) for one in head_of(used))
    sure = head and (optimizer.strangers > 0 or len(outside) == len(used))
    layers = holders(outside)
    if not head and not case.harm.suffers:
        return Well(
            evidence=f"the optimizer leaves out {some(layers)}, {share:.0%} of the weights, and "
            "trains the last layer",
            measured=measured,
        )
    return Sign(
        what=f"The optimizer does not have the weights of {some(layers)}: they stay as they were "
        "drawn.",
        evidence=f"{len(outside)} of {len(used)} parameters get gradients and are in no group of "
        f"{optimizer.kind}"
        + (f", which has {optimizer.strangers} tensors of another network" if sure else ""),
        where=layers,
        confidence=1.0 if sure else 0.8 if head else 0.5,
        confirmed=sure or case.harm.suffers,
        measured=measured,
        remedy=f"Hand {some(layers)} to the optimizer: build it from model.parameters() after the "
        "last layer was replaced.",
    )


def _strangers(case: Case) -> Reading:
    optimizer = case.setting.optimizer
    if optimizer is None:
        return Unknown(why="the optimizer's parameters are not known")
    number = optimizer.strangers
    if not number:
        return Well(evidence="the optimizer has no tensors but the network's")
    used = used_by(case.setting)
    outside = [one for one in used if one.trainable and one.group is None]
    whole = bool(outside) and all(one.group is None for one in used)
    forgotten = whole or any(one in outside and is_matrix(one) for one in head_of(used))
    return Sign(
        what="The optimizer belongs to another network: it has none of this one's weights."
        if whole
        else f"The optimizer has {number} tensors that the network does not have"
        + (", and lacks the network's last layer." if forgotten else "."),
        evidence=f"{number} tensors of {optimizer.kind} are not in model.parameters(); "
        f"{len(outside)} parameters of the network are in none of its groups",
        where=holders(outside) if forgotten else (),
        confidence=1.0 if forgotten else 0.3,
        confirmed=forgotten,
        measured={"number": float(number)},
        severity=None if forgotten else "note",
        remedy="" if forgotten else "Nothing, where they are weights of the loss itself.",
    )


def _hidden_layers(case: Case) -> Reading:
    hidden = case.setting.hidden
    if not case.setting.parameters and not hidden:
        return Unknown(why="the network's parameters are not known")
    if not hidden:
        return Well(evidence="no module keeps layers in a list, tuple or dict of Python")
    reached = {one.name for one in hidden if one.reached} or _reached_hidden(case)
    used = [one for one in hidden if one.name in reached and one.trainable]
    if not used:
        return Well(evidence=f"{some(holders(hidden))} are kept, and no gradient flows into them")
    lost = [one for one in used if one.group is None]
    layers = holders(lost or used)
    return Sign(
        what=f"The network uses {len(layers)} layers that it does not register: "
        + (
            "model.parameters() does not have them, and they are not trained."
            if lost
            else "they are trained, but are not saved, moved or switched with it."
        ),
        evidence=f"{some(layers)}: {sum(map(size, lost or used)):,} numbers in Python containers",
        where=layers,
        confidence=1.0,
        confirmed=bool(lost),
        severity=None if lost else "warning",
    )


def _reached_hidden(case: Case) -> set[str]:
    """Return the hidden parameters that a copy's outputs for two pictures depend on."""
    samples = None if case.subject is None else case.subject.samples("train", 2)
    if case.subject is None or samples is None:
        return set()
    network = case.subject.network().eval()
    try:
        with randomness_kept(), torch.enable_grad():
            outputs = network(samples.inputs)
    except Exception:  # noqa: BLE001 - a network may need more than pictures
        return set()
    parts = outputs if isinstance(outputs, tuple | list) else [outputs]
    reached = {
        id(leaf) for one in parts if isinstance(one, Tensor) for leaf in reached_parameters(one)
    }
    return {name for name, one in hidden_parameters(network).items() if id(one) in reached}


def _not_moving(case: Case) -> Reading:
    record = case.record
    rates = {row.step: row.lr for row in record.steps}
    top = max((rate for rate in rates.values() if math.isfinite(rate)), default=0.0)
    optimizer = case.setting.optimizer
    groups = () if optimizer is None else optimizer.groups
    still: list[ParameterFact] = []
    seen = 0
    for one in case.setting.parameters:
        if one.group is None:
            continue
        rows = [
            row
            for row in rows_by_name(record).get(one.name, [])
            if row.gradient > 0
            and rates.get(row.step, 0.0) >= top * threshold("weights/not-moving.rate")
        ]
        of_group = groups[one.group] if one.group < len(groups) else {}
        if len(rows) < threshold("weights/not-moving.rows") or of_group.get("lr", top) <= 0:
            continue
        seen += 1
        if all(row.update == 0 for row in rows):
            still.append(one)
    if not seen or top <= 0:
        return Unknown(why="too few updates of the weights were measured")
    share = len(still) / seen
    measured = {"share": share}
    if not still:
        return Well(evidence=f"all {seen} parameters with a gradient move", measured=measured)
    most = share >= threshold("weights/not-moving.share")
    layers = holders(still)
    return Sign(
        what=("No weight moves" if share == 1 else f"The weights of {some(layers)} do not move")
        + ", although there are gradients and the optimizer steps.",
        evidence=f"change exactly 0 at every measured update for {len(still)} of {seen} "
        f"parameters with a gradient; learning rate {top:g}, precision {case.setting.precision}",
        where=layers,
        confidence=1.0 if most else 0.5,
        confirmed=most or case.harm.suffers,
        measured=measured,
        remedy="Raise the learning rate until the weights change by more than the arithmetic "
        "rounds away; keep weights in float32 when they are trained in half precision.",
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="weights/frozen",
        meaning="Weights that the task needs are frozen.",
        tier=0,
        statistic="parameters with requires_grad = False; whether the last layer is among them; "
        "whether they are uniform random numbers to the ends of an initialisation's interval",
        threshold="all of them; or the last layer, or any, where the training suffers; or most of "
        "the frozen matrices as they were initialised",
        severity="error",
        remedy="Set requires_grad = True for the layers that shall learn, before the optimizer is "
        "built.",
        source="hubel",
        find=find_frozen,
    ),
    Symptom(
        id="weights/no-gradient",
        meaning="Layers that the network calls and the optimizer has get no gradient.",
        tier=0,
        statistic="gradient None at every measured update",
        threshold="the first layers of the network; or any, where the training suffers",
        severity="error",
        remedy="Remove detach(), .data or torch.no_grad() between these layers and the loss.",
        source="hubel",
        find=_no_gradient,
    ),
    Symptom(
        id="weights/outside-optimizer",
        meaning="Weights get gradients, and no optimizer has them.",
        tier=0,
        statistic="parameters that are reached, in no group, and do not move",
        threshold="the last layer, beside tensors of another network; or any, where the training "
        "suffers",
        severity="error",
        remedy=_HAND,
        source="hubel",
        find=_outside_optimizer,
    ),
    Symptom(
        id="weights/strangers",
        meaning="The optimizer has tensors that the network does not have.",
        tier=0,
        statistic="tensors in the optimizer that are not in model.parameters()",
        threshold="one, while the network's last layer is missing",
        severity="error",
        remedy=_HAND,
        source="hubel",
        find=_strangers,
    ),
    Symptom(
        id="weights/hidden-layers",
        meaning="The network uses layers that it keeps in a Python list: they are not registered.",
        tier=0,
        statistic="parameters in lists, tuples and dicts of modules that the outputs depend on",
        threshold="one that no optimizer has",
        severity="error",
        remedy="Keep them in torch.nn.ModuleList or ModuleDict, and build the optimizer after "
        "that.",
        source="hubel",
        find=_hidden_layers,
    ),
    Symptom(
        id="weights/not-moving",
        meaning="Weights with a gradient do not change although the optimizer steps.",
        tier=0,
        statistic="root mean square of the change of each parameter at measured updates",
        threshold="exactly 0 at three updates or more, for nine parameters of ten",
        severity="error",
        remedy="Raise the learning rate; keep weights in float32.",
        source="hubel",
        find=_not_moving,
    ),
)
