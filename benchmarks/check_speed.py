"""How fast `check` reads a network, beside the tools that people stitch together."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import nn

import hubel
from benchmarks.recording import Section

FLOPS_OF = ("resnet50", "resnet152", "densenet121", "mobilenet_v2", "mobilenet_v3_large")
"""Networks whose multiply-accumulates are compared with fvcore's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how often to measure, and which network."""
    parser.add_argument("--times", type=int, default=7, help="runs of each [default: 7]")
    parser.add_argument("--model", default="resnet152", help="of torchvision [default: resnet152]")


def measure(times: int, model: str) -> Section:
    """Time hubel's check, torchinfo, and torchinfo with fvcore, taking turns in one process."""
    network = torchvision.models.get_model(model).eval()
    what, ours = _ours(network)
    tools: dict[str, Callable[[], Any]] = {
        what: ours,
        "torchinfo": lambda: _torchinfo(network),
        "torchinfo + fvcore": lambda: (_torchinfo(network), _fvcore(network)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(times + 1):
        for name, tool in tools.items():
            started = time.perf_counter()
            tool()
            if turn:  # The first turn is not counted: what each loads late.
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return Section(
        title="Speed of check",
        what=f"`{model}` of torchvision at 3x224x224, weights made; the three take turns in one "
        f"process after imports; n = {times} each after one turn that is not counted; "
        f"{torch.get_num_threads()} thread(s). {_macs_beside_fvcore()}",
        header=("tool", "median s", "fastest s", "slowest s"),
        rows=[
            (name, f"{medians[name]:.3f}", f"{min(values):.3f}", f"{max(values):.3f}")
            for name, values in seconds.items()
        ],
        verdict=f"{what} takes **{medians[what] / medians['torchinfo']:.2f}** of torchinfo's time "
        f"(goal: at most 1) and **{medians[what] / medians['torchinfo + fvcore']:.2f}** of "
        "torchinfo's and fvcore's together (goal: at most 0.50).",
    )


def _ours(network: nn.Module) -> tuple[str, Callable[[], Any]]:
    """Return hubel's whole check, or as much of it as there is."""
    shape = (3, 224, 224)
    check: Callable[..., Any] | None = getattr(hubel, "check", None)
    if check is not None:
        return "hubel.check", lambda: check(network, shape)
    costs, rows = (importlib.import_module(f"hubel.analysis.{name}") for name in ("costs", "rows"))

    def analyse() -> Any:
        traced = hubel.trace(network, shape)
        found = costs.operation_costs(traced)
        table = rows.layer_rows(traced, found)
        return table, rows.total(traced, found, table)

    return "hubel (trace, costs, memory)", analyse


def _torchinfo(network: nn.Module) -> str:
    """Return torchinfo's summary as it prints it."""
    import torchinfo

    return str(torchinfo.summary(network, input_size=(1, 3, 224, 224), verbose=0))


def _fvcore(network: nn.Module) -> float:
    """Return what fvcore calls FLOPs."""
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    quiet = contextlib.redirect_stderr(io.StringIO())
    with warnings.catch_warnings(), quiet, torch.no_grad():
        warnings.simplefilter("ignore")
        return FlopCountAnalysis(network, torch.zeros(1, 3, 224, 224)).total()


def _macs_beside_fvcore() -> str:
    """Return a sentence on how the counts of a few networks differ from fvcore's."""
    differences = [
        f"{name} {(macs - theirs) / macs:+.2%}"
        for name in FLOPS_OF
        for macs, theirs in [_counts(torchvision.models.get_model(name).eval())]
    ]
    return (
        "hubel's MACs beside fvcore's FLOPs of convolutions and matrix products (it counts one a "
        f"multiply-accumulate, too): {', '.join(differences)}. To them fvcore's total adds batch "
        "normalisation (2 an element, as hubel's FLOPs) and adaptive pooling (1 an input element), "
        "and leaves activations, additions and other pooling out."
    )


def _counts(network: nn.Module) -> tuple[int, float]:
    """Return the multiply-accumulates that hubel and fvcore count in products."""
    from fvcore.nn import FlopCountAnalysis

    costs = importlib.import_module("hubel.analysis.costs")
    traced = costs.operation_costs(hubel.trace(network, (3, 224, 224)))
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        theirs = FlopCountAnalysis(network, torch.zeros(1, 3, 224, 224)).by_operator()
    products = sum(theirs[kind] for kind in ("conv", "linear", "matmul", "addmm"))
    return sum(cost.macs for cost in traced.operations if cost), products
