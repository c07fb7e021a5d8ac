"""Muon: momentum whose direction is made orthogonal, for kernels; AdamW for all other weights.

torch.optim.Muon takes matrices only, and computes in bfloat16, which processors without hardware
for it do slowly; here kernels are matrices of one row a map, in the precision of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""a, b, c of the iteration: singular values from about 0.001 to 1 end near 1."""
ITERATIONS: Final = 5
SCALE_OF_ADAM: Final = 0.2
"""Root mean square of a typical update of AdamW, in learning rates."""


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return nearly U Vᵀ of a matrix U S Vᵀ: all its singular values brought near 1.

    Newton-Schulz: X ← P X with P = a + b X Xᵀ + c (X Xᵀ)², five times from X = M / ‖M‖; singular
    values end within 0.7 to 1.2. The steps are polynomials of one matrix and commute, so they act
    on the smaller of MMᵀ and MᵀM (G ← P G P), and M is multiplied once, by their product. Shapes:
    (m, n), returned so. Source: jordan2024muon.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp_min(1e-7)
    gram = wide @ wide.T
    product = one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for _ in range(ITERATIONS):
        polynomial = torch.addmm(b * gram, gram, gram, alpha=c).add_(one, alpha=a)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    wide = product @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


@final
class Muon(Optimizer):
    """Muon for the kernels of convolutions over several maps, AdamW for all else, at one rate.

    Of a kernel as a matrix W, (outputs, inputs x height x width):

    v = m v + (1 - m) g;  u = (1 - m) g + m v;  w -= lr decay w + lr 0.2 sqrt(max(rows, columns)) o

    with o the `orthogonalised` u. The factor gives the update the size that AdamW's typically
    has, so that both share one learning rate and one decay. Biases, normalisation, kernels over
    one map (a grey picture's first layer, depthwise ones) and matrices (the head) have no
    directions between maps to balance: AdamW with beta 1 = m. Source: jordan2024muon, liu2025muon.
    """

    def __init__(
        self, params: Any, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                if is_kernel(weight):
                    self._orthogonal_step(weight, group)
            self._adam_step([weight for weight in weights if not is_kernel(weight)], group)
        return loss

    def _orthogonal_step(self, weight: Tensor, group: dict[str, Any]) -> None:
        gradient, state, momentum = weight.grad, self.state[weight], group["momentum"]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        mean = state["momentum"].lerp_(gradient, 1 - momentum)
        direction = orthogonalised(gradient.lerp(mean, momentum).flatten(1))
        size = SCALE_OF_ADAM * math.sqrt(max(direction.shape))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(direction.view(weight.shape), alpha=group["lr"] * size)

    def _adam_step(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        if not weights:
            return
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["step"] = torch.zeros((), dtype=torch.float32)
                self.state[weight]["exp_avg"] = torch.zeros_like(weight)
                self.state[weight]["exp_avg_sq"] = torch.zeros_like(weight)
        states = [self.state[weight] for weight in weights]
        adamw(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["momentum"],
            beta2=0.999,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
            foreach=True,
        )


def is_kernel(weight: Tensor) -> bool:
    """Return whether a weight is a kernel over several maps."""
    return weight.ndim > 2 and weight.shape[1] > 1
