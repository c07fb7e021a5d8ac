"""Tensors that stand in for a network's own while it is traced, and its exact restoration."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.backends.mha
from torch import Tensor, nn

from hubel.tracing.trace import Weight

Substitute = Callable[[Tensor], Tensor]
"""Makes the tensor that stands in for one of the network's."""


def meta_copy(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape, strides and type on the meta device."""
    if tensor.is_sparse:
        return tensor.to("meta")
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def real_copy(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU; small random numbers, or zeros, for one on the meta device."""
    if not tensor.is_meta:
        return tensor.detach().to("cpu", copy=True)
    if tensor.is_floating_point():
        return torch.randn(tensor.shape, dtype=tensor.dtype) * 0.02
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


def list_weights(model: nn.Module) -> tuple[list[Weight], dict[int, int]]:
    """Return the parameters and buffers, shared ones once, and the place of each by its `id`."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, tuple[Tensor, bool]] = {}
    for buffer, named in (
        (False, model.named_parameters(remove_duplicate=False)),
        (True, model.named_buffers(remove_duplicate=False)),
    ):
        for name, tensor in named:
            names.setdefault(id(tensor), []).append(name)
            tensors.setdefault(id(tensor), (tensor, buffer))
    weights = [
        Weight(
            id=place,
            names=tuple(names[key]),
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            bytes_each=tensor.element_size(),
            trainable=tensor.requires_grad and not buffer,
            buffer=buffer,
        )
        for place, (key, (tensor, buffer)) in enumerate(tensors.items())
    ]
    return weights, {key: place for place, key in enumerate(tensors)}


class StandIns:
    """Stand-ins for every tensor that the modules of a network hold, made once per tensor."""

    made: dict[int, Tensor]
    """By `id` of the network's own tensor."""

    def __init__(
        self, model: nn.Module, substitute: Substitute, *, gradients: bool = False
    ) -> None:
        """`gradients`: whether stand-ins of trained parameters ask for gradients."""
        self.made = {}
        self._gradients = gradients
        self._modules = list(model.modules())
        self._substitute = substitute
        self._saved: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = []

    @contextmanager
    def in_place(self) -> Generator[None]:
        """Put the stand-ins into the modules.

        At the end, come what may, every attribute of every module is again the object that it was
        (weights, buffers, modes), and dicts, lists and sets have their former content.
        """
        try:
            for module in self._modules:
                state = vars(module)
                contents = {
                    name: type(held)(held)
                    for name, held in state.items()
                    if type(held) in {dict, list, set}
                }
                self._saved.append((state, dict(state), contents))
            for module in self._modules:
                self._replace(vars(module))
            yield
        finally:
            for state, before, contents in self._saved:
                for name, content in contents.items():
                    _refill(before[name], content)
                if state.keys() != before.keys() or any(
                    state[name] is not held for name, held in before.items()
                ):
                    state.clear()
                    state.update(before)
            self._saved.clear()

    def _replace(self, state: dict[str, Any]) -> None:
        """Replace parameters, buffers and plain tensors, also those in lists of an attribute."""
        for name, held in state.items():
            if isinstance(held, Tensor):
                state[name] = self._of(held)
            elif type(held) is dict:
                held.update({key: self._of(one) for key, one in held.items() if _is_tensor(one)})
            elif type(held) is list:
                for place, one in enumerate(held):
                    if isinstance(one, Tensor):
                        held[place] = self._of(one)

    def _of(self, tensor: Tensor) -> Tensor:
        """Return the stand-in of a tensor."""
        found = self.made.get(id(tensor))
        if found is None:
            found = self._substitute(tensor)
            if isinstance(tensor, nn.Parameter):
                found = nn.Parameter(found, self._gradients and tensor.requires_grad)
            self.made[id(tensor)] = found
        return found


def _is_tensor(held: Any) -> bool:
    return isinstance(held, Tensor)


def _refill(container: Any, content: Any) -> None:
    """Give a dict, list or set its former content, if it changed."""
    if isinstance(container, list):
        container[:] = content
    else:
        container.clear()
        container.update(content)


@contextmanager
def uncollected() -> Generator[None]:
    """Keep Python's garbage collector from running.

    A trace makes many small objects that all stay; each full collection on the way would walk over
    all of torch, which takes longer than the trace.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def fast_attention_off() -> Generator[None]:
    """Let torch's attention modules run operation by operation, not in one opaque operator."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


@contextmanager
def randomness_kept() -> Generator[None]:
    """Restore the states of the random generators of Python, NumPy and torch (CPU) at the end."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002  # the user's global generator
        torch.set_rng_state(cpu)
