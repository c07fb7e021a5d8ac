"""The recorder: every operation that reaches the dispatcher, and every module call around it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.tracing.signatures import Signature, signature_of
from hubel.tracing.trace import (
    ConstantRef,
    ModuleCall,
    Operation,
    Value,
    ValueRef,
    Weight,
    WeightRef,
)

DTYPES: dict[torch.dtype, tuple[str, int]] = {}


@dataclass(slots=True)
class _Prepared:
    """What a tensor is that depends on weights (or on nothing) but not on the data."""

    weights: tuple[int, ...]
    """None for a constant; a WeightRef names the first."""


@dataclass(slots=True)
class _Draft:
    """An operation whose outputs may still grow: other views of memory that it wrote."""

    signature: Signature
    arguments: dict[str, Any]
    inputs: list[int]
    weights: tuple[int, ...]
    outputs: list[int]
    caller: int


@dataclass(slots=True)
class _CallDraft:
    """A module call that may not have ended yet."""

    path: str
    call: int
    kind: str
    parent: int | None
    depth: int
    training: bool
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    first: int = 0
    end: int = 0


@dataclass(slots=True)
class _Memory:
    """The memory that a tensor and its views share."""

    storage: int
    writer: int = -1
    """The last operation that wrote to it in place."""


@dataclass(slots=True)
class _Held:
    """What is known of one tensor."""

    tensor: Tensor
    """Held so that its `id` stays its own."""
    memory: _Memory
    value: int | None
    """None where it does not depend on the data."""
    prepared: _Prepared | None
    seen: int = -1
    """The last writer of its memory that its value takes into account."""


class Recorder(TorchDispatchMode):
    """Records what runs while it is active."""

    def __init__(
        self,
        paths: Mapping[int, str],
        weights: Sequence[Weight],
        stand_ins: Iterable[tuple[Tensor, int]],
    ) -> None:
        """`paths`: of the modules by `id`; `stand_ins`: tensors and the weights that they are."""
        super().__init__()
        self._weights = weights
        self.values: list[Value] = []
        self.drafts: list[_Draft] = []
        self.calls: list[_CallDraft] = []
        self.failed_at: str | None = None
        self._paths = paths
        self._held: dict[int, _Held] = {}
        self._stack: list[int] = []
        self._times: dict[str, int] = {}
        self._storages = 0
        for tensor, place in stand_ins:
            self._hold(tensor, None, _Prepared((place,)), self._new_memory())

    # Values ---------------------------------------------------------------------------------

    def add_input(self, tensor: Tensor) -> int:
        """Make a tensor an input of the network."""
        return self._new_value(tensor, self._new_memory(), None)

    def value_of(self, tensor: Tensor) -> int | None:
        """Return the value that a tensor holds now, or None where it holds no data."""
        held = self._held.get(id(tensor))
        return None if held is None else self._current(held)

    def _new_memory(self) -> _Memory:
        self._storages += 1
        return _Memory(self._storages - 1)

    def _hold(
        self, tensor: Tensor, value: int | None, prepared: _Prepared | None, memory: _Memory
    ) -> _Held:
        held = _Held(tensor, memory, value, prepared, memory.writer)
        self._held[id(tensor)] = held
        return held

    def _new_value(self, tensor: Tensor, memory: _Memory, operation: int | None) -> int:
        """Add a value that a tensor holds from now on."""
        dtype = tensor.dtype
        known = DTYPES.get(dtype)
        if known is None:
            known = DTYPES[dtype] = (str(dtype).removeprefix("torch."), dtype.itemsize)
        number = len(self.values)
        self.values.append(
            Value(
                id=number,
                shape=tuple(tensor.shape),
                dtype=known[0],
                bytes_each=known[1],
                storage=memory.storage,
                operation=operation,
            )
        )
        self._hold(tensor, number, None, memory)
        return number

    def _current(self, held: _Held) -> int | None:
        """Return the value of a tensor, a new version where its memory was written since."""
        writer = held.memory.writer
        if held.seen == writer:
            return held.value
        before, draft = held.value, self.drafts[writer]
        value = self._new_value(held.tensor, held.memory, writer)
        draft.outputs.append(value)
        if before is not None and before not in draft.inputs:
            draft.inputs.append(before)
        held.value, held.prepared, held.seen = value, None, writer
        return value

    # Operations -----------------------------------------------------------------------------

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
        if signature.kind == "native_batch_norm":
            result = _batch_norm_shapes(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
        self._record(signature, args, kwargs, result)
        return result

    def _record(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        bound = signature.bind(args, kwargs)
        inputs: list[int] = []
        weights: list[int] = []
        arguments = {
            name: self._reference(one, inputs, weights)
            if isinstance(one, (Tensor, list, tuple))
            else one
            for name, one in bound.items()
        }
        if signature.shape_only or not inputs:
            self._prepare(signature, bound, weights, result)
            return
        number = len(self.drafts)
        draft = _Draft(
            signature=signature,
            arguments=arguments,
            inputs=inputs,
            weights=tuple(dict.fromkeys(weights)),
            outputs=[],
            caller=self._stack[-1],
        )
        self.drafts.append(draft)
        written = [bound[name] for name in signature.writes if isinstance(bound[name], Tensor)]
        for tensor in written:
            self._memory_of(tensor).writer = number
        for tensor, memory in self._outputs(signature, bound, result):
            draft.outputs.append(self._new_value(tensor, memory, number))

    def _reference(self, one: Any, inputs: list[int], weights: list[int]) -> Any:
        """Return what stands in the arguments for a tensor or a list with tensors."""
        if isinstance(one, Tensor):
            held = self._held.get(id(one))
            if held is None:
                return ConstantRef(tuple(one.shape))
            value = self._current(held)
            if value is not None:
                inputs.append(value)
                return ValueRef(value)
            prepared = held.prepared
            if prepared is None or not prepared.weights:
                return ConstantRef(tuple(one.shape))
            weights.extend(prepared.weights)
            return WeightRef(prepared.weights[0], tuple(one.shape))
        if isinstance(one, (list, tuple)):
            return tuple(self._reference(each, inputs, weights) for each in one)
        return one

    def _prepare(
        self, signature: Signature, bound: dict[str, Any], weights: list[int], result: Any
    ) -> None:
        """Fold an operation that no data reaches into the weights or constants that it makes."""
        prepared = _Prepared(tuple(sorted(dict.fromkeys(weights), key=self._rank)))
        for tensor, memory in self._outputs(signature, bound, result):
            self._hold(tensor, None, prepared, memory)

    def _rank(self, place: int) -> tuple[bool, int]:
        """Order weights that make up another: trained ones first, then the largest."""
        weight = self._weights[place]
        return not weight.trainable, -math.prod(weight.shape)

    def _memory_of(self, tensor: Tensor) -> _Memory:
        """Return the memory of a tensor, made here for one that was never seen."""
        held = self._held.get(id(tensor))
        if held is None:
            held = self._hold(tensor, None, None, self._new_memory())
        return held.memory

    def _outputs(
        self, signature: Signature, bound: dict[str, Any], result: Any
    ) -> Iterator[tuple[Tensor, _Memory]]:
        """Give the tensors that an operation returned, each with its memory."""
        results = result if isinstance(result, (tuple, list)) else (result,)
        aliases = signature.aliases
        if len(aliases) == 1:
            aliases = aliases * len(results)
        for one, alias in zip(results, aliases, strict=False):
            each = one if isinstance(one, (tuple, list)) else (one,)
            for tensor in each:
                if isinstance(tensor, Tensor):
                    shared = bound[alias] if alias else None
                    if isinstance(shared, Tensor):
                        yield tensor, self._memory_of(shared)
                    else:
                        yield tensor, self._new_memory()

    # Module calls ---------------------------------------------------------------------------

    @contextmanager
    def module_calls(self) -> Iterator[None]:
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
            above = self.calls[parent].path if parent is not None else ""
            path = f"{above}.{type(module).__name__}()".removeprefix(".")
        times = self._times.get(path, 0)
        self._times[path] = times + 1
        number = len(self.calls)
        draft = _CallDraft(
            path=path,
            call=times,
            kind=type(module).__name__,
            parent=parent,
            depth=0 if parent is None else self.calls[parent].depth + 1,
            training=module.training,
            inputs=self.values_in((args, kwargs)),
            first=len(self.drafts),
        )
        self.calls.append(draft)
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
        draft.end = len(self.drafts)
        return result

    def values_in(self, held: Any) -> tuple[int, ...]:
        """Return the values of the tensors inside nested containers, in order."""
        values = (self.value_of(tensor) for tensor in tensors_in(held))
        return tuple(value for value in values if value is not None)

    # The end --------------------------------------------------------------------------------

    def finished_operations(self) -> tuple[Operation, ...]:
        """Return the operations as they stand at the end."""
        return tuple(
            Operation(
                id=number,
                kind=draft.signature.kind,
                operator=draft.signature.operator,
                arguments=draft.arguments,
                inputs=tuple(draft.inputs),
                weights=draft.weights,
                outputs=tuple(draft.outputs),
                in_place=bool(draft.signature.writes),
                caller=draft.caller,
            )
            for number, draft in enumerate(self.drafts)
        )

    def finished_calls(self) -> tuple[ModuleCall, ...]:
        """Return the module calls as they stand at the end."""
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
            for number, draft in enumerate(self.calls)
        )


def tensors_in(held: Any) -> Iterator[Tensor]:
    """Give the tensors inside nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, (tuple, list)):
        for one in held:
            yield from tensors_in(one)
    elif isinstance(held, Mapping):
        for one in held.values():
            yield from tensors_in(one)
    elif hasattr(held, "__dataclass_fields__"):
        for name in held.__dataclass_fields__:
            yield from tensors_in(getattr(held, name))


def _batch_norm_shapes(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return empty results of batch normalisation in evaluation mode on the meta device.

    torch's own rule for that device runs many small operations: 1.7 ms a layer, most of the time
    of tracing a residual network.
    """
    first = args[0]
    training = args[5] if len(args) > 5 else kwargs.get("training")
    if not first.is_meta or training is not False or func is not _BATCH_NORM:
        return func(*args, **kwargs)
    none = torch.empty((0,), device="meta")
    return torch.empty_like(first), none, torch.empty_like(none)


_BATCH_NORM = torch.ops.aten.native_batch_norm.default
