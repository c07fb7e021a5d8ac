"""Costs of operations, derived again by other means than the rules'."""

import math
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hubel.analysis.cost_rules import COST_RULES
from hubel.analysis.costs import operation_costs
from hubel.tracing import trace
from hubel.tracing.signatures import KINDS


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def sums(network, shape, **options):
    """Return the sums of macs, flops and connections, and what is not analysed."""
    costs = operation_costs(trace(network, shape, **options))
    known = [cost for cost in costs.operations if cost]
    return (
        sum(cost.macs for cost in known),
        sum(cost.flops for cost in known),
        sum(cost.connections for cost in known),
        costs.not_analysed,
    )


def flops(function, *shapes, **options):
    """Return the FLOPs of a function of tensors, all analysed."""
    _, found, _, unknown = sums(Function(function), shapes, **options)
    assert unknown == ()
    return found


def connections_by_hand(layer, shape):
    """Count pairs by gradients: a pair is joined where a unit's sum reacts to an input unit."""
    layer = layer.double()
    nn.init.ones_(layer.weight)
    example = torch.ones(1, *shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(layer, example)
    biases = 0 if layer.bias is None else layer(example).numel()
    return int((jacobian != 0).sum()) + biases


def test_lenet5_has_the_connections_of_its_paper():
    first = nn.Conv2d(1, 6, 5)
    assert sums(first, (1, 32, 32)) == (117_600, 235_200, 122_304, ())
    assert sums(nn.Conv2d(16, 120, 5), (16, 5, 5))[2] == 48_120
    assert sums(nn.Linear(120, 84), (120,)) == (10_080, 20_160, 10_164, ())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(2, 4, 3, padding=1), (2, 5, 6)),
        (nn.Conv2d(4, 4, 3, stride=2, padding=2, dilation=2, groups=2, bias=False), (4, 7, 7)),
        (nn.Conv1d(2, 3, 4, stride=3, padding=3), (2, 10)),
        (nn.Conv3d(1, 2, 3, padding=(0, 1, 2)), (1, 4, 3, 3)),
        (nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1), (2, 3, 4)),
        (nn.ConvTranspose1d(2, 4, 3, dilation=2, padding=1, groups=2), (2, 6)),
        (nn.Linear(5, 3), (5,)),
        (nn.Linear(5, 3, bias=False), (4, 5)),
    ],
    ids=str,
)
def test_connections_are_the_pairs_that_react(layer, shape):
    assert sums(layer, shape)[2] == connections_by_hand(layer, shape)


def test_products_of_data_with_data_have_no_connections():
    macs, found, connections, _ = sums(Function(torch.bmm), ((2, 3), (3, 5)), batch=4)
    assert (macs, found, connections) == (4 * 2 * 3 * 5, 8 * 2 * 3 * 5, 0)


channels = st.sampled_from([2, 4, 6])


@st.composite
def networks(draw):
    """Draw a chain of products that ends in a linear layer."""
    axes = draw(st.integers(1, 3))
    convolution, transposed, pool = (
        (nn.Conv1d, nn.ConvTranspose1d, nn.AdaptiveAvgPool1d),
        (nn.Conv2d, nn.ConvTranspose2d, nn.AdaptiveAvgPool2d),
        (nn.Conv3d, nn.ConvTranspose3d, nn.AdaptiveAvgPool3d),
    )[axes - 1]
    width = draw(channels)
    first, layers = width, []
    for _ in range(draw(st.integers(1, 4))):
        after = draw(channels)
        layers.append(
            draw(st.sampled_from([convolution, transposed]))(
                width,
                after,
                kernel_size=draw(st.integers(1, 3)),
                stride=draw(st.integers(1, 2)),
                dilation=draw(st.integers(1, 2)),
                padding=draw(st.integers(0, 1)),
                groups=draw(st.sampled_from([1, 2])),
                bias=draw(st.booleans()),
            )
        )
        width = after
    layers += [pool(2), nn.Flatten(), nn.Linear(width * 2**axes, 3, bias=draw(st.booleans()))]
    return nn.Sequential(*layers), (first, *[23 if axes < 3 else 17] * axes)


@given(drawn=networks(), batch=st.integers(1, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_macs_are_half_of_what_torch_counts(drawn, batch):
    network, shape = drawn
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta")(torch.empty(batch, *shape, device="meta"))
    assert 2 * sums(network, shape, batch=batch)[0] == counter.get_total_flops()


@pytest.mark.parametrize("masked", [False, True])
def test_attention_counts_its_two_products_and_its_softmax(masked):
    """A whole attention operator costs what the two products, scale and softmax in it do."""

    def whole(query, key, value, mask):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, attn_mask=mask if masked else None
        )[0]

    def parts(query, key, value, mask):
        weights = torch.matmul(query, key.transpose(-2, -1)) * 0.5
        return torch.matmul(torch.softmax(weights + mask if masked else weights, -1), value)

    shapes = ((2, 5, 4), (2, 7, 4), (2, 7, 4), (2, 5, 7))
    assert sums(Function(whole), shapes)[:2] == sums(Function(parts), shapes)[:2]


def test_batch_norm_folds_its_statistics_in_evaluation_only():
    layer = nn.BatchNorm2d(3)
    assert sums(layer, (3, 4, 5))[1] == 2 * 60
    assert sums(layer, (3, 4, 5), training=True)[1] == 8 * 60
    assert sums(nn.BatchNorm2d(3, affine=False), (3, 4, 5), training=True)[1] == 6 * 60


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.LayerNorm(8), 8 * 64),
        (nn.LayerNorm(8, elementwise_affine=False), 6 * 64),
        (nn.GroupNorm(2, 8), 8 * 64),
        (nn.RMSNorm(8), 5 * 64 // 5 * 4),
    ],
    ids=str,
)
def test_other_normalisations(layer, expected):
    found = sums(layer, (8, 8))
    assert found[3] == ()
    assert found[1] == pytest.approx(expected, rel=0.1)


