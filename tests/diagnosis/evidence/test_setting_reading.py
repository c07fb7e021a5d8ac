"""The setting of a training, read from its parts."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from hubel.diagnosis.evidence.reading import hidden_parameters, read_setting

DATA = TensorDataset(torch.zeros(10, 1), torch.zeros(10))


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, (3, 5), padding=1, bias=False),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def setting(loader=None, net=None, optimizer=None):
    net = net or network()
    return read_setting(net, optimizer or torch.optim.SGD(net.parameters(), 0.1), loader)


def test_parameters_and_their_groups():
    net = network()
    groups = [{"params": [net[0].weight], "lr": 0.01}, {"params": net[4].parameters()}]
    net[1].weight.requires_grad_(requires_grad=False)
    extra = nn.Parameter(torch.zeros(1))
    groups.append({"params": [extra]})
    optimizer = torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.9))
    found = setting(net=net, optimizer=optimizer)
    assert {one.name: one.group for one in found.parameters} == {
        "0.weight": 0,
        "1.weight": None,
        "1.bias": None,
        "4.weight": 1,
        "4.bias": 1,
    }
    assert [one.name for one in found.parameters if not one.trainable] == ["1.weight"]
    assert found.parameters[0].shape == (4, 1, 3, 5)
    assert found.optimizer.kind == "AdamW"
    assert found.optimizer.strangers == 1
    assert [group["lr"] for group in found.optimizer.groups] == [0.01, 0.1, 0.1]
    assert (found.optimizer.groups[0]["beta1"], found.optimizer.groups[0]["beta2"]) == (0.8, 0.9)
    assert "params" not in found.optimizer.groups[0]


def test_a_rate_that_is_a_tensor():
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=torch.tensor(0.5))
    assert setting(net=net, optimizer=optimizer).optimizer.groups[0]["lr"] == 0.5


def test_modules_with_their_numbers():
    net = network()
    net[1].eval()
    modules = {one.path: one for one in setting(net=net).modules}
    assert [one.kind for one in modules.values()] == [
        "Conv2d",
        "BatchNorm2d",
        "Dropout",
        "Flatten",
        "Linear",
    ]
    assert modules["0"].details["kernel_size"] == 5
    assert modules["0"].details["bias"] == 0
    assert modules["1"].details["momentum"] == 0.3
    assert modules["1"].details["track_running_stats"] == 1
    assert not modules["1"].training
    assert modules["2"].details["p"] == 0.25
    assert modules["4"].details["out_features"] == 3
    assert modules["4"].details["bias"] == 1


def test_weights_that_do_not_exist_yet_and_precision():
    net = nn.Sequential(nn.LazyLinear(3))
    assert setting(net=net).parameters[0].shape == ()
    assert setting(net=network().bfloat16()).precision == "bfloat16"


class Backwards(Sampler):
    def __iter__(self):
        return iter(range(9, -1, -1))

    def __len__(self):
        return 10


class Stream(IterableDataset):
    def __init__(self, length):
        self.length = length

    def __iter__(self):
        return iter(torch.zeros(10))

    def __len__(self):
        if self.length is None:
            raise TypeError
        return self.length


class Batches(BatchSampler):
    pass


# name: (loader, shuffled, pictures, batch, steps a pass)
LOADERS = {
    "shuffled": (DataLoader(DATA, 4, shuffle=True), True, 10, 4, 3),
    "in order": (DataLoader(DATA, 4), False, 10, 4, 3),
    "last dropped": (DataLoader(DATA, 4, shuffle=True, drop_last=True), True, 10, 4, 2),
    "weighted": (
        DataLoader(DATA, 5, sampler=WeightedRandomSampler([1.0] * 10, 20)),
        True,
        10,
        5,
        4,
    ),
    "subset at random": (
        DataLoader(DATA, 2, sampler=SubsetRandomSampler(range(6))),
        True,
        6,
        2,
        3,
    ),
    "subset": (DataLoader(Subset(DATA, [1, 2, 3]), 2), False, 3, 2, 2),
    "processes": (
        DataLoader(DATA, 5, sampler=DistributedSampler(DATA, 2, 0)),
        True,
        10,
        5,
        1,
    ),
    "processes in order": (
        DataLoader(DATA, 5, sampler=DistributedSampler(DATA, 2, 0, shuffle=False)),
        False,
        10,
        5,
        1,
    ),
    "own sampler": (DataLoader(DATA, 5, sampler=Backwards()), None, 10, 5, 2),
    "batch sampler": (
        DataLoader(DATA, batch_sampler=BatchSampler(RandomSampler(DATA), 5, drop_last=False)),
        True,
        10,
        5,
        2,
    ),
    "own batch sampler": (
        DataLoader(DATA, batch_sampler=Batches(SequentialSampler(DATA), 5, drop_last=False)),
        None,
        10,
        5,
        2,
    ),
    "stream": (DataLoader(Stream(10), 4), None, 10, 4, 3),
    "stream, last dropped": (DataLoader(Stream(10), 4, drop_last=True), None, 10, 4, 2),
    "endless stream": (DataLoader(Stream(None), 4), None, None, 4, None),
    "list": ([(torch.zeros(4, 1), torch.zeros(4))] * 3, None, None, None, 3),
    "generator": ((one for one in range(3)), None, None, None, None),
    "nothing": (None, None, None, None, None),
}


@pytest.mark.parametrize("name", LOADERS)
def test_loader(name):
    loader, shuffled, pictures, batch, steps = LOADERS[name]
    net = network()
    before = torch.get_rng_state()
    found = setting(loader, net)
    assert (found.shuffled, found.pictures, found.batch, found.steps_a_pass) == (
        shuffled,
        pictures,
        batch,
        steps,
    )
    assert torch.equal(torch.get_rng_state(), before)


def test_a_stream_is_not_asked_for_the_length_that_it_would_remember():
    loader = DataLoader(Stream(10), 4)
    before = dict(vars(loader))
    setting(loader)
    assert vars(loader) == before


def test_a_generator_is_not_begun():
    given = iter([1, 2, 3])
    setting(given)
    assert next(given) == 1


class Hiding(nn.Module):
    def __init__(self):
        super().__init__()
        self.listed = [nn.Linear(2, 2, bias=False)]
        self.named = {"a": (nn.Linear(2, 2, bias=False),)}
        self.registered = nn.ModuleList([nn.Linear(2, 2)])
        self.again = [self.registered[0]]
        self.numbers = [1, "two", None]
        self.inner = nn.Module()
        self.inner.free = [nn.Parameter(torch.zeros(3))]


def test_hidden_parameters():
    found = hidden_parameters(Hiding())
    assert list(found) == ["listed[0].weight", "named['a'][0].weight", "inner.free[0]"]
    facts = setting(net=Hiding()).hidden
    assert [one.reached for one in facts] == [False] * 3
    assert hidden_parameters(network()) == {}


def test_the_network_is_as_before():
    net = network()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    one = setting(DataLoader(DATA, 2), net)
    assert replace(one) == setting(DataLoader(DATA, 2), net)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
