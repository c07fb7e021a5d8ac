"""How pictures were brought to a network when its weights were trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Size, cut and scaling of the pictures behind trained weights.

    "Resize the shorter side to R, crop the central S x S" is the central square of the share S/R
    of the shorter side, brought to S x S.
    """

    size: int
    """Side of the input, in pixels."""
    fit: Literal["crop", "letterbox", "squash"] = "crop"
    share: float = 1.0
    """Of the shorter side, that the crop keeps."""
    mean: tuple[float, ...]
    """Of the channels, in values from 0 to 1; of red, green and blue for published weights."""
    std: tuple[float, ...]
    colours: tuple[str, ...] = ("rgb", "grey")
    """Colour spaces of the input for which mean and deviation hold."""

    def scaling(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return mean and deviation for pictures of 3 channels or 1; None for others.

        For grey pictures, the means over the three colours: exact where the three are equal.
        """
        if channels == len(self.mean):
            return self.mean, self.std
        if channels == 1 and self.mean:
            return (sum(self.mean) / len(self.mean),), (sum(self.std) / len(self.std),)
        return None
