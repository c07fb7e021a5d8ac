"""The recorder: every operation that reaches the dispatcher, and every module call around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.tracing.containers import tensors_in
from hubel.tracing.ledger import Ledger
from hubel.tracing.refusals import error_with_numbers
from hubel.tracing.shortcuts import run
from hubel.tracing.signatures import signature_of
from hubel.tracing.trace import ModuleCall


@dataclass(slots=True)
class _CallDraft:
    """A module call that may not have ended yet."""

    path: str
    call: int
    kind: str
    parent: int | None
    depth: int
    training: bool
    inputs: tuple[int, ...]
    first: int
    outputs: tuple[int, ...] = ()
    end: int = 0


class Recorder(TorchDispatchMode):
    """Records what runs while it is active."""

    failed_at: str | None
    """Path of the innermost module whose forward raised."""
    refused: tuple[Exception, Exception] | None
    """What an operation last raised on the meta device, and what it raises with numbers too."""

    def __init__(self, ledger: Ledger, paths: Mapping[int, str]) -> None:
        """`paths`: of the modules by `id`."""
        super().__init__()
        self.failed_at = None
        self.refused = None
        self._ledger = ledger
        self._paths = paths
        self._calls: list[_CallDraft] = []
        self._stack: list[int] = []
        self._times: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and write it down."""
        kwargs = kwargs or {}
        signature = signature_of(func)
        if signature.composite:  # Arrives whole only in torch.inference_mode.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        bound = signature.bind(args, kwargs)
        try:
            result = run(func, args, kwargs)
        except Exception as problem:
            mixed = _mixes_devices(bound, signature.writes)
            if not isinstance(problem, RuntimeError) or not mixed:
                told = None if mixed else error_with_numbers(func, args, kwargs)
                self.refused = (problem, told) if told else None
                raise
            result = func(*_on_meta(args), **{name: _on_meta(one) for name, one in kwargs.items()})
        self._ledger.add_operation(signature, bound, result, self._stack[-1])
        return result

    @contextmanager
    def module_calls(self) -> Generator[None]:
        """Follow every module call of this thread."""
        original = nn.Module.__call__
        thread = threading.get_ident()

        def followed(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return original(module, *args, **kwargs)
            return self._follow(original, module, args, kwargs)

        nn.Module.__call__ = followed
        try:
            yield
        finally:
            nn.Module.__call__ = original

    def _follow(
        self,
        original: Callable[..., Any],
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run one module call and write it down."""
        parent = self._stack[-1] if self._stack else None
        path = self._paths.get(id(module))
        if path is None:  # Made inside forward, or held where torch does not look for modules.
            above = self._calls[parent].path if parent is not None else ""
            path = f"{above}.{type(module).__name__}()".removeprefix(".")
        times = self._times.get(path, 0)
        self._times[path] = times + 1
        number = len(self._calls)
        draft = _CallDraft(
            path=path,
            call=times,
            kind=type(module).__name__,
            parent=parent,
            depth=0 if parent is None else self._calls[parent].depth + 1,
            training=module.training,
            inputs=self.values_in((args, kwargs)),
            first=len(self._ledger),
        )
        self._calls.append(draft)
        self._stack.append(number)
        try:
            result = original(module, *args, **kwargs)
        except Exception:
            if self.failed_at is None:
                self.failed_at = path
            raise
        finally:
            self._stack.pop()
        draft.outputs = self.values_in(result)
        draft.end = len(self._ledger)
        return result

    def values_in(self, held: Any) -> tuple[int, ...]:
        """Return the values of the tensors inside nested containers, in order."""
        values = (self._ledger.value_of(tensor) for tensor in tensors_in(held))
        return tuple(value for value in values if value is not None)

    def calls(self) -> tuple[ModuleCall, ...]:
        """Return the module calls, once the network's own has ended."""
        return tuple(
            ModuleCall(
                id=number,
                path=draft.path,
                call=draft.call,
                kind=draft.kind,
                parent=draft.parent,
                inputs=draft.inputs,
                outputs=draft.outputs,
                operations=(draft.first, draft.end),
                depth=draft.depth,
                training=draft.training,
            )
            for number, draft in enumerate(self._calls)
        )


def _mixes_devices(bound: Mapping[str, Any], writes: tuple[str, ...]) -> bool:
    """Return whether constants of the CPU meet data on the meta device, and are only read."""
    devices = {tensor.is_meta for tensor in tensors_in(bound)}
    return len(devices) == 2 and all(bound[name].is_meta for name in writes)


def _on_meta(held: Any) -> Any:
    """Return arguments with every tensor on the meta device."""
    if isinstance(held, Tensor):
        return held.to("meta")
    if isinstance(held, (tuple, list)):
        return tuple(_on_meta(one) for one in held)
    return held
