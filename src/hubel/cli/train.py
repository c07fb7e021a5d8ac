"""`hubel train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hubel.options import TrainOptions


def train(
    source: str | None = None,
    *,
    options: Annotated[TrainOptions | None, Parameter(name="*")] = None,
    config: Path | None = None,
) -> int:
    """Train a network on pictures, evaluate it on the test split, and report.

    Parameters
    ----------
    source
        A folder of class folders, a CSV, TSV or Parquet file, idx or npz files, or digits.
    config
        TOML file of options; flags win over it.
    """
    print(source, options)
    return 0
