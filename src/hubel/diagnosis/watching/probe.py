"""The outputs of every leaf module on the probe batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.record import UnitRow


def probe(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    step: int,
    losses: Callable[[Any, Tensor], Tensor],
) -> list[UnitRow]:
    """Return a row a leaf module."""
    del targets, losses
    rows: list[UnitRow] = []
    modes = [(part, part.training) for part in module.modules()]
    handles = []

    def hook(path: str) -> Any:
        def keep(part: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                rows.append(
                    UnitRow(
                        step=step, path=path, kind=type(part).__name__, mean=float(output.mean()),
                        std=float(output.std()), largest=float(output.abs().max()),
                        zeros=float((output == 0).float().mean()), dead=0.0, still=0.0,
                    )
                )

        return keep

    try:
        module.eval()
        for path, part in module.named_modules():
            if not list(part.children()):
                handles.append(part.register_forward_hook(hook(path)))
        with torch.no_grad():
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
        for part, mode in modes:
            part.training = mode
    return rows
