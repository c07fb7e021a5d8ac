"""The table of hubel's own networks: one page a paper, each with the names that it offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hubel.architectures import densenet, hubelnet, lenet5, resnet
from hubel.architectures.architecture import Architecture

PAGES: Final = (
    hubelnet,
    lenet5,
    resnet,
    densenet,
)
"""By year, hubel's default first."""

ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    network.name: network for page in PAGES for network in page.NETWORKS
}
