"""LeNet-5 of LeCun, Bottou, Bengio and Haffner (1998), layer by layer as in section II.B.

Layer   maps  size   parameters   connections   what
C1         6    28          156       122,304   convolution 5x5
S2         6    14           12         5,880   trainable subsampling 2x2
C3        16    10        1,516       151,600   convolution 5x5 by the connection table
S4        16     5           32         2,000   trainable subsampling 2x2
C5       120     1       48,120        48,120   convolution 5x5
F6        84     -       10,164        10,164   full connection
output    10     -            0           840   Euclidean radial basis functions, fixed codes
                         60,000       340,908

Where this page leaves the paper: pictures of several channels reach all maps of C1; numbers of
classes other than 10 have a linear output unless codes are asked for; and the logits are
-distance / 10, so that cross-entropy over them is equation 9 without its rubbish class (j to
infinity) and with a wider Gaussian. Undivided, distances differ by up to 300 and the softmax
saturates: 97.5% of the digits' 360 test pictures were right then, 99.7% with the tenth (seed 2,
57 passes, torch 2.14, AMD EPYC with AVX2).
"""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.architectures.architecture import Architecture
from hubel.errors import UsageError

SIDE: Final = 32
AMPLITUDE: Final = 1.7159
SLOPE: Final = 2 / 3
TEMPERATURE: Final = 10.0

TABLE_1: Final = (  # which maps of S2 (rows) each map of C3 (columns) reads
    "X . . . X X X . . X X X X . X X",
    "X X . . . X X X . . X X X X . X",
    "X X X . . . X X X . . X . X X X",
    ". X X X . . X X X X . . X . X X",
    ". . X X X . . X X X X . X X . X",
    ". . . X X X . . X X X X . X X X",
)

FIGURE_3: Final = (  # 7x12 pictures of 0 to 9, drawn after figure 3; 84 values a class
    """
    .......  .......  .......  .......  .......  .......  .......  .......  .......  .......
    ..###..  ...#...  ..###..  #######  .....#.  #######  ...###.  #######  ..###..  ..###..
    .#...#.  ..##...  .#...#.  .....#.  ....##.  #......  ..#....  ......#  .#...#.  .#...#.
    #.....#  .#.#...  #.....#  ....#..  ...#.#.  #......  .#.....  .....#.  #.....#  #.....#
    #.....#  ...#...  ......#  ...#...  ..#..#.  #......  #......  .....#.  #.....#  #.....#
    #.....#  ...#...  .....#.  ..###..  .#...#.  #.###..  #.###..  ....#..  .#...#.  #.....#
    #.....#  ...#...  ....#..  .....#.  #....#.  ##...#.  ##...#.  ....#..  ..###..  .#...##
    #.....#  ...#...  ...#...  ......#  #######  ......#  #.....#  ...#...  .#...#.  ..###.#
    #.....#  ...#...  ..#....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
    #.....#  ...#...  .#.....  #.....#  .....#.  #.....#  #.....#  ..#....  #.....#  .....#.
    .#...#.  ...#...  #......  .#...#.  .....#.  .#...#.  .#...#.  ..#....  .#...#.  ....#..
    ..###..  .#####.  #######  ..###..  .....#.  ..###..  ..###..  ..#....  ..###..  .###...
    """
)


def digit_codes() -> Tensor:
    """Return the pictures of figure 3 as codes of +1 (ink) and -1, float32 (10, 84)."""
    rows = [line.split() for line in FIGURE_3.split("\n") if line.strip()]
    pictures = ["".join(row[digit] for row in rows) for digit in range(10)]
    return torch.tensor([[1.0 if dot == "#" else -1.0 for dot in picture] for picture in pictures])


def distributed_codes(classes: int) -> Tensor:
    """Return codes of +1 and -1 for any number of classes, float32 (classes, 84).

    The pictures of figure 3 for 10 classes; else fair coins of a generator of seed 0, drawn again
    until all codes differ: two of them are 42 of 84 signs apart on average.
    """
    if classes == len(digit_codes()):
        return digit_codes()
    generator = torch.Generator().manual_seed(0)
    while True:
        signs = torch.randint(0, 2, (classes, 84), generator=generator, device="cpu")
        if len(signs.unique(dim=0)) == classes:
            return (signs * 2.0 - 1.0).to(torch.get_default_device())


class ScaledTanh(nn.Module):
    """The squashing function f(a) = 1.7159 tanh(2a/3), so that f(1) = 1 (appendix A)."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return f of every value; the shape stays."""
        return AMPLITUDE * torch.tanh(SLOPE * inputs)


class Subsampling(nn.Module):
    """Sum of each 2x2 field, times one trainable coefficient a map, plus one bias a map.

    y[n, c, i, j] = w[c] (x[2i, 2j] + x[2i, 2j+1] + x[2i+1, 2j] + x[2i+1, 2j+1]) + b[c];
    (n, c, 2h, 2w) becomes (n, c, h, w).
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps))
        self.bias = nn.Parameter(torch.empty(maps))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the subsampled maps."""
        sums = F.avg_pool2d(inputs, kernel_size=2, divisor_override=1)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


