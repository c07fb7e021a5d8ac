"""The one way from a picture to a tensor: in training, evaluation, prediction and all else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubel.architectures.weights.reading import Reading
from hubel.data.cache import PictureCache
from hubel.data.classical import Filter, parse_filters
from hubel.data.colour import ColourSpace, to_channels, to_space
from hubel.data.decoding import decode, picture_name
from hubel.data.geometry import Matrix, Pixels, fit_matrix, resample, shrunk
from hubel.data.scaling import Floats, Light, scale
from hubel.data.source import Raw, Source
from hubel.data.whitening import Whitening
from hubel.errors import HubelError, PictureError, RunError, UsageError
from hubel.options.preprocessing import Fit, Normalisation, PreprocessingOptions


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Preprocessing:
    """Decode → orient → grey or RGB → classical steps → shrink → fit → colour space → scale.

    The colour space (hsv, lab, ycrcb) comes after the fit, since a hue is an angle, and the
    mean of two reds on either side of 0 would be cyan. Same picture in, same tensor out.
    """

    size: int
    """Side of the square, in pixels."""
    channels: int
    colour: ColourSpace
    fit: Fit
    share: float = 1.0
    """Of the shorter side, that the fit crop keeps."""
    filters: tuple[Filter, ...]
    decode_at_least: int | None
    """JPEG files may be decoded at reduced scale, with this shorter side or more; None: never."""
    detail: float | None = None
    """Decoded pictures are shrunk, by area averages, to so many pixels a side for each of the
    fitted picture; None: never, as in runs that are older than this."""
    normalisation: Normalisation
    mean: tuple[float, ...]
    """Per channel, of values in 0 to 1; 0 where it is not used."""
    std: tuple[float, ...]
    """Per channel, at least one grey level, 1/255; 1 where it is not used."""
    whitening: Whitening | None = None

    @classmethod
    def measure(
        cls,
        options: PreprocessingOptions,
        source: Source,
        positions: NDArray[np.int64],
        *,
        size: int,
        grey: bool,
        threads: int | None = None,
        reading: Reading | None = None,
        detail: float = 1.0,
        cache: PictureCache | None = None,
    ) -> Preprocessing:
        """Make the preprocessing that `options` ask for, measured on pictures of the source.

        `positions` are those of the training split; of more than 10,000, 10,000 at a fixed
        stride are measured. `grey` says what the colour `auto` means. Mean and deviation are
        taken per channel over all pixels of the fitted pictures, as the network sees them, from
        exact counts: they do not depend on the number of threads. With `auto`, pictures that
        all have the same number of channels, neither 1 nor 3, keep them. `reading` is that of
        trained weights: its fit and scaling stand where the options leave them open, and the
        colours are those of its network. `detail` says how many pixels a side an augmentation
        needs for each that the fit shows: more than 1 where it shows a part of the picture. The
        decoded pictures are left in the `cache`.

        Errors: UsageError for filters or a size that cannot be; SourceError without pictures;
        PictureError for one that cannot be decoded.
        """
        from hubel.data.measurement import measured

        if size < 1:
            raise UsageError(f"The size is {size}, but must be 1 or more pixels.")
        filters = parse_filters(options.filters)
        auto: ColourSpace = "grey" if grey else "rgb"
        colour: ColourSpace = auto if options.colour == "auto" else options.colour
        fit, share = options.fit or "letterbox", 1.0
        if reading is not None and options.fit is None:
            fit, share = reading.fit, reading.share
        known = reading is not None and options.normalise is None and colour in reading.colours
        if fit == "crop":
            # Its square need not lie on the pixels of a shrunk picture; with twice as many, it
            # shows what it would of the whole one.
            detail *= 2
        draft = cls(
            size=size,
            channels=1 if colour == "grey" else 3,
            colour=colour,
            fit=fit,
            share=share,
            filters=filters,
            # A filter's kernel is counted in pixels of the whole picture.
            decode_at_least=None if filters else math.ceil(detail * size / share),
            detail=detail,
            normalisation=options.normalise or "standard",
            mean=(),
            std=(),
        )
        keep_channels = options.colour == "auto"
        scaling = reading.scaling if reading is not None and known else None
        return measured(draft, source, positions, keep_channels, threads, scaling, cache)

    def pixels(self, raw: Raw, where: str = "") -> Pixels:
        """Decode a picture, bring it to grey or RGB, apply the classical steps, and shrink it.

        Returns uint8 (height, width, channels), with no more pixels than the network can see: see
        `detail`. Errors: PictureError, naming `where`.
        """
        decoded = decode(raw, where=where, at_least=self.decode_at_least)
        pixels = self.recoloured(decoded, picture_name(raw, where))
        for step in self.filters:
            pixels = step(pixels)
        return self.shrunk(pixels)

    def shrunk(self, pixels: Pixels) -> Pixels:
        """Shrink pixels to what the fit can show, times `detail`; see `geometry.shrunk`."""
        if self.detail is None:
            return pixels
        return shrunk(pixels, self.size, self.fit, self.share, self.detail)

    def recoloured(self, pixels: Pixels, where: str = "the picture") -> Pixels:
        """Bring decoded pixels to the channels of the input: grey, RGB, or as many as measured.

        Errors: PictureError, naming `where`, for a number of channels that cannot be brought.
        """
        if pixels.shape[2] == self.channels:
            return pixels
        return to_channels(pixels, self.colour, self.channels, where)

    def read(self, source: Source, position: int, cache: PictureCache | None = None) -> Pixels:
        """Read a picture of a source and return its `pixels`, from the cache where they are there.

        What is decoded goes into the cache; arrays, which are in memory already, do not.

        Errors: PictureError, naming the file or the picture's key, whatever went wrong.
        """
        if cache is not None and (kept := cache.get(position)) is not None:
            return kept
        raw, where = read_raw(source, position)
        pixels = self.pixels(raw, where)
        if cache is not None and not isinstance(raw, np.ndarray):
            cache.put(position, pixels)
        return pixels

    def geometry(self, height: int, width: int) -> Matrix:
        """Return the matrix (2, 3), output pixel to source pixel, of the fit; see `geometry`."""
        return fit_matrix(height, width, self.size, self.fit, self.share)

    def resample(
        self, pixels: Pixels, matrix: Matrix | None = None, out: Pixels | None = None
    ) -> Pixels:
        """Bring pixels to uint8 (size, size, channels), by the fit or another matrix.

        Without `out` the result may share memory with `pixels`.
        """
        if matrix is None:
            matrix = self.geometry(pixels.shape[0], pixels.shape[1])
        if self.colour not in ("hsv", "lab", "ycrcb"):
            return resample(pixels, matrix, self.size, out)
        converted = to_space(resample(pixels, matrix, self.size), self.colour)
        if out is None:
            return converted
        out[...] = converted
        return out

    def normalise(self, batch: Tensor) -> Tensor:
        """Scale uint8 (N, size, size, C) to float32 (N, C, size, size), channels last.

        x/255, then (x - mean) / std per channel, or the whitening, or nothing more.
        """
        values = torch.empty(batch.shape, dtype=torch.float32)
        self.scale(batch.contiguous().numpy(), values.numpy())
        return self.whitened(values)

    def scale(self, pixels: Pixels, out: Floats, light: Light | None = None) -> None:
        """Write all of `normalise` but the whitening of pixels (N, size, size, C) into `out`.

        Both are contiguous. `light` changes values in 0 to 1, before mean and deviation.
        """
        if self.normalisation == "standard":
            scale(pixels, out, light=light, mean=self.mean, std=self.std)
        else:
            scale(pixels, out, light=light)

    def whitened(self, values: Tensor) -> Tensor:
        """Take scaled values (N, size, size, C) to the network's (N, C, size, size)."""
        values = values.permute(0, 3, 1, 2)
        if self.whitening is None:
            return values
        return self.whitening(values).contiguous(memory_format=torch.channels_last)

    def tensor(self, raw: Raw, where: str = "") -> Tensor:
        """Return a picture as float32 (channels, size, size)."""
        pixels = self.resample(self.pixels(raw, where))
        return self.normalise(torch.from_numpy(pixels.copy())[None])[0]

    def to_json(self) -> dict[str, Any]:
        """Return all but the whitening's tensors as JSON values; floats come back exactly."""
        return {
            "size": self.size,
            "channels": self.channels,
            "colour": self.colour,
            "fit": self.fit,
            "share": self.share,
            "filters": [str(step) for step in self.filters],
            "decode_at_least": self.decode_at_least,
            "detail": self.detail,
            "normalisation": self.normalisation,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that belong beside `to_json`: none, or the whitening's two."""
        if self.whitening is None:
            return {}
        return {"whitening_mean": self.whitening.mean, "whitening_matrix": self.whitening.matrix}

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None
    ) -> Preprocessing:
        """Return the preprocessing that `to_json` and `tensors` gave.

        Errors: RunError where anything is missing, unknown or does not fit together.
        """
        try:
            parts = msgspec.convert(dict(stored), _Stored)
            filters = parse_filters(parts.filters)
            whitening = _whitening(parts, tensors or {})
            _check(parts)
        except (msgspec.ValidationError, UsageError, ValueError) as error:
            raise RunError(f"The run's preprocessing is damaged: {error}") from error
        return cls(
            size=parts.size,
            channels=parts.channels,
            colour=parts.colour,
            fit=parts.fit,
            share=parts.share,
            filters=filters,
            decode_at_least=parts.decode_at_least,
            detail=parts.detail,
            normalisation=parts.normalisation,
            mean=parts.mean,
            std=parts.std,
            whitening=whitening,
        )


