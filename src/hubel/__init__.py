"""A workbench for convolutional image networks, in Python on PyTorch.

The public names are loaded when they are first used: importing hubel does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hubel.diagnosis.watching.watch import watch
    from hubel.errors import HubelError
    from hubel.results import Run
    from hubel.tracing import trace
    from hubel.workflows.check import check
    from hubel.workflows.data import inspect
    from hubel.workflows.diagnose import diagnose
    from hubel.workflows.evaluate import evaluate
    from hubel.workflows.models import models
    from hubel.workflows.predict import predict
    from hubel.workflows.report import write_report
    from hubel.workflows.train import train

__version__ = version("hubel")
__all__ = [
    "HubelError",
    "Run",
    "__version__",
    "check",
    "diagnose",
    "evaluate",
    "inspect",
    "models",
    "predict",
    "trace",
    "train",
    "watch",
    "write_report",
]

_HOME: Final = {
    "HubelError": "hubel.errors",
    "Run": "hubel.results",
    "check": "hubel.workflows.check",
    "diagnose": "hubel.workflows.diagnose",
    "evaluate": "hubel.workflows.evaluate",
    "inspect": "hubel.workflows.data",
    "models": "hubel.workflows.models",
    "predict": "hubel.workflows.predict",
    "trace": "hubel.tracing",
    "train": "hubel.workflows.train",
    "watch": "hubel.diagnosis.watching.watch",
    "write_report": "hubel.workflows.report",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'hubel' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
