"""Batch normalisation over a batch that is spread over several processes.

torch's own `SyncBatchNorm` refuses tensors on a processor. Here the layers of a network stay as
they are, names and weights too: while `SynchronisedStatistics` is entered, each call of torch's
batch normalisation in training mode takes its statistics from the pictures of all processes.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hubel.errors import UsageError

_ARGUMENTS: Final = inspect.signature(F.batch_norm)


class Exchange(ABC):
    """How the processes of a training give each other tensors; all call it in the same order."""

    @abstractmethod
    def collect(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors that the processes gave, by rank; all have one shape."""

    @abstractmethod
    def add_up(self, tensor: Tensor) -> None:
        """Replace `tensor` by the sum over the processes, the same bits in each."""


@final
class SynchronisedStatistics(TorchFunctionMode):
    """While entered, batch normalisation in training mode is that of the whole batch.

    Running statistics become those of the whole batch too. With `counted` False, the pictures of
    this process are normalised with the others' statistics and count for nothing: so can a process
    without a picture of its own take part.
    Errors: UsageError where the whole batch has one value a channel, which has no variance.
    """

    def __init__(self, exchange: Exchange, *, counted: bool = True) -> None:
        super().__init__()
        self.exchange = exchange
        self.counted = counted

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Take batch normalisation aside, and leave everything else as it is."""
        del types
        if func is F.batch_norm:
            given = _ARGUMENTS.bind(*args, **(kwargs or {}))
            given.apply_defaults()
            if given.arguments["training"]:
                return self._normalise(**given.arguments)
        return func(*args, **(kwargs or {}))

    def _normalise(
        self,
        input: Tensor,  # noqa: A002 - the names are torch's
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        del training
        outputs, mean, variance, count = _BatchNorm.apply(
            input, weight, bias, eps, self.exchange, self.counted
        )
        with torch.no_grad():
            if running_mean is not None:
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            if running_var is not None:
                unbiased = variance * (count / (count - 1))
                running_var.lerp_(unbiased.to(running_var.dtype), momentum)
        return outputs


@final
class _BatchNorm(torch.autograd.Function):
    """y = w · x̂ + b,  x̂ = (x - μ) / √(σ² + ε),  μ and σ² over the pictures of all processes.

    Each process r gives its count n_r, mean μ_r and sum of squared deviations M_r; together

        n = Σ n_r,   μ = Σ n_r μ_r / n,   σ² = Σ (M_r + n_r (μ_r - μ)²) / n,

    which loses no digits where the mean is large. With g = w · ∂L/∂y / √(σ² + ε), L the sum of the
    processes' losses, and sums over the places of all processes:

        ∂L/∂x = g - Σ g / n - x̂ · Σ g x̂ / n.

    The gradients of w and b are sums over the places of this process alone: the training adds them
    up as it does all gradients of weights. Source: chan1983algorithms, ioffe2015batch.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        inputs: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        exchange: Exchange,
        counted: bool,
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        """Return outputs, mean, variance (biased) and how many values a channel has."""
        mean, variance, count = _statistics(inputs, exchange, counted=counted)
        if count < 2:
            raise UsageError(
                "Batch normalisation in training needs more than one value a channel, but the "
                f"batch has one, of shape {tuple(inputs.shape)}: try a larger --batch or --size."
            )
        inverse = torch.rsqrt(variance + eps)
        outputs = F.batch_norm(inputs, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(inputs, weight, mean, inverse)
        ctx.exchange, ctx.count, ctx.counted = exchange, count, counted
        ctx.mark_non_differentiable(mean, variance)
        return outputs, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor, *_: Any
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs, weight and bias."""
        inputs, weight, mean, inverse = ctx.saved_tensors
        axes, shape = _axes(inputs)
        precise = mean.dtype
        gradient = gradient.to(precise)
        normalised = (inputs.to(precise) - mean.view(shape)) * inverse.view(shape)
        sums = torch.stack([gradient.sum(axes), (gradient * normalised).sum(axes)])
        whole = sums.clone()
        ctx.exchange.add_up(whole)
        factor = inverse if weight is None else inverse * weight
        change = gradient
        if ctx.counted:
            # The statistics depend on these inputs: their share in them is taken out.
            first, second = whole / ctx.count
            change = gradient - first.view(shape) - normalised * second.view(shape)
        to_inputs = (change * factor.view(shape)).to(inputs.dtype)
        to_weight, to_bias = ctx.needs_input_grad[1:3]
        return (
            to_inputs,
            sums[1] if to_weight else None,
            sums[0] if to_bias else None,
            *[None] * 3,
        )


def _axes(inputs: Tensor) -> tuple[list[int], list[int]]:
    """Return all axes but the channels', and the shape of a value a channel beside `inputs`."""
    axes = [axis for axis in range(inputs.ndim) if axis != 1]
    return axes, [1, -1, *[1] * (inputs.ndim - 2)]


def _statistics(
    inputs: Tensor, exchange: Exchange, *, counted: bool
) -> tuple[Tensor, Tensor, float]:
    """Return mean, biased variance and count over the places of all processes, a channel each."""
    axes, _ = _axes(inputs)
    precise = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
    variance, mean = torch.var_mean(precise, axes, correction=0)
    own = inputs.numel() // inputs.shape[1] if counted else 0
    # In float64, lest the count of a batch of large pictures be rounded.
    given = torch.cat([mean.new_full([1], own, dtype=torch.float64), mean, variance])
    parts = torch.stack(exchange.collect(given))
    counts = parts[:, :1]
    means, variances = parts[:, 1:].chunk(2, dim=1)
    count = float(counts.sum())
    mean = (counts * means).sum(0) / count
    variance = (counts * (variances + (means - mean).square())).sum(0) / count
    return mean.to(precise.dtype), variance.to(precise.dtype), count
