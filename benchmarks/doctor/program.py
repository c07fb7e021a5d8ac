"""A training as people write it, in pieces that a fault can replace one by one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, Dataset

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.networks import NETWORKS, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The numbers of a training."""

    network: str = "plain"
    epochs: int = 8
    batch: int = 32
    optimizer: str = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    norm: bool | None = None
    activation: Callable[[], nn.Module] | None = None
    width: float = 1.0
    dropout: float | None = None
    seed: int = 0


class PictureDataset(Dataset[tuple[Tensor, int]]):
    """Pictures with labels; each goes through the transform when it is asked for."""

    def __init__(
        self, pictures: Tensor, labels: Tensor, transform: Callable[[Tensor], Tensor]
    ) -> None:
        self.pictures = pictures
        self.labels = labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.transform(self.pictures[place]), self.labels[place]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """The three datasets of a training."""

    train: Dataset[Any]
    val: Dataset[Any] | None
    test: Dataset[Any]


@dataclass(slots=True, kw_only=True, eq=False)
class Training:
    """A training under way."""

    settings: Settings
    network: nn.Module
    optimizer: Optimizer
    scheduler: Any
    loss: Callable[[Tensor, Tensor], Tensor]
    memory: dict[str, Any] = field(default_factory=dict[str, Any])
    """What a step keeps for the next one."""


Transform = Callable[[Tensor], Tensor]


def make_normalise(pictures: Pictures) -> Transform:
    """Return the preprocessing of all splits: to [0, 1], then by mean and deviation a channel."""
    values = pictures.train.float() / 255
    mean = values.mean(dim=(0, 2, 3))[:, None, None]
    std = values.std(dim=(0, 2, 3))[:, None, None]

    def normalise(picture: Tensor) -> Tensor:
        return (picture.float() / 255 - mean) / std

    return normalise


def no_augmentation(pictures: Pictures) -> Transform | None:
    """Return no augmentation."""
    del pictures
    return None


def make_data(program: Program, pictures: Pictures, settings: Settings) -> Data:
    """Return the datasets, the training's augmented where the program has an augmentation."""
    del settings
    normalise = program.make_normalise(pictures)
    augment = program.make_augmentation(pictures)

    def augmented(picture: Tensor) -> Tensor:
        return normalise(picture if augment is None else augment(picture))

    return Data(
        train=PictureDataset(pictures.train, pictures.train_labels, augmented),
        val=PictureDataset(pictures.val, pictures.val_labels, normalise),
        test=PictureDataset(pictures.test, pictures.test_labels, normalise),
    )


def make_loaders(data: Data, settings: Settings) -> tuple[DataLoader[Any], DataLoader[Any] | None]:
    """Return the loaders of training and validation."""
    train = DataLoader(data.train, batch_size=settings.batch, shuffle=True, drop_last=True)
    val = None if data.val is None else DataLoader(data.val, batch_size=128)
    return train, val


def make_network(pictures: Pictures, settings: Settings) -> nn.Module:
    """Return the network with its initial weights."""
    return NETWORKS[settings.network](
        Shape(
            channels=pictures.channels, classes=pictures.classes, side=pictures.side,
            norm=settings.norm, activation=settings.activation, width=settings.width,
            dropout=settings.dropout,
        )
    )  # fmt: skip


def make_optimizer(network: nn.Module, settings: Settings) -> Optimizer:
    """Return the optimizer of all parameters that may change."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    rate, decay = settings.lr, settings.weight_decay
    match settings.optimizer:
        case "adam":
            return torch.optim.Adam(weights, lr=rate, weight_decay=decay)
        case "adamw":
            return torch.optim.AdamW(weights, lr=rate, weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(weights, lr=rate, weight_decay=decay)
        case _:
            return torch.optim.SGD(weights, lr=rate, momentum=settings.momentum, weight_decay=decay)


def make_scheduler(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    """Return a scheduler that is stepped once a batch."""
    return CosineAnnealingLR(optimizer, T_max=settings.epochs * steps_a_pass)


def make_loss(pictures: Pictures) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss."""
    del pictures
    return nn.CrossEntropyLoss()