def read_raw(source: Source, position: int) -> tuple[Raw, str]:
    """Return a picture of a source, not decoded, and its name for errors: its path, or its key.

    Errors: PictureError, whatever a source of one's own raises.
    """
    key = str(source.index.keys[position])
    try:
        raw = source.read(position)
    except HubelError:
        raise
    except Exception as error:
        raise PictureError(key, f"it cannot be read ({error!r})") from error
    return raw, str(raw) if isinstance(raw, Path) else key


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    channels: int
    colour: ColourSpace
    fit: Fit
    filters: tuple[str, ...]
    decode_at_least: int | None
    normalisation: Normalisation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    share: float = 1.0
    detail: float | None = None


def _check(parts: _Stored) -> None:
    fixed = {"channels": None, "grey": 1}.get(parts.colour, 3)
    if parts.size < 1 or parts.channels < 1 or fixed not in (None, parts.channels):
        what = f"{parts.channels} channels of {parts.colour} at size {parts.size}"
        raise ValueError(f"there is no picture with {what}")
    if not 0 < parts.share <= 1:
        raise ValueError(f"share needs a number above 0 and up to 1, got {parts.share:g}")
    if parts.detail is not None and not 1 <= parts.detail <= 16:
        raise ValueError(f"detail needs a number from 1 to 16, got {parts.detail:g}")
    for name, numbers in (("mean", parts.mean), ("std", parts.std)):
        if len(numbers) != parts.channels or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{name} needs {parts.channels} finite numbers, got {numbers}")
    if min(parts.std) <= 0:
        raise ValueError(f"std needs positive numbers, got {parts.std}")


def _whitening(parts: _Stored, tensors: Mapping[str, Tensor]) -> Whitening | None:
    from hubel.data.whitening import tile_side

    kind: Literal["pca", "zca"]
    if parts.normalisation == "pca":
        kind = "pca"
    elif parts.normalisation == "zca":
        kind = "zca"
    else:
        return None
    values = parts.channels * tile_side(parts.channels, parts.size) ** 2
    for name, shape in (("whitening_mean", (values,)), ("whitening_matrix", (values, values))):
        found = tuple(tensors[name].shape) if name in tensors else "nothing"
        if found != shape:
            raise ValueError(f"{name} needs the shape {shape}, got {found}")
    return Whitening(kind=kind, mean=tensors["whitening_mean"], matrix=tensors["whitening_matrix"])
