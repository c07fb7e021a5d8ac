"""One harness for every layer: shape, gradient, precision, state, export."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from hubel.nn.attention import CBAM, ChannelAttention, SpatialAttention, TemporalAttention
from hubel.nn.convolution import Convolution
from hubel.nn.deformable import DeformableConvolution
from hubel.nn.normalisation import LocalResponseNormalisation
from hubel.nn.pooling import (
    GlobalPooling,
    MaxPoolingWithPlaces,
    MaxUnpooling,
    Resize,
    l2_pooling,
    overlapping_max_pooling,
)
from hubel.nn.selection import HardAttention, SelectiveKernel
from hubel.nn.separable import DepthwiseSeparableConvolution, SpatiallySeparableConvolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A layer, an input shape, and what its docstring says becomes of it."""

    name: str
    make: Callable[[], nn.Module]
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    gradient: bool = True
    """False where the gradient is an estimate; its own test is elsewhere."""


def pool_and_unpool() -> nn.Module:
    return nn.Sequential(MaxPoolingWithPlaces(2), MaxUnpooling())


CASES = (
    Case(name="conv 1d", make=partial(Convolution, 2, 4, (4,)), takes=(2, 2, 7), gives=(2, 4, 7)),
    Case(
        name="conv wide groups",
        make=partial(Convolution, 4, 2, (3, 2), padding="wide", groups=2, dilation=(1, 2)),
        takes=(1, 4, 5, 4),
        gives=(1, 2, 7, 6),
    ),
    Case(
        name="conv true",
        make=partial(Convolution, 2, 3, (3, 3), padding="narrow", stride=2, flip=True),
        takes=(1, 2, 7, 6),
        gives=(1, 3, 3, 2),
    ),
    Case(
        name="conv 3d",
        make=partial(Convolution, 1, 2, (2, 3, 2), padding=1, bias=False),
        takes=(1, 1, 3, 3, 4),
        gives=(1, 2, 4, 3, 5),
    ),
    Case(
        name="depthwise separable",
        make=partial(DepthwiseSeparableConvolution, 3, 4, stride=2),
        takes=(1, 3, 5, 6),
        gives=(1, 4, 3, 3),
    ),
    Case(
        name="spatially separable",
        make=partial(SpatiallySeparableConvolution, 2, 3, 5, between=4, stride=2),
        takes=(1, 2, 5, 6),
        gives=(1, 3, 3, 3),
    ),
    Case(
        name="deformable",
        make=partial(DeformableConvolution, 2, 2, stride=2),
        takes=(1, 2, 5, 4),
        gives=(1, 2, 3, 2),
    ),
    Case(
        name="deformable modulated",
        make=partial(DeformableConvolution, 2, 2, dilation=2, groups=2, modulated=True),
        takes=(1, 2, 4, 4),
        gives=(1, 2, 4, 4),
    ),
    Case(
        name="local response",
        make=partial(LocalResponseNormalisation, 3, alpha=0.5),
        takes=(2, 5, 3, 2),
        gives=(2, 5, 3, 2),
    ),
    Case(name="overlapping", make=overlapping_max_pooling, takes=(1, 2, 7, 8), gives=(1, 2, 3, 3)),
    Case(name="l2", make=partial(l2_pooling, 3, 2), takes=(1, 2, 7, 5), gives=(1, 2, 3, 2)),
    Case(name="global max", make=partial(GlobalPooling, "max"), takes=(2, 3, 4, 5), gives=(2, 3)),
    Case(name="global mean", make=GlobalPooling, takes=(2, 3, 4), gives=(2, 3)),
    Case(name="global l2", make=partial(GlobalPooling, "l2"), takes=(2, 3, 4, 5), gives=(2, 3)),
    Case(name="unpooling", make=pool_and_unpool, takes=(1, 2, 5, 4), gives=(1, 2, 5, 4)),
    Case(
        name="resize to nearest",
        make=partial(Resize, (7, 3), mode="nearest"),
        takes=(1, 2, 4, 5),
        gives=(1, 2, 7, 3),
    ),
    Case(
        name="resize by bilinear",
        make=partial(Resize, scale=1.5),
        takes=(1, 2, 4, 5),
        gives=(1, 2, 6, 7),
    ),
    Case(
        name="channel attention",
        make=partial(ChannelAttention, 4, reduction=2),
        takes=(2, 4, 3, 2),
        gives=(2, 4, 3, 2),
    ),
    Case(
        name="spatial attention 1d",
        make=partial(SpatialAttention, kernel=3, axes=1),
        takes=(2, 3, 5),
        gives=(2, 3, 5),
    ),
    Case(name="cbam", make=partial(CBAM, 4, reduction=2), takes=(2, 4, 3, 4), gives=(2, 4, 3, 4)),
    Case(
        name="selective kernel",
        make=partial(SelectiveKernel, 4, 6, stride=2, groups=2, branches=3),
        takes=(3, 4, 5, 4),
        gives=(3, 6, 3, 2),
    ),
    Case(
        name="hard attention",
        make=partial(HardAttention, 3, 2),
        takes=(2, 3, 4, 2),
        gives=(2, 3, 4, 2),
        gradient=False,
    ),
    Case(
        name="temporal attention",
        make=partial(TemporalAttention, 3, hidden=2),
        takes=(2, 4, 3, 2, 2),
        gives=(2, 3, 2, 2),
    ),
    Case(
        name="channel shuffle",
        make=partial(nn.ChannelShuffle, 2),
        takes=(1, 4, 2, 3),
        gives=(1, 4, 2, 3),
    ),
)
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))


