"""Receptive fields that papers publish, and the tables that the script in the notes prints."""

import pytest
import torch
import torchvision
from torch import nn

from hubel.analysis import receptive_fields
from hubel.architectures import ARCHITECTURES
from hubel.tracing import trace


def built(make, *arguments, **settings):
    with torch.device("meta"):
        return make(*arguments, **settings).eval()


def fields_of(network, shape):
    """The fields by path, of the first call."""
    analysed = receptive_fields(trace(network, shape))
    assert analysed.not_analysed == ()
    return {one.path: one.receptive_field for one in analysed if one.call == 0}


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride"),
    [
        ("alexnet", "features.12", 195, 32),
        ("vgg16", "features.30", 212, 32),
        ("resnet50", "layer4", 427, 32),
        ("resnet101", "layer4", 971, 32),
        ("resnet152", "layer4", 1451, 32),
    ],
)
def test_torchvision_networks_have_their_published_fields(name, layer, size, stride):
    fields = fields_of(built(torchvision.models.get_model, name), (3, 224, 224))
    assert fields[layer].size == (size, size)
    assert fields[layer].stride == (stride, stride)
    assert fields[layer].whole == (False, False)
    assert fields[""].whole == (True, True)
    assert fields[""].size == (224, 224)


@pytest.mark.parametrize(
    ("name", "size"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)]
)
def test_resnets_with_the_papers_stride_have_their_published_fields(name, size):
    network = built(torchvision.models.get_model, name)
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    assert fields_of(network, (3, 224, 224))["layer4"].size == (size, size)


def test_inception_v3_has_its_published_field():
    network = built(torchvision.models.inception_v3, init_weights=False)
    field = fields_of(network, (3, 299, 299))["Mixed_7c"]
    assert field.size == (1311, 1311)
    assert field.stride == (32, 32)


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [("inception_v4", "features", 2071), ("inception_resnet_v2", "conv2d_7b", 3039)],
)
def test_timms_inceptions_have_their_published_fields(name, layer, size):
    timm = pytest.importorskip("timm")
    field = fields_of(built(timm.create_model, name), (3, 299, 299))[layer]
    assert field.size == (size, size)


@pytest.mark.parametrize(
    ("name", "arguments", "layer", "size"),
    [
        ("alexnet", {}, "features.pool5", 195),
        ("vgg16", {}, "features.30", 212),
        ("resnet50", {"stride_on": "1x1"}, "stages", 483),
        ("resnet101", {"stride_on": "1x1"}, "stages", 1027),
        ("resnet152", {"stride_on": "1x1"}, "stages", 1507),
        ("resnet50", {}, "stages", 427),
        ("resnet101", {}, "stages", 971),
        ("resnet152", {}, "stages", 1451),
        ("inception_v3", {}, "upper", 1311),
        ("inception_v4", {}, "inception_c_3", 2071),
        ("inception_resnet_v2", {}, "top", 3039),
        ("mobilenet_v1", {}, "features", 315),
    ],
)
def test_own_networks_have_their_published_fields(name, arguments, layer, size):
    network = ARCHITECTURES[name]
    side, channels = network.design_size, network.design_channels
    module = built(network.build, outputs=1000, channels=channels, size=side, **arguments)
    field = fields_of(module, (channels, side, side))[layer]
    assert field.size == (size, size)
    assert field.stride == (32, 32)


def test_mobilenet_v1_has_its_published_field():
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    layers = [nn.Conv2d(3, 8, 3, 2, 1)]
    for stride in strides:
        layers += [nn.Conv2d(8, 8, 3, stride, 1, groups=8), nn.Conv2d(8, 8, 1)]
    field = fields_of(built(nn.Sequential, *layers), (3, 224, 224))[""]
    assert field.size == (315, 315)
    assert field.stride == (32, 32)


# (name, kernel, stride, padding), output at 224, stride, size: what the notes' script prints,
# which floors its divisions.
NOTES = {
    "alexnet": [
        ("conv1", 11, 4, 0, 54, 4, 11),
        ("pool1", 3, 2, 0, 26, 8, 19),
        ("conv2", 5, 1, 2, 26, 8, 51),
        ("pool2", 3, 2, 0, 12, 16, 67),
        ("conv3", 3, 1, 1, 12, 16, 99),
        ("conv4", 3, 1, 1, 12, 16, 131),
        ("conv5", 3, 1, 1, 12, 16, 163),
        ("pool5", 3, 2, 0, 5, 32, 195),
    ],
    "zf-5": [
        ("conv1", 7, 2, 3, 112, 2, 7),
        ("pool1", 3, 2, 1, 56, 4, 11),
        ("conv2", 5, 2, 2, 28, 8, 27),
        ("pool2", 3, 2, 1, 14, 16, 43),
        ("conv3", 3, 1, 1, 14, 16, 75),
        ("conv4", 3, 1, 1, 14, 16, 107),
        ("conv5", 3, 1, 1, 14, 16, 139),
    ],
    "vgg16": [
        ("conv1_1", 3, 1, 1, 224, 1, 3),
        ("conv1_2", 3, 1, 1, 224, 1, 5),
        ("pool1", 2, 2, 0, 112, 2, 6),
        ("conv2_1", 3, 1, 1, 112, 2, 10),
        ("conv2_2", 3, 1, 1, 112, 2, 14),
        ("pool2", 2, 2, 0, 56, 4, 16),
        ("conv3_1", 3, 1, 1, 56, 4, 24),
        ("conv3_2", 3, 1, 1, 56, 4, 32),
        ("conv3_3", 3, 1, 1, 56, 4, 40),
        ("pool3", 2, 2, 0, 28, 8, 44),
        ("conv4_1", 3, 1, 1, 28, 8, 60),
        ("conv4_2", 3, 1, 1, 28, 8, 76),
        ("conv4_3", 3, 1, 1, 28, 8, 92),
        ("pool4", 2, 2, 0, 14, 16, 100),
        ("conv5_1", 3, 1, 1, 14, 16, 132),
        ("conv5_2", 3, 1, 1, 14, 16, 164),
        ("conv5_3", 3, 1, 1, 14, 16, 196),
        ("pool5", 2, 2, 0, 7, 32, 212),
    ],
}


def as_the_script_computes(rows):
    """Output, stride and field of each row, from the top layer down as the script goes."""
    computed = []
    for count in range(1, len(rows) + 1):
        length, total, field = 224, 1, 1
        for _, kernel, stride, padding, *_ in rows[:count]:
            length, total = (length - kernel + 2 * padding) // stride + 1, total * stride
        for _, kernel, stride, *_ in reversed(rows[:count]):
            field = (field - 1) * stride + kernel
        computed.append((length, total, field))
    return computed


@pytest.mark.parametrize("name", NOTES)
def test_the_tables_of_the_notes(name):
    rows = NOTES[name]
    layers = [
        nn.Conv2d(3 if at == 0 else 4, 4, *settings)
        if layer.startswith("conv")
        else nn.MaxPool2d(*settings)
        for at, (layer, *settings, _, _, _) in enumerate(rows)
    ]
    traced = trace(built(nn.Sequential, *layers), (3, 224, 224))
    analysed = [one for one in receptive_fields(traced) if one.path]
    found = [
        (
            traced.values[one.value].shape[2],
            *one.receptive_field.stride[:1],
            *one.receptive_field.size[:1],
        )
        for one in analysed
    ]
    assert found == [row[4:] for row in rows]
    assert found == as_the_script_computes(rows)
