"""Kernels, strides and padding: what windows do not reach, and where they sit askew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hubel.analysis.lint.kinds import POOLS
from hubel.analysis.lint.layers import every_axis
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import by, count, some
from hubel.results import Severity
from hubel.tracing.trace import Operation

BORDER: Final = 0.02
"""Share of an axis that may stay unread at its far end. SqueezeNet's first layer leaves 1 of 224
columns (0.4%), which nobody misses; 2×2 pooling of a map of 7 leaves 1 of 7 (14%)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Windows:
    """The windows of one operation along one axis."""

    length: int
    """Pixels of the axis."""
    outputs: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    def unread_end(self) -> int:
        """Return the pixels after the last one that a window reaches.

        n - 1 - ((o - 1) s + d (k - 1) - p), not below 0.
        """
        last = (self.outputs - 1) * self.stride + self.dilation * (self.kernel - 1) - self.padding
        return max(0, self.length - 1 - last)

    def skipped(self) -> int:
        """Return the pixels between windows that none of them reads."""
        if self.dilation > 1 or self.stride <= self.kernel:
            return 0
        return (self.outputs - 1) * (self.stride - self.kernel)

    def idle_taps(self) -> int:
        """Return the taps of the kernel that meet only padding, wherever the window stands."""
        return sum(
            all(
                not 0 <= place * self.stride + tap * self.dilation - self.padding < self.length
                for place in range(self.outputs)
            )
            for tap in range(self.kernel)
        )


def _windows(subject: Subject, operation: Operation) -> list[_Windows] | None:
    """Return the windows of a convolution or pooling, one an axis; None for anything else."""
    layer = subject.graph.by_operation.get(operation.id)
    values = subject.trace.values
    if layer is not None and layer.convolves and not layer.transposed:
        kernel, stride = layer.kernel, layer.stride
        padding, dilation = layer.padding, layer.dilation
    elif operation.kind in POOLS and operation.outputs:
        given = operation.arguments
        axes = int(operation.kind.split("pool")[1][0])
        kernel = every_axis(given["kernel_size"], axes)
        stride = every_axis(given["stride"] or kernel, axes)
        padding = every_axis(given["padding"], axes)
        dilation = every_axis(given.get("dilation", 1), axes)
    else:
        return None
    axes = len(kernel)
    before = values[operation.inputs[0]].shape[-axes:]
    after = values[operation.outputs[0]].shape[-axes:]
    return [
        _Windows(length=n, outputs=o, kernel=k, stride=s, padding=p, dilation=d)
        for n, o, k, s, p, d in zip(before, after, kernel, stride, padding, dilation, strict=True)
    ]


def _readers(subject: Subject) -> Iterator[list[tuple[Operation, list[_Windows]]]]:
    """Give, for each value that only windows read, those that read it."""
    for value in subject.trace.values:
        reading = list(subject.graph.reading(value.id))
        windows = [(operation, _windows(subject, operation)) for operation in reading]
        known = [(operation, window) for operation, window in windows if window is not None]
        if known and len(known) == len(reading) and value.id not in subject.trace.outputs:
            yield known


def _border_lost(subject: Subject) -> Iterator[Hit]:
    grave: list[tuple[str, str]] = []
    slight: list[tuple[str, str]] = []
    for known in _readers(subject):
        axes = range(min(len(windows) for _, windows in known))
        lost = [min(windows[axis].unread_end() for _, windows in known) for axis in axes]
        operation, windows = known[0]
        share = max(
            (unread / windows[axis].length for axis, unread in enumerate(lost)), default=0.0
        )
        if share == 0:
            continue
        name = subject.graph.name(operation)
        sides, kernel = by([w.length for w in windows]), by([w.kernel for w in windows])
        text = (
            f"{name}: {kernel} at stride {by([w.stride for w in windows])} leaves "
            f"{max(lost)} of {sides} unread at the far end ({share:.1%})"
        )
        (grave if share >= BORDER else slight).append((name, text))
    grades: tuple[tuple[list[tuple[str, str]], Severity | None], ...] = (
        (grave, None),
        (slight, "note"),
    )
    for found, severity in grades:
        if found:
            yield Hit(
                what=f"{count(len(found), 'layer does', 'layers do')} not reach the far border of "
                "what is read, right and bottom.",
                where=tuple(name for name, _ in found),
                evidence=some([text for _, text in found]),
                severity=severity,
            )


