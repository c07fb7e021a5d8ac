"""How much of timm `check` reads: one model of each name family, traced and costed."""

from __future__ import annotations

import argparse
import json
import re
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.recording import Section
from hubel.analysis.costs import operation_costs
from hubel.errors import UsageError
from hubel.tracing import Weightless, trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the answers of each family are kept, and which families to read."""
    parser.add_argument(
        "--answers",
        type=Path,
        default=Path("check-timm.json"),
        help="JSON file that is read and added to [default: check-timm.json]",
    )
    parser.add_argument("--family", nargs="*", default=[], help="only these families, once more")


def families() -> dict[str, str]:
    """Return the first model of each family: the part before the first `_`, digits dropped."""
    import timm

    found: dict[str, str] = {}
    for name in timm.list_models():
        found.setdefault(re.sub(r"\d+$", "", name.partition("_")[0]), name)
    return found


def measure(answers: Path, family: list[str]) -> Section:
    """Trace one model of each family of timm and count those that are read whole."""
    known: dict[str, dict[str, Any]] = (
        json.loads(answers.read_text("utf-8")) if answers.exists() else {}
    )
    for name, model in families().items():
        if name in family or (not family and name not in known):
            known[name] = {"model": model, **_read(model)}
            answers.write_text(json.dumps(known, indent=1), "utf-8")
            print(name, known[name], flush=True)
    outcomes = Counter(_outcome(answer) for answer in known.values())
    named = [
        (f"`{answer['model']}`", _outcome(answer), "; ".join(_reasons(answer)))
        for answer in known.values()
        if _reasons(answer)
    ]
    return Section(
        title="Networks of timm",
        what=f"One model of each name family ({len(known)}), at its own input size, without "
        "weights; what has no rule, and what was not traced in the usual way, is named.",
        header=("model", "outcome", "reason"),
        rows=named,
        verdict=", ".join(f"{outcome} **{count}**" for outcome, count in sorted(outcomes.items())),
    )


def _read(model: str) -> dict[str, Any]:
    """Return what one model costs, or why it cannot be read."""
    import timm.models

    try:
        network, built = _build(model)
    except Exception as problem:  # noqa: BLE001  # any reason is one to name
        return {"error": f"cannot be built: {type(problem).__name__}: {problem}"[:300]}
    shape = tuple(timm.models.get_pretrained_cfg_value(model, "input_size"))
    started = time.perf_counter()
    try:
        traced = trace(network, shape)
    except UsageError as problem:
        return {"error": str(problem)[:400], "built": built}
    costs = operation_costs(traced)
    return {
        "built": built,
        "input": shape,
        "seconds": round(time.perf_counter() - started, 3),
        "operations": len(traced.operations),
        "macs": sum(cost.macs for cost in costs.operations if cost),
        "not_analysed": costs.not_analysed,
        "notes": traced.notes,
    }


def _build(model: str) -> tuple[nn.Module, str]:
    """Build a model without weights, on the CPU where that fails."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Weightless():
                return timm.create_model(model), "without weights"
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            torch.manual_seed(0)
            return timm.create_model(model), "on the CPU"


def _outcome(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return "not read"
    if answer["not_analysed"]:
        return "read with operations named as not analysed"
    return "read by a real pass" if answer["notes"] else "read whole"


def _reasons(answer: dict[str, Any]) -> list[str]:
    if "error" in answer:
        return [answer["error"]]
    return [*answer["not_analysed"], *answer["notes"]]
