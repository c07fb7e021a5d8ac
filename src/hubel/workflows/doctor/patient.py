"""The subject of a run: its network, loss and pictures, for active tests on copies of them."""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.data.augmentation import Augmentation
from hubel.data.batching import BatchLoader
from hubel.data.dataset import Dataset
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import TRAIN, VAL, Source
from hubel.diagnosis.evidence.subject import Samples, Subject
from hubel.errors import HubelError, RunError, UsageError
from hubel.options import TrainOptions
from hubel.results import Run
from hubel.tracing.stand_ins import randomness_kept
from hubel.training.checkpoint import BEST, Checkpoint, load, load_newest
from hubel.training.hardware.devices import choose_device
from hubel.training.numbers import InUnits
from hubel.training.optimizers import build_optimizer
from hubel.training.outputs import LossFunction, losses_of
from hubel.training.settings import Settings, settings_of
from hubel.workflows.assembling import Network, build_network, loss_of
from hubel.workflows.doctor.describing import weights_digest
from hubel.workflows.doctor.probing import spread
from hubel.workflows.doctor.telemetry import read_telemetry
from hubel.workflows.keeping import kept_options
from hubel.workflows.own_pictures import own_dataset
from hubel.workflows.transfer import run_of, take_weights

_BLENDING: Final = frozenset({"mixup", "cutmix"})
"""Augmentation sets that give pictures shares of several labels; samples keep one label each."""
_SPLITS: Final = {"train": TRAIN, "val": VAL}


class Patient(Subject):
    """A run that tests may be made on; nothing in its folder is changed."""

    run: Final[Run]
    missing: Final[str]
    """Why pictures cannot be had; empty where they can."""

    def __init__(
        self,
        run: Run,
        settings: Settings,
        module: nn.Module,
        preprocessing: Preprocessing,
        dataset: Dataset | None,
        *,
        missing: str,
        trust_code: bool,
    ) -> None:
        self.run = run
        self.missing = missing
        self._settings = settings
        self._module = module
        self._preprocessing = preprocessing
        self._dataset = dataset
        self._trust_code = trust_code
        self._fresh: nn.Module | None = None
        self._fresh_sought = False
        self._loss: LossFunction | None = None

    def network(self) -> nn.Module:
        """Return a copy with the weights of the last step, in training mode."""
        return copy.deepcopy(self._module).train()

    def fresh(self) -> nn.Module | None:
        """Return a copy with the weights of before the first update.

        They are drawn again from the run's seed, and are None where their digest is not the one
        that the run noted when it began.
        """
        if not self._fresh_sought:
            self._fresh_sought = True
            with suppress(HubelError), randomness_kept():
                self._fresh = self._rebuilt()
        return None if self._fresh is None else copy.deepcopy(self._fresh)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the run's own training loss of each picture, (n,).

        Without the pictures the weights of the classes are not known, and left out.
        """
        if self._loss is None:
            dataset, settings = self._dataset, self._settings
            labels = np.zeros(0, np.int64)
            if dataset is not None:
                labels = dataset.labels_of(dataset.positions(TRAIN))
            elif settings.balance == "weights":
                settings = replace(settings, balance="none")
            self._loss = loss_of(settings, self._module, labels)
        return losses_of(self._loss, outputs, targets)

    def optimizer(self, module: nn.Module, factor: float = 1.0) -> Optimizer:
        """Return the run's optimizer for a copy, at its highest rate times `factor`."""
        settings = self._settings
        return build_optimizer(
            settings.optimizer,
            module,
            lr=settings.lr * factor,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            head=settings.head,
            body_lr=settings.body_lr,
        )

    def samples(self, split: Literal["train", "val"], number: int) -> Samples | None:
        """Return pictures spread over a split; those of training augmented as in its first pass.

        Blending (mixup, cutmix) is left out, so that each picture has its own label. None where the
        pictures are not at hand, or the split holds none.
        """
        names = tuple(name for name in self._settings.augment if name not in _BLENDING)
        return self._read(split, number, names if split == "train" else ())

    def plain(self, split: Literal["train", "val"], number: int) -> Samples | None:
        """Return what `samples` does, without augmentation."""
        return self._read(split, number, ())

    def _read(
        self, split: Literal["train", "val"], number: int, augment: tuple[str, ...]
    ) -> Samples | None:
        dataset, settings = self._dataset, self._settings
        positions = dataset.positions(_SPLITS[split]) if dataset else None
        if dataset is None or positions is None or not len(positions) or number < 1:
            return None
        few = spread(positions, number)
        loader = BatchLoader(
            dataset.source,
            few,
            self._preprocessing,
            dataset.labels_of(few),
            batch=len(few),
            seed=settings.seed,
            augmentation=Augmentation.from_names(
                augment,
                num_classes=settings.outputs,
                seed=settings.seed,
                task=settings.task,
                strength=settings.augment_strength,
            )
            if augment
            else None,
            shuffle=False,
        )
        batches = loader.epoch(0)
        batch = next(batches)
        batches.close()
        keys = dataset.source.index.keys
        device = next(self._module.parameters()).device
        return Samples(
            inputs=batch.inputs.to(device),
            targets=batch.targets.to(device),
            keys=tuple(keys[int(place)] for place in batch.positions),
            augmented=bool(augment),
        )

    def _rebuilt(self) -> nn.Module | None:
        """Draw the weights of the beginning again; None unless they are those that it had."""
        telemetry = read_telemetry(self.run)
        if telemetry is None or not telemetry.start:
            return None
        _, options = kept_options(self.run, TrainOptions())
        base = run_of(options.model)
        module = _built(self.run, self._settings, options, trust_code=self._trust_code).module
        if base is not None:
            take_weights(module, base, trust_code=self._trust_code)
        if isinstance(module, InUnits) and self._dataset is not None:
            module.measure(self._dataset.labels_of(self._dataset.positions(TRAIN)))
        module.to(next(self._module.parameters()).device)
        return module.train() if weights_digest(module) == telemetry.start else None


