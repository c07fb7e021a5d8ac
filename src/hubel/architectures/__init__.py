"""The networks of the literature, one paper a file, and the way from a name to a network."""

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.architectures.arguments import parse_arguments
from hubel.architectures.loading import Loaded, choose_size, load, require_size
from hubel.architectures.table import ARCHITECTURES

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Loaded",
    "PublishedErrors",
    "PublishedWeights",
    "choose_size",
    "load",
    "parse_arguments",
    "require_size",
]