class TableConvolution(nn.Module):
    """A 5x5 convolution whose maps read only the input maps that a connection table names.

    One 5x5 kernel is stored for each X of the table, and nothing for its dots: the parameters are
    (number of X, 5, 5) and a bias an output map. Forward spreads them into an ordinary kernel.
    """

    places: Tensor

    def __init__(self, table: tuple[str, ...]) -> None:
        super().__init__()
        columns = list(zip(*(row.split() for row in table), strict=True))
        self.inputs, self.outputs = len(table), len(columns)
        marks = [mark for column in columns for mark in column]
        places = [place for place, mark in enumerate(marks) if mark == "X"]
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(places), 5, 5))
        self.bias = nn.Parameter(torch.empty(self.outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the convolved maps: (n, inputs, h, w) becomes (n, outputs, h - 4, w - 4)."""
        empty = self.weight.new_zeros(self.outputs * self.inputs, 5, 5)
        kernel = empty.index_copy(0, self.places, self.weight)
        return F.conv2d(inputs, kernel.view(self.outputs, self.inputs, 5, 5), self.bias)

    def fan_in(self) -> Tensor:
        """Return the number of inputs of a unit of each output map, (outputs,)."""
        maps = torch.arange(self.outputs, device=self.places.device)
        return 25 * (self.places[:, None] // self.inputs == maps).sum(0)


class RadialBasis(nn.Module):
    """Euclidean radial basis functions of fixed codes, negated to serve as logits.

    logit[n, i] = -y[n, i] / 10 with y[n, i] = sum over j of (x[n, j] - code[i, j])^2 (equation 7);
    (n, 84) becomes (n, classes).
    The codes are a buffer: they are saved with the network and never trained.
    """

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the negated squared distances to every code, divided by 10."""
        return -(inputs[:, None, :] - self.codes).square().sum(2) / TEMPERATURE


class LeNet5(nn.Module):
    """LeNet-5: (n, channels, 32, 32) becomes logits (n, outputs)."""

    def __init__(self, outputs: int, channels: int, output: Literal["rbf", "linear"]) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = TableConvolution(TABLE_1)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        rbf = output == "rbf"
        self.output = RadialBasis(distributed_codes(outputs)) if rbf else nn.Linear(84, outputs)
        self.squash = ScaledTanh()
        self._initialise()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of a batch of pictures."""
        maps = inputs
        for layer in (self.c1, self.s2, self.c3, self.s4, self.c5):
            maps = self.squash(layer(maps))
        return self.output(self.squash(self.f6(maps.flatten(1))))

    @torch.no_grad()
    def _initialise(self) -> None:
        """Draw every weight and bias uniformly from +-2.4 / (inputs of its unit) (appendix A)."""
        for layer in self.children():
            match layer:
                case nn.Conv2d() | nn.Linear():
                    bound = 2.4 / layer.weight[0].numel()
                    layer.weight.uniform_(-bound, bound)
                    if layer.bias is not None:
                        layer.bias.uniform_(-bound, bound)
                case Subsampling():
                    layer.weight.uniform_(-2.4 / 4, 2.4 / 4)
                    layer.bias.uniform_(-2.4 / 4, 2.4 / 4)
                case TableConvolution():
                    bounds = 2.4 / layer.fan_in()
                    layer.bias.uniform_(-1, 1).mul_(bounds)
                    each = bounds[layer.places // layer.inputs]
                    layer.weight.uniform_(-1, 1).mul_(each[:, None, None])
                case _:
                    pass


def build(
    *,
    outputs: int,
    channels: int,
    size: int,
    output: Literal["rbf", "linear"] | None = None,
) -> nn.Module:
    """Build LeNet-5.

    `output`: "rbf" for fixed codes (the default for 10 outputs, where the parameters are the
    paper's 60,000), "linear" for a trained linear layer (the default elsewhere).
    Errors: UsageError for a size other than 32 or another `output`. Source: lecun1998gradient.
    """
    if size != SIDE:
        raise UsageError(f"lenet5 takes pictures of {SIDE}x{SIDE} only, not {size}x{size}.")
    if output not in {None, "rbf", "linear"}:
        raise UsageError(f"lenet5's output is rbf or linear, not {output!r}.")
    return LeNet5(outputs, channels, output or ("rbf" if outputs == 10 else "linear"))


NETWORKS: Final = (
    Architecture(
        name="lenet5",
        builder=build,
        least_size=SIDE,
        design_size=SIDE,
        fixed_size=True,
        design_outputs=10,
        design_channels=1,
        params=60_000,
        macs=415_680,  # as it runs: the table's empty places of C3 are zeros of a full kernel
        year=1998,
        source="lecun1998gradient",
        summary="LeNet-5: trainable subsampling, the C3 connection table, fixed RBF output",
        other_tasks={"output": "linear"},
    ),
)
