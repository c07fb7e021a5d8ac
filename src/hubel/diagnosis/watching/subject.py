"""What active tests may use of a plain loop: copies of its network, its pictures, its loss."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.diagnosis.evidence.subject import Samples
from hubel.diagnosis.watching.copies import copied
from hubel.diagnosis.watching.course import Course, Split
from hubel.diagnosis.watching.losses import losses
from hubel.diagnosis.watching.samples import can_be_read, indices, read
from hubel.diagnosis.watching.seen import Seen
from hubel.diagnosis.watching.undisturbed import undisturbed


@final
class LoopSubject:
    """A watched loop, for tests. Every network that it gives is a copy."""

    def __init__(
        self,
        course: Course,
        loaders: Mapping[Split, Any],
        seen: Seen,
        fresh: Callable[[], Mapping[str, Tensor] | None],
    ) -> None:
        self._course = course
        self._loaders = loaders
        self._seen = seen
        self._fresh = fresh
        self._rates = [_rate(group) for group in course.optimizer.param_groups]
        self._samples: dict[tuple[str, int], Samples | None] = {}

    def network(self) -> nn.Module:
        """Return a copy as it stands, its modes included."""
        return copied(self._course.network)

    def fresh(self) -> nn.Module | None:
        """Return a copy with the weights of before the first update; None if unknown."""
        state = self._fresh()
        if state is None:
            return None
        network = self.network()
        try:
            network.load_state_dict(dict(state))
        except RuntimeError:
            return None  # Modules came or went since then.
        return network

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each picture, (n,): the training's where known, else by the task."""
        return losses(outputs, targets, self._course.loss, self._course.task)

    def optimizer(self, module: nn.Module, factor: float = 1.0) -> Optimizer:
        """Return an optimizer of the training's kind for a copy, its rates times `factor`.

        Its state is that of before the first update. Its rates are the highest that are known of
        the training's schedule, since a schedule that is over has a rate of 0.
        """
        own = self._course.optimizer
        names = {id(one): name for name, one in self._course.network.named_parameters()}
        copies = dict(module.named_parameters())
        memo: dict[int, Any] = {id(own.state): defaultdict(dict)}
        for group in own.param_groups:
            for one in group["params"]:
                memo[id(one)] = copies.get(names.get(id(one), ""), one)
        twin = copy.deepcopy(own, memo)
        twin.state = defaultdict(dict)
        mine = {id(one) for one in copies.values()}
        for rate, old, group in zip(self._rates, own.param_groups, twin.param_groups, strict=False):
            group["params"] = [one for one in group["params"] if id(one) in mine]
            highest = max(rate, _rate(old)) * factor
            lr = group.get("lr")
            group["lr"] = torch.full_like(lr, highest) if isinstance(lr, Tensor) else highest
        return twin

    def samples(self, split: Literal["train", "val"], number: int) -> Samples | None:
        """Return `number` pictures, or all where there are fewer, spread over the split.

        They are read from the loader's dataset if the network gets what the loader gives out;
        else they are pictures that the network was called with. None where neither can be had.
        """
        key = split, number
        if key not in self._samples:
            found = self._from_dataset(split, lambda loader: indices(loader, number))
            self._samples[key] = found or self._from_seen(split, number)
        return self._samples[key]

    def reread(self, split: Literal["train", "val"], keys: Sequence[str]) -> Samples | None:
        """Return pictures of the dataset, by their indices, read once more; None if they cannot."""
        if not all(key.isdecimal() for key in keys):
            return None
        return self._from_dataset(split, lambda _: [int(key) for key in keys], seed=1)

    def _from_dataset(
        self, split: Split, places: Callable[[Any], Sequence[int]], seed: int = 0
    ) -> Samples | None:
        loader = self._loaders.get(split)
        if not self._seen.direct or not can_be_read(loader):
            return None
        try:
            found = read(loader, places(loader), seed)
        except Exception:  # noqa: BLE001 # a dataset may fail in any way; then there is none
            return None
        if found is None:
            return None
        inputs, targets, keys, augmented = found
        return Samples(
            inputs=self._placed(inputs),
            targets=self._placed(targets),
            keys=keys,
            augmented=augmented,
        )

    def _from_seen(self, split: Split, number: int) -> Samples | None:
        found = self._seen.some(split, number)
        if found is None:
            return None
        inputs, targets = found
        keys = tuple(f"seen {place}" for place in range(len(inputs)))
        return Samples(
            inputs=self._placed(inputs), targets=self._placed(targets), keys=keys, augmented=False
        )

    def _placed(self, values: Tensor) -> Tensor:
        parameter = next(self._course.network.parameters(), None)
        return values if parameter is None else values.to(parameter.device)

    def evaluate(self, number: int) -> tuple[Samples, Tensor] | None:
        """Return validation pictures, and what the network answers to them in evaluation mode."""
        samples = self.samples("val", number)
        if samples is None:
            return None
        network = self.network().eval()
        with undisturbed(network), torch.no_grad():
            found = [network(part) for part in samples.inputs.split(64)]
        return samples, torch.cat(found) if isinstance(found[0], Tensor) else found[0].logits


def _rate(group: Mapping[str, Any]) -> float:
    """Return the highest learning rate that a group of parameters tells."""
    rates = [float(group[name]) for name in ("lr", "initial_lr", "max_lr") if name in group]
    return max(rates, default=0.0)
