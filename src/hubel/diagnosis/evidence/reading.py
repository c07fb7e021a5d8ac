"""The parts of a training as facts, read without touching them: network, optimizer, loader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from hubel.diagnosis.evidence.setting import ModuleFact, OptimizerFact, ParameterFact, Setting

_NUMBERS: Final = (
    *("p", "momentum", "eps", "affine", "track_running_stats", "num_features", "num_groups"),
    *("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    *("in_features", "out_features", "num_channels", "negative_slope", "inplace"),
)
"""Attributes of modules that are numbers worth knowing; of several, the largest is kept."""
_OF_TORCH: Final = frozenset(vars(nn.Module()))
"""Attributes that every module has: what is registered, hooks, the mode."""
_DEEPEST: Final = 2
"""Lists within lists that are looked into."""
_PAIRS: Final = {"betas": ("beta1", "beta2")}


def read_setting(
    model: nn.Module,
    optimizer: Optimizer,
    loader: object | None,
    *,
    origin: Literal["hubel", "loop"] = "loop",
) -> Setting:
    """Return what is known of a training before its first step; nothing is changed or drawn.

    Of the loader only its attributes and lengths are read. What must be seen in a step is left at
    its default: task, outputs, classes, input shape, loss, scheduler, what was called and reached.
    """
    groups = {
        id(tensor): place
        for place, group in enumerate(optimizer.param_groups)
        for tensor in group["params"]
    }
    dataset = getattr(loader, "dataset", None)
    return Setting(
        origin=origin,
        task="unknown",
        pictures=_pictures(loader, dataset),
        batch=_batch(loader),
        steps_a_pass=_steps(loader, dataset),
        shuffled=_shuffled(loader),
        precision=_precision(model),
        parameters=tuple(
            ParameterFact(
                name=name,
                shape=() if is_lazy(one) else tuple(one.shape),
                trainable=one.requires_grad,
                group=groups.get(id(one)),
            )
            for name, one in model.named_parameters()
        ),
        hidden=tuple(
            ParameterFact(
                name=name,
                shape=tuple(one.shape),
                trainable=one.requires_grad,
                group=groups.get(id(one)),
                reached=False,
            )
            for name, one in hidden_parameters(model).items()
        ),
        modules=tuple(
            ModuleFact(
                path=path,
                kind=type(module).__name__,
                training=module.training,
                details=module_numbers(module),
            )
            for path, module in model.named_modules()
            if next(module.children(), None) is None
        ),
        optimizer=read_optimizer(model, optimizer),
    )


def hidden_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that modules hold in lists, tuples or dicts, where torch does not look.

    By name: `layers[0].weight`. A parameter that is registered elsewhere too is not hidden.
    """
    own = {id(one) for one in model.parameters()}
    found: dict[str, nn.Parameter] = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name in _OF_TORCH:
                continue
            place = f"{path}.{name}" if path else name
            for inner, one in _held(value, place, _DEEPEST):
                if id(one) not in own and not is_lazy(one):
                    own.add(id(one))
                    found[inner] = one
    return found


def _held(value: object, place: str, deeper: int) -> Iterator[tuple[str, nn.Parameter]]:
    """Give the parameters inside of a container, with their names."""
    if isinstance(value, nn.Parameter):
        yield place, value
    elif isinstance(value, nn.Module):
        for name, one in value.named_parameters():
            yield f"{place}.{name}", one
    elif deeper and isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _held(one, f"{place}[{number}]", deeper - 1)
    elif deeper and isinstance(value, dict):
        for key, one in value.items():
            yield from _held(one, f"{place}[{key!r}]", deeper - 1)


def read_optimizer(model: nn.Module, optimizer: Optimizer) -> OptimizerFact:
    """Return the optimizer's kind, the numbers of its groups, and how many tensors of it are not
    the network's.
    """
    own = {id(one) for one in model.parameters()}
    return OptimizerFact(
        kind=type(optimizer).__name__,
        groups=tuple(_group(group) for group in optimizer.param_groups),
        strangers=sum(
            id(tensor) not in own for group in optimizer.param_groups for tensor in group["params"]
        ),
    )


def _group(group: Mapping[str, Any]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in group.items():
        parts = _PAIRS.get(name)
        if parts is not None and isinstance(value, Sequence):
            numbers.update(zip(parts, map(float, value), strict=False))
        elif (number := _number(value)) is not None:
            numbers[name] = number
    return numbers


def module_numbers(module: nn.Module) -> dict[str, float]:
    """Return the numbers that describe a leaf module, by the names of torch's attributes.

    Of several (a kernel's sides) the largest; a flag is 0 or 1; `bias` says whether it has one.
    """
    numbers: dict[str, float] = {}
    for name in _NUMBERS:
        value = getattr(module, name, None)
        if isinstance(value, Sequence) and not isinstance(value, str):
            found = [one for one in map(_number, value) if one is not None]
            if found:
                numbers[name] = max(found)
        elif (number := _number(value)) is not None:
            numbers[name] = number
    bias: Any = getattr(module, "bias", None)
    if hasattr(module, "bias"):
        numbers["bias"] = float(bias is not None and bias is not False)
    return numbers


def _number(value: object) -> float | None:
    """Return a number as a float; None for what is none, or would have to be fetched."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_meta:
        return float(value.item())
    return None


def _precision(model: nn.Module) -> str:
    kinds = [one.dtype for one in model.parameters() if one.dtype.is_floating_point]
    return str(kinds[0]).removeprefix("torch.") if kinds else str(torch.float32)[6:]


def _length(of: object) -> int | None:
    """Return a length where there is one; a dataset without a length raises, or is no Sized."""
    try:
        return len(of)  # pyright: ignore[reportArgumentType]
    except (TypeError, NotImplementedError):
        return None


def _sampler(loader: object) -> object | None:
    """Return what orders the pictures, through torch's own batch sampler only."""
    batches = getattr(loader, "batch_sampler", None)
    if batches is not None:
        return batches.sampler if type(batches) is BatchSampler else None
    return getattr(loader, "sampler", None)


def _pictures(loader: object, dataset: object) -> int | None:
    sampler = _sampler(loader)
    if isinstance(sampler, SubsetRandomSampler):
        return len(sampler.indices)
    return _length(dataset)


def _batch(loader: object) -> int | None:
    """Return the pictures of a full batch; None where no fixed number is told."""
    own = getattr(loader, "batch_size", None)
    if own is None:
        own = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    return own if isinstance(own, int) and own > 0 else None


def _steps(loader: object, dataset: object) -> int | None:
    if isinstance(loader, DataLoader) and isinstance(dataset, IterableDataset):
        # Asking such a loader for its length would make it warn later: it keeps what it said.
        pictures, batch = _length(dataset), _batch(loader)
        if pictures is None or batch is None:
            return None
        return pictures // batch if loader.drop_last else math.ceil(pictures / batch)
    return _length(loader)


def _shuffled(loader: object) -> bool | None:
    sampler = _sampler(loader)
    if isinstance(sampler, RandomSampler | SubsetRandomSampler | WeightedRandomSampler):
        return True
    if isinstance(sampler, DistributedSampler):
        return bool(sampler.shuffle)
    return False if isinstance(sampler, SequentialSampler) else None
