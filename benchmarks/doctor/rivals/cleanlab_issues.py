"""cleanlab's Datalab on the training pictures: label errors, duplicates, classes that are rare.

Its probabilities come from a logistic regression on the pixels, out of sample, as its tutorials
make them where there is no pretrained network.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

import numpy as np

NOISY: Final = 0.1
"""Share of labels that it holds to be wrong, from which that counts as an alarm; ours."""

MEANS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"label errors": ("labels/noise", "labels/shuffled", "data/layout")}
)
"""Its findings in our ids; written down before any run."""


def alarms(dataset: Any) -> tuple[str, ...]:
    """Return what it says of a training dataset; nothing where the package is missing."""
    if find_spec("cleanlab") is None:
        return ()
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    labels = np.asarray(dataset.labels)
    names, numbers = np.unique(labels, return_inverse=True)
    if len(names) < 2 or np.bincount(numbers).min() < 3:
        return ()
    pixels = dataset.pictures.flatten(1).numpy() / 255
    shares = cross_val_predict(
        LogisticRegression(max_iter=50, C=0.1), pixels, numbers, cv=3, method="predict_proba"
    )
    wrong = find_label_issues(numbers, shares, n_jobs=1)
    return ("label errors",) if float(np.mean(wrong)) >= NOISY else ()
