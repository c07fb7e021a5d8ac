"""When memory runs out: fewer pictures at a time, the same step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

_WITH_BATCH_STATISTICS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
)


@dataclass(frozen=True, slots=True)
class Halvings:
    """How many pictures go through the network at a time, from which step on.

    An entry (step, at_once) says that from `step` updates on, at most so many go at a time. It is
    a function of the step alone, so that a resumed run makes the same groups.
    """

    entries: tuple[tuple[int, int], ...] = ()
    planned: int | None = None
    """At the beginning; None where all of a batch may go."""

    def at_once(self, step: int) -> int | None:
        """Return the most pictures at a time after `step` updates; None where all may go."""
        return next((most for at, most in reversed(self.entries) if at <= step), self.planned)

    def halved(self, step: int, at_once: int) -> Halvings:
        """Return the halvings with at most `at_once` pictures from `step` on.

        What was recorded for later steps stays where it is stricter.
        """
        before = [entry for entry in self.entries if entry[0] < step]
        later = [entry for entry in self.entries if entry[0] > step and entry[1] < at_once]
        return Halvings((*before, (step, at_once), *later), self.planned)


def half(pictures: int) -> int:
    """Return the larger half of a number of pictures, which is 2 or more."""
    return (pictures + 1) // 2


def groups(tensor: Tensor, at_once: int | None) -> tuple[Tensor, ...]:
    """Return a batch (N, …) in the fewest groups of at most `at_once` pictures, of like sizes.

    The groups are views; their sizes differ by one picture at most.
    """
    if at_once is None or len(tensor) <= at_once:
        return (tensor,)
    return tensor.tensor_split(-(-len(tensor) // at_once))


def takes_batch_statistics(module: nn.Module) -> bool:
    """Return whether a network, in its present mode, normalises by the statistics of a batch."""
    return any(
        part.training for part in module.modules() if isinstance(part, _WITH_BATCH_STATISTICS)
    )


class Room:
    """How many pictures go through a network at a time, in training and in validation."""

    def __init__(self, training: Halvings, validation: Halvings) -> None:
        self.training = training
        self.validation = validation

    def after_step(self, step: int, batch: int, at_once: int | None, module: nn.Module) -> str:
        """Take in how the step after `step` updates went; return what to say where it is new."""
        before = self.training.at_once(step)
        if at_once is None or at_once == before:
            return ""
        self.training = self.training.halved(step, at_once)
        effect = (
            "Batch normalisation takes its statistics from these smaller groups."
            if takes_batch_statistics(module)
            else "The result is the same up to rounding."
        )
        return (
            f"Memory ran out in step {step + 1:,}: from here on {at_once:,} pictures go through "
            f"the network at a time instead of {before or batch:,}, and their gradients are added "
            f"up. Batch, learning rate and order stay. {effect}"
        )

    def after_validation(self, step: int, at_once: int | None) -> str:
        """Take in how the validation after `step` updates went; return what to say if it is new."""
        if at_once is None or at_once == self.validation.at_once(step):
            return ""
        self.validation = self.validation.halved(step, at_once)
        return (
            f"Memory ran out in the validation after step {step:,}: from here on at most "
            f"{at_once:,} pictures are validated at a time. The result is the same up to rounding."
        )