def windows(extent, units):
    return sum(
        math.ceil((unit + 1) * extent / units) - math.floor(unit * extent / units)
        for unit in range(units)
    )


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: F.max_pool2d(x, 3, 2), (2, 9, 9), 2 * 4 * 4 * 8),
        (lambda x: F.max_pool2d(x, (3, 1)), (2, 9, 9), 2 * 3 * 9 * 2),
        (lambda x: F.max_pool1d(x, 3), (2, 9), 2 * 3 * 2),
        (lambda x: F.max_pool3d(x, 2), (2, 4, 4, 4), 2 * 8 * 7),
        (lambda x: F.avg_pool2d(x, 3), (2, 9, 9), 2 * 9 * 9),
        (lambda x: F.avg_pool1d(x, 3), (2, 9), 2 * 3 * 3),
        (lambda x: F.avg_pool3d(x, 2), (2, 4, 4, 4), 2 * 8 * 8),
        (
            lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
            (2, 7, 10),
            2 * windows(7, 3) * windows(10, 4),
        ),
        (lambda x: F.adaptive_max_pool2d(x, 3), (2, 7, 7), 2 * (windows(7, 3) ** 2 - 9)),
        (lambda x: F.adaptive_avg_pool2d(x, 1), (2, 7, 7), 2 * 49),
        (F.relu, (10,), 10),
        (F.relu6, (10,), 20),
        (F.sigmoid, (10,), 40),
        (F.silu, (10,), 50),
        (F.gelu, (10,), 50),
        (F.celu, (10,), 50),
        (F.hardshrink, (10,), 20),
        (lambda x: F.gelu(x, approximate="tanh"), (10,), 130),
        (lambda x: torch.softmax(x, 1), (10,), 50),
        (lambda x: x.sum(1), (10,), 10),
        (lambda x: x.mean(1), (10,), 10),
        (lambda x: x + 1, (10,), 10),
        (lambda x: torch.cat([x, x]).view(-1).clone(), (10,), 0),
        (lambda x: F.interpolate(x, scale_factor=2), (1, 3, 3), 0),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 3, 3), 36 * 7),
        (
            lambda x: F.interpolate(x, size=4, mode="bilinear", antialias=True),
            (1, 8, 8),
            4 * 8 * 7 + 4 * 4 * 7,
        ),
        (lambda x: torch.topk(x, 2)[0], (8,), 8 * 3),
        (torch.fft.rfft, (8,), 2.5 * 8 * 3),
        (lambda x: torch.cdist(x, x), (4, 3), 3 * 16 * 3),
        (
            lambda x: F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False),
            (3, 5, 5),
            12 * 7,
        ),
    ],
)  # fmt: skip
def test_flops_of_other_operations(function, shape, expected):
    assert flops(function, shape) == expected


def test_deformable_convolutions_sample_before_they_multiply():
    from torchvision.ops import DeformConv2d

    class Deformable(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = DeformConv2d(4, 6, 3, padding=1, groups=2)

        def forward(self, inputs, offsets):
            return self.layer(inputs, offsets)

    macs, found, _, unknown = sums(Deformable(), ((4, 5, 5), (18, 5, 5)))
    assert unknown == ()
    assert macs == 25 * 6 * 2 * 9
    assert found == 2 * macs + 25 * 4 * 9 * 7


def test_an_operation_without_a_rule_is_named_and_never_zero():
    def function(x):
        return torch.special.i0(torch.special.i0(x)) + torch.linalg.inv_ex(x[:, None, :1])[0]

    costs = operation_costs(trace(Function(function), (3,)))
    assert costs.not_analysed == ("aten.i0.default", "aten.linalg_inv_ex.default")
    assert costs.operations.count(None) == 3


def test_the_table_has_every_kind_that_synonyms_lead_to():
    assert set(KINDS.values()) <= set(COST_RULES)
    assert not set(KINDS) & set(COST_RULES)


def test_every_kind_of_the_table_is_an_operator():
    import torchvision

    assert torchvision.ops.deform_conv2d
    known = {name for space in ("aten", "torchvision") for name in dir_of(space)}
    written = {kind for kind in COST_RULES if kind not in set(KINDS.values())}
    assert written - known == set()


def dir_of(space):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = torch._C._dispatch_get_all_op_names()
    for name in names:
        home, _, rest = name.partition("::")
        if home == space:
            yield rest.partition(".")[0]
