"""Faults of the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.faults.fault import Change, Fault
from benchmarks.doctor.program import Data, PictureDataset, Program, Settings

Alter = Callable[[Pictures, torch.Generator], Pictures]


def raw(alter: Alter) -> Change:
    """Return a change of the raw pictures and labels."""
    return partial(_raw, alter)


def _raw(alter: Alter, program: Program) -> Program:
    before = program.make_pictures

    def make(pictures: Pictures, settings: Settings) -> Pictures:
        generator = torch.Generator().manual_seed(1000 + settings.seed)
        return alter(before(pictures, settings), generator)

    return replace(program, make_pictures=make)


def _permuted(pictures: Pictures, generator: torch.Generator) -> Pictures:
    order = torch.randperm(len(pictures.train_labels), generator=generator)
    return replace(pictures, train_labels=pictures.train_labels[order])


def _rolled(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Drop the first label, as when a header is skipped once too often."""
    del generator
    return replace(pictures, train_labels=pictures.train_labels.roll(-1))


def _noisy(share: float) -> Alter:
    def alter(pictures: Pictures, generator: torch.Generator) -> Pictures:
        labels = pictures.train_labels.clone()
        number = round(share * len(labels))
        chosen = torch.randperm(len(labels), generator=generator)[:number]
        away = torch.randint(1, pictures.classes, (number,), generator=generator)
        labels[chosen] = (labels[chosen] + away) % pictures.classes
        return replace(pictures, train_labels=labels)

    return alter


def _validation_rolled(pictures: Pictures, generator: torch.Generator) -> Pictures:
    del generator
    return replace(pictures, val_labels=pictures.val_labels.roll(1))


def _swapped(labels: Tensor, one: int, two: int) -> Tensor:
    found = labels.clone()
    found[labels == one] = two
    found[labels == two] = one
    return found


def _validation_swapped(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Sort the names of classes otherwise in validation: two numbers are exchanged."""
    del generator
    return replace(pictures, val_labels=_swapped(pictures.val_labels, 1, 2))


def _training_swapped(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Exchange two classes in training alone."""
    del generator
    return replace(pictures, train_labels=_swapped(pictures.train_labels, 0, 3))


def _kept(pictures: Pictures, places: Tensor) -> Pictures:
    return replace(
        pictures, train=pictures.train[places], train_labels=pictures.train_labels[places]
    )


def _imbalanced(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Keep all of two classes and a hundredth of the others, at least one picture each."""
    del generator
    places = [
        torch.nonzero(pictures.train_labels == label)[:, 0] for label in range(pictures.classes)
    ]
    kept = [
        found if label < 2 else found[: max(len(found) // 100, 1)]
        for label, found in enumerate(places)
    ]
    return _kept(pictures, torch.cat(kept).repeat(3))


def _absent(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Lose all training pictures of one class."""
    del generator
    return _kept(pictures, torch.nonzero(pictures.train_labels != 3)[:, 0])


def _collapsed(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Clamp the labels to four classes, as with a type that is too small."""
    del generator
    return replace(pictures, train_labels=pictures.train_labels.clamp(max=3))


def _ignored(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Leave -100 in place of the labels of all classes but three: the loss ignores them."""
    del generator
    labels = pictures.train_labels.clone()
    labels[labels > 2] = -100
    return replace(pictures, train_labels=labels)


def one_class_noisy(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Give nine tenths of one class the label of another."""
    labels = pictures.train_labels.clone()
    found = torch.nonzero(labels == 1)[:, 0]
    order = torch.randperm(len(found), generator=generator)
    labels[found[order[: round(0.9 * len(found))]]] = 0
    return replace(pictures, train_labels=labels)


def validation_of_others(program: Program) -> Program:
    """Validate with the labels of another order: the loader shuffles pictures and not labels."""

    def make(changed: Program, pictures: Pictures, settings: Settings) -> Data:
        made = program.make_data(changed, pictures, settings)
        order = torch.randperm(
            len(pictures.val_labels), generator=torch.Generator().manual_seed(settings.seed)
        )
        val: Any = made.val
        return Data(
            train=made.train,
            val=PictureDataset(pictures.val, pictures.val_labels[order], val.transform),
            test=made.test,
        )

    return replace(program, make_data=make)


_SHUFFLED: Final = ("labels/shuffled",)

FAULTS: Final = (
    Fault(name="labels-permuted", family="labels", change=raw(_permuted), accepted=_SHUFFLED),
    Fault(name="labels-off-by-one-row", family="labels", change=raw(_rolled), accepted=_SHUFFLED),
    Fault(name="labels-20-percent-noise", family="labels", change=raw(_noisy(0.2)),
          accepted=("labels/noise",)),
    Fault(name="labels-40-percent-noise", family="labels", change=raw(_noisy(0.4)),
          accepted=("labels/noise",)),
    Fault(name="one-class-mislabelled", family="labels", change=raw(one_class_noisy),
          accepted=("labels/noise", "labels/imbalance", "labels/validation",
                    "labels/missing-class")),
    Fault(name="validation-labels-rolled", family="labels", change=raw(_validation_rolled),
          harm="reported", accepted=("labels/validation",)),
    Fault(name="validation-labels-shuffled", family="labels", change=validation_of_others,
          harm="reported", accepted=("labels/validation",)),
    Fault(name="validation-classes-swapped", family="labels", change=raw(_validation_swapped),
          harm="reported", accepted=("labels/validation",)),
    Fault(name="training-classes-swapped", family="labels", change=raw(_training_swapped),
          accepted=("labels/validation", "labels/noise")),
    Fault(name="imbalance-of-100", family="labels", change=raw(_imbalanced),
          accepted=("labels/imbalance", "data/too-few", "labels/missing-class")),
    Fault(name="class-absent", family="labels", change=raw(_absent),
          accepted=("labels/missing-class", "labels/imbalance")),
    Fault(name="labels-clamped", family="labels", change=raw(_collapsed),
          accepted=("labels/missing-class", "labels/imbalance", "labels/validation")),
    Fault(name="labels-ignored", family="labels", change=raw(_ignored),
          accepted=("labels/out-of-range", "labels/missing-class", "labels/imbalance")),
)  # fmt: skip
