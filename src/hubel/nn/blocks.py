"""The block that most papers after 2015 share: convolution, batch normalisation, activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor, nn


def relu() -> nn.Module:
    """Return the activation of most papers: ReLU, in place."""
    return nn.ReLU(inplace=True)


@final
class ConvBNReLU(nn.Module):
    """act(bn(conv(x))): (n, inputs, h, w) becomes (n, outputs, h', w').

    h' = floor((h + 2 padding - kernel) / stride) + 1, and w' in the same way. The convolution has
    no bias: the shift of the normalisation takes its place. Source: ioffe2015batch.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | None = None,
        groups: int = 1,
        eps: float = 1e-5,
        activation: Callable[[], nn.Module] | None = relu,
    ) -> None:
        """Make the block; `padding` is kernel // 2 an axis where None, `activation` None is none.

        An activation is anything that makes a module when called: a class, or a partial of one.
        """
        super().__init__()
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        around = (height // 2, width // 2) if padding is None else padding
        self.conv = nn.Conv2d(
            inputs, outputs, (height, width), stride, around, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs, eps=eps)
        self.act = nn.Identity() if activation is None else activation()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activations."""
        return self.act(self.bn(self.conv(inputs)))