def made(case: Case) -> tuple[nn.Module, Tensor]:
    """Return the layer in evaluation and an input; zero-initialised branches are drawn anew."""
    torch.manual_seed(1)
    layer = case.make().eval()
    for name, parameter in layer.named_parameters():
        if name.startswith("branch."):
            nn.init.normal_(parameter, std=0.3)
    return layer, torch.randn(case.takes)


@EVERY
def test_shape_is_that_of_the_docstring(case):
    layer, inputs = made(case)
    given = inputs.clone()
    assert tuple(layer(inputs).shape) == case.gives
    assert torch.equal(inputs, given)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.gradient], ids=lambda case: case.name
)
def test_gradient_is_that_of_finite_differences(case):
    layer, inputs = made(case)
    layer = layer.double()
    parameters = dict(layer.named_parameters())

    def function(inputs: Tensor, *values: Tensor) -> Tensor:
        state = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(layer, state, (inputs,))

    values = [value.detach().clone().requires_grad_() for value in parameters.values()]
    inputs = inputs.double().requires_grad_()
    assert torch.autograd.gradcheck(function, (inputs, *values), fast_mode=True)


@EVERY
def test_precision_follows_the_input(case):
    layer, inputs = made(case)
    single = layer(inputs)
    double = layer.double()(inputs.double())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=1e-5)


@EVERY
def test_copy_and_saved_state_are_the_same_layer(case):
    layer, inputs = made(case)
    other = case.make().eval()
    other.load_state_dict(layer.state_dict())
    for twin in (copy.deepcopy(layer), other):
        assert torch.equal(twin(inputs), layer(inputs))


@EVERY
def test_every_parameter_gets_a_gradient_while_it_trains(case):
    layer, inputs = made(case)
    inputs.requires_grad_()
    output = layer.train()(inputs)
    (output * torch.randn_like(output)).sum().backward()
    assert inputs.grad is not None
    assert [name for name, value in layer.named_parameters() if value.grad is None] == []
    assert all(math.isfinite(value.grad.sum()) for value in (inputs, *layer.parameters()))


class SideBySide(nn.Module):
    """Many layers, each with its input, as one network: one export for all."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        return [layer(one) for layer, one in zip(self.layers, inputs, strict=True)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_gives_the_same():
    exported = [made(case) for case in CASES]
    model = SideBySide([layer for layer, _ in exported]).eval()
    inputs = tuple(inputs for _, inputs in exported)
    program = torch.onnx.export(model, inputs, dynamo=True, verbose=False, opset_version=20)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    names = [entry.name for entry in session.get_inputs()]
    given = {name: one.numpy() for name, one in zip(names, inputs, strict=True)}
    for expected, got in zip(model(*inputs), session.run(None, given), strict=True):
        np.testing.assert_allclose(got, expected.detach().numpy(), atol=1e-5)
