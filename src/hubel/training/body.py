"""Head and body of a network that starts from trained weights; the body can be frozen."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from torch import nn

LAYERS: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def head_of(module: nn.Module, outputs: int, fresh: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of the parameters that form the head, in order.

    They are those of the last linear or convolutional layer with `outputs` outputs (the last one
    of all, where none has them), and those of `fresh`, whose weights are random.
    """
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, LAYERS)]
    answering = [found for found in layers if found[1].weight.shape[0] == outputs]
    names = set(fresh)
    for path, layer in (answering or layers)[-1:]:
        names |= {f"{path}.{name}" if path else name for name, _ in layer.named_parameters()}
    return tuple(name for name, _ in module.named_parameters() if name in names)


class Body:
    """Everything trainable outside the head.

    A frozen body gets no gradients, so that no optimizer touches its weights (no decay, no
    momentum); its batch normalisations use the statistics that they have, and keep them.
    """

    def __init__(self, module: nn.Module, head: Collection[str]) -> None:
        self.parameters = [
            weight
            for name, weight in module.named_parameters()
            if name not in head and weight.requires_grad
        ]
        self.normalisations = [
            layer
            for path, layer in module.named_modules()
            if getattr(layer, "running_mean", None) is not None
            and not any(f"{path}.{name}" in head for name, _ in layer.named_parameters())
        ]

    def freeze(self, *, frozen: bool) -> None:
        """Freeze the body of a network in training mode, or let it learn."""
        for weight in self.parameters:
            weight.requires_grad_(not frozen)
        for layer in self.normalisations:
            layer.train(not frozen)
