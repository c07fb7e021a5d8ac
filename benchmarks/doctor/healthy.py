"""Healthy trainings of every kind that rules have been wrong about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

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
from benchmarks.doctor.faults.fault import Change, each, network, numbers, swap, unchanged
from benchmarks.doctor.faults.rates import clipped_to, rate_times
from benchmarks.doctor.networks import Squeeze, hubelnet
from benchmarks.doctor.program import (
    Data,
    Program,
    Settings,
    Training,
    run,
)

Step = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of healthy training."""

    name: str
    change: Change
    least: float = 1.0
    """Share of the bench's plausible accuracy that it must reach to count as healthy."""
    needs: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    """Benches on which it is no sensible training."""


def _step(step: Callable[[Training, Tensor, Tensor], Step]) -> Change:
    return lambda program: replace(program, train_step=step)


def _schedule(make: Callable[[Optimizer, int, Settings], Any]) -> Change:
    return lambda program: replace(program, make_scheduler=make)


def _update(training: Training, loss: Tensor) -> None:
    training.optimizer.zero_grad()
    loss.backward()
    training.optimizer.step()
    training.scheduler.step()


def _one_cycle(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    momentum = settings.optimizer == "sgd"
    return OneCycleLR(
        optimizer, max_lr=2 * settings.lr, total_steps=settings.epochs * steps_a_pass,
        cycle_momentum=momentum,
    )  # fmt: skip


def _warm_up(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    steps = settings.epochs * steps_a_pass
    first = LinearLR(optimizer, start_factor=0.01, total_iters=steps // 4)
    then = CosineAnnealingLR(optimizer, T_max=steps - steps // 4)
    return SequentialLR(optimizer, [first, then], milestones=[steps // 4])


def _constant(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    del steps_a_pass, settings
    return ConstantLR(optimizer, factor=1.0)


def _milestones(optimizer: Optimizer, steps_a_pass: int, settings: Settings) -> Any:
    steps = settings.epochs * steps_a_pass
    return MultiStepLR(optimizer, milestones=[steps // 2, 3 * steps // 4], gamma=0.1)


def _bfloat16(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = training.network(inputs)
        loss = training.loss(outputs, targets)
    _update(training, loss)
    return loss, outputs.float()


def _mixup(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    share = float(torch.distributions.Beta(0.4, 0.4).sample())
    order = torch.randperm(len(targets))
    outputs = training.network(share * inputs + (1 - share) * inputs[order])
    loss = share * training.loss(outputs, targets)
    loss = loss + (1 - share) * training.loss(outputs, targets[order])
    _update(training, loss)
    return loss, outputs


def _accumulate(training: Training, inputs: Tensor, targets: Tensor) -> Step:
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


def _cleared_last(training: Training, inputs: Tensor, targets: Tensor) -> Step:
    """Clear gradients after the update, as many loops do."""
    outputs = training.network(inputs)
    loss = training.loss(outputs, targets)
    loss.backward()
    training.optimizer.step()
    training.optimizer.zero_grad()
    training.scheduler.step()
    return loss, outputs


def _ema(program: Program) -> Program:
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


def _loaders(make: Callable[[Data, Settings], Data]) -> Change:
    def change(program: Program) -> Program:
        before = program.make_loaders

        def loaders(data: Data, settings: Settings) -> tuple[Any, Any]:
            return before(make(data, settings), settings)

        return replace(program, make_loaders=loaders)

    return change


def _balanced(program: Program) -> Program:
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


def _augmented(program: Program) -> Program:
    return replace(program, make_augmentation=lambda _: _shifts)


def _classes(*labels: int) -> Change:
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


def _gelu_without_norm(program: Program) -> Program:
    return program.with_settings(activation=nn.GELU, norm=False, optimizer="adamw", lr=2e-3)


def _pretrained() -> Any:
    """Return a builder of networks that were trained shortly before."""

    def make(pictures: Pictures, settings: Settings) -> nn.Module:
        state = torch.get_rng_state()
        short = replace(settings, epochs=max(settings.epochs // 2, 1), seed=settings.seed + 100)
        trained = run(Program(settings=short), pictures, _Unwatched)[0].network
        torch.set_rng_state(state)
        return trained

    return make


class _Unwatched:
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


def _long(program: Program) -> Program:
    return program.with_settings(epochs=3 * program.settings.epochs)


class _Tied(nn.Module):
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
        return self.inner(pictures)


class _WithSpare(nn.Module):
    """A network with an auxiliary head that this training does not use."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.auxiliary = nn.Linear(inner.head.in_features, inner.head.out_features)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.inner(pictures)


def _with_squeeze(net: Any) -> None:
    """Put squeeze and excitation before the flattening."""
    last = [one for one in net.features.modules() if isinstance(one, nn.Conv2d)][-1]
    net.features.append(Squeeze(last.out_channels))


def _hubelnet(program: Program) -> Program:
    def make(pictures: Pictures, settings: Settings) -> nn.Module:
        del settings
        from benchmarks.doctor.networks import Shape

        return hubelnet(
            Shape(channels=pictures.channels, classes=pictures.classes, side=pictures.side)
        )

    return replace(program, make_network=make).with_settings(
        epochs=3, lr=0.05, optimizer="sgd", batch=32
    )


def _no_validation(data: Data, settings: Settings) -> Data:
    del settings
    return replace(data, val=None)


def _small_validation(data: Data, settings: Settings) -> Data:
    del settings
    return replace(data, val=_tiny_validation(data))


def _few(program: Program) -> Program:
    """Train on 400 pictures with what helps then: shifts, decay and dropout."""

    def pictures(found: Pictures, settings: Settings) -> Pictures:
        del settings
        return replace(found, train=found.train[:400], train_labels=found.train_labels[:400])

    found = replace(program, make_pictures=pictures, make_augmentation=lambda _: _shifts)
    settings = program.settings
    return found.with_settings(
        epochs=2 * settings.epochs, batch=settings.batch // 2, weight_decay=5e-4, dropout=0.2
    )


def _smoothing(program: Program) -> Program:
    return replace(program, make_loss=lambda _: nn.CrossEntropyLoss(label_smoothing=0.1))


def _multilabel_loss(program: Program) -> Program:
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


def _swish(net: nn.Module) -> None:
    swap(net, (nn.ReLU, nn.ReLU6), lambda _: nn.SiLU())


_ADAM: Final[Change] = numbers(optimizer="adam", lr=2e-3)

_ALL: Final = (
    Kind(name="base", change=unchanged),
    Kind(name="one-cycle", change=_schedule(_one_cycle)),
    Kind(name="constant-rate", change=each(_schedule(_constant), rate_times(0.5)), least=0.95),
    Kind(name="warm-up", change=_schedule(_warm_up)),
    Kind(name="milestones", change=_schedule(_milestones)),
    Kind(name="bfloat16", change=_step(_bfloat16)),
    Kind(name="mixup", change=_step(_mixup), least=0.95),
    Kind(name="label-smoothing", change=_smoothing),
    Kind(name="frozen-pretrained-body", change=frozen_body, least=0.9),
    Kind(name="head-then-all", change=thawed, least=0.9),
    Kind(name="pretrained", change=pretrained),
    Kind(name="squeeze", change=network(_with_squeeze), least=0.9),
    Kind(name="gelu-without-norm", change=_gelu_without_norm, least=0.9),
    Kind(name="silu", change=network(_swish), least=0.9),
    Kind(name="no-norm", change=numbers(norm=False, optimizer="adam", lr=2e-3), least=0.9),
    Kind(name="norm-batch-8", change=each(numbers(norm=True, batch=8, epochs=3),
                                          rate_times(0.25)), least=0.9),
    Kind(name="accumulation", change=each(_step(_accumulate), numbers(batch=8, epochs=4)),
         least=0.85),
    Kind(name="cleared-last", change=_step(_cleared_last)),
    Kind(name="clipped-to-1", change=clipped_to(1.0), least=0.95),
    Kind(name="ema", change=_ema, least=0.95),
    Kind(name="adam", change=_ADAM, least=0.9),
    Kind(name="adamw", change=numbers(optimizer="adamw", lr=2e-3, weight_decay=0.01), least=0.9),
    Kind(name="sgd", change=numbers(optimizer="sgd", lr=0.05), least=0.9),
    Kind(name="rmsprop", change=numbers(optimizer="rmsprop", lr=1e-3), least=0.9),
    Kind(name="dropout-half", change=numbers(dropout=0.5), least=0.85),
    Kind(name="decay-5e-4", change=numbers(weight_decay=5e-4)),
    Kind(name="tiny-validation", change=_loaders(_small_validation)),
    Kind(name="no-validation", change=_loaders(_no_validation)),
    Kind(name="long", change=_long),
    Kind(name="balanced-sampler", change=_balanced, least=0.9),
    Kind(name="augmented", change=_augmented, least=0.95),
    Kind(name="two-easy-classes", change=_classes(0, 1)),
    Kind(name="four-classes", change=_classes(0, 1, 2, 3)),
    Kind(name="tied-weights", change=network(_Tied), least=0.9),
    Kind(name="unused-auxiliary-head", change=network(_WithSpare)),
    Kind(name="few-pictures-regularised", change=_few, least=0.75),
    Kind(name="one-against-all", change=_multilabel_loss, least=0.95),
    Kind(name="hubelnet", change=_hubelnet, least=0.9),
    Kind(name="large-batch", change=numbers(batch=100), least=0.85),
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})
