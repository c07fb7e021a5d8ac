# ruff: noqa: NPY002
"""Watching changes no bit of a training, and leaves nothing behind."""

import contextlib
import copy
import pickle
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from torch.utils.data import DataLoader, Dataset

import hubel

OPTIMIZERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9),
    "adam": lambda weights: torch.optim.Adam(weights, 0.01),
}


class Noisy(Dataset):
    """Pictures that draw from every global random state, and from a generator of their own."""

    def __init__(self):
        self.own = np.random.default_rng(1)

    def __len__(self):
        return 72

    def __getitem__(self, index):
        noise = random.random() + np.random.random() + self.own.random()
        return torch.rand(1, 8, 8) + noise + index / 72, index % 3


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(144, 3),
    )


def passes(model, optimizer, loader, validation, fault, accumulate):
    scheduler = CosineAnnealingLR(optimizer, 4)
    for _ in range(2):
        model.train()
        for number, (pictures, labels) in enumerate(loader):
            if fault == "break" and number == 3:
                break
            if fault == "error" and number == 3:
                raise RuntimeError("as planned")
            (F.cross_entropy(model(pictures), labels) / accumulate).backward()
            if (number + 1) % accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            for pictures, _ in validation:
                model(pictures)
        scheduler.step()


def trained(watched, *, kind="sgd", workers=0, fault="", accumulate=1, nested=False):
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    data = Noisy()
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    loader = DataLoader(data, 8, shuffle=True, num_workers=workers)
    validation = DataLoader(data, 12)

    def watch():
        return hubel.watch(model, optimizer, loader, validation, probe_every=2, say=None)

    with contextlib.ExitStack() as stack:
        doctors = [stack.enter_context(watch()) for _ in range(watched * (1 + nested))]
        with contextlib.suppress(RuntimeError):
            passes(model, optimizer, loader, validation, fault, accumulate)
        for doctor in doctors:
            doctor.diagnosis()
    for doctor in doctors:
        doctor.diagnosis()
        assert doctor.record.units
    return {
        "weights": [*model.state_dict().values()],
        "modes": [module.training for module in model.modules()],
        "gradients": [one.grad for one in model.parameters()],
        "optimizer": optimizer.state_dict(),
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
        "own": data.own.bit_generator.state,
    }


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


CASES = [
    {},
    {"kind": "adam"},
    {"workers": 2},
    {"accumulate": 3},
    {"fault": "error"},
    {"fault": "break"},
    {"nested": True},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_watched_training_is_the_same_to_the_bit(case):
    plain, watched = trained(0, **case), trained(1, **case)
    assert {name: same(plain[name], watched[name]) for name in plain} == dict.fromkeys(plain, True)


def test_the_comparison_sees_one_more_random_number():
    plain = trained(0)
    torch.rand(1)
    assert not same(plain["torch"], torch.get_rng_state())


def traces(model, optimizer):
    kinds = [LRScheduler, CosineAnnealingLR]
    clip = torch.nn.utils.clip_grad
    return [
        DataLoader.__iter__,
        torch.autograd.backward,
        torch.amp.GradScaler.scale,
        torch.amp.GradScaler.unscale_,
        *(vars(kind).get("step") for kind in kinds),
        [value for name, value in sorted(vars(clip).items()) if "clip" in name],
        *(dict(getattr(module, name)) for module in model.modules() for name in HOOKS),
        dict(optimizer._optimizer_step_pre_hooks),
        dict(optimizer._optimizer_step_post_hooks),
    ]


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs")


@pytest.mark.parametrize("fails", [False, True])
def test_everything_that_was_patched_is_as_before(fails):
    model = network()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    loader = DataLoader(Noisy(), 8)
    before = traces(model, optimizer)
    with contextlib.suppress(KeyError), hubel.watch(model, optimizer, loader, say=None):
        assert traces(model, optimizer) != before
        if fails:
            raise KeyError
    assert traces(model, optimizer) == before


def test_watches_may_end_in_any_order():
    models = [network(), network()]
    optimizers = [OPTIMIZERS["sgd"](one.parameters()) for one in models]
    before = torch.autograd.backward, DataLoader.__iter__
    loader = DataLoader(Noisy(), 8)
    one, other = (
        hubel.watch(model, optimizer, loader, say=None)
        for model, optimizer in zip(models, optimizers, strict=True)
    )
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    for pictures, labels in loader:
        optimizers[1].zero_grad()
        F.cross_entropy(models[1](pictures), labels).backward()
        optimizers[1].step()
    other.__exit__(None, None, None)
    assert (torch.autograd.backward, DataLoader.__iter__) == before
    assert (len(one.record.steps), len(other.record.steps)) == (0, 9)


def test_a_copy_of_a_watched_network_is_not_watched():
    model = network()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    loader = DataLoader(Noisy(), 8)
    with hubel.watch(model, optimizer, loader, say=None) as doctor:
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            copies = torch.optim.SGD(twin.parameters(), 0.1)
            for pictures, labels in loader:
                F.cross_entropy(twin(pictures), labels).backward()
                copies.step()
    assert not doctor.record.steps
    assert not doctor.record.evaluations
