"""Local response normalisation as in the paper on AlexNet."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError


@final
class LocalResponseNormalisation(nn.Module):
    """Divide each value by a power of the energy in `size` adjacent maps at its place.

    b[i] = a[i] / (k + alpha * sum over j of a[j]^2)^beta,
    j from max(0, i - floor(size / 2)) to min(maps - 1, i + floor(size / 2)).
    (n, maps, *axes), the shape stays. The defaults are the paper's.

    torch's nn.LocalResponseNorm, and ONNX' LRN, have alpha / size in the place of alpha: with the
    paper's numbers they normalise five times more weakly. This layer gives them alpha * size.
    Errors: UsageError for a size that is not odd: the paper's window is symmetric.
    Source: krizhevsky2012imagenet (section 3.3).
    """

    def __init__(
        self, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
    ) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise UsageError(
                f"Local response normalisation needs an odd number of adjacent maps, not {size}."
            )
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised maps."""
        return F.local_response_norm(
            inputs, self.size, alpha=self.alpha * self.size, beta=self.beta, k=self.k
        )

    def extra_repr(self) -> str:
        """Return the numbers of the formula, for print(model)."""
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
