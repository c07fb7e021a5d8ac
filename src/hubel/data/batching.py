"""Batches of tensors, decoded ahead in threads, in an order that only seed and pass decide."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubel.data.augmentation import Augmentation
from hubel.data.colour import light_channels
from hubel.data.parallel import available_threads, map_ahead
from hubel.data.preprocessing import Preprocessing
from hubel.data.randomness import generator
from hubel.data.source import Source
from hubel.errors import UsageError

BATCHES_AHEAD: Final = 3
"""Batches that are prepared and not yet taken."""

_ORDER: Final = 17  # stream of random numbers, apart from the augmentation's
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Batch:
    """What one step takes."""

    inputs: Tensor
    """Float32 (N, C, S, S), channels last."""
    targets: Tensor
    """Int64 (N,) classes; float32 (N, K) for several labels, numbers and blended labels."""
    positions: Positions
    """Of the pictures, in the source; none where they are another process's, see `Share`."""
    waited_s: float
    """How long the step had to wait for its pictures."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each batch is loaded, where several processes train one network.

    Together the parts of `size` processes are the batch of one. Where a part is empty, as it can be
    of a pass's last batch, the first picture of the batch stands in, without a position.
    """

    rank: int = 0
    size: int = 1

    def rows(self, count: int) -> slice:
        """Return which of `count` pictures in a row are of this part."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def most(self, count: int) -> int:
        """Return how many of `count` pictures a part has at most."""
        return -(-count // self.size)


WHOLE: Final = Share()


@dataclass(frozen=True, slots=True, eq=False)
class _Buffer:
    """A batch while its pictures are put in, by several threads in separate places."""

    pixels: NDArray[np.uint8]
    positions: Positions
    rows: Positions
    """Places of the targets."""
    matrices: NDArray[np.float64] | None
    light: NDArray[np.float32] | None
    chunks: int


class BatchLoader:
    """Passes over pictures of a source.

    `targets` and `weights` stand beside `positions`: one entry a picture of the loader. Int64
    targets stay so; 0/1 uint8 and floating-point ones become float32. The order of a pass is a
    permutation that depends on (seed, epoch) only; with `weights`, as many pictures are drawn
    with replacement, with these relative probabilities. Pictures are decoded ahead by `threads`
    threads (no worker processes); at most BATCHES_AHEAD batches are held. The result is the same
    whatever the number of threads. With a `share`, only its part of each batch is loaded, unless
    the augmentation draws for whole batches: then the whole batch is, and cut afterwards.

    Errors: UsageError for a batch below 1, and randaugment of what is neither grey nor RGB;
    PictureError, out of `epoch`, for a picture that cannot be decoded.
    """

    def __init__(
        self,
        source: Source,
        positions: Positions,
        preprocessing: Preprocessing,
        targets: NDArray[Any],
        *,
        batch: int,
        seed: int,
        augmentation: Augmentation | None = None,
        shuffle: bool,
        drop_last: bool = False,
        weights: NDArray[Any] | None = None,
        threads: int | None = None,
        share: Share = WHOLE,
    ) -> None:
        if batch < 1:
            raise UsageError(f"The batch is {batch}, but must be 1 or more pictures.")
        for name, given in (("targets", targets), ("weights", weights)):
            if given is not None and len(given) != len(positions):
                raise ValueError(f"{len(given)} {name} do not fit {len(positions)} positions")
        names = augmentation.names if augmentation else ()
        if "randaugment" in names and preprocessing.colour not in ("grey", "rgb"):
            raise UsageError(
                "The augmentation set randaugment needs grey or RGB pictures, but the colour is "
                f"{preprocessing.colour}: try --colour rgb."
            )
        self.source = source
        self.positions = np.asarray(positions, np.int64)
        self.preprocessing = preprocessing
        self.targets = _tensor(targets)
        self.batch = batch
        self.seed = seed
        self.augmentation = augmentation
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.weights = weights
        self.threads = threads or available_threads()
        self.share = share
        # What is drawn for a whole batch must not depend on how the batch is divided.
        self._cut_late = augmentation is not None and augmentation.draws_for_batches
        self._loaded = batch if self._cut_late else share.most(batch)

    def __len__(self) -> int:
        """Return the number of steps of a pass."""
        whole, rest = divmod(len(self.positions), self.batch)
        return whole + bool(rest and not self.drop_last)

    def order(self, epoch: int) -> Positions:
        """Return the places, in `positions`, of a pass's pictures in order."""
        count = len(self.positions)
        random = generator(self.seed, _ORDER, epoch)
        if self.weights is not None:
            shares = np.asarray(self.weights, np.float64)
            return random.choice(count, size=count, p=shares / shares.sum())
        return random.permutation(count) if self.shuffle else np.arange(count)

    def epoch(self, epoch: int, start: int = 0) -> Generator[Batch]:
        """Yield the batches of pass `epoch`, from step `start` on."""
        return self._batches(epoch, start)

    def _batches(self, epoch: int, start: int) -> Generator[Batch, None, None]:
        chunk = -(-self._loaded // self.threads)
        ready = map_ahead(
            self._fill,
            self._chunks(epoch, start, chunk),
            threads=self.threads,
            ahead=BATCHES_AHEAD * -(-self._loaded // chunk),
        )
        step = start
        try:
            while True:
                asked = time.perf_counter()
                buffer = next(ready, None)
                if buffer is None:
                    return
                for _ in range(buffer.chunks - 1):
                    next(ready)
                waited = time.perf_counter() - asked
                yield self._finished(buffer, epoch, step, waited)
                step += 1
        finally:
            ready.close()

    def _chunks(self, epoch: int, start: int, chunk: int) -> Iterator[tuple[_Buffer, int, int]]:
        order = self.order(epoch)
        times = _times(order) if self.weights is not None else np.zeros_like(order)
        for step in range(start, len(self)):
            first, last = step * self.batch, min((step + 1) * self.batch, len(order))
            if not self._cut_late:
                rows = self._rows(last - first)
                first, last = first + rows.start, first + rows.stop
            buffer = self._buffer(epoch, order[first:last], times[first:last], chunk)
            for begin in range(0, len(buffer.rows), chunk):
                yield buffer, begin, min(begin + chunk, len(buffer.rows))

    def _rows(self, count: int) -> slice:
        """Return the rows of a batch to load: those of the share, or the first one for none."""
        rows = self.share.rows(count)
        return rows if rows.start < rows.stop else slice(0, 1)

    def _buffer(self, epoch: int, rows: Positions, times: Positions, chunk: int) -> _Buffer:
        size, channels = self.preprocessing.size, self.preprocessing.channels
        positions, augmentation = self.positions[rows], self.augmentation
        return _Buffer(
            pixels=np.empty((len(rows), size, size, channels), np.uint8),
            positions=positions,
            rows=rows,
            matrices=augmentation and augmentation.matrices(epoch, positions, times, size),
            light=augmentation and augmentation.light(epoch, positions, times),
            chunks=-(-len(rows) // chunk),
        )

    def _fill(self, task: tuple[_Buffer, int, int], stop: threading.Event) -> _Buffer:
        """Decode and resample some pictures into their batch; runs in a worker thread."""
        buffer, first, last = task
        preprocessing, source, matrices = self.preprocessing, self.source, buffer.matrices
        positions = buffer.positions.tolist()
        for place in range(first, last):
            if stop.is_set():
                break
            pixels = preprocessing.read(source, positions[place])
            matrix = None
            if matrices is not None:
                fit = preprocessing.geometry(pixels.shape[0], pixels.shape[1])
                matrix = fit.dot(matrices[place])
            preprocessing.resample(pixels, matrix, buffer.pixels[place])
        return buffer

    def _finished(self, buffer: _Buffer, epoch: int, step: int, waited: float) -> Batch:
        preprocessing, augmentation = self.preprocessing, self.augmentation
        pixels = torch.from_numpy(buffer.pixels)
        targets = self.targets[torch.from_numpy(buffer.rows)]
        if augmentation is not None:
            pixels = augmentation.operations(pixels, epoch, step)
        values = preprocessing.unit(pixels)
        if buffer.light is not None:
            lit = light_channels(preprocessing.colour)
            _relight(values[:, lit], pixels[..., lit], buffer.light)
        inputs = preprocessing.standardise(values)
        if augmentation is not None:
            inputs, targets = augmentation.finish(inputs, targets, epoch, step)
        positions = buffer.positions
        if self._cut_late:
            rows = self._rows(len(positions))
            inputs, targets, positions = inputs[rows], targets[rows], positions[rows]
        count = min(self.batch, len(self.positions) - step * self.batch)
        own = self.share.rows(count)
        return Batch(
            inputs=inputs,
            targets=targets,
            positions=positions[: own.stop - own.start],
            waited_s=waited,
        )


def _relight(values: Tensor, pixels: Tensor, light: NDArray[np.float32]) -> None:
    """Change contrast and brightness in place; see `Augmentation.light`.

    The mean is taken of whole numbers, exactly: it does not depend on the batch.
    """
    count = pixels[0].numel() * 255.0
    mean = (pixels.sum(dim=(1, 2, 3), dtype=torch.int64).double() / count).float()
    contrast, brightness = (torch.from_numpy(part) for part in light)
    offset = mean * (1 - contrast) + brightness
    values.mul_(contrast.view(-1, 1, 1, 1)).add_(offset.view(-1, 1, 1, 1)).clamp_(0.0, 1.0)


def _tensor(targets: NDArray[Any]) -> Tensor:
    whole = targets.ndim == 1 and targets.dtype.kind in "iu"
    return torch.from_numpy(np.array(targets, np.int64 if whole else np.float32))


def _times(order: Positions) -> Positions:
    """Return for each entry how often the same picture came before: 0, then 1, …."""
    sorting = np.argsort(order, kind="stable")
    ordered = order[sorting]
    fresh = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    starts = np.repeat(fresh, np.diff(np.r_[fresh, len(order)]))
    times = np.empty_like(order)
    times[sorting] = np.arange(len(order)) - starts
    return times
