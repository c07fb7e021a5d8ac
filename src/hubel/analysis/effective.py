"""The effective receptive field: what a unit really uses of its field, measured by gradients."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubel.errors import UsageError
from hubel.results.check import Field
from hubel.tracing import trace
from hubel.tracing.fields import Region, dimensions_of, field_of, find_call, propagate, region_of

MASS: Final = 0.9545
"""Share of the gradient inside the effective field: what two standard deviations hold."""

Map = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveField:
    """What a layer's middle unit uses of the picture, per axis in pixels."""

    model: str
    layer: str
    unit: tuple[int, ...]
    """The middle unit, by its places on the picture's axes."""
    gradient: Map
    """Mean absolute gradient at each pixel, summing to 1; shaped as the picture's axes."""
    size: tuple[int, ...]
    """The shortest stretch of pixels that holds 95.45% of the gradient."""
    sigma: tuple[float | None, ...]
    """Standard deviation of the Gaussian that fits the gradient best; None where none fits."""
    theoretical: Field
    region: Region
    """The box of the picture that the unit can see."""
    ratio: tuple[float, ...]
    """Effective size over that of the region."""
    samples: int


def effective_receptive_field(
    model: nn.Module,
    input_shape: Sequence[int],
    layer: str = "",
    *,
    samples: int = 20,
    seed: int = 0,
) -> EffectiveField:
    """Return how the field of a layer's middle unit is used by the weights that the network has.

    g(p) = mean over inputs x ~ N(0, 1) of Σ_channels abs(∂ Σ_c y_c(middle) / ∂ x(p)), in evaluation
    mode. The network's weights, gradients, buffers, modes and the states of the random generators
    are afterwards what they were. Errors: UsageError for a layer that does not exist, makes no
    tensor or is not analysed; for a gradient that is zero everywhere or not finite.
    Source: luo2016understanding.
    """
    if samples < 1:
        raise UsageError(f"An effective field is measured on 1 or more inputs, not {samples}.")
    traced = trace(model, tuple(input_shape))
    call = find_call(traced, layer, 0)
    maps = propagate(traced).maps[call.outputs[0]] if call.outputs else None
    theoretical = field_of(maps)
    if maps is None or theoretical is None:
        raise UsageError(
            f"The field of {layer or traced.model} is not known; choose another layer."
        )
    dims = sorted({dim for dim in dimensions_of(maps) if dim is not None})
    unit = tuple(maps.shape[dim] // 2 for dim in dims)
    gradient = _mean_gradient(
        model, input_shape, layer, dict(zip(dims, unit, strict=True)), samples, seed
    )
    total = float(gradient.sum())
    if not np.isfinite(total) or total <= 0:
        raise UsageError(
            f"The gradient of {layer or traced.model} at its middle unit is "
            f"{'zero everywhere' if total == 0 else 'not finite'}: no effective field; choose a "
            "layer before it, or other weights."
        )
    gradient = gradient / total
    region = region_of(maps, unit, clipped=True)
    size = tuple(_shortest(_marginal(gradient, axis)) for axis in range(gradient.ndim))
    return EffectiveField(
        model=traced.model,
        layer=layer,
        unit=unit,
        gradient=gradient,
        size=size,
        sigma=tuple(_fitted_sigma(_marginal(gradient, axis)) for axis in range(gradient.ndim)),
        theoretical=theoretical,
        region=region,
        ratio=tuple(own / most for own, most in zip(size, region.size, strict=True)),
        samples=samples,
    )


# The measurement ----------------------------------------------------------------------------


def _mean_gradient(
    model: nn.Module,
    shape: Sequence[int],
    layer: str,
    unit: dict[int, int],
    samples: int,
    seed: int,
) -> Map:
    """Return the mean absolute gradient of one unit, summed over the input's channels."""
    first = next(iter(model.parameters()), torch.empty(0))
    generator = torch.Generator().manual_seed(seed)
    total = np.zeros(tuple(shape[1:]), dtype=np.float64)
    caught: list[Tensor] = []

    def catch(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if not caught:
            caught.append(_first_tensor(output))

    with _left_as_it_was(model), torch.enable_grad():
        hook = model.get_submodule(layer).register_forward_hook(catch)
        try:
            for _ in range(samples):
                caught.clear()
                drawn = torch.randn((1, *shape), generator=generator)
                picture = drawn.to(first.device, first.dtype).requires_grad_()
                model(picture)
                index = tuple(unit.get(dim, slice(None)) for dim in range(caught[0].ndim))
                (slope,) = torch.autograd.grad(
                    caught[0][index].sum(), picture, allow_unused=True, materialize_grads=True
                )
                total += slope[0].abs().double().sum(0).cpu().numpy()
        finally:
            hook.remove()
    return total / samples


def _first_tensor(output: Any) -> Tensor:
    """Return the first tensor of what a module returned."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output
    return next(_first_tensor(part) for part in parts if part is not None)


@contextmanager
def _left_as_it_was(model: nn.Module) -> Generator[None]:
    """Set evaluation mode; give modes, buffers, gradients' wish and random states back afterwards.

    Parameters ask for no gradient meanwhile, so that activations keep no memory for them.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    asked = [(weight, weight.requires_grad) for weight in model.parameters()]
    devices = sorted({weight.get_device() for weight, _ in asked if weight.is_cuda})
    try:
        with torch.random.fork_rng(devices=devices):
            model.eval()
            for weight, _ in asked:
                weight.requires_grad = False
            yield
    finally:
        for module, training in modes:
            module.training = training
        for weight, wish in asked:
            weight.requires_grad = wish
        with torch.no_grad():
            for buffer, content in buffers:
                buffer.copy_(content)


# The size -----------------------------------------------------------------------------------


def _marginal(gradient: Map, axis: int) -> Map:
    """Return the gradient along one axis, summed over the others."""
    return gradient.sum(axis=tuple(other for other in range(gradient.ndim) if other != axis))


def _shortest(mass: Map) -> int:
    """Return the length of the shortest stretch that holds 95.45% of a mass of 1."""
    sums = np.concatenate([[0.0], np.cumsum(mass)])
    needed = sums[:-1] + MASS * sums[-1]
    ends = np.searchsorted(sums, needed * (1 - 1e-12))
    reached = ends < len(sums)
    return int((ends - np.arange(len(mass)))[reached].min())


def _fitted_sigma(mass: Map) -> float | None:
    """Return the standard deviation of the Gaussian a·exp(−(p − m)² / 2σ²) nearest to a mass."""
    from scipy.optimize import OptimizeWarning, curve_fit

    places = np.arange(len(mass), dtype=np.float64)
    mean = float((places * mass).sum() / mass.sum())
    spread = float(np.sqrt(((places - mean) ** 2 * mass).sum() / mass.sum()))
    if int((mass > 0).sum()) < 4 or spread == 0:  # three numbers are fitted
        return None

    def bell(place: Map, height: float, middle: float, sigma: float) -> Map:
        return height * np.exp(-((place - middle) ** 2) / (2 * sigma**2))

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            found, _ = curve_fit(bell, places, mass, p0=(float(mass.max()), mean, spread))
    except (RuntimeError, OptimizeWarning):
        return None
    return abs(float(found[2]))


# The picture --------------------------------------------------------------------------------


def draw_effective_field(field: EffectiveField, path: Path) -> None:
    """Write a PNG: the gradient at each pixel, the box that the unit can see, the effective size.

    Pictures of one axis are drawn as a line; of three axes, the first one is summed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.add_subplot()
    starts, sizes = field.region.start, field.region.size
    if field.gradient.ndim == 1:
        axes.plot(field.gradient, color="#b2182b")
        axes.axvspan(starts[0] - 0.5, starts[0] + sizes[0] - 0.5, color="#4393c3", alpha=0.2)
        axes.set_ylabel("share of the gradient")
    else:
        from matplotlib.patches import Rectangle

        flat = field.gradient.reshape(-1, *field.gradient.shape[-2:]).sum(0)
        # The root shows the tail of a Gaussian, which is nearly black on a linear scale.
        image = axes.imshow(np.sqrt(flat), cmap="inferno", interpolation="nearest")
        corner = (starts[-1] - 0.5, starts[-2] - 0.5)
        axes.add_patch(Rectangle(corner, sizes[-1], sizes[-2], fill=False, color="#4393c3", lw=2))
        figure.colorbar(image, label="root of the share of the gradient")
    effective = "×".join(map(str, field.size))
    possible = "×".join(map(str, sizes))
    axes.set_title(f"{field.layer or field.model}: uses {effective} of {possible} pixels", size=10)
    figure.savefig(path, format="png", dpi=120)
