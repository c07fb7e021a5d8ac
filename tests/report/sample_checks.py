"""A small network as `check` describes it: a residual block and a head."""

from dataclasses import replace

from hubel.results import Check, CheckTotal, Field, Finding, LayerRow


def field(size, stride=1, start=0, *, whole=False):
    return Field(size=(size, size), stride=(stride,) * 2, start=(start,) * 2, whole=(whole, whole))


def row(path, kind, shape, **changes):
    base = LayerRow(
        path=path, call=0, kind=kind, depth=1, input_shape=shape, output_shape=shape,
        params=0, trainable_params=0, connections=0, neurons=1, macs=0, flops=1,
        weight_bytes=0, activation_bytes=4, share=0.0, receptive_field=None,
    )  # fmt: skip
    return replace(base, **changes)


MAPS = (1, 4, 8, 8)
ROWS = (
    row("stem", "Conv2d", MAPS, input_shape=(1, 3, 8, 8), details="3x3, padding 1", params=112,
        macs=6912, share=0.4, receptive_field=field(3, 1, -1)),
    row("bn", "BatchNorm2d", MAPS, params=8, receptive_field=field(3, 1, -1)),
    row("relu", "ReLU", MAPS, receptive_field=field(3, 1, -1)),
    row("conv", "Conv2d", MAPS, params=148, macs=9216, share=0.55,
        receptive_field=field(5, 1, -2)),
    row("", "add", MAPS, receptive_field=field(5, 1, -2)),
    row("head", "Linear", (1, 10), input_shape=(1, 256), params=2570, macs=2560, share=0.05,
        receptive_field=field(8, 8, 0, whole=True)),
)  # fmt: skip
EDGES = ((-1, 0), (0, 1), (1, 2), (2, 3), (2, 4), (3, 4), (4, 5))
FINDING = Finding(
    id="check/even-kernel", what="A kernel is even.", where=("conv",), evidence="4x4",
    threshold="odd", severity="warning", confidence=1.0, remedy="Take 3x3.", source="hubel",
)  # fmt: skip
TOTAL = CheckTotal(
    params=2838, trainable_params=2838, frozen_params=0, shared_params=0, buffers=9,
    connections=20_000, neurons=1034, macs=18_688, flops=40_000, weight_bytes=11_352,
    activation_bytes=4136, inference_peak_bytes=30_000, training_peak_bytes=90_000,
)  # fmt: skip
CHECK = Check(
    model="tiny", input=(3, 8, 8), batch=1, layers=ROWS, total=TOTAL, not_analysed=(),
    findings=(FINDING,), edges=EDGES,
)  # fmt: skip
