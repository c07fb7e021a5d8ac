"""One pass over training pictures: channels, means, deviations, and what whitening needs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from hubel.data.cache import PictureCache
from hubel.data.decoding import decode
from hubel.data.parallel import available_threads, map_ahead
from hubel.data.preprocessing import Preprocessing, read_raw
from hubel.data.source import Source
from hubel.data.whitening import Moments, tile_side, to_tiles
from hubel.errors import SourceError

MEASURED: Final = 10_000
"""At most so many pictures are measured, at a fixed stride through the training split."""

_CHUNK: Final = 64
_LEAST_DEVIATION: Final = 1 / 255
"""One grey level: a channel that is (nearly) constant is not blown up."""

Positions = NDArray[np.int64]
Scaling = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation, per channel."""


def strided(positions: Positions, most: int = MEASURED) -> Positions:
    """Return all positions, or `most` of them at equal distances."""
    if len(positions) <= most:
        return positions
    return positions[np.arange(most) * len(positions) // most]


def measured(
    draft: Preprocessing,
    source: Source,
    positions: Positions,
    keep_channels: bool,
    threads: int | None,
    scaling: Callable[[int], Scaling | None] | None = None,
    cache: PictureCache | None = None,
) -> Preprocessing:
    """Return `draft` with the channels, mean, deviation and whitening of the pictures.

    `scaling` gives mean and deviation that are known already for so many channels, or None.
    Errors: SourceError without pictures; PictureError for one that cannot be decoded.
    """
    if len(positions) == 0:
        raise SourceError(f"{source.name} has no training pictures to measure the scaling on.")
    sample = strided(positions)
    if keep_channels:
        draft = _with_channels(draft, source, sample)
    zeros, ones = (0.0,) * draft.channels, (1.0,) * draft.channels
    draft = dataclasses.replace(draft, mean=zeros, std=ones)
    known = scaling(draft.channels) if scaling is not None else None
    if known is not None:
        return dataclasses.replace(draft, mean=known[0], std=known[1])
    if draft.normalisation == "none":
        return draft
    batches = _fitted(draft, source, sample, threads or available_threads(), cache)
    if draft.normalisation == "standard":
        mean, std = mean_and_deviation(_histogram(batches, draft.channels))
        return dataclasses.replace(draft, mean=mean, std=std)
    side = tile_side(draft.channels, draft.size)
    moments = Moments(draft.channels * side * side)
    whole = draft.size - draft.size % side  # tiles that are filled up at the edges do not count
    for batch in batches:
        pictures = torch.from_numpy(batch[:, :whole, :whole]).permute(0, 3, 1, 2)
        moments.add(to_tiles(pictures, side).flatten(0, 1).numpy())
    return dataclasses.replace(draft, whitening=moments.whitening(draft.normalisation))


def _fitted(
    draft: Preprocessing,
    source: Source,
    sample: Positions,
    threads: int,
    cache: PictureCache | None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures, fitted, in uint8 batches (n, size, size, channels)."""

    def fill(chunk: Positions, stop: threading.Event) -> NDArray[np.uint8]:
        batch = np.empty((len(chunk), draft.size, draft.size, draft.channels), np.uint8)
        for place, position in enumerate(chunk.tolist()):
            if stop.is_set():
                break
            draft.resample(draft.read(source, position, cache), out=batch[place])
        return batch

    chunks = [sample[start : start + _CHUNK] for start in range(0, len(sample), _CHUNK)]
    return map_ahead(fill, chunks, threads=threads, ahead=2 * threads)


def _histogram(batches: Iterable[NDArray[np.uint8]], channels: int) -> NDArray[np.int64]:
    """Count each value of each channel, as (channels, 256)."""
    histogram = np.zeros((channels, 256), np.int64)
    for batch in batches:
        for channel in range(channels):
            histogram[channel] += np.bincount(batch[..., channel].ravel(), minlength=256)
    return histogram


def _with_channels(draft: Preprocessing, source: Source, sample: Positions) -> Preprocessing:
    """Keep the number of channels where arrays all have the same, neither 1 nor 3.

    Files decode to 1 or 3 channels always, so the first picture decides whether to look on.
    """
    counts: set[int] = set()
    for position in sample.tolist():
        raw, where = read_raw(source, position)
        counts.add(decode(raw, where=where).shape[2])
        if len(counts) > 1 or counts & {1, 3}:
            return draft
    return dataclasses.replace(draft, colour="channels", channels=counts.pop())


def mean_and_deviation(
    histogram: NDArray[np.int64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the population deviation of values v/255, by counts (channels, 256).

    μ = Σ nᵥ v / Σ nᵥ;  σ² = Σ nᵥ (v - μ)² / Σ nᵥ, and σ at least one grey level.
    """
    values = np.arange(256) / 255.0
    total = histogram.sum(axis=1)
    means = histogram @ values / total
    spreads = (histogram * (values - means[:, None]) ** 2).sum(axis=1) / total
    deviations = np.sqrt(spreads).clip(min=_LEAST_DEVIATION)
    return tuple(means.tolist()), tuple(deviations.tolist())
