"""Faults of the pictures: their range, order, splits and augmentation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.faults.fault import Change, Fault, each, numbers
from benchmarks.doctor.faults.labels import raw
from benchmarks.doctor.program import (
    Data,
    PictureDataset,
    Program,
    Settings,
    Training,
    Transform,
)


def everywhere(make: Callable[[Pictures, Transform], Transform]) -> Change:
    """Return a change of the preprocessing of all splits."""
    return partial(_everywhere, make)


def _everywhere(make: Callable[[Pictures, Transform], Transform], program: Program) -> Program:
    before = program.make_normalise
    return replace(program, make_normalise=lambda pictures: make(pictures, before(pictures)))


def _split(
    split: str, make: Callable[[Pictures, Transform], Transform], program: Program
) -> Program:
    before = program.make_data

    def make_data(changed: Program, pictures: Pictures, settings: Settings) -> Data:
        made = before(changed, pictures, settings)
        found: Any = getattr(made, split)
        other = PictureDataset(
            found.pictures, torch.tensor(found.labels), make(pictures, found.transform)
        )
        return replace(made, **{split: other})

    return replace(program, make_data=make_data)


def in_validation(make: Callable[[Pictures, Transform], Transform]) -> Change:
    """Return a change of the preprocessing of validation alone."""
    return partial(_split, "val", make)


def in_training(make: Callable[[Pictures, Transform], Transform]) -> Change:
    """Return a change of the preprocessing of training alone."""
    return partial(_split, "train", make)


def _raw_range(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures, normalise
    return lambda picture: picture.float()


def _unit_range(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures, normalise
    return lambda picture: picture.float() / 255


def _floor_divided(pictures: Pictures, normalise: Transform) -> Transform:
    """Divide whole numbers by 255: almost everything becomes 0."""
    del pictures, normalise
    return lambda picture: (picture // 255).float()


def _twice(pictures: Pictures, normalise: Transform) -> Transform:
    mean, std = _moments(pictures)
    return lambda picture: (normalise(picture) - mean) / std


def _divided_twice(pictures: Pictures, normalise: Transform) -> Transform:
    """Divide by 255 twice before the mean is taken away: what is left is almost constant."""
    mean, std = _moments(pictures)
    del normalise
    return lambda picture: (picture.float() / 255 / 255 - mean) / std


def _moments(pictures: Pictures) -> tuple[Tensor, Tensor]:
    values = pictures.train.float() / 255
    return (
        values.mean(dim=(0, 2, 3))[:, None, None], values.std(dim=(0, 2, 3))[:, None, None]
    )  # fmt: skip


def _channels_reversed(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures
    return lambda picture: normalise(picture.flip(0))


def _inverted(pictures: Pictures, normalise: Transform) -> Transform:
    del pictures
    return lambda picture: normalise(255 - picture)


def _viewed(pictures: Pictures, normalise: Transform) -> Transform:
    """Read (height, width, channels) as (channels, height, width) without moving anything."""
    del pictures

    def scrambled(picture: Tensor) -> Tensor:
        found = normalise(picture)
        return found.permute(1, 2, 0).contiguous().view(found.shape)

    return scrambled


def _wrong_stride(pictures: Pictures, normalise: Transform) -> Transform:
    """Read rows of the wrong length: the picture is sheared and wrapped."""
    del pictures

    def sheared(picture: Tensor) -> Tensor:
        found = normalise(picture)
        channels, side, _ = found.shape
        flat = found.reshape(channels, -1)
        rows = [flat.roll(-(row * 3 + row * row), 1)[:, row * side : (row + 1) * side]
                for row in range(side)]  # fmt: skip
        return torch.stack(rows, dim=1)

    return sheared


def _augmented(augment: Callable[[Tensor], Tensor]) -> Change:
    def change(program: Program) -> Program:
        return replace(program, make_augmentation=lambda _: augment)

    return change


def _crops(picture: Tensor) -> Tensor:
    """Cut out a sixteenth of the picture and enlarge it."""
    side = picture.shape[1]
    part = max(side // 4, 2)
    left, top = (int(torch.randint(side - part + 1, ())) for _ in range(2))
    cut = picture[:, top : top + part, left : left + part].float()[None]
    return torch.nn.functional.interpolate(cut, size=(side, side))[0].to(picture.dtype)


def _erases(picture: Tensor) -> Tensor:
    """Erase nine tenths of the pixels."""
    return picture * (torch.rand(picture.shape[1:]) < 0.1)


def _shuffles_tiles(picture: Tensor) -> Tensor:
    """Turn, mirror and shift the picture by up to half of its side."""
    side = picture.shape[1]
    shifts = tuple(int(torch.randint(side, ())) for _ in range(2))
    turned = torch.rot90(picture, int(torch.randint(4, ())), (1, 2))
    return turned.roll(shifts, (1, 2)).flip(int(torch.randint(1, 3, ())))


def _noises(pictures: Pictures, normalise: Transform) -> Transform:
    """Add noise of three standard deviations."""
    del pictures

    def noised(picture: Tensor) -> Tensor:
        found = normalise(picture)
        return found + 3 * torch.randn(found.shape)

    return noised


def _validation_augmented(pictures: Pictures, normalise: Transform) -> Transform:
    """Leave the training's shifts, turns and noise in the preprocessing of validation."""
    del pictures

    def shifted(picture: Tensor) -> Tensor:
        found = normalise(picture)
        side = found.shape[1]
        shifts = tuple(int(torch.randint(-side // 3, side // 3 + 1, ())) for _ in range(2))
        return found.roll(shifts, (1, 2)) + 0.5 * torch.randn(found.shape)

    return shifted


def _sorted(pictures: Pictures, generator: torch.Generator) -> Pictures:
    del generator
    order = pictures.train_labels.argsort(stable=True)
    return replace(pictures, train=pictures.train[order], train_labels=pictures.train_labels[order])


def _unshuffled(program: Program) -> Program:
    def make(data: Data, settings: Settings) -> tuple[Any, Any]:
        val = None if data.val is None else DataLoader(data.val, batch_size=128)
        return DataLoader(data.train, batch_size=settings.batch, drop_last=True), val

    return replace(program, make_loaders=make)


def _leak(share: float, alike: bool) -> Callable[[Pictures, torch.Generator], Pictures]:
    """Return a change by which a share of the validation pictures are training pictures."""

    def alter(pictures: Pictures, generator: torch.Generator) -> Pictures:
        number = round(share * len(pictures.val))
        chosen = torch.randperm(len(pictures.train), generator=generator)[:number]
        copied = pictures.train[chosen].clone()
        if alike:
            light = copied.float() * 0.97 + 2 * torch.rand(copied.shape, generator=generator)
            copied = light.clamp(0, 255).to(torch.uint8)
        val, labels = pictures.val.clone(), pictures.val_labels.clone()
        val[:number], labels[:number] = copied, pictures.train_labels[chosen]
        return replace(pictures, val=val, val_labels=labels)

    return alter


def _few(number: int) -> Callable[[Pictures, torch.Generator], Pictures]:
    """Return a change that keeps few training pictures, repeated so that steps stay as many."""

    def alter(pictures: Pictures, generator: torch.Generator) -> Pictures:
        chosen = torch.randperm(len(pictures.train), generator=generator)[:number]
        places = chosen.repeat(len(pictures.train) // number)
        return replace(
            pictures, train=pictures.train[places], train_labels=pictures.train_labels[places]
        )

    return alter


def _blank(share: float) -> Callable[[Pictures, torch.Generator], Pictures]:
    """Return a change by which a share of the training pictures is black: files not read."""

    def alter(pictures: Pictures, generator: torch.Generator) -> Pictures:
        train = pictures.train.clone()
        train[torch.rand(len(train), generator=generator) < share] = 0
        return replace(pictures, train=train)

    return alter


def _not_numbers(pictures: Pictures, normalise: Transform) -> Transform:
    """Divide by a deviation of 0 in a few pixels of a few pictures."""
    del pictures

    def spoiled(picture: Tensor) -> Tensor:
        found = normalise(picture)
        if torch.rand(()) < 0.01:
            found[0, 0, 0] = float("nan")
        return found

    return spoiled


def _slow(pictures: Pictures, normalise: Transform) -> Transform:
    """Take 2 ms a picture, as a large JPEG does."""
    del pictures

    def slowly(picture: Tensor) -> Tensor:
        time.sleep(0.002)
        return normalise(picture)

    return slowly


def synchronises(program: Program) -> Program:
    """Read the loss and every gradient's norm as a number at every step."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = program.train_step(training, inputs, targets)
        for weight in training.network.parameters():
            if weight.grad is not None:
                weight.grad.norm().item()
        return loss, outputs

    return replace(program, train_step=step)


_AUGMENTATION: Final = ("data/augmentation", "fit/over-regularised", "data/validation-mismatch")
_MISMATCH: Final = ("data/validation-mismatch",)

FAULTS: Final = (
    Fault(name="raw-0-to-255", family="data", change=everywhere(_raw_range),
          accepted=("data/range", "rate/too-high")),
    Fault(name="not-centred", family="data", change=everywhere(_unit_range),
          accepted=("data/range",), expected_harmless=True),
    Fault(name="floor-division", family="data", change=everywhere(_floor_divided),
          accepted=("data/range", "fit/ignores-input")),
    Fault(name="normalised-twice", family="data", change=everywhere(_twice),
          accepted=("data/double-normalised", "data/range"), expected_harmless=True),
    Fault(name="divided-twice", family="data", change=everywhere(_divided_twice),
          accepted=("data/range", "data/double-normalised", "fit/ignores-input")),
    Fault(name="validation-not-normalised", family="data", change=in_validation(_unit_range),
          harm="reported", accepted=_MISMATCH),
    Fault(name="validation-0-to-255", family="data", change=in_validation(_raw_range),
          harm="reported", accepted=(*_MISMATCH, "data/range")),
    Fault(name="validation-normalised-twice", family="data", change=in_validation(_twice),
          harm="reported", accepted=(*_MISMATCH, "data/double-normalised")),
    Fault(name="validation-in-bgr", family="data", change=in_validation(_channels_reversed),
          harm="reported", accepted=_MISMATCH, needs=frozenset({"colour"})),
    Fault(name="validation-inverted", family="data", change=in_validation(_inverted),
          harm="reported", accepted=_MISMATCH),
    Fault(name="training-inverted", family="data", change=in_training(_inverted),
          accepted=_MISMATCH),
    Fault(name="view-for-permute", family="data", change=everywhere(_viewed),
          accepted=("data/layout",), needs=frozenset({"colour"})),
    Fault(name="rows-of-the-wrong-length", family="data", change=everywhere(_wrong_stride),
          accepted=("data/layout",)),
    Fault(name="crops-of-a-sixteenth", family="data", change=_augmented(_crops),
          accepted=_AUGMENTATION),
    Fault(name="nine-tenths-erased", family="data", change=_augmented(_erases),
          accepted=_AUGMENTATION),
    Fault(name="turned-and-shifted", family="data", change=_augmented(_shuffles_tiles),
          accepted=_AUGMENTATION),
    Fault(name="noise-of-three-deviations", family="data", change=in_training(_noises),
          accepted=_AUGMENTATION),
    Fault(name="validation-augmented", family="data",
          change=in_validation(_validation_augmented), harm="reported",
          accepted=("data/augmented-validation", *_MISMATCH)),
    Fault(name="sorted-and-unshuffled", family="data",
          change=each(raw(_sorted), _unshuffled), accepted=("data/unshuffled",)),
    Fault(name="a-third-of-validation-leaked", family="data",
          change=raw(_leak(0.33, alike=False)), harm="reported", accepted=("data/leakage",)),
    Fault(name="validation-leaked", family="data", change=raw(_leak(1.0, alike=False)),
          harm="reported", accepted=("data/leakage",)),
    Fault(name="near-duplicates-leaked", family="data", change=raw(_leak(0.5, alike=True)),
          harm="reported", accepted=("data/leakage",)),
    Fault(name="forty-pictures", family="data", change=raw(_few(40)),
          accepted=("data/too-few", "fit/overfitting")),
    Fault(name="two-hundred-pictures", family="data", change=raw(_few(200)),
          accepted=("data/too-few", "fit/overfitting")),
    Fault(name="half-of-the-pictures-black", family="data", change=raw(_blank(0.5)),
          accepted=("labels/noise", "data/validation-mismatch", "data/range"),
          expected_harmless=True),
    Fault(name="nan-pixels", family="data", change=in_training(_not_numbers),
          accepted=("data/non-finite", "loss/non-finite")),
    Fault(name="slow-loader", family="speed", change=in_training(_slow), harm="time",
          accepted=("speed/loader-bound",), base=numbers(epochs=2)),
    Fault(name="synchronises", family="speed", change=synchronises, harm="time",
          accepted=("speed/synchronising",), expected_harmless=True),
)  # fmt: skip
