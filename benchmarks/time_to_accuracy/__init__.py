"""How soon each tool has a network of some accuracy on Fashion-MNIST."""

from benchmarks.time_to_accuracy.measuring import add_arguments, measure

__all__ = ["add_arguments", "measure"]
