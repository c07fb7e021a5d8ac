"""Synchronised batch normalisation: two threads with a part each are one process with all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.synchronised import Exchange, SynchronisedStatistics


class Table:
    """Where threads meet; the exchange of each rank reads what all have laid down in a round."""

    def __init__(self, size: int) -> None:
        self.ranks = range(size)
        self.changed = threading.Condition()
        self.rounds = [0] * size
        self.slots: dict[tuple[int, int], Tensor] = {}
        self.failed = False

    def collect(self, rank: int, tensor: Tensor) -> list[Tensor]:
        with self.changed:
            number = self.rounds[rank]
            self.rounds[rank] += 1
            self.slots[number, rank] = tensor.clone()
            self.changed.notify_all()
            places = [(number, other) for other in self.ranks]
            # One that fails later has laid down its part of this round: this one is answered.
            self.changed.wait_for(lambda: self.failed or self.slots.keys() >= set(places), 20)
            return [self.slots[place].clone() for place in places]

    def fail(self) -> None:
        """Let nobody wait for one that has ended."""
        with self.changed:
            self.failed = True
            self.changed.notify_all()


class Threads(Exchange):
    def __init__(self, table: Table, rank: int) -> None:
        self.table, self.rank = table, rank

    def collect(self, tensor: Tensor) -> list[Tensor]:
        return self.table.collect(self.rank, tensor)

    def add_up(self, tensor: Tensor) -> None:
        tensor.copy_(torch.stack(self.table.collect(self.rank, tensor)).sum(0))


def together(work: list[Callable[[Exchange], Any]]) -> list[Any]:
    """Run each function in a thread of its own and return what they gave."""
    table = Table(len(work))
    results: list[Any] = [None] * len(work)

    def run(rank: int) -> None:
        try:
            results[rank] = work[rank](Threads(table, rank))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            table.fail()
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def layer_of(axes: int, *, affine: bool = True) -> nn.Module:
    kind = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[max(axes - 1, 0)]
    layer = kind(3, affine=affine, dtype=torch.float64)
    if affine:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return layer


@settings(deadline=None, max_examples=25)
@given(
    axes=st.integers(0, 3),
    parts=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    affine=st.booleans(),
    last=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_parts_are_normalised_as_the_whole(
    axes: int, parts: list[int], affine: bool, last: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    shape = (sum(parts), 3, *(2, 3, 2)[:axes])
    whole = torch.randn(shape, dtype=torch.float64) * 3 + 5
    if axes == 2 and last:
        whole = whole.contiguous(memory_format=torch.channels_last)
    wanted = torch.randn(shape, dtype=torch.float64)
    plain = layer_of(axes, affine=affine)
    twins = [layer_of(axes, affine=affine) for _ in parts]
    for twin in twins:
        twin.load_state_dict(plain.state_dict())
    inputs = whole.clone().requires_grad_()
    outputs = plain(inputs)
    (outputs.sin() * wanted).sum().backward()

    def part(rank: int) -> Callable[[Exchange], tuple[Tensor, Tensor]]:
        first = sum(parts[:rank])
        rows = slice(first, first + parts[rank])

        def work(exchange: Exchange) -> tuple[Tensor, Tensor]:
            mine = whole[rows].clone().requires_grad_()
            with SynchronisedStatistics(exchange):
                made = twins[rank](mine)
            (made.sin() * wanted[rows]).sum().backward()
            assert mine.grad is not None
            return made.detach(), mine.grad

        return work

    found = together([part(rank) for rank in range(len(parts))])
    torch.testing.assert_close(torch.cat([made for made, _ in found]), outputs.detach())
    torch.testing.assert_close(torch.cat([grad for _, grad in found]), inputs.grad)
    for name, value in plain.state_dict().items():
        for twin in twins:
            torch.testing.assert_close(twin.state_dict()[name], value)
    for name, weight in plain.named_parameters():
        summed = sum(dict(twin.named_parameters())[name].grad for twin in twins)
        torch.testing.assert_close(summed, weight.grad)


def test_the_gradient_is_the_derivative() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)

    class Alone(Exchange):
        def collect(self, tensor: Tensor) -> list[Tensor]:
            return [tensor]

        def add_up(self, tensor: Tensor) -> None:
            pass

    def normalise(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with SynchronisedStatistics(Alone()):
            return F.batch_norm(inputs, None, None, weight, bias, training=True)

    assert torch.autograd.gradcheck(normalise, (inputs, weight, bias))


def test_large_means_lose_no_digits() -> None:
    torch.manual_seed(0)
    whole = torch.randn(8, 1, 4, 4) + 10_000
    layers = [nn.BatchNorm2d(1, momentum=1.0) for _ in range(2)]

    def part(rank: int) -> Callable[[Exchange], Tensor]:
        def work(exchange: Exchange) -> Tensor:
            with SynchronisedStatistics(exchange):
                return layers[rank](whole[4 * rank : 4 * rank + 4])

        return work

    together([part(0), part(1)])
    true = whole.double().var()
    assert layers[0].running_var is not None
    assert abs(float(layers[0].running_var) / float(true) - 1) < 1e-3


def test_a_process_without_a_picture_counts_for_nothing() -> None:
    torch.manual_seed(0)
    whole = torch.randn(3, 3, 2, 2, dtype=torch.float64)
    plain, own, other = (layer_of(2) for _ in range(3))
    own.load_state_dict(plain.state_dict())
    other.load_state_dict(plain.state_dict())
    inputs = whole.clone().requires_grad_()
    plain(inputs).square().sum().backward()

    def counted(exchange: Exchange) -> Tensor:
        mine = whole.clone().requires_grad_()
        with SynchronisedStatistics(exchange):
            own(mine).square().sum().backward()
        assert mine.grad is not None
        return mine.grad

    def ghost(exchange: Exchange) -> Tensor:
        mine = (100 * whole[:1]).requires_grad_()
        with SynchronisedStatistics(exchange, counted=False):
            (other(mine).square().sum() * 0).backward()
        assert mine.grad is not None
        return mine.grad

    found = together([counted, ghost])
    torch.testing.assert_close(found[0], inputs.grad)
    assert not found[1].any()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


def test_what_is_not_training_is_left_alone() -> None:
    class Refuses(Exchange):
        def collect(self, tensor: Tensor) -> list[Tensor]:
            raise AssertionError

        def add_up(self, tensor: Tensor) -> None:
            raise AssertionError

    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    layer = layer_of(2).eval()
    with SynchronisedStatistics(Refuses()):
        assert torch.equal(layer(inputs), layer(inputs))
        made = F.relu(inputs)
    assert torch.equal(made, inputs.relu())


def test_one_value_a_channel_has_no_variance() -> None:
    def ghost(exchange: Exchange) -> None:
        with SynchronisedStatistics(exchange, counted=False):
            layer_of(0)(torch.ones(1, 3, dtype=torch.float64))

    def one(exchange: Exchange) -> None:
        with SynchronisedStatistics(exchange):
            layer_of(0)(torch.ones(1, 3, dtype=torch.float64))

    found = together([one, ghost])
    assert isinstance(found[0], UsageError)
    with pytest.raises(UsageError, match="more than one value a channel, but the batch has one"):
        raise found[0]
