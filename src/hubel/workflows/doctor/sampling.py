"""At which steps the doctor measures what; a function of the plan alone, so that a resumed run
measures at the same steps as one that was never killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EARLY: Final = (1, 2, 4, 8)
"""Updates of a training that are always measured: much goes wrong in the first ones."""
WEIGHTS_EVERY: Final = 16
MOST_WEIGHTS: Final = 128
"""About so many updates of a training are measured, however long it is."""
PROBED: Final = 64
"""Pictures of the probe, at most."""
UNITS_EVERY: Final = 200
MOST_UNITS: Final = 40
_BATCHES: Final = 4
_EXAMINED: Final = (20, 50)
"""Updates after which the doctor looks at the record, beside ends of passes."""
_GROWTH: Final = 1.1


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is measured when, in a training that was planned to have `planned` updates."""

    planned: int
    step_pictures: int = PROBED
    """Of an update: where a step is small beside the probe, the probe is measured more seldom."""

    def weights(self, step: int) -> bool:
        """Whether gradients, weights and their change are measured in step `step` (from 1)."""
        every = max(WEIGHTS_EVERY, -(-self.planned // MOST_WEIGHTS))
        return step in EARLY or step % every == 0

    def batch(self, step: int) -> bool:
        """Whether the batch of step `step` is measured: the first ones, then rarely."""
        every = max(WEIGHTS_EVERY, -(-self.planned // MOST_WEIGHTS))
        return step <= _BATCHES or step % (_BATCHES * every) == 0

    def units(self, step: int, total: int) -> bool:
        """Whether the probe goes through the network after step `step`, of `total` by now."""
        larger = max(PROBED / self.step_pictures, 1.0)
        every = max(round(UNITS_EVERY * larger), -(-self.planned // MOST_UNITS))
        return step % every == 0 or step == total

    def examined(self, step: int, last: int, *, at_end: bool) -> bool:
        """Whether the record is looked at after step `step`, `last` the step of the last look.

        At the ends of passes, as the record has grown by a tenth, and after a few early steps.
        """
        return step >= _GROWTH * last if at_end else step in _EXAMINED
