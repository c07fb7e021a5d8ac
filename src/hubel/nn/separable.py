"""Convolutions in two steps, which cost less than in one."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class DepthwiseSeparableConvolution(nn.Module):
    """A kernel a map, then a 1x1 convolution over the maps: pointwise(depthwise(x)).

    (n, inputs, h, w) becomes (n, outputs, h', w') with  h' = floor((h + 2 p - e) / stride) + 1,
    padding p = floor(e / 2), extent e = dilation (kernel - 1) + 1, and w' in the same way.
    Beside a standard convolution it has  1 / outputs + 1 / kernel^2  of the weights and of the
    multiply-accumulates (biases apart). Nothing stands between the two steps: a paper that
    normalises or activates there does so on its own page.
    Sources: howard2017mobilenets (section 3.1), chollet2017xception.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        padding = (dilation * (kernel - 1) + 1) // 2
        self.depthwise = nn.Conv2d(
            inputs, inputs, kernel, stride, padding, dilation, groups=inputs, bias=False
        )
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps."""
        return self.pointwise(self.depthwise(inputs))


@final
class SpatiallySeparableConvolution(nn.Module):
    """A kernel k x 1, then a kernel 1 x k: row(column(x)).

    (n, inputs, h, w) becomes (n, outputs, h', w') with  h' = floor((h + 2 p - k) / stride) + 1,
    padding p = floor(k / 2), and w' in the same way. From one map to one map it is the convolution
    with the k x k kernel that is the outer product of the two. `between` is the number of maps
    between the two (where None: `outputs`); it has  k between (inputs + outputs)  weights in place
    of  k^2 inputs outputs.
    Sources: jin2015flattened, szegedy2016rethinking (section 3.2).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        between: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        middle = outputs if between is None else between
        side = kernel // 2
        self.column = nn.Conv2d(inputs, middle, (kernel, 1), (stride, 1), (side, 0), bias=False)
        self.row = nn.Conv2d(middle, outputs, (1, kernel), (1, stride), (0, side), bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps."""
        return self.row(self.column(inputs))
