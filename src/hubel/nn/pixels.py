"""Which layer of a network runs out of pixels when the picture is too small."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class _EmptyOutputError(Exception):
    """A layer's output has no pixels."""


def find_last_layer(network: nn.Module, channels: int, size: int) -> str | None:
    """Return the path and kind of the layer that runs out of pixels: `features.12 (MaxPool2d)`.

    That is the innermost module that fails on a picture of `channels` maps and size x size pixels,
    or whose output is empty; None where none does. The network is on the meta device: nothing is
    computed, only shapes.
    """
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), _inside(network) as open_layers:
            try:
                network(torch.zeros(2, channels, size, size, device="meta"))
            except Exception:  # noqa: BLE001 - whatever a layer raises, it is the one to name
                path, kind = open_layers[-1] if open_layers else ("", type(network).__name__)
                return f"{path} ({kind})" if path else kind
    finally:
        network.train(training)
    return None


@contextmanager
def _inside(network: nn.Module) -> Generator[list[tuple[str, str]]]:
    """Give the list of modules that are running, the innermost last; stop at an empty output."""
    running: list[tuple[str, str]] = []
    handles: list[Any] = []
    for path, layer in network.named_modules():
        entry = (path, type(layer).__name__)

        def enter(_module: nn.Module, _inputs: object, entry: tuple[str, str] = entry) -> None:
            running.append(entry)

        def leave(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.numel() == 0:
                raise _EmptyOutputError
            running.pop()

        handles += [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]
    try:
        yield running
    finally:
        for handle in handles:
            handle.remove()
