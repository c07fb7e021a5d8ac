"""Ways to train that are right: schedules, precisions, regularisers, two phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, WeightedRandomSampler

from benchmarks.doctor.data import Pictures
from benchmarks.doctor.faults.fault import Change, swap
from benchmarks.doctor.networks import Squeeze, hubelnet
from benchmarks.doctor.program import (
    Data,
    Program,
    Settings,
    Training,
    run,
)

Step = tuple[Tensor, Tensor]


def by_step(step: Callable[[Training, Tensor, Tensor], Step]) -> Change:
    """Return a change of the step."""
    return lambda program: replace(program, train_step=step)


def by_schedule(make: Callable[[Optimizer, int, Settings], Any]) -> Change:
    """Return a change of the schedule."""
    return lambda program: replace(program, make_scheduler=make)


def _update(training: Training, loss: Tensor) -> None:
    training.optimizer.zero_grad()
    loss.backward()
    training.optimizer.step()
    training.scheduler.step()


def one_cycle(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    """Return one cycle up to twice the rate."""
    momentum = settings.optimizer == "sgd"
    return OneCycleLR(
        optimizer, max_lr=2 * settings.lr, total_steps=settings.epochs * steps_a_pass,
        cycle_momentum=momentum,
    )  # fmt: skip


def warm_up(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    """Return a warm-up over a quarter of the steps, then a cosine."""
    steps = settings.epochs * steps_a_pass
    first = LinearLR(optimizer, start_factor=0.01, total_iters=steps // 4)
    then = CosineAnnealingLR(optimizer, T_max=steps - steps // 4)
    return SequentialLR(optimizer, [first, then], milestones=[steps // 4])


def constant(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    """Return a rate that stays."""
    del steps_a_pass, settings
    return ConstantLR(optimizer, factor=1.0)


def milestones(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    """Return a rate that falls to a tenth twice."""
    steps = settings.epochs * steps_a_pass
    return MultiStepLR(optimizer, milestones=[steps // 2, 3 * steps // 4], gamma=0.1)


def bfloat16(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    """Compute outputs and loss in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = training.network(inputs)
        loss = training.loss(outputs, targets)
    _update(training, loss)
    return loss, outputs.float()