def _pixels_skipped(subject: Subject) -> Iterator[Hit]:
    found: list[tuple[str, str]] = []
    for known in _readers(subject):
        axes = range(min(len(windows) for _, windows in known))
        skipped = [min(windows[axis].skipped() for _, windows in known) for axis in axes]
        if not any(skipped):
            continue
        operation, windows = known[0]
        read = math.prod(1 - missed / windows[axis].length for axis, missed in enumerate(skipped))
        name = subject.graph.name(operation)
        kernel, stride = by([w.kernel for w in windows]), by([w.stride for w in windows])
        found.append((name, f"{name}: {kernel} at stride {stride} reads {read:.0%} of its input"))
    if found:
        yield Hit(
            what=f"{count(len(found), 'layer steps', 'layers step')} over pixels that nothing else "
            "reads.",
            where=tuple(name for name, _ in found),
            evidence=some([text for _, text in found]),
        )


def _even_kernel(subject: Subject) -> Iterator[Hit]:
    layers = [
        layer
        for layer in subject.graph.layers
        if layer.convolves
        and not layer.transposed
        and any(
            # At a stride of 2 or more an even kernel can lie evenly on the pixels.
            stride == 1 and kernel % 2 == 0 and length > kernel
            for kernel, stride, length in zip(
                layer.kernel, layer.stride, layer.source_shape[-len(layer.kernel) :], strict=True
            )
        )
    ]
    if layers:
        names = tuple(subject.graph.layer_name(layer) for layer in layers)
        parts = [
            f"{name}: {by(layer.kernel)}, side {by(layer.source_shape[2:])} becomes "
            f"{by(layer.result_shape[2:])}"
            for name, layer in zip(names, layers, strict=True)
        ]
        yield Hit(
            what=f"{count(len(layers), 'convolution has', 'convolutions have')} an even kernel at "
            "stride 1: it has no middle, and shifts the picture by half a pixel.",
            where=names,
            evidence=some(parts),
        )


def _kernel_larger_than_map(subject: Subject) -> Iterator[Hit]:
    found: list[tuple[str, str]] = []
    idle = total = 0
    for layer in subject.graph.layers:
        windows = _windows(subject, layer.operation)
        if windows is None or not layer.spatial:
            continue
        useful = math.prod((w.kernel - w.idle_taps()) / w.kernel for w in windows)
        if useful < 1:
            name = subject.graph.layer_name(layer)
            idle, total = idle + round((1 - useful) * layer.weights), total + layer.weights
            found.append(
                (name, f"{name}: {by(layer.kernel)} on a map of {by([w.length for w in windows])}")
            )
    if found:
        yield Hit(
            what=f"In {count(len(found), 'convolution')} some weights never meet a pixel: the map "
            "is so small that they always lie on the padding.",
            where=tuple(name for name, _ in found),
            evidence=f"{idle:,} of {total:,} weights ({idle / total:.0%}); "
            + some([text for _, text in found]),
        )


RULES: Final = (
    Rule(
        id="check/border-lost",
        severity="warning",
        meaning="Kernel, stride and padding do not tile the input: its last rows and columns are "
        "never read. Below the threshold it is a note.",
        threshold=f"{BORDER:.0%} of an axis",
        remedy="Choose an input side, padding or stride with (side + 2 padding - kernel) divisible "
        "by the stride, or pool with ceil_mode.",
        source="dumoulin2016guide",
        find=_border_lost,
    ),
    Rule(
        id="check/pixels-skipped",
        severity="warning",
        meaning="The stride is larger than the kernel, and nothing else reads the pixels in "
        "between: what the layer before computed for them is thrown away.",
        remedy="Put the stride on a layer whose kernel covers it, or pool before.",
        source="hubel",
        find=_pixels_skipped,
    ),
    Rule(
        id="check/even-kernel",
        severity="warning",
        meaning="A convolution with an even kernel at stride 1 has no middle pixel: padding cannot "
        "be the same on both sides, and the map shifts by half a pixel a layer.",
        remedy="Use an odd kernel: 3 in place of 2 or 4.",
        source="dumoulin2016guide",
        find=_even_kernel,
    ),
    Rule(
        id="check/kernel-larger-than-map",
        severity="warning",
        meaning="Some weights of a kernel meet only padding, because the map has become too small: "
        "they are never trained.",
        remedy="Use a larger input, fewer reductions before this layer, or a 1×1 kernel here.",
        source="hubel",
        find=_kernel_larger_than_map,
    ),
)
