"""Questions that several rules ask of a training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from hubel.diagnosis.evidence.record import Record, WeightRow
from hubel.diagnosis.evidence.setting import ModuleFact, ParameterFact, Setting

CLASS_LOSSES: Final = frozenset({"cross-entropy", "nll", "margin"})
_MOST_NAMED: Final = 6


def is_classification(setting: Setting, record: Record) -> bool:
    """Return whether each picture has one class, as the task, the loss or the labels say."""
    if setting.task != "unknown":
        return setting.task == "classification"
    by_loss = setting.loss is not None and setting.loss.kind in CLASS_LOSSES
    return by_loss or any(row.labels for row in record.batches)


def outputs_of(setting: Setting) -> int | None:
    """Return the width of the network's outputs; None if unknown."""
    if setting.outputs is not None:
        return setting.outputs
    shape = () if setting.loss is None else setting.loss.outputs_shape
    return shape[1] if len(shape) > 1 else None


def updates_a_pass(setting: Setting, record: Record) -> float:
    """Return the updates of the weights in a pass over the data; NaN if unknown."""
    counts = Counter(row.pass_number for row in record.steps)
    if len(counts) > 1:
        # The last pass may not be over.
        return float(median(counts[one] for one in sorted(counts)[:-1]))
    return float(setting.steps_a_pass) if setting.steps_a_pass else math.nan


def event(record: Record, kind: str) -> str | None:
    """Return the detail of the first event of a kind; None where there was none."""
    return next((one.detail for one in record.events if one.kind == kind), None)


def rows_by_name(record: Record) -> dict[str, list[WeightRow]]:
    """Return the rows of each parameter, in their order."""
    found: dict[str, list[WeightRow]] = {}
    for row in record.weights:
        found.setdefault(row.name, []).append(row)
    return found


def module_of(setting: Setting, parameter: ParameterFact) -> ModuleFact | None:
    """Return the leaf module that holds a parameter; None where no leaf does."""
    path = parameter.name.rpartition(".")[0]
    return next((one for one in setting.modules if one.path == path), None)


def size(parameter: ParameterFact) -> int:
    """Return how many numbers a parameter has."""
    return math.prod(parameter.shape)


def is_matrix(parameter: ParameterFact) -> bool:
    """Return whether a parameter is a layer's weight, not a bias or a normalisation's."""
    return len(parameter.shape) > 1


def some(names: Iterable[str]) -> str:
    """Return names for a sentence, the first few of many."""
    found = list(names)
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def holders(parameters: Iterable[ParameterFact]) -> tuple[str, ...]:
    """Return the paths of the modules that hold parameters, each once, in order."""
    return tuple(dict.fromkeys(one.name.rpartition(".")[0] or one.name for one in parameters))


def used_by(setting: Setting) -> list[ParameterFact]:
    """Return the parameters of modules that the network calls, in the order of their names."""
    return [
        one
        for one in setting.parameters
        if (module := module_of(setting, one)) is None or module.called
    ]


def head_of(parameters: Sequence[ParameterFact]) -> tuple[ParameterFact, ...]:
    """Return the parameters of the last layer that has a weight matrix."""
    matrices = [one for one in parameters if is_matrix(one)]
    path = matrices[-1].name.rpartition(".")[0] if matrices else ""
    return tuple(one for one in parameters if one.name.rpartition(".")[0] == path)
