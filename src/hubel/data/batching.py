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
from hubel.data.cache import PictureCache
from hubel.data.colour import light_channels
from hubel.data.parallel import Turns, available_threads, map_ahead
from hubel.data.preprocessing import Preprocessing
from hubel.data.randomness import generator
from hubel.data.scaling import Light
from hubel.data.source import Source
from hubel.errors import UsageError

BATCHES_AHEAD: Final = 3
"""Batches that are prepared and not yet taken."""

BYTES_AHEAD: Final = 1 << 28
"""Memory of these batches, where a single one does not take more."""

MOST_THREADS: Final = 16
"""Threads that decode: more of them would wait for Python's lock, not for processors."""

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
    values: Tensor
    """Float32 (N, S, S, C): the pixels, relit and scaled; empty where they must wait."""
    positions: Positions
    rows: Positions
    """Places of the targets."""
    matrices: NDArray[np.float64] | None
    light: Light | None
    chunks: int


class BatchLoader:
    """Passes over pictures of a source.

    `targets` and `weights` stand beside `positions`: one entry a picture of the loader. Int64
    targets stay so; 0/1 uint8 and floating-point ones become float32. The order of a pass is a
    permutation that depends on (seed, epoch) only; with `weights`, as many pictures are drawn
    with replacement, with these relative probabilities. Pictures are decoded ahead by `threads`
    threads (no worker processes); at most BATCHES_AHEAD batches are held, and where they have more
    than BYTES_AHEAD, fewer, but 1. With a `cache`, files are decoded in the first pass and come
    from there in later ones, as far as it has room. The result is the same whatever the number of
    threads, and with or without a cache, as long as the files do not change; where one does, the
    cache keeps what was decoded first. With a `share`, only its part of each batch is loaded,
    unless the augmentation draws for whole batches: then the whole batch is, and cut afterwards.

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
        cache: PictureCache | None = None,
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
        self.threads = threads or min(available_threads(), MOST_THREADS)
        self.cache = cache
        # RandAugment works on 8-bit batches, so their scaling waits for the thread that takes them.
        self._late = "randaugment" in names
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
        turns = Turns()

        def fill(task: tuple[_Buffer, int, int], stop: threading.Event) -> _Buffer:
            with turns.taken():
                self._fill(task, stop, turns)
            return task[0]

        ready = map_ahead(
            fill,
            self._chunks(epoch, start, chunk),
            threads=self.threads,
            ahead=self._batches_ahead() * -(-self._loaded // chunk),
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

    def _batches_ahead(self) -> int:
        size, channels = self.preprocessing.size, self.preprocessing.channels
        floats = 0 if self._late else 4
        of_one = self.batch * size * size * channels * (1 + floats)
        return min(BATCHES_AHEAD, max(1, BYTES_AHEAD // of_one))

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
        shape = (len(rows), size, size, channels)
        return _Buffer(
            pixels=np.empty(shape, np.uint8),
            values=torch.empty((0,) if self._late else shape),
            positions=positions,
            rows=rows,
            matrices=augmentation and augmentation.matrices(epoch, positions, times, size),
            light=self._light(epoch, positions, times),
            chunks=-(-len(rows) // chunk),
        )

    def _light(self, epoch: int, positions: Positions, times: Positions) -> Light | None:
        drawn = self.augmentation and self.augmentation.light(epoch, positions, times)
        if drawn is None:
            return None
        channels = light_channels(self.preprocessing.colour)
        return Light(contrast=drawn[0], brightness=drawn[1], channels=channels)

    def _fill(self, task: tuple[_Buffer, int, int], stop: threading.Event, turns: Turns) -> None:
        """Decode, resample and scale some pictures into their batch; runs in a worker thread."""
        buffer, first, last = task
        preprocessing, matrices = self.preprocessing, buffer.matrices
        began, pixels_read = time.perf_counter(), 0
        positions = buffer.positions.tolist()
        for place in range(first, last):
            if stop.is_set():
                return
            pixels = preprocessing.read(self.source, positions[place], self.cache)
            pixels_read += pixels.shape[0] * pixels.shape[1]
            matrix = None
            if matrices is not None:
                fit = preprocessing.geometry(pixels.shape[0], pixels.shape[1])
                matrix = fit.dot(matrices[place])
            preprocessing.resample(pixels, matrix, buffer.pixels[place])
        if not self._late:
            part = slice(first, last)
            light = buffer.light and buffer.light.part(part)
            preprocessing.scale(buffer.pixels[part], buffer.values.numpy()[part], light)
        turns.worked(last - first, pixels_read, time.perf_counter() - began)

    def _finished(self, buffer: _Buffer, epoch: int, step: int, waited: float) -> Batch:
        preprocessing, augmentation = self.preprocessing, self.augmentation
        targets = self.targets[torch.from_numpy(buffer.rows)]
        values = buffer.values
        if augmentation is not None and self._late:
            pixels = augmentation.operations(torch.from_numpy(buffer.pixels), epoch, step)
            values = torch.empty(pixels.shape)
            preprocessing.scale(pixels.contiguous().numpy(), values.numpy(), buffer.light)
        inputs = preprocessing.whitened(values)
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
