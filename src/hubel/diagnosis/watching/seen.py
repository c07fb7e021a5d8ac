"""Pictures that a network was called with: kept where datasets cannot tell them."""

from __future__ import annotations

from typing import Final, final

import torch
from torch import Tensor

from hubel.diagnosis.watching.course import Batch, Split

_BYTES: Final = 64 << 20
"""Memory for the kept pictures of one split."""
_MOST: Final = 512
_COMPARED: Final = 3
"""Calls of a split in which pictures are compared with what the loader gave out."""


@final
class Seen:
    """Copies of pictures, and whether the network gets them as the loader gives them."""

    def __init__(self, readable: dict[Split, bool]) -> None:
        self._readable = readable
        self._kept: dict[Split, list[tuple[Tensor, Tensor]]] = {"train": [], "val": []}
        self._numbers: dict[Split, int] = {"train": 0, "val": 0}
        self._compared: dict[Split, int] = {"train": 0, "val": 0}
        self._alike: bool | None = None

    def knows(self, split: Split, *, readable: bool) -> None:
        """Take note of a loader that came later, and whether its dataset can be read."""
        self._readable[split] = readable

    @property
    def direct(self) -> bool:
        """Whether the network gets what the loaders give out, but for mixing among a batch."""
        return self._alike is not False

    def take(self, pictures: Tensor, batch: Batch | None, training: bool) -> None:
        """Look at one call of the network."""
        del training
        if batch is None:
            return
        split = batch.split
        if self._compared[split] < _COMPARED:
            self._compared[split] += 1
            self._alike = bool(self._alike) or _alike(pictures, batch.pictures)
        elif self._readable[split] and self.direct:
            self._kept[split].clear()
            return
        self._keep(pictures, batch)

    def _keep(self, pictures: Tensor, batch: Batch) -> None:
        split, labels = batch.split, batch.labels
        room = min(_MOST, _BYTES // max(pictures[:1].numel() * pictures.element_size(), 1))
        count = min(room - self._numbers[split], len(pictures))
        kept = self._kept[split]
        if labels is None or len(labels) != len(pictures) or count <= 0:
            return
        if kept and kept[0][0].shape[1:] != pictures.shape[1:]:
            return
        kept.append((pictures.detach()[:count].clone(), labels.detach()[:count].clone()))
        self._numbers[split] += count

    def some(self, split: Split, number: int) -> tuple[Tensor, Tensor] | None:
        """Return at most `number` of the kept pictures, spread evenly, with their labels."""
        kept = self._kept[split]
        if not kept:
            return None
        pictures, labels = torch.cat([one for one, _ in kept]), torch.cat([one for _, one in kept])
        number = min(number, len(pictures))
        places = torch.arange(number) * len(pictures) // max(number, 1)
        return pictures[places.to(pictures.device)], labels[places.to(labels.device)]


def _alike(pictures: Tensor, given: Tensor) -> bool:
    """Return whether pictures are as the loader gave them, or mixed among themselves.

    Mixing by shares or by boxes leaves the mean over the batch at every place as it is.
    """
    if pictures.shape != given.shape or pictures.dtype != given.dtype:
        return False
    given = given.detach().to(pictures.device)
    if torch.equal(pictures.detach(), given):
        return True
    means = pictures.detach().float().mean(0), given.float().mean(0)
    return torch.allclose(*means, rtol=1e-3, atol=1e-4)
