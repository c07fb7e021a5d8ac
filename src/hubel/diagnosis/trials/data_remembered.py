"""One place a case for what several tests read or work out: pictures, features, answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, cast, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Rereading, Samples, Subject, Unchanged
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.data_features import described, projection
from hubel.diagnosis.trials.data_reading import Labelled, predictions_of, read, together
from hubel.diagnosis.trials.data_regression import Regression, regress

Split = Literal["train", "val"]
_T = TypeVar("_T")
_Features = NDArray[np.float64]


@final
class Remembering:
    """A subject that reads the same pictures once, and keeps what tests on data find in them.

    A training does not change while it is examined, so that nothing kept here grows old.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._kept: dict[tuple[Any, ...], Any] = {}

    def network(self) -> nn.Module:
        """Return a copy as it stands."""
        return self._subject.network()

    def fresh(self) -> nn.Module | None:
        """Return a copy with the weights of before the first update; None if unknown."""
        return self._subject.fresh()

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each picture, (n,)."""
        return self._subject.losses(outputs, targets)

    def optimizer(self, module: nn.Module, factor: float = 1.0) -> Optimizer:
        """Return an optimizer of the training's kind for a copy."""
        return self._subject.optimizer(module, factor)

    def samples(self, split: Split, number: int) -> Samples | None:
        """Return `number` pictures, read once."""
        return self._once(("samples", split, number), lambda: self._subject.samples(split, number))

    def plain(self, split: Split, number: int) -> Samples | None:
        """Return pictures without augmentation, read once; None where the subject cannot."""
        subject = self._subject
        if not isinstance(subject, Unchanged):
            return None
        return self._once(("plain", split, number), lambda: subject.plain(split, number))

    def reread(self, split: Split, keys: Sequence[str]) -> Samples | None:
        """Return pictures read anew, which is never kept; None where the subject cannot."""
        subject = self._subject
        return subject.reread(split, keys) if isinstance(subject, Rereading) else None

    def labelled(self, setting: Setting, split: Split) -> Labelled | Unknown:
        """Return the pictures of a split with class numbers, as `data_reading.read` does."""
        return self._once(("labelled", split), lambda: read(setting, self, split))

    def features(self, split: Split, train: Labelled, val: Labelled | None = None) -> _Features:
        """Return the features (n, ≤ COMPONENTS) of a split by the training's components."""
        raw = self._once(("raw", "train"), lambda: described(train.inputs))
        basis = self._once(("basis",), lambda: projection(raw))
        if split == "train":
            return self._once(("features", "train"), lambda: basis(raw))
        assert val is not None
        return self._once(("features", "val"), lambda: basis(described(val.inputs)))

    def regression(self, train: Labelled, val: Labelled | None) -> Regression:
        """Return the regression of the training's labels, numbered together with validation's."""

        def fit() -> Regression:
            others = np.zeros(0, np.int64) if val is None else val.labels
            classes, (labels, _) = together(train.labels, others)
            return regress(self.features("train", train), labels, classes)

        return self._once(("regression",), fit)

    def predictions(self, setting: Setting, val: Labelled) -> NDArray[np.int64]:
        """Return the class that the network as it stands names for each validation picture."""
        return self._once(
            ("predictions",), lambda: predictions_of(setting, self.network(), val.inputs)
        )

    def _once(self, key: tuple[Any, ...], make: Callable[[], _T]) -> _T:
        if key not in self._kept:
            self._kept[key] = make()
        return cast("_T", self._kept[key])


def remembering(subject: Subject) -> Remembering:
    """Return the subject itself where it remembers, else one that does."""
    return subject if isinstance(subject, Remembering) else Remembering(subject)
