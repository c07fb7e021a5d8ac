"""Published networks at their design size: no error, and no warning but those listed here."""

from __future__ import annotations

import pytest
import torch
import torchvision

from hubel.analysis.lint import Subject, lint
from hubel.analysis.lint.table import RULES
from hubel.analysis.receptive_fields import receptive_fields
from hubel.architectures import ARCHITECTURES, load
from hubel.tracing import trace

PUBLISHED = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnet152",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_0",
    "squeezenet1_1",
    "swin_t",
    "vgg16",
    "vgg16_bn",
    "vit_b_16",
    "wide_resnet50_2",
)
KNOWN = {
    "alexnet": {"check/initialisation"},  # torchvision's: PyTorch's draw, variance 1 / (3 fan-in)
    "lenet5": {"check/initialisation"},  # the paper's draw: ±2.4 / fan-in
    "nin": {"check/initialisation"},  # the released draw: the deviations of its table
    "squeezenet1_1": {"check/initialisation"},  # the released draw: variance 1 / fan-in
    "vgg11": {"check/initialisation"},  # glorot2010understanding, which section 3.1 names
    "maxvit_t": {"check/missing-activation"},  # two convolutions of its stem follow one another
}
"""Warnings on healthy networks, each with its reason; docs/findings.md gives the same list."""


def grave(module, shape):
    traced = trace(module, shape)
    subject = Subject(
        trace=traced,
        fields=receptive_fields(traced).by_value,
        module=module,
        trace_training=lambda: trace(module, shape, training=True, batch=2),
    )
    return {finding.id for finding in lint(subject) if finding.severity != "note"}


def built(name):
    settings = {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
    try:
        with torch.device("meta"):
            return torchvision.models.get_model(name, **settings)
    except NotImplementedError:  # regnet rounds its widths with tensors
        return torchvision.models.get_model(name, **settings)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_network_is_healthy(name):
    size = 299 if name == "inception_v3" else 224
    assert grave(built(name), (3, size, size)) == set()


def test_maxvit_has_the_one_listed_warning():
    with torch.device("meta"):
        module = torchvision.models.get_model("maxvit_t")
    assert grave(module, (3, 224, 224)) == KNOWN["maxvit_t"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_own_network_is_healthy_at_its_design(name):
    """Without numbers, so that the rules on the weights keep silent."""
    network = ARCHITECTURES[name]
    size, channels = network.design_size, network.design_channels
    with torch.device("meta"):
        module = network.build(outputs=network.design_outputs, channels=channels, size=size)
    assert grave(module, (channels, size, size)) == set()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("hubelnet", (3, 128, 128)),
        ("lenet5", (1, 32, 32)),
        ("nin", (3, 224, 224)),
        ("squeezenet1_1", (3, 224, 224)),
        ("vgg11", (3, 224, 224)),
    ],
)
def test_own_network_is_healthy(name, shape):
    """With the weights that it starts from."""
    torch.manual_seed(0)
    loaded = load(name, outputs=10, channels=shape[0], size=shape[1])
    assert grave(loaded.module, shape) == KNOWN.get(name, set())


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("alexnet", KNOWN["alexnet"]),
        ("mobilenet_v2", set()),
        ("resnet18", set()),
        ("squeezenet1_1", set()),  # torchvision draws it by he2015delving
    ],
)
def test_published_initialisation(name, known):
    """With real weights, so that the rule about them has something to look at."""
    torch.manual_seed(0)
    module = torchvision.models.get_model(name)
    assert grave(module, (3, 224, 224)) == known


@pytest.mark.parametrize("name", ["alexnet", "resnet110", "densenet201"])
def test_published_network_is_neither_too_wide_nor_too_deep(name):
    """The widest for its depth, and the deepest for their width, of hubel's networks."""
    network = ARCHITECTURES[name]
    with torch.device("meta"):
        module = network.build(outputs=10, channels=3, size=network.design_size)
    traced = trace(module, (3, network.design_size, network.design_size))
    assert list(RULES["check/width-depth"].findings(Subject(trace=traced))) == []
