"""The table of hubel's own networks: one page a paper, each with the names that it offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hubel.architectures import (
    alexnet,
    bn_inception,
    densenet,
    efficientnet_lite0,
    googlenet,
    hubelnet,
    inception_resnet_v1,
    inception_resnet_v2,
    inception_v3,
    inception_v4,
    lenet5,
    mobilenet_v1,
    mobilenet_v2,
    nin,
    plain,
    resnet,
    shufflenet_v1,
    squeezenet,
    vgg,
    zfnet,
)
from hubel.architectures.architecture import Architecture

PAGES: Final = (
    hubelnet,
    lenet5,
    alexnet,
    zfnet,
    nin,
    vgg,
    googlenet,
    plain,
    bn_inception,
    inception_v3,
    resnet,
    squeezenet,
    inception_v4,
    inception_resnet_v1,
    inception_resnet_v2,
    densenet,
    mobilenet_v1,
    shufflenet_v1,
    mobilenet_v2,
    efficientnet_lite0,
)
"""By year, hubel's default first."""

ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    network.name: network for page in PAGES for network in page.NETWORKS
}