def train_step(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Update the weights by one batch; return the loss and the outputs."""
    training.optimizer.zero_grad()
    outputs = training.network(inputs)
    loss = training.loss(outputs, targets)
    loss.backward()
    training.optimizer.step()
    training.scheduler.step()
    return loss, outputs


def train_pass(
    program: Program, training: Training, loader: DataLoader[Any]
) -> tuple[float, float]:
    """Train for one pass over the data; return the mean loss and the accuracy."""
    training.network.train()
    total, right, seen = 0.0, 0, 0
    for inputs, targets in loader:
        loss, outputs = program.train_step(training, inputs, targets)
        total += loss.item() * len(targets)
        right += int((outputs.argmax(1) == targets).sum()) if outputs.ndim == 2 else 0
        seen += len(targets)
    return total / seen, right / seen


@torch.no_grad()
def evaluate(training: Training, loader: DataLoader[Any]) -> tuple[float, float]:
    """Return loss and accuracy on a split, as the program reports them."""
    training.network.eval()
    total, right, seen = 0.0, 0, 0
    for inputs, targets in loader:
        outputs = training.network(inputs)
        total += training.loss(outputs, targets).item() * len(targets)
        right += int((outputs.argmax(1) == targets).sum())
        seen += len(targets)
    return total / seen, right / seen


def after_pass(training: Training) -> None:
    """Do what is done between passes: nothing."""
    del training


def deployed(training: Training) -> nn.Module:
    """Return the network that would be used."""
    return training.network


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The pieces of a training."""

    settings: Settings = Settings()
    make_pictures: Callable[[Pictures, Settings], Pictures] = lambda pictures, _: pictures
    """Chooses among the raw pictures."""
    make_normalise: Callable[[Pictures], Transform] = make_normalise
    make_augmentation: Callable[[Pictures], Transform | None] = no_augmentation
    make_data: Callable[[Program, Pictures, Settings], Data] = make_data
    make_loaders: Callable[[Data, Settings], tuple[DataLoader[Any], DataLoader[Any] | None]] = (
        make_loaders
    )
    make_network: Callable[[Pictures, Settings], nn.Module] = make_network
    make_optimizer: Callable[[nn.Module, Settings], Optimizer] = make_optimizer
    make_scheduler: Callable[[Optimizer, int, Settings], Any] = make_scheduler
    make_loss: Callable[[Pictures], Callable[[Tensor, Tensor], Tensor]] = make_loss
    train_step: Callable[[Training, Tensor, Tensor], tuple[Tensor, Tensor]] = train_step
    train_pass: Callable[[Program, Training, DataLoader[Any]], tuple[float, float]] = train_pass
    evaluate: Callable[[Training, DataLoader[Any]], tuple[float, float]] = evaluate
    after_pass: Callable[[Training], None] = after_pass
    deployed: Callable[[Training], nn.Module] = deployed

    def with_settings(self, **numbers: Any) -> Program:
        """Return the program with other numbers."""
        return replace(self, settings=replace(self.settings, **numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What a program prints of a pass."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """A training that has ended."""

    training: Training
    data: Data
    network: nn.Module
    epochs: tuple[Epoch, ...]
    seconds: float
    """Of all passes and evaluations."""


Watch = Callable[..., AbstractContextManager[Any]]
NAN: Final = float("nan")


def run(program: Program, pictures: Pictures, watch: Watch) -> tuple[Finished, Any]:
    """Train; `watch` is called as `hubel.watch` is. Return the end, and what watched."""
    settings = program.settings
    torch.manual_seed(settings.seed)
    pictures = program.make_pictures(pictures, settings)
    data = program.make_data(program, pictures, settings)
    train_loader, val_loader = program.make_loaders(data, settings)
    network = program.make_network(pictures, settings)
    optimizer = program.make_optimizer(network, settings)
    scheduler = program.make_scheduler(optimizer, len(train_loader), settings)
    training = Training(
        settings=settings,
        network=network,
        optimizer=optimizer,
        scheduler=scheduler,
        loss=program.make_loss(pictures),
    )
    epochs: list[Epoch] = []
    started = perf_counter()
    with watch(
        network, optimizer, train_loader, val_loader, scheduler=scheduler, epochs=settings.epochs
    ) as watcher:
        for _ in range(settings.epochs):
            train = program.train_pass(program, training, train_loader)
            val = (NAN, NAN) if val_loader is None else program.evaluate(training, val_loader)
            program.after_pass(training)
            epochs.append(
                Epoch(
                    train_loss=train[0], train_accuracy=train[1],
                    val_loss=val[0], val_accuracy=val[1],
                )
            )  # fmt: skip
    finished = Finished(
        training=training,
        data=data,
        network=program.deployed(training),
        epochs=tuple(epochs),
        seconds=perf_counter() - started,
    )
    return finished, watcher


@torch.no_grad()
def true_accuracy(network: nn.Module, dataset: Dataset[Any]) -> float:
    """Return the accuracy that a correct program measures; modes are as they were before.

    An output that is not finite is a wrong answer.
    """
    modes = [module.training for module in network.modules()]
    network.eval()
    right = seen = 0
    for inputs, targets in DataLoader(dataset, batch_size=250):
        outputs = network(inputs)
        sound = outputs.isfinite().all(1)
        right += int(((outputs.argmax(1) == targets) & sound).sum())
        seen += len(targets)
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    return right / seen
