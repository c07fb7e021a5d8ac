"""MobileNet: the paper's tables of multipliers, timm's outputs, the initialisation."""

import pytest
import torch
from torch import nn

from hubel.architectures import mobilenet_v1
from hubel.errors import UsageError

TABLE_1 = [  # maps read and written, stride, side written; depthwise and pointwise each
    (32, 64, 1, 112), (64, 128, 2, 56), (128, 128, 1, 56), (128, 256, 2, 28), (256, 256, 1, 28),
    (256, 512, 2, 14), *[(512, 512, 1, 14)] * 5, (512, 1024, 2, 7), (1024, 1024, 1, 7),
]  # fmt: skip


def test_parameters_and_macs_by_hand(count):
    parameters, macs = 27 * 32 + 2 * 32, 27 * 32 * 112**2
    for inputs, maps, _, side in TABLE_1:
        parameters += 9 * inputs + 2 * inputs + inputs * maps + 2 * maps
        macs += side**2 * (9 * inputs + inputs * maps)
    parameters, macs = parameters + 1025 * 1000, macs + 1024 * 1000
    assert count(mobilenet_v1.build) == (parameters, macs)
    assert parameters == 4_231_976


@pytest.mark.parametrize(
    ("width", "size", "millions_of_macs", "millions"),
    [  # tables 6 and 7
        (1.0, 224, 569, 4.2),
        (0.75, 224, 325, 2.6),
        (0.5, 224, 149, 1.3),
        (0.25, 224, 41, 0.5),
        (1.0, 192, 418, 4.2),
        (1.0, 160, 290, 4.2),
        (1.0, 128, 186, 4.2),
    ],
)
def test_multipliers(count, width, size, millions_of_macs, millions):
    """The paper cuts off where it prints 149 and 290 (149.5 and 290.7)."""
    parameters, macs = count(mobilenet_v1.build, width=width, size=size)
    assert abs(macs / 1e6 - millions_of_macs) < 1
    assert round(parameters / 1e6, 1) == millions


def test_a_tiny_width_keeps_8_maps(shapes):
    with torch.device("meta"):
        net = mobilenet_v1.build(outputs=2, channels=3, size=32, width=0.01)
    assert {shape[0] for name, shape in shapes(net, 32).items() if "features" in name} <= {8, 10}


def test_output_is_timms(same_outputs):
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("mobilenetv1_100", num_classes=6)
    ours = mobilenet_v1.build(outputs=6, channels=3, size=64)
    same_outputs(ours, theirs, size=64)


def test_activation_is_cut_at_6():
    torch.manual_seed(0)
    net = mobilenet_v1.build(outputs=2, channels=3, size=32).eval()
    maps = net.features[0](torch.full((1, 3, 32, 32), 1e4))
    assert maps.max() == 6
    assert maps.min() == 0


def test_initial_weights():
    torch.manual_seed(0)
    net = mobilenet_v1.build(outputs=10, channels=3, size=32)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.numel() > 5000:
            # A normal distribution cut at two deviations has 0.88 of its deviation left.
            assert layer.weight.std().item() == pytest.approx(0.88 * 0.09, rel=0.02)
            assert layer.weight.abs().max() <= 0.18
    assert net.classifier.bias.abs().max() == 0


@pytest.mark.parametrize("width", [0, -1.0])
def test_refusals(width):
    with pytest.raises(UsageError, match="mobilenet_v1's width multiplier must be above 0, not"):
        mobilenet_v1.build(outputs=2, channels=3, size=32, width=width)
