"""What leaves torch in the middle of a forward pass, and comes back computed by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from torch import Tensor
from torch.overrides import TorchFunctionMode

from hubel.tracing.ledger import Ledger

LEAVING: Final = frozenset({Tensor.numpy, Tensor.__array__, Tensor.tolist, Tensor.__dlpack__})
"""Methods that hand a tensor's numbers to others than torch."""


@final
class NumpyTrips(TorchFunctionMode):
    """While it is active, the ledger is told what leaves torch.

    What is computed there is seen by nobody: tensors that come back stand in the trace as made by
    an operation `numpy` out of all that left before, which no rule analyses.
    """

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch; note the tensor that leaves by it."""
        if func in LEAVING:
            self._ledger.leave(args[0])
        return func(*args, **(kwargs or {}))
