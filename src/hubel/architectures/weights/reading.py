"""How pictures were brought to a network when its published weights were trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Size, cut and scaling of the pictures behind published weights.

    "Resize the shorter side to R, crop the central S x S" is the central square of the share S/R
    of the shorter side, brought to S x S.
    """

    size: int
    """Side of the input, in pixels."""
    fit: Literal["crop", "squash"] = "crop"
    share: float = 1.0
    """Of the shorter side, that the crop keeps."""
    mean: tuple[float, ...]
    """Of red, green and blue, in values from 0 to 1."""
    std: tuple[float, ...]

    def scaling(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return mean and deviation for pictures of 3 channels or 1; None for others.

        For grey pictures, the means over the three colours: exact where the three are equal.
        """
        if channels == len(self.mean):
            return self.mean, self.std
        if channels == 1:
            return (sum(self.mean) / len(self.mean),), (sum(self.std) / len(self.std),)
        return None
