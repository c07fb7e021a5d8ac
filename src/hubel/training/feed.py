"""The batches of a pass, step by step; they can be opened anew at any step."""

from __future__ import annotations

from collections.abc import Generator

import torch

from hubel.data.batching import Batch, BatchLoader
from hubel.training.hardware.devices import CPU
from hubel.training.hardware.transfer import on_device


class Feed:
    """Hands out the batches of each step of one pass.

    A batch is a function of its place in the pass. So a step that failed is given the same batches
    again: the loader is closed, which frees what it holds, and opened at their place.
    """

    def __init__(
        self, loader: BatchLoader, pass_index: int, accumulate: int, device: torch.device = CPU
    ) -> None:
        self.loader = loader
        self.device = device
        self.pass_index = pass_index
        self.accumulate = accumulate
        self._open: Generator[Batch] | None = None
        self._next = 0

    def batches_of(self, step: int) -> int:
        """Return how many batches step `step` of the pass adds up: fewer at its end."""
        return min(self.accumulate, len(self.loader) - step * self.accumulate)

    def pictures_of(self, step: int) -> int:
        """Return how many pictures step `step` of the pass sees."""
        first = step * self.accumulate
        seen = (first + self.batches_of(step)) * self.loader.batch
        return min(seen, len(self.loader.positions)) - first * self.loader.batch

    def batches(self, step: int) -> Generator[Batch]:
        """Yield the batches of step `step` of the pass; those not yet taken before are left out."""
        first = step * self.accumulate
        if self._open is None or self._next > first:
            self.close()
            batches = self.loader.epoch(self.pass_index, first)
            self._open, self._next = on_device(batches, self.device), first
        while self._next < first + self.batches_of(step):
            batch = next(self._open)
            self._next += 1
            if self._next > first:
                yield batch

    def close(self) -> None:
        """Stop loading and free what was loaded ahead."""
        if self._open is not None:
            self._open.close()
            self._open = None
