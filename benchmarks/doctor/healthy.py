"""Healthy trainings of every kind that rules have been wrong about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from benchmarks.doctor import regimes
from benchmarks.doctor.faults.fault import Change, each, network, numbers, unchanged
from benchmarks.doctor.faults.rates import clipped_to, rate_times


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


_ADAM: Final[Change] = numbers(optimizer="adam", lr=2e-3)

_ALL: Final = (
    Kind(name="base", change=unchanged),
    Kind(name="one-cycle", change=regimes.by_schedule(regimes.one_cycle)),
    Kind(name="constant-rate",
         change=each(regimes.by_schedule(regimes.constant), rate_times(0.5)), least=0.95),
    Kind(name="warm-up", change=regimes.by_schedule(regimes.warm_up)),
    Kind(name="milestones", change=regimes.by_schedule(regimes.milestones)),
    Kind(name="bfloat16", change=regimes.by_step(regimes.bfloat16)),
    Kind(name="mixup", change=regimes.by_step(regimes.mixup), least=0.95),
    Kind(name="label-smoothing", change=regimes.smoothing),
    Kind(name="frozen-pretrained-body", change=regimes.frozen_body, least=0.9),
    Kind(name="head-then-all", change=regimes.thawed, least=0.9),
    Kind(name="pretrained", change=regimes.pretrained),
    Kind(name="squeeze", change=network(regimes.with_squeeze), least=0.9),
    Kind(name="gelu-without-norm", change=regimes.gelu_without_norm, least=0.9),
    Kind(name="silu", change=network(regimes.swish), least=0.9),
    Kind(name="no-norm", change=numbers(norm=False, optimizer="adam", lr=2e-3), least=0.9),
    Kind(name="norm-batch-8", change=each(numbers(norm=True, batch=8, epochs=3),
                                          rate_times(0.25)), least=0.9),
    Kind(name="accumulation",
         change=each(regimes.by_step(regimes.accumulate), numbers(batch=8)), least=0.85),
    Kind(name="cleared-last", change=regimes.by_step(regimes.cleared_last)),
    Kind(name="clipped-to-1", change=clipped_to(1.0), least=0.95),
    Kind(name="ema", change=regimes.with_ema, least=0.95),
    Kind(name="adam", change=_ADAM, least=0.9),
    Kind(name="adamw", change=numbers(optimizer="adamw", lr=2e-3, weight_decay=0.01), least=0.9),
    Kind(name="sgd", change=numbers(optimizer="sgd", lr=0.05), least=0.9),
    Kind(name="rmsprop", change=numbers(optimizer="rmsprop", lr=1e-3), least=0.9),
    Kind(name="dropout-half", change=numbers(dropout=0.5), least=0.85),
    Kind(name="decay-5e-4", change=numbers(weight_decay=5e-4)),
    Kind(name="tiny-validation", change=regimes.by_loaders(regimes.small_validation)),
    Kind(name="no-validation", change=regimes.by_loaders(regimes.no_validation)),
    Kind(name="long", change=regimes.three_times_as_long),
    Kind(name="balanced-sampler", change=regimes.balanced, least=0.9),
    Kind(name="augmented", change=regimes.augmented, least=0.95),
    Kind(name="two-easy-classes", change=regimes.only_classes(0, 1)),
    Kind(name="four-classes", change=regimes.only_classes(0, 1, 2, 3)),
    Kind(name="tied-weights", change=network(regimes.Tied), least=0.9),
    Kind(name="unused-auxiliary-head", change=network(regimes.WithSpare)),
    Kind(name="few-pictures-regularised", change=regimes.few_pictures, least=0.75),
    Kind(name="one-against-all", change=regimes.multilabel_loss, least=0.95),
    Kind(name="hubelnet", change=regimes.with_hubelnet, least=0.9),
    Kind(name="large-batch", change=numbers(batch=100), least=0.85),
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})
