"""RMSprop as TensorFlow has it, in which the Inception networks and MobileNet were trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch.optim import Optimizer


@final
class DampedRMSprop(Optimizer):
    """RMSprop whose epsilon is added inside the root, large enough to damp small gradients.

    s = rho s + (1 - rho) g^2;  v = m v + lr g / sqrt(s + eps);  w -= v

    with s = 1 and v = 0 before the first update. torch.optim.RMSprop divides by sqrt(s) + eps,
    begins with s = 0, and multiplies v by lr when it is used: with epsilon 1 another optimizer.
    Weight decay is added to the gradient. Source: szegedy2016rethinking (section 8: rho 0.9,
    epsilon 1), tieleman2012rmsprop.
    """

    def __init__(
        self,
        params: Any,
        *,
        lr: float,
        momentum: float = 0.0,
        rho: float = 0.9,
        eps: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "rho": rho, "eps": eps, "weight_decay": weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        return loss

    def _update(self, weight: torch.Tensor, group: dict[str, Any]) -> None:
        gradient = weight.grad
        assert gradient is not None
        if group["weight_decay"]:
            gradient = gradient.add(weight, alpha=group["weight_decay"])
        state = self.state[weight]
        if not state:
            state["square_average"] = torch.ones_like(weight)
        square = state["square_average"]
        square.mul_(group["rho"]).addcmul_(gradient, gradient, value=1 - group["rho"])
        change = gradient / (square + group["eps"]).sqrt_() * group["lr"]
        if group["momentum"]:
            if "velocity" not in state:
                state["velocity"] = torch.zeros_like(weight)
            change = state["velocity"].mul_(group["momentum"]).add_(change)
        weight.sub_(change)
