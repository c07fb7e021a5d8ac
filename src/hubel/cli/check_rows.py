"""The layers of a check folded to a depth, and its numbers as text: for tables and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from hubel.results import Check, Field, LayerRow

LINES: Final = 60
"""Lines of the table where no depth is asked for."""
COLUMNS: Final = ("layer", "kind", "output", "params", "MACs", "share", "field", "stride")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a layer, or the layers of a module added up."""

    layer: str
    kind: str
    output: str
    params: str
    macs: str
    share: str
    field: str
    stride: str

    def cells(self) -> tuple[str, ...]:
        """Return the texts in the order of COLUMNS."""
        return (
            self.layer, self.kind, self.output, self.params, self.macs, self.share, self.field,
            self.stride,
        )  # fmt: skip


def lines(check: Check, depth: int | None) -> list[Line]:
    """Return the layers folded to `depth` levels of modules; None: as many as fit on 60 lines."""
    deepest = max((_level(row) for row in check.layers), default=1)
    if depth is not None:
        return _folded(check.layers, depth)
    fitting = [
        found
        for level in range(1, deepest + 1)
        if len(found := _folded(check.layers, level)) <= LINES
    ]
    return fitting[-1] if fitting else _folded(check.layers, 1)


def hidden(check: Check, shown: Sequence[Line]) -> int:
    """Return how many layers are added up in the lines that are shown."""
    return len(check.layers) - sum(not line.kind.endswith(" layers") for line in shown)


def _level(row: LayerRow) -> int:
    return len(row.path.split(".")) if row.path else 1


def _folded(rows: Sequence[LayerRow], depth: int) -> list[Line]:
    """Join neighbouring rows whose paths agree in their first `depth` parts, if any is deeper."""
    found: list[Line] = []
    for (path, deeper), group in groupby(rows, key=lambda row: _group(row, depth)):
        members = list(group)
        if deeper and len(members) > 1:
            found.append(_line(path, f"{len(members)} layers", members))
        else:
            found.extend(_line(_name(row), row.kind, [row]) for row in members)
    return found


def _group(row: LayerRow, depth: int) -> tuple[str, bool]:
    """Return what a row is folded into; operations of a module's own count as inside it."""
    parts = row.path.split(".") if row.path else []
    own = row.depth > len(parts)  # Bare operations stand one level below their module.
    return ".".join(parts[:depth]), len(parts) + own > depth and bool(parts)


def _name(row: LayerRow) -> str:
    return f"{row.path} (call {row.call + 1})" if row.call else row.path


def _line(name: str, kind: str, rows: Sequence[LayerRow]) -> Line:
    last = rows[-1]
    field = last.receptive_field
    return Line(
        layer=name,
        kind=kind,
        output=shape_text(last.output_shape[1:]),
        params=_or_empty(sum(row.params for row in rows)),
        macs=short(sum(row.macs for row in rows)),
        share=f"{share:.1%}" if (share := sum(row.share for row in rows)) >= 0.0005 else "",
        field=field_text(field),
        stride="" if field is None or all(field.whole) else sides_text(field.stride),
    )


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as 64×56×56."""
    return "×".join(str(side) for side in shape)


def sides_text(sides: Sequence[float]) -> str:
    """Return one number where all axes agree, else all of them."""
    return f"{sides[0]:g}" if len(set(sides)) == 1 else "×".join(f"{side:g}" for side in sides)


def field_text(field: Field | None) -> str:
    """Return a receptive field's size in pixels; a word where units see everything."""
    if field is None:
        return ""
    return "all" if all(field.whole) else sides_text(field.size)


def short(number: float) -> str:
    """Return a count with its unit, nothing for none.

    >>> short(118_013_952), short(512), short(0)
    ('118 M', '512', '')
    """
    for unit in ("", " k", " M", " G"):
        if number < 999.5:
            return f"{number:.3g}{unit}" if number else ""
        number /= 1000
    return f"{number:.3g} T"


def _or_empty(number: int) -> str:
    return f"{number:,}" if number else ""


def bytes_text(number: float) -> str:
    """Return bytes in a unit that people read."""
    size = number
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def facts(check: Check) -> list[tuple[str, str]]:
    """Return the totals of a check, with their names."""
    total, batch = check.total, check.batch
    pictures = f" ({batch} pictures)" if batch > 1 else ""
    found = [
        ("input", shape_text(check.input)),
        ("parameters", f"{total.params:,}"),
        ("frozen parameters", f"{total.frozen_params:,}" if total.frozen_params else ""),
        ("shared parameters", f"{total.shared_params:,}" if total.shared_params else ""),
    ]
    if check.layers:
        found += [
            (f"MACs{pictures}", f"{total.macs:,}"),
            (f"FLOPs{pictures}", f"{total.flops:,}"),
            ("connections", f"{total.connections:,}"),
            ("neurons", f"{total.neurons:,}"),
            ("largest field", _largest_field(check)),
            ("weights", bytes_text(total.weight_bytes)),
            (f"activations{pictures}", bytes_text(total.activation_bytes)),
            ("memory, inference (estimate)", bytes_text(total.inference_peak_bytes)),
            ("memory, training step (estimate)", bytes_text(total.training_peak_bytes)),
        ]
    measured = check.measured
    if measured is not None:
        found += [
            ("memory, inference (measured)", bytes_text(measured.inference_peak_bytes)),
            ("memory, training step (measured)", bytes_text(measured.training_peak_bytes)),
            ("time forward (measured)", f"{measured.seconds * 1e3:.3g} ms"),
            ("speed (measured)", f"{measured.flops_per_second / 1e9:.3g} GFLOP/s"),
        ]
    return [(name, text) for name, text in found if text]


def _largest_field(check: Check) -> str:
    """Return the largest field that is not the whole input."""
    fields = [row.receptive_field for row in check.layers]
    sizes = [field.size for field in fields if field is not None and not any(field.whole)]
    return f"{sides_text(max(sizes))} pixels" if sizes else "whole input"


def tally(check: Check) -> str:
    """Return how many findings there are, by severity."""
    counts = {
        grade: sum(finding.severity == grade for finding in check.findings)
        for grade in ("error", "warning", "note")
    }
    parts = [f"{n} {grade}{'s' if n > 1 else ''}" for grade, n in counts.items() if n]
    return ", ".join(parts) or "nothing found"
