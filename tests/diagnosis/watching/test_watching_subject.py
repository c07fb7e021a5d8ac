# ruff: noqa: NPY002
"""The subject of a plain loop: copies, pictures, losses."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import hubel
from hubel.diagnosis.evidence.setting import LossFact
from hubel.diagnosis.watching.copies import copied
from hubel.diagnosis.watching.losses import losses, task_of
from hubel.diagnosis.watching.samples import generators

GENERATOR = torch.Generator().manual_seed(0)
X = torch.rand(40, 1, 6, 6, generator=GENERATOR)
Y = torch.randint(0, 3, (40,), generator=GENERATOR)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))


def run(loader, model=None, change=lambda pictures: pictures, **settings):
    model = network() if model is None else model
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1)
    with hubel.watch(model, optimizer, loader, say=None, **settings) as doctor:
        for pictures, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(change(pictures)), labels).backward()
            optimizer.step()
        scheduler.step()
    return model, doctor._subject


def test_networks_are_copies_and_fresh_ones_have_the_first_weights():
    first = network().state_dict()
    model, subject = run(DataLoader(TensorDataset(X, Y), 8))
    copy, fresh = subject.network(), subject.fresh()
    assert torch.equal(copy[1].weight, model[1].weight)
    assert torch.equal(fresh[1].weight, first["1.weight"])
    assert not torch.equal(fresh[1].weight, model[1].weight)
    assert not copy._forward_hooks
    with torch.no_grad():
        copy[1].weight.zero_()
    assert model[1].weight.abs().sum() > 0


def test_an_optimizer_is_of_the_same_kind_without_state_and_with_the_highest_rate():
    _, subject = run(DataLoader(TensorDataset(X, Y), 8))
    copy = subject.network()
    optimizer = subject.optimizer(copy, 2.0)
    assert type(optimizer) is torch.optim.Adam
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02)  # The schedule is at 0 now.
    assert [id(one) for one in optimizer.param_groups[0]["params"]] == list(
        map(id, copy.parameters())
    )
    before = copy[1].weight.detach().clone()
    F.cross_entropy(copy(X), Y).backward()
    optimizer.step()
    assert (copy[1].weight - before).abs().max().item() == pytest.approx(0.02, rel=1e-3)


def test_samples_are_spread_over_the_dataset_and_the_same_at_each_call():
    data = Subset(TensorDataset(X, Y), range(0, 40, 2))
    _, subject = run(DataLoader(data, 8, shuffle=True))
    found = subject.samples("train", 5)
    assert found.keys == ("0", "4", "8", "12", "16")
    assert torch.equal(found.inputs, X[[0, 8, 16, 24, 32]])
    assert torch.equal(found.targets, Y[[0, 8, 16, 24, 32]])
    assert not found.augmented
    assert subject.samples("train", 5) is found
    assert len(subject.samples("train", 1000)) == 20
    assert subject.samples("val", 5) is None


def test_pictures_are_read_anew_by_their_keys():
    data = Drawing()
    _, subject = run(DataLoader(data, 8))
    found = subject.samples("train", 6)
    again = subject.reread("train", found.keys)
    assert again.keys == found.keys
    assert torch.equal(again.targets, found.targets)
    assert not torch.equal(again.inputs, found.inputs)  # Its augmentation is drawn anew.
    assert subject.reread("train", ("seen 3",)) is None
    assert subject.reread("val", found.keys) is None
    still = run(DataLoader(TensorDataset(X, Y), 8))[1]
    first = still.samples("train", 6)
    assert torch.equal(still.reread("train", first.keys).inputs, first.inputs)


class Drawing(Dataset):
    def __init__(self):
        self.transform = [{"rng": random.Random(5)}]
        self.own = torch.Generator().manual_seed(5)

    def __len__(self):
        return 24

    def __getitem__(self, index):
        noise = self.transform[0]["rng"].random() + torch.rand(1, generator=self.own).item()
        return X[index] + noise + random.random() + np.random.random(), int(Y[index])


def test_reading_samples_draws_nothing():
    data = Drawing()
    _, subject = run(DataLoader(data, 8))
    rng = data.transform[0]["rng"]
    assert {id(one) for one in generators(data)} == {id(rng), id(data.own)}
    before = torch.get_rng_state(), random.getstate(), rng.getstate(), data.own.get_state()
    numpy = np.random.get_state()[1].copy()
    found = subject.samples("train", 10)
    after = torch.get_rng_state(), random.getstate(), rng.getstate(), data.own.get_state()
    assert found.augmented
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[3], after[3])
    assert before[1:3] == after[1:3]
    assert np.array_equal(numpy, np.random.get_state()[1])


def test_pictures_that_the_loop_changes_are_those_that_it_was_seen_to_call_with():
    loader = DataLoader(TensorDataset(X, Y), 8)
    _, subject = run(loader, change=lambda pictures: pictures * 2 - 1)
    found = subject.samples("train", 1000)
    assert torch.equal(found.inputs, X * 2 - 1)
    assert torch.equal(found.targets, Y)


def test_mixed_pictures_are_read_from_the_dataset_unmixed():
    loader = DataLoader(TensorDataset(X, Y), 8)
    _, subject = run(loader, change=lambda pictures: 0.6 * pictures + 0.4 * pictures.flip(0))
    assert torch.equal(subject.samples("train", 40).inputs, X)


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


def test_a_stream_gives_what_was_seen_of_it():
    _, subject = run(DataLoader(Stream(), 8))
    found = subject.samples("train", 20)
    assert len(found) == 20
    assert torch.equal(found.inputs[:2], X[[0, 2]])


def margin(outputs, targets):
    own = outputs[range(len(targets)), targets][:, None]
    each = (1 - own + outputs).clamp(min=0)
    each[range(len(targets)), targets] = 0
    return each.sum(1) / outputs.shape[1]


def fact(kind, *, negated=False):
    return LossFact(kind=kind, reduction="mean", negated=negated, activations=(), chain=())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cross-entropy", lambda o, t: -(o.log_softmax(1)[range(len(t)), t])),
        ("nll", lambda o, t: -o[range(len(t)), t]),
        ("bce-logits", lambda o, t: -((2 * F.one_hot(t, 3) - 1) * o).sigmoid().log().mean(1)),
        ("mse", lambda o, t: ((o - F.one_hot(t, 3)) ** 2).mean(1)),
        ("l1", lambda o, t: (o - F.one_hot(t, 3)).abs().mean(1)),
        ("smooth-l1", lambda o, t: smooth(o - F.one_hot(t, 3)).mean(1)),
        ("bce", lambda o, t: -torch.where(F.one_hot(t, 3) == 1, o, 1 - o).log().mean(1)),
        ("margin", margin),
    ],
)
def test_losses_of_class_numbers(kind, expected):
    outputs, targets = torch.rand(5, 3, generator=GENERATOR), torch.tensor([0, 2, 1, 1, 0])
    found = losses(outputs, targets, fact(kind), "classification")
    assert found.tolist() == pytest.approx(expected(outputs, targets).tolist(), rel=1e-4)
    turned = losses(outputs, targets, fact(kind, negated=True), "classification")
    assert torch.equal(turned, -found)


def smooth(distance):
    return torch.where(distance.abs() < 1, distance**2 / 2, distance.abs() - 0.5)


def test_losses_that_do_not_fit_are_unknown():
    assert losses(torch.rand(4, 2), torch.rand(4, 5), None, "regression").isnan().all()
    assert losses(torch.rand(4, 2), torch.tensor([0, 1, 2, 0]), None, "unknown").isnan().all()


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (torch.tensor([0, 2]), "classification"),
        (torch.tensor([[0.2, 0.8], [1.0, 0.0]]), "classification"),
        (torch.tensor([[1.0, 1.0], [0.0, 0.0]]), "multilabel"),
        (torch.tensor([[1.5, -1.0], [0.0, 2.0]]), "regression"),
        (torch.zeros(2, 4, 4, dtype=torch.long), "unknown"),
        (None, "unknown"),
    ],
)
def test_the_task_is_told_by_the_labels(labels, task):
    assert task_of(labels, None) == task


def test_hooks_of_a_loop_are_not_copied_and_those_of_torch_are():
    seen = []
    model = network()
    model[0].register_forward_hook(lambda *_: seen.append(1))
    model[1] = nn.utils.parametrizations.weight_norm(model[1])
    with pytest.warns(FutureWarning):
        model.append(nn.utils.weight_norm(nn.Linear(3, 3)))
    twin = copied(model)
    assert torch.equal(twin(X), model.eval()(X))
    assert len(seen) == 1
    assert len(twin[2]._forward_pre_hooks) == 1