def mixup(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    """Mix pairs of pictures and their losses."""
    share = float(torch.distributions.Beta(0.4, 0.4).sample())
    order = torch.randperm(len(targets))
    outputs = training.network(share * inputs + (1 - share) * inputs[order])
    loss = share * training.loss(outputs, targets)
    loss = loss + (1 - share) * training.loss(outputs, targets[order])
    _update(training, loss)
    return loss, outputs


def accumulate(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    """Add up the gradients of four batches before an update."""
    memory = training.memory
    memory["backwards"] = memory.get("backwards", 0) + 1
    outputs = training.network(inputs)
    loss = training.loss(outputs, targets)
    (loss / 4).backward()
    if memory["backwards"] % 4 == 0:
        training.optimizer.step()
        training.optimizer.zero_grad()
    training.scheduler.step()
    return loss, outputs


def cleared_last(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    """Clear gradients after the update, as many loops do."""
    outputs = training.network(inputs)
    loss = training.loss(outputs, targets)
    loss.backward()
    training.optimizer.step()
    training.optimizer.zero_grad()
    training.scheduler.step()
    return loss, outputs


def with_ema(program: Program) -> Program:
    """Deploy a running average of the weights."""

    def step(training: Training, inputs: Tensor, targets: Tensor) -> Step:
        if "ema" not in training.memory:
            training.memory["ema"] = AveragedModel(
                training.network, multi_avg_fn=get_ema_multi_avg_fn(0.95), use_buffers=True
            )
        found = program.train_step(training, inputs, targets)
        training.memory["ema"].update_parameters(training.network)
        return found

    return replace(
        program, train_step=step, deployed=lambda training: training.memory["ema"].module
    )


def _tiny_validation(data: Data) -> Any:
    return torch.utils.data.Subset(data.val, range(20)) if data.val is not None else None


def by_loaders(make: Callable[[Data, Settings], Data]) -> Change:
    """Return a change of the datasets that the loaders get."""

    def change(program: Program) -> Program:
        before = program.make_loaders

        def loaders(data: Data, settings: Settings) -> tuple[Any, Any]:
            return before(make(data, settings), settings)

        return replace(program, make_loaders=loaders)

    return change


def balanced(program: Program) -> Program:
    """Draw the classes equally often, with replacement, from data with fewer of some."""

    def pictures(found: Pictures, settings: Settings) -> Pictures:
        del settings
        keep = (found.train_labels > 1) | (torch.arange(len(found.train_labels)) % 3 == 0)
        return replace(found, train=found.train[keep], train_labels=found.train_labels[keep])

    def loaders(data: Data, settings: Settings) -> tuple[Any, Any]:
        train: Any = data.train
        labels = torch.tensor(train.labels)
        weights = (1 / labels.bincount().float())[labels]
        sampler = WeightedRandomSampler(weights.tolist(), len(labels))
        return (
            DataLoader(train, batch_size=settings.batch, sampler=sampler, drop_last=True),
            DataLoader(data.val, batch_size=128) if data.val is not None else None,
        )

    return replace(program, make_pictures=pictures, make_loaders=loaders)


def _shifts(picture: Tensor) -> Tensor:
    """Shift by up to one pixel in sixteen."""
    most = max(picture.shape[1] // 16, 1)
    shifts = tuple(int(torch.randint(-most, most + 1, ())) for _ in range(2))
    return picture.roll(shifts, (1, 2))


def augmented(program: Program) -> Program:
    """Shift pictures a little."""
    return replace(program, make_augmentation=lambda _: _shifts)


def only_classes(*labels: int) -> Change:
    """Return a change that keeps the pictures of these classes."""

    def pictures(found: Pictures, settings: Settings) -> Pictures:
        del settings
        names: dict[str, Any] = {}
        for split in ("train", "val", "test"):
            old = getattr(found, f"{split}_labels")
            keep = torch.isin(old, torch.tensor(labels))
            names[split] = getattr(found, split)[keep]
            names[f"{split}_labels"] = torch.searchsorted(torch.tensor(labels), old[keep])
        return replace(found, **names)

    return lambda program: replace(program, make_pictures=pictures)


def gelu_without_norm(program: Program) -> Program:
    """Use GELU and AdamW without normalisation."""
    return program.with_settings(activation=nn.GELU, norm=False, optimizer="adamw", lr=2e-3)


def _pretrained() -> Any:
    """Return a builder of networks that were trained shortly before."""

    def make(pictures: Pictures, settings: Settings) -> nn.Module:
        state = torch.get_rng_state()
        short = replace(settings, epochs=max(settings.epochs // 2, 1), seed=settings.seed + 100)
        trained = run(Program(settings=short), pictures, Unwatched)[0].network
        torch.set_rng_state(state)
        return trained

    return make


class Unwatched:
    """Watches nothing."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        del parts, more

    def __enter__(self) -> None:
        return None

    def __exit__(self, *raised: object) -> None:
        return None


def pretrained(program: Program) -> Program:
    """Start from a network that was trained before, at a tenth of the rate."""
    found = replace(program, make_network=_pretrained())
    return found.with_settings(lr=program.settings.lr / 10)


def frozen_body(program: Program) -> Program:
    """Train the head of a pretrained network, its body frozen."""
    build = _pretrained()

    def make(pictures: Pictures, settings: Settings) -> nn.Module:
        net: Any = build(pictures, settings)
        net.features.requires_grad_(requires_grad=False)
        net.head.reset_parameters()
        return net

    return replace(program, make_network=make)


def thawed(program: Program) -> Program:
    """Train the head first, then the body, too, from the second pass on."""
    frozen = frozen_body(program)

    def optimizer(net: Any, settings: Settings) -> Optimizer:
        return torch.optim.SGD(net.parameters(), lr=0.02, momentum=settings.momentum)

    def after(training: Training) -> None:
        network_: Any = training.network
        network_.features.requires_grad_(requires_grad=True)

    return replace(frozen, make_optimizer=optimizer, after_pass=after)


def three_times_as_long(program: Program) -> Program:
    """Train three times as long, to the last picture."""
    return program.with_settings(epochs=3 * program.settings.epochs)


class Tied(nn.Module):
    """A network whose head shares its weights with a layer before it."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        width = inner.head.in_features
        self.once = nn.Linear(width, width)
        self.again = nn.Linear(width, width)
        self.again.weight = self.once.weight
        inner.head = nn.Sequential(self.once, nn.ReLU(), self.again, nn.ReLU(), inner.head)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        return self.inner(pictures)


class WithSpare(nn.Module):
    """A network with an auxiliary head that this training does not use."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.auxiliary = nn.Linear(inner.head.in_features, inner.head.out_features)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits."""
        return self.inner(pictures)


def with_squeeze(net: Any) -> None:
    """Put squeeze and excitation before the flattening."""
    first = next(one for one in net.features.modules() if isinstance(one, nn.Conv2d))
    net.eval()
    with torch.no_grad():
        maps = net.features(torch.zeros(1, first.in_channels, 32, 32))
    net.train()
    net.features.append(Squeeze(maps.shape[1]))


def with_hubelnet(program: Program) -> Program:
    """Train hubel's own default network."""

    def make(pictures: Pictures, settings: Settings) -> nn.Module:
        del settings
        from benchmarks.doctor.networks import Shape

        return hubelnet(
            Shape(channels=pictures.channels, classes=pictures.classes, side=pictures.side)
        )

    return replace(program, make_network=make).with_settings(
        epochs=3, lr=0.05, optimizer="sgd", batch=32
    )


def no_validation(data: Data, settings: Settings) -> Data:
    """Leave out validation."""
    del settings
    return replace(data, val=None)


def small_validation(data: Data, settings: Settings) -> Data:
    """Validate on twenty pictures."""
    del settings
    return replace(data, val=_tiny_validation(data))


def few_pictures(program: Program) -> Program:
    """Train on 400 pictures with what helps then: shifts, decay and dropout."""

    def pictures(found: Pictures, settings: Settings) -> Pictures:
        del settings
        order = torch.randperm(len(found.train_labels), generator=torch.Generator().manual_seed(0))[
            :400
        ]
        return replace(found, train=found.train[order], train_labels=found.train_labels[order])

    found = replace(program, make_pictures=pictures, make_augmentation=lambda _: _shifts)
    settings = program.settings
    return found.with_settings(
        epochs=2 * settings.epochs, batch=settings.batch // 2, weight_decay=5e-4, dropout=0.2
    )


def smoothing(program: Program) -> Program:
    """Smooth labels by a tenth."""
    return replace(program, make_loss=lambda _: nn.CrossEntropyLoss(label_smoothing=0.1))


def multilabel_loss(program: Program) -> Program:
    """Train with a sigmoid a class, as with several labels a picture; scaled to usual steps."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return (
            F.binary_cross_entropy_with_logits(
                outputs, F.one_hot(targets, outputs.shape[1]).float(), reduction="none"
            )
            .sum(1)
            .mean()
        )

    return replace(program, make_loss=lambda _: loss)


def swish(net: nn.Module) -> None:
    """Use SiLU."""
    swap(net, (nn.ReLU, nn.ReLU6), lambda _: nn.SiLU())
