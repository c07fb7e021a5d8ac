"""The rivals: what each says of a run, and what that means in our ids."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.program import Finished
from benchmarks.doctor.rivals import (
    autotrainer,
    cleanlab_issues,
    deepdiagnosis,
    torch_audit,
    umlaut,
)
from benchmarks.doctor.rivals.telemetry import Telemetry

MEANS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "AutoTrainer": autotrainer.MEANS,
        "DeepDiagnosis": deepdiagnosis.MEANS,
        "UMLAUT": umlaut.MEANS,
        "torch-audit": torch_audit.MEANS,
        "cleanlab": cleanlab_issues.MEANS,
    }
)
"""By tool and its own names: the ids that an alarm may stand for."""


def alarms_of(telemetry: Telemetry, pictures: Pictures, finished: Finished) -> dict[str, list[str]]:
    """Return what each rival says of a run, in its own names and its own order."""
    del pictures
    train: Any = finished.data.train
    own = hasattr(train, "pictures")
    return {
        "AutoTrainer": list(autotrainer.alarms(telemetry)),
        "DeepDiagnosis": list(deepdiagnosis.alarms(telemetry)),
        "UMLAUT": list(umlaut.alarms(telemetry)),
        "torch-audit": list(telemetry.found),
        "cleanlab": list(cleanlab_issues.alarms(train)) if own else [],
    }
