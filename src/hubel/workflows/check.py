"""What a network is before it is trained; the public function `check`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from hubel.analysis.costs import operation_costs
from hubel.analysis.edges import edges
from hubel.analysis.lint import RULES, Subject, lint
from hubel.analysis.lint.initialisation import has_no_numbers
from hubel.analysis.lint.refusal import RULE as TOO_SMALL
from hubel.analysis.lint.refusal import refused
from hubel.analysis.receptive_fields import receptive_fields
from hubel.analysis.rows import layer_rows, total
from hubel.errors import RunError, UsageError, look_up
from hubel.results import Check, CheckTotal, EffectiveField, Finding, Measured
from hubel.tracing import RefusedInputError, Trace, trace
from hubel.tracing.stand_ins import StandIns, meta_copy, randomness_kept
from hubel.workflows.reading import Named, Wanted, read_network, shape_of

MOST_TRIED: Final = 512
"""Largest side at which a network that refuses an input is tried."""


def check(
    model: nn.Module | str | Path,
    input_shape: Sequence[int] | None = None,
    *,
    batch: int = 1,
    object_px: float | None = None,
    silence: Collection[str] = (),
    outputs: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    measure: bool = False,
    effective: str | Path | None = None,
    trust_code: bool = False,
) -> Check:
    """Read a network: shapes, receptive fields, costs, memory, and what is wrong with its design.

    `model` is an nn.Module or what `hubel train --model` takes, a run included; `input_shape` is
    (channels, height, width), by default what a named network was made for. Costs and memory are
    for `batch` pictures. `object_px` is the side of the objects in the pictures; `silence` holds
    ids of design rules to leave out; `measure` times the network on this machine's CPU too;
    `effective` names a PNG for the field that the last maps really use, measured by gradients with
    the weights that the network has. The module stays as it is.

    Errors: UsageError for a network that does not exist or cannot take such an input, and for a
    rule that does not exist; RunError for a run that is damaged.
    """
    if batch < 1:
        raise UsageError(f"--batch takes a number 1 or more, not {batch}.")
    if outputs is not None and outputs < 1:
        raise UsageError(f"--outputs takes a number 1 or more, not {outputs}.")
    for name in silence:
        look_up(RULES, name, "rule")
    wanted = Wanted(
        shape=None if input_shape is None else shape_of(input_shape),
        outputs=outputs,
        arguments=arguments or {},
        trust_code=trust_code,
        real_weights=measure or effective is not None,
    )
    named = read_network(model, wanted)
    found = check_network(named, batch=batch, object_px=object_px, silence=silence)
    if measure and found.layers:
        found = replace(found, measured=_measure(named, batch))
    if effective is not None and found.layers:
        found = replace(found, effective=_effective(named, found, Path(effective)))
    return found


def check_network(
    named: Named, *, batch: int = 1, object_px: float | None = None, silence: Collection[str] = ()
) -> Check:
    """Return the check of a network that is at hand."""
    try:
        traced = trace(named.module, named.shape, batch=batch, name=named.name)
    except RefusedInputError as refusal:
        finding = _too_small(named, refusal)
        return _refused(named, batch, () if TOO_SMALL.id in silence else (finding,))
    costs, fields = operation_costs(traced), receptive_fields(traced)
    rows = layer_rows(traced, costs, fields.by_value)
    single, seen = traced, fields
    if batch > 1:
        single = trace(named.module, named.shape, name=named.name)
        seen = receptive_fields(single)
    subject = Subject(
        trace=single,
        fields=seen.by_value,
        module=named.module,
        loss=named.loss,
        object_px=object_px,
        least_size=named.least_size,
        trace_training=lambda: _in_training(named),
    )
    notes = (*named.notes, *traced.notes, *fields.notes)
    if has_no_numbers(subject):
        notes += ("The initial weights were not checked: the network was built without numbers.",)
    return Check(
        model=named.name,
        input=named.shape,
        batch=batch,
        layers=rows,
        total=total(traced, costs, rows),
        not_analysed=tuple(dict.fromkeys((*costs.not_analysed, *fields.not_analysed))),
        findings=lint(subject, silence),
        edges=edges(traced),
        notes=tuple(dict.fromkeys(notes)),
    )


def _in_training(named: Named) -> Trace | None:
    """Return the trace in training mode, at two pictures: one alone has no variance."""
    try:
        return trace(named.module, named.shape, batch=2, training=True, name=named.name)
    except UsageError:
        return None


def _measure(named: Named, batch: int) -> Measured:
    from hubel.analysis.measuring import measure_memory, measure_speed

    speed = measure_speed(named.module, named.shape, batch)
    training = measure_memory(named.module, named.shape, batch, training=True)
    return Measured(
        inference_peak_bytes=measure_memory(named.module, named.shape, batch).peak_bytes,
        training_peak_bytes=training.peak_bytes,
        seconds=speed.seconds,
        flops_per_second=speed.flops,
        threads=speed.threads,
    )


def _effective(named: Named, found: Check, path: Path) -> EffectiveField:
    """Measure the field of the last layer whose units see a part of the picture, and draw it."""
    from hubel.analysis.effective import draw_effective_field, effective_receptive_field

    maps = [
        row.path
        for row in found.layers
        if row.path and (seen := row.receptive_field) is not None and not any(seen.whole)
    ]
    if not maps:
        raise UsageError(f"--effective: no layer of {named.name} sees only a part of the picture.")
    field = effective_receptive_field(named.module, named.shape, maps[-1])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_effective_field(field, path)
    except OSError as error:
        raise RunError(f"Could not write {path}: {error.strerror or error}.") from error
    return EffectiveField(
        layer=field.layer,
        size=field.size,
        possible=field.region.size,
        sigma=field.sigma,
        samples=field.samples,
        picture=str(path),
    )


def _too_small(named: Named, refusal: RefusedInputError) -> Finding:
    """Return the finding for an input that is too small, or raise `refusal` where it is not.

    The proof is a larger input of the same channels on which the network runs.
    """
    sides = named.shape[1:]
    fails, runs = min(sides, default=MOST_TRIED), 0
    side = fails
    while not runs and side < MOST_TRIED:
        side = min(2 * side, MOST_TRIED)
        if _runs(named, side):
            runs = side
        else:
            fails = side
    if not runs:
        raise refusal
    while runs - fails > 1:
        middle = (runs + fails) // 2
        if _runs(named, middle):
            runs = middle
        else:
            fails = middle
    return refused(named.shape, runs, refusal.why, refusal.where)


def _runs(named: Named, side: int) -> bool:
    """Return whether the network runs, without numbers, when no side of the input is below `side`.

    Unlike `trace` it does not fall back to a real pass, which would take a large network seconds.
    """
    sides = (max(side, given) for given in named.shape[1:])
    floating = (one.dtype for one in named.module.parameters() if one.is_floating_point())
    example = torch.empty(
        (1, named.shape[0], *sides), dtype=next(floating, torch.float32), device="meta"
    )
    stand_ins = StandIns(named.module, meta_copy)
    with randomness_kept(), stand_ins.in_place(), torch.no_grad():
        named.module.eval()
        try:
            named.module(example)
        except Exception:  # noqa: BLE001 - whatever a forward raises, it does not run
            return False
    return True


def _refused(named: Named, batch: int, findings: tuple[Finding, ...]) -> Check:
    """Return the check of a network that does not run on its input: only weights are known."""
    weights = list(named.module.parameters())
    held = [*weights, *named.module.buffers()]
    params = sum(weight.numel() for weight in weights)
    trainable = sum(weight.numel() for weight in weights if weight.requires_grad)
    return Check(
        model=named.name,
        input=named.shape,
        batch=batch,
        layers=(),
        total=CheckTotal(
            params=params,
            trainable_params=trainable,
            frozen_params=params - trainable,
            shared_params=0,
            buffers=sum(buffer.numel() for buffer in named.module.buffers()),
            connections=0,
            neurons=0,
            macs=0,
            flops=0,
            weight_bytes=sum(tensor.numel() * tensor.element_size() for tensor in held),
            activation_bytes=0,
            inference_peak_bytes=0,
            training_peak_bytes=0,
        ),
        not_analysed=("everything but the parameters: the network does not run on this input",),
        findings=findings,
        notes=named.notes,
    )
