"""A training before its first step: put together as `hubel train` would, and then not trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

import torch

from hubel.data.dataset import Dataset
from hubel.data.opening import open_source
from hubel.data.source import VAL, Source
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.watching.batches import batch_row
from hubel.options import DiagnoseOptions, TrainOptions
from hubel.results import Finding, Run
from hubel.tracing.stand_ins import randomness_kept
from hubel.training.distribution import ALONE
from hubel.training.loop import Trainer
from hubel.workflows.checks import check_fresh, check_source
from hubel.workflows.doctor.describing import describe, first_look
from hubel.workflows.doctor.patient import Patient
from hubel.workflows.doctor.probing import Prober, some_pictures
from hubel.workflows.locking import RunLock
from hubel.workflows.preparing import begin
from hubel.workflows.session import Session
from hubel.workflows.trainable import require_labels
from hubel.workflows.transfer import like_run, run_of
from hubel.workflows.watching import Watcher

Scanning = Callable[[int, int], None]
_BATCHES: Final = 8
"""Batches of the training split that are looked at, as they would be trained on."""
_ASKED: Final = (
    "model",
    "model_arguments",
    "size",
    "recipe",
    "optimizer",
    "lr",
    "batch",
    "augment",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beforehand:
    """All that is known of a training that has not begun."""

    setting: Setting
    record: Record
    subject: Subject
    name: str
    source: str
    asked: TrainOptions
    """As a user would give them to `hubel train`."""
    digest: str
    findings: tuple[Finding, ...]
    """What is wrong with the pictures."""


@contextmanager
def beforehand(
    source: str | Path | Source, options: DiagnoseOptions, scanning: Scanning | None = None
) -> Generator[Beforehand]:
    """Give a training as `hubel train` would begin it; what it writes is thrown away.

    Errors: those of `hubel train` before its first step.
    """
    plain = _asked(options)
    asked = _unmeasured(plain)
    check_fresh(asked)
    opened = open_source(source)
    require_labels(opened)
    base = run_of(asked.model)
    check_source(like_run(asked, base) if base else asked, opened)
    threads = torch.get_num_threads()
    try:
        with (
            TemporaryDirectory(prefix="hubel-") as folder,
            RunLock() as lock,
            ExitStack() as resources,
            randomness_kept(),
        ):
            session = Session(
                watcher=_Scanner(scanning),
                world=ALONE,
                lock=lock,
                resources=resources,
                began=time.perf_counter(),
            )
            dataset, _, trainer = begin(Run(Path(folder)), opened, asked, session)
            yield _looked_at(trainer, dataset, str(opened.name), plain)
    finally:
        torch.set_num_threads(threads)


def _asked(options: DiagnoseOptions) -> TrainOptions:
    """Return the options of the training."""
    given = {name: getattr(options, name) for name in _ASKED}
    return TrainOptions(
        **{name: value for name, value in given.items() if value is not None},
        seed=options.seed or 0,
    )


def _unmeasured(options: TrainOptions) -> TrainOptions:
    """Return options under which what only concerns the speed is not measured."""
    return replace(
        options,
        allow_leaks=True,
        cache="none",
        compile="no",
        winograd="no",
        precision="float32",
        channels_last=False,
        threads=torch.get_num_threads(),
    )


def _looked_at(trainer: Trainer, dataset: Dataset, source: str, asked: TrainOptions) -> Beforehand:
    prober = Prober(trainer)
    look = first_look(trainer, prober.pictures)
    units, _ = prober.measure(0, 1)
    record = Record(initial_loss=look.initial_loss, units=units)
    batches = trainer.loader.epoch(0)
    for place, batch in zip(range(1, _BATCHES + 1), batches, strict=False):
        record.batches.append(batch_row(place, "train", batch.inputs, batch.targets))
    batches.close()
    validated = dataset.positions(VAL)
    if len(validated):
        few = some_pictures(trainer.loader, dataset, validated)
        record.batches.append(batch_row(0, "val", few.inputs, few.targets))
    settings = trainer.settings
    return Beforehand(
        setting=describe(trainer, look),
        record=record,
        subject=Patient(
            trainer.run_folder,
            settings,
            trainer.module,
            trainer.loader.preprocessing,
            dataset,
            missing="",
            trust_code=True,
        ),
        name=f"{settings.model} on {dataset.source.name}",
        source=source,
        asked=asked,
        digest=dataset.inspection.digest,
        findings=dataset.inspection.findings,
    )


@final
class _Scanner(Watcher):
    """Tells how many pictures were looked at."""

    def __init__(self, scanning: Scanning | None) -> None:
        self._scanning = scanning

    def scanning(self, done: int, total: int) -> None:
        if self._scanning is not None:
            self._scanning(done, total)
