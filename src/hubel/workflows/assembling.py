"""The parts of a training, put together the same way for a new run and a resumed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hubel.architectures import Loaded, load
from hubel.data.augmentation import Augmentation
from hubel.data.batching import BatchLoader
from hubel.data.cache import PictureCache
from hubel.data.dataset import Dataset
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import TRAIN, VAL
from hubel.results import ModelCard, Run
from hubel.training.distribution import ALONE, World
from hubel.training.evaluation import quick_score
from hubel.training.hardware.compiling import compile_network
from hubel.training.hardware.devices import in_order
from hubel.training.loop import Score, Trainer
from hubel.training.losses import balance_weights, build_loss
from hubel.training.numbers import InUnits, in_units
from hubel.training.outputs import LossFunction
from hubel.training.planning import drops_last
from hubel.training.portions import Portions
from hubel.training.regularisation import add_dropout
from hubel.training.settings import Settings

VALIDATION_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network ready to train, and how to build it again."""

    module: nn.Module
    loaded: Loaded

    @property
    def fresh(self) -> tuple[str, ...]:
        """Names of the tensors that published weights left as they were, in `module`."""
        prefix = "network." if isinstance(self.module, InUnits) else ""
        return tuple(f"{prefix}{name}" for name in self.loaded.fresh)


def build_network(
    settings: Mapping[str, Any],
    *,
    trust_code: bool,
    stored_code: str | None = None,
    pretrained: bool = False,
    weights: str | None = None,
) -> Network:
    """Build the network of a plan with fresh weights, drawn from its seed.

    `settings` maps the names of `Settings` to values (a draft serves too). With `pretrained`, or
    the entry `weights`, published weights take the place of the fresh ones.
    """
    torch.manual_seed(settings["seed"])
    loaded = load(
        settings["model"],
        outputs=settings["outputs"],
        channels=settings["channels"],
        size=settings["size"],
        arguments=settings["model_arguments"],
        task=settings["task"],
        trust_code=trust_code,
        stored_code=stored_code,
        pretrained=pretrained,
        weights=weights,
    )
    add_dropout(loaded.module, settings["dropout"])
    module = in_units(loaded.module, settings["task"], settings["outputs"])
    return Network(module=module, loaded=loaded)


def build_trainer(
    settings: Settings,
    module: nn.Module,
    dataset: Dataset,
    preprocessing: Preprocessing,
    run: Run,
    watchers: tuple[Any, ...] = (),
    cache: PictureCache | None = None,
    world: World = ALONE,
) -> Trainer:
    """Join settings, network and pictures into a trainer.

    All processes begin with the weights of the first one, whatever each has drawn or downloaded.
    """
    module = module.to(torch.device(settings.device))
    in_order(module, channels_last=settings.channels_last)
    labels = dataset.labels_of(dataset.positions(TRAIN))
    if isinstance(module, InUnits):
        module.measure(labels)
    if settings.compile:
        compile_network(module)
    world.share_state(module)
    portions = Portions()
    return Trainer(
        settings,
        module,
        train_loader(settings, dataset, preprocessing, labels, cache, world),
        loss_of(settings, module, labels),
        run,
        validate=validation(settings, dataset, preprocessing, portions, cache, world),
        constants=preprocessing.tensors(),
        observers=watchers,
        portions=portions,
        world=world,
    )


def train_loader(
    settings: Settings,
    dataset: Dataset,
    preprocessing: Preprocessing,
    labels: NDArray[Any],
    cache: PictureCache | None = None,
    world: World = ALONE,
) -> BatchLoader:
    """Return the batches of the training split, shuffled and augmented."""
    positions = dataset.positions(TRAIN)
    weights: NDArray[np.float64] | None = None
    if settings.balance == "sampling":
        weights = np.asarray(balance_weights(labels, settings.outputs), np.float64)[labels]
    return BatchLoader(
        dataset.source,
        positions,
        preprocessing,
        labels,
        batch=settings.batch,
        seed=settings.seed,
        augmentation=Augmentation.from_names(
            settings.augment,
            num_classes=settings.outputs,
            seed=settings.seed,
            task=settings.task,
            strength=settings.augment_strength,
        ),
        shuffle=True,
        drop_last=drops_last(len(positions), settings.batch),
        weights=weights,
        cache=cache,
        threads=world.threads(),
        share=world.part,
    )


def loss_of(settings: Settings, module: nn.Module, labels: NDArray[Any]) -> LossFunction:
    """Return the loss of the plan, a value a picture."""
    weights = None
    if settings.balance == "weights":
        weights = balance_weights(labels, settings.outputs)
    loss = build_loss(
        settings.loss,
        task=settings.task,
        class_weights=weights,
        label_smoothing=settings.label_smoothing,
        focal_gamma=settings.focal_gamma,
    )
    return module.standardised(loss) if isinstance(module, InUnits) else loss


def validation(
    settings: Settings,
    dataset: Dataset,
    preprocessing: Preprocessing,
    portions: Portions,
    cache: PictureCache | None = None,
    world: World = ALONE,
    pictures: int | None = None,
) -> Score | None:
    """Return what measures a network on the validation split; None where there is none.

    With `pictures`, on so many of it at most, spread evenly.
    """
    positions = dataset.positions(VAL)
    if not len(positions):
        return None
    if pictures is not None and pictures < len(positions):
        positions = positions[np.arange(pictures) * len(positions) // pictures]
    positions = positions[world.part.rows(len(positions))]
    loader = BatchLoader(
        dataset.source,
        positions,
        preprocessing,
        dataset.labels_of(positions),
        batch=VALIDATION_BATCH,
        seed=settings.seed,
        shuffle=False,
        cache=cache,
        threads=world.threads(),
    )
    loss = build_loss(settings.loss, task=settings.task, focal_gamma=settings.focal_gamma)

    def measure(module: nn.Module) -> tuple[float, float]:
        fitting = module.standardised(loss) if isinstance(module, InUnits) else loss
        return quick_score(
            module,
            loader,
            settings.task,
            lambda outputs, targets: fitting(outputs, targets).mean(),
            precision=settings.precision,
            world=world,
            portions=portions,
        )

    return measure


def card_of(
    settings: Settings, network: Network, dataset: Dataset, preprocessing: Preprocessing
) -> ModelCard:
    """Return the model card of a run, as it is known before the first step."""
    validated = bool(len(dataset.positions(VAL)))
    averaged = bool(settings.ema)
    kept = ("best-ema" if averaged else "best") if validated else ("ema" if averaged else "last")
    return ModelCard(
        architecture=network.loaded.name,
        arguments=dict(network.loaded.arguments),
        input_shape=(settings.channels, settings.size, settings.size),
        task=settings.task,
        classes=dataset.source.index.classes,
        preprocessing=preprocessing.to_json(),
        weights=kept,
        params=sum(weight.numel() for weight in network.module.parameters()),
        code_digest=network.loaded.code_digest,
        mirror_tta=False,
    )
