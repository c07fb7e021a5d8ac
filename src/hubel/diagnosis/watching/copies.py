"""Copies of a network: whole ones, and a twin that shares its weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final, final

from torch import Tensor, nn

_HOOKS: Final = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    *("_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs"),
    "_forward_hooks_always_called",
)


def copied(network: nn.Module, *, share: bool = False) -> nn.Module:
    """Return a copy without the hooks of a loop and without gradients; modes stay as they are.

    Hooks of torch.nn.utils (an old weight_norm) belong to the network and are kept. With `share`
    the parameters are those of the original, and the buffers are copies. Errors: what deepcopy
    raises for a network that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for module in network.modules():
        for hook in _hooks(module):
            memo[id(hook)] = hook
        for value in vars(module).values():
            if isinstance(value, Tensor) and value.grad_fn is not None:
                memo[id(value)] = value.detach().clone()
    if share:
        memo.update((id(one), one) for one in network.parameters())
    twin = copy.deepcopy(network, memo)
    for module in twin.modules():
        for name in _HOOKS:
            hooks = getattr(module, name, None)
            for key in [key for key, hook in (hooks or {}).items() if not _belongs(module, hook, key)]:
                del hooks[key]
    if not share:
        for parameter in twin.parameters():
            parameter.grad = None
    return twin


def _hooks(module: nn.Module) -> Iterator[Any]:
    for name in _HOOKS[:4]:
        for hook in (getattr(module, name, None) or {}).values():
            if not type(hook).__module__.startswith("torch.nn.utils"):
                yield hook


def _belongs(module: nn.Module, hook: Any, key: int) -> bool:
    """Return whether a hook is part of the network; a flag by key goes with its hook."""
    if isinstance(hook, bool):
        kept = (getattr(module, name, None) or {} for name in _HOOKS[:4])
        return any(key in hooks for hooks in kept)
    return type(hook).__module__.startswith("torch.nn.utils")


@final
class Twin:
    """A copy that shares the weights of a network, to be measured on while the network trains."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._twin: nn.Module | None = None
        self._shape: list[tuple[str, int]] = []

    def current(self) -> nn.Module | None:
        """Return the twin with the buffers and modes of now; None where no copy can be made.

        It is made anew when the network got another module or parameter.
        """
        shape = [(path, id(one)) for path, one in self._network.named_modules()]
        shape += [(name, id(one)) for name, one in self._network.named_parameters()]
        if self._twin is None or shape != self._shape:
            try:
                self._twin = copied(self._network, share=True)
            except Exception:  # noqa: BLE001 # a network may refuse to be copied in any way
                return None
            self._shape = shape
        self._refresh(self._twin)
        return self._twin

    def _refresh(self, twin: nn.Module) -> None:
        for module, own in zip(self._network.modules(), twin.modules(), strict=True):
            own.training = module.training
            for name, buffer in module.named_buffers(recurse=False):
                setattr(own, name, buffer.detach().clone())
