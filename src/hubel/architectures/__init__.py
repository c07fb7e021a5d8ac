"""The networks of the literature, one paper a file, and the way from a name to a network."""

from hubel.architectures.loading import Loaded, choose_size, load, parse_arguments
from hubel.architectures.table import ARCHITECTURES, Architecture

__all__ = ["ARCHITECTURES", "Architecture", "Loaded", "choose_size", "load", "parse_arguments"]
