"""One run of the suite, in the process that makes it: trained, watched, and measured truly."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import torch
from torch import nn

from benchmarks.doctor.cases import BENCHES, Case
from benchmarks.doctor.data import Pictures, load
from benchmarks.doctor.program import Finished, PictureDataset, run, true_accuracy
from benchmarks.doctor.rivals import alarms_of
from benchmarks.doctor.rivals.telemetry import Recorder
from benchmarks.recording import processor

Arm = Literal["doctor", "rivals"]
_ENDS: Final = 4000
"""Characters of an error that are kept."""


def execute(case: Case, arm: Arm, folder: Path) -> dict[str, Any]:
    """Run a case and return its line of the store. An error of the program is a result, too."""
    torch.set_num_threads(1)
    bench = BENCHES[case.bench]
    pictures = load(bench.pictures, folder)
    line: dict[str, Any] = {
        "key": case.key, "arm": arm, "status": "ended", "processor": processor(),
    }  # fmt: skip
    watch = Doctored() if arm == "doctor" else Recorder
    started = time.perf_counter()
    try:
        finished, watcher = run(case.program(), pictures, watch)
        line |= _truth(finished, pictures)
    except Exception as error:  # noqa: BLE001 - the program of a fault may end in any error
        line |= {"status": "raised", "error": f"{type(error).__name__}: {error}"[:_ENDS]}
        finished, watcher = None, watch.last if isinstance(watch, Doctored) else None
    line["trained_s"] = time.perf_counter() - started
    started = time.perf_counter()
    if isinstance(watch, Doctored):
        line |= watch.answer(watcher)
    elif finished is not None and isinstance(watcher, Recorder):
        line["alarms"] = alarms_of(watcher.telemetry(finished), pictures, finished)
    line["judged_s"] = time.perf_counter() - started
    return line


def _truth(finished: Finished, pictures: Pictures) -> dict[str, Any]:
    """Return what the network can really do, and what the program says that it can."""
    test: Any = finished.data.test
    clean = PictureDataset(pictures.val, pictures.val_labels, test.transform)
    same = int(torch.tensor(test.labels).max()) + 1 == pictures.classes
    return {
        "test": true_accuracy(finished.network, test),
        "val": true_accuracy(finished.network, clean) if same else float("nan"),
        "reported": finished.epochs[-1].val_accuracy,
        "epochs": [asdict(epoch) for epoch in finished.epochs],
        "seconds": finished.seconds,
        "weights": weights_digest(finished.training.network),
    }


def weights_digest(network: nn.Module) -> str:
    """Return a digest of all weights and buffers, to the bit."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


class Doctored:
    """Calls `hubel.watch`, and asks the doctor afterwards."""

    last: Any = None

    def __call__(self, *parts: Any, **more: Any) -> Any:
        """Return the doctor that watches."""
        import hubel

        watch: Any = getattr(hubel, "watch", None)
        if watch is None:
            return _Silent()
        self.last = watch(*parts, say=None, **more)
        return self.last

    def answer(self, doctor: Any) -> dict[str, Any]:
        """Return the diagnosis, and every reading with its statistics."""
        if doctor is None:
            return {"diagnosis": EMPTY, "readings": {}}
        seen: list[Any] = []
        with _Overheard(seen), redirect_stdout(StringIO()):
            try:
                said = msgspec.to_builtins(doctor.diagnosis())
            except Exception:  # noqa: BLE001 - an error of the doctor is a result of the suite
                error = traceback.format_exc()[-_ENDS:]
                return {"diagnosis": None, "doctor_error": error, "readings": _readings(seen)}
        overhead = doctor.record.probe_overhead
        return {"diagnosis": said, "readings": _readings(seen), "overhead": overhead}


EMPTY: Final = {
    "verdict": "", "causes": [], "prescriptions": [], "observations": [], "healthy": [],
    "unchecked": [], "step": 0,
}  # fmt: skip


class _Silent:
    """Stands for a doctor that says nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *raised: object) -> None:
        return None


class _Overheard:
    """Keeps the case that a doctor examines."""

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def __enter__(self) -> None:
        from hubel.diagnosis.watching import doctor as module

        self._module: Any = module
        self._before = module.examine

        def examine(case: Any, **more: Any) -> Any:
            self._seen.append(case)
            return self._before(case, **more)

        self._module.examine = examine

    def __exit__(self, *raised: object) -> None:
        self._module.examine = self._before


def _readings(seen: list[Any]) -> Mapping[str, Any]:
    """Return what every rule says of the case, with its statistics; trials are made only once."""
    if not seen:
        return {}
    from hubel.diagnosis.symptom import Sign, Unknown
    from hubel.diagnosis.table import SYMPTOMS

    found: dict[str, Any] = {}
    for symptom in SYMPTOMS.values():
        try:
            reading = symptom.find(seen[-1])
        except Exception as error:  # noqa: BLE001 - see above
            found[symptom.id] = {"raised": f"{type(error).__name__}: {error}"}
            continue
        if isinstance(reading, Unknown):
            found[symptom.id] = {"unknown": reading.why}
        else:
            sign = isinstance(reading, Sign)
            found[symptom.id] = {
                "sign": sign,
                "confirmed": sign and reading.confirmed,
                "confidence": reading.confidence if sign else 0.0,
                "evidence": reading.evidence,
                "measured": {name: float(value) for name, value in reading.measured.items()},
            }
    return found
