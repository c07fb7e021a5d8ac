"""The page about networks that were read before training: figures, findings, drawing, layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hubel.report.drawing import draw_network
from hubel.report.findings_view import FindingsView, findings_view, tally
from hubel.report.rendering import render
from hubel.report.view import Cell, Fact, Table, picture, sort_key
from hubel.report.words import NOTHING, count, listing, number, percent
from hubel.results import Check, Field, LayerRow

UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A picture of the input's size, on which receptive fields are shown."""

    image: str
    width: int
    height: int

    @property
    def view(self) -> str:
        """The part of the plane that is shown: the picture and an eighth of it around."""
        left, top = self.width / 8, self.height / 8
        return f"{-left:g} {-top:g} {self.width * 1.25:g} {self.height * 1.25:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """Everything that the page says about one network."""

    model: str
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...]
    findings: FindingsView
    drawing: Markup
    example: Example | None
    effective: str
    """Address of the picture of the effective field; empty where it was not measured."""
    layers: Table
    not_analysed: tuple[str, ...]


def render_check(
    checks: Sequence[Check],
    pictures: Mapping[str, str] | None = None,
    effective: Mapping[str, str] | None = None,
) -> str:
    """Return the page about one network or several.

    `pictures` holds, by model, a base64 PNG of exactly the input's height and width, on which
    receptive fields are drawn; without it there is no example picture. `effective` holds those of
    effective receptive fields.
    """
    views = tuple(
        _network(
            check, (pictures or {}).get(check.model, ""), (effective or {}).get(check.model, "")
        )
        for check in checks
    )
    found = tally([finding for check in checks for finding in check.findings])
    names = listing([check.model for check in checks])
    return render(
        "check.html.j2",
        scripts=("report.js", "network.js"),
        title=names,
        subject=names,
        verdict=f"{found[:1].upper()}{found[1:]}." if found else "Nothing wrong was found.",
        basis=_basis(checks),
        beside=_beside(checks) if len(checks) > 1 else None,
        networks=views,
    )


def short(amount: float) -> str:
    """Return a large number with three digits and its unit.

    >>> short(25_557_032), short(4_089_184_256), short(512)
    ('25.6 M', '4.09 G', '512')
    """
    for unit, size in UNITS:
        if amount >= size:
            return f"{number(amount / size)} {unit}"
    return number(amount)


def in_bytes(amount: float) -> str:
    """Return an amount of memory with its unit.

    >>> in_bytes(896), in_bytes(12_500)
    ('896 B', '12.5 kB')
    """
    text = short(amount)
    return f"{text}B" if amount >= UNITS[-1][1] else f"{text} B"


def _basis(checks: Sequence[Check]) -> str:
    """Return what was read."""
    parts = [f"{check.model} on {' × '.join(map(str, check.input))}" for check in checks]
    return (
        f"Read before any training: {listing(parts)}. Every operation of one forward pass was "
        "recorded; what follows is computed from them."
    )


def _network(check: Check, image: str, effective: str) -> NetworkView:
    """Return the sections of one network."""
    address = picture(image)
    example = None
    if address and len(check.input) == 3:
        _, height, width = check.input
        example = Example(image=address, width=width, height=height)
    return NetworkView(
        model=check.model,
        sentences=(*check.notes, *_effective(check)),
        facts=_facts(check),
        findings=findings_view(check.findings, "the JSON document"),
        drawing=draw_network(check),
        example=example,
        effective=picture(effective),
        layers=_layers(check),
        not_analysed=check.not_analysed,
    )


def _effective(check: Check) -> tuple[str, ...]:
    """Return in words how much of its field the last layer with maps uses."""
    field = check.effective
    if field is None:
        return ()
    sizes, possible = (" × ".join(map(str, sides)) for sides in (field.size, field.possible))
    sentence = (
        f"The middle unit of {field.layer} can see {possible} pixels of the picture; 95.45% of its "
        f"gradient lie within {sizes} (mean over {count(field.samples, 'random input')})."
    )
    return (sentence,)


def _facts(check: Check) -> tuple[Fact, ...]:
    """Return the sums over the network."""
    total = check.total
    frozen = f"{total.frozen_params:,} of them frozen" if total.frozen_params else ""
    batch = f"batch of {check.batch}, estimated from the graph"
    return (
        Fact(name="Parameters", value=short(total.params), remark=frozen or _exactly(total.params)),
        Fact(name="Multiply-accumulates", value=short(total.macs), remark=_exactly(total.macs)),
        Fact(name="FLOPs", value=short(total.flops), remark="all arithmetic, 2 for each MAC"),
        Fact(name="Connections", value=short(total.connections)),
        Fact(name="Neurons", value=short(total.neurons)),
        Fact(name="Weights", value=in_bytes(total.weight_bytes)),
        Fact(name="Inference", value=in_bytes(total.inference_peak_bytes), remark=batch),
        Fact(name="Training step", value=in_bytes(total.training_peak_bytes), remark=batch),
        *_measured(check),
    )


def _exactly(amount: int) -> str:
    """Return a number that is shortened elsewhere in full."""
    return f"{amount:,}" if amount >= UNITS[-1][1] else ""


def _measured(check: Check) -> tuple[Fact, ...]:
    """Return what was measured on the machine, where it was."""
    seen = check.measured
    if seen is None:
        return ()
    threads = count(seen.threads, "thread")
    return (
        Fact(name="Inference, measured", value=in_bytes(seen.inference_peak_bytes)),
        Fact(name="Training step, measured", value=in_bytes(seen.training_peak_bytes)),
        Fact(name="Speed", value=f"{short(seen.flops_per_second)}FLOP/s", remark=threads),
    )


def _beside(checks: Sequence[Check]) -> Table:
    """Return the networks side by side."""
    heads = ("Network", "Input", "Parameters", "MACs", "FLOPs", "Activations", "Findings")
    rows = tuple(
        (
            Cell(text=check.model, key=check.model),
            Cell(text=" × ".join(map(str, check.input)), key=str(check.input)),
            Cell(text=short(check.total.params), key=check.total.params),
            Cell(text=short(check.total.macs), key=check.total.macs),
            Cell(text=short(check.total.flops), key=check.total.flops),
            Cell(text=in_bytes(check.total.activation_bytes), key=check.total.activation_bytes),
            Cell(text=tally(check.findings) or "none", key=len(check.findings)),
        )
        for check in checks
    )
    return Table(heads=heads, rows=rows)


def _layers(check: Check) -> Table:
    """Return one row a layer."""
    heads = ("Layer", "Kind", "Output", "Parameters", "MACs", "Share", "Field", "Stride", "Start")
    return Table(
        heads=heads, rows=tuple(_layer(row, at) for at, row in enumerate(check.layers)), words=1
    )


def _layer(row: LayerRow, place: int) -> tuple[Cell, ...]:
    """Return the cells of a layer; its name sorts by the order of execution."""
    call = f" (call {row.call + 1})" if row.call else ""
    field = row.receptive_field
    return (
        Cell(text=f"{row.path or '(network)'}{call}", key=place),
        Cell(text=f"{row.kind} {row.details}".strip(), key=row.kind),
        Cell(text=" × ".join(map(str, row.output_shape[1:])), key=row.neurons),
        Cell(text=f"{row.params:,}" if row.params else "", key=row.params),
        Cell(text=f"{row.macs:,}" if row.macs else "", key=row.macs),
        Cell(text=percent(row.share) if row.macs else "", key=row.share, share=row.share or None),
        _sides(field, "size"),
        _sides(field, "stride"),
        _sides(field, "start"),
    )


def _sides(field: Field | None, what: str) -> Cell:
    """Return one figure of a receptive field, once where all axes agree."""
    if field is None:
        return Cell(text=NOTHING, key="")
    values: tuple[float, ...] = getattr(field, what)
    texts = [
        "whole" if whole and what == "size" else NOTHING if whole else number(value, 6)
        for value, whole in zip(values, field.whole, strict=True)
    ]
    text = texts[0] if len(set(texts)) == 1 else " × ".join(texts)
    return Cell(text=text, key=sort_key(max(values)))
