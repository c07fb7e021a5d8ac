"""Random networks of positive weights, in which a gradient never cancels."""

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
MEAN_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
ADAPTIVE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
LONGEST = {1: 24, 2: 14, 3: 8}


class Function(nn.Module):
    """A function of a tensor as a layer."""

    def __init__(self, function, name):
        super().__init__()
        self.function, self.name = function, name

    def forward(self, x):
        return self.function(x)

    def extra_repr(self):
        return self.name


class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class Branches(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Split(nn.Module):
    """Works on one half of the channels, joins, and shuffles, as ShuffleNet does."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        left, right = x.chunk(2, dim=1)
        joined = torch.cat([left, self.body(right)], dim=1)
        n, c, *axes = joined.shape
        return joined.view(n, 2, c // 2, *axes).transpose(1, 2).reshape(n, c, *axes)


class Excited(nn.Module):
    """Scales channels by what the whole map says."""

    def forward(self, x):
        return (1 + x) * (1 + x.mean(dim=tuple(range(2, x.ndim)), keepdim=True))


class Tokens(nn.Module):
    """Goes to tokens and back, with a product over the channels in between."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels, bias=False)

    def forward(self, x):
        tokens = self.linear(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).view(x.shape)


class Pool(nn.Module):
    """Max pooling, or the mean in its place."""

    def __init__(self, axes, kernel, **settings):
        super().__init__()
        self.max = MAX_POOLS[axes](kernel, **settings)
        self.mean = MEAN_POOLS[axes](kernel, **settings)
        self.positive = False

    def forward(self, x):
        return self.mean(x) if self.positive else self.max(x)


def same(axes, channels, outputs, kernel, dilation=1, stride=1):
    return CONVS[axes](
        channels, outputs, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation,
        stride=stride, bias=False,
    )  # fmt: skip


@st.composite
def convolutions(draw, axes, channels):
    each = st.tuples(*[st.integers(1, 4)] * axes)
    groups = draw(st.sampled_from([1, 1, 2, channels]))
    return CONVS[axes](
        channels, channels, draw(each), stride=draw(st.tuples(*[st.integers(1, 3)] * axes)),
        padding=draw(st.tuples(*[st.integers(0, 3)] * axes)), dilation=draw(st.integers(1, 2)),
        groups=groups, bias=False,
    )  # fmt: skip


@st.composite
def transposed_convolutions(draw, axes, channels):
    stride = draw(st.integers(1, 3))
    return TRANSPOSED[axes](
        channels, channels, draw(st.integers(1, 4)), stride=stride, padding=draw(st.integers(0, 1)),
        output_padding=draw(st.integers(0, stride - 1)), dilation=draw(st.integers(1, 2)),
        groups=draw(st.sampled_from([1, 2])), bias=False,
    )  # fmt: skip


@st.composite
def pools(draw, axes, _channels):
    kernel = draw(st.integers(1, 4))
    return Pool(
        axes, kernel, stride=draw(st.integers(1, 3)), padding=draw(st.integers(0, kernel // 2)),
        ceil_mode=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def interpolations(draw, axes, _channels):
    mode = draw(st.sampled_from(["nearest", "nearest-exact", LINEAR[axes]]))
    corners = draw(st.booleans()) if mode == LINEAR[axes] else None
    by = {"scale_factor": draw(st.sampled_from([0.5, 0.7, 1.5, 2.0]))}
    if draw(st.booleans()):
        by = {"size": draw(st.tuples(*[st.integers(1, 12)] * axes))}
    return Function(
        lambda x: F.interpolate(x, mode=mode, align_corners=corners, **by),
        f"interpolate {mode} {corners} {by}",
    )


@st.composite
def paddings(draw, axes, _channels):
    mode = draw(st.sampled_from(["constant", "reflect", "replicate"]))
    low = -2 if mode == "constant" else 0
    pads = draw(st.lists(st.integers(low, 2), min_size=2 * axes, max_size=2 * axes))
    return Function(lambda x: F.pad(x, pads, mode=mode), f"pad {mode} {pads}")


@st.composite
def rearrangements(draw, axes, channels):
    last = draw(st.integers(2, 1 + axes))
    other = draw(st.integers(2, 1 + axes))
    choices = {
        "flip": lambda x: x.flip(last),
        "roll": lambda x: x.roll(2, last),
        "every second": lambda x: x[..., ::2],
        "second half": lambda x: x.narrow(last, x.shape[last] // 2, -(-x.shape[last] // 2)),
        "transpose": lambda x: x.transpose(last, other),
        "doubled": lambda x: torch.cat([x, x.flip(last)], dim=last),
        "cumsum": lambda x: x.cumsum(last),
        "windows": lambda x: x.unfold(last, 2, 2).sum(-1),
        "repeat": lambda x: x.repeat(1, 1, *[2 if dim == last else 1 for dim in range(2, x.ndim)]),
    }
    if axes == 2:
        choices["shuffle"] = lambda x: F.pixel_shuffle(x, 2)
        choices["unshuffle"] = lambda x: F.pixel_unshuffle(x, 2)
        choices["fold"] = lambda x: F.fold(
            F.unfold(x, 3, padding=1, stride=2), x.shape[2:], 3, padding=1, stride=2
        )
    name = draw(st.sampled_from(sorted(choices)))
    return Function(choices[name], f"{name} {last} {other}")


@st.composite
def blocks(draw, axes, channels):
    kernel, dilation = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 2))
    stride = draw(st.integers(1, 2))
    body = same(axes, channels, channels, kernel, dilation, stride)
    kind = draw(st.sampled_from(["residual", "branches", "split", "excited", "tokens", "adaptive"]))
    if kind == "residual":
        projection = same(axes, channels, channels, 1, stride=stride)
        return Residual(body, nn.Identity() if stride == 1 else projection)
    if kind == "branches":
        return Branches(body, same(axes, channels, channels, 3, stride=stride))
    if kind == "split" and channels % 2 == 0:
        return Split(same(axes, channels // 2, channels // 2, kernel, dilation))
    if kind == "excited":
        return Excited()
    if kind == "tokens":
        return Tokens(channels)
    return ADAPTIVE[axes](draw(st.tuples(*[st.integers(1, 6)] * axes)))


MAKERS = [
    convolutions, convolutions, blocks, blocks, pools, interpolations, transposed_convolutions,
    paddings, rearrangements,
]  # fmt: skip


@st.composite
def networks(draw):
    """A network and the shape of its input."""
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    channels = 4
    shape = (channels, *(draw(st.integers(4, LONGEST[axes])) for _ in range(axes)))
    now = torch.empty((1, *shape), device="meta")
    layers = []
    for _ in range(draw(st.integers(2, 6))):
        layer = draw(draw(st.sampled_from(MAKERS))(axes, now.shape[1]))
        try:
            after = layer.to("meta")(now)
            if isinstance(layer, Pool):
                layer.mean(now)  # torch's mean in three dimensions wants more room than its max
        except (RuntimeError, ValueError):  # Not at this size: too small for it, or odd channels.
            continue
        if max(after.shape[2:]) > 24 or after.numel() > 4000 or after.numel() == 0:
            continue
        if after.shape[1] % 2 or after.shape[1] > 32:
            continue
        layers.append(layer)
        now = after
    return nn.Sequential(*layers), shape


def positive(network):
    """Give a network on the meta device positive weights, and means instead of maxima."""
    made = network.to_empty(device="cpu").double().eval()
    generator = torch.Generator().manual_seed(0)
    for weight in made.parameters():
        weight.data.uniform_(0.5, 1.0, generator=generator)
    for module in made.modules():
        if isinstance(module, Pool):
            module.positive = True
    return made
