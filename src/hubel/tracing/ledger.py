"""The ledger of a recording: the value of each tensor, and what operations read and made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from hubel.tracing.signatures import Signature
from hubel.tracing.trace import ConstantRef, Operation, Value, ValueRef, Weight, WeightRef

OUTSIDE: Final = Signature(
    kind="numpy",
    operator="numpy",
    names=(),
    defaults={},
    writes=(),
    aliases=(None,),
    shape_only=False,
    composite=False,
)
"""Stands for what is computed outside of torch."""


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
class _Memory:
    """The memory that a tensor and its views share."""

    storage: int
    writes: list[tuple[int, Tensor]] = field(default_factory=list[tuple[int, Tensor]])
    """Operations that wrote data to it in place, and the view that each wrote to."""
    weights: tuple[int, ...] = ()
    """Weights that were written to it in place."""


@dataclass(slots=True)
class _Held:
    """What is known of one tensor."""

    tensor: Tensor
    """Held so that its `id` stays its own."""
    memory: _Memory
    value: int | None
    """None where it does not depend on the data."""
    weights: tuple[int, ...]
    """Weights that it was made from, where it does not depend on the data; none for a constant."""
    seen: int
    """How many of the writes to its memory its value takes into account."""


class Ledger:
    """Knows what every tensor of a forward pass holds."""

    values: list[Value]

    def __init__(self, weights: Sequence[Weight], stand_ins: Iterable[tuple[Tensor, int]]) -> None:
        """`stand_ins`: tensors, and the places of the weights that they are."""
        self.values = []
        self._weights = weights
        self._drafts: list[_Draft] = []
        self._held: dict[int, _Held] = {}
        self._dtypes: dict[torch.dtype, tuple[str, int]] = {}
        self._storages = 0
        self._left: list[int] = []
        for tensor, place in stand_ins:
            self._hold(tensor, None, (place,), self._new_memory())

    def __len__(self) -> int:
        """Return the number of operations so far."""
        return len(self._drafts)

    def add_input(self, tensor: Tensor) -> int:
        """Make a tensor an input of the network; return its value."""
        return self._new_value(tensor, self._new_memory(), None)

    def value_of(self, tensor: Tensor) -> int | None:
        """Return the value that a tensor holds now, or None where it holds no data."""
        held = self._known(tensor)
        return None if held is None else self._current(held)

    def leave(self, tensor: Tensor) -> None:
        """Note that the numbers of a tensor are handed to others than torch."""
        value = self.value_of(tensor)
        if value is not None and value not in self._left:
            self._left.append(value)

    def add_operation(
        self, signature: Signature, bound: Mapping[str, Any], result: Any, caller: int
    ) -> None:
        """Write down an operation that ran; one that no data reached only makes weights."""
        inputs: list[int] = []
        weights: list[int] = []
        arguments = {
            name: self._reference(one, inputs, weights)
            if isinstance(one, (Tensor, list, tuple))
            else one
            for name, one in bound.items()
        }
        reads = tuple(dict.fromkeys(weights))
        if signature.shape_only or not inputs:
            self._prepare(signature, bound, () if signature.shape_only else reads, result)
            return
        number, outputs = len(self._drafts), list[int]()
        self._drafts.append(_Draft(signature, arguments, inputs, reads, outputs, caller))
        for name in signature.writes:
            if isinstance(bound[name], Tensor):
                self._memory_of(bound[name]).writes.append((number, bound[name]))
        for tensor, memory in self._outputs(signature, bound, result):
            outputs.append(self._new_value(tensor, memory, number))

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations as they stand now."""
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
            for number, draft in enumerate(self._drafts)
        )

    def _reference(self, one: Any, inputs: list[int], weights: list[int]) -> Any:
        """Return what stands in the arguments for a tensor or a list with tensors."""
        if isinstance(one, Tensor):
            held = self._known(one)
            if held is None:
                return ConstantRef(tuple(one.shape))
            value = self._current(held)
            if value is not None:
                inputs.append(value)
                return ValueRef(value)
            made_from = (*held.weights, *held.memory.weights)
            if not made_from:
                return ConstantRef(tuple(one.shape))
            weights.extend(made_from)
            return WeightRef(min(made_from, key=self._rank), tuple(one.shape))
        if isinstance(one, (list, tuple)):
            return tuple(self._reference(each, inputs, weights) for each in one)
        return one

    def _known(self, tensor: Tensor) -> _Held | None:
        """Return what is known of a tensor; a new one is made of what left torch, if any did."""
        held = self._held.get(id(tensor))
        if held is not None or not self._left:
            return held
        made = list[int]()
        self._drafts.append(_Draft(OUTSIDE, {}, list(self._left), (), made, caller=0))
        made.append(self._new_value(tensor, self._new_memory(), len(self._drafts) - 1))
        return self._held[id(tensor)]

    def _rank(self, place: int) -> tuple[bool, int]:
        """Order weights that make up another: trained ones first, then the largest."""
        weight = self._weights[place]
        return not weight.trainable, -math.prod(weight.shape)

    def _current(self, held: _Held) -> int | None:
        """Return the value of a tensor, a new version for each write to its memory since."""
        writes = held.memory.writes
        while held.seen < len(writes):
            number, written = writes[held.seen]
            held.seen += 1
            if not _overlap(held.tensor, written):
                continue
            draft, before = self._drafts[number], held.value
            held.value = self._add_value(held.tensor, held.memory, number)
            draft.outputs.append(held.value)
            if before is not None and before not in draft.inputs:
                draft.inputs.append(before)
        return held.value

    def _prepare(
        self,
        signature: Signature,
        bound: Mapping[str, Any],
        weights: tuple[int, ...],
        result: Any,
    ) -> None:
        """Fold an operation that no data reaches into the weights or constants that it makes."""
        for name in signature.writes:
            if weights and isinstance(bound[name], Tensor):
                memory = self._memory_of(bound[name])
                memory.weights = tuple(dict.fromkeys((*memory.weights, *weights)))
        for tensor, memory in self._outputs(signature, bound, result):
            self._hold(tensor, None, weights, memory)

    def _outputs(
        self, signature: Signature, bound: Mapping[str, Any], result: Any
    ) -> Iterator[tuple[Tensor, _Memory]]:
        """Give the tensors that an operation returned, each with its memory."""
        results = result if isinstance(result, (tuple, list)) else (result,)
        aliases = signature.aliases
        if len(aliases) == 1:
            aliases *= len(results)
        for one, alias in zip(results, aliases, strict=False):
            shared = bound[alias] if alias else None
            whole = self._memory_of(shared) if isinstance(shared, Tensor) else None
            for tensor in one if isinstance(one, (tuple, list)) else (one,):
                if isinstance(tensor, Tensor):
                    yield tensor, whole or self._new_memory()

    def _memory_of(self, tensor: Tensor) -> _Memory:
        """Return the memory of a tensor, made here for one that was never seen."""
        held = self._held.get(id(tensor))
        if held is None:
            held = self._hold(tensor, None, (), self._new_memory())
        return held.memory

    def _new_memory(self) -> _Memory:
        self._storages += 1
        return _Memory(self._storages - 1)

    def _hold(
        self, tensor: Tensor, value: int | None, weights: tuple[int, ...], memory: _Memory
    ) -> _Held:
        held = _Held(tensor, memory, value, weights, len(memory.writes))
        self._held[id(tensor)] = held
        return held

    def _new_value(self, tensor: Tensor, memory: _Memory, operation: int | None) -> int:
        """Add a value that a tensor holds from now on."""
        number = self._add_value(tensor, memory, operation)
        self._hold(tensor, number, (), memory)
        return number

    def _add_value(self, tensor: Tensor, memory: _Memory, operation: int | None) -> int:
        dtype = tensor.dtype
        known = self._dtypes.get(dtype)
        if known is None:
            known = self._dtypes[dtype] = (str(dtype).removeprefix("torch."), dtype.itemsize)
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
        return number


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Return whether two views of one memory may have an element in common.

    They have none where the spans of memory are apart, or, for equal strides, where they are parts
    side by side along one axis (the halves of a `chunk`). Else it is assumed that they have.
    """
    first, second = one.storage_offset(), other.storage_offset()
    if first + _span(one) <= second or second + _span(other) <= first:
        return False
    strides = one.stride()
    if strides != other.stride():
        return True
    for axis, stride in enumerate(strides):
        larger = min((each for each in strides if each > stride), default=0)
        if stride == 0:
            continue
        low, high = ((at % larger if larger else at) // stride for at in (first, second))
        if low + one.shape[axis] <= high or high + other.shape[axis] <= low:
            return False
    return True


def _span(tensor: Tensor) -> int:
    """Return the distance from the first element to behind the last."""
    if not tensor.numel():
        return 0
    axes = zip(tensor.shape, tensor.stride(), strict=True)
    return 1 + sum((side - 1) * stride for side, stride in axes)
