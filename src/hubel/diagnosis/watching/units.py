"""The outputs of leaf modules on a fixed batch, summed up in a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hubel.diagnosis.evidence.record import UnitRow

DEAD: Final = 1e-5
"""|a| below this is nothing."""
STILL: Final = 1e-10
"""Variance over pictures below this is none."""
END: Final = 0.05
"""Share of a bounded activation's range that is its end."""
SATURATED: Final = 0.85
"""Share of pictures and places near an end at which a unit is saturated."""
_MOST: Final = 1 << 18
"""Elements of an output that are looked at; of larger ones, evenly spread places."""
_ENDS: Final[Mapping[type[nn.Module], tuple[float, float]]] = MappingProxyType(
    {
        nn.Sigmoid: (0.0, 1.0),
        nn.Hardsigmoid: (0.0, 1.0),
        nn.Tanh: (-1.0, 1.0),
        nn.Softsign: (-1.0, 1.0),
    }
)
"""Activations that are bounded on both sides. Not ReLU6: half of its range is its end."""


def unit_row(step: int, path: str, module: nn.Module, output: Tensor) -> UnitRow:
    """Return what a module's output is: (n, channels, …), or (n, units)."""
    values = output.detach().float()
    values = values.reshape(len(values), values.shape[1] if values.ndim > 1 else 1, -1)
    low, high = values.aminmax()
    places = values.shape[2]
    keep = max(_MOST // max(values.shape[0] * values.shape[1], 1), 1)
    values = values[:, :, :: -(-places // keep)]
    size = values.abs()
    near = (size < DEAD).float().mean((0, 2))
    spread = values.var(0, unbiased=False).amax(1)
    ends = _ENDS.get(type(module))
    numbers = [
        *(values.mean(), values.std(unbiased=False), torch.maximum(low.abs(), high.abs())),
        *((values == 0).float().mean(), (near > 0.95).float().mean()),
        (spread < STILL).float().mean(),
        values.new_tensor(torch.nan) if ends is None else _saturated(values, *ends),
    ]
    mean, std, largest, zeros, dead, still, saturated = torch.stack(numbers).tolist()
    return UnitRow(
        step=step,
        path=path,
        kind=type(module).__name__,
        mean=mean,
        std=std,
        largest=largest,
        zeros=zeros,
        dead=dead,
        still=still,
        saturated=saturated,
        finite=largest - largest == 0,
    )


def _saturated(values: Tensor, low: float, high: float) -> Tensor:
    margin = END * (high - low)
    ends = (values < low + margin) | (values > high - margin)
    return (ends.float().mean((0, 2)) > SATURATED).float().mean()


def with_outputs(
    network: nn.Module,
    pictures: Tensor,
    look: Callable[[str, nn.Module, Tensor], None],
    state: Mapping[str, Tensor] | None = None,
) -> Any:
    """Call a network, and `look` at the output of each leaf module as soon as it is there.

    A leaf that is called more than once is looked at each time. With `state` the network is called
    with copies of these parameters and buffers in place of its own.
    """
    handles = [
        module.register_forward_hook(_hook(path, look))
        for path, module in network.named_modules()
        if next(module.children(), None) is None
    ]
    try:
        if state is None:
            return network(pictures)
        own = {name: one.to(pictures.device, copy=True) for name, one in state.items()}
        return functional_call(network, own, (pictures,))
    finally:
        for handle in handles:
            handle.remove()


def _hook(path: str, look: Callable[[str, nn.Module, Tensor], None]) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        del args
        if isinstance(output, Tensor) and output.ndim and output.is_floating_point():
            look(path, module, output)

    return hook
