"""cleanlab's Datalab on the training pictures: label errors, duplicates, classes that are rare.

Its probabilities come from a logistic regression on the pixels, out of sample, as its tutorials
make them where there is no pretrained network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NOISY: Final = 0.1
"""Share of labels that it holds to be wrong, from which that counts as an alarm; ours."""

MEANS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"label errors": ("labels/noise", "labels/shuffled", "data/layout")}
)
"""Its findings in our ids; written down before any run."""


_FOUND: Final[dict[str, tuple[str, ...]]] = {}
"""What it said, by a digest of pictures and labels: most faults leave these as they are."""


def alarms(dataset: Any) -> tuple[str, ...]:
    """Return what it says of a training dataset; nothing where the package is missing."""
    if find_spec("cleanlab") is None:
        return ()
    labels, pictures = np.asarray(dataset.labels), dataset.pictures.flatten(1).numpy()
    digest = hashlib.sha256(pictures.tobytes() + labels.tobytes()).hexdigest()
    if digest not in _FOUND:
        _FOUND[digest] = _alarms(pictures, labels)
    return _FOUND[digest]


def _alarms(pictures: NDArray[np.generic], labels: NDArray[np.generic]) -> tuple[str, ...]:
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    names, numbers = np.unique(labels, return_inverse=True)
    if len(names) < 2 or np.bincount(numbers).min() < 3:
        return ()
    shares = cross_val_predict(
        LogisticRegression(max_iter=50, C=0.1), pictures / 255, numbers, cv=3,
        method="predict_proba",
    )  # fmt: skip
    wrong = find_label_issues(numbers, shares, n_jobs=1)
    return ("label errors",) if float(np.mean(wrong)) >= NOISY else ()
