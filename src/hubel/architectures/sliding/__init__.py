"""Networks as fully convolutional ones, of which one pass answers every position of a window."""

from hubel.architectures.sliding.fully_convolutional import FullyConvolutional, fully_convolutional

__all__ = ["FullyConvolutional", "fully_convolutional"]
