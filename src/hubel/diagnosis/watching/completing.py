"""The setting of a plain loop: what its parts tell, and what was seen while it ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import nn

from hubel.diagnosis.evidence.setting import ModuleFact, ParameterFact, Setting
from hubel.diagnosis.watching.backward import Backward
from hubel.diagnosis.watching.course import Course
from hubel.diagnosis.watching.forward import Forward
from hubel.diagnosis.watching.loader import Loaders
from hubel.diagnosis.watching.probe import Probe
from hubel.diagnosis.watching.schedule import Schedule


def completed(
    setting: Setting,
    course: Course,
    *,
    loaders: Loaders,
    forward: Forward,
    backward: Backward,
    schedule: Schedule,
    probe: Probe,
    epochs: int | None,
    classes: int | None,
    names: Iterable[str],
) -> Setting:
    """Return a setting with what could only be known while the training ran.

    `classes` is what the user said, `names` are classes that the dataset tells; else those are
    counted that were seen in the sampled batches.
    """
    steps = setting.steps_a_pass
    labels = loaders.most_classes
    named = len(list(names))
    seen = max(max(labels) + 1, len(labels)) if labels and course.task == "classification" else None
    per_update = max(round(course.all_backwards / course.updates), 1) if course.updates else 1
    return replace(
        setting,
        task=course.task,
        outputs=forward.outputs[1] if len(forward.outputs) > 1 else None,
        classes=classes or named or seen,
        batch=setting.batch or (forward.shape[0] if forward.shape else None),
        steps_a_pass=steps,
        planned_steps=epochs * steps // per_update if epochs and steps else None,
        input_shape=forward.shape[1:],
        precision=forward.autocast or setting.precision,
        loss_scaling=course.scaled,
        parameters=tuple(_parameter(one, backward) for one in setting.parameters),
        modules=tuple(_module(one, forward, probe) for one in setting.modules),
        loss=course.loss,
        scheduler=schedule.fact(),
        has_validation=loaders.sees("val"),
    )


def _parameter(fact: ParameterFact, backward: Backward) -> ParameterFact:
    if not backward.reached:
        return fact
    return replace(fact, reached=fact.name in backward.reached)


def _module(fact: ModuleFact, forward: Forward, probe: Probe) -> ModuleFact:
    called = probe.called is None or fact.path in probe.called
    return replace(fact, called=called, training=forward.modes.get(fact.path, fact.training))


def fresh_state(network: nn.Module) -> dict[str, object] | None:
    """Return copies of all parameters and buffers; None where some have no shape yet."""
    if any(nn.parameter.is_lazy(one) for one in (*network.parameters(), *network.buffers())):
        return None
    return {name: one.detach().to("cpu", copy=True) for name, one in network.state_dict().items()}
