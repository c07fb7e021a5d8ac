"""What the scripts on Fashion-MNIST have in common: arguments and idx files."""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

CLASSES = 10


def arguments() -> argparse.ArgumentParser:
    """Return the arguments that every script takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--settings", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, required=True)
    return parser


def read_split(folder: Path, split: str) -> tuple[Any, Any]:
    """Return pictures (N × 28 × 28, uint8) and labels of `train` or `t10k`."""
    import numpy as np

    pictures = gzip.decompress((folder / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(pictures, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )
