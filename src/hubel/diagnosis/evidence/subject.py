"""What active tests may use of a training: copies of its network, its pictures, its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Pictures as the network gets them, with their targets."""

    inputs: Tensor
    """(n, channels, height, width), after preprocessing; augmented where `augmented`."""
    targets: Tensor
    """(n,) class numbers; (n, k) labels or numbers."""
    keys: tuple[str, ...]
    """A name a picture: its key in the source, or its index in the dataset."""
    augmented: bool

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.keys)


class Subject(Protocol):
    """A training that tests may be made on. Nothing here changes the training or its random state.

    Every network that it gives is a copy, on the device of the original.
    """

    def network(self) -> nn.Module:
        """Return a copy as it stands, its modes included."""
        ...

    def fresh(self) -> nn.Module | None:
        """Return a copy with the weights of before the first update; None if unknown."""
        ...

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each picture, (n,): the training's where known, else by the task."""
        ...

    def optimizer(self, module: nn.Module, factor: float = 1.0) -> Optimizer:
        """Return an optimizer of the training's kind for a copy, its rates times `factor`.

        Its rates are the largest that the training has used, not those of a schedule's end: tests
        ask whether the network learns at them.
        """
        ...

    def samples(self, split: Literal["train", "val"], number: int) -> Samples | None:
        """Return `number` pictures, or all where there are fewer, spread over the split.

        The same ones at each call. None where they cannot be had.
        """
        ...


@runtime_checkable
class Unchanged(Protocol):
    """A subject that can read pictures without the random augmentation of its training."""

    def plain(self, split: Literal["train", "val"], number: int) -> Samples | None:
        """Return what `samples` does, without augmentation; None where that cannot be had."""
        ...


@runtime_checkable
class Rereading(Protocol):
    """A subject that can read pictures anew, as the training does each time it needs them."""

    def reread(self, split: Literal["train", "val"], keys: Sequence[str]) -> Samples | None:
        """Return these pictures read once more, random augmentation drawn anew where there is any.

        The random state of the training is as before. None where they cannot be read again.
        """
        ...
