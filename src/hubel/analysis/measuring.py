"""Measured on request: the memory of a pass and the arithmetic a second, on this machine's CPU."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from hubel.analysis.costs import operation_costs
from hubel.tracing import trace
from hubel.tracing.recorder import tensors_in
from hubel.tracing.stand_ins import StandIns, randomness_kept, real_copy


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredMemory:
    """The memory that a pass on the CPU takes."""

    peak_bytes: int
    """Weights, buffers and input, and the most that torch's allocator held besides them at once."""
    pass_bytes: int
    """That most alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpeed:
    """How fast a network runs forward on the CPU."""

    seconds: float
    """Median of the timed passes."""
    flops: float
    """FLOPs a second: those of the cost rules, divided by the median."""
    times: int
    threads: int
    batch: int


def measure_memory(
    model: nn.Module, input_shape: Sequence[int], batch: int = 1, *, training: bool = False
) -> MeasuredMemory:
    """Return the peak memory of one pass on the CPU, as torch's allocator reports it.

    Inference without gradients; with `training` the second of two steps with Adam on the sum of
    the outputs, in training mode. All that torch allocates is in it, kernels' workspace too as far
    as it comes from torch's allocator; what the allocator of the system wastes is not. The weights
    are copied for it; the network stays as it is.
    """
    with _copied(model, training=training) as (network, held):
        example = torch.randn(batch, *input_shape)
        weights = sum(tensor.nbytes for tensor in held)
        if training:
            optimizer = torch.optim.Adam(one for one in network.parameters() if one.requires_grad)
            _step(network, example, optimizer)
            optimizer.zero_grad()
            state = sum(one.nbytes for one in tensors_in(list(optimizer.state.values())))
            peak = _peak(lambda: _step(network, example, optimizer)) + state
        else:
            with torch.no_grad():
                peak = _peak(lambda: network(example))
    return MeasuredMemory(peak_bytes=weights + example.nbytes + peak, pass_bytes=peak)


def measure_speed(
    model: nn.Module, input_shape: Sequence[int], batch: int = 1, *, times: int = 5
) -> MeasuredSpeed:
    """Return the FLOPs a second of `times` forward passes on the CPU, after one not timed.

    In evaluation mode, float32 weights as they are, with the threads that torch is set to.
    """
    costs = operation_costs(trace(model, input_shape, batch=batch))
    flops = sum(cost.flops for cost in costs.operations if cost)
    seconds: list[float] = []
    with _copied(model, training=False) as (network, _), torch.no_grad():
        example = torch.randn(batch, *input_shape)
        network(example)
        for _ in range(times):
            started = time.perf_counter()
            network(example)
            seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    return MeasuredSpeed(
        seconds=median,
        flops=flops / median,
        times=times,
        threads=torch.get_num_threads(),
        batch=batch,
    )


@contextmanager
def _copied(model: nn.Module, *, training: bool) -> Generator[tuple[nn.Module, list[Tensor]]]:
    """Give the network with copies of its weights in it, and the copies; then put all back."""
    stand_ins = StandIns(model, real_copy, gradients=training)
    with randomness_kept(), stand_ins.in_place():
        model.train(training)
        yield model, list(stand_ins.made.values())


def _step(network: nn.Module, example: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Take one training step; a sum stands for the loss."""
    outputs = [one for one in tensors_in(network(example)) if one.requires_grad]
    torch.stack([one.sum() for one in outputs]).sum().backward()
    optimizer.step()


def _peak(run: Callable[[], object]) -> int:
    """Return the most bytes that torch's CPU allocator held at once beyond those at the start."""
    before = os.environ.get("KINETO_LOG_LEVEL")
    os.environ["KINETO_LOG_LEVEL"] = "99"  # Else its start and stop are printed.
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            run()
    finally:
        os.environ.pop("KINETO_LOG_LEVEL")
        if before is not None:
            os.environ["KINETO_LOG_LEVEL"] = before
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8"))["traceEvents"]
    changes = [
        (event["ts"], event["args"]["Bytes"])
        for event in events
        if event.get("name") == "[memory]" and event["args"].get("Device Type") == 0
    ]
    now = peak = 0
    for _, change in sorted(changes, key=lambda one: one[0]):
        now += change
        peak = max(peak, now)
    return peak