def subject_of(
    run: Run | str | Path, *, source: str | Path | Source | None = None, trust_code: bool = False
) -> Patient:
    """Return a run as a subject for active tests: its weights of the last step, and its pictures.

    `source` says where the pictures are now, where they have moved; where they cannot be had, tests
    that need them get none, and `missing` says why. Errors: RunError where the run is damaged or
    has no weights yet; UsageError where its network needs code that is not trusted.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    settings, card = settings_of(run.plan()), run.card()
    checkpoint = _weights(run)
    with randomness_kept():
        network = _built(run, settings, None, trust_code=trust_code)
    if network.loaded.code_digest != card.code_digest:
        raise RunError(
            f"The code of {settings.model} is not that of {run.path}: restore {run.code_file}, or "
            "train anew."
        )
    try:
        network.module.load_state_dict(checkpoint.part("model"))
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise RunError(
            f"The checkpoint of {run.path} does not fit its network ({first}): restore both from "
            "one copy, or train anew."
        ) from error
    preprocessing = Preprocessing.from_json(card.preprocessing, checkpoint.part("preprocessing"))
    missing, dataset = "", None
    try:
        dataset = own_dataset(run, source)
    except HubelError as error:
        missing = str(error)
    return Patient(
        run,
        settings,
        network.module.to(_device(settings)),
        preprocessing,
        dataset,
        missing=missing,
        trust_code=trust_code,
    )


def _weights(run: Run) -> Checkpoint:
    """Return the newest good checkpoint; where there is none, the best weights."""
    try:
        return load_newest(run.checkpoints)[0]
    except RunError:
        if not (run.checkpoints / BEST).is_file():
            raise
        return load(run.checkpoints / BEST)


def _built(
    run: Run, settings: Settings, options: TrainOptions | None, *, trust_code: bool
) -> Network:
    """Build the run's network, from the copy of its code that the run keeps; fresh weights."""
    stored: str | None = None
    if run.code_file.is_file():
        stored = run.code_file.read_text(encoding="utf-8")
    values: dict[str, Any] = asdict(settings)
    return build_network(
        values,
        trust_code=trust_code,
        stored_code=stored,
        pretrained=options is not None and options.pretrained,
        weights=None if options is None else options.weights,
    )


def _device(settings: Settings) -> torch.device:
    """Return the run's device; the processor where it is not here."""
    try:
        return choose_device(settings.device)
    except UsageError:
        return torch.device("cpu")
