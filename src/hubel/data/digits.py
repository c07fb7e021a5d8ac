"""The embedded digits: 1,797 real handwritten digits of 8×8 pixels, from scikit-learn."""

from __future__ import annotations

import numpy as np

from hubel.data.array_source import ArraySource, numbered_keys
from hubel.data.source import UNSPLIT, Index, Source


def open_digits() -> Source:
    """Return scikit-learn's digits (alpaydin1998), unsplit; 20% are to become the test split.

    The values 0 to 16 become round(v · 255 / 16).
    """
    from sklearn.datasets import load_digits  # here: importing it takes half a second

    values, digits = load_digits(return_X_y=True)
    pixels = np.rint(np.asarray(values) * (255.0 / 16.0)).astype(np.uint8).reshape(-1, 8, 8)
    index = Index(
        task="classification",
        classes=tuple(str(digit) for digit in range(10)),
        keys=numbered_keys([("digits", len(pixels))]),
        labels=np.asarray(digits).astype(np.int64),
        splits=np.full(len(pixels), UNSPLIT, np.int8),
    )
    source = ArraySource("digits", [pixels], index)
    source.split_shares = (0.68, 0.12, 0.20)
    return source
