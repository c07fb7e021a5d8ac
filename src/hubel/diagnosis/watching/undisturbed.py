"""Measuring without a trace: the global random states stand afterwards as they stood before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(module: nn.Module | None = None) -> Iterator[None]:
    """Restore the random states of Python, NumPy and torch at the end, also after an error.

    Those of accelerators are restored for the devices that hold a parameter of `module`.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 # the global one
    kind, places = _accelerators(module)
    try:
        with torch.random.fork_rng(devices=places, device_type=kind):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _accelerators(module: nn.Module | None) -> tuple[str, list[int]]:
    parameters = () if module is None else module.parameters()
    devices = {one.device for one in parameters if one.device.type not in ("cpu", "meta")}
    kind = next((device.type for device in devices), "cuda")
    return kind, sorted({device.index or 0 for device in devices if device.type == kind})
