"""Small sources in memory that the tests of `data` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hubel.data.source import Index, Raw, Source


class Pictures(Source):
    """A source of one's own: pictures in a list."""

    def __init__(self, pictures: Sequence[Any]) -> None:
        self.name = "pictures"
        self.pictures = pictures
        count = len(pictures)
        self.index = Index(
            task="classification",
            classes=("a", "b", "c"),
            keys=[f"train/{position}" for position in range(count)],
            labels=np.arange(count) % 3,
            splits=np.zeros(count, np.int8),
        )

    def read(self, position: int) -> Raw:
        picture = self.pictures[position]
        if isinstance(picture, Exception):
            raise picture
        return picture


@pytest.fixture
def pictures() -> type[Pictures]:
    return Pictures
